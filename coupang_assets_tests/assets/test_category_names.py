"""Step 3 in the graph: what a person sees of a crawl, versions, names from a file, and the re-check."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver
from dagster._core.loader import LoadingContextForTest

from coupang_assets.crawling.options import CrawlOptions
from coupang_assets.crawling.shop import RealShop
from coupang_assets.definitions import MONTH_JOB, RECHECK_JOB, build_defs
from coupang_assets.settings import SampleSettings, Settings, ShopSettings
from coupang_assets_tests.crawling.shop import OFF_SALE, Shop, page_2025, serving

UP_TO_NAMES = (
    "raw_dailies", "new_unique", "updated_unique", "diff_data", "crawl_candidates", "crawl_journal", "coupang_cate_all",
)  # fmt: skip


class Graph:
    """The graph on a shop of the test's, with a small sample."""

    def __init__(self, settings: Settings, shop: Shop, instance: dg.DagsterInstance) -> None:
        options = CrawlOptions(shop.base_url, delay_s=0, autothrottle=False, agreeing=1, timeout_s=5, retries=0)
        self.defs = build_defs(settings, {"shop": RealShop(options)})
        self.folder = settings.root / "data"
        self.shop = shop
        self.instance = instance

    def run(
        self, month: str, *names: str, job: str = MONTH_JOB, config: dict[str, Any] | None = None
    ) -> dg.ExecuteInProcessResult:
        ops = {next(iter(names)): {"config": config}} if config else {}
        return self.defs.resolve_job_def(job).execute_in_process(
            instance=self.instance,
            partition_key=month,
            asset_selection=[dg.AssetKey(name) for name in names],
            run_config={"ops": ops, "loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )

    def version(self, month: str, name: str) -> str:
        records = self.instance.fetch_materializations(
            dg.AssetRecordsFilter(dg.AssetKey(name), asset_partitions=[month]), limit=1
        ).records
        tags = records[0].asset_materialization.tags  # type: ignore[union-attr]
        return str((tags or {})["dagster/data_version"])

    def stale(self, month: str, name: str) -> list[str]:
        """Datasets whose change makes this one stale, as the UI shows it."""
        context = LoadingContextForTest(self.instance)
        resolver = CachingStaleStatusResolver(self.instance, self.defs.resolve_asset_graph(), context)
        causes = resolver.get_stale_causes(dg.AssetKey(name), month)
        return sorted({cause.dependency.asset_key.to_user_string() for cause in causes if cause.dependency})

    def read(self, month: str, name: str) -> pd.DataFrame:
        return pd.read_csv(self.folder / month / f"{name}.csv", dtype=str)


def metadata(result: dg.ExecuteInProcessResult, name: str) -> dict[str, Any]:
    return {key: value.value for key, value in result.asset_materializations_for_node(name)[0].metadata.items()}


def checks(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckEvaluation]:
    return {one.check_name: one for one in result.get_asset_check_evaluations()}


@pytest.fixture
def graph(make_settings: Callable[..., Settings]) -> Iterator[Graph]:
    settings = make_settings(sample=SampleSettings(events_per_day=25), shop=ShopSettings(agreeing=1))
    with serving(Shop()) as shop, dg.DagsterInstance.ephemeral() as instance:
        yield Graph(settings, shop, instance)


def first_products(graph: Graph, month: str, count: int) -> pd.DataFrame:
    candidates = graph.read(month, "crawl/candidates")
    return candidates[candidates["rank"] == "1"].drop_duplicates("product_id").head(count)


def names_of(graph: Graph, month: str, codes: Sequence[str]) -> list[str]:
    table = graph.read(month, "coupang_cate_all").set_index("category4")
    return table.loc[list(codes), "cate1_name"].tolist()


def test_a_crawl_shows_outcomes_levels_reasons_and_manners(graph: Graph) -> None:
    graph.run("2024_05", *UP_TO_NAMES[:5])
    gone = first_products(graph, "2024_05", 3)["product_id"]
    for product in graph.read("2024_05", "crawl/candidates")["product_id"]:
        graph.shop.page(product, OFF_SALE if product in set(gone) else page_2025(["패션", "의류", "셔츠"]))
    shown = metadata(graph.run("2024_05", "crawl_journal"), "crawl_journal")
    outcomes = {row.data["outcome"]: row.data["categories"] for row in shown["outcomes"].records}
    assert outcomes["named"] == shown["named"] > 20
    assert outcomes["off_sale"] + outcomes["not_asked"] == shown["still without a name"] <= 3
    assert [row.data["categories"] for row in shown["names by level"].records] == [shown["named"]] * 3 + [0, 0]
    assert all(row.data["reason"] for row in shown["without a name"].records)
    assert shown["outcomes, names by level"].startswith("![outcomes](data:image/png;base64,iVBOR")
    assert shown["requests"] == len(graph.shop.asked)
    assert {"requests per second", "seconds", "stopped early", "names by source", "products disagree"} <= set(shown)


def test_the_same_answers_again_are_the_same_version_and_cost_no_request(graph: Graph) -> None:
    graph.run("2024_05", *UP_TO_NAMES)
    version, asked = graph.version("2024_05", "crawl_journal"), len(graph.shop.asked)
    graph.run("2024_05", "crawl_journal")
    assert graph.version("2024_05", "crawl_journal") == version
    (graph.folder / "2024_05" / "crawl" / "journal.jsonl").unlink()
    graph.shop.asked.clear()
    graph.run("2024_05", "crawl_journal")
    assert len(graph.shop.asked) == asked, "asked anew, at other moments"
    assert graph.version("2024_05", "crawl_journal") == version


def test_what_an_earlier_month_named_is_not_asked_again_from_an_older_base(graph: Graph) -> None:
    for month in ("2024_04", "2024_05"):
        graph.run(month, *UP_TO_NAMES)
    named = set(graph.read("2024_05", "coupang_cate_all")["category4"].dropna())
    graph.shop.asked.clear()
    graph.defs.resolve_job_def(MONTH_JOB).execute_in_process(
        instance=graph.instance,
        partition_key="2024_06",
        asset_selection=[dg.AssetKey(name) for name in UP_TO_NAMES],
        run_config={
            "resources": {"base_month": {"config": {"month": "2024_04"}}},
            "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
        },
    )
    candidates = graph.read("2024_06", "crawl/candidates")
    products = candidates[candidates["category4"].isin(named)]["product_id"]
    assert len(products) > 10
    assert not {f"/vp/products/{one}" for one in products} & {path for _, path in graph.shop.asked}
    assert (
        graph.read("2024_06", "coupang_cate_all")
        .set_index("category4")
        .loc[sorted(set(graph.read("2024_06", "diff_data")["category4"].dropna()) & named), "cate1_name"]
        .notna()
        .all()
    )


def test_products_that_disagree_are_a_warning_and_not_a_stop(make_settings: Callable[..., Settings]) -> None:
    settings = make_settings(sample=SampleSettings(events_per_day=60), shop=ShopSettings(agreeing=2))
    with serving(Shop()) as shop, dg.DagsterInstance.ephemeral() as instance:
        graph = Graph(settings, shop, instance)
        options = CrawlOptions(shop.base_url, delay_s=0, autothrottle=False, agreeing=2)
        graph.defs = build_defs(settings, {"shop": RealShop(options)})
        result = graph.run("2024_05", *UP_TO_NAMES)
    check = checks(result)["products_agree_on_names"]
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert result.success
    assert metadata(result, "crawl_journal")["products disagree"] > 0
    row = check.metadata["disagreements"].value.records[0].data  # type: ignore[union-attr]
    assert "가전디지털 > 분류" in row["settled_on"] and "(1)" in row["others"]


def test_names_come_from_a_file_and_the_shop_is_left_alone(graph: Graph, tmp_path: Path) -> None:
    graph.run("2024_05", *UP_TO_NAMES[:5])
    codes = graph.read("2024_05", "diff_data")["category4"].dropna()
    listed = pd.DataFrame({"category4": codes.iloc[1:], "cate1_name": "식품", "cate2_name": "과일"})
    listed.to_csv(tmp_path / "names.csv", index=False)
    config = {"offline": str(tmp_path / "names.csv")}
    shown = metadata(graph.run("2024_05", "crawl_journal", config=config), "crawl_journal")
    assert graph.shop.asked == []
    assert shown["named"] >= len(listed) - 1
    assert [row.data["source"] for row in shown["names by source"].records] == ["offline_csv"]
    reasons = {row.data["category4"]: row.data["reason"] for row in shown["without a name"].records}
    assert reasons[codes.iloc[0]] == "no offline source names it"
    graph.run("2024_05", "coupang_cate_all")
    assert names_of(graph, "2024_05", codes.iloc[1:3]) == ["식품", "식품"]


def test_a_bad_file_fails_the_asset_with_its_line(graph: Graph, tmp_path: Path) -> None:
    graph.run("2024_05", *UP_TO_NAMES[:5])
    (tmp_path / "names.csv").write_text("code,cate1_name\nx,식품\n")
    with pytest.raises(dg.Failure, match=r"names\.csv, line 2, column code"):
        graph.run("2024_05", "crawl_journal", config={"offline": str(tmp_path / "names.csv")})


def test_a_list_of_other_codes_is_refused_and_the_shop_can_still_be_asked(graph: Graph, tmp_path: Path) -> None:
    graph.run("2024_05", *UP_TO_NAMES[:5])
    pd.DataFrame({"lv4_code": ["999999"], "lv1_name": ["식품"]}).to_csv(tmp_path / "names.csv", index=False)
    with pytest.raises(dg.Failure, match=r"names\.csv names none of the \d+ categories that need a name, such as"):
        graph.run("2024_05", "crawl_journal", config={"offline": str(tmp_path / "names.csv")})
    assert graph.run("2024_05", *UP_TO_NAMES[5:]).success
    # With every category named, a list has nothing to name, which is no mistake.
    assert graph.run("2024_05", "crawl_journal", config={"offline": str(tmp_path / "names.csv")}).success


def test_a_renamed_category_is_found_and_taken_over_into_this_month_and_the_next(graph: Graph) -> None:
    graph.run("2024_05", *UP_TO_NAMES)
    renamed, vanished = first_products(graph, "2024_05", 2).to_dict("records")
    before = names_of(graph, "2024_05", [renamed["category4"]])
    candidates = graph.read("2024_05", "crawl/candidates")
    for product in candidates[candidates["category4"] == renamed["category4"]]["product_id"]:
        graph.shop.page(product, page_2025(["새이름", "분류"]))
    for product in candidates[candidates["category4"] == vanished["category4"]]["product_id"]:
        graph.shop.page(product, OFF_SALE)
    version = graph.version("2024_05", "crawl_journal")

    result = graph.run("2024_05", "recheck", job=RECHECK_JOB, config={"share": 1.0})
    found = graph.read("2024_05", "recheck").set_index("category4")
    assert found.loc[renamed["category4"], ["finding", "found_cate1_name"]].tolist() == ["renamed", "새이름"]
    assert found.loc[vanished["category4"], "finding"] == "vanished"
    counts = metadata(result, "recheck")
    assert counts["renamed"] >= 1 and counts["unchanged"] > 20
    assert sum(counts[name] for name in ("unchanged", "renamed", "vanished", "not_answered")) == len(found)
    assert graph.version("2024_05", "crawl_journal") == version, "it only reports"

    graph.run("2024_05", "recheck", job=RECHECK_JOB, config={"share": 1.0, "take_over": True})
    assert graph.version("2024_05", "crawl_journal") != version
    assert graph.stale("2024_05", "coupang_cate_all") == ["crawl_journal"]
    assert graph.stale("2024_05", "crawl_journal") == []
    graph.run("2024_05", "coupang_cate_all")
    assert before != ["새이름"]
    assert names_of(graph, "2024_05", [renamed["category4"], vanished["category4"]])[0] == "새이름"
    assert names_of(graph, "2024_05", [vanished["category4"]]) != [None], "what vanished keeps the name it had"
    graph.run("2024_06", *UP_TO_NAMES)
    assert names_of(graph, "2024_06", [renamed["category4"]]) == ["새이름"]


def test_a_recheck_is_no_part_of_the_month(graph: Graph) -> None:
    assert "recheck" not in [node.name for node in graph.defs.resolve_job_def(MONTH_JOB).nodes]
