"""Crawls over real HTTP: every outcome accounted for, nothing asked twice, nothing left running."""

from __future__ import annotations

import gzip
import itertools
import os
import resource
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from starlette.responses import HTMLResponse, Response

from coupang_assets.crawling.journal import read_journal
from coupang_assets.crawling.options import CrawlOptions
from coupang_assets.crawling.outcomes import Outcome
from coupang_assets.crawling.runner import CrawlProgress, crawl
from coupang_assets.errors import CoupangAssetsError, TransientError
from coupang_assets_tests.crawling.conftest import candidates
from coupang_assets_tests.crawling.shop import (
    ACCESS_DENIED,
    OFF_SALE,
    PAGE_LEGACY,
    Shop,
    endless,
    hang,
    legacy_fragment,
    page_2025,
    redirect_to,
)

Options = Callable[..., CrawlOptions]
needs_proc = pytest.mark.skipif(
    not Path("/proc/self/fd").is_dir(), reason="open files of processes are read from /proc"
)


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


def test_every_outcome_is_accounted_for(shop: Shop, options: Options, journal: Path) -> None:
    shop.page("11", page_2025(["패션", "여성"]))
    shop.page("12", PAGE_LEGACY)
    shop.fragments["12"] = lambda _: HTMLResponse(legacy_fragment(["식품", "과일"]))
    shop.page("13", OFF_SALE)
    shop.page("14", "<html><h1>상품</h1></html>")
    shop.page("15", ACCESS_DENIED, 403)
    shop.page("16", ACCESS_DENIED, 200)
    shop.page("17", "oops", 500)
    shop.pages["18"] = hang
    shop.pages["19"] = redirect_to(f"http://localhost:{shop.base_url.rsplit(':', 1)[1]}/vp/products/11")
    shop.pages["20"] = redirect_to("/vp/products/20")
    shop.pages["21"] = endless
    bomb = gzip.compress(b"0" * 20_000_000)
    shop.pages["22"] = lambda _: Response(bomb, headers={"Content-Encoding": "gzip"}, media_type="text/html")
    shop.pages["23"] = lambda _: Response(page_2025(["패션"]).encode() + b"\xff\xfe\x80", media_type="text/html")
    shop.pages["24"] = lambda _: Response(bytes(range(256)), media_type="image/png")
    shop.pages["25"] = redirect_to("/vp/products/11")
    shop.page("26", PAGE_LEGACY)
    shop.robots += "Disallow: /vp/products/27\n"
    ids = [str(n) for n in range(11, 28)]
    summary = crawl(candidates(*[[one] for one in ids], ["../../etc/passwd"]), journal, options(concurrency=4))

    table = summary.table
    outcomes = dict(zip([*ids, "bad"], table.outcome, strict=True))
    assert outcomes == {
        "11": "named", "12": "named", "13": "off_sale", "14": "no_breadcrumb", "15": "refused", "16": "refused",
        "17": "failed", "18": "failed", "19": "failed", "20": "failed", "21": "failed", "22": "failed", "23": "named",
        "24": "failed", "25": "named", "26": "failed", "27": "refused", "bad": "failed",
    }  # fmt: skip
    reasons = dict(zip([*ids, "bad"], table.reason, strict=True))
    assert all(reasons[one] for one in reasons if outcomes[one] != "named")
    assert "another host: localhost" in reasons["19"]
    assert "robots.txt" in reasons["27"]
    assert "Timeout" in reasons["18"]
    assert table.cate1_name.tolist()[:2] == ["패션", "식품"]
    assert (summary.stopped, summary.progress.categories_done) == (None, 18)

    assert [shop.count(one) for one in ("11", "15", "16", "17", "18", "27")] == [3 - 1, 2, 2, 2, 2, 0]
    attempts = {one.product_id: one for one in read_journal(journal)}
    assert len(attempts) == 18
    asked = sum(one.requests for one in attempts.values())
    assert (asked, summary.progress.requests) == (shop.count(), shop.count() + 1)
    assert attempts["12"].url.endswith("/vp/products/12/breadcrumb-gnbmenu")
    assert (attempts["12"].status, attempts["12"].parser, attempts["12"].requests) == (200, "legacy_breadcrumb", 2)
    assert not any("passwd" in path for _, path in shop.asked)
    assert all("cookie" not in sent and "referer" not in sent for sent in shop.headers)
    assert {sent["user-agent"] for sent in shop.headers} == {options().user_agent}


def test_candidates_are_tried_in_order_of_rank_until_one_names(shop: Shop, options: Options, journal: Path) -> None:
    shop.page("1", OFF_SALE)
    shop.page("2", "<html></html>")
    shop.page("3", ACCESS_DENIED, 403)
    table = candidates(["1", "2", "3", "4", "5"]).sample(frac=1, random_state=1)
    row = crawl(table, journal, options(retries=0)).table.iloc[0]
    assert (row.outcome, row.product_id, row.attempts, row.cate2_name) == ("named", "4", 4, "분류4")
    assert [one.product_id for one in read_journal(journal)] == ["1", "2", "3", "4"]
    assert shop.count("5") == 0


