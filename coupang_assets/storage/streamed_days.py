"""Daily tables that are read while they are written, each of them once.

Belongs here: what an asset hands the IO manager when a day is too large to be looked at before it is written. Does not:
where the days come from (``warehouse``).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import ibis.expr.types as ir
from dagster import MetadataValue

from coupang_assets.storage.progress import RowProgress

DayReader = Callable[[RowProgress], ir.Table]


@dataclass(frozen=True)
class StreamedDays(Mapping[str, DayReader]):
    """Readers by day (YYYYMMDD).

    Attributes:
        readers: give a day's table, which can be executed once, and say meanwhile how far it is.
        rows: number of rows of each day.
        found: what was found on the way; asked for when every day is written.
    """

    readers: Mapping[str, DayReader]
    rows: Mapping[str, int]
    found: Callable[[], Mapping[str, MetadataValue | str | int]]

    def __getitem__(self, day: str) -> DayReader:
        return self.readers[day]

    def __iter__(self) -> Iterator[str]:
        return iter(self.readers)

    def __len__(self) -> int:
        return len(self.readers)
