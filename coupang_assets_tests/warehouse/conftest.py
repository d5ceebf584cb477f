"""One Spark Thrift Server for all tests of this folder, with the source table in it."""

import datetime as dt
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from coupang_assets.settings import EventsSettings
from coupang_assets.warehouse.hive_session import HiveSession
from coupang_assets.warehouse.hiveserver2 import HiveServer2Warehouse
from coupang_assets_tests.warehouse.event_table import EVENTS, create_table, write_days
from coupang_assets_tests.warehouse.spark_server import SparkServer, spark_server

DAYS = [dt.date(2024, 4, day) for day in range(1, 30, 4)]
DAY = "20240401"


@pytest.fixture(scope="session")
def hive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkServer]:
    pytest.importorskip("pyspark", reason="pyspark is the HiveServer2 of the tests: pip install coupang-assets[spark]")
    if "JAVA_HOME" not in os.environ and shutil.which("java") is None:
        pytest.skip("the HiveServer2 of the tests runs on Java 17, which is not here")
    with spark_server(tmp_path_factory.mktemp("hive")) as server:
        yield server


@pytest.fixture(scope="session")
def warehouse_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The table's files in the layout of the embedded warehouse, so that both kinds read the same files."""
    folder = tmp_path_factory.mktemp("events")
    write_days(folder / EVENTS.table, folder / "sample", DAYS, events=600)
    return folder


@pytest.fixture(scope="session")
def source_table(hive: SparkServer, warehouse_folder: Path) -> str:
    create_table(HiveSession(hive.settings()), warehouse_folder / EVENTS.table)
    return EVENTS.table


@pytest.fixture
def session(hive: SparkServer) -> Iterator[HiveSession]:
    session = HiveSession(hive.settings())
    yield session
    session.close()


@pytest.fixture
def make_warehouse(hive: SparkServer, source_table: str, tmp_path: Path) -> Iterator[Callable]:
    """Warehouses on the server, by settings that differ from the usual."""
    made = []

    def make(events: EventsSettings = EVENTS, **settings: object) -> HiveServer2Warehouse:
        made.append(HiveServer2Warehouse(hive.settings(**settings), events, tmp_path / "spill"))
        return made[-1]

    yield make
    for warehouse in made:
        warehouse.close()
