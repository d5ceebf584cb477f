"""The embedded warehouse: a folder of ORC and Parquet in Hive's layout, for use without a Hive server.

``<folder>/<table>/day=YYYYMMDD/…``; created tables are remembered under ``<folder>/.metastore``.
"""

import hashlib
import json
import re
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import sqlglot
from sqlglot import exp

from coupang_assets.errors import CoupangAssetsError
from coupang_assets.files import atomic_path, sha256_file, write_text
from coupang_assets.settings import EventsSettings

DayFiller = Callable[[Path, date], object]
_ARROW_TYPES = {"INT": pa.int32(), "TEXT": pa.string(), "BIGINT": pa.int64(), "DOUBLE": pa.float64()}
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

    def fingerprint(self, day: str) -> str:
        digests = [f"{file.name} {sha256_file(file)}" for file in self._require_files(day)]
        return hashlib.sha256("\n".join(digests).encode()).hexdigest()

    def events(self, day: str) -> ds.Dataset:
        files = self._require_files(day)
        try:
            dataset = ds.dataset([str(file) for file in files], format="orc")
            # The dataset itself looks into the first file only.
            names = set.intersection(*(set(part.physical_schema.names) for part in dataset.get_fragments()))
        except (pa.ArrowInvalid, OSError) as error:
            raise CoupangAssetsError(
                f"day partition {day} of {self._events.table} is torn: {error}", "load the partition again"
            ) from None
        wanted = ("product_id", "ep_title", "category1", "category2", "category3", "category4")
        columns = {name: getattr(self._events, name) for name in wanted} | {"rt_cd_column": self._events.rt_cd_column}
        if missing := {ours: theirs for ours, theirs in columns.items() if theirs not in names}:
            settings = ", ".join(f"COUPANG_EVENTS__{ours.upper()}" for ours in missing)
            raise CoupangAssetsError(
                f"{self._events.table} has no column {', '.join(missing.values())}; it has {', '.join(sorted(names))}",
                f"name the column that is meant with {settings}",
            )
        return dataset

    def create_table(self, statement: str) -> None:
        create = sqlglot.parse_one(statement, read="hive")
        table = create.find(exp.Table)
        assert isinstance(create, exp.Create) and isinstance(create.this, exp.Schema) and table is not None
        location = create.find(exp.LocationProperty)
        partition = create.find(exp.PartitionedByProperty)
        assert location is not None and partition is not None
        record = {
            "columns": {c.name: c.args["kind"].this.name for c in create.this.expressions},
            "partitioned_by": [c.name for c in partition.this.expressions],
            "location": self._kept_location(location.this.name),
            "statement": statement,
        }
        path = self._metastore_path(table.name)
        if not path.exists():
            write_text(path, json.dumps(record, ensure_ascii=False, indent=1))
            return
        existing = self._table(table.name)
        if existing["columns"] != record["columns"] or existing["partitioned_by"] != record["partitioned_by"]:
            raise CoupangAssetsError(
                f"table {table.name} is there with other columns: {existing['columns']}",
                "drop or rename it, or set COUPANG_DICTIONARY__TABLE to another name",
            )

    def overwrite_partition(self, table: str, partition: str, rows: pd.DataFrame) -> str:
        record = self._table(table)
        schema = pa.schema([(name, _ARROW_TYPES[kind]) for name, kind in record["columns"].items()])
        folder = self._partition_folder(record, partition)
        path = folder / _PART_FILE
        with atomic_path(path) as temporary:
            pq.write_table(pa.Table.from_pandas(rows, schema=schema, preserve_index=False), temporary)
        for other in folder.iterdir():
            if other != path and other.is_file():
                other.unlink()
        return str(folder)

    def read_partition(self, table: str, partition: str) -> pd.DataFrame:
        folder = self._partition_folder(self._table(table), partition)
        files = sorted(folder.glob("*.parquet"))
        if not files:
            raise CoupangAssetsError(f"{table} has no partition day={partition}", f"materialize {table} for its month")
        try:
            tables = [pq.read_table(file, partitioning=None) for file in files]
        except (pa.ArrowInvalid, OSError) as error:
            raise CoupangAssetsError(
                f"{table} day={partition} in {folder} is torn: {error}", f"materialize {table} for its month again"
            ) from None
        return pa.concat_tables(tables).to_pandas(
            types_mapper={pa.int32(): pd.Int32Dtype(), pa.int64(): pd.Int64Dtype()}.get
        )

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
            raise CoupangAssetsError(
                f"{self._events.table} has no day partition {self._events.day_column}={day}",
                "load the day, or set COUPANG_SAMPLING__ALLOW_MISSING_DAYS=true to go on with fewer days",
            )
        return files

    def _kept_location(self, location: str) -> str:
        """As given; below the warehouse's own folder relative to it, so that a copied or moved root stays whole."""
        path = Path(location)
        return str(path.relative_to(self.folder)) if path.is_relative_to(self.folder) else location

    def _metastore_path(self, table: str) -> Path:
        return self.folder / ".metastore" / f"{table}.json"

    def _table(self, table: str) -> dict:
        path = self._metastore_path(table.rpartition(".")[2])
        if not path.exists():
            raise CoupangAssetsError(f"table {table} does not exist", f"materialize {table}, which creates it")
        return json.loads(path.read_text(encoding="utf-8"))

    def _partition_folder(self, record: dict, partition: str) -> Path:
        if not re.fullmatch(r"\d{8}", partition):
            raise CoupangAssetsError(f"'{partition}' is no day partition", "partitions are YYYYMMDD")
        location = record["location"].removeprefix("file://")
        if "://" in location:
            raise CoupangAssetsError(
                f"the embedded warehouse cannot write to {location}",
                "unset COUPANG_DICTIONARY__LOCATION or use real Hive",
            )
        return self.folder / location / f"{record['partitioned_by'][0]}={partition}"


def _data_files(partition: Path) -> list[Path]:
    """Files of a partition folder that Hive would read."""
    if not partition.is_dir():
        return []
    return sorted(file for file in partition.iterdir() if file.is_file() and not file.name.startswith((".", "_")))
