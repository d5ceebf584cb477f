"""A re-check's journal: its own, gone on with after a stop, and taken over only where asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from coupang_assets.crawling.journal import Answer, Attempt, JournalWriter, read_journal
from coupang_assets.crawling.options import CrawlOptions
from coupang_assets.crawling.outcomes import Outcome
from coupang_assets.crawling.recheck import finish, take_over, unfinished_journal
from coupang_assets.crawling.runner import crawl
from coupang_assets.crawling.summary import summarize
from coupang_assets_tests.crawling.conftest import candidates
from coupang_assets_tests.crawling.shop import Shop, page_2025

Options = Callable[..., CrawlOptions]
FIRST, SECOND = ("0001", "0010", "0100", "0001"), ("0001", "0010", "0100", "0002")


def test_new_names_count_in_the_month_once_they_are_taken_over(shop: Shop, options: Options, tmp_path: Path) -> None:
    month, wanted = tmp_path / "journal.jsonl", candidates(["1", "2"], ["3"])
    for product in "12":
        shop.page(product, page_2025(["패션", "의류"]))
    crawl(wanted, month, options(agreeing=2))
    shop.page("1", page_2025(["패션", "옷"]))
    shop.page("2", page_2025(["패션", "옷"]))
    shop.page("3", page_2025(["완구"]))
    own = unfinished_journal(tmp_path / "rechecks")
    assert set(crawl(wanted, own, options(agreeing=2)).table.cate1_name) == {"패션", "완구"}
    own = finish(own)

    assert take_over(own, [], month, "2024_05") == 0
    assert take_over(own, [FIRST], month, "2024_05") == 2
    table = summarize(read_journal(month))
    assert table.cate2_name.tolist() == ["옷", "분류3"], "only what was asked for is taken over"
    assert table.recheck_month.tolist() == ["2024_05", None]
    assert table.dissent.tolist() == [None, None]
    assert shop.count() == 6


def test_a_stopped_recheck_is_gone_on_with_and_an_ended_one_is_kept(tmp_path: Path) -> None:
    path = unfinished_journal(tmp_path)
    assert finish(path) == path, "nothing was asked"
    now = Attempt.of(FIRST, "1", 1, Answer(outcome=Outcome.OFF_SALE))
    with JournalWriter.open(path) as journal:
        journal.append(now)
    assert read_journal(unfinished_journal(tmp_path)) == [now]
    ended = finish(path)
    assert read_journal(ended) == [now]
    assert read_journal(unfinished_journal(tmp_path)) == []


def test_a_recheck_stopped_days_ago_is_begun_anew(tmp_path: Path) -> None:
    old = (datetime.now(UTC) - timedelta(days=2)).isoformat()
    path = unfinished_journal(tmp_path)
    with JournalWriter.open(path) as journal:
        journal.append(replace(Attempt.of(FIRST, "1", 1, Answer(outcome=Outcome.OFF_SALE)), time=old))
    assert read_journal(unfinished_journal(tmp_path)) == []
    assert len(list(tmp_path.iterdir())) == 1


def test_a_journal_absorbs_what_it_lacks_and_nothing_twice(tmp_path: Path) -> None:
    first, second = (Attempt.of(key, "1", 1, Answer(outcome=Outcome.OFF_SALE)) for key in (FIRST, SECOND))
    with JournalWriter.open(tmp_path / "earlier") as journal:
        journal.append(first)
        journal.append(second)
    with (tmp_path / "earlier").open("a") as file:
        file.write('{"torn')
    with JournalWriter.open(tmp_path / "month") as journal:
        journal.append(second)
        assert journal.absorb(tmp_path / "earlier") == 1
        assert journal.absorb(tmp_path / "earlier") == 0
        assert journal.absorb(tmp_path / "none") == 0
    assert read_journal(tmp_path / "month") == [second, first]
