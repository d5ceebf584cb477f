"""A whole work month against a real HiveServer2 and against the embedded warehouse, on DuckDB and on Spark.

The same files every time, byte for byte; a folder of Spark's part files counts as the one file that it stands for.
"""

import shutil
from contextlib import closing
from pathlib import Path

import dagster as dg
import pytest

from coupang_assets.definitions import MONTH_JOB, build_defs, build_resources
from coupang_assets.settings import (
    ChampionSettings,
    DictionaryTableSettings,
    EngineSettings,
    SampleSettings,
    Settings,
    SparkSettings,
    WarehouseSettings,
)
from coupang_assets.storage.part_files import content_sha256
from coupang_assets_tests.warehouse.conftest import DAY
from coupang_assets_tests.warehouse.event_table import EVENTS
from coupang_assets_tests.warehouse.spark_server import SparkServer

MONTH = "2024_05"


def run_month(
    root: Path, warehouse: WarehouseSettings, table: str, engine: EngineSettings | None = None
) -> dg.ExecuteInProcessResult:
    settings = Settings(
        root=root,
        warehouse=warehouse,
        engine=engine or EngineSettings(),
        dictionary=DictionaryTableSettings(table=table),
        sample=SampleSettings(events_per_day=600),
        # Of so few titles nothing can be demanded.
        champion=ChampionSettings(minimum_accuracy=0, minimum_category_accuracy=0),
    )
    # A process has one Spark session: closed here, none spills to the folder of a test that is over.
    with closing(build_resources(settings)["engine"]) as shared, dg.DagsterInstance.ephemeral() as instance:
        job = build_defs(settings, {"engine": shared}).resolve_job_def(MONTH_JOB)
        result = job.execute_in_process(partition_key=MONTH, instance=instance, raise_on_error=True)
    assert all(check.passed for check in result.get_asset_check_evaluations())
    return result


def digests(root: Path) -> dict[str, str]:
    """Every file of the month but for records that say when it was made."""
    month = root / "data" / MONTH
    return {
        str(path.relative_to(month)): content_sha256(path)
        for path in month.rglob("*")
        if path.suffix in (".csv", ".model", ".pickle", ".parquet") and not path.name.startswith(".")
        if path.parent.suffix != ".csv"
    }


def metadata(result: dg.ExecuteInProcessResult, asset: str) -> dict:
    (event,) = (e for e in result.get_asset_materialization_events() if e.asset_key == dg.AssetKey(asset))
    return {name: value.value for name, value in event.materialization.metadata.items()}


@pytest.fixture(scope="module")
def embedded(warehouse_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict, dict]:
    root = tmp_path_factory.mktemp("embedded")
    result = run_month(root, WarehouseSettings(folder=warehouse_folder), "rt_category_info_coupang")
    return digests(root), metadata(result, "rt_category_info_coupang")


@pytest.mark.slow
@pytest.mark.parametrize("way", ["orc", "wire", "cursor"])
def test_month_is_the_same_on_hive(
    hive: SparkServer, source_table: str, embedded: tuple[dict, dict], tmp_path: Path, way: str
) -> None:
    result = run_month(tmp_path, hive.settings(read_events=way), f"rt_category_info_by_{way}")
    files, dictionary = embedded
    assert len(files) > 20
    assert digests(tmp_path) == files
    assert metadata(result, "raw_dailies")["read by"] == {"orc": "ORC files"}.get(way, way)
    loaded = metadata(result, "rt_category_info_coupang")
    assert loaded["content hash"] == dictionary["content hash"]
    assert loaded["partition"] == "day=20240501"


@pytest.mark.slow
@pytest.mark.parametrize("where", ["embedded", "files", "table"])
def test_month_is_the_same_on_spark(
    hive: SparkServer,
    source_table: str,
    warehouse_folder: Path,
    embedded: tuple[dict, dict],
    tmp_path: Path,
    where: str,
) -> None:
    """Spark reads the embedded warehouse's files, the files where Hive says they are, and its metastore's table."""
    connect = SparkSettings(remote=f"sc://127.0.0.1:{hive.connect_port}")
    spark = connect if where == "table" else SparkSettings(master="local[2]")
    warehouse = WarehouseSettings(folder=warehouse_folder) if where == "embedded" else hive.settings()
    engine = EngineSettings(kind="spark", spark=spark)
    result = run_month(tmp_path, warehouse, f"rt_category_info_spark_{where}", engine)
    files, dictionary = embedded
    raw = tmp_path / "data" / MONTH / "raw" / f"{DAY}.csv"
    assert raw.is_dir() and list(raw.glob("part-*.csv"))
    assert digests(tmp_path) == files
    said = {"table": f"spark (table default.{source_table})"}.get(where, "spark (ORC files)")
    assert metadata(result, "raw_dailies")["read by"] == said
    assert metadata(result, "rt_category_info_coupang")["content hash"] == dictionary["content hash"]


def test_torn_stripe_names_the_day(warehouse_folder: Path, tmp_path: Path) -> None:
    """The footer is whole, so it is found when the rows are read."""
    copied = shutil.copytree(warehouse_folder, tmp_path / "copied")
    file = copied / EVENTS.table / f"day={DAY}" / "000001_0"
    raw = bytearray(file.read_bytes())
    raw[3 : len(raw) // 2] = b"\xff" * (len(raw) // 2 - 3)
    file.write_bytes(raw)
    settings = Settings(root=tmp_path / "root", warehouse=WarehouseSettings(folder=copied))
    job = build_defs(settings).resolve_job_def(MONTH_JOB)
    with dg.DagsterInstance.ephemeral() as instance:
        result = job.execute_in_process(
            partition_key="2024_05",
            instance=instance,
            asset_selection=[dg.AssetKey("raw_dailies")],
            raise_on_error=False,
        )
    (failure,) = (event for event in result.all_events if event.is_step_failure)
    described = failure.step_failure_data.user_failure_data
    assert described is not None and f"day partition {DAY} of {EVENTS.table} cannot be read" in str(
        described.description
    )
