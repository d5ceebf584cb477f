"""Spark, for data that outgrow one machine: it reads Hive and writes below the root by itself; no row comes here.

pyspark is imported, and Java started, when the engine is first used. Belongs here: reading and writing. Does not:
the session and its errors (``spark_session``).
"""

import importlib.util
import itertools
import os
import re
import shutil
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import ibis.expr.types as ir

from coupang_assets.engines import HivePartition
from coupang_assets.engines.spill import SpillFolder
from coupang_assets.errors import CoupangAssetsError, TransientError
from coupang_assets.settings import EngineSettings

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from coupang_assets.engines.spark_session import SparkBackend

_CONNECT_SECONDS = 10.0
_GLOB = re.compile(r"([\[\]{}*?\\])")
# Rows of a partition are numbered from a multiple of it.
_NUMBERS_OF_A_PARTITION = 1 << 33


class SparkEngine:
    """Starts its session on first use, so that making one costs nothing."""

    def __init__(self, settings: EngineSettings, spill_folder: Path) -> None:
        self._settings = settings
        self._spill = SpillFolder(spill_folder, "spark")
        self._names = (f"source_{n}" for n in itertools.count())

    @cached_property
    def backend(self) -> "SparkBackend":
        """The Ibis backend.

        Raises:
            CoupangAssetsError: pyspark or Java is not there.
            TransientError: the server does not answer.
        """
        _require_installed(self._settings)
        _require_reachable(self._settings.spark.remote or self._settings.spark.master)
        from coupang_assets.engines.spark_session import SharedSession, SparkBackend

        return SparkBackend().connect(SharedSession.open(self, self._settings, self._spill))

    def read_csv(self, paths: Sequence[Path], columns: Sequence[str]) -> ir.Table:
        with self.reading(", ".join(str(path) for path in paths[:3]), "see whether Spark can read this folder"):
            return self._table(
                self._session.read.csv(
                    [_address(path, pattern=True) for path in paths],
                    schema=", ".join(f"`{name}` string" for name in columns),
                    header=True,
                    multiLine=True,
                    lineSep="\n",
                    quote='"',
                    escape='"',
                    nullValue="",
                    emptyValue="",
                    mode="FAILFAST",
                    unescapedQuoteHandling="RAISE_ERROR",
                )
            )

    def read_hive(self, partition: HivePartition) -> tuple[ir.Table, str]:
        columns = [f"`{name}`" for name in partition.columns]
        with self.reading(f"day {partition.day} of the source table", "see whether Spark can read it"):
            if partition.table is not None and self._session.catalog.tableExists(partition.table):
                self._session.catalog.refreshTable(partition.table)
                day = f"CAST(`{partition.day_column}` AS string) = '{partition.day}'"
                rows = self._session.table(partition.table).where(day)
                return self._table(rows.selectExpr(*columns)), f"spark (table {partition.table})"
            rows = self._session.read.orc([_GLOB.sub(r"\\\1", location) for location in partition.locations()])
            return self._table(rows.selectExpr(*columns)), "spark (ORC files)"

    def percent_done(self) -> float | None:
        return None

    @contextmanager
    def reading(self, what: str, remedy: str) -> Iterator[None]:
        _ = self.backend
        from coupang_assets.engines.spark_session import told

        with told(f"{what} cannot be read", remedy):
            yield

    def keep(self, table: ir.Table, what: str) -> ir.Table:
        # Each of Spark's stages ends on disk anyway.
        return table

    def write_csv(self, table: ir.Table, path: Path) -> int:
        _ = self.backend
        from pyspark.sql import Observation
        from pyspark.sql.functions import expr

        from coupang_assets.engines.spark_session import told

        header = ",".join(table.columns)
        fields = ", ".join(_field(name) for name in table.columns)
        first = f"monotonically_increasing_id() % {_NUMBERS_OF_A_PARTITION} = 0"
        written = Observation()
        with told(f"making {path}"):
            self.backend._run_pre_execute_hooks(table)
            rows = self._session.sql(self.backend.compile(table)).observe(written, expr("count(1)").alias("rows"))
            # Not Spark's own CSV writer, whose quotes are not DuckDB's: it has none around what holds a #.
            lines = rows.selectExpr(f"concat_ws(',', {fields}) AS line").selectExpr(
                f"CASE WHEN {first} THEN concat('{header}\\n', line) ELSE line END AS line"
            )
            lines.write.text(_address(path), lineSep="\n", compression="none")
            count = int(written.get["rows"])
            _name_as_csv(path, header if not count else None)
        return count

    def describe(self) -> str:
        where = self._settings.spark.remote or self._settings.spark.master
        return f"Spark {self._session.version}, {where}"

    def close(self) -> None:
        if "backend" in self.__dict__:
            from coupang_assets.engines.spark_session import SharedSession

            del self.__dict__["backend"]
            SharedSession.close(self)

    @property
    def _session(self) -> "SparkSession":
        return self.backend._session

    def _table(self, rows: "DataFrame") -> ir.Table:
        name = next(self._names)
        rows.createOrReplaceTempView(name)
        return self.backend.table(name)


def _field(name: str) -> str:
    quoted = f"concat('\"', replace(`{name}`, '\"', '\"\"'), '\"')"
    return (
        f"CASE WHEN `{name}` IS NULL THEN '' WHEN `{name}` = '' OR `{name}` RLIKE '[\",#\\\\r\\\\n]' "
        f"THEN {quoted} ELSE CAST(`{name}` AS string) END"
    )


def _address(path: Path, pattern: bool = False) -> str:
    """A path as Hadoop takes it: not percent-encoded; where it takes a pattern, its signs are plain characters."""
    text = str(path.absolute())
    return "file://" + (_GLOB.sub(r"\\\1", text) if pattern else text)


def _name_as_csv(folder: Path, header: str | None) -> None:
    """Give the parts the ending their content has, without Hadoop's checksum files, which go by the name.

    Args:
        header: of a table without rows, of which there is a single part, and that is empty.
    """
    for file in sorted(folder.iterdir()):
        if file.name.endswith(".crc"):
            file.unlink()
        elif file.suffix == ".txt":
            if header is not None:
                file.write_text(header + "\n", encoding="utf-8")
            file.rename(file.with_suffix(".csv"))


def _require_installed(settings: EngineSettings) -> None:
    if importlib.util.find_spec("pyspark") is None:
        raise CoupangAssetsError(
            "COUPANG_ENGINE__KIND is spark, and pyspark is not installed", "pip install 'coupang-assets[spark]'"
        )
    if settings.spark.remote is None and not (os.environ.get("JAVA_HOME") or shutil.which("java")):
        raise CoupangAssetsError(
            "Spark runs on Java, which is not here", "install Java 17 (openjdk-17-jre-headless), or set JAVA_HOME"
        )


def _require_reachable(address: str) -> None:
    """Ask for a connection before Spark does, which takes minutes to say that there is nobody."""
    scheme, _, rest = address.partition("://")
    if scheme not in ("sc", "spark"):
        return
    failures = []
    for server in rest.partition("/")[0].split(","):
        host, _, port = server.partition(":")
        try:
            socket.create_connection(
                (host, int(port or {"sc": 15002, "spark": 7077}[scheme])), _CONNECT_SECONDS
            ).close()
            return
        except (OSError, OverflowError) as error:
            failures.append(f"{server}: {error}")
    raise TransientError(f"Spark at {address} does not answer: {'; '.join(failures)}", "see whether it is up")
