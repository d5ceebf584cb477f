"""Step 1: the month's sampled days out of Hive."""

import functools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import dagster as dg
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.dataset as ds

from coupang_assets.assets.monthly import MonthlyAssets
from coupang_assets.assets.sources import EVENTS, month_fingerprint, observe
from coupang_assets.datasets import CATEGORY_CODES, RAW_DAILIES
from coupang_assets.engines import Engine
from coupang_assets.errors import CoupangAssetsError
from coupang_assets.months import day_key
from coupang_assets.pipeline import event_batches, events
from coupang_assets.settings import EventsSettings, Settings
from coupang_assets.storage.disk import month_bytes, require_space
from coupang_assets.storage.layout import Layout
from coupang_assets.storage.made_from import InputVersions, note_input
from coupang_assets.storage.progress import RowProgress
from coupang_assets.storage.streamed_days import DayReader, StreamedDays
from coupang_assets.warehouse import Warehouse

# Batches and files decoded before they are asked for: enough for two cores, where the default fills the memory.
_READ_AHEAD = 2


def assets(monthly: MonthlyAssets) -> list[dg.AssetsDefinition]:
    """``raw_dailies``."""

    @monthly.asset(
        RAW_DAILIES,
        # Which days were missing is seen in the source's fingerprint, whether or not that was allowed.
        settings=("sampling.first_day", "sampling.stride", "sampling.days", "events"),
        kinds=("duckdb",),
        deps=(EVENTS,),
    )
    def raw_dailies(
        context: dg.AssetExecutionContext,
        settings: dg.ResourceParam[Settings],
        layout: dg.ResourceParam[Layout],
        warehouse: dg.ResourceParam[Warehouse],
        engine: dg.ResourceParam[Engine],
        input_versions: dg.ResourceParam[InputVersions],
    ) -> StreamedDays:
        wanted = [day_key(day) for day in layout.days(context.partition_key)]
        days = warehouse.event_days(wanted)
        if missing := sorted(set(wanted) - set(days)):
            _require_leave(settings, f"{settings.events.table} has no partition for {', '.join(missing)}")
        columns = {name: getattr(settings.events, name) for name in ("product_id", "ep_title", *CATEGORY_CODES)}
        columns["rt_cd"] = settings.events.rt_cd_column
        source = _EventSource(engine, settings.events, columns)
        read_by: dict[str, list[str]] = {}
        rows: dict[str, int] = {}
        readers: dict[str, DayReader] = {}
        for day in days:
            found = warehouse.events(day)
            read_by.setdefault(found.read_by, []).append(day)
            rows_of_day = source.count(found.dataset, day)
            if not rows_of_day:
                _require_leave(
                    settings, f"day {day} of {settings.events.table} has no row with rt_cd {settings.events.rt_cd}"
                )
                missing.append(day)
                continue
            rows[day] = rows_of_day
            expected = sum(rows.values()) * len(days) // len(rows)
            require_space(layout.root, month_bytes(expected), f"a month of {expected:,} events")
            readers[day] = functools.partial(source.read, found.dataset, day)
        if not readers:
            raise CoupangAssetsError(
                f"no sampled day of {context.partition_key} has data", "look into the source table"
            )
        version = month_fingerprint(warehouse, layout, context.partition_key)
        note_input(context, input_versions, EVENTS.to_user_string(), context.partition_key, version)
        observe(context, EVENTS, version)
        context.add_output_metadata(
            {
                "days": ", ".join(readers),
                "days missing": ", ".join(sorted(missing)) or "none",
                "read by": "; ".join(
                    way if len(read_by) == 1 else f"{way}: {', '.join(its)}" for way, its in read_by.items()
                ),
            }
        )
        return StreamedDays(readers, rows, source.found)

    return [raw_dailies]


class _EventSource:
    """Day partitions as tables of cleaned events; what was mended in them adds up while they are read.

    Args:
        columns: names in the source by our names, ``rt_cd`` among them.
    """

    def __init__(self, engine: Engine, settings: EventsSettings, columns: Mapping[str, str]) -> None:
        self._engine = engine
        self._settings = settings
        self._columns = columns
        self._quality = events.EventQuality()
        self._wanted = ds.field(columns["rt_cd"]) == settings.rt_cd

    def count(self, dataset: ds.Dataset, day: str) -> int:
        with self._torn_is_said(day):
            return dataset.count_rows(filter=self._wanted)

    def read(self, dataset: ds.Dataset, day: str, progress: RowProgress) -> ir.Table:
        columns = list(self._columns.values())
        scanned = dataset.scanner(
            columns=columns, filter=self._wanted, batch_readahead=_READ_AHEAD, fragment_readahead=_READ_AHEAD
        )

        def observe(quality: events.EventQuality) -> None:
            self._quality += quality
            progress.add(quality.rows)

        def batches() -> Iterator[pa.RecordBatch]:
            with self._torn_is_said(day):
                yield from event_batches.observed(scanned.to_batches(), self._columns, observe)

        reader = pa.RecordBatchReader.from_batches(scanned.projected_schema, batches())
        return events.clean_events(
            events.select_events(self._engine.read_stream(reader), self._columns, self._settings.rt_cd)
        )

    def found(self) -> dict[str, int]:
        return {name.replace("_", " "): count for name, count in vars(self._quality).items()}

    @contextmanager
    def _torn_is_said(self, day: str) -> Iterator[None]:
        try:
            yield
        except (pa.ArrowException, OSError) as error:
            raise CoupangAssetsError(
                f"day partition {day} of {self._settings.table} cannot be read: {error}", "load the partition again"
            ) from None


def _require_leave(settings: Settings, what: str) -> None:
    if not settings.sampling.allow_missing_days:
        raise CoupangAssetsError(
            what, "load the day, or set COUPANG_SAMPLING__ALLOW_MISSING_DAYS=true to go on with fewer days"
        )
