"""How a day of events reaches the engine: through this process as it is read, or not at all, where Spark reads Hive.

Belongs here: joining a warehouse to an engine. Does not: reading Hive (``warehouse``) or the cleaning (``pipeline``).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.dataset as ds

from coupang_assets.datasets import CATEGORY_CODES
from coupang_assets.engines import ReadsArrow, ReadsHive
from coupang_assets.errors import CoupangAssetsError
from coupang_assets.pipeline import event_batches, events
from coupang_assets.settings import EventsSettings
from coupang_assets.storage.progress import RowProgress
from coupang_assets.storage.streamed_days import DayReader
from coupang_assets.warehouse import Warehouse

# Batches and files decoded before they are asked for: enough for two cores, where the default fills the memory.
_READ_AHEAD = 2


class EventReader(Protocol):
    """Reads day partitions and adds up what was mended in them."""

    def open(self, day: str) -> tuple[int, str, DayReader]:
        """Rows of the advertiser, how they are read, and what reads them.

        Raises:
            CoupangAssetsError: the day is not there or is torn.
        """
        ...

    def found(self) -> dict[str, int]:
        """What was found in the days read so far, in rows."""
        ...


def event_reader(engine: ReadsArrow | ReadsHive, warehouse: Warehouse, settings: EventsSettings) -> EventReader:
    """The reader that suits the engine."""
    return (
        _OfEngine(engine, warehouse, settings)
        if isinstance(engine, ReadsHive)
        else _Passing(engine, warehouse, settings)
    )


class _Counted:
    def __init__(self, settings: EventsSettings) -> None:
        self._settings = settings
        self._columns = {name: getattr(settings, name) for name in ("product_id", "ep_title", *CATEGORY_CODES)}
        self._columns["rt_cd"] = settings.rt_cd_column
        self._quality = events.EventQuality()

    def found(self) -> dict[str, int]:
        return {name.replace("_", " "): count for name, count in vars(self._quality).items()}

    def _of_advertiser(self, table: ir.Table) -> ir.Table:
        return events.select_events(table, self._columns, self._settings.rt_cd)


class _Passing(_Counted):
    """Batches pass through this process, once, and are counted as they do."""

    def __init__(self, engine: ReadsArrow, warehouse: Warehouse, settings: EventsSettings) -> None:
        super().__init__(settings)
        self._engine = engine
        self._warehouse = warehouse
        self._wanted = ds.field(settings.rt_cd_column) == settings.rt_cd

    def open(self, day: str) -> tuple[int, str, DayReader]:
        found = self._warehouse.events(day)
        with self._torn_is_said(day):
            rows = found.dataset.count_rows(filter=self._wanted)
        return rows, found.read_by, lambda progress: self._read(found.dataset, day, progress)

    def _read(self, dataset: ds.Dataset, day: str, progress: RowProgress) -> ir.Table:
        columns = list(self._columns.values())
        scanned = dataset.scanner(
            columns=columns, filter=self._wanted, batch_readahead=_READ_AHEAD, fragment_readahead=_READ_AHEAD
        )

        def observe(quality: events.EventQuality) -> None:
            self._quality += quality
            progress.add(quality.rows)

        def batches() -> Iterator[pa.RecordBatch]:
            with self._torn_is_said(day):
                yield from event_batches.mended(scanned.to_batches(), self._columns, observe)

        schema = event_batches.mended_schema(scanned.projected_schema, self._columns)
        reader = pa.RecordBatchReader.from_batches(schema, batches())
        return events.clean_mended(self._of_advertiser(self._engine.read_stream(reader)))

    @contextmanager
    def _torn_is_said(self, day: str) -> Iterator[None]:
        try:
            yield
        except (pa.ArrowException, OSError) as error:
            raise CoupangAssetsError(
                f"day partition {day} of {self._settings.table} cannot be read: {error}", "load the partition again"
            ) from None


class _OfEngine(_Counted):
    """The engine reads Hive itself; what it finds is counted in a pass of its own."""

    def __init__(self, engine: ReadsHive, warehouse: Warehouse, settings: EventsSettings) -> None:
        super().__init__(settings)
        self._engine = engine
        self._warehouse = warehouse

    def open(self, day: str) -> tuple[int, str, DayReader]:
        table, way = self._engine.read_hive(self._warehouse.partition(day))
        selected = self._of_advertiser(table)
        with self._engine.reading(f"day partition {day} of {self._settings.table}", "load the partition again"):
            quality = events.event_quality(selected)
        self._quality += quality
        return quality.rows, way, lambda progress: events.clean_events(selected)
