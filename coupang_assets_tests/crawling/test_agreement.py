"""Names of one category from several products: the majority counts, and who disagrees is on record."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from coupang_assets.crawling.journal import Answer, Attempt, CategoryKey, read_journal
from coupang_assets.crawling.options import CrawlOptions
from coupang_assets.crawling.outcomes import Outcome
from coupang_assets.crawling.runner import crawl
from coupang_assets.crawling.summary import summarize, summary_version
from coupang_assets_tests.crawling.conftest import candidates
from coupang_assets_tests.crawling.shop import ACCESS_DENIED, OFF_SALE, Shop, page_2025

Options = Callable[..., CrawlOptions]
KEY: CategoryKey = ("0001", "0012", "", "1234")
RIGHT, WRONG = ("패션", "의류"), ("식품", "과일")


def said(product_id: str, rank: int, names: tuple[str, ...], time: str = "2024-01-01T00:00:00.000Z") -> Attempt:
    outcome = Outcome.NAMED if names else Outcome.OFF_SALE
    return replace(Attempt.of(KEY, product_id, rank, Answer(outcome=outcome, names=names)), time=time)


def shelve(shop: Shop, **names: tuple[str, ...]) -> None:
    for product, path in names.items():
        shop.page(product.removeprefix("p"), page_2025(list(path)))


def test_no_further_product_is_asked_once_enough_agree(shop: Shop, options: Options, tmp_path: Path) -> None:
    shelve(shop, p1=RIGHT, p2=RIGHT, p3=RIGHT)
    row = crawl(candidates(["1", "2", "3"]), tmp_path / "j", options(agreeing=2)).table.iloc[0]
    assert (row.cate2_name, row.product_id, row.agreeing, row.dissent) == ("의류", "1", 2, None)
    assert [shop.count(one) for one in "123"] == [1, 1, 0]


def test_a_disagreement_is_settled_by_a_third_product(shop: Shop, options: Options, tmp_path: Path) -> None:
    shelve(shop, p1=WRONG, p2=RIGHT, p4=RIGHT)
    shop.page("3", OFF_SALE)
    row = crawl(candidates(["1", "2", "3", "4", "5"]), tmp_path / "j", options(agreeing=2)).table.iloc[0]
    assert (row.cate2_name, row.product_id, row.agreeing) == ("의류", "2", 2)
    assert row.dissent == "식품 > 과일 (1)"
    assert shop.count("5") == 0


def test_a_category_with_one_product_is_named_by_it(shop: Shop, options: Options, tmp_path: Path) -> None:
    summary = crawl(candidates(["1"]), tmp_path / "j", options(agreeing=3))
    assert (summary.table.outcome.tolist(), summary.stopped) == (["named"], None)


def test_votes_of_an_earlier_crawl_count(shop: Shop, options: Options, tmp_path: Path) -> None:
    shelve(shop, p1=RIGHT, p3=RIGHT, p4=RIGHT)
    shop.page("2", ACCESS_DENIED, 403)
    crawl(candidates(["1", "2"]), tmp_path / "j", options(agreeing=2, retries=0))
    shop.asked.clear()
    row = crawl(candidates(["1", "3", "4"]), tmp_path / "j", options(agreeing=2)).table.iloc[0]
    assert [path for _, path in shop.asked if "/vp/" in path] == ["/vp/products/3"]
    assert row.agreeing == 2


def test_a_product_of_several_categories_votes_in_each(shop: Shop, options: Options, tmp_path: Path) -> None:
    shelve(shop, p1=RIGHT, p2=RIGHT)
    table = crawl(candidates(["1", "2"], ["2", "1"]), tmp_path / "j", options(agreeing=2, concurrency=4)).table
    assert table.agreeing.tolist() == [2, 2]
    assert shop.count() == 2
    assert len(read_journal(tmp_path / "j")) == 4


def test_of_equally_many_the_first_candidate_is_right_whatever_the_order_of_answers() -> None:
    attempts = [said("9", 1, RIGHT), said("1", 2, WRONG), said("5", 3, ()), said("7", 4, ("완구",))]
    for seed in range(4):
        row = summarize(random.Random(seed).sample(attempts, len(attempts))).iloc[0]
        assert (row.cate1_name, row.product_id, row.agreeing) == ("패션", "9", 1)
        assert row.dissent == "식품 > 과일 (1); 완구 (1)"


def test_after_a_recheck_was_taken_over_only_what_was_said_since_counts() -> None:
    old = [said("1", 1, WRONG), said("2", 2, WRONG), said("3", 3, WRONG)]
    taken = replace(
        said("9", 5, RIGHT, "2024-02-01T00:00:05.000Z"),
        recheck_month="2024_05", recheck_began="2024-02-01T00:00:00.000Z",
    )  # fmt: skip
    row = summarize([*old, taken]).iloc[0]
    assert (row.cate1_name, row.product_id, row.recheck_month, row.dissent) == ("패션", "9", "2024_05", None)
    later = said("1", 1, WRONG, "2024-03-01T00:00:00.000Z")
    assert summarize([*old, taken, later]).iloc[0].dissent == "패션 > 의류 (1)", "of equally many the first candidate"


def test_version_follows_from_answers_not_from_moments_or_attempts() -> None:
    once = [said("1", 1, RIGHT), said("2", 2, ())]
    again = [replace(one, time="2030-01-01T00:00:00.000Z", content_hash="ff", requests=3) for one in once]
    assert summary_version(summarize(once)) == summary_version(summarize([*once, *again]))
    assert summary_version(summarize(once)) != summary_version(summarize([said("1", 1, WRONG), once[1]]))
    assert summary_version(summarize(once)) != summary_version(summarize([once[1]]))
