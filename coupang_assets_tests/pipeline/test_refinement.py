"""Refinement: the rules of step 4, and that no row and no code disappears silently."""

import ibis
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coupang_assets.datasets import CATE_DICTIONARY, CATEGORY_CODES, CATEGORY_MERGE, CATEGORY_NAMES, COUPANG_CATE_ALL
from coupang_assets.engines.duckdb import DuckDBEngine
from coupang_assets.errors import CoupangAssetsError
from coupang_assets.pipeline.refinement import (
    KEPT,
    NO_CATE1_NAME,
    NO_CATE4_NAME,
    NO_CODE,
    SAME_NAME,
    dictionary,
    main_paths,
    merge_categories,
    refine_events,
)
from coupang_assets.storage.frame_types import validate_frame

CODES, NAMES = list(CATEGORY_CODES), list(CATEGORY_NAMES)
EVENT = ["product_id", "ep_title", *CODES]


def cate_all(*rows: tuple[str | None, ...]) -> pd.DataFrame:
    """Rows of four codes and up to four names."""
    records = [
        {"product_id": "7", "ep_title": "제목", "count": 1}
        | dict(zip(CODES, row[:4], strict=True))
        | dict(zip(NAMES, [*row[4:], *[None] * (9 - len(row))], strict=True))
        for row in rows
    ]
    return pd.DataFrame(records, columns=list(COUPANG_CATE_ALL.column_names)).astype(dict.fromkeys(NAMES, object))


def month(names: pd.DataFrame, *counts: int) -> pd.DataFrame:
    """The month's categories: those of ``names`` with as many rows each."""
    unique = names[["product_id", "ep_title", *CODES]].iloc[: len(counts)].copy()
    return unique.assign(count=list(counts))


def decisions(names: pd.DataFrame, unique: pd.DataFrame) -> dict[str | None, tuple[str | None, str, int]]:
    merge = merge_categories(names, unique)
    return {
        None if pd.isna(row.category4) else row.category4: (
            None if pd.isna(row.merged_category4) else row.merged_category4,
            row.reason,
            int(row.count_),
        )
        for row in merge.rename(columns={"count": "count_"}).itertuples()
    }


def test_one_month_with_every_reason() -> None:
    names = cate_all(
        ("0001", "0011", "0111", "1001", "식품", "과일", "사과", "부사"),
        ("0001", "0011", "0112", "1002", "식품", "과일", "능금", "부사"),
        ("0001", "0011", "0111", "1003", "식품", "과일", "사과", None),
        ("0009", "0099", "0999", "1004"),
        ("0001", None, None, None, "식품"),
    )
    assert decisions(names, month(names, 5, 9, 2, 4, 3)) == {
        "1001": ("1002", SAME_NAME, 5),
        "1002": ("1002", KEPT, 9),
        "1003": ("1002", NO_CATE4_NAME, 2),
        "1004": (None, NO_CATE1_NAME, 4),
        None: (None, NO_CODE, 3),
    }


def test_the_same_name_under_two_tops_is_two_categories() -> None:
    names = cate_all(
        ("0001", "0011", "0111", "1001", "주방", "컵", "컵", "텀블러"),
        ("0002", "0021", "0211", "1002", "캠핑", "컵", "컵", "텀블러"),
    )
    assert {reason for _, reason, _ in decisions(names, month(names, 5, 9)).values()} == {KEPT}


def test_among_equals_the_smaller_code_stays_and_an_absent_code_gives_way_to_one_with_rows() -> None:
    path = ("식품", "과일", "사과", "부사")
    names = cate_all(("1", "2", "3", "1002", *path), ("1", "2", "3", "1001", *path))
    assert decisions(names, month(names, 4, 4))["1002"][0] == "1001"
    assert decisions(names, month(names, 4))["1001"] == ("1002", SAME_NAME, 0), "not in this month, still accounted for"


def test_a_top_whose_paths_are_all_short_keeps_its_largest() -> None:
    names = cate_all(
        ("0001", "0011", None, "1001", "상품권", "외식", None, None),
        ("0001", "0012", None, "1002", "상품권", "문화", None, None),
    )
    unique = month(names, 3, 8)
    assert decisions(names, unique) == {"1001": ("1002", NO_CATE4_NAME, 3), "1002": ("1002", KEPT, 8)}
    (row,) = dictionary(names, unique, merge_categories(names, unique)).to_dict("records")
    assert (row["lv4_code"], row["lv2_name"], row["lv4_name"]) == ("1002", "문화", None)


def test_a_short_path_goes_to_the_largest_merged_category_of_its_top() -> None:
    names = cate_all(
        ("1", "2", "3", "1001", "식품", "과일", "사과", "부사"),
        ("1", "2", "3", "1002", "식품", "과일", "사과", "홍로"),
        ("1", "2", "3", "1003", "식품", "과일", "능금", "홍로"),
        ("1", "2", "3", "1004", "식품", "과일", None, None),
    )
    # 부사 has the largest single code, 홍로 more rows together.
    assert decisions(names, month(names, 6, 4, 4, 1))["1004"] == ("1002", NO_CATE4_NAME, 1)


