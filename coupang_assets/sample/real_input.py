"""A world from given product lists and a given category tree.

Belongs here: reading the CSVs, codes for the tree's nodes, and which product belongs to which leaf. Does not: traffic
and page states (`catalogue.py`), which real input does not tell and which are therefore made up.

A product that brings its own path, columns `category1` to `category4` as far as filled, has it even when the tree does
not know it; otherwise its `keyword` is matched to a leaf as `leaf_index.py` says. A path shorter than four levels is
continued with its last name, so that every product has four codes.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from coupang_assets.errors import CoupangAssetsError
from coupang_assets.sample.catalogue import campaigns, category_weight, layouts, page_states, product_weights
from coupang_assets.sample.leaf_index import NO_LEAF, LeafIndex, Names
from coupang_assets.sample.world import CATEGORY_COLUMNS, CODE_COLUMNS, MAX_CODE, PRODUCT_SCHEMA, World, shift_month

LEVELS = ("level1", "level2", "level3", "level4", "level5", "level6")
TITLES = ("name", "title", "ep_title")

NO_TITLE = "no title"
NO_CATEGORY = "neither category1 nor keyword"
BAD_ID = "product_id is not a number"
DUPLICATE = "product listed before"

OWN_PATH = "own path"


@dataclass(frozen=True)
class RealInputOptions:
    """What is added to the given files.

    Attributes:
        seed: chooses page states, layouts and traffic.
        first_month: the first work month that shows products.
        held_back_share: share of the categories, chosen by hash, that appear one month later.
        head_nouns: match a keyword by what it ends with when nothing else does.
    """

    seed: int = 0
    first_month: str = "2024_05"
    held_back_share: float = 0.15
    head_nouns: bool = True


@dataclass(frozen=True)
class RealInputReport:
    """What became of the given rows; `matched` and `left_out` together count every row once.

    Attributes:
        rows: rows read, by product file.
        nodes: nodes of the first four levels that have a code, own paths of products included.
        categories: leaves with products; `held_back` of their category4 appear a month later.
        products: products in the world.
        matched: products by how they found their leaf: `own path`, `keyword` or `keyword's ending`.
        left_out: rows by reason.
        unmatched_keywords: rows by keyword that matches no leaf, most frequent first.
    """

    rows: dict[str, int]
    nodes: int
    categories: int
    held_back: int
    products: int
    matched: dict[str, int] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)
    unmatched_keywords: dict[str, int] = field(default_factory=dict)


def build_world(
    products: Sequence[Path], tree: Path, options: RealInputOptions | None = None
) -> tuple[World, RealInputReport]:
    """A world of the given products in the given tree.

    The tree is a CSV with `level1` and more levels, one row a leaf; product files have a title (`name`, `title` or
    `ep_title`), `category1` or `keyword`, and maybe `product_id`; without one, an id follows from the title. The same
    input gives the same world and the same codes.

    Raises:
        CoupangAssetsError: a file cannot be read or lacks columns, the nodes are more than 9,999, or no product
            finds a leaf.
    """
    options = options or RealInputOptions()
    shift_month(options.first_month, 0)
    leaves = _read_tree(tree)
    index = LeafIndex(leaves)
    placed = _Placement(index, options.head_nouns)
    rows = {}
    for path in products:
        table = _read_products(path)
        rows[str(path)] = len(table)
        for row in table.to_dict("records"):
            placed.add(row)
    if not placed.products:
        raise CoupangAssetsError(
            f"none of {sum(rows.values())} products finds a category: {dict(placed.left_out)}",
            "give products with category1, or keywords that are names of the tree's leaves",
        )
    codes = _assign_codes([*leaves, *placed.by_leaf])
    held_back = _held_back({_four(leaf) for leaf in placed.by_leaf}, options)
    later = shift_month(options.first_month, 1)
    categories = [
        _category_row(leaf, codes, later if _four(leaf) in held_back else None) for leaf in sorted(placed.by_leaf)
    ]
    frame = pd.DataFrame(categories, columns=list(CATEGORY_COLUMNS)).astype(object)
    report = RealInputReport(
        rows=rows,
        nodes=len(codes),
        categories=len(frame),
        held_back=len(held_back),
        products=len(placed.products),
        matched=dict(placed.matched),
        left_out=dict(placed.left_out),
        unmatched_keywords=dict(placed.unmatched.most_common()),
    )
    return World(frame, _make_products(placed.by_leaf, codes, options), "real", asdict(options)), report


def _four(path: Names) -> Names:
    """The first four names; a shorter path is continued with its last name."""
    return (path + (path[-1],) * 4)[:4] if len(path) < 4 else path[:4]


def _read_csv(path: Path, what: str) -> pd.DataFrame:
    try:
        table: pd.DataFrame = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise CoupangAssetsError(
            f"{what} {path} cannot be read: {str(error) or type(error).__name__}", "give a CSV file in UTF-8"
        ) from error
    for name in table.columns:
        table[name] = table[name].str.strip()
    return table


def _read_tree(path: Path) -> list[Names]:
    """The tree's leaves as paths of at most five names."""
    table = _read_csv(path, "the category tree")
    levels = [name for name in LEVELS if name in table.columns]
    if levels[:2] != ["level1", "level2"]:
        raise CoupangAssetsError(
            f"the category tree {path} lacks columns level1 and level2; it has {', '.join(table.columns)}",
            "give a CSV with the columns code, level1, level2, … level6",
        )
    leaves = set()
    for names in table[levels].itertuples(index=False, name=None):
        filled = names[: names.index("")] if "" in names else names
        if filled:
            leaves.add(tuple(filled[:5]))
    if not leaves:
        raise CoupangAssetsError(f"the category tree {path} has no rows", "give a tree with at least one leaf")
    return sorted(leaves)


