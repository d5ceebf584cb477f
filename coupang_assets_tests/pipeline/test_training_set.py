"""Training set: no nulls, distinct, capped, split by product and near-duplicate title, in any order of rows."""

import hashlib
from collections import Counter

import ibis
import ibis.expr.types as ir
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coupang_assets.datasets import CATEGORY_CODES
from coupang_assets.engines.duckdb import DuckDBEngine
from coupang_assets.pipeline.training_set import near_duplicate_key, training_set

EVENT = ["product_id", "ep_title", *CATEGORY_CODES]
ROWS = st.lists(
    st.tuples(
        st.sampled_from([None, *"123456789"]),
        st.sampled_from([None, " ", "가", "나", "다", "라 1", "라  1"]),
        st.sampled_from([None, "0001", "0002", "0003"]),
    ),
    max_size=40,
)
Row = tuple[str | None, ...]


def made(engine: DuckDBEngine, rows: list[Row], cap: int = 3000, share: float = 0.1) -> pd.DataFrame:
    events = [(product, title, None, None, None, code) for product, title, code in rows]
    table = ibis.memtable(pd.DataFrame(events, columns=EVENT, dtype=object), schema=dict.fromkeys(EVENT, "string"))
    found: ir.Table = training_set(table, cap, share, share)
    return engine.backend.execute(found.order_by(["category4", "product_id", "ep_title"]))


@given(ROWS, st.integers(1, 5))
def test_rules_of_the_specification(engine: DuckDBEngine, rows: list[Row], cap: int) -> None:
    found = made(engine, rows, cap, share=0.3)
    assert list(found.columns) == ["product_id", "ep_title", "category4", "split"]
    assert found.notna().all(axis=None)
    assert not found["ep_title"].str.strip().eq("").any()
    assert not found.duplicated(["ep_title", "category4"]).any(), "a distinct title once a category"
    assert (found.groupby("product_id")["split"].nunique() == 1).all(), "never across splits"
    assert set(found["split"]) <= {"train", "valid", "test"}
    whole = {(title, code) for product, title, code in rows if product and title and title.strip() and code}
    sizes = pd.Series([code for _, code in whole], dtype=object).value_counts()
    assert found["category4"].value_counts().to_dict() == sizes.clip(upper=cap).to_dict(), "all there is, up to the cap"
    assert {*found[["product_id", "ep_title", "category4"]].itertuples(index=False, name=None)} <= {*rows}


def expected(rows: list[Row], cap: int) -> set[Row]:
    """The rule row by row: a title at its smallest pick, then the smallest picks of the category."""
    pick = {product: hashlib.md5(f"pick:{product}".encode()).hexdigest()[:8] for product, _, _ in rows}
    whole = sorted({row for row in rows if all(row) and row[1].strip()}, key=lambda row: (pick[row[0]], *row))
    firsts = {(title, code): (product, title, code) for product, title, code in reversed(whole)}
    places: Counter[str] = Counter()
    chosen = set()
    for row in sorted(firsts.values(), key=whole.index):
        places[row[2]] += 1
        chosen |= {row} if places[row[2]] <= cap else set()
    return chosen


@given(
    st.lists(
        st.tuples(st.integers(0, 400).map(str), st.integers(0, 60).map("제목 {}".format), st.sampled_from("12")),
        max_size=300,
    ),
    st.integers(1, 40),
)
def test_the_smallest_hashes_of_each_category_are_chosen(engine: DuckDBEngine, rows: list[Row], cap: int) -> None:
    # Without valid and test rows none is left out between them.
    found = made(engine, rows, cap, share=0)
    columns = ["product_id", "ep_title", "category4"]
    assert set(found[columns].itertuples(index=False, name=None)) == expected(rows, cap)


@given(ROWS, st.integers(1, 5))
def test_neither_order_nor_repetition_of_rows_matters(engine: DuckDBEngine, rows: list[Row], cap: int) -> None:
    pd.testing.assert_frame_equal(made(engine, rows, cap), made(engine, [*reversed(rows), *rows], cap))


