"""The warehouse behind a HiveServer2 (Hive, or Spark's Thrift server), through PyHive.

Belongs here: the ``Warehouse`` interface over one session. Does not: how events are read (``hive_events``), how a
partition is loaded (``hive_load``), or how the connection is kept (``hive_session``).
"""

import hashlib
from datetime import timedelta
from pathlib import Path

import pandas as pd

from coupang_assets.engines import HivePartition
from coupang_assets.errors import CoupangAssetsError
from coupang_assets.settings import EventsSettings, WarehouseSettings
from coupang_assets.warehouse import DayEvents
from coupang_assets.warehouse.dictionary_table import parse_create
from coupang_assets.warehouse.hive_events import ORC_FILES, HiveEvents
from coupang_assets.warehouse.hive_load import HiveLoader
from coupang_assets.warehouse.hive_session import HiveSession
from coupang_assets.warehouse.hive_tables import TableDescription, describe_table, partitions, quoted
from coupang_assets.warehouse.orc_files import DirectReadError
from coupang_assets.warehouse.source_table import day_missing, event_columns, other_columns, require_event_columns
from coupang_assets.warehouse.table_storage import TableStorage

_EVENTS_SETTING = "COUPANG_EVENTS__TABLE"


class HiveServer2Warehouse:
    """See the module. Making one connects to nothing.

    Args:
        settings: where the server is and how it is read.
        events: the source table and its columns.
        spool_folder: where days that come over the wire are kept while they are used.
    """

    def __init__(self, settings: WarehouseSettings, events: EventsSettings, spool_folder: Path) -> None:
        self._settings = settings
        self._events = events
        self._session = HiveSession(settings)
        self._reader = HiveEvents(self._session, events, settings, spool_folder)
        self._loader = HiveLoader(
            self._session,
            TableStorage(settings.storage_timeout_seconds),
            keep=timedelta(hours=settings.keep_loads_hours),
        )

    def event_days(self, days: list[str]) -> list[str]:
        there = set(self._all_days(self._source(), days))
        return [day for day in days if day in there]

    def fingerprints(self, days: list[str]) -> dict[str, str]:
        """A hash of the multiset of each day's rows that are read, computed by the server in one statement.

        Each row's values and two halves of their MD5 become numbers (CRC-32) that are added up, so neither the order
        of rows nor the files they lie in count, and only a row that comes, goes or changes makes a difference.
        """
        if missing := sorted(set(days) - set(self.event_days(days))):
            raise day_missing(self._events, missing[0])
        *columns, advertiser = event_columns(self._events)
        day_column, names = f"`{self._events.day_column}`", [f"day_{index}" for index in range(len(days))]
        values = ", ".join(f"COALESCE(CONCAT('v', CAST(`{name}` AS string)), 'n')" for name in columns)
        sums = ", ".join(f"SUM(CRC32({text}))" for text in ("event", "SUBSTR(hash, 1, 16)", "SUBSTR(hash, 17, 16)"))
        statement = (
            f"SELECT of_day, COUNT(*), {sums} FROM (SELECT of_day, event, MD5(event) AS hash FROM ("
            f"SELECT CAST({day_column} AS string) AS of_day, CONCAT_WS(%(separator)s, {values}) AS event "
            f"FROM {quoted(self._events.table)} "
            f"WHERE {day_column} IN ({', '.join(f'%({name})s' for name in names)}) AND `{advertiser}` = %(rt_cd)s"
            ") AS events) AS hashes GROUP BY of_day"
        )
        parameters = {"separator": "\x1f", "rt_cd": self._events.rt_cd} | dict(zip(names, days, strict=True))
        found = {str(of_day): sums for of_day, *sums in self._session.rows(statement, parameters)} if days else {}
        nothing = [0] * 4
        return {day: hashlib.sha256(" ".join(map(str, found.get(day, nothing))).encode()).hexdigest() for day in days}

    def events(self, day: str) -> DayEvents:
        table = self._source()
        if not self._all_days(table, [day]):
            raise day_missing(self._events, day)
        return self._reader.read(table, day)

    def partition(self, day: str) -> HivePartition:
        table = self._source()
        if not self._all_days(table, [day]):
            raise day_missing(self._events, day)
        name = self._events.table
        return HivePartition(
            name if "." in name else f"{self._settings.database}.{name}",
            self._events.day_column,
            day,
            tuple(event_columns(self._events)),
            lambda: self._reader.locations(table, day),
        )

    def create_table(self, statement: str) -> None:
        wanted = parse_create(statement)
        self._session.rows(statement)
        found = describe_table(self._session, wanted.name, "COUPANG_DICTIONARY__TABLE")
        columns = {name: kind for name, kind in found.columns.items() if name not in found.partitioned_by}
        if (columns, found.partitioned_by) != (wanted.columns, wanted.partitioned_by):
            raise other_columns(wanted.name, found.columns)

    def overwrite_partition(self, table: str, partition: str, rows: pd.DataFrame) -> str:
        return self._loader.overwrite(table, partition, rows)

    def read_partition(self, table: str, partition: str) -> pd.DataFrame:
        return self._loader.read(table, partition)

    def describe(self) -> str:
        settings, table = self._settings, self._source()
        login = f"{settings.username or 'this user'} ({settings.auth})"
        where = f"{self._session.address} as {login}, database {settings.database}: {self._events.table}"
        days = sorted(self._all_days(table)) if self._events.day_column in table.partitioned_by else []
        return f"{where}, {len(days) or 'no'} day partitions, read by {self._way(table, days)}"

    def close(self) -> None:
        """End the session with the server; the next call opens another."""
        self._session.close()

    def _source(self) -> TableDescription:
        table = describe_table(self._session, self._events.table, _EVENTS_SETTING)
        require_event_columns(self._events, table.columns)
        if self._events.day_column not in table.columns:
            raise CoupangAssetsError(
                f"{self._events.table} has no column {self._events.day_column}; it has {', '.join(table.columns)}",
                "name the partition column with COUPANG_EVENTS__DAY_COLUMN",
            )
        return table

    def _all_days(self, table: TableDescription, among: list[str] | None = None) -> set[str]:
        """Days there are; for what has no day partitions, such as a view, those ``among`` that have rows."""
        column = self._events.day_column
        if column in table.partitioned_by:
            there = {dict(spec)[column] for spec in partitions(self._session, self._events.table)}
            return there if among is None else there & set(among)
        parameters = {f"day_{index}": day for index, day in enumerate(among or [])}
        if not parameters:
            return set()
        rows = self._session.rows(
            f"SELECT DISTINCT CAST(`{column}` AS string) FROM {quoted(self._events.table)} "
            f"WHERE `{column}` IN ({', '.join(f'%({name})s' for name in parameters)})",
            parameters,
        )
        return {str(row[0]) for row in rows}

    def _way(self, table: TableDescription, days: list[str]) -> str:
        way = self._settings.read_events
        if way in ("wire", "cursor"):
            return way
        if not days:
            return f"{ORC_FILES} or wire"
        try:
            self._reader.orc_dataset(table, days[-1])
        except DirectReadError as error:
            if way == "orc":
                raise CoupangAssetsError(
                    f"its ORC files cannot be read: {error}", "set COUPANG_WAREHOUSE__READ_EVENTS=auto"
                ) from None
            return f"wire ({error})"
        return ORC_FILES
