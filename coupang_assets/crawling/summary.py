"""What a journal says about each category.

Belongs here: weighing the attempts of a category. Does not: the journal's form (`journal.py`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import pandas as pd

from coupang_assets.crawling.journal import CATEGORY_COLUMNS, Attempt, CategoryKey
from coupang_assets.crawling.outcomes import NOT_ASKED, Outcome

NAME_COLUMNS: Final = [f"cate{level}_name" for level in range(1, 6)]
SUMMARY_COLUMNS: Final = [*CATEGORY_COLUMNS, "outcome", *NAME_COLUMNS, "product_id", "parser", "attempts", "reason"]

_UNNAMED_BY_WEIGHT: Final = [Outcome.REFUSED, Outcome.FAILED, Outcome.NO_BREADCRUMB, Outcome.OFF_SALE]


def summarize(attempts: Iterable[Attempt], categories: Iterable[CategoryKey] | None = None) -> pd.DataFrame:
    """State of each category, one row each, ordered by category.

    Columns: `SUMMARY_COLUMNS`; codes and names are strings, None where missing. For each product its last attempt
    counts, except that names once found are not lost to a later attempt without. A category is named when any of its
    products is, by the one with the smallest (rank, product_id). Otherwise its outcome is the weightiest among its
    products: refused, failed, no_breadcrumb, off_sale; what may still change comes before what will not. So the rows
    depend on the candidates' order and the outcomes, not on the moment any answer came.

    Args:
        attempts: a journal, in its order.
        categories: exactly these get a row, `NOT_ASKED` where there is no attempt; by default those with an attempt.
    """
    wanted = None if categories is None else set(categories)
    products: dict[CategoryKey, dict[str, Attempt]] = {key: {} for key in wanted or ()}
    counts: dict[CategoryKey, int] = {}
    for attempt in attempts:
        if wanted is not None and attempt.category not in wanted:
            continue
        last = products.setdefault(attempt.category, {})
        counts[attempt.category] = counts.get(attempt.category, 0) + 1
        before = last.get(attempt.product_id)
        if before is None or before.outcome is not Outcome.NAMED or attempt.outcome is Outcome.NAMED:
            last[attempt.product_id] = attempt
    rows = [_row(key, products[key].values(), counts.get(key, 0)) for key in sorted(products)]
    return pd.DataFrame(rows, columns=SUMMARY_COLUMNS, dtype=object).astype({"attempts": "int64"})


def _row(key: CategoryKey, last: Iterable[Attempt], attempts: int) -> list[Any]:
    codes = [code or None for code in key]
    in_order = sorted(last, key=lambda attempt: (attempt.rank, attempt.product_id))
    weighed = (
        attempt
        for outcome in [Outcome.NAMED, *_UNNAMED_BY_WEIGHT]
        for attempt in in_order
        if attempt.outcome is outcome
    )
    telling = next(weighed, None)
    if telling is None:
        return [*codes, NOT_ASKED, *[None] * len(NAME_COLUMNS), None, None, 0, "the crawl stopped before its turn"]
    names = [*telling.names, *[None] * len(NAME_COLUMNS)][: len(NAME_COLUMNS)]
    named_by = telling.product_id if telling.outcome is Outcome.NAMED else None
    return [*codes, telling.outcome.value, *names, named_by, telling.parser, attempts, telling.error]
