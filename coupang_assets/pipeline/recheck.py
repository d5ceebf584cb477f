"""Known names asked for again: which categories, with which products, and what became of their names.

Belongs here: the sample and the comparison. Does not: asking (`crawling`).
"""

import hashlib
import math
from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd

from coupang_assets.datasets import CATEGORY_CODES, CATEGORY_NAMES, RECHECK
from coupang_assets.pipeline.categories import category_keys

UNCHANGED, RENAMED, VANISHED, NOT_ANSWERED = "unchanged", "renamed", "vanished", "not_answered"
FOUND_NAMES = tuple(f"found_{name}" for name in CATEGORY_NAMES)

_CODES = list(CATEGORY_CODES)
_GONE = {"HTTP 404", "HTTP 410"}


def sample_known(dictionary: pd.DataFrame, share: float, seed: int) -> pd.DataFrame:
    """The categories to ask again: of those with a name and a category4, a share chosen by a hash of their codes.

    Args:
        dictionary: ``coupang_cate_all``.
        share: from 0 to 1; at least one category is chosen if there is any.
        seed: another one chooses others; the same one chooses the same ones in every month that has them.
    """
    known = dictionary[dictionary["cate1_name"].notna() & dictionary["category4"].notna()]
    hashes = [hashlib.sha256(f"{seed}|{'|'.join(key)}".encode()).hexdigest() for key in category_keys(known)]
    chosen = known.assign(hash=hashes).sort_values("hash").head(math.ceil(share * len(known)))
    return chosen.drop(columns="hash").sort_values(_CODES, na_position="last").reset_index(drop=True)


def products_to_ask(
    sampled: pd.DataFrame, candidates: pd.DataFrame, named_by: pd.DataFrame, per_category: int
) -> pd.DataFrame:
    """Products to ask the shop with: the month's candidates first, for they were sold last.

    Then the product that gave the name, then the one the dictionary shows.

    Args:
        sampled: of ``sample_known``.
        candidates: ``crawl_candidates`` of the month.
        named_by: category1‥4 and product_id of the products that gave the names.
        per_category: products asked a category at most.

    Returns:
        category1‥4, rank (from 1) and product_id.
    """
    sources = [candidates.sort_values([*_CODES, "rank"]), named_by, sampled]
    products = pd.concat([source[[*_CODES, "product_id"]] for source in sources], ignore_index=True)
    wanted = category_keys(products).isin(category_keys(sampled)) & products["product_id"].notna()
    products = products[wanted].drop_duplicates([*_CODES, "product_id"]).reset_index(drop=True)
    products.insert(4, "rank", products.groupby(_CODES, dropna=False).cumcount() + 1)
    return products[products["rank"] <= per_category].reset_index(drop=True)


def findings(sampled: pd.DataFrame, answers: pd.DataFrame) -> pd.DataFrame:
    """``recheck``: what became of each sampled category.

    ``renamed``: its products now show other names. ``vanished``: none of them is sold or shows a category any more.
    ``not_answered``: the shop refused or failed, or no product is known to ask with.

    Args:
        sampled: of ``sample_known``.
        answers: summary of the re-check's journal.
    """
    said = dict(zip(category_keys(answers), answers.to_dict("records"), strict=True))
    rows = [
        _finding(row, said.get(key, {}))
        for key, row in zip(category_keys(sampled), sampled.to_dict("records"), strict=True)
    ]
    return pd.DataFrame(rows, columns=list(RECHECK.column_names), dtype=object).astype({"agreeing": "int64"})


def _finding(known: Mapping[Hashable, Any], answer: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
    before = [_text(known[name]) for name in CATEGORY_NAMES]
    found = [_text(answer.get(name)) for name in CATEGORY_NAMES]
    outcome, reason = answer.get("outcome", "not_asked"), _text(answer.get("reason"))
    if outcome == "named":
        finding = UNCHANGED if found == before else RENAMED
    elif outcome in ("off_sale", "no_breadcrumb") or reason in _GONE:
        finding = VANISHED
    else:
        finding = NOT_ANSWERED
    return {
        **{name: _text(known[name]) for name in CATEGORY_CODES},
        "finding": finding,
        **dict(zip(CATEGORY_NAMES, before, strict=True)),
        **dict(zip(FOUND_NAMES, found, strict=True)),
        "product_id": _text(answer.get("product_id")),
        "agreeing": int(answer.get("agreeing", 0)),
        "dissent": _text(answer.get("dissent")),
        "reason": reason if answer else "no product is known to ask with",
    }


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
