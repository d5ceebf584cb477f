"""The embedded warehouse: a folder of ORC and Parquet in Hive's layout, for use without a Hive server.

``<folder>/<table>/day=YYYYMMDD/…``; created tables are remembered under ``<folder>/.metastore``.
"""

import hashlib
import re
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow.fs import LocalFileSystem

from coupang_assets.engines import HivePartition
from coupang_assets.errors import CoupangAssetsError, NotThereError
from coupang_assets.files import atomic_path, sha256_file, write_text
from coupang_assets.settings import EventsSettings
from coupang_assets.warehouse import DayEvents
from coupang_assets.warehouse.dictionary_table import TableDefinition, parse_create
from coupang_assets.warehouse.orc_files import DirectReadError, orc_dataset, orc_schema
from coupang_assets.warehouse.source_table import day_missing, event_columns, other_columns, require_event_columns

DayFiller = Callable[[Path, date], object]
_ARROW_TYPES = {"int": pa.int32(), "string": pa.string(), "bigint": pa.int64(), "double": pa.float64()}
_PART_FILE = "000000_0.parquet"


class EmbeddedWarehouse:
    """See the module.

    Args:
        folder: the warehouse's folder.
        events: the source table and its columns.
        fill_day: called with the source table's folder and a day whose partition is absent; makes it if it can.
    """

    def __init__(self, folder: Path, events: EventsSettings, fill_day: DayFiller | None = None) -> None:
        self.folder = folder
        self._events = events
        self._fill_day = fill_day

    def event_days(self, days: list[str]) -> list[str]:
        return [day for day in days if self._event_files(day)]

    def fingerprints(self, days: list[str]) -> dict[str, str]:
        return {day: self._fingerprint(day) for day in days}

    def _fingerprint(self, day: str) -> str:
        files = "\n".join(f"{file.name} {sha256_file(file)}" for file in self._require_files(day))
        return hashlib.sha256(files.encode()).hexdigest()

    def events(self, day: str) -> DayEvents:
        files = [str(file) for file in self._require_files(day)]
        filesystem = LocalFileSystem()
        what = f"day partition {day} of {self._events.table}"
        try:
            for file in files:
                require_event_columns(self._events, orc_schema(what, file, filesystem).names)
            return DayEvents(orc_dataset(what, files, filesystem, event_columns(self._events)), "ORC files")
        except DirectReadError as error:
            raise CoupangAssetsError(f"{what} cannot be read: {error}", "load the partition again") from None

    def partition(self, day: str) -> HivePartition:
        folder = self._require_files(day)[0].parent
        self.events(day)
        return HivePartition(
            None, self._events.day_column, day, tuple(event_columns(self._events)), lambda: [f"file://{folder}"]
        )

    def create_table(self, statement: str) -> None:
        wanted = parse_create(statement)
        name = wanted.name.rpartition(".")[2]
        path = self._metastore_path(name)
        if not path.exists():
            write_text(path, statement)
            return
        existing = self._table(name)
        if (existing.columns, existing.partitioned_by) != (wanted.columns, wanted.partitioned_by):
            raise other_columns(name, existing.columns)

    def overwrite_partition(self, table: str, partition: str, rows: pd.DataFrame) -> str:
        definition = self._table(table)
        schema = pa.schema([(name, _ARROW_TYPES[kind]) for name, kind in definition.columns.items()])
        folder = self._partition_folder(definition, partition)
        path = folder / _PART_FILE
        with atomic_path(path) as temporary:
            pq.write_table(pa.Table.from_pandas(rows, schema=schema, preserve_index=False), temporary)
        for other in folder.iterdir():
            if other != path and other.is_file():
                other.unlink()
        return str(folder)

    def read_partition(self, table: str, partition: str) -> pd.DataFrame:
        folder = self._partition_folder(self._table(table), partition)
        if not any(folder.glob("*.parquet")):
            raise NotThereError(f"{table} has no partition day={partition}", f"materialize {table} for its month")
        return read_partition_folder(folder, f"{table} day={partition}")

    def describe(self) -> str:
        days = len(list((self.folder / self._events.table).glob(f"{self._events.day_column}=*")))
        filled = "; missing days are made by the sample" if self._fill_day else ""
        return f"embedded warehouse in {self.folder}, {days} day partitions of {self._events.table}{filled}"

    def _event_files(self, day: str) -> list[Path]:
        when = datetime.strptime(day, "%Y%m%d").date()
        table = self.folder / self._events.table
        partition = table / f"{self._events.day_column}={day}"
        # A folder without a file is what is left where making the day was cut off.
        if not (files := _data_files(partition)) and self._fill_day is not None:
            self._fill_day(table, when)
            files = _data_files(partition)
        return files

    def _require_files(self, day: str) -> list[Path]:
        files = self._event_files(day)
        if not files:
            raise day_missing(self._events, day)
        return files

    def _metastore_path(self, table: str) -> Path:
        return self.folder / ".metastore" / f"{table}.sql"

    def _table(self, table: str) -> TableDefinition:
        path = self._metastore_path(table.rpartition(".")[2])
        if not path.exists():
            raise NotThereError(f"table {table} does not exist", f"materialize {table}, which creates it")
        return parse_create(path.read_text(encoding="utf-8"))

    def _partition_folder(self, table: TableDefinition, partition: str) -> Path:
        if not re.fullmatch(r"\d{8}", partition):
            raise CoupangAssetsError(f"'{partition}' is no day partition", "partitions are YYYYMMDD")
        # Without a location the table lies below this folder, wherever that is copied or moved.
        location = (table.location or table.name).removeprefix("file://")
        if "://" in location:
            raise CoupangAssetsError(
                f"the embedded warehouse cannot write to {location}",
                "unset COUPANG_DICTIONARY__LOCATION or use real Hive",
            )
        return self.folder / location / f"{table.partitioned_by[0]}={partition}"


def read_partition_folder(folder: Path, name: str) -> pd.DataFrame:
    """Rows of a partition of the dictionary table, by the folder it lies in; errors call it ``name``.

    Raises:
        CoupangAssetsError: its files are torn, or do not belong together.
    """
    try:
        tables = [pq.read_table(file, partitioning=None) for file in sorted(folder.glob("*.parquet"))]
        rows = pa.concat_tables(tables)
    except (pa.ArrowInvalid, OSError) as error:
        raise CoupangAssetsError(f"{name} in {folder} is torn: {error}", "materialize it for its month again") from None
    return rows.to_pandas(types_mapper={pa.int32(): pd.Int32Dtype(), pa.int64(): pd.Int64Dtype()}.get)


def _data_files(partition: Path) -> list[Path]:
    """Files of a partition folder that Hive would read."""
    if not partition.is_dir():
        return []
    return sorted(file for file in partition.iterdir() if file.is_file() and not file.name.startswith((".", "_")))