def _read_products(path: Path) -> pd.DataFrame:
    table = _read_csv(path, "the product file")
    title = next((name for name in TITLES if name in table.columns), None)
    if title is None or not {"category1", "keyword"} & set(table.columns):
        raise CoupangAssetsError(
            f"the product file {path} needs a title ({', '.join(TITLES)}) and category1 or keyword; "
            f"it has {', '.join(table.columns)}",
            "rename or add the columns",
        )
    return table.rename(columns={title: "title"})


class _Placement:
    """Products by leaf, in the order given, and an account of every row."""

    def __init__(self, index: LeafIndex, head_nouns: bool) -> None:
        self.products: set[str] = set()
        self.by_leaf: dict[Names, list[tuple[str, str]]] = defaultdict(list)
        self.matched: Counter[str] = Counter()
        self.left_out: Counter[str] = Counter()
        self.unmatched: Counter[str] = Counter()
        self._find = cache(partial(index.find, head_nouns=head_nouns))

    def add(self, row: Mapping[Hashable, str]) -> None:
        title, keyword = row["title"], row.get("keyword", "")
        names = [row.get(name, "") for name in CODE_COLUMNS]
        own: Names = tuple(names[: names.index("")] if "" in names else names)
        product_id = row.get("product_id", "") or _id_from(title)
        if not title:
            self.left_out[NO_TITLE] += 1
        elif not (own or keyword):
            self.left_out[NO_CATEGORY] += 1
        elif not (product_id.isascii() and product_id.isdigit()):
            self.left_out[BAD_ID] += 1
        elif product_id in self.products:
            self.left_out[DUPLICATE] += 1
        else:
            leaf, how = (own, OWN_PATH) if own else self._find(keyword)
            if leaf is None:
                self.left_out[NO_LEAF] += 1
                self.unmatched[keyword] += 1
                return
            self.products.add(product_id)
            self.by_leaf[leaf].append((product_id, title))
            self.matched[how] += 1


def _digest(*parts: object) -> int:
    return int.from_bytes(hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()[:8])


def _uniform(*parts: object) -> float:
    """A number from 0 up to 1 that follows from the parts alone, so that one more product changes no other."""
    return (_digest(*parts) >> 11) / 2**53


def _id_from(title: str) -> str:
    return str(9_000_000_000 + _digest("product", title) % 1_000_000_000)


def _assign_codes(leaves: Iterable[Names]) -> dict[Names, str]:
    """A code for every node of the first four levels, by hash of its path; a taken one moves on to the next free."""
    nodes = sorted({_four(leaf)[:depth] for leaf in leaves for depth in range(1, 5)})
    if len(nodes) > MAX_CODE:
        raise CoupangAssetsError(
            f"the tree's first four levels have {len(nodes)} nodes, more than the {MAX_CODE} four-digit codes",
            "give a smaller tree",
        )
    codes: dict[Names, str] = {}
    taken: set[int] = set()
    for node in nodes:
        code = 1 + _digest("node", *node) % MAX_CODE
        while code in taken:
            code = code % MAX_CODE + 1
        taken.add(code)
        codes[node] = f"{code:04d}"
    return codes


def _leaf_id(leaf: Names, codes: dict[Names, str]) -> str:
    """The category4 code; leaves that share it tell themselves apart by their fifth name."""
    code = codes[_four(leaf)]
    return f"{code}/{leaf[4]}" if len(leaf) > 4 else code


def _held_back(paths: set[Names], options: RealInputOptions) -> set[Names]:
    """The category4 that come a month later: the share asked for, by hash, but of two or more never none or all."""
    order = sorted(paths, key=lambda path: (_uniform(options.seed, "held back", *path), path))
    count = sum(_uniform(options.seed, "held back", *path) < options.held_back_share for path in order)
    if options.held_back_share > 0:
        count = min(max(count, 1), len(order) - 1)
    return set(order[:count])


def _category_row(leaf: Names, codes: dict[Names, str], first_month: str | None) -> tuple[str | None, ...]:
    four = _four(leaf)
    return (
        _leaf_id(leaf, codes),
        *(codes[four[:depth]] for depth in range(1, 5)),
        *four,
        leaf[4] if len(leaf) > 4 else None,
        "normal",
        first_month,
        None,
        None,
        None,
    )


def _make_products(
    by_leaf: dict[Names, list[tuple[str, str]]], codes: dict[Names, str], options: RealInputOptions
) -> pd.DataFrame:
    columns: dict[str, list[Any]] = {name: [] for name in PRODUCT_SCHEMA.names}
    for leaf in sorted(by_leaf):
        ranked = sorted(by_leaf[leaf], key=lambda product: (_digest(options.seed, "rank", product[0]), product[0]))
        ids = [product_id for product_id, _ in ranked]
        layout = layouts(_draws(options.seed, "layout", ids))
        columns["product_id"] += ids
        columns["title"] += [title for _, title in ranked]
        columns["leaf_id"] += [_leaf_id(leaf, codes)] * len(ids)
        traffic = category_weight(_uniform(options.seed, "traffic", *leaf))
        columns["weight"] += product_weights(traffic, len(ids)).tolist()
        columns["layout"] += layout
        columns["page"] += page_states(_draws(options.seed, "page", ids))
        columns["campaign"] += campaigns(_draws(options.seed, "campaign", ids), layout)
    return pd.DataFrame(columns)


def _draws(seed: int, what: str, ids: list[str]) -> np.ndarray:
    return np.array([_uniform(seed, what, product_id) for product_id in ids])
