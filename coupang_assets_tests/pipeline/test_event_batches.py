"""Events as Arrow batches: counts and values are the engine's, and torn text goes no further."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from coupang_assets.datasets import CATEGORY_CODES
from coupang_assets.engines.duckdb import DuckDBEngine
from coupang_assets.pipeline.event_batches import mended, mended_batch, mended_schema, without_torn_texts
from coupang_assets.pipeline.events import EventQuality, clean_events, clean_mended, event_quality

COLUMNS = ("product_id", "ep_title", *CATEGORY_CODES)
NAMES = dict(zip(COLUMNS, COLUMNS, strict=True))
TEXT = st.none() | st.text(st.sampled_from("0123456789. \t\n\x00ax가\u3000\u00a0"), max_size=8)
DOUBLES = st.sampled_from([12.0, 12345678.0, 12.5, -1.0, 1e-7, 1e22]) | st.floats()
ROWS = st.lists(st.tuples(*(TEXT for _ in COLUMNS)), max_size=12)


def batch_of(rows: Sequence[tuple[Any, ...]], kind: pa.DataType) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays(
        [pa.array([row[at] for row in rows], kind) for at in range(len(COLUMNS))], names=list(COLUMNS)
    )


def torn(*texts: bytes | None) -> pa.Array:
    return pa.array(texts, pa.binary()).view(pa.string())


def assert_as_by_the_engine(engine: DuckDBEngine, batch: pa.RecordBatch) -> None:
    passed, quality = mended_batch(batch, NAMES)
    assert passed.schema == mended_schema(batch.schema, NAMES)
    events, its_mended = (
        engine.backend.create_table(name, pa.Table.from_batches([rows]), overwrite=True)
        for name, rows in (("events", batch), ("its_mended", passed))
    )
    assert quality == event_quality(events)
    assert clean_mended(its_mended).to_pyarrow().to_pylist() == clean_events(events).to_pyarrow().to_pylist()


@given(ROWS)
@example([("\x00", "\x00", "A012", " ", "12.0", ""), (".0", "", "", "12 ", "\u300012", "1234567890")])
def test_a_batch_is_mended_and_counted_as_by_the_engine(
    engine: DuckDBEngine, rows: list[tuple[str | None, ...]]
) -> None:
    for kind in (pa.string(), pa.large_string()):
        assert_as_by_the_engine(engine, batch_of(rows, kind))


@pytest.mark.parametrize("kind", [pa.int32(), pa.int64(), pa.float64()])
def test_codes_may_be_numbers(kind: pa.DataType) -> None:
    codes = [pa.array([12, None], kind) for _ in CATEGORY_CODES]
    batch = pa.RecordBatch.from_arrays([pa.array([1, None]), pa.array(["t", "t"]), *codes], names=list(COLUMNS))
    passed, quality = mended_batch(batch, NAMES)
    assert quality == EventQuality(rows=2, without_product=1, without_category4=1)
    assert passed["category4"].to_pylist() == ["0012", None]
    assert passed["product_id"].to_pylist() == ["1", None]


@given(st.lists(st.tuples(*(st.none() | DOUBLES for _ in COLUMNS)), min_size=1, max_size=8))
def test_doubles_are_mended_and_counted_as_by_the_engine(
    engine: DuckDBEngine, rows: list[tuple[float | None, ...]]
) -> None:
    assert_as_by_the_engine(engine, batch_of(rows, pa.float64()))


def test_a_part_of_a_batch_is_counted_by_itself() -> None:
    batch = batch_of([("1", "a\x00", "1", "2", "3", "4"), ("1", "b", "1", "2", "3", "4")], pa.string())
    passed, quality = mended_batch(batch.slice(1), NAMES)
    assert quality == EventQuality(rows=1)
    assert passed.to_pylist() == batch_of([("1", "b", "0001", "0002", "0003", "0004")], pa.string()).to_pylist()


def test_other_columns_pass_as_they_are() -> None:
    batch = batch_of([("1", "t", "1", "2", "3", "4")], pa.string()).append_column("rt_cd", pa.array([300]))
    passed, _ = mended_batch(batch, NAMES)
    assert passed["rt_cd"].to_pylist() == [300]
    assert passed.schema.names == batch.schema.names


def test_text_that_is_no_utf8_becomes_null_and_is_counted() -> None:
    titles = torn("가방".encode(), "가방".encode()[:-1], None, b"\xff\xfe", "🎉".encode())
    ids = torn(b"1", b"2", b"3", b"4\xff", b"5")
    batch = pa.RecordBatch.from_arrays([ids, titles, pa.array(range(5))], names=["id", "title", "n"])
    whole, count = without_torn_texts(batch)
    assert count == 3
    assert whole["title"].to_pylist() == ["가방", None, None, None, "🎉"]
    assert whole["id"].to_pylist() == ["1", "2", "3", None, "5"]
    assert whole["n"].to_pylist() == list(range(5))
    assert whole.schema == batch.schema


def test_good_text_is_passed_on_as_it_is() -> None:
    batch = batch_of([("1", "😀", None, "", "3", "4")], pa.string())
    assert without_torn_texts(batch) == (batch, 0)


def test_every_batch_is_told_of_when_it_passes() -> None:
    batches = [batch_of([("1", "t", "1", "2", "3", "4")] * rows, pa.string()) for rows in (2, 3)]
    told: list[int] = []
    passing = mended(batches, NAMES, lambda quality: told.append(quality.rows))
    assert told == []
    assert next(passing).num_rows == 2
    assert told == [2]
    assert [batch.num_rows for batch in passing] == [3]
    assert told == [2, 3]
