"""Events out of a real HiveServer2, three ways."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import orc

from coupang_assets.errors import CoupangAssetsError
from coupang_assets.settings import EventsSettings
from coupang_assets.warehouse import DayEvents
from coupang_assets.warehouse.embedded import EmbeddedWarehouse
from coupang_assets.warehouse.hive_session import HiveSession
from coupang_assets.warehouse.hive_tables import describe_table
from coupang_assets.warehouse.source_table import event_columns
from coupang_assets_tests.warehouse.conftest import DAY
from coupang_assets_tests.warehouse.event_table import COLUMNS, EVENTS, create_table


def rows(found: DayEvents) -> list[tuple]:
    """The advertiser's rows, sorted, as values."""
    table = found.dataset.to_table(columns=event_columns(EVENTS)).to_pylist()
    return sorted((tuple(row.values()) for row in table if row["rt_cd"] == 300), key=repr)


@pytest.mark.parametrize("way", ["orc", "wire", "cursor"])
def test_every_way_gives_the_rows_of_the_files(make_warehouse: Callable, warehouse_folder: Path, way: str) -> None:
    warehouse = make_warehouse(read_events=way, fetch_rows=100)
    found = warehouse.events(DAY)
    expected = rows(EmbeddedWarehouse(warehouse_folder, EVENTS).events(DAY))
    assert found.read_by == {"orc": "ORC files"}.get(way, way)
    assert rows(found) == expected
    assert rows(found) == expected, "it can be scanned again"
    assert len(expected) > 400
    assert any(title and "\x00" in title for _, title, *_ in expected)


def test_files_are_chosen_where_they_can_be_reached(make_warehouse: Callable) -> None:
    warehouse = make_warehouse()
    assert warehouse.events(DAY).read_by == "ORC files"
    assert "8 day partitions, read by ORC files" in warehouse.describe()


def test_a_view_is_read_over_the_wire(make_warehouse: Callable, session: HiveSession, source_table: str) -> None:
    session.rows(f"CREATE OR REPLACE VIEW events_view AS SELECT * FROM {source_table}")
    warehouse = make_warehouse(EventsSettings(table="events_view"))
    assert warehouse.event_days([DAY, "20240402"]) == [DAY]
    found = warehouse.events(DAY)
    assert found.read_by == "wire (events_view is a view)"
    assert rows(found) == rows(make_warehouse().events(DAY))


