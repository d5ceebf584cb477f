"""The journal survives kills, tells damage, and its summary follows from outcomes and ranks alone."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from coupang_assets.crawling.journal import (
    Answer,
    Attempt,
    CategoryKey,
    JournalWriter,
    read_journal,
)
from coupang_assets.crawling.outcomes import Outcome
from coupang_assets.crawling.summary import SUMMARY_COLUMNS, summarize
from coupang_assets.errors import CoupangAssetsError

KEY: CategoryKey = ("0001", "0012", "", "1234")


def attempt(
    product_id: str, outcome: Outcome, rank: int = 1, names: tuple[str, ...] = (), key: CategoryKey = KEY
) -> Attempt:
    named = outcome is Outcome.NAMED
    answer = Answer(
        outcome=outcome, names=names or ("패션", product_id) if named else (), error=None if named else "why"
    )
    return Attempt.of(key, product_id, rank, answer)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    written = [
        Attempt.of(KEY, "7", 2, Answer(
            outcome=Outcome.NAMED, url="http://shop/7", status=200, parser="json_ld", names=("패션", "여성, \"의류\""),
            alternatives={"ul_breadcrumb": ("패션",)}, campaign=("행사",), content_hash="ab", requests=3)),
        attempt("8", Outcome.FAILED),
    ]  # fmt: skip
    with JournalWriter.open(tmp_path / "deep" / "journal.jsonl") as journal:
        for one in written:
            journal.append(one)
    assert read_journal(tmp_path / "deep" / "journal.jsonl") == written
    assert list(json.loads((tmp_path / "deep" / "journal.jsonl").read_text().splitlines()[0]))[:3] == [
        "time", "category1", "category2",
    ]  # fmt: skip


def test_absent_journal_is_empty(tmp_path: Path) -> None:
    assert read_journal(tmp_path / "none.jsonl") == []


@pytest.mark.parametrize("torn", ['{"category1": "00', "x" * 200_000, '{"whole": "but without its end"}'])
def test_torn_last_line_is_not_read_and_cut_off_by_the_next_writer(tmp_path: Path, torn: str) -> None:
    path = tmp_path / "journal.jsonl"
    with JournalWriter.open(path) as journal:
        journal.append(attempt("1", Outcome.OFF_SALE))
    with path.open("a") as file:
        file.write(torn)
    assert [one.product_id for one in read_journal(path)] == ["1"]
    with JournalWriter.open(path) as journal:
        journal.append(attempt("2", Outcome.OFF_SALE))
    assert [one.product_id for one in read_journal(path)] == ["1", "2"]


@pytest.mark.parametrize("line", ["no json", "{}", '{"outcome":"lost"}', "[1]", "null"])
def test_damage_before_the_end_is_told_with_its_line(tmp_path: Path, line: str) -> None:
    path = tmp_path / "journal.jsonl"
    with JournalWriter.open(path) as journal:
        journal.append(attempt("1", Outcome.OFF_SALE))
    with path.open("a") as file:
        file.write(line + "\n")
    with pytest.raises(CoupangAssetsError, match=r"journal\.jsonl, line 2 is damaged"):
        read_journal(path)


def test_second_writer_is_turned_away(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with JournalWriter.open(path), pytest.raises(CoupangAssetsError, match="another crawl"):
        JournalWriter.open(path, lock_timeout_s=0.2)


def test_journal_in_an_unwritable_place_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CoupangAssetsError, match="cannot be written"):
        JournalWriter.open(tmp_path / "file" / "journal.jsonl")


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ([Outcome.OFF_SALE, Outcome.NAMED, Outcome.REFUSED], Outcome.NAMED),
        ([Outcome.OFF_SALE, Outcome.NO_BREADCRUMB, Outcome.FAILED], Outcome.FAILED),
        ([Outcome.FAILED, Outcome.REFUSED], Outcome.REFUSED),
        ([Outcome.OFF_SALE, Outcome.NO_BREADCRUMB], Outcome.NO_BREADCRUMB),
        ([Outcome.OFF_SALE], Outcome.OFF_SALE),
    ],
)
def test_outcome_of_a_category_is_the_most_telling(outcomes: list[Outcome], expected: Outcome) -> None:
    rows = summarize(attempt(str(n), outcome, rank=n) for n, outcome in enumerate(outcomes))
    assert list(rows.columns) == SUMMARY_COLUMNS
    row = rows.iloc[0]
    assert (row.outcome, row.attempts) == (expected.value, len(outcomes))
    assert (row.category2, row.category3) == ("0012", None)
    assert (row.reason is None) == (expected is Outcome.NAMED)


def test_last_outcome_of_a_product_counts_but_names_are_never_lost() -> None:
    again = [attempt("1", Outcome.REFUSED), attempt("1", Outcome.OFF_SALE)]
    assert summarize(again).outcome.tolist() == ["off_sale"]
    lost = [attempt("1", Outcome.NAMED), attempt("1", Outcome.FAILED)]
    assert summarize(lost).outcome.tolist() == ["named"]


def test_names_come_from_the_first_candidate_whatever_the_order_of_answers() -> None:
    attempts = [
        attempt("9", Outcome.NAMED, rank=2), attempt("5", Outcome.NAMED, rank=1),
        attempt("1", Outcome.OFF_SALE, rank=0),
        attempt("3", Outcome.NAMED, rank=1), attempt("3", Outcome.NAMED, key=("0001", "0012", "", "0002")),
    ]  # fmt: skip
    expected = summarize(attempts)
    assert expected.product_id.tolist() == ["3", "3"]
    assert expected.cate2_name.tolist() == ["3", "3"]
    assert expected.cate3_name.tolist() == [None, None]
    for seed in range(5):
        shuffled = random.Random(seed).sample(attempts, len(attempts))
        assert summarize(shuffled).equals(expected)


def test_summary_of_nothing_has_its_columns() -> None:
    assert list(summarize([]).columns) == SUMMARY_COLUMNS
