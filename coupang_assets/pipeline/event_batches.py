"""Spec step 1: events as Arrow batches on their way into the engine, counted and mended as they pass.

Belongs here: what the pass that reads them does at hardly any cost, above all what can be done once for equal values.
Does not: what the engine is left with (``events.clean_mended``), and the rule for codes (``codes``).
"""

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from coupang_assets.datasets import CATEGORY_CODES
from coupang_assets.pipeline.codes import LARGEST_WHOLE, canonical_code
from coupang_assets.pipeline.events import EventQuality

_NUL = "\x00"
_NO_ID = ["", ".0"]
_TEXTS = ("product_id", "ep_title")


def mended(
    batches: Iterable[pa.RecordBatch], columns: Mapping[str, str], observe: Callable[[EventQuality], object]
) -> Iterator[pa.RecordBatch]:
    """The batches with codes in canonical form and texts without NUL; null where a code or text is none.

    Args:
        columns: names in the batches by our names. Other columns pass as they are.
        observe: is told what each of the batches held.
    """
    for batch in batches:
        whole, torn = without_torn_texts(batch)
        clean, quality = mended_batch(whole, columns)
        observe(quality + EventQuality(texts_that_are_no_utf8=torn))
        yield clean


def mended_schema(schema: pa.Schema, columns: Mapping[str, str]) -> pa.Schema:
    """The schema of :func:`mended` batches: codes, product and title are text."""
    texts = {columns[name] for name in (*_TEXTS, *CATEGORY_CODES)}
    return pa.schema([field.with_type(_text_type(field.type)) if field.name in texts else field for field in schema])


def mended_batch(batch: pa.RecordBatch, columns: Mapping[str, str]) -> tuple[pa.RecordBatch, EventQuality]:
    """One batch mended, and what ``events.event_quality`` counts of it, without an engine."""
    texts = {name: _usable_text(batch[columns[name]]) for name in _TEXTS}
    without_nul = {name: _without_nul(text) for name, text in texts.items()}
    codes: dict[str, pa.Array] = {}
    junk: list[pa.Array] = []
    for name in CATEGORY_CODES:
        codes[name], its_junk = _canonical(_text(batch[columns[name]]))
        junk.append(its_junk)
    quality = EventQuality(
        rows=len(batch),
        without_product=_true(_is_one_of(without_nul["product_id"], _NO_ID)),
        without_title=_true(_is_one_of(without_nul["ep_title"], [""])),
        without_category4=codes["category4"].null_count,
        titles_with_nul=_true(pc.match_substring(texts["ep_title"], _NUL)) if _may_have_nul(texts["ep_title"]) else 0,
        rows_with_code_that_is_no_number=_true(functools.reduce(pc.or_, junk)),
    )
    by_source = {columns[name]: column for name, column in (without_nul | codes).items()}
    schema = mended_schema(batch.schema, columns)
    return pa.RecordBatch.from_arrays(
        [by_source.get(field.name, batch[field.name]) for field in schema], schema=schema
    ), quality


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


def _text_type(kind: pa.DataType) -> pa.DataType:
    return kind if _is_text(kind) else pa.string()


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


def _canonical(codes: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Canonical codes, and where there was something that is none; each different value is looked at once."""
    encoded = pc.dictionary_encode(codes)
    found = [_canonical_or_junk(code) for code in encoded.dictionary.to_pylist()]
    canonical = pa.array([code for code, _ in found], codes.type)
    junk = pa.array([is_junk for _, is_junk in found], pa.bool_())
    return canonical.take(encoded.indices), pc.fill_null(junk.take(encoded.indices), False)


def _canonical_or_junk(code: str) -> tuple[str | None, bool]:
    try:
        return canonical_code(code), False
    except ValueError:
        return None, True


def _true(values: pa.Array) -> int:
    return int(pc.sum(values).as_py() or 0)
