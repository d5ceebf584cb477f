"""What a journal says about each category.

Belongs here: one row a category, and the version that follows from the rows. Does not: weighing the answers of several
products (`agreement.py`), the journal's form (`journal.py`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any, Final

import pandas as pd

from coupang_assets.crawling.agreement import CategoryAnswers
from coupang_assets.crawling.journal import CATEGORY_COLUMNS, Attempt, CategoryKey
from coupang_assets.crawling.outcomes import NOT_ASKED, Outcome

NAME_COLUMNS: Final = [f"cate{level}_name" for level in range(1, 6)]
SUMMARY_COLUMNS: Final = [
    *CATEGORY_COLUMNS, "outcome", *NAME_COLUMNS, "product_id", "parser", "attempts", "agreeing", "dissent",
    "recheck_month", "reason",
]  # fmt: skip

_UNNAMED_BY_WEIGHT: Final = [Outcome.REFUSED, Outcome.FAILED, Outcome.NO_BREADCRUMB, Outcome.OFF_SALE]
_VERSIONED: Final = [*CATEGORY_COLUMNS, "outcome", *NAME_COLUMNS, "product_id", "dissent", "recheck_month"]
_STOPPED: Final = "the crawl stopped before its turn"


def summarize(
    attempts: Iterable[Attempt], categories: Iterable[CategoryKey] | None = None, not_asked: str = _STOPPED
) -> pd.DataFrame:
    """State of each category, one row each, ordered by category.

    A category is named when any of its products names it; the names are the majority's (`agreement.py`), `agreeing`
    the number of products that give them, `dissent` what others say and how many. Otherwise its outcome is the
    weightiest among its products: refused, failed, no_breadcrumb, off_sale; what may still change comes before what
    will not. So the rows depend on the candidates' order and the outcomes, not on the moment any answer came.

    Args:
        attempts: a journal.
        categories: exactly these get a row, `NOT_ASKED` where there is no attempt; by default those with an attempt.
        not_asked: the reason given for the latter.

    Returns:
        `SUMMARY_COLUMNS`; codes and names are strings, None where missing; `recheck_month` is the work month whose
        re-check the names were taken over from.
    """
    wanted = None if categories is None else set(categories)
    answers: dict[CategoryKey, CategoryAnswers] = {key: CategoryAnswers() for key in wanted or ()}
    for attempt in attempts:
        if wanted is None or attempt.category in wanted:
            answers.setdefault(attempt.category, CategoryAnswers()).add(attempt)
    rows = [_row(key, answers[key], not_asked) for key in sorted(answers)]
    table = pd.DataFrame(rows, columns=SUMMARY_COLUMNS, dtype=object)
    return table.astype({"attempts": "int64", "agreeing": "int64"})


def summary_version(table: pd.DataFrame) -> str:
    """Data version of what a journal says: outcomes and names, not how often or when it was asked.

    Args:
        table: of `summarize`.
    """
    rows = table[_VERSIONED].astype(object).where(table[_VERSIONED].notna(), "")
    lines = ["\x1f".join(map(str, row)) for row in rows.itertuples(index=False, name=None)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:32]


def _row(key: CategoryKey, answers: CategoryAnswers, not_asked: str) -> list[Any]:
    codes = [code or None for code in key]
    telling = answers.telling() or _weightiest(answers)
    if telling is None:
        return [*codes, NOT_ASKED, *[None] * len(NAME_COLUMNS), None, None, 0, 0, None, None, not_asked]
    votes = answers.votes()
    names = [*telling.names, *[None] * len(NAME_COLUMNS)][: len(NAME_COLUMNS)]
    others = sorted((-count, " > ".join(path)) for path, count in votes.items() if path != telling.names)
    return [
        *codes, telling.outcome.value, *names,
        (telling.product_id or None) if votes else None,
        telling.parser, answers.attempts, votes[telling.names],
        "; ".join(f"{path} ({-count})" for count, path in others) or None,
        telling.recheck_month, telling.error,
    ]  # fmt: skip


def _weightiest(answers: CategoryAnswers) -> Attempt | None:
    in_order = answers.in_order()
    return next((one for outcome in _UNNAMED_BY_WEIGHT for one in in_order if one.outcome is outcome), None)