def unlike(number: int) -> str:
    """A title that shares its letters with no other number's."""
    return f"상품 {chr(0xAC00 + number)}"


def test_shares_are_about_right_and_the_cap_does_not_bend_them(engine: DuckDBEngine) -> None:
    # Beyond the syllables: Chinese characters, each a letter of its own.
    rows: list[Row] = [(f"{n}", unlike(n) if n < 11_000 else f"상품 {chr(0x4E00 + n)}", "0001") for n in range(20_000)]
    for cap in (20_000, 5_000):
        shares = made(engine, rows, cap)["split"].value_counts(normalize=True)
        assert abs(shares["test"] - 0.1) < 0.02
        assert abs(shares["valid"] - 0.1) < 0.02
        assert abs(shares["train"] - 0.8) < 0.02


def test_a_product_keeps_its_split_when_the_month_grows(engine: DuckDBEngine) -> None:
    rows: list[Row] = [(f"{n}", unlike(n), "0001") for n in range(200)]
    before = made(engine, rows[:100]).set_index("product_id")["split"]
    after = made(engine, rows).set_index("product_id")["split"]
    assert after[before.index].equals(before)


@pytest.mark.parametrize(
    ("title", "other", "near"),
    [
        ("하기스 기저귀 대형 60매", "기저귀, 하기스  대형(120매)", True),
        ("무선 마우스 KN30bt", "무선마우스 kn30BT", True),
        ("무선 마우스", "유선 마우스", False),
        ("123", "456", False),
        ("123", "123", True),
    ],
)
def test_what_counts_as_a_near_duplicate(engine: DuckDBEngine, title: str, other: str, near: bool) -> None:
    table = ibis.memtable(pd.DataFrame({"title": [title, other]}))
    first, second = engine.backend.execute(table.select(key=near_duplicate_key(table.title)))["key"]
    assert (first == second) is near


def test_near_duplicates_stay_on_one_side(engine: DuckDBEngine) -> None:
    rows: list[Row] = [
        (f"{n}-{variant}", f"{unlike(n)} {variant}매", f"{variant % 3:04}") for n in range(300) for variant in range(5)
    ]
    found = made(engine, rows, share=0.3)
    assert len(found) == len(rows)
    assert (found.groupby(found["product_id"].str.split("-").str[0])["split"].nunique() == 1).all()
    assert found["split"].nunique() == 3


def test_products_that_share_titles_through_others_stay_on_one_side(engine: DuckDBEngine) -> None:
    """Product n has titles n and n + 1: a chain; five of them in a row are one group, however the labels fall."""
    rows: list[Row] = []
    for chain in range(100):
        for n in range(3):
            rows += [(f"{chain}-{n}", unlike(chain * 10 + n + more), f"{more:04}") for more in (0, 1)]
    found = made(engine, rows, share=0.3)
    assert len(found) == len(rows)
    assert (found.groupby(found["product_id"].str.split("-").str[0])["split"].nunique() == 1).all()


def test_of_a_long_chain_rows_are_left_out_rather_than_split(engine: DuckDBEngine) -> None:
    rows: list[Row] = [(f"{n:03}", unlike(n + more), f"{more:04}") for n in range(600) for more in (0, 1)]
    found = made(engine, rows, share=0.3)
    assert (found.groupby("product_id")["split"].nunique() == 1).all()
    assert (found.groupby("ep_title")["split"].nunique() == 1).all(), "the same title in two categories"
    assert len(rows) * 0.8 < len(found) < len(rows)


def test_spark_can_be_asked_the_same() -> None:
    table = ibis.table(dict.fromkeys(EVENT, "string"), name="define")
    assert "SPLIT(" in ibis.to_sql(training_set(table, 10, 0.1, 0.1), dialect="pyspark")
