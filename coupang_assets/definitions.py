"""Where everything meets: assets, checks, jobs, schedules and resources.

Belongs here: wiring. Nothing connects, reads or writes when this module is imported: resources open on first use.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import dagster as dg

from coupang_assets.assets import (
    checks,
    e5,
    products,
    refreshing,
    sources,
    step1_raw_data,
    step2_new_categories,
    step3_category_names,
    step4_refinement,
    step5_dictionary_table,
    step6_classifier,
    step6_evaluation,
)
from coupang_assets.assets.automation import monthly_schedule
from coupang_assets.assets.keep_fresh import keep_fresh_sensor
from coupang_assets.assets.monthly import MonthlyAssets
from coupang_assets.crawling.options import CrawlOptions
from coupang_assets.crawling.shop import RealShop, Shop
from coupang_assets.datasets import DATASETS, PRODUCT_PREDICTIONS, PRODUCTS_ALL, RECHECK, Step
from coupang_assets.engines.duckdb import DuckDBEngine
from coupang_assets.engines.spark import SparkEngine
from coupang_assets.products.connection import ProductsSource, ServerSource
from coupang_assets.sample.events import EventOptions
from coupang_assets.sample.generate import WorldOptions
from coupang_assets.sample.product_source import EmbeddedSource
from coupang_assets.sample.source import SampleSource
from coupang_assets.settings import Settings, load_settings
from coupang_assets.storage.base_month import BaseMonth
from coupang_assets.storage.beta import beta_accepted
from coupang_assets.storage.hive_table import hive_table_io_manager
from coupang_assets.storage.latest_files import latest_files_io_manager
from coupang_assets.storage.layout import Layout
from coupang_assets.storage.made_from import InputVersions
from coupang_assets.storage.run_lock import run_lock
from coupang_assets.storage.spec_files import spec_files_io_manager
from coupang_assets.warehouse import Warehouse
from coupang_assets.warehouse.embedded import EmbeddedWarehouse
from coupang_assets.warehouse.hiveserver2 import HiveServer2Warehouse

MONTH_JOB = "month"
RECHECK_JOB = "recheck_month"
EXPORT_JOB = "export_products"
CLASSIFY_JOB = "classify_products"
E5_JOB = "e5_month"
_STEPS = (
    step1_raw_data,
    step2_new_categories,
    step3_category_names,
    step4_refinement,
    step5_dictionary_table,
    step6_classifier,
    step6_evaluation,
    e5,
)


def build_resources(settings: Settings) -> dict[str, Any]:
    """The graph's resources for one set of settings; making them touches nothing."""
    sample = SampleSource(
        settings.sample_folder,
        WorldOptions(seed=settings.sample.seed),
        EventOptions(events=settings.sample.events_per_day, seed=settings.sample.seed, rt_cd=settings.events.rt_cd),
    )
    spill = settings.root / ".spill"
    duckdb = DuckDBEngine(settings.engine, spill)
    return {
        "settings": settings,
        "layout": Layout(settings),
        "engine": SparkEngine(settings.engine, spill) if settings.engine.kind == "spark" else duckdb,
        "local_engine": duckdb,
        "warehouse": _warehouse(settings, sample),
        "shop": _shop(settings, sample),
        "base_month": BaseMonth.configure_at_launch(),
        "input_versions": InputVersions(),
        "run_lock": run_lock,
        "spec_files": spec_files_io_manager,
        "hive_table": hive_table_io_manager,
        "products_source": _products(settings, sample),
        products.IO_MANAGER: latest_files_io_manager,
    }


