"""A world from nothing but options: hand-written categories, their changes month by month, and made-up products.

Belongs here: the calendar of gains, losses and renames, codes and products of a generated world. Does not: the words
(`taxonomy.txt`) and the shape of titles (`titles.py`).

All months of the horizon are played through once, each with random numbers of its own, so the state of a month does
not depend on which months are asked for, and a longer horizon leaves its earlier months as they were.
"""

import zlib
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

from coupang_assets.errors import CoupangAssetsError
from coupang_assets.sample.catalogue import campaigns, category_weight, layouts, page_states, product_weights
from coupang_assets.sample.taxonomy import Group, LeafEntry, Top, load_taxonomy
from coupang_assets.sample.titles import Vocabulary, write_titles
from coupang_assets.sample.world import CATEGORY_COLUMNS, MAX_CODE, PRODUCT_SCHEMA, World, shift_month

MAX_MONTHS = 480
"""Forty years: more would use up the names that the taxonomy can be varied to."""

_HISTORY_MONTHS = 12
_SPECIALS = 6
_MIN_PRODUCTS = 6
_GAINED_SHARE = 0.6
_FIFTH_SHARE = 0.15


@dataclass(frozen=True)
class WorldOptions:
    """What a generated world is made from.

    Attributes:
        seed: every choice follows from it.
        first_month: work month around which categories change; changes begin twelve months before it.
        months: how many months after `first_month` still bring changes, at most `MAX_MONTHS`; later ones keep the last
            state.
        products: products of the categories that are there at the start, about; at least six a category.
    """

    seed: int = 20240401
    first_month: str = "2024_01"
    months: int = 180
    products: int = 12_000


@dataclass
class _Leaf:
    """A leaf while the calendar is played; `permanent` leaves are never lost."""

    top: Top
    group: Group
    path: tuple[str | None, ...]
    fifth: str | None
    nouns: tuple[str, ...]
    kind: str
    codes: tuple[str, ...]
    permanent: bool = False
    sold_out: bool = False
    qualifier: str | None = None
    other_name: str | None = None
    first: str | None = None
    last: str | None = None
    rename_month: str | None = None


def generate_world(options: WorldOptions | None = None) -> World:
    """The world of the options; the same options give the same world in every process.

    Raises:
        CoupangAssetsError: an option is out of range.
    """
    options = options or WorldOptions()
    if not 0 <= options.months <= MAX_MONTHS or options.products < 1 or options.seed < 0:
        raise CoupangAssetsError(
            f"no sample world can be made from {options}",
            f"months are 0 to {MAX_MONTHS}, the seed is at least 0, products at least 1",
        )
    calendar = _Calendar(options)
    calendar.play()
    products = _make_products(calendar.leaves, options)
    categories = pd.DataFrame([_category_row(leaf) for leaf in calendar.leaves], columns=list(CATEGORY_COLUMNS))
    return World(categories.astype(object), products, "generated", asdict(options))


