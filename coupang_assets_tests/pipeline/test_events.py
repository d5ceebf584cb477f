"""Events: which rows are taken, and that cleaning mends and counts but never drops."""

import ibis
import ibis.expr.types as ir
import pandas as pd
from hypothesis import example, given
from hypothesis import strategies as st

from coupang_assets.datasets import CATEGORY_CODES
from coupang_assets.engines.duckdb import DuckDBEngine
from coupang_assets.pipeline.events import EventQuality, clean_events, event_quality, select_events

COLUMNS = ("product_id", "ep_title", *CATEGORY_CODES)
TEXT = st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
ROWS = st.lists(st.tuples(*(TEXT for _ in COLUMNS)), max_size=8)


def events(rows: list[tuple[str | None, ...]]) -> ir.Table:
    frame = pd.DataFrame(rows, columns=list(COLUMNS), dtype=object).assign(row=range(len(rows)))
    return ibis.memtable(frame, schema=dict.fromkeys(COLUMNS, "string") | {"row": "int64"})


def cleaned(engine: DuckDBEngine, table: ir.Table) -> list[tuple[str | None, ...]]:
    found = engine.backend.execute(clean_events(table))
    return [tuple(None if pd.isna(value) else value for value in row) for row in found.itertuples(index=False)]


def quality(engine: DuckDBEngine, table: ir.Table) -> EventQuality:
    engine.backend.create_table("quality_input", engine.backend.to_pyarrow(table), overwrite=True)
    return event_quality(engine.backend.table("quality_input"))


def test_only_the_advertiser_is_taken_under_our_names(engine: DuckDBEngine) -> None:
    theirs = {name: f"x_{name}" for name in COLUMNS} | {"rt_cd": "advertiser"}
    frame = pd.DataFrame({f"x_{name}": ["1", "2"] for name in COLUMNS} | {"advertiser": [300, 100], "other": [1, 2]})
    selected = engine.backend.execute(select_events(ibis.memtable(frame), theirs, 300))
    assert list(selected.columns) == list(COLUMNS)
    assert selected["product_id"].tolist() == ["1"]


def test_hard_titles_stay_as_they_are_but_for_nul(engine: DuckDBEngine) -> None:
    titles = [
        "두 줄\n제목",
        "a\r\nb",
        "a\rb",
        '"따옴표", 쉼표',
        "😀🎉",
        "가" * 4000,
        "NA",
        "null",
        "  ",
        "nu\x00l",
        "\x00",
    ]
    rows = [("1", title, "1", "2", "3", "4") for title in titles]
    found = [row[1] for row in cleaned(engine, events(rows))]
    assert found == [*titles[:-2], "nul", None]


def test_product_ids_of_pandas_lose_their_point_and_keep_their_zeros(engine: DuckDBEngine) -> None:
    ids = ["123.0", "007", "123.05", "1.0.0", "", None]
    found = [row[0] for row in cleaned(engine, events([(i, "t", "1", "2", "3", "4") for i in ids]))]
    assert found == ["123", "007", "123.05", "1.0", None, None]


@given(ROWS)
@example([("1", "a\x00b", "12", "12.0", "0012", " 12 "), (None, None, None, None, None, "A012")])
def test_every_row_stays_and_what_was_mended_is_counted(
    engine: DuckDBEngine, rows: list[tuple[str | None, ...]]
) -> None:
    table = events(rows)
    found = cleaned(engine, table)
    counted = quality(engine, table)
    assert len(found) == len(rows) == counted.rows
    assert counted.without_product == sum(row[0] is None for row in found)
    assert counted.without_title == sum(row[1] is None for row in found)
    assert counted.without_category4 == sum(row[5] is None for row in found)
    assert counted.titles_with_nul == sum("\x00" in (row[1] or "") for row in rows)
    assert "\x00" not in "".join(value or "" for row in found for value in row)
    assert "" not in [value for row in found for value in row]


@given(ROWS)
def test_cleaning_twice_changes_only_ids_that_end_in_points(
    engine: DuckDBEngine, rows: list[tuple[str | None, ...]]
) -> None:
    once = cleaned(engine, events(rows))
    twice = cleaned(engine, events(once))
    assert [row[1:] for row in once] == [row[1:] for row in twice]


def test_a_code_that_is_no_number_becomes_null_and_is_counted_once_a_row(engine: DuckDBEngine) -> None:
    table = events(
        [("1", "t", "A012", "-", "3", "4"), ("2", "t", "1", "2", "3", "카테고리"), ("3", "t", "1", "", "3", "4")]
    )
    assert quality(engine, table).rows_with_code_that_is_no_number == 2
    assert [row[2:] for row in cleaned(engine, table)] == [
        (None, None, "0003", "0004"),
        ("0001", "0002", "0003", None),
        ("0001", None, "0003", "0004"),
    ]


def test_a_day_without_rows_is_counted_as_such(engine: DuckDBEngine) -> None:
    assert quality(engine, events([])) == EventQuality()


def test_qualities_of_days_add_up() -> None:
    total = EventQuality(rows=1, titles_with_nul=2) + EventQuality(rows=10, without_title=3)
    assert total == EventQuality(rows=11, titles_with_nul=2, without_title=3)
