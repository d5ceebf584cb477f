"""The shop's own access log: how often it was asked, how many at a time, and what followed a refusal."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from coupang_assets.crawling.options import CrawlOptions
from coupang_assets.crawling.runner import crawl
from coupang_assets_tests.crawling.conftest import candidates
from coupang_assets_tests.crawling.shop import ACCESS_DENIED, Shop, page_2025

Options = Callable[..., CrawlOptions]


def gaps(shop: Shop) -> list[float]:
    starts = sorted(start for start, _, _, _ in shop.answered)
    return [later - earlier for earlier, later in itertools.pairwise(starts)]


def at_once(shop: Shop) -> int:
    moments = sorted([(start, 1) for start, _, _, _ in shop.answered] + [(end, -1) for _, end, _, _ in shop.answered])
    return max(itertools.accumulate(change for _, change in moments))


def products(count: int) -> list[list[str]]:
    return [[str(n)] for n in range(1, count + 1)]


def test_by_default_at_most_two_requests_are_under_way(shop: Shop, options: Options, tmp_path: Path) -> None:
    async def slow(_: Request) -> Response:
        await asyncio.sleep(0.05)
        return HTMLResponse(page_2025(["패션"]))

    shop.pages = {one: slow for (one,) in products(20)}
    crawl(candidates(*products(20)), tmp_path / "j", options())
    assert at_once(shop) == 2


@pytest.mark.parametrize("autothrottle", [False, True])
def test_crawl_delay_of_robots_txt_is_kept(shop: Shop, options: Options, tmp_path: Path, autothrottle: bool) -> None:
    shop.robots = "User-agent: *\nCrawl-delay: 0.4\nDisallow: /np/\n"
    crawl(candidates(*products(5)), tmp_path / "j", options(autothrottle=autothrottle, concurrency=4))
    assert shop.answered[0][2] == "/robots.txt"
    assert min(gaps(shop)[1:]) >= 0.35


def test_crawl_delay_for_another_crawler_is_not_ours(shop: Shop, options: Options, tmp_path: Path) -> None:
    shop.robots = "User-agent: slowbot\nCrawl-delay: 500\n\nUser-agent: *\nDisallow: /np/\n"
    assert crawl(candidates(*products(3)), tmp_path / "j", options()).table.outcome.tolist() == ["named"] * 3


def test_shop_that_wants_pauses_no_crawl_can_make_is_not_asked(shop: Shop, options: Options, tmp_path: Path) -> None:
    shop.robots = "User-agent: *\nCrawl-delay: 86400\n"
    summary = crawl(candidates(*products(30)), tmp_path / "j", options())
    assert summary.stopped == "crawl_delay"
    assert set(summary.table.outcome) == {"refused", "not_asked"}
    assert summary.table.reason.str.contains("86400 s between requests").any()
    assert [path for _, _, path, _ in shop.answered] == ["/robots.txt"]


def test_what_robots_txt_forbids_is_never_asked(shop: Shop, options: Options, tmp_path: Path) -> None:
    shop.robots = "User-agent: *\nDisallow: /vp/\n"
    table = crawl(candidates(*products(10)), tmp_path / "j", options()).table
    assert set(table.outcome) == {"refused"}
    assert {path for _, _, path, _ in shop.answered} == {"/robots.txt"}


def test_without_a_robots_txt_everything_is_allowed_but_a_failing_one_forbids_all(
    shop: Shop, options: Options, tmp_path: Path
) -> None:
    shop.robots, shop.robots_status = "no such page", 404
    assert crawl(candidates(*products(3)), tmp_path / "j", options()).table.outcome.tolist() == ["named"] * 3
    shop.answered.clear()
    shop.robots_status = 503
    summary = crawl(candidates(*products(30)), tmp_path / "k", options())
    assert summary.stopped == "refused"
    assert set(summary.table.outcome) == {"refused", "not_asked"}
    assert {path for _, _, path, _ in shop.answered} == {"/robots.txt"}


def test_retry_after_is_waited_for(shop: Shop, options: Options, tmp_path: Path) -> None:
    answers = iter([Response(status_code=429, headers={"Retry-After": "1"}), HTMLResponse(page_2025(["패션"]))])
    shop.pages["1"] = lambda _: next(answers)
    assert crawl(candidates(["1"]), tmp_path / "j", options()).table.outcome.tolist() == ["named"]
    assert gaps(shop)[-1] >= 1.0


@pytest.mark.parametrize("status", [200, 429])
def test_refusals_slow_the_whole_crawl_down_then_stop_it_and_the_next_goes_on(
    shop: Shop, options: Options, tmp_path: Path, status: int
) -> None:
    for (one,) in products(30):
        shop.page(one, ACCESS_DENIED, status)
    polite = options(concurrency=2, retries=1, backoff_s=0.2, stop_after=4)
    summary = crawl(candidates(*products(30)), tmp_path / "j", polite)
    assert summary.stopped == "refused"
    refusals = [one for one in shop.answered if one[2] != "/robots.txt"]
    assert 8 <= len(refusals) <= 12
    # Two at a time, each pair waiting 0.2 s before its second try.
    assert max(end for _, end, _, _ in refusals) - min(start for start, _, _, _ in refusals) >= 0.35
    shop.pages.clear()
    assert set(crawl(candidates(*products(30)), tmp_path / "j", polite).table.outcome) == {"named"}