def test_next_crawl_asks_only_what_was_refused_or_failed(shop: Shop, options: Options, journal: Path) -> None:
    shop.page("1", OFF_SALE)
    shop.page("2", ACCESS_DENIED, 403)
    wanted = candidates(["1", "2"], ["3"], ["4"])
    shop.page("3", "<html></html>")
    assert crawl(wanted, journal, options(retries=0)).table.outcome.tolist() == ["refused", "no_breadcrumb", "named"]
    shop.asked.clear()
    shop.pages.clear()
    again = crawl(wanted, journal, options(retries=0))
    assert again.table.outcome.tolist() == ["named", "no_breadcrumb", "named"]
    assert [path for _, path in shop.asked] == ["/robots.txt", "/vp/products/2"]
    shop.asked.clear()
    assert crawl(wanted, journal, options()).table.equals(again.table)
    assert shop.asked == []


def test_page_without_a_breadcrumb_is_asked_again_once_the_parsers_have_learned_more(
    shop: Shop, options: Options, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.page("1", "<html><h1>상품</h1></html>")
    shop.page("2", OFF_SALE)
    assert crawl(candidates(["1"], ["2"]), journal, options()).table.outcome.tolist() == ["no_breadcrumb", "off_sale"]
    shop.pages.clear()
    shop.asked.clear()
    monkeypatch.setattr("coupang_assets.crawling.candidates.PARSERS_VERSION", 99)
    assert crawl(candidates(["1"], ["2"]), journal, options()).table.outcome.tolist() == ["named", "off_sale"]
    assert (shop.count("1"), shop.count("2")) == (1, 0)


def test_product_of_several_categories_is_asked_once(shop: Shop, options: Options, journal: Path) -> None:
    shop.page("1", OFF_SALE)
    summary = crawl(candidates(["1", "2"], ["1", "2"], ["1", "3"]), journal, options(concurrency=4))
    assert summary.table.cate2_name.tolist() == ["분류2", "분류2", "분류3"]
    assert [shop.count(one) for one in "123"] == [1, 1, 1]
    later = pd.concat([candidates(["1"]).iloc[:0], candidates([], [], [], ["1", "2"])])
    assert crawl(later, journal, options()).table.cate2_name.tolist() == ["분류2"]
    assert shop.count() == 3


def test_passing_trouble_is_retried_with_growing_delay(shop: Shop, options: Options, journal: Path) -> None:
    answers = iter([ACCESS_DENIED, ACCESS_DENIED, page_2025(["패션"])])
    shop.pages["1"] = lambda _: HTMLResponse(next(answers))
    summary = crawl(candidates(["1"]), journal, options(retries=3, backoff_s=0.2))
    assert summary.table.outcome.tolist() == ["named"]
    first, second, third = [at for at, path in shop.asked if path.endswith("/1")]
    assert second - first >= 0.2
    assert third - second >= 0.4
    assert [(one.outcome, one.requests) for one in read_journal(journal)] == [(Outcome.NAMED, 3)]


def test_shop_that_refuses_everything_is_left_alone(shop: Shop, options: Options, journal: Path) -> None:
    ids = [str(n) for n in range(1, 101)]
    for one in ids:
        shop.page(one, ACCESS_DENIED, 403)
    summary = crawl(candidates(*[[one] for one in ids]), journal, options(retries=0, stop_after=5))
    assert summary.stopped == "refused"
    assert 5 <= shop.count() <= 8
    counts = summary.table.outcome.value_counts()
    assert counts["refused"] == shop.count()
    assert counts["not_asked"] == 100 - shop.count()
    assert summary.table.category4.tolist() == sorted(summary.table.category4)


def test_stated_rate_is_kept_and_progress_told_meanwhile(shop: Shop, options: Options, journal: Path) -> None:
    seen: list[CrawlProgress] = []
    crawl(candidates(*[[str(n)] for n in range(1, 9)]), journal, options(delay_s=0.2), seen.append)
    times = [at for at, _ in shop.asked]
    assert min(later - earlier for earlier, later in itertools.pairwise(times)) >= 0.15
    done = [progress.categories_done for progress in seen]
    assert len(seen) >= 2
    assert done == sorted(done)
    assert (done[-1], seen[-1].outcomes) == (8, {Outcome.NAMED: 8})
    assert seen[-1].requests_per_s > 0


def test_nothing_to_ask_starts_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("a process was started"))
    summary = crawl(candidates(), tmp_path / "journal.jsonl", CrawlOptions())
    assert (len(summary.table), summary.progress.categories_total) == (0, 0)
    assert "cate5_name" in summary.table.columns


def test_unreachable_shop_is_transient(journal: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        gone = CrawlOptions(f"http://127.0.0.1:{unused.getsockname()[1]}", retries=0, delay_s=0, autothrottle=False)
        with pytest.raises(TransientError, match="answered none"):
            crawl(candidates(["1"], ["2"]), journal, gone)
    assert {one.outcome for one in read_journal(journal)} == {Outcome.FAILED}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.drop(columns="rank"), "lack the columns rank"),
        (lambda table: table.assign(category4=12), "column category4"),
        (lambda table: table.assign(rank="first"), "column rank"),
        (lambda table: table.assign(product_id=1.5), "column product_id"),
    ],
)
def test_bad_candidates_are_told_by_column(
    tmp_path: Path, change: Callable[[pd.DataFrame], pd.DataFrame], message: str
) -> None:
    with pytest.raises(CoupangAssetsError, match=message):
        crawl(change(candidates(["1"])), tmp_path / "journal.jsonl", CrawlOptions())


