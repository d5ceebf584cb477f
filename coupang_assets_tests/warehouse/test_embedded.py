"""The embedded warehouse: what Hive would do, on a folder."""

import os
import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import orc

from coupang_assets.errors import CoupangAssetsError
from coupang_assets.settings import DictionaryTableSettings, EventsSettings
from coupang_assets.warehouse.dictionary_table import create_statement
from coupang_assets.warehouse.embedded import EmbeddedWarehouse

DAY = "20240401"
TABLE = "retargeting_event_storage_orc"
DICTIONARY = "rt_category_info_coupang"
EVENTS = {
    "product_id": ["7", "8"],
    "ep_title": ["제목", None],
    "category1": [1, 1],
    "category2": [2, None],
    "category3": [3, 3],
    "category4": [4, 4],
    "rt_cd": [300, 100],
}


@pytest.fixture
def warehouse(tmp_path: Path) -> EmbeddedWarehouse:
    return EmbeddedWarehouse(tmp_path / "warehouse", EventsSettings())


def load_day(warehouse: EmbeddedWarehouse, name: str = "000000_0.orc", day: str = DAY, **columns: list[object]) -> Path:
    path = warehouse.folder / TABLE / f"day={day}" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    orc.write_table(pa.table(EVENTS | columns), path)
    return path


def dictionary(*codes: int) -> pd.DataFrame:
    frame = pd.DataFrame({f"lv{n}_code": pd.array([None, *codes], dtype="Int32") for n in range(1, 5)})
    return frame.assign(**{f"lv{n}_name": [None, *(f'이름 {code}, "x"' for code in codes)] for n in range(1, 5)})


def created(warehouse: EmbeddedWarehouse, location: str = "") -> str:
    settings = DictionaryTableSettings(location=location)
    warehouse.create_table(create_statement(settings))
    return settings.table


def folder_of(uri: str) -> Path:
    return Path(url2pathname(urlsplit(uri).path))


# Events


def test_a_day_is_read_with_all_its_files_and_columns(warehouse: EmbeddedWarehouse) -> None:
    load_day(warehouse)
    load_day(warehouse, "000001_0.orc", more=["x", "y"])
    (load_day(warehouse).parent / "_SUCCESS").write_text("")
    (load_day(warehouse).parent / ".000002_0.orc.tmp").write_text("half")
    assert warehouse.events(DAY).dataset.count_rows() == 4
    assert warehouse.event_days(["20240405", DAY]) == [DAY]


def test_a_day_that_is_not_there_names_it_and_the_settings_that_help(warehouse: EmbeddedWarehouse) -> None:
    (warehouse.folder / TABLE / f"day={DAY}").mkdir(parents=True)
    for ask in (warehouse.events, lambda day: warehouse.fingerprints([day])):
        with pytest.raises(CoupangAssetsError, match=f"{TABLE} has no day partition day={DAY}") as caught:
            ask(DAY)
        assert "COUPANG_SAMPLING__ALLOW_MISSING_DAYS" in caught.value.remedy
    assert warehouse.event_days([DAY]) == []


