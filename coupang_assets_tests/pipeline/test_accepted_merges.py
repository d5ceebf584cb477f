"""What a person has accepted: every row stays accounted for, and what cannot be is said."""

import pandas as pd
import pytest

from coupang_assets.errors import CoupangAssetsError
from coupang_assets.pipeline.accepted_merges import ACCEPTED_DROP, ACCEPTED_MERGE, Accepted, apply_accepted
from coupang_assets.pipeline.refinement import KEPT

MONTH = "2024_06"
MERGE = pd.DataFrame(
    [
        ("0001", "0001", "kept", 10),
        ("0002", "0002", "kept", 20),
        ("0003", "0002", "same_name", 3),
        ("0004", "0004", "kept", 5),
        ("0005", None, "no_cate1_name", 7),
        (None, None, "no_code", 2),
    ],
    columns=["category4", "merged_category4", "reason", "count"],
)


def applied(*accepted: tuple[str, str | None], month: str = MONTH) -> pd.DataFrame:
    table, passed_over = apply_accepted(MERGE, [Accepted(*pair, month) for pair in accepted], MONTH)
    assert passed_over == []
    return table


def test_nothing_accepted_changes_nothing() -> None:
    pd.testing.assert_frame_equal(applied(), MERGE)


def test_a_merge_takes_along_what_had_become_the_category() -> None:
    table = applied(("0002", "0001"))
    assert table["merged_category4"].tolist()[:4] == ["0001", "0001", "0001", "0004"]
    assert table["reason"].tolist()[:4] == [KEPT, ACCEPTED_MERGE, ACCEPTED_MERGE, KEPT]
    pd.testing.assert_frame_equal(table[["category4", "count"]], MERGE[["category4", "count"]])


def test_a_drop_makes_the_codes_null() -> None:
    table = applied(("0002", None))
    assert table["merged_category4"].isna().tolist() == [False, True, True, False, True, True]
    assert table["reason"].tolist()[1:3] == [ACCEPTED_DROP] * 2
    assert len(table) == len(MERGE) and table["count"].sum() == MERGE["count"].sum()


def test_an_acceptance_is_about_the_category_whatever_its_code_is_this_month() -> None:
    assert applied(("0003", "0001"))["merged_category4"].tolist()[:3] == ["0001"] * 3
    assert applied(("0001", "0003"))["merged_category4"].tolist()[:3] == ["0002"] * 3
    pd.testing.assert_frame_equal(applied(("0003", "0002")), MERGE)


def test_merges_follow_each_other_to_the_end() -> None:
    assert applied(("0001", "0002"), ("0002", "0004"))["merged_category4"].tolist()[:4] == ["0004"] * 4
    assert applied(("0001", "0002"), ("0002", None))["reason"].tolist()[:3] == [ACCEPTED_DROP] * 3


def test_every_category_goes_to_one_that_stays() -> None:
    table = applied(("0001", "0002"), ("0004", "0003"))
    kept = table.loc[table["reason"] == KEPT, "category4"]
    assert set(table["merged_category4"].dropna()) == set(kept) == {"0002"}


@pytest.mark.parametrize(
    ("accepted", "circle"),
    [
        ([("0001", "0002"), ("0002", "0001")], "0001 into 0002 into 0001"),
        ([("0001", "0003"), ("0002", "0004"), ("0004", "0001")], "0001 into 0002 into 0004 into 0001"),
    ],
)
def test_a_circle_is_refused_and_named(accepted: list[tuple[str, str]], circle: str) -> None:
    with pytest.raises(CoupangAssetsError, match=circle):
        applied(*accepted)


@pytest.mark.parametrize(
    ("accepted", "problem"),
    [
        (("9999", "0001"), "the month has no category 9999"),
        (("0001", "9999"), "the month has no category 9999"),
        (("0001", "0005"), "0005 is no category that stays"),
    ],
)
def test_what_this_month_cannot_do_is_refused_and_an_earlier_months_is_passed_over(
    accepted: tuple[str, str], problem: str
) -> None:
    with pytest.raises(CoupangAssetsError, match=problem):
        applied(accepted)
    earlier = Accepted(*accepted, "2024_05")
    table, passed_over = apply_accepted(MERGE, [earlier], MONTH)
    assert passed_over == [earlier]
    pd.testing.assert_frame_equal(table, MERGE)


def test_a_category_that_became_null_by_itself_needs_no_acceptance() -> None:
    pd.testing.assert_frame_equal(applied(("0005", "0001")), MERGE)


def test_of_two_acceptances_of_one_category_the_later_counts() -> None:
    table, _ = apply_accepted(MERGE, [Accepted("0002", "0001", "2024_05"), Accepted("0003", "0004", MONTH)], MONTH)
    assert table["merged_category4"].tolist()[1:3] == ["0004"] * 2
