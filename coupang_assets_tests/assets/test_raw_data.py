"""Step 1 on what real tables hold: torn text inside a whole file, and a stream that breaks off."""

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import orc

from coupang_assets.datasets import CATEGORY_CODES
from coupang_assets.sample.events import EVENT_SCHEMA, partition_file
from coupang_assets.settings import Settings
from coupang_assets_tests.months import SMALL, failures, metadata, run_month

MONTH = "2024_05"
TORN = "가방 특가".encode()[:-1]


def write_day(table: Path, titles: list[bytes | None]) -> Path:
    path = partition_file(table, dt.date(2024, 4, 1))
    path.parent.mkdir(parents=True)
    rows = len(titles)
    columns = {
        "product_id": pa.array([str(number) for number in range(rows)]),
        "ep_title": pa.array(titles, pa.binary()).view(pa.string()),
        **{name: pa.array([f"{depth:04d}"] * rows) for depth, name in enumerate(CATEGORY_CODES, start=1)},
        "rt_cd": pa.array([300] * rows, pa.int32()),
        "event_type": pa.array(["view"] * rows),
    }
    orc.write_table(pa.table(columns, schema=EVENT_SCHEMA), str(path))
    return path


@pytest.fixture
def one_day(make_settings: Callable[..., Settings], tmp_path: Path) -> tuple[Settings, Path]:
    table = tmp_path / "warehouse" / "retargeting_event_storage_orc"
    changes = {"sampling": {"days": 1}, "sample": {"enabled": False}, "warehouse": {"folder": tmp_path / "warehouse"}}
    return make_settings(**SMALL | changes), table


def test_a_torn_title_is_null_counted_and_stops_nothing(one_day: tuple[Settings, Path]) -> None:
    settings, table = one_day
    write_day(table, ["가방".encode(), TORN, None, b"\xff"])
    result = run_month(settings, MONTH, ["raw_dailies", "new_unique"])
    assert result.success, failures(result)
    found = metadata(result, "raw_dailies")
    assert found["texts that are no utf8"].value == 2
    assert found["without title"].value == 3
    assert found["rows"].value == 4
    lines = (settings.root / "data" / MONTH / "raw" / "20240401.csv").read_text(encoding="utf-8").splitlines()
    assert [line.split(",")[1] for line in lines] == ["ep_title", "가방", "", "", ""]


def test_a_long_day_says_how_far_it_is(one_day: tuple[Settings, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    from coupang_assets.storage import progress

    settings, table = one_day
    write_day(table, [b"title"] * 3)
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.0)
    told: list[str] = []
    say = progress.RowProgress.say
    monkeypatch.setattr(
        progress.RowProgress, "say", lambda self, what="": (told.append(f"{what}|{self.rows}"), say(self, what))[1]
    )
    assert run_month(settings, MONTH, ["raw_dailies"]).success
    assert told == ["|3", "day 1 of 1|3"]