def test_storage_out_of_reach_is_read_over_the_wire_and_said(
    make_warehouse: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse = make_warehouse()
    expected = rows(warehouse.events(DAY))

    def away(*_: object) -> None:
        raise OSError("no route to namenode")

    monkeypatch.setattr("coupang_assets.warehouse.table_storage._file_system", away)
    found = warehouse.events(DAY)
    assert found.read_by.startswith("wire (") and "no route to namenode" in found.read_by
    assert rows(found) == expected
    with pytest.raises(CoupangAssetsError, match="no route to namenode"):
        make_warehouse(read_events="orc").events(DAY)


def test_storage_that_never_answers_is_not_waited_for(
    make_warehouse: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    import threading

    never = threading.Event()
    monkeypatch.setattr("coupang_assets.warehouse.table_storage._file_system", lambda _: never.wait(60))
    found = make_warehouse(storage_timeout_seconds=0.3).events(DAY)
    assert "did not answer in 0.3 s" in found.read_by
    never.set()


def test_transactional_tables_are_never_read_from_files(
    make_warehouse: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Spark makes no such table, so its description is changed to what Hive says of one."""
    monkeypatch.setattr(
        "coupang_assets.warehouse.hiveserver2.describe_table",
        lambda *arguments: replace(describe_table(*arguments), transactional=True),
    )
    warehouse = make_warehouse()
    assert warehouse.events(DAY).read_by == f"wire ({EVENTS.table} is transactional)"
    assert f"read by wire ({EVENTS.table} is transactional)" in warehouse.describe()


def make_table(session: HiveSession, folder: Path, name: str, files: dict[str, pa.Table | bytes]) -> EventsSettings:
    partition = folder / f"day={DAY}"
    partition.mkdir(parents=True)
    for file, content in files.items():
        if isinstance(content, bytes):
            (partition / file).write_bytes(content)
        else:
            orc.write_table(content, str(partition / file))
    create_table(session, folder, name)
    return EventsSettings(table=name)


def some_rows() -> pa.Table:
    names = [part.split()[0] for part in COLUMNS.split(", ")]
    values: dict[str, list] = {name: ["1", None, "나"] for name in names}
    values["rt_cd"] = [300, 100, 300]
    return pa.table(values, schema=pa.schema([(n, pa.int32() if n == "rt_cd" else pa.string()) for n in names]))


def whole_file(folder: Path) -> bytes:
    orc.write_table(some_rows(), str(folder / "whole"))
    return (folder / "whole").read_bytes()


def test_torn_file_is_named(make_warehouse: Callable, session: HiveSession, tmp_path: Path) -> None:
    torn = whole_file(tmp_path)[:-40]
    events = make_table(session, tmp_path / "torn", "events_torn", {"000000_0": some_rows(), "000001_0": torn})
    with pytest.raises(CoupangAssetsError, match=f"day partition {DAY} of events_torn is torn: .*000001_0"):
        make_warehouse(events).events(DAY)


def test_columns_that_files_do_not_name_come_over_the_wire(
    make_warehouse: Callable, session: HiveSession, tmp_path: Path
) -> None:
    """Hive before 2.0 wrote ``_col0``, …, which it reads by position."""
    unnamed = some_rows()
    unnamed = unnamed.rename_columns([f"_col{index}" for index in range(unnamed.num_columns)])
    events = make_table(session, tmp_path / "old", "events_old", {"000000_0": unnamed})
    found = make_warehouse(events).events(DAY)
    assert found.read_by.startswith("wire (") and "has no column product_id" in found.read_by
    assert len(rows(found)) == 2


def test_partition_without_files_has_no_rows(make_warehouse: Callable, session: HiveSession, tmp_path: Path) -> None:
    events = make_table(session, tmp_path / "empty", "events_empty", {"000000_0": b""})
    assert rows(make_warehouse(events).events(DAY)) == []
    assert len(make_warehouse(events).fingerprints([DAY])[DAY]) == 64
    (tmp_path / "empty" / f"day={DAY}" / "000001_0").write_bytes(whole_file(tmp_path))
    found = make_warehouse(events).events(DAY)
    assert found.read_by == "ORC files", "an empty file beside others is an empty bucket"
    assert len(rows(found)) == 2


def test_missing_day_says_so(make_warehouse: Callable) -> None:
    warehouse = make_warehouse()
    assert warehouse.event_days(["20240402", DAY]) == [DAY]
    for ask in (warehouse.events, lambda day: warehouse.fingerprints([day])):
        with pytest.raises(CoupangAssetsError, match="no day partition day=20240402"):
            ask("20240402")


def test_missing_table_lists_those_there(make_warehouse: Callable, source_table: str) -> None:
    with pytest.raises(CoupangAssetsError, match=source_table) as error:
        make_warehouse(EventsSettings(table="retargeting")).event_days([DAY])
    assert "COUPANG_EVENTS__TABLE" in error.value.remedy


def test_missing_column_lists_those_there(make_warehouse: Callable) -> None:
    with pytest.raises(CoupangAssetsError, match="no column title; it has product_id, ep_title") as error:
        make_warehouse(EventsSettings(ep_title="title")).events(DAY)
    assert "COUPANG_EVENTS__EP_TITLE" in error.value.remedy
    with pytest.raises(CoupangAssetsError) as error:
        make_warehouse(EventsSettings(day_column="dt")).events(DAY)
    assert "COUPANG_EVENTS__DAY_COLUMN" in error.value.remedy


def test_fingerprint_changes_with_the_rows_and_only_with_them(
    make_warehouse: Callable, session: HiveSession, tmp_path: Path
) -> None:
    few = some_rows()
    events = make_table(session, tmp_path / "a", "events_a", {"000000_0": few})
    other_files = {"000000_0": few.slice(2, 1), "000001_0": few.slice(0, 2)}
    elsewhere = make_table(session, tmp_path / "b", "events_b", other_files)
    first = make_warehouse(events).fingerprints([DAY])[DAY]
    assert make_warehouse(events).fingerprints([DAY])[DAY] == first
    assert make_warehouse(elsewhere).fingerprints([DAY])[DAY] == first, "other files, another order, the same rows"
    twice = pa.concat_tables([few, few.slice(0, 1)])
    empty_for_null = few.set_column(1, "ep_title", pa.array(["1", None, ""], pa.string()))
    for number, changed in enumerate((twice, empty_for_null, few.slice(0, 1))):
        table = make_table(session, tmp_path / str(number), f"events_changed_{number}", {"000000_0": changed})
        assert make_warehouse(table).fingerprints([DAY])[DAY] != first


def test_days_are_fingerprinted_together_as_each_by_itself(make_warehouse: Callable) -> None:
    warehouse, other = make_warehouse(), "20240405"
    together = warehouse.fingerprints([other, DAY])
    assert together == warehouse.fingerprints([DAY]) | warehouse.fingerprints([other])
    assert warehouse.fingerprints([]) == {}
    assert len(set(together.values())) == 2


def test_what_came_over_the_wire_is_gone_with_the_process(make_warehouse: Callable, tmp_path: Path) -> None:
    left = tmp_path / "spill" / "hive-killed"
    left.mkdir(parents=True)
    (left / ".lock").touch()
    (left / "20240401.arrow").touch()
    warehouse = make_warehouse(read_events="wire")
    warehouse.events(DAY)
    assert not left.exists(), "a killed process left it"
    assert len(list((tmp_path / "spill").iterdir())) == 1
