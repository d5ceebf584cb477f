"""The IO manager of the dictionary's Hive table."""

from collections.abc import Callable

import pandas as pd
import pytest

from coupang_assets.datasets import RT_CATEGORY_INFO
from coupang_assets.pipeline.hive_rows import hive_rows
from coupang_assets.settings import Settings
from coupang_assets.warehouse.embedded import EmbeddedWarehouse
from coupang_assets_tests.storage.materializing import failure, metadata, read, write

COLUMNS = list(RT_CATEGORY_INFO.column_names)


def rows(*codes: str) -> pd.DataFrame:
    found = [("0001", None, "0003", code, "식품", None, '사과, "부사"', f"이름 {code}") for code in codes]
    return hive_rows(pd.DataFrame(found, columns=COLUMNS))


def test_the_partition_of_the_month_is_written_read_back_and_given(settings: Settings) -> None:
    result = write(settings, RT_CATEGORY_INFO, rows("0004", "0012"))
    assert result.success
    recorded = metadata(result)
    folder = settings.warehouse_folder / "rt_category_info_coupang" / "day=20240501"
    assert recorded["partition"].value == "day=20240501"
    assert recorded["dagster/row_count"].value == 2
    assert recorded["dagster/uri"].value == f"file://{folder}"
    assert recorded["dagster/table_name"].value == "rt_category_info_coupang"
    assert [column.name for column in recorded["dagster/column_schema"].schema.columns] == COLUMNS
    (event,) = result.get_asset_materialization_events()
    assert (event.materialization.tags or {})["dagster/data_version"] == recorded["content hash"].value
    loaded, (frame,) = read(settings, RT_CATEGORY_INFO, pd.DataFrame)
    assert loaded.success
    pd.testing.assert_frame_equal(frame, rows("0004", "0012"), check_dtype=False)


def test_another_month_is_another_partition_and_again_is_the_same_bytes(settings: Settings) -> None:
    write(settings, RT_CATEGORY_INFO, rows("0004"))
    (file,) = (settings.warehouse_folder / "rt_category_info_coupang" / "day=20240501").iterdir()
    before = file.read_bytes()
    write(settings, RT_CATEGORY_INFO, rows("0005"), month="2024_06")
    write(settings, RT_CATEGORY_INFO, rows("0004"))
    assert file.read_bytes() == before
    _, (june,) = read(settings, RT_CATEGORY_INFO, pd.DataFrame, month="2024_06")
    assert june["lv4_code"].tolist() == [5]


def test_a_month_that_was_not_loaded_says_so(settings: Settings) -> None:
    assert "materialize rt_category_info_coupang" in failure(read(settings, RT_CATEGORY_INFO, pd.DataFrame)[0])
    write(settings, RT_CATEGORY_INFO, rows("0004"))
    assert "has no partition day=20240601" in failure(
        read(settings, RT_CATEGORY_INFO, pd.DataFrame, month="2024_06")[0]
    )


def test_a_partition_that_is_not_what_was_written_fails(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EmbeddedWarehouse, "read_partition", lambda *_: rows("0004"))
    told = failure(write(settings, RT_CATEGORY_INFO, rows("0004", "0012")))
    assert "rt_category_info_coupang day=20240501 holds 1 rows that are not the 2 rows written" in told


def test_table_and_location_are_settings(make_settings: Callable[..., Settings]) -> None:
    base = make_settings()
    location = base.root / "elsewhere"
    settings = make_settings(dictionary={"table": "ads.dictionary", "location": str(location)})
    assert write(settings, RT_CATEGORY_INFO, rows("0004")).success
    assert [path.name for path in location.iterdir()] == ["day=20240501"]
    hdfs = make_settings(dictionary={"table": "other", "location": "hdfs://ha-cluster/rt_category_info_coupang/logs"})
    assert "unset COUPANG_DICTIONARY__LOCATION or use real Hive" in failure(write(hdfs, RT_CATEGORY_INFO, rows("0004")))
