"""Step 1: the month's sampled days out of Hive."""

import dagster as dg

from coupang_assets.assets.event_readers import event_reader
from coupang_assets.assets.monthly import MonthlyAssets
from coupang_assets.assets.sources import EVENTS, month_fingerprint, observe
from coupang_assets.datasets import RAW_DAILIES
from coupang_assets.engines import ReadsArrow, ReadsHive
from coupang_assets.errors import CoupangAssetsError
from coupang_assets.months import day_key
from coupang_assets.settings import Settings
from coupang_assets.storage.disk import month_bytes, require_space
from coupang_assets.storage.layout import Layout
from coupang_assets.storage.made_from import InputVersions, note_input
from coupang_assets.storage.streamed_days import DayReader, StreamedDays
from coupang_assets.warehouse import Warehouse


def assets(monthly: MonthlyAssets) -> list[dg.AssetsDefinition]:
    """``raw_dailies``."""

    @monthly.asset(
        RAW_DAILIES,
        # Which days were missing is seen in the source's fingerprint, whether or not that was allowed.
        settings=("sampling.first_day", "sampling.stride", "sampling.days", "events"),
        kinds=(monthly.settings.engine.kind,),
        deps=(EVENTS,),
    )
    def raw_dailies(
        context: dg.AssetExecutionContext,
        settings: dg.ResourceParam[Settings],
        layout: dg.ResourceParam[Layout],
        warehouse: dg.ResourceParam[Warehouse],
        engine: dg.ResourceParam[ReadsArrow | ReadsHive],
        input_versions: dg.ResourceParam[InputVersions],
    ) -> StreamedDays:
        wanted = [day_key(day) for day in layout.days(context.partition_key)]
        days = warehouse.event_days(wanted)
        if missing := sorted(set(wanted) - set(days)):
            _require_leave(settings, f"{settings.events.table} has no partition for {', '.join(missing)}")
        source = event_reader(engine, warehouse, settings.events)
        read_by: dict[str, list[str]] = {}
        rows: dict[str, int] = {}
        readers: dict[str, DayReader] = {}
        for day in days:
            rows_of_day, way, read = source.open(day)
            read_by.setdefault(way, []).append(day)
            if not rows_of_day:
                _require_leave(
                    settings, f"day {day} of {settings.events.table} has no row with rt_cd {settings.events.rt_cd}"
                )
                missing.append(day)
                continue
            rows[day] = rows_of_day
            expected = sum(rows.values()) * len(days) // len(rows)
            require_space(layout.root, month_bytes(expected), f"a month of {expected:,} events")
            readers[day] = read
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


def _require_leave(settings: Settings, what: str) -> None:
    if not settings.sampling.allow_missing_days:
        raise CoupangAssetsError(
            what, "load the day, or set COUPANG_SAMPLING__ALLOW_MISSING_DAYS=true to go on with fewer days"
        )
