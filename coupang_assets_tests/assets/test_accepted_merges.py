"""What a person accepts goes through the real graph: it makes refinement stale, is applied, and no row is lost."""

from pathlib import Path

import dagster as dg
import pandas as pd
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver
from dagster._core.loader import LoadingContextForTest

from coupang_assets.assets.sources import ACCEPTED, observation
from coupang_assets.datasets import DATASETS, TAXONOMY_PROPOSALS
from coupang_assets.definitions import MONTH_JOB, build_defs
from coupang_assets.settings import Settings
from coupang_assets.storage.accepted_merges import accept, accepted_up_to, accepted_version
from coupang_assets.storage.csv_tables import read_frame
from coupang_assets.storage.layout import Layout
from coupang_assets_tests.months import small_settings

pytestmark = pytest.mark.slow

MONTH = "2024_05"
REFINED = ["category_merge", "cate_dictionary", "define_dailies"]
NAMED = ["raw_dailies", "new_unique", "updated_unique", "diff_data", "crawl_candidates", "crawl_journal"]


class Graph:
    """The graph over one root, with a history of its own."""

    def __init__(self, settings: Settings) -> None:
        self.layout = Layout(settings)
        self._defs = build_defs(settings)
        self._instance = dg.DagsterInstance.ephemeral()

    def run(self, names: list[str], month: str = MONTH) -> dg.ExecuteInProcessResult:
        return self._defs.resolve_job_def(MONTH_JOB).execute_in_process(
            instance=self._instance,
            partition_key=month,
            raise_on_error=False,
            asset_selection=[dg.AssetKey(name) for name in names],
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )

    def stale(self, name: str, month: str = MONTH) -> list[str]:
        """Datasets whose change makes this one stale, as the UI shows it."""
        context = LoadingContextForTest(self._instance)
        resolver = CachingStaleStatusResolver(self._instance, self._defs.resolve_asset_graph(), context)
        causes = resolver.get_stale_causes(dg.AssetKey(name), month)
        return sorted({cause.dependency.asset_key.to_user_string() for cause in causes if cause.dependency})

    def observe(self, month: str = MONTH) -> None:
        version = accepted_version(accepted_up_to(self.layout, month))
        self._instance.report_runless_asset_event(observation(ACCEPTED, month, version))

    def table(self, name: str, month: str = MONTH) -> pd.DataFrame:
        return read_frame(DATASETS[name], self.layout.month_folder(month) / DATASETS[name].paths[0])


def test_an_accepted_merge_goes_through_the_month_and_into_the_next(tmp_path: Path) -> None:
    graph = Graph(small_settings(tmp_path / "root"))
    assert graph.run([*NAMED, "coupang_cate_all", *REFINED]).success
    assert graph.stale("category_merge") == []
    before = graph.table("category_merge")
    gone, stays, dropped = graph.table("cate_dictionary")["lv4_code"].tolist()[:3]
    rows = pd.DataFrame(
        {"code": [gone, dropped], "proposal": ["merge", "drop"], "into": [stays, None], "reason": "confused"}
    )
    accept(graph.layout, MONTH, rows, "test")
    graph.observe()
    assert graph.stale("category_merge") == ["accepted_merges"]

    assert graph.run(REFINED).success
    assert graph.stale("category_merge") == []
    merge = graph.table("category_merge").set_index("category4")
    assert merge.loc[gone, ["merged_category4", "reason"]].tolist() == [stays, "accepted_merge"]
    assert merge.loc[dropped, "reason"] == "accepted_drop" and pd.isna(merge.loc[dropped, "merged_category4"])
    assert merge["count"].sum() == before["count"].sum() and len(merge) == len(before)
    assert not {gone, dropped} & set(graph.table("cate_dictionary")["lv4_code"])
    folder = graph.layout.month_folder(MONTH)
    days = sorted(path.name for path in (folder / "raw").iterdir())
    for day in days:
        raw, refined = (pd.read_csv(folder / kind / day, dtype=str) for kind in ("raw", "define"))
        assert len(raw) == len(refined) and not {gone, dropped} & set(refined["category4"].dropna())

    later = [*NAMED, "coupang_cate_all", "category_merge"]
    assert graph.run(later, "2024_06").success
    merge = graph.table("category_merge", "2024_06").set_index("category4")
    assert merge.loc[gone, "reason"] == "accepted_merge" and merge.loc[dropped, "reason"] == "accepted_drop"


def test_a_circle_stops_refinement_and_leaves_the_month_as_it_was(tmp_path: Path) -> None:
    graph = Graph(small_settings(tmp_path / "root"))
    assert graph.run([*NAMED, "coupang_cate_all", *REFINED]).success
    before = (graph.layout.month_folder(MONTH) / "category_merge.csv").read_bytes()
    one, other = graph.table("cate_dictionary")["lv4_code"].tolist()[:2]
    rows = pd.DataFrame({"code": [one, other], "proposal": "merge", "into": [other, one], "reason": "confused"})
    accept(graph.layout, MONTH, rows, "test")
    result = graph.run(REFINED)
    assert not result.success
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert "round in a circle" in str(failure.step_failure_data.user_failure_data)
    assert (graph.layout.month_folder(MONTH) / "category_merge.csv").read_bytes() == before
    assert TAXONOMY_PROPOSALS.paths[0] not in {path.name for path in graph.layout.month_folder(MONTH).iterdir()}
