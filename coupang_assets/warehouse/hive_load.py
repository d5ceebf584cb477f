"""Loading a partition so that readers see the old rows or the new, and nothing else.

The new rows are written to a folder of their own through a staging table, read back and compared; only then does one
``ALTER TABLE … PARTITION … SET LOCATION``, a single transaction of the metastore, make them the partition. Queries that
are planned already go on reading the old folder, which stays for a while. Belongs here: that order. Does not: which
rows.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pandas as pd

from coupang_assets.errors import CoupangAssetsError, NotThereError
from coupang_assets.warehouse.hive_session import HiveSession
from coupang_assets.warehouse.hive_tables import (
    PartitionSpec,
    TableDescription,
    describe_partition,
    describe_table,
    partition_clause,
    partitions,
    quoted,
    table_names,
)
from coupang_assets.warehouse.orc_files import DirectReadError
from coupang_assets.warehouse.table_storage import TableStorage

_SETTING = "COUPANG_DICTIONARY__TABLE"
_ROWS_A_STATEMENT = 1000
_PANDAS_TYPES = {"int": "Int32", "bigint": "Int64"}
_STAMP = "%Y%m%dt%H%M%S"
_LOAD = re.compile(r"(?:.*__)?load[=_](\d{8}t\d{6})_[0-9a-f]{32}")


@dataclass(frozen=True)
class HiveLoader:
    """Loads and reads partitions of tables that are partitioned by one column.

    Attributes:
        keep: how long folders and staging tables of earlier loads stay.
    """

    session: HiveSession
    storage: TableStorage
    keep: timedelta

    def overwrite(self, table: str, partition: str, rows: pd.DataFrame) -> str:
        """Make ``rows`` the content of a partition and return its folder. Does nothing if they are that already.

        Raises:
            CoupangAssetsError: Hive refuses, or does not give back what it was given; the partition is as before.
            TransientError: Hive was lost; the partition is as before, or loaded in full.
        """
        description = describe_table(self.session, table, _SETTING)
        spec = self._spec(description, partition)
        before = self._location(table, spec)
        if before is not None and _same(self.read(table, partition), rows):
            return before
        if description.location is None:
            raise CoupangAssetsError(f"Hive does not say where {table} lies", "see whether it is a view")
        load = f"{datetime.now(UTC):{_STAMP}}_{uuid4().hex}"
        columns = {name: kind for name, kind in description.columns.items() if name not in description.partitioned_by}
        staging = f"{table}__load_{load}"
        folder = f"{description.location.rstrip('/')}/{spec[0][0]}={partition}/load={load}"
        try:
            self._stage(staging, folder, columns, rows)
            if not _same(self._read(staging, columns), rows):
                raise CoupangAssetsError(
                    f"Hive does not give back the {len(rows)} rows written for {table} {partition}; "
                    "the partition is as before",
                    f"look into {folder}, which has been left",
                )
            if description.transactional:
                self._insert(table, spec, staging, columns)
                folder = before or description.location
            else:
                self._swap(table, spec, folder)
        finally:
            # Its files are the partition's now, or are removed with the other old loads.
            with suppress(CoupangAssetsError):
                self.session.rows(f"DROP TABLE IF EXISTS {quoted(staging)}")
        self._tidy(table, description.location, spec, folder)
        return folder

    def read(self, table: str, partition: str) -> pd.DataFrame:
        """A partition's rows, in no particular order.

        Raises:
            CoupangAssetsError: there is no such partition or table.
        """
        description = describe_table(self.session, table, _SETTING)
        spec = self._spec(description, partition)
        if self._location(table, spec) is None:
            raise NotThereError(
                f"{table} has no partition {spec[0][0]}={partition}", f"materialize {table} for its month"
            )
        columns = {name: kind for name, kind in description.columns.items() if name not in description.partitioned_by}
        return self._read(table, columns, f" WHERE `{spec[0][0]}` = %(partition)s", {"partition": partition})

    def _spec(self, description: TableDescription, partition: str) -> PartitionSpec:
        if not re.fullmatch(r"\d{8}", partition):
            raise CoupangAssetsError(f"'{partition}' is no day partition", "partitions are YYYYMMDD")
        return ((description.partitioned_by[0], partition),)

    def _location(self, table: str, spec: PartitionSpec) -> str | None:
        if spec not in partitions(self.session, table):
            return None
        return describe_partition(self.session, table, spec).location

    def _stage(self, staging: str, folder: str, columns: dict[str, str], rows: pd.DataFrame) -> None:
        defined = ", ".join(f"`{name}` {kind}" for name, kind in columns.items())
        # External, and said again for servers where dropping a table takes its files along.
        self.session.rows_once(
            f"CREATE EXTERNAL TABLE {quoted(staging)} ({defined}) STORED AS PARQUET LOCATION %(folder)s "
            "TBLPROPERTIES ('external.table.purge'='false')",
            {"folder": folder},
        )
        for values, parameters in _values(rows[list(columns)], list(columns.values())):
            self.session.rows_once(f"INSERT INTO TABLE {quoted(staging)} VALUES {values}", parameters)

    def _swap(self, table: str, spec: PartitionSpec, folder: str) -> None:
        clause, parameters = partition_clause(spec)
        parameters["folder"] = folder
        if spec not in partitions(self.session, table):
            self.session.rows(f"ALTER TABLE {quoted(table)} ADD IF NOT EXISTS {clause} LOCATION %(folder)s", parameters)
        if self._location(table, spec) != folder:
            self.session.rows(f"ALTER TABLE {quoted(table)} {clause} SET LOCATION %(folder)s", parameters)

    def _insert(self, table: str, spec: PartitionSpec, staging: str, columns: dict[str, str]) -> None:
        """A transactional table keeps its own versions: what replaces its rows is a transaction already."""
        clause, parameters = partition_clause(spec)
        names = ", ".join(f"`{name}`" for name in columns)
        self.session.rows(
            f"INSERT OVERWRITE TABLE {quoted(table)} {clause} SELECT {names} FROM {quoted(staging)}", parameters
        )

    def _read(
        self, table: str, columns: dict[str, str], where: str = "", parameters: dict[str, object] | None = None
    ) -> pd.DataFrame:
        names = ", ".join(f"`{name}`" for name in columns)
        rows = self.session.rows(f"SELECT {names} FROM {quoted(table)}{where}", parameters)
        frame = pd.DataFrame(rows, columns=list(columns), dtype=object)
        return frame.astype({name: _PANDAS_TYPES[kind] for name, kind in columns.items() if kind in _PANDAS_TYPES})

    def _tidy(self, table: str, location: str, spec: PartitionSpec, current: str) -> None:
        """Remove what earlier loads of this partition left, where the storage can be reached from here."""
        oldest = f"{datetime.now(UTC) - self.keep:{_STAMP}}"

        def old(name: str) -> bool:
            match = _LOAD.fullmatch(name)
            return match is not None and match[1] < oldest

        database, _, bare = table.rpartition(".")
        for name in table_names(self.session, database):
            if name.startswith(f"{bare.lower()}__load_") and old(name):
                self.session.rows(f"DROP TABLE IF EXISTS {quoted(f'{database}.{name}' if database else name)}")
        parent = f"{location.rstrip('/')}/{spec[0][0]}={spec[0][1]}"
        with suppress(DirectReadError):
            for name in self.storage.folders(parent):
                if old(name) and f"{parent}/{name}" not in (current, self._location(table, spec)):
                    self.storage.remove(f"{parent}/{name}")


def _values(rows: pd.DataFrame, kinds: Sequence[str]) -> Iterator[tuple[str, dict[str, object]]]:
    """``VALUES`` lists and their parameters; a null says its type, which Hive does not guess."""
    for start in range(0, len(rows), _ROWS_A_STATEMENT):
        texts: list[str] = []
        parameters: dict[str, object] = {}
        for row, values in enumerate(rows.iloc[start : start + _ROWS_A_STATEMENT].itertuples(index=False)):
            fields = []
            for (column, kind), value in zip(enumerate(kinds), values, strict=True):
                if pd.isna(value):
                    fields.append(f"CAST(NULL AS {kind})")
                    continue
                name = f"v{row}_{column}"
                parameters[name] = str(value) if kind == "string" else int(value)
                fields.append(f"%({name})s")
            texts.append(f"({', '.join(fields)})")
        yield ", ".join(texts), parameters


def _same(first: pd.DataFrame, second: pd.DataFrame) -> bool:
    return _sorted_rows(first) == _sorted_rows(second[list(first.columns)])


def _sorted_rows(frame: pd.DataFrame) -> list[tuple[str, ...]]:
    objects = frame.astype(object)
    return sorted(tuple("n" if pd.isna(v) else f"v{v}" for v in row) for row in objects.itertuples(index=False))
