"""A re-check's own journal, and taking its answers over into the month's.

Belongs here: the files of a re-check. Does not: which categories are asked again and what is made of it (`pipeline`).

A re-check must not be answered by the cache, so it has a journal of its own; while it has not come to its end, the next
one goes on with it. Afterwards it is kept under the time it began.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from coupang_assets.crawling.journal import CategoryKey, JournalWriter, iter_journal
from coupang_assets.crawling.outcomes import Outcome

_UNFINISHED: Final = "unfinished.jsonl"
_MAX_AGE: Final = timedelta(days=1)


def unfinished_journal(folder: Path) -> Path:
    """Journal to write to: a new one, or that of a re-check of the last day that was stopped."""
    path = folder / _UNFINISHED
    began = _began(path)
    if began is not None and datetime.now(UTC) - datetime.fromisoformat(began) > _MAX_AGE:
        finish(path)
    return path


def finish(path: Path) -> Path:
    """Give an ended re-check's journal its lasting name."""
    began = _began(path)
    if began is None:
        return path
    return path.replace(path.with_name(began.replace(":", "") + ".jsonl"))


def take_over(recheck: Path, categories: Collection[CategoryKey], journal: Path, month: str) -> int:
    """Append the names a re-check found to a month's journal, where they count from now on.

    Args:
        recheck: journal of the re-check.
        categories: those whose names are taken over.
        journal: of the month.
        month: work month that was re-checked.

    Returns:
        Number of answers appended.

    Raises:
        CoupangAssetsError: another crawl holds the month's journal.
    """
    began = _began(recheck)
    taken = [
        replace(attempt, recheck_month=month, recheck_began=began)
        for attempt in iter_journal(recheck)
        if attempt.outcome is Outcome.NAMED and attempt.category in categories
    ]
    if taken:
        with JournalWriter.open(journal) as writer:
            for attempt in taken:
                writer.append(attempt)
    return len(taken)


def _began(path: Path) -> str | None:
    """Time of the first answer; no answer of the re-check is older."""
    return min((attempt.time for attempt in iter_journal(path)), default=None)
