"""Training set: no nulls, distinct, capped, and split by product whatever the order of the rows."""

import ibis
import ibis.expr.types as ir
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from coupang_assets.datasets import CATEGORY_CODES
from coupang_assets.engines.duckdb import DuckDBEngine
from coupang_assets.pipeline.training_set import training_set

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


@given(ROWS, st.integers(1, 5))
def test_neither_order_nor_repetition_of_rows_matters(engine: DuckDBEngine, rows: list[Row], cap: int) -> None:
    pd.testing.assert_frame_equal(made(engine, rows, cap), made(engine, [*reversed(rows), *rows], cap))


def test_shares_are_about_right_and_the_cap_does_not_bend_them(engine: DuckDBEngine) -> None:
    rows: list[Row] = [(f"{n}", f"상품 {n}", "0001") for n in range(20_000)]
    for cap in (20_000, 5_000):
        shares = made(engine, rows, cap)["split"].value_counts(normalize=True)
        assert abs(shares["test"] - 0.1) < 0.02
        assert abs(shares["valid"] - 0.1) < 0.02
        assert abs(shares["train"] - 0.8) < 0.02


def test_a_product_keeps_its_split_when_the_month_grows(engine: DuckDBEngine) -> None:
    rows: list[Row] = [(f"{n}", f"상품 {n}", "0001") for n in range(200)]
    before = made(engine, rows[:100]).set_index("product_id")["split"]
    after = made(engine, rows).set_index("product_id")["split"]
    assert after[before.index].equals(before)
