"""The Ibis backend that large tables flow through.

Belongs here: opening a backend, reading and writing files with it. Does not: any expression (``pipeline``).
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.dataset as ds


class Engine(Protocol):
    """What the rest of the project asks of a backend."""

    def read_csv(self, path: Path, columns: Sequence[str]) -> ir.Table:
        """A CSV file with a header as strings; ``columns`` are its columns in file order. Empty fields are null."""
        ...

    def read_arrow(self, dataset: ds.Dataset) -> ir.Table:
        """An Arrow dataset, scanned in batches, as often as it is asked for."""
        ...

    def read_stream(self, batches: pa.RecordBatchReader) -> ir.Table:
        """Arrow batches as they come, which can be read once. An error of theirs is raised as it is."""
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

    def write_csv(self, table: ir.Table, path: Path) -> int:
        """Write a table in its own order; the number of rows."""
        ...

    def close(self) -> None:
        """Free what the backend holds."""
        ...
