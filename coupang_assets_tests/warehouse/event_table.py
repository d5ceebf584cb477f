"""The source table of the tests: ORC files in Hive's layout, and the statements that make them a table."""

import datetime as dt
from pathlib import Path

import pyarrow as pa
from pyarrow import orc

from coupang_assets.sample import SampleSource
from coupang_assets.sample.events import EventOptions
from coupang_assets.sample.generate import WorldOptions
from coupang_assets.settings import EventsSettings, SampleSettings
from coupang_assets.warehouse.hive_session import HiveSession

EVENTS = EventsSettings()
COLUMNS = (
    "product_id string, ep_title string, category1 string, category2 string, category3 string, category4 string, "
    "rt_cd int, event_type string"
)


def write_days(table: Path, sample: Path, days: list[dt.date], events: int) -> None:
    """Days of sample events, each in three files.

    They hold other advertisers, nulls, Korean, and titles with line breaks, quotes, emoji and a NUL.
    """
    # The world of the loopback shop, so that a month finds the names of these products there.
    world = WorldOptions(seed=SampleSettings().seed)
    source = SampleSource(sample, world, EventOptions(events=events, junk_codes=3, junk_titles=5))
    for day in days:
        whole = source.ensure_day(table, day)
        rows = orc.read_table(str(whole))
        split_file(whole, rows)


def split_file(whole: Path, rows: pa.Table) -> None:
    third = len(rows) // 3 + 1
    for index in range(3):
        orc.write_table(rows.slice(index * third, third), str(whole.with_name(f"00000{index}_0")))
    whole.unlink()


def create_table(session: HiveSession, folder: Path, name: str = EVENTS.table) -> None:
    session.rows(
        f"CREATE EXTERNAL TABLE IF NOT EXISTS {name} ({COLUMNS}) PARTITIONED BY (day string) STORED AS ORC "
        "LOCATION %(folder)s",
        {"folder": str(folder)},
    )
    session.rows(f"MSCK REPAIR TABLE {name}")