@pytest.mark.parametrize(
    "bad",
    [
        {"base_url": "file:///etc"}, {"base_url": "http://"}, {"base_url": "http://a/b"},
        {"product_path": "//evil/{product_id}"},
        {"fragment_path": "/x"}, {"concurrency": 0}, {"timeout_s": float("nan")}, {"user_agent": "a\r\nb"},
    ],
)  # fmt: skip
def test_bad_options_are_told(bad: dict[str, Any]) -> None:
    with pytest.raises(CoupangAssetsError, match=next(iter(bad))):
        CrawlOptions(**bad)


def holders(journal: Path, *known: int) -> set[int]:
    """Processes other than this and the known ones that have the journal open."""
    found = set()
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if link.readlink() == journal:
                found.add(int(link.parts[2]))
        except OSError:
            continue
    return found - {os.getpid(), *known}


@needs_proc
def test_no_process_is_left_when_the_caller_gives_up(shop: Shop, options: Options, journal: Path) -> None:
    shop.pages["1"] = hang
    during: list[set[int]] = []

    def give_up(progress: CrawlProgress) -> None:
        during.append(holders(journal))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        crawl(candidates(["1"]), journal, options(timeout_s=30), give_up)
    assert len(during[0]) == 1
    assert holders(journal) == set()


def test_failing_process_shows_the_end_of_its_log(shop: Shop, options: Options, journal: Path) -> None:
    with pytest.raises(CoupangAssetsError, match=r"(?s)status 1.*LOUDER"):
        crawl(candidates(["1"]), journal, options(log_level="LOUDER"))


def test_full_disk_stops_the_crawl_and_leaves_a_readable_journal(
    shop: Shop, options: Options, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def with_little_room(*arguments: Any, **named: Any) -> subprocess.Popen[bytes]:
        limit = (2_000, 2_000)
        child = popen(*arguments, **named)
        resource.prlimit(child.pid, resource.RLIMIT_FSIZE, limit)
        return child

    popen = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", with_little_room)
    with pytest.raises(CoupangAssetsError, match="journal cannot be written"):
        crawl(candidates(*[[str(n)] for n in range(1, 101)]), journal, options())
    assert 1 <= len(read_journal(journal)) <= shop.count() < 20


@pytest.mark.slow
@needs_proc
def test_kill_of_caller_ends_the_crawl_and_the_next_one_repeats_nothing(
    shop: Shop, options: Options, journal: Path, tmp_path: Path
) -> None:
    ids = [str(n) for n in range(1, 301)]
    for one in ids[::10]:
        shop.page(one, OFF_SALE)
    wanted = candidates(*[[one, str(int(one) + 1000)] for one in ids])
    wanted.to_pickle(tmp_path / "candidates.pickle")
    script = textwrap.dedent(f"""
        import pandas as pd
        from pathlib import Path
        from coupang_assets.crawling.options import CrawlOptions
        from coupang_assets.crawling.runner import crawl
        crawl(pd.read_pickle({str(tmp_path / "candidates.pickle")!r}), Path({str(journal)!r}),
              CrawlOptions({shop.base_url!r}, delay_s=0.01, autothrottle=False, agreeing=1))
    """)
    counted: dict[str, int] = {}
    for wave in (1, 2):
        caller = subprocess.Popen([sys.executable, "-c", script], cwd=Path(__file__).resolve().parents[2])
        while shop.count() < 60 * wave:
            time.sleep(0.01)
        for victim in {caller.pid} if wave == 1 else holders(journal, caller.pid):
            os.kill(victim, signal.SIGKILL)
        caller.wait()
        deadline = time.monotonic() + 5
        while holders(journal) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert holders(journal) == set()
        assert {one: shop.count(one) for one in counted} == counted
        counted = {one.product_id: shop.count(one.product_id) for one in read_journal(journal)}
        assert 0 < len(counted) < len(ids)
    summary = crawl(wanted, journal, options())
    assert set(summary.table.outcome) == {"named"}
    assert {one: shop.count(one) for one in counted} == counted
    in_flight_when_killed = 2 * options().concurrency
    assert shop.count() <= len(ids) + len(ids[::10]) + in_flight_when_killed
    expected = {one: str(int(one) + 1000) if one in ids[::10] else one for one in ids}
    assert summary.table.product_id.tolist() == list(expected.values())


def test_two_crawls_of_one_journal_follow_each_other(shop: Shop, options: Options, journal: Path) -> None:
    wanted = candidates(*[[str(n)] for n in range(1, 20)])
    threads = [threading.Thread(target=crawl, args=(wanted, journal, options())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert shop.count() == 19
    assert len(read_journal(journal)) == 19
