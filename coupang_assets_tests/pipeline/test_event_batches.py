"""Events as Arrow batches: the counts are the engine's, and torn text goes no further."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from coupang_assets.datasets import CATEGORY_CODES
from coupang_assets.engines.duckdb import DuckDBEngine
from coupang_assets.pipeline.event_batches import batch_quality, observed, without_torn_texts
from coupang_assets.pipeline.events import EventQuality, event_quality

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


@given(ROWS)
@example([("\x00", "\x00", "A012", " ", "12.0", ""), (".0", "", "", "12 ", "\u300012", "1234567890")])
def test_a_batch_is_counted_as_the_engine_counts(engine: DuckDBEngine, rows: list[tuple[str | None, ...]]) -> None:
    for kind in (pa.string(), pa.large_string()):
        batch = batch_of(rows, kind)
        engine.backend.create_table("counted", pa.Table.from_batches([batch]), overwrite=True)
        assert batch_quality(batch, NAMES) == event_quality(engine.backend.table("counted"))


@pytest.mark.parametrize("kind", [pa.int32(), pa.int64(), pa.float64()])
def test_codes_may_be_numbers(kind: pa.DataType) -> None:
    codes = [pa.array([12, None], kind) for _ in CATEGORY_CODES]
    batch = pa.RecordBatch.from_arrays([pa.array([1, None]), pa.array(["t", "t"]), *codes], names=list(COLUMNS))
    assert batch_quality(batch, NAMES) == EventQuality(rows=2, without_product=1, without_category4=1)


@given(st.lists(st.tuples(*(st.none() | DOUBLES for _ in COLUMNS)), min_size=1, max_size=8))
def test_doubles_are_counted_as_the_engine_counts(engine: DuckDBEngine, rows: list[tuple[float | None, ...]]) -> None:
    batch = batch_of(rows, pa.float64())
    engine.backend.create_table("counted", pa.Table.from_batches([batch]), overwrite=True)
    assert batch_quality(batch, NAMES) == event_quality(engine.backend.table("counted"))


def test_a_part_of_a_batch_is_counted_by_itself() -> None:
    batch = batch_of([("1", "a\x00", "1", "2", "3", "4"), ("1", "b", "1", "2", "3", "4")], pa.string())
    assert batch_quality(batch.slice(1), NAMES) == EventQuality(rows=1)


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
    passing = observed(batches, NAMES, lambda quality: told.append(quality.rows))
    assert told == []
    assert next(passing).num_rows == 2
    assert told == [2]
    assert [batch.num_rows for batch in passing] == [3]
    assert told == [2, 3]
