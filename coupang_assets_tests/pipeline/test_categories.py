"""New categories: null-safe comparison with the base month, and who may name a category."""

import random

import ibis
import ibis.expr.types as ir
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from coupang_assets.datasets import CATEGORY_CODES
from coupang_assets.engines.duckdb import DuckDBEngine
from coupang_assets.pipeline.categories import (
    category_keys,
    crawl_candidates,
    new_categories,
    unique_categories,
    update_unique,
)

CODES = list(CATEGORY_CODES)
EVENT = ["product_id", "ep_title", *CODES]
CODE = st.sampled_from([None, "0001", "0002", "0003"])
EVENTS = st.lists(
    st.tuples(st.sampled_from([None, "7", "8", "9"]), st.sampled_from([None, "가", "나"]), CODE, CODE, CODE, CODE),
    max_size=25,
)

Row = tuple[str | None, ...]


def table(rows: list[Row]) -> ir.Table:
    return ibis.memtable(pd.DataFrame(rows, columns=EVENT, dtype=object), schema=dict.fromkeys(EVENT, "string"))


def unique(engine: DuckDBEngine, rows: list[Row]) -> pd.DataFrame:
    return engine.backend.execute(unique_categories(table(rows)))


def keys(frame: pd.DataFrame) -> list[tuple[str, ...]]:
    return sorted(category_keys(frame).tolist())


def category(*codes: str | None, count: int = 1) -> dict[str, object]:
    return {"product_id": "7", "ep_title": "가"} | dict(zip(CODES, codes, strict=True)) | {"count": count}


@given(EVENTS)
def test_one_row_a_category_whose_counts_add_up_to_the_rows(engine: DuckDBEngine, rows: list[Row]) -> None:
    found = unique(engine, rows)
    assert keys(found) == sorted({tuple(code or "" for code in row[2:]) for row in rows})
    assert found["count"].sum() == len(rows)


@given(EVENTS, st.randoms(use_true_random=False))
def test_neither_order_of_rows_nor_threads_choose_the_representative(
    engine: DuckDBEngine, rows: list[Row], order: random.Random
) -> None:
    shuffled = list(rows)
    order.shuffle(shuffled)
    first, second = (unique(engine, r).sort_values(CODES).reset_index(drop=True) for r in (rows, shuffled))
    pd.testing.assert_frame_equal(first, second)


def test_the_representative_is_the_most_frequent_product_that_has_an_id(engine: DuckDBEngine) -> None:
    codes = ("0001", "0002", "0003", "0004")
    rows: list[Row] = (
        [(None, "x", *codes)] * 5 + [("8", "b", *codes)] * 2 + [("9", "c", *codes)] * 2 + [("7", "a", *codes)]
    )
    (row,) = unique(engine, rows).to_dict("records")
    assert (row["product_id"], row["ep_title"], row["count"]) == ("8", "b", 10)


def test_without_a_base_month_every_category_is_new() -> None:
    frame = pd.DataFrame([category("0001", "0002", "0003", "0004"), category(None, None, None, None)])
    assert len(new_categories(frame, None)) == 2
    assert keys(update_unique(frame, None)) == keys(frame)


def test_a_missing_code_equals_a_missing_code_and_nothing_else() -> None:
    known = pd.DataFrame([category("0001", None, None, "0004"), category(None, None, None, None)])
    frame = pd.DataFrame(
        [
            category("0001", float("nan"), None, "0004"),
            category(None, None, None, None),
            category("0001", None, None, None),
        ]
    )
    new = new_categories(frame, known)
    assert keys(new) == [("0001", "", "", "")]
    assert new["count"].tolist() == [1]


@given(EVENTS, EVENTS)
def test_new_and_known_are_a_partition_of_the_month(engine: DuckDBEngine, rows: list[Row], before: list[Row]) -> None:
    month, base = unique(engine, rows), unique(engine, before)
    new, updated = new_categories(month, base), update_unique(month, base)
    assert set(keys(new)) == set(keys(month)) - set(keys(base))
    assert keys(updated) == sorted({*keys(month), *keys(base)}), "one row each, nothing lost"
    assert len(new_categories(month, updated)) == 0, "the same month over its own baseline brings nothing new"


@given(EVENTS, st.integers(1, 3))
def test_candidates_have_an_id_and_are_ranked_from_one(engine: DuckDBEngine, rows: list[Row], limit: int) -> None:
    found = engine.backend.execute(crawl_candidates(table(rows), limit))
    assert found["product_id"].notna().all()
    assert found["category4"].notna().all()
    for _, group in found.groupby(category_keys(found).to_numpy()):
        ranked = group.sort_values("rank")
        assert ranked["rank"].tolist() == list(range(1, len(group) + 1))
        assert len(group) <= limit
        assert ranked["count"].is_monotonic_decreasing
        assert ranked["product_id"].is_unique
