"""What is still to be asked: candidates in order, minus what the journal answers.

Belongs here: reading the table of candidates, planning. Does not: choosing candidates, asking (`spider.py`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

import pandas as pd

from coupang_assets.crawling.agreement import CategoryAnswers
from coupang_assets.crawling.job import Candidate, CategoryTask
from coupang_assets.crawling.journal import CATEGORY_COLUMNS, Answer, Attempt, CategoryKey
from coupang_assets.crawling.outcomes import DEFINITIVE, Outcome
from coupang_assets.crawling.parsers import PARSERS_VERSION
from coupang_assets.errors import CoupangAssetsError

CANDIDATE_COLUMNS: Final = [*CATEGORY_COLUMNS, "rank", "product_id"]


def category_key_list(table: pd.DataFrame) -> list[CategoryKey]:
    """The distinct categories of a table with `CATEGORY_COLUMNS`, in order of appearance; a missing code is empty."""
    columns = (_texts(table[column]) for column in CATEGORY_COLUMNS)
    return list(dict.fromkeys(zip(*columns, strict=True)))


def candidates_by_category(candidates: pd.DataFrame) -> dict[CategoryKey, list[Candidate]]:
    """Candidates in order of (rank, product_id), categories in the order they first appear.

    Args:
        candidates: one row a candidate with `CANDIDATE_COLUMNS`: codes and product_id strings, rank a whole number.
            A missing code is null or empty. A product named twice for a category counts once, at its best rank.

    Raises:
        CoupangAssetsError: a column is missing, or a code, rank or product_id is of another type; names the column.
    """
    missing = [column for column in CANDIDATE_COLUMNS if column not in candidates.columns]
    if missing:
        raise CoupangAssetsError(
            f"candidates for the crawl lack the columns {', '.join(missing)}", f"give {', '.join(CANDIDATE_COLUMNS)}"
        )
    if len(candidates) and not (pd.api.types.is_integer_dtype(candidates["rank"]) and candidates["rank"].notna().all()):
        raise CoupangAssetsError("column rank of the candidates is not of whole numbers", "number them from 1")
    columns = {column: _texts(candidates[column]) for column in [*CATEGORY_COLUMNS, "product_id"]}
    occurrences = pd.Series(columns["product_id"], dtype=object).value_counts()
    found: dict[CategoryKey, dict[str, Candidate]] = {}
    keys = zip(*(columns[column] for column in CATEGORY_COLUMNS), strict=True)
    for key, rank, product_id in zip(keys, candidates["rank"].tolist(), columns["product_id"], strict=True):
        products = found.setdefault(key, {})
        if product_id not in products or rank < products[product_id].rank:
            products[product_id] = Candidate(rank, product_id, shared=bool(occurrences[product_id] > 1))
    return {key: sorted(products.values(), key=_order) for key, products in found.items()}


def _order(candidate: Candidate) -> tuple[int, str]:
    return candidate.rank, candidate.product_id


def _texts(column: pd.Series) -> list[str]:
    if pd.api.types.is_integer_dtype(column) and column.name == "product_id":
        return [str(value) for value in column]
    texts = ["" if value is None or value is pd.NA or value != value else value for value in column]
    if not all(isinstance(text, str) for text in texts):
        raise CoupangAssetsError(
            f"column {column.name} of the candidates is of type {column.dtype}", "give strings: codes keep their zeros"
        )
    return texts


def open_tasks(
    by_category: dict[CategoryKey, list[Candidate]], attempts: Iterable[Attempt], agreeing: int
) -> Iterator[CategoryTask]:
    """Categories that still need a request or an answer copied, with the candidates left to them.

    Left out are categories that `agreeing` products name alike, and candidates with a definitive outcome in their own
    category. A candidate with a definitive outcome in another category carries it as `known`. A page without a
    breadcrumb is read again once the parsers have learned more.
    """
    products = {candidate.product_id for candidates in by_category.values() for candidate in candidates}
    answers: dict[CategoryKey, CategoryAnswers] = {}
    ended: set[tuple[CategoryKey, str]] = set()
    known: dict[str, Answer] = {}
    for attempt in attempts:
        if not _is_definitive(attempt):
            continue
        if attempt.category in by_category:
            answers.setdefault(attempt.category, CategoryAnswers()).add(attempt)
        if attempt.product_id in products:
            ended.add((attempt.category, attempt.product_id))
            known[attempt.product_id] = Answer.from_json(attempt.to_json())
    for category, candidates in by_category.items():
        left = tuple(
            Candidate(candidate.rank, candidate.product_id, candidate.shared, known.get(candidate.product_id))
            for candidate in candidates
            if (category, candidate.product_id) not in ended
        )
        votes = answers[category].votes() if category in answers else Counter()
        if left and max(votes.values(), default=0) < agreeing:
            yield CategoryTask(category, left, tuple(votes.items()))


def _is_definitive(attempt: Attempt) -> bool:
    read_by_less = attempt.outcome is Outcome.NO_BREADCRUMB and attempt.parsers_version < PARSERS_VERSION
    return attempt.outcome in DEFINITIVE and not read_by_less
