"""The columns of the source table that are read, and what is said when they, a day or the table are not there."""

from collections.abc import Iterable

from coupang_assets.errors import CoupangAssetsError
from coupang_assets.settings import EventsSettings

_SETTINGS = ("product_id", "ep_title", "category1", "category2", "category3", "category4", "rt_cd_column")


def event_columns(events: EventsSettings) -> list[str]:
    """Names in the source table: product, title, category1-4, advertiser code."""
    return [getattr(events, setting) for setting in _SETTINGS]


def require_event_columns(events: EventsSettings, available: Iterable[str]) -> None:
    """Fail unless the source table has the columns.

    Raises:
        CoupangAssetsError: the columns there are, and the settings that name the missing ones.
    """
    there = list(available)
    missing = [setting for setting in _SETTINGS if getattr(events, setting) not in there]
    if missing:
        raise CoupangAssetsError(
            f"{events.table} has no column {', '.join(getattr(events, setting) for setting in missing)}; "
            f"it has {', '.join(there)}",
            "name the column that is meant with " + ", ".join(f"COUPANG_EVENTS__{name.upper()}" for name in missing),
        )


def day_missing(events: EventsSettings, day: str) -> CoupangAssetsError:
    """The day has no partition."""
    return CoupangAssetsError(
        f"{events.table} has no day partition {events.day_column}={day}",
        "load the day, or set COUPANG_SAMPLING__ALLOW_MISSING_DAYS=true to go on with fewer days",
    )


def other_columns(table: str, columns: dict[str, str]) -> CoupangAssetsError:
    """The dictionary's table is there, but not as the specification defines it."""
    return CoupangAssetsError(
        f"table {table} is there with other columns: {columns}",
        "drop or rename it, or set COUPANG_DICTIONARY__TABLE to another name",
    )