class _Calendar:
    """Plays the months through and keeps every leaf that ever existed."""

    def __init__(self, options: WorldOptions) -> None:
        self.options = options
        self.leaves: list[_Leaf] = []
        self._codes: dict[tuple[str | None, ...], str] = {}
        self._code_order = (np.random.default_rng([options.seed, 1]).permutation(MAX_CODE) + 1).tolist()
        self._names: set[tuple[str, str | None]] = set()
        self._groups = [(top, group) for top in load_taxonomy() for group in top.groups]
        self._arrivals: list[_Leaf] = []

    def play(self) -> None:
        self._begin()
        month = shift_month(self.options.first_month, -_HISTORY_MONTHS)
        for _ in range(_HISTORY_MONTHS + self.options.months + 1):
            rng = np.random.default_rng([self.options.seed, 2, int(month.replace("_", ""))])
            self._lose(month, rng)
            self._rename(month, rng)
            self._gain(month, rng)
            month = shift_month(month, 1)

    def _begin(self) -> None:
        """The hand-written leaves: some 80 % for good, a tenth to be lost in time, a tenth to arrive later."""
        rng = np.random.default_rng([self.options.seed, 3])
        for top, group in self._groups:
            for entry in group.leaves:
                leaf = self._leaf_of(top, group, entry)
                fate = rng.random()
                if rng.random() < _FIFTH_SHARE and leaf.fifth is None and leaf.kind == "normal":
                    leaf.fifth = entry.nouns[-1]
                if leaf.kind == "normal" and fate > 0.9:
                    self._arrivals.append(leaf)
                else:
                    leaf.permanent = fate < 0.79 or leaf.kind != "normal"
                    self._add(leaf)
        for _ in range(_SPECIALS):
            leaf = self._special(rng)
            leaf.permanent = True
            self._add(leaf)
        steady = [leaf for leaf in self.leaves if leaf.permanent and leaf.kind == "normal"]
        for index in rng.choice(len(steady), 2, replace=False):
            steady[index].sold_out = True
        order = rng.permutation(len(self._arrivals))
        self._arrivals = [self._arrivals[index] for index in order]

    def _add(self, leaf: _Leaf) -> None:
        leaf.codes = self._assign(leaf.path)
        self._names.add((leaf.top.name, leaf.path[3]))
        self.leaves.append(leaf)

    def _assign(self, path: tuple[str | None, ...]) -> tuple[str, ...]:
        """One code a node of the path; a leaf without a name is a node of its own each time."""
        codes = []
        for depth in range(1, 5):
            key = path[:depth]
            if key[-1] is None:
                key = (*key, str(len(self.leaves)))
            if key not in self._codes:
                self._codes[key] = f"{self._code_order.pop():04d}"
            codes.append(self._codes[key])
        return tuple(codes)

    def _leaf_of(self, top: Top, group: Group, entry: LeafEntry) -> _Leaf:
        path = (top.name, group.level2, group.level3, entry.name)
        other = None
        if entry.name:
            parts = entry.name.split("/")
            other = "/".join(reversed(parts)) if len(parts) > 1 else f"{entry.name}/{entry.nouns[-1]}"
        kind = "normal" if entry.name else "shallow"
        return _Leaf(top, group, path, entry.fifth, entry.nouns, kind, (), other_name=other)

    def _special(self, rng: np.random.Generator) -> _Leaf:
        """A leaf the shop shows no category for; it sells anything."""
        top, group = self._groups[int(rng.integers(len(self._groups)))]
        nouns = []
        for index in rng.integers(len(self._groups), size=30).tolist():
            entries = self._groups[index][1].leaves
            nouns.append(entries[int(rng.integers(len(entries)))].nouns[0])
        return _Leaf(top, group, (None, None, None, None), None, tuple(nouns), "special", ())

    def _lose(self, month: str, rng: np.random.Generator) -> None:
        settled = shift_month(month, -2)
        fading = [
            leaf for leaf in self.leaves if not leaf.permanent and leaf.last is None and (leaf.first or "") < settled
        ]
        for index in rng.permutation(len(fading))[: int(rng.integers(2, 6))]:
            fading[index].last = shift_month(month, -1)

    def _rename(self, month: str, rng: np.random.Generator) -> None:
        candidates = [
            leaf
            for leaf in self.leaves
            if leaf.other_name
            and leaf.rename_month is None
            and leaf.last is None
            and (leaf.top.name, leaf.other_name) not in self._names
        ]
        for index in rng.permutation(len(candidates))[: int(rng.integers(1, 3))]:
            leaf = candidates[index]
            leaf.rename_month = month
            self._names.add((leaf.top.name, leaf.other_name))

    def _gain(self, month: str, rng: np.random.Generator) -> None:
        for _ in range(int(rng.integers(3, 9))):
            draw = rng.random()
            if draw < 0.2 and self._arrivals:
                leaf = self._arrivals.pop()
            elif draw > 0.97:
                leaf = self._special(rng)
            else:
                leaf = self._variant(rng, shallow=draw > 0.94, borrowed=0.88 < draw <= 0.94)
            leaf.first = month
            self._add(leaf)

    def _variant(self, rng: np.random.Generator, shallow: bool, borrowed: bool) -> _Leaf:
        """A new leaf beside the hand-written ones: `휴대용 가습기` beside `가습기`, or a known name on a new path."""
        while True:
            top, group = self._groups[int(rng.integers(len(self._groups)))]
            entry = group.leaves[int(rng.integers(len(group.leaves)))]
            old, new = top.qualifiers[int(rng.integers(len(top.qualifiers)))]
            stem = (entry.name or group.level3).split("/")[0]
            level3 = f"{old} {group.level2}" if rng.random() < 0.12 else group.level3
            name: str | None = f"{old} {stem}"
            other: str | None = f"{new} {stem}"
            if borrowed:
                source = top.groups[int(rng.integers(len(top.groups)))]
                name, other = source.leaves[0].name, None
                level3 = f"{old} {group.level2}"
            if shallow:
                name = other = None
            path = (top.name, group.level2, level3, name)
            fresh = path not in self._codes if borrowed else (top.name, name) not in self._names
            if shallow or (fresh and name):
                break
        kind = "shallow" if shallow else "normal"
        sold_out = bool(rng.random() < 0.006)
        fifth = f"{old} {entry.nouns[-1]}" if rng.random() < _FIFTH_SHARE and kind == "normal" else None
        return _Leaf(top, group, path, fifth, entry.nouns, kind, (), sold_out=sold_out, qualifier=old, other_name=other)


