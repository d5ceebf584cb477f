"""Spec step 1: events as Arrow batches on their way into the engine, counted and mended as they pass.

Belongs here: what the pass that reads them sees at hardly any cost. Does not: canonical codes and the rest of the
cleaning, which is the engine's (``events``).
"""

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from coupang_assets.datasets import CATEGORY_CODES
from coupang_assets.pipeline.codes import LARGEST_WHOLE
from coupang_assets.pipeline.events import EventQuality

_NUL = "\x00"
_SPACE = " \t\n\r\v\f"
_CODE = r"^[0-9]{1,9}(\.0*)?$"
_NO_ID = ["", ".0"]


def observed(
    batches: Iterable[pa.RecordBatch], columns: Mapping[str, str], observe: Callable[[EventQuality], object]
) -> Iterator[pa.RecordBatch]:
    """The batches, without texts that are no UTF-8; ``observe`` is told what each of them holds.

    Args:
        columns: names in the batches by our names.
    """
    for batch in batches:
        whole, torn = without_torn_texts(batch)
        observe(batch_quality(whole, columns) + EventQuality(texts_that_are_no_utf8=torn))
        yield whole


def batch_quality(batch: pa.RecordBatch, columns: Mapping[str, str]) -> EventQuality:
    """What ``events.event_quality`` counts, of one batch and without an engine."""
    titles = _usable_text(batch[columns["ep_title"]])
    codes = [pc.dictionary_encode(_text(batch[columns[name]])) for name in CATEGORY_CODES]
    junk = functools.reduce(pc.or_, (_by_distinct(column, _is_junk) for column in codes))
    return EventQuality(
        rows=len(batch),
        without_product=_true(_is_one_of(_without_nul(_usable_text(batch[columns["product_id"]])), _NO_ID)),
        without_title=_true(_is_one_of(_without_nul(titles), [""])),
        without_category4=_true(pc.or_(pc.is_null(codes[-1]), _by_distinct(codes[-1], _is_no_code))),
        titles_with_nul=_true(pc.match_substring(titles, _NUL)) if _may_have_nul(titles) else 0,
        rows_with_code_that_is_no_number=_true(junk),
    )


def without_torn_texts(batch: pa.RecordBatch) -> tuple[pa.RecordBatch, int]:
    """The batch with null where a text is no valid UTF-8, which no CSV can hold, and how many that were."""
    try:
        batch.validate(full=True)
        return batch, 0
    except pa.ArrowInvalid:
        columns = [_null_where_torn(column) for column in batch.columns]
        whole = pa.RecordBatch.from_arrays(columns, schema=batch.schema)
        return whole, sum(column.null_count for column in columns) - sum(column.null_count for column in batch.columns)


def _null_where_torn(column: pa.Array) -> pa.Array:
    if not _is_text(column.type):
        return column
    texts = column.cast(pa.large_binary() if pa.types.is_large_string(column.type) else pa.binary())
    return pa.array([_decoded(text) for text in texts.to_pylist()], column.type)


def _decoded(text: bytes | None) -> str | None:
    try:
        return None if text is None else text.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _text(column: pa.Array) -> pa.Array:
    # As codes.as_text, but doubles that are no whole number stay: they are junk, and junk is counted.
    if _is_text(column.type):
        return column
    if not pa.types.is_floating(column.type):
        return pc.cast(column, pa.string())
    known = pc.if_else(pc.is_nan(column), None, column)
    numbers = pc.cast(pc.cast(known, pa.int64(), safe=False), pa.string())
    return pc.if_else(_is_whole(known), numbers, pc.cast(known, pa.string()))


def _usable_text(column: pa.Array) -> pa.Array:
    return pc.if_else(_is_whole(column), _text(column), None) if pa.types.is_floating(column.type) else _text(column)


def _is_whole(numbers: pa.Array) -> pa.Array:
    return pc.and_(pc.equal(numbers, pc.floor(numbers)), pc.less(pc.abs(numbers), LARGEST_WHOLE))


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _without_nul(texts: pa.Array) -> pa.Array:
    return pc.replace_substring(texts, _NUL, "") if _may_have_nul(texts) else texts


def _may_have_nul(texts: pa.Array) -> bool:
    """False where no byte of the text is zero: seen at once, where to search every value takes long."""
    data = texts.buffers()[2]
    return data is not None and not np.frombuffer(data, np.uint8).all()


def _is_one_of(texts: pa.Array, values: list[str]) -> pa.Array:
    return pc.or_(pc.is_null(texts), pc.is_in(texts, pa.array(values, texts.type)))


def _is_junk(codes: pa.Array) -> pa.Array:
    return pc.and_(_is_no_code(codes), pc.not_equal(pc.ascii_trim(codes, _SPACE), ""))


def _is_no_code(codes: pa.Array) -> pa.Array:
    return pc.invert(pc.match_substring_regex(pc.ascii_trim(codes, _SPACE), _CODE))


def _by_distinct(column: pa.DictionaryArray, test: Callable[[pa.Array], pa.Array]) -> pa.Array:
    """``test`` of each value, done once for equal ones; false for null."""
    return pc.fill_null(test(column.dictionary).take(column.indices), False)


def _true(values: pa.Array) -> int:
    return int(pc.sum(values).as_py() or 0)
