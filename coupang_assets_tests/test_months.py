"""Months: the calendar rules a user types against."""

import itertools
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coupang_assets.errors import CoupangAssetsError
from coupang_assets.months import (
    SEOUL,
    add_months,
    base_month_mapping,
    current_month,
    day_key,
    dictionary_day,
    month_key,
    month_partitions,
    sampled_days,
    work_month,
)
from coupang_assets.settings import SamplingSettings

MONTHS = st.builds(lambda year, month: f"{year:04d}_{month:02d}", st.integers(1900, 2999), st.integers(1, 12))


@pytest.mark.parametrize("text", ["2024_05", "2024-05", " 2024_05\n"])
def test_both_spellings_are_one_month(text: str) -> None:
    assert month_key(text) == "2024_05"


@pytest.mark.parametrize(
    "text", ["", "2024", "2024_5", "2024_00", "2024_13", "24_05", "2024/05", "2024_05_01", "may", "２０２４_05", "../x"]
)
def test_what_is_no_month_says_how_to_write_one(text: str) -> None:
    with pytest.raises(CoupangAssetsError, match="is no month") as caught:
        month_key(text)
    assert "YYYY_MM" in caught.value.remedy


def test_a_month_before_the_first_or_in_the_future_is_refused() -> None:
    now = datetime(2024, 6, 15, tzinfo=SEOUL)
    assert work_month("2024_06", "2024_01", now) == "2024_06"
    with pytest.raises(CoupangAssetsError, match="2024_07 is in the future") as caught:
        work_month("2024_07", "2024_01", now)
    assert "2024_06" in caught.value.remedy
    with pytest.raises(CoupangAssetsError, match="2023_12 is before the first work month 2024_01") as caught:
        work_month("2023-12", "2024_01", now)
    assert "COUPANG_FIRST_MONTH" in caught.value.remedy


def test_the_open_month_is_the_one_in_seoul() -> None:
    assert current_month(datetime(2024, 5, 31, 14, 59, tzinfo=UTC)) == "2024_05"
    assert current_month(datetime(2024, 5, 31, 15, 0, tzinfo=UTC)) == "2024_06"


@given(MONTHS, st.integers(-500, 500))
def test_adding_months_can_be_undone_and_keeps_the_order(key: str, count: int) -> None:
    later = add_months(key, count)
    assert add_months(later, -count) == key
    assert (later > key) == (count > 0)


@pytest.mark.parametrize(
    ("month", "days"),
    [
        ("2024_05", [1, 5, 9, 13, 17, 21, 25, 29]),
        ("2023_03", [1, 5, 9, 13, 17, 21, 25]),  # a 28-day February
        ("2024_03", [1, 5, 9, 13, 17, 21, 25, 29]),  # a leap year
    ],
)
def test_days_are_every_fourth_of_the_month_before(month: str, days: list[int]) -> None:
    before = add_months(month, -1)
    expected = [date(int(before[:4]), int(before[5:]), day) for day in days]
    assert sampled_days(month, SamplingSettings()) == expected


def test_january_reads_december_of_the_year_before() -> None:
    assert sampled_days("2024_01", SamplingSettings())[0] == date(2023, 12, 1)


@given(
    MONTHS,
    st.builds(SamplingSettings, first_day=st.integers(1, 28), stride=st.integers(1, 27), days=st.integers(1, 31)),
)
def test_sampled_days_never_leave_the_data_month(month: str, sampling: SamplingSettings) -> None:
    days = sampled_days(month, sampling)
    assert 1 <= len(days) <= sampling.days
    assert {f"{day:%Y_%m}" for day in days} == {add_months(month, -1)}
    assert all((later - earlier).days == sampling.stride for earlier, later in itertools.pairwise(days))


def test_keys_of_days_and_of_the_dictionary_partition() -> None:
    assert day_key(date(2024, 4, 1)) == "20240401"
    assert dictionary_day("2024_05") == "20240501"


def test_partitions_reach_from_the_first_month_to_the_open_one() -> None:
    now = datetime(2024, 4, 30, 15, 30, tzinfo=UTC)
    keys = month_partitions("2024_01").get_partition_keys(current_time=now)
    assert list(keys) == ["2024_01", "2024_02", "2024_03", "2024_04", "2024_05"]


def test_the_edge_to_the_base_month_goes_one_month_back_and_the_first_has_none() -> None:
    partitions = month_partitions("2024_01")
    mapping = base_month_mapping()

    def upstream(month: str) -> list[str]:
        subset = partitions.empty_subset().with_partition_keys([month])
        result = mapping.get_upstream_mapped_partitions_result_for_partitions(subset, partitions, partitions)
        return list(result.partitions_subset.get_partition_keys())

    assert upstream("2024_03") == ["2024_02"]
    assert upstream("2024_01") == []
