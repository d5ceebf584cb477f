"""The events of a day out of Hive, three ways with the same rows.

The table's ORC files are read where they are when that is the same as asking Hive; else rows come over the wire by
columns, or, as the last resort, through PyHive's cursor, and are kept in a temporary file so that they can be scanned
again. Belongs here: choosing the way, and the query. Does not: what rows mean (``pipeline``).
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds

from coupang_assets.errors import CoupangAssetsError
from coupang_assets.settings import EventsSettings, WarehouseSettings
from coupang_assets.warehouse import DayEvents
from coupang_assets.warehouse.hive_session import HiveSession
from coupang_assets.warehouse.hive_tables import TableDescription, describe_partition, partitions, quoted
from coupang_assets.warehouse.orc_files import DirectReadError, orc_dataset
from coupang_assets.warehouse.source_table import day_missing, event_columns
from coupang_assets.warehouse.spool import Spool
from coupang_assets.warehouse.table_storage import TableStorage
from coupang_assets.warehouse.thrift_columns import fetch_columns

if TYPE_CHECKING:
    from pyhive.hive import Cursor

_BATCH_ROWS = 1 << 17
ORC_FILES, WIRE, CURSOR = "ORC files", "wire", "cursor"
_ARROW_TYPES = {
    "BOOLEAN_TYPE": pa.bool_(),
    "TINYINT_TYPE": pa.int8(),
    "SMALLINT_TYPE": pa.int16(),
    "INT_TYPE": pa.int32(),
    "BIGINT_TYPE": pa.int64(),
    "FLOAT_TYPE": pa.float64(),
    "DOUBLE_TYPE": pa.float64(),
    "BINARY_TYPE": pa.large_binary(),
}


class HiveEvents:
    """Reads days of the source table.

    Args:
        spool_folder: where days that come over the wire are kept while they are used.
    """

    def __init__(
        self, session: HiveSession, events: EventsSettings, settings: WarehouseSettings, spool_folder: Path
    ) -> None:
        self._session = session
        self._events = events
        self._settings = settings
        self._storage = TableStorage(settings.storage_timeout_seconds)
        self._spool = Spool(spool_folder)

    def read(self, table: TableDescription, day: str) -> DayEvents:
        """A day of the described source table.

        Raises:
            CoupangAssetsError: the day is not there, a file is torn, or the way that is set cannot be gone.
            TransientError: Hive was lost twice.
        """
        why = ""
        if self._settings.read_events in ("auto", "orc"):
            try:
                return DayEvents(self.orc_dataset(table, day), ORC_FILES)
            except DirectReadError as error:
                if self._settings.read_events == "orc":
                    raise CoupangAssetsError(
                        f"{self._events.table} {day} cannot be read from its files: {error}",
                        "set COUPANG_WAREHOUSE__READ_EVENTS=auto to have it read over the wire instead",
                    ) from None
                why = f" ({error})"
        way = CURSOR if self._settings.read_events == "cursor" else WIRE
        return DayEvents(self._session.repeated(lambda: self._fetch(day, way)), way + why)

    def orc_dataset(self, table: TableDescription, day: str) -> ds.Dataset:
        """The ORC files of a day.

        Raises:
            DirectReadError: Hive would not give what the files hold, or they cannot be reached.
        """
        files: list[str] = []
        filesystem = None
        for location in self._orc_locations(table, day):
            filesystem, found = self._storage.data_files(location)
            files += found
        assert filesystem is not None
        return orc_dataset(
            f"day partition {day} of {self._events.table}", files, filesystem, event_columns(self._events)
        )

    def locations(self, table: TableDescription, day: str) -> list[str]:
        """The folders of a day's ORC files, for an engine that reads them itself.

        Raises:
            CoupangAssetsError: Hive would not give what the files hold.
        """
        try:
            return self._orc_locations(table, day)
        except DirectReadError as error:
            raise CoupangAssetsError(
                f"Spark cannot read the files of {self._events.table} {day} by itself: {error}",
                "let it read the table: COUPANG_ENGINE__SPARK__METASTORE, or a Spark Connect server with the metastore",
            ) from None

    def _orc_locations(self, table: TableDescription, day: str) -> list[str]:
        if table.is_view:
            raise DirectReadError(f"{self._events.table} is a view")
        if table.transactional:
            raise DirectReadError(f"{self._events.table} is transactional")
        if self._events.day_column not in table.partitioned_by:
            raise DirectReadError(f"{self._events.table} is not partitioned by {self._events.day_column}")
        specs = [
            spec for spec in partitions(self._session, self._events.table) if dict(spec)[self._events.day_column] == day
        ]
        if not specs:
            raise day_missing(self._events, day)
        locations = []
        for spec in specs:
            partition = describe_partition(self._session, self._events.table, spec)
            if not partition.is_orc or partition.location is None:
                raise DirectReadError(f"{self._events.table} {day} is not ORC")
            locations.append(partition.location)
        return locations

    def _fetch(self, day: str, way: str) -> ds.Dataset:
        events = self._events
        *names, advertiser = event_columns(events)
        shown = ", ".join(f"`{name}`" for name in names)
        # Events repeat: over the wire equal rows come once, with their number.
        counted, grouped = (", COUNT(*)", f" GROUP BY {shown}") if way == WIRE else ("", "")
        statement = (
            f"SELECT {shown}{counted} FROM {quoted(events.table)} "
            f"WHERE `{events.day_column}` = %(day)s AND `{advertiser}` = %(rt_cd)s{grouped}"
        )
        with self._session.query(statement, {"day": day, "rt_cd": events.rt_cd}) as cursor:
            kinds = [column[1] for column in cursor.description or ()][: len(names)]
            types = [_ARROW_TYPES.get(kind, pa.large_string()) for kind in kinds]
            schema = pa.schema([*zip(names, types, strict=True), (advertiser, pa.int32())])
            rows = self._settings.fetch_rows
            batches = _wire_columns(cursor, rows) if way == WIRE else _cursor_columns(cursor, types, rows)
            return self._spool.keep(day, schema, (self._batch(schema, columns) for columns in batches))

    def _batch(self, schema: pa.Schema, columns: Sequence[pa.Array]) -> pa.RecordBatch:
        advertiser = pa.array(np.full(len(columns[0]), self._events.rt_cd, np.int32))
        return pa.RecordBatch.from_arrays([*columns, advertiser], schema=schema)


def _wire_columns(cursor: "Cursor", rows: int) -> Iterator[list[pa.Array]]:
    """Columns of at most ``_BATCH_ROWS`` rows, each distinct row as often as its number says."""
    for *columns, numbers in fetch_columns(cursor, rows):
        ends = np.cumsum(numbers.to_numpy())
        for start in range(0, int(ends[-1]), _BATCH_ROWS):
            places = np.arange(start, min(start + _BATCH_ROWS, int(ends[-1])))
            index = pa.array(np.searchsorted(ends, places, side="right"))
            yield [column.take(index) for column in columns]


def _cursor_columns(cursor: "Cursor", types: Sequence[pa.DataType], rows: int) -> Iterator[list[pa.Array]]:
    while found := cursor.fetchmany(rows):
        columns = zip(*found, strict=True)
        yield [
            pa.array(
                [None if v is None else str(v) for v in values] if pa.types.is_large_string(kind) else values, kind
            )
            for values, kind in zip(columns, types, strict=True)
        ]