def build_defs(settings: Settings | None = None, resource_overrides: Mapping[str, Any] | None = None) -> dg.Definitions:
    """The whole graph.

    Args:
        settings: default: those of this process.
        resource_overrides: resources to use instead of the usual ones, by key.
    """
    settings = settings or load_settings()
    monthly = MonthlyAssets(settings)
    with beta_accepted():
        assets = [*sources.assets(monthly), *(asset for step in _STEPS for asset in step.assets(monthly))]
        asset_checks = checks.checks(monthly)
        assets += products.assets(settings)
    month_job = dg.define_asset_job(
        MONTH_JOB,
        selection=dg.AssetSelection.all()
        - dg.AssetSelection.assets(*sources.SOURCES, *_on_request())
        - dg.AssetSelection.groups(Step.PRODUCTS.value),
        description="One work month, from Hive to the classifier.",
    )
    recheck_job = dg.define_asset_job(
        RECHECK_JOB,
        selection=dg.AssetSelection.assets(RECHECK.name),
        description="Asks the shop again for a share of a month's known categories; run it when you want to know.",
    )
    export_job = dg.define_asset_job(
        EXPORT_JOB,
        selection=dg.AssetSelection.assets(PRODUCTS_ALL.name),
        description="The product table of PostgreSQL as it is now, as CSV and Parquet.",
    )
    classify_job = dg.define_asset_job(
        CLASSIFY_JOB,
        selection=dg.AssetSelection.assets(PRODUCT_PREDICTIONS.name),
        description="Classifies the products that are new or renamed since the last time.",
    )
    e5_job = dg.define_asset_job(
        E5_JOB,
        selection=dg.AssetSelection.groups(Step.E5),
        description="Fine-tunes e5 on a month's products, exports it and judges it; needs the extra e5.",
    )
    definitions = dg.Definitions(
        assets=assets,
        asset_checks=asset_checks,
        jobs=[
            month_job,
            recheck_job,
            export_job,
            classify_job,
            e5_job,
            *refreshing.jobs(monthly, lambda: definitions, MONTH_JOB),
        ],
        schedules=[monthly_schedule(settings, MONTH_JOB)],
        sensors=[
            keep_fresh_sensor(settings, lambda: definitions),
            products.new_products_sensor(settings, CLASSIFY_JOB),
        ],
        resources={**build_resources(settings), **(resource_overrides or {})},
        # Steps follow each other and share one engine and its memory limit, so a run is one process.
        executor=dg.in_process_executor,
    )
    return definitions


def _on_request() -> list[dg.AssetKey]:
    return [dg.AssetKey(dataset.name) for dataset in DATASETS.values() if dataset.on_request]


def _warehouse(settings: Settings, sample: SampleSource) -> Warehouse:
    if settings.warehouse.kind == "hiveserver2":
        return HiveServer2Warehouse(settings.warehouse, settings.events, settings.root / ".spill")
    fill_day = sample.ensure_day if settings.sample.enabled else None
    return EmbeddedWarehouse(settings.warehouse_folder, settings.events, fill_day)


def _products(settings: Settings, sample: SampleSource) -> ProductsSource:
    if not settings.products.is_embedded:
        return ServerSource(settings.products)
    options = settings.sample
    return EmbeddedSource(settings.root / "postgres", settings.products, sample, options.products, options.seed)


class _SampleShop:
    """The sample's loopback shop, up while it is asked."""

    def __init__(self, settings: Settings, sample: SampleSource) -> None:
        self._settings = settings
        self._sample = sample

    @contextmanager
    def open(self, month: str) -> Iterator[CrawlOptions]:
        from coupang_assets.sample.shop import LoopbackShop

        with LoopbackShop(self._sample.world(), month).serve() as base_url:
            yield _crawl_options(self._settings, base_url, delay=0.0, backoff=0.1)

    def describe(self) -> str:
        return "the sample's loopback shop"


def _shop(settings: Settings, sample: SampleSource) -> Shop:
    if settings.shop.base_url is None:
        return _SampleShop(settings, sample)
    base_url = str(settings.shop.base_url).rstrip("/")
    shop = settings.shop
    return RealShop(_crawl_options(settings, base_url, delay=shop.delay_seconds, backoff=shop.backoff_seconds))


def _crawl_options(settings: Settings, base_url: str, delay: float, backoff: float) -> CrawlOptions:
    shop = settings.shop
    return CrawlOptions(
        base_url=base_url,
        product_path=shop.product_path,
        fragment_path=shop.fragment_path,
        user_agent=shop.user_agent,
        delay_s=delay,
        concurrency=shop.concurrency,
        timeout_s=shop.timeout_seconds,
        max_bytes=shop.maximum_page_bytes,
        retries=shop.retries,
        backoff_s=backoff,
        agreeing=shop.agreeing,
        stop_after=shop.stop_after,
        autothrottle=delay > 0,
    )


defs = build_defs()
