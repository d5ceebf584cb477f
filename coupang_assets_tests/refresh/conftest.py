"""Two small months of the real graph, in one instance, that a test may damage."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from starlette.responses import HTMLResponse

from coupang_assets.assets.refreshing import observed_records
from coupang_assets.crawling.options import CrawlOptions
from coupang_assets.crawling.shop import RealShop
from coupang_assets.definitions import MONTH_JOB, build_defs
from coupang_assets.refresh.execution import QUIET, DagsterMake
from coupang_assets.refresh.graph import Graph
from coupang_assets.refresh.loop import Step, refresh
from coupang_assets.refresh.plan import Status, plan
from coupang_assets.settings import Settings
from coupang_assets.storage.layout import Layout
from coupang_assets.storage.run_lock import month_lock
from coupang_assets_tests.crawling.shop import Shop, page_2025, serving
from coupang_assets_tests.months import small_settings

MAY, JUNE = "2024_05", "2024_06"


@dataclass
class SmallMonths:
    """The graph on a shop of the test's, and refreshing as the command does it."""

    settings: Settings
    shop: Shop
    instance: dg.DagsterInstance
    changes: dict[str, Any] = field(default_factory=dict)

    @property
    def layout(self) -> Layout:
        return Layout(self.settings)

    def defs(self, **changes: Any) -> dg.Definitions:
        """The definitions, with settings that are different from now on."""
        self.changes |= changes
        self.settings = small_settings(self.settings.root, **self.changes)
        options = CrawlOptions(self.shop.base_url, delay_s=0, autothrottle=False, agreeing=1, timeout_s=5, retries=0)
        return build_defs(self.settings, {"shop": RealShop(options)})

    def run(self, month: str, *names: str, config: dict[str, Any] | None = None, job: str = MONTH_JOB) -> None:
        result = (
            self.defs()
            .resolve_job_def(job)
            .execute_in_process(
                run_config=QUIET | ({"ops": config} if config else {}),
                instance=self.instance,
                partition_key=month,
                asset_selection=[dg.AssetKey(name) for name in names] or None,
            )
        )
        assert result.success

    def status(self, *months: str) -> dict[str, Status]:
        defs = self.defs()
        records = observed_records(self.layout, defs.resources["warehouse"], months, self.instance)  # type: ignore[index]
        return plan(Graph.of(defs), records, months)

    def refresh(self, *months: str, discard_edits: bool = False) -> list[Step]:
        defs = self.defs()
        graph = Graph.of(defs)
        records = observed_records(self.layout, defs.resources["warehouse"], months, self.instance)  # type: ignore[index]
        make = DagsterMake(graph, defs.resolve_job_def(MONTH_JOB), self.instance)
        return refresh(
            graph, records, months, make, lambda one: month_lock(self.settings.root, one, "test"), discard_edits
        )

    def ran(self, *months: str, discard_edits: bool = False) -> set[tuple[str, str]]:
        steps = self.refresh(*months, discard_edits=discard_edits)
        assert all(step.good for step in steps), steps
        return {(step.month, step.name) for step in steps if step.made}

    def file(self, month: str, name: str) -> Path:
        return self.layout.month_folder(month) / name


def path_of(product: str) -> list[str]:
    """Names on a product's page, four levels deep, so that each category stands for itself."""
    return ["가전디지털", "생활가전", "소형가전", f"분류{product}"]


def four_levels_deep() -> Shop:
    class Pages(dict[str, Any]):
        def get(self, product: str, default: Any = None) -> Any:
            return super().get(product, lambda _: HTMLResponse(page_2025(path_of(product))))

    shop = Shop()
    shop.pages = Pages()
    return shop


@contextmanager
def small_months(root: Path, home: Path, shop: Shop) -> Iterator[SmallMonths]:
    home.mkdir(exist_ok=True)
    with dg.DagsterInstance.local_temp(str(home)) as instance:
        changes = {"sample": {"events_per_day": 60}, "shop": {"agreeing": 1}}
        yield SmallMonths(small_settings(root, **changes), shop, instance, changes)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallMonths]:
    """May and June, made."""
    folder = tmp_path_factory.mktemp("months")
    with serving(four_levels_deep()) as shop, small_months(folder / "root", folder / "home", shop) as months:
        for month in (MAY, JUNE):
            months.run(month)
        yield months


@pytest.fixture
def months(finished: SmallMonths, tmp_path: Path) -> Iterator[SmallMonths]:
    """A copy of them for one test."""
    root = tmp_path / "root"
    shutil.copytree(finished.settings.root, root)
    shutil.copytree(finished.instance.root_directory, tmp_path / "home")
    shop = finished.shop
    pages, asked = dict(shop.pages), list(shop.asked)
    with small_months(root, tmp_path / "home", shop) as copied:
        yield copied
    shop.pages.clear()
    shop.pages.update(pages)
    shop.asked[:] = asked
