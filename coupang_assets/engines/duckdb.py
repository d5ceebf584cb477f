"""DuckDB, the default engine: one in-memory connection that spills to the root's disk beyond its memory limit."""

import errno
import itertools
import os
import weakref
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import ibis.expr.types as ir
import pyarrow as pa

from coupang_assets.engines.spill import SpillFolder
from coupang_assets.errors import CoupangAssetsError
from coupang_assets.settings import EngineSettings

if TYPE_CHECKING:
    import duckdb
    from ibis.backends.duckdb import Backend

_MAX_FIELD_BYTES = 16 * 1024 * 1024
# Of each file that is being read. Unasked, DuckDB takes room for sixteen of the longest lines: a quarter of a gigabyte.
_BUFFER_BYTES = 2 * _MAX_FIELD_BYTES


class DuckDBEngine:
    """Opens its connection on first use, so that making one costs nothing."""

    def __init__(self, settings: EngineSettings, spill_folder: Path) -> None:
        self._settings = settings
        self._spill = SpillFolder(spill_folder, "duckdb")
        self._names = (f"events_{n}" for n in itertools.count())
        self._kept_names = (f"kept_{n}" for n in itertools.count())
        self._stream_error: Exception | None = None

    @cached_property
    def backend(self) -> "Backend":
        """The Ibis backend."""
        import ibis

        options: dict[str, object] = {
            "memory_limit": self._settings.memory_limit,
            "temp_directory": str(self._spill.path),
            # Nothing is ever fetched from the network by the engine.
            "autoinstall_known_extensions": False,
        }
        if self._settings.threads:
            options["threads"] = self._settings.threads
        backend = ibis.duckdb.connect(**options)
        # Counted for `percent_done`, and printed by nobody.
        backend.raw_sql("SET enable_progress_bar = true; SET enable_progress_bar_print = false")
        # DuckDB takes a CSV of any length for a few rows, and would hold a month of events in memory to join a lookup
        # of some thousand. Without these two it holds the right side of a join.
        backend.raw_sql("SET disabled_optimizers = 'join_order,build_side_probe_side'")
        return backend

    def read_csv(self, paths: Sequence[Path], columns: Sequence[str]) -> ir.Table:
        return self.backend.read_csv(
            [str(path) for path in paths],
            header=True,
            columns=dict.fromkeys(columns, "VARCHAR"),
            auto_detect=False,
            delim=",",
            quote='"',
            escape='"',
            strict_mode=True,
            max_line_size=_MAX_FIELD_BYTES,
            buffer_size=_BUFFER_BYTES,
        )

    def read_stream(self, batches: pa.RecordBatchReader) -> ir.Table:
        name = next(self._names)
        stream = pa.RecordBatchReader.from_batches(batches.schema, self._remembering_errors(batches))
        self.backend.con.register(name, stream)
        return self.backend.table(name)

    def percent_done(self) -> float | None:
        percent = self.backend.con.query_progress()
        return percent if percent > 0 else None

    @contextmanager
    def reading(self, what: str, remedy: str) -> Iterator[None]:
        import duckdb

        try:
            yield
        except duckdb.Error as error:
            first_lines = " ".join(str(error).split("\n")[:3])
            raise CoupangAssetsError(f"{what} cannot be read: {first_lines}", remedy) from None

    def keep(self, table: ir.Table, what: str) -> ir.Table:
        import duckdb

        name = next(self._kept_names)
        try:
            kept = self.backend.create_table(name, table, temp=True)
        except duckdb.Error as error:
            raise self._explained(error, what) from None
        # Not Table.cache(), which at the end of the process looks for a connection that has been closed.
        weakref.finalize(kept.op(), self._drop, name).atexit = False
        return kept

    def write_csv(self, table: ir.Table, path: Path) -> int:
        import duckdb

        # What Backend.to_csv does, but for the number of rows, which COPY returns and to_csv drops.
        self.backend._run_pre_execute_hooks(table)
        query = self.backend.compile(table)
        quoted = str(path).replace("'", "''")
        try:
            (rows,) = self.backend.raw_sql(f"COPY ({query}) TO '{quoted}' (FORMAT csv, HEADER true)").fetchone()
        except duckdb.Error as error:
            raise self._explained(error, str(path)) from None
        return int(rows)

    def _drop(self, name: str) -> None:
        if "backend" in self.__dict__:
            self.backend.drop_table(name, force=True)

    def _explained(self, error: "duckdb.Error", what: str) -> Exception:
        import duckdb

        if (of_stream := self._stream_error) is not None:
            self._stream_error = None
            return of_stream
        if isinstance(error, duckdb.OutOfMemoryException):
            return CoupangAssetsError(
                f"the engine ran out of memory or spill space in {self._spill.path}: {error}",
                "raise COUPANG_ENGINE__MEMORY_LIMIT, or free disk space",
            )
        if isinstance(error, duckdb.IOException):
            if os.strerror(errno.ENOSPC) in str(error):
                return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), what)
            return CoupangAssetsError(f"{what} cannot be written: {error}", "see to the file or folder it names")
        if isinstance(error, duckdb.InvalidInputException):
            return CoupangAssetsError(f"making {what}: {error}", "correct the file and line it names")
        return error

    def _remembering_errors(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """DuckDB tells only the text of what its source raises."""
        try:
            yield from batches
        except Exception as error:
            self._stream_error = error
            raise

    def describe(self) -> str:
        return f"DuckDB {self.backend.version}"

    def close(self) -> None:
        if "backend" in self.__dict__:
            self.backend.disconnect()
            del self.__dict__["backend"]
        self._spill.remove()
