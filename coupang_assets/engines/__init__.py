"""The Ibis backend that large tables flow through.

Belongs here: opening a backend, reading and writing files with it. Does not: any expression (``pipeline``).
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import ibis.expr.types as ir
import pyarrow as pa


class Engine(Protocol):
    """What the rest of the project asks of a backend, which besides is one of ``ReadsArrow`` and ``ReadsHive``."""

    def read_csv(self, paths: Sequence[Path], columns: Sequence[str]) -> ir.Table:
        """CSV files, each with the same header, as strings; ``columns`` are theirs in order. Empty fields are null."""
        ...

    def percent_done(self) -> float | None:
        """How much of the expression that is being executed is done, from 0 to 100; None where it cannot be said."""
        ...

    def reading(self, what: str, remedy: str) -> AbstractContextManager[None]:
        """While an expression over ``what`` is executed: what the backend cannot read of it is told as such.

        Raises:
            CoupangAssetsError: the backend failed.
        """
        ...

    def keep(self, table: ir.Table, what: str) -> ir.Table:
        """The same rows, and what is made of them has the engine's memory to itself.

        An engine that holds all stages of an expression at once computes them now and keeps them, beyond its memory on
        disk, as long as the table that is given back is used.

        Args:
            what: they are, for errors.
        """
        ...

    def write_csv(self, table: ir.Table, path: Path) -> int:
        """Write a table in its own order, as a file or as a folder of part files; the number of rows.

        Nothing may be at ``path``. Fields that are empty, or have a comma, quote, line end or ``#``, are quoted, and
        null is nothing: every engine gives the same text.
        """
        ...

    def describe(self) -> str:
        """What it is and where it runs, for people.

        Raises:
            CoupangAssetsError: it cannot be used.
        """
        ...

    def close(self) -> None:
        """Free what the backend holds."""
        ...


@runtime_checkable
class ReadsArrow(Engine, Protocol):
    """An engine of this process, which is given the events."""

    def read_stream(self, batches: pa.RecordBatchReader) -> ir.Table:
        """Arrow batches as they come, which can be read once. An error of theirs is raised as it is."""
        ...


@dataclass(frozen=True)
class HivePartition:
    """A day partition of the source table, for an engine that reads Hive itself.

    Attributes:
        table: the table with its database as a metastore knows it; None where there is no metastore.
        day_column: its partition column.
        day: YYYYMMDD.
        columns: those that are read.
        locations: gives the folders of its ORC files as URIs; asked only where the engine does not know the table.
    """

    table: str | None
    day_column: str
    day: str
    columns: tuple[str, ...]
    locations: Callable[[], list[str]]


@runtime_checkable
class ReadsHive(Engine, Protocol):
    """An engine that reads Hive by itself, so that no event passes through this process."""

    def read_hive(self, partition: HivePartition) -> tuple[ir.Table, str]:
        """A day partition, and how it is read, for people.

        Raises:
            CoupangAssetsError: it cannot be read.
        """
        ...
