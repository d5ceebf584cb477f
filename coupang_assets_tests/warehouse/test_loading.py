"""The dictionary's table on a real HiveServer2: old rows or new for whoever reads, whatever happens to a load."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pandas as pd
import pytest

from coupang_assets.errors import CoupangAssetsError, TransientError
from coupang_assets.settings import DictionaryTableSettings
from coupang_assets.warehouse.dictionary_table import create_statement
from coupang_assets.warehouse.hive_session import ConnectionLostError, HiveSession
from coupang_assets.warehouse.hiveserver2 import HiveServer2Warehouse

PARTITION = "20240501"


def dictionary(first: int, count: int, name: str = "가전디지털") -> pd.DataFrame:
    codes = {f"lv{level}_code": pd.array(range(first, first + count), "Int32") for level in range(1, 5)}
    names = {f"lv{level}_name": [f"{name} {level} {index}" for index in range(count)] for level in range(1, 5)}
    return pd.DataFrame(codes | names)


OLD = dictionary(1000, 120)
NEW = dictionary(5000, 150, "패션의류")


def as_set(rows: pd.DataFrame) -> frozenset:
    return frozenset(tuple(row) for row in rows.astype(object).itertuples(index=False))


def filled(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.astype(object).where(rows.notna(), "missing")


@pytest.fixture
def table(make_warehouse: Callable, tmp_path: Path) -> Iterator[str]:
    name = f"rt_category_info_{uuid4().hex[:8]}"
    settings = DictionaryTableSettings(table=name, location=f"file://{tmp_path}/logs")
    make_warehouse().create_table(create_statement(settings))
    yield name


def staging_tables(session: HiveSession, table: str) -> list:
    return [row for row in session.rows("SHOW TABLES") if f"{table}__load" in str(row)]


def test_what_is_written_is_read_back(make_warehouse: Callable, session: HiveSession, table: str) -> None:
    rows = dictionary(1, 3)
    rows["lv1_name"] = ["it's \\ 100 %s ${env:HOME}", 'a "b",\nc\td', None]
    rows.loc[1, "lv2_code"] = pd.NA
    warehouse = make_warehouse()
    folder = warehouse.overwrite_partition(table, PARTITION, rows)
    assert as_set(filled(warehouse.read_partition(table, PARTITION))) == as_set(filled(rows))
    assert f"day={PARTITION}/load=" in folder
    assert staging_tables(session, table) == []


def test_loading_twice_changes_nothing(make_warehouse: Callable, table: str) -> None:
    warehouse = make_warehouse()
    folder = warehouse.overwrite_partition(table, PARTITION, OLD)
    assert warehouse.overwrite_partition(table, PARTITION, OLD.sample(frac=1, random_state=1)) == folder
    assert as_set(warehouse.read_partition(table, PARTITION)) == as_set(OLD)


def test_other_partitions_stay(make_warehouse: Callable, table: str) -> None:
    warehouse = make_warehouse()
    warehouse.overwrite_partition(table, "20240401", OLD)
    warehouse.overwrite_partition(table, PARTITION, NEW)
    assert as_set(warehouse.read_partition(table, "20240401")) == as_set(OLD)


def test_readers_see_the_old_rows_or_the_new(make_warehouse: Callable, table: str) -> None:
    writer: HiveServer2Warehouse = make_warehouse()
    writer.overwrite_partition(table, PARTITION, OLD)
    seen: list[frozenset] = []
    problems: list[Exception] = []
    done = threading.Event()

    def read(reader: HiveServer2Warehouse) -> None:
        try:
            while not done.is_set():
                seen.append(as_set(reader.read_partition(table, PARTITION)))
        except Exception as error:
            problems.append(error)

    readers = [threading.Thread(target=read, args=(make_warehouse(),)) for _ in range(2)]
    for thread in readers:
        thread.start()
    for _ in range(2):
        writer.overwrite_partition(table, PARTITION, NEW)
        writer.overwrite_partition(table, PARTITION, OLD)
    done.set()
    for thread in readers:
        thread.join()
    assert problems == []
    assert set(seen) <= {as_set(OLD), as_set(NEW)}
    assert len(set(seen)) == 2, "the readers met both"


def test_a_failed_load_leaves_the_old_rows(
    make_warehouse: Callable, session: HiveSession, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse = make_warehouse()
    warehouse.overwrite_partition(table, PARTITION, OLD)
    run = HiveSession.rows_once

    def lost_when_inserting(self: HiveSession, statement: str, parameters: object = None) -> list:
        if statement.startswith("INSERT"):
            run(self, statement, parameters)  # type: ignore[arg-type]
            raise ConnectionLostError("gone")
        return run(self, statement, parameters)  # type: ignore[arg-type]

    with monkeypatch.context() as patched, pytest.raises(TransientError):
        patched.setattr(HiveSession, "rows_once", lost_when_inserting)
        warehouse.overwrite_partition(table, PARTITION, NEW)
    assert as_set(warehouse.read_partition(table, PARTITION)) == as_set(OLD)
    assert staging_tables(session, table) == []


def test_rows_that_hive_does_not_give_back_never_become_the_partition(
    make_warehouse: Callable, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse = make_warehouse()
    warehouse.overwrite_partition(table, PARTITION, OLD)
    monkeypatch.setattr("coupang_assets.warehouse.hive_load._values", lambda *_: iter([]))
    with pytest.raises(CoupangAssetsError, match="does not give back"):
        warehouse.overwrite_partition(table, PARTITION, NEW)
    assert as_set(warehouse.read_partition(table, PARTITION)) == as_set(OLD)


def test_two_runs_that_load_at_once_leave_one_of_their_loads(make_warehouse: Callable, table: str) -> None:
    problems: list[Exception] = []

    def load(warehouse: HiveServer2Warehouse, rows: pd.DataFrame) -> None:
        try:
            warehouse.overwrite_partition(table, PARTITION, rows)
        except Exception as error:
            problems.append(error)

    threads = [threading.Thread(target=load, args=(make_warehouse(), rows)) for rows in (OLD, NEW)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert as_set(make_warehouse().read_partition(table, PARTITION)) in (as_set(OLD), as_set(NEW))


def test_old_loads_go_when_nobody_can_be_reading_them(make_warehouse: Callable, table: str, tmp_path: Path) -> None:
    warehouse = make_warehouse()
    partition = tmp_path / "logs" / f"day={PARTITION}"
    first = warehouse.overwrite_partition(table, PARTITION, OLD)
    warehouse.overwrite_partition(table, PARTITION, NEW)
    assert len(list(partition.glob("load=*"))) == 2, "the replaced load stays for those who read it"
    old = partition / "load=20200101t000000_0123456789abcdef0123456789abcdef"
    old.mkdir()
    not_ours = partition / "kept"
    not_ours.mkdir()
    warehouse.overwrite_partition(table, PARTITION, OLD)
    assert not old.exists() and not_ours.exists() and Path(first.removeprefix("file:")).exists()


def test_table_with_other_columns_is_refused(make_warehouse: Callable, session: HiveSession) -> None:
    name = f"rt_category_info_{uuid4().hex[:8]}"
    session.rows(f"CREATE TABLE {name} (code int) PARTITIONED BY (day string) STORED AS PARQUET")
    with pytest.raises(CoupangAssetsError, match="other columns"):
        make_warehouse().create_table(create_statement(DictionaryTableSettings(table=name)))


def test_missing_partition_says_so(make_warehouse: Callable, table: str) -> None:
    with pytest.raises(CoupangAssetsError, match="no partition day=20240601"):
        make_warehouse().read_partition(table, "20240601")
    with pytest.raises(CoupangAssetsError, match="no day partition"):
        make_warehouse().overwrite_partition(table, "20240601' OR '1'='1", OLD)
