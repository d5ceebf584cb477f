"""Work months: their keys, the days of data they read, and the partitions definition.

Belongs here: calendar arithmetic of DESIGN section 2. Does not: which files a month has (``storage``).
"""

import calendar
import re
from datetime import date, datetime
from zoneinfo import ZoneInfo

from dagster import MonthlyPartitionsDefinition, TimeWindowPartitionMapping

from coupang_assets.errors import CoupangAssetsError
from coupang_assets.settings import SamplingSettings

SEOUL = ZoneInfo("Asia/Seoul")
KEY_FORMAT = "%Y_%m"
_MONTH = re.compile(r"([0-9]{4})[-_](0[1-9]|1[0-2])")


def current_month(now: datetime | None = None) -> str:
    """Key of the open work month in Seoul."""
    return (now or datetime.now(SEOUL)).astimezone(SEOUL).strftime(KEY_FORMAT)


def month_key(text: str) -> str:
    """``2024_05`` or ``2024-05`` as a key.

    Raises:
        CoupangAssetsError: it is no month.
    """
    match = _MONTH.fullmatch(text.strip())
    if not match:
        raise CoupangAssetsError(f"'{text}' is no month", "write it as YYYY_MM, for example 2024_05")
    return f"{match[1]}_{match[2]}"


def work_month(text: str, first: str, now: datetime | None = None) -> str:
    """A month that may be worked on: from ``first`` to the open month.

    Raises:
        CoupangAssetsError: no month, before the first, or in the future.
    """
    key = month_key(text)
    if key < first:
        raise CoupangAssetsError(
            f"{key} is before the first work month {first}", "choose a later month, or set COUPANG_FIRST_MONTH"
        )
    if key > (open_month := current_month(now)):
        raise CoupangAssetsError(f"{key} is in the future", f"the open work month in Seoul is {open_month}")
    return key


def add_months(key: str, count: int) -> str:
    """The month ``count`` months after ``key``."""
    index = int(key[:4]) * 12 + int(key[5:]) - 1 + count
    return f"{index // 12:04d}_{index % 12 + 1:02d}"


def sampled_days(key: str, sampling: SamplingSettings) -> list[date]:
    """Days of the previous calendar month that the work month reads (spec step 1), ascending.

    A 28-day February gives 7 by default; a month never borrows days from the next.
    """
    data_month = add_months(key, -1)
    year, month = int(data_month[:4]), int(data_month[5:])
    last = calendar.monthrange(year, month)[1]
    days = range(sampling.first_day, last + 1, sampling.stride)
    return [date(year, month, day) for day in days][: sampling.days]


def day_key(day: date) -> str:
    """``YYYYMMDD``, the name of a daily file and of a source partition."""
    return day.strftime("%Y%m%d")


def dictionary_day(key: str) -> str:
    """Value of the dictionary table's ``day`` partition: the first of the work month."""
    return key.replace("_", "") + "01"


def month_partitions(first: str) -> MonthlyPartitionsDefinition:
    """One partition a work month, Asia/Seoul, the current month open."""
    return MonthlyPartitionsDefinition(start_date=first, fmt=KEY_FORMAT, timezone=str(SEOUL), end_offset=1)


def base_month_mapping() -> TimeWindowPartitionMapping:
    """The edge from a month to the month before it; the first month has nothing before it.

    Over a gap the IO manager reads the latest earlier month that has a dictionary (``storage.layout``): the
    edge says where the data normally come from, the metadata of each materialization where they came from.
    """
    return TimeWindowPartitionMapping(start_offset=-1, end_offset=-1, allow_nonexistent_upstream_partitions=True)