def _category_row(leaf: _Leaf) -> tuple[str | None, ...]:
    renamed = leaf.other_name if leaf.rename_month else None
    return (
        leaf.codes[3],
        *leaf.codes,
        *leaf.path,
        leaf.fifth,
        leaf.kind,
        leaf.first,
        leaf.last,
        leaf.rename_month,
        renamed,
    )


def _vocabulary(leaf: _Leaf) -> Vocabulary:
    words = leaf.top.vocabulary
    siblings = [noun for entry in leaf.group.leaves for noun in entry.nouns if noun not in leaf.nouns]
    return Vocabulary(
        brands=leaf.group.brands or words["brands"],
        words=words["words"],
        units=leaf.group.units or words["units"],
        options=words["options"],
        group_words=leaf.group.words if leaf.kind != "special" else (),
        nouns=leaf.nouns,
        generic_nouns=leaf.group.level3.split("/"),
        sibling_nouns=siblings,
        qualifier=leaf.qualifier,
        models=leaf.top.models,
    )


def _make_products(leaves: list[_Leaf], options: WorldOptions) -> pd.DataFrame:
    at_start = sum(leaf.first is None for leaf in leaves)
    mean = options.products / at_start
    taken: set[int] = set()
    columns: dict[str, list[object]] = {name: [] for name in PRODUCT_SCHEMA.names}
    for leaf in leaves:
        rng = np.random.default_rng([options.seed, 4, zlib.crc32(leaf.codes[3].encode())])
        size = mean * np.exp(0.45 * rng.standard_normal() - 0.1) * (_GAINED_SHARE if leaf.first else 1.0)
        count = max(_MIN_PRODUCTS, round(float(size)))
        layout = layouts(rng.random(count))
        columns["product_id"] += _product_ids(count, rng, taken)
        columns["title"] += write_titles(_vocabulary(leaf), count, rng)
        columns["leaf_id"] += [leaf.codes[3]] * count
        columns["weight"] += product_weights(category_weight(float(rng.random())), count).tolist()
        columns["layout"] += layout
        columns["page"] += page_states(rng.random(count), leaf.sold_out)
        columns["campaign"] += campaigns(rng.random(count), layout)
    return pd.DataFrame(columns)


def _product_ids(count: int, rng: np.random.Generator, taken: set[int]) -> list[str]:
    """Ids like the shop's: seven to ten digits, mostly ten, none twice."""
    digits = rng.choice([7, 8, 9, 10], size=count, p=[0.05, 0.1, 0.15, 0.7])
    drawn = (10.0 ** (digits - 1) * (1 + rng.random(count) * 7.9)).astype(np.int64)
    ids = []
    for number in drawn.tolist():
        while number in taken:
            number += 1
        taken.add(number)
        ids.append(str(number))
    return ids