def test_a_code_with_several_paths_takes_the_named_one_with_most_rows() -> None:
    names = cate_all(
        ("0001", "0011", "0111", "1001"),
        ("0001", "0012", "0112", "1001", "식품", "과일", "사과", "부사"),
        ("0002", "0022", "0222", "1001", "농산", "과일", "사과", "부사"),
    )
    unique = month(names, 50, 2, 3)
    (row,) = dictionary(names, unique, merge_categories(names, unique)).to_dict("records")
    assert (row["lv1_code"], row["lv1_name"], row["lv4_code"]) == ("0002", "농산", "1001")
    assert decisions(names, unique) == {"1001": ("1001", KEPT, 55)}


def test_categories_the_dictionary_does_not_know_are_a_clear_error() -> None:
    names = cate_all(("0001", "0011", "0111", "1001", "식품"))
    unique = month(cate_all(("0001", "0011", "0111", "1001"), ("0001", "0011", "0111", "7777")), 1, 1)
    with pytest.raises(CoupangAssetsError, match=r"1 categories .* not in coupang_cate_all.*7777") as caught:
        merge_categories(names, unique)
    assert "diff_data" in caught.value.remedy


SMALL_CODE = st.sampled_from(["1001", "1002", "1003", "1004"])
NAME = st.sampled_from([None, "가", "나"])
PATHS = st.dictionaries(
    st.tuples(st.sampled_from([None, "0001", "0002"]), st.none(), st.none(), SMALL_CODE | st.none()),
    st.tuples(st.tuples(NAME, NAME, NAME, NAME), st.integers(0, 9)),
    min_size=1,
    max_size=10,
)
Paths = dict[tuple[str | None, ...], tuple[tuple[str | None, ...], int]]


def inputs(paths: Paths) -> tuple[pd.DataFrame, pd.DataFrame]:
    names = cate_all(*((*codes, *found) for codes, (found, _) in paths.items()))
    unique = names[["product_id", "ep_title", *CODES]].assign(count=[rows for _, rows in paths.values()])
    return names, unique[unique["count"] > 0].reset_index(drop=True)


@given(PATHS)
@settings(max_examples=25)
def test_counts_add_up_and_every_code_goes_to_one_that_stays(paths: Paths) -> None:
    names, unique = inputs(paths)
    merge = merge_categories(names, unique)
    validate_frame(CATEGORY_MERGE, merge, "merge")
    assert merge["count"].sum() == unique["count"].sum()
    assert set(merge["category4"].dropna()) == set(names["category4"].dropna())
    kept = merge.loc[merge["reason"] == KEPT]
    assert (kept["category4"] == kept["merged_category4"]).all(), "a code that stays maps to itself"
    assert set(merge["merged_category4"].dropna()) == set(kept["category4"])
    tops = main_paths(names, unique).set_index("category4")["cate1_name"]
    moved = merge[merge["merged_category4"].notna()]
    assert (tops[moved["category4"]].to_numpy() == tops[moved["merged_category4"]].to_numpy()).all()
    assert set(merge.loc[merge["reason"] == NO_CATE1_NAME, "category4"]) == set(tops[tops.isna()].index)


@given(PATHS)
@settings(max_examples=25)
def test_the_dictionary_is_unique_on_code_and_on_names(paths: Paths) -> None:
    names, unique = inputs(paths)
    merge = merge_categories(names, unique)
    found = dictionary(names, unique, merge)
    validate_frame(CATE_DICTIONARY, found, "dictionary")
    assert set(found["lv4_code"]) == set(merge["merged_category4"].dropna())
    assert found["lv1_name"].notna().all()


@given(PATHS)
def test_order_of_the_input_does_not_matter(paths: Paths) -> None:
    names, unique = inputs(paths)
    merge = merge_categories(names, unique)
    pd.testing.assert_frame_equal(merge, merge_categories(names.iloc[::-1], unique.iloc[::-1]))


@given(PATHS)
def test_as_many_rows_come_out_and_refining_twice_changes_nothing(engine: DuckDBEngine, paths: Paths) -> None:
    names, unique = inputs(paths)
    merge = merge_categories(names, unique)
    rows = [(f"p{n}", f"t{n}", *codes) for n, (codes, (_, count)) in enumerate(paths.items()) for _ in range(count)]
    raw = ibis.memtable(pd.DataFrame(rows, columns=EVENT, dtype=object), schema=dict.fromkeys(EVENT, "string"))
    codes = dictionary(names, unique, merge)
    once = refine_events(raw, merge, codes)
    twice = refine_events(once, merge, codes)
    found = engine.backend.execute(once.order_by(EVENT))
    pd.testing.assert_frame_equal(found, engine.backend.execute(twice.order_by(EVENT)))
    assert sorted(found["product_id"]) == sorted(row[0] for row in rows)
    assert list(found.columns) == EVENT
    paths_of_codes = {tuple(row) for row in codes[[f"lv{n}_code" for n in range(1, 5)]].fillna("").to_numpy()}
    assert {tuple(row) for row in found[CODES].fillna("").to_numpy()} <= paths_of_codes | {("",) * 4}
    assert found["category4"].notna().sum() == merge.loc[merge["merged_category4"].notna(), "count"].sum()
