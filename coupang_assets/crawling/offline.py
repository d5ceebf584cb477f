"""Names without asking the shop: lists of code and names, and product pages saved from a browser.

Belongs here: reading what a team hands over, and writing it to the journal like any other answer. Does not: asking the
shop (`runner.py`), what a page says (`parsers.py`).

A source is a CSV file, a saved page, or a folder of both. A list names a category by its category4; where it has
category1..category3 too, they must fit. The codes of the shop's official seller list are another id space, so it names
only the categories whose code it happens to carry. A page speaks for the categories its product is a candidate of.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pandas as pd

from coupang_assets.crawling.agreement import CategoryAnswers
from coupang_assets.crawling.candidates import candidates_by_category
from coupang_assets.crawling.journal import Answer, Attempt, CategoryKey, JournalWriter, iter_journal
from coupang_assets.crawling.name_lists import LIST_SUFFIXES, NamedCode, read_list
from coupang_assets.crawling.saved_pages import PAGE_SUFFIXES, SavedPage, read_page
from coupang_assets.crawling.summary import summarize
from coupang_assets.errors import CoupangAssetsError

NOT_NAMED: Final = "no offline source names it"

_LIST_RANK: Final = 0
_SHOWN: Final = 5


@dataclass(frozen=True, slots=True)
class OfflineSummary:
    """What offline sources gave.

    Attributes:
        table: one row a category, as `summary.summarize` gives it from the whole journal.
        read: rows of lists and pages that were read.
        unused: those of them that speak for none of the categories.
        taken: attempts written to the journal; an answer it has already is not written again.
    """

    table: pd.DataFrame
    read: int
    unused: int
    taken: int


def take_offline(
    source: Path, categories: Sequence[CategoryKey], candidates: pd.DataFrame, journal: Path
) -> OfflineSummary:
    """Write what a source says about the categories to the journal.

    Args:
        source: CSV, saved page (HTML, MHTML) or a folder of them.
        categories: those that need a name.
        candidates: their products, as `runner.crawl` takes them; tells which categories a page speaks for.
        journal: made if absent.

    Raises:
        CoupangAssetsError: a file cannot be used; nothing is taken then. Or another crawl holds the journal.
    """
    wanted = set(categories)
    lists, pages = _read_all(source)
    by_code: dict[str, list[CategoryKey]] = {}
    for key in sorted(wanted):
        by_code.setdefault(key[3], []).append(key)
    by_product: dict[str, list[tuple[CategoryKey, int]]] = {}
    for key, products in candidates_by_category(candidates).items():
        for product in products if key in wanted else ():
            by_product.setdefault(product.product_id, []).append((key, product.rank))

    said: list[tuple[CategoryKey, str, int, Answer]] = []
    unused = 0
    for row in lists:
        fitting = [key for key in by_code.get(row.code, ()) if row.fits(key)]
        said += [(key, "", _LIST_RANK, row.answer) for key in fitting]
        unused += not fitting
    for page in pages:
        places = by_product.get(page.product_id, ())
        said += [(key, page.product_id, rank, page.answer) for key, rank in places]
        unused += not places
    _require_one_answer(said)
    with JournalWriter.open(journal) as writer:
        known = _known(iter_journal(journal), wanted)
        new = [one for one in said if not _is_known(known.get(one[0]), one[1], one[3])]
        for key, product_id, rank, answer in new:
            writer.append(Attempt.of(key, product_id, rank, answer))
    table = summarize(iter_journal(journal), categories, NOT_NAMED)
    return OfflineSummary(table, len(lists) + len(pages), unused, len(new))


def _read_all(source: Path) -> tuple[list[NamedCode], list[SavedPage]]:
    lists: list[NamedCode] = []
    pages: list[SavedPage] = []
    wrong: list[CoupangAssetsError] = []
    for path in _files(source):
        try:
            if path.suffix.lower() in LIST_SUFFIXES:
                lists += read_list(path)
            else:
                pages.append(read_page(path))
        except CoupangAssetsError as error:
            wrong.append(error)
        except OSError as error:
            wrong.append(CoupangAssetsError(f"{path} cannot be read: {error.strerror or error}", "make it readable"))
    if wrong:
        more = f"\n… and {len(wrong) - _SHOWN} more files" if len(wrong) > _SHOWN else ""
        raise CoupangAssetsError(
            "\n".join(error.what for error in wrong[:_SHOWN]) + more,
            f"{wrong[0].remedy}; nothing was taken from {source}",
        )
    return lists, pages


def _files(source: Path) -> Iterator[Path]:
    suffixes = {*LIST_SUFFIXES, *PAGE_SUFFIXES}
    if source.is_file():
        if source.suffix.lower() not in suffixes:
            raise CoupangAssetsError(
                f"{source} is neither a CSV nor a saved page", f"give {', '.join(sorted(suffixes))}"
            )
        yield source
        return
    found = [path for path in sorted(source.rglob("*")) if path.suffix.lower() in suffixes and path.is_file()]
    if not found:
        raise CoupangAssetsError(
            f"{source} {'has no CSV and no saved page' if source.is_dir() else 'does not exist'}",
            "give a CSV of code and names, a saved page, or a folder of them",
        )
    yield from found


def _require_one_answer(said: Iterable[tuple[CategoryKey, str, int, Answer]]) -> None:
    """A list that names a category in two ways, or two copies of a page that differ, leave the choice to chance."""
    first: dict[tuple[CategoryKey, str], Answer] = {}
    for key, product_id, _, answer in said:
        other = first.setdefault((key, product_id), answer)
        if (other.outcome, other.names) != (answer.outcome, answer.names):
            raise CoupangAssetsError(
                f"category {' '.join(code or '-' for code in key)} is named in two ways: "
                f"{' > '.join(other.names) or other.outcome} ({other.url}) and "
                f"{' > '.join(answer.names) or answer.outcome} ({answer.url})",
                "keep the right one; nothing was taken",
            )


def _known(attempts: Iterable[Attempt], wanted: set[CategoryKey]) -> dict[CategoryKey, CategoryAnswers]:
    answers: dict[CategoryKey, CategoryAnswers] = {}
    for attempt in attempts:
        if attempt.category in wanted:
            answers.setdefault(attempt.category, CategoryAnswers()).add(attempt)
    return answers


def _is_known(answers: CategoryAnswers | None, product_id: str, answer: Answer) -> bool:
    known = answers.by_product.get(product_id) if answers else None
    return known is not None and (known.outcome, known.names) == (answer.outcome, answer.names)