@pytest.mark.parametrize("position", ["first", "second"])
@pytest.mark.parametrize("damage", [lambda data: data[: len(data) // 2], lambda data: b"", lambda data: b"no ORC" * 99])
def test_a_torn_file_is_told_by_day_and_name(
    warehouse: EmbeddedWarehouse, damage: Callable[[bytes], bytes], position: str
) -> None:
    paths = {"first": load_day(warehouse), "second": load_day(warehouse, "000001_0.orc")}
    path = paths[position]
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(CoupangAssetsError, match=f"day partition {DAY} of {TABLE} is torn") as caught:
        warehouse.events(DAY)
    assert path.name in caught.value.what
    assert caught.value.remedy


@pytest.mark.parametrize("name", ["000000_0.orc", "000001_0.orc"])
def test_a_missing_column_says_what_there_is_and_the_setting(warehouse: EmbeddedWarehouse, name: str) -> None:
    path = load_day(warehouse, name)
    load_day(warehouse, "000002_0.orc")
    table = orc.read_table(path)
    orc.write_table(
        table.rename_columns([{"category4": "cat4"}.get(column, column) for column in table.column_names]), path
    )
    with pytest.raises(CoupangAssetsError, match=r"has no column category4; it has .*product_id") as caught:
        warehouse.events(DAY)
    assert caught.value.remedy == "name the column that is meant with COUPANG_EVENTS__CATEGORY4"


def test_columns_and_partition_are_called_as_the_settings_say(tmp_path: Path) -> None:
    events = EventsSettings(table="ads.events", day_column="dt", category4="cat4", rt_cd_column="advertiser")
    warehouse = EmbeddedWarehouse(tmp_path, events)
    path = tmp_path / "ads.events" / f"dt={DAY}" / "part-0"
    path.parent.mkdir(parents=True)
    table = pa.table(EVENTS)
    names = {"category4": "cat4", "rt_cd": "advertiser"}
    orc.write_table(table.rename_columns([names.get(column, column) for column in table.column_names]), path)
    assert warehouse.events(DAY).dataset.count_rows() == 2


def test_the_fingerprint_changes_with_the_data_and_with_nothing_else(warehouse: EmbeddedWarehouse) -> None:
    path = load_day(warehouse)
    before = warehouse.fingerprints([DAY])[DAY]
    os.utime(path, (1, 1))
    (path.parent / "_SUCCESS").write_text("x")
    load_day(warehouse, day="20240405")
    assert warehouse.fingerprints([DAY])[DAY] == before
    assert EmbeddedWarehouse(warehouse.folder, EventsSettings()).fingerprints([DAY])[DAY] == before
    load_day(warehouse, "000001_0.orc")
    more = warehouse.fingerprints([DAY])[DAY]
    load_day(warehouse, ep_title=["다른 제목", None])
    assert len({before, more, warehouse.fingerprints([DAY])[DAY]}) == 3


@pytest.mark.parametrize("day", ["20240401' OR '1'='1", "../../etc", "2024-04-01", "", "20240431", "*"])
def test_a_hostile_day_reads_nothing(warehouse: EmbeddedWarehouse, day: str) -> None:
    load_day(warehouse)
    with pytest.raises(ValueError, match=r"does not match format|unconverted data|out of range"):
        warehouse.event_days([day])


def test_a_day_is_filled_once_and_again_when_filling_was_cut_off(tmp_path: Path) -> None:
    filled: list[tuple[str, date]] = []

    def fill(table: Path, day: date) -> None:
        filled.append((table.name, day))
        load_day(warehouse)

    warehouse = EmbeddedWarehouse(tmp_path, EventsSettings(), fill)
    partition = tmp_path / TABLE / f"day={DAY}"
    partition.mkdir(parents=True)
    (partition / ".000000_0.orc.tmp").write_text("half")
    assert warehouse.events(DAY).dataset.count_rows() == 2
    assert warehouse.event_days([DAY]) == [DAY]
    assert filled == [(TABLE, date(2024, 4, 1))]


def test_it_describes_itself(warehouse: EmbeddedWarehouse) -> None:
    load_day(warehouse)
    assert str(warehouse.folder) in warehouse.describe()
    assert "1 day partitions" in warehouse.describe()


# The dictionary table


def test_the_statement_is_the_specifications() -> None:
    statement = create_statement(DictionaryTableSettings(location="hdfs://ha-cluster/rt_category_info_coupang/logs"))
    assert [line.strip() for line in statement.strip().splitlines()] == [
        "CREATE table IF NOT EXISTS rt_category_info_coupang (",
        "lv1_code int,",
        "lv2_code int,",
        "lv3_code int,",
        "lv4_code int,",
        "lv1_name string,",
        "lv2_name string,",
        "lv3_name string,",
        "lv4_name string",
        ")",
        "",
        "PARTITIONED BY (day string)",
        "STORED AS PARQUET",
        "LOCATION 'hdfs://ha-cluster/rt_category_info_coupang/logs'",
    ]


def test_exactly_one_partition_is_overwritten(warehouse: EmbeddedWarehouse) -> None:
    table = created(warehouse)
    where = warehouse.overwrite_partition(table, "20240501", dictionary(1, 2))
    other = folder_of(warehouse.overwrite_partition(table, "20240601", dictionary(3)))
    untouched = {path: path.read_bytes() for path in other.iterdir()}
    (folder_of(where) / "000001_0.parquet").write_bytes((folder_of(where) / "000000_0.parquet").read_bytes())
    assert warehouse.overwrite_partition(table, "20240501", dictionary(4)) == where
    pd.testing.assert_frame_equal(warehouse.read_partition(table, "20240501"), dictionary(4))
    assert {path: path.read_bytes() for path in other.iterdir()} == untouched
    assert sorted(path.name for path in (warehouse.folder / table).iterdir()) == ["day=20240501", "day=20240601"]


def test_rows_come_back_with_ints_names_and_nulls(warehouse: EmbeddedWarehouse) -> None:
    table = created(warehouse)
    warehouse.overwrite_partition(table, "20240501", dictionary(12, 999_999_999))
    found = warehouse.read_partition(table, "20240501")
    pd.testing.assert_frame_equal(found, dictionary(12, 999_999_999))
    warehouse.overwrite_partition(table, "20240501", dictionary().iloc[:0])
    assert warehouse.read_partition(table, "20240501").empty


def test_the_same_rows_are_the_same_bytes(warehouse: EmbeddedWarehouse) -> None:
    table = created(warehouse)
    file = folder_of(warehouse.overwrite_partition(table, "20240501", dictionary(1, 2))) / "000000_0.parquet"
    before = file.read_bytes()
    warehouse.overwrite_partition(table, "20240501", dictionary(1, 2))
    assert file.read_bytes() == before


def test_creating_again_keeps_the_table_and_other_columns_are_refused(warehouse: EmbeddedWarehouse) -> None:
    table = created(warehouse)
    warehouse.overwrite_partition(table, "20240501", dictionary(1))
    created(warehouse)
    assert len(warehouse.read_partition(table, "20240501")) == 2
    statement = create_statement(DictionaryTableSettings())
    for other in (
        statement.replace("lv4_code int", "lv4_code string"),
        statement.replace("(day string)", "(dt string)"),
    ):
        with pytest.raises(CoupangAssetsError, match=f"table {DICTIONARY} is there with other columns") as caught:
            warehouse.create_table(other)
        assert "COUPANG_DICTIONARY__TABLE" in caught.value.remedy


def test_a_partition_that_is_not_there_is_said_and_not_made(warehouse: EmbeddedWarehouse) -> None:
    with pytest.raises(CoupangAssetsError, match=f"table {DICTIONARY} does not exist"):
        warehouse.read_partition(DICTIONARY, "20240501")
    table = created(warehouse)
    with pytest.raises(CoupangAssetsError, match="has no partition day=20240501"):
        warehouse.read_partition(table, "20240501")
    assert not (warehouse.folder / table).exists()


def test_a_torn_partition_is_said(warehouse: EmbeddedWarehouse) -> None:
    table = created(warehouse)
    file = folder_of(warehouse.overwrite_partition(table, "20240501", dictionary(1))) / "000000_0.parquet"
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(CoupangAssetsError, match=f"{DICTIONARY} day=20240501 .* is torn"):
        warehouse.read_partition(table, "20240501")


@pytest.mark.parametrize("partition", ["20240501' --", "../20240501", "2024_05", "", "day=20240501", "20240501/x"])
def test_a_hostile_partition_is_refused(warehouse: EmbeddedWarehouse, partition: str) -> None:
    table = created(warehouse)
    with pytest.raises(CoupangAssetsError, match="is no day partition"):
        warehouse.overwrite_partition(table, partition, dictionary(1))
    with pytest.raises(CoupangAssetsError, match="is no day partition"):
        warehouse.read_partition(table, partition)
    assert not (warehouse.folder / table).exists()


@pytest.mark.parametrize("name", ["o'brien", "back\\slash", "가 나", "a;b", 'quo"te', "--"])
def test_any_folder_will_do(tmp_path: Path, name: str) -> None:
    warehouse = EmbeddedWarehouse(tmp_path / name, EventsSettings())
    table = created(warehouse)
    where = warehouse.overwrite_partition(table, "20240501", dictionary(1))
    assert folder_of(where) == tmp_path / name / table / "day=20240501"
    assert len(warehouse.read_partition(table, "20240501")) == 2


def test_a_copy_of_the_root_writes_into_itself(tmp_path: Path) -> None:
    original = EmbeddedWarehouse(tmp_path / "one", EventsSettings())
    table = created(original)
    original.overwrite_partition(table, "20240501", dictionary(1))
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    copy = EmbeddedWarehouse(tmp_path / "two", EventsSettings())
    created(copy)
    copy.overwrite_partition(table, "20240501", dictionary(8, 9))
    assert len(original.read_partition(table, "20240501")) == 2
    assert len(copy.read_partition(table, "20240501")) == 3


def test_a_location_of_another_file_system_is_refused_by_the_setting(warehouse: EmbeddedWarehouse) -> None:
    table = created(warehouse, "hdfs://ha-cluster/rt_category_info_coupang/logs")
    with pytest.raises(CoupangAssetsError, match="cannot write to hdfs://ha-cluster") as caught:
        warehouse.overwrite_partition(table, "20240501", dictionary(1))
    assert "COUPANG_DICTIONARY__LOCATION" in caught.value.remedy
