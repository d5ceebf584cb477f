"""One stream of CSV rows to two files: the CSV itself, as the specification writes it, and typed Parquet.

Both are written while the rows come, so a table of any length passes through the same memory. Equal rows give equal
bytes. Belongs here: the two formats. Does not: where rows come from.
"""

import csv
import io
import json
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from coupang_assets.errors import CoupangAssetsError
from coupang_assets.products.source_table import Chunk, SourceColumn, Stamp

BOM = b"\xef\xbb\xbf"
_SOURCE_KEY = b"coupang_assets.source"
_BLOCK_BYTES = 1024 * 1024
_ROW_GROUP = 32_768
_BUFFER_BYTES = 1024 * 1024
_LARGEST_DECIMAL = 38
_TYPES = {
    "boolean": pa.bool_(),
    "smallint": pa.int16(),
    "integer": pa.int32(),
    "bigint": pa.int64(),
    "real": pa.float32(),
    "double precision": pa.float64(),
    "date": pa.date32(),
    "timestamp without time zone": pa.timestamp("us"),
    "timestamp with time zone": pa.timestamp("us", tz="UTC"),
}


def _arrow_type(column: SourceColumn) -> pa.DataType:
    """A column's type in Parquet; what has no exact counterpart there stays text."""
    if column.base_type == "numeric" and "(" in column.type:
        precision, scale = (int(part) for part in column.type.partition("(")[2].rstrip(")").split(","))
        return pa.decimal128(precision, scale) if 0 <= scale <= precision <= _LARGEST_DECIMAL else pa.string()
    return _TYPES.get(column.base_type, pa.string())


@dataclass(frozen=True)
class TableFiles:
    """Takes rows (PostgreSQL's CSV, no header) for both files."""

    _file: BinaryIO
    _pipe: BinaryIO

    def write(self, rows: Chunk) -> None:
        self._file.write(rows)
        self._pipe.write(rows)


@contextmanager
def table_files(
    csv_path: Path,
    parquet_path: Path,
    columns: tuple[SourceColumn, ...],
    text_columns: frozenset[str],
    source: dict[str, Any],
) -> Iterator[TableFiles]:
    """Both files, complete when the block ends well.

    Args:
        text_columns: columns that stay text in Parquet whatever their type.
        source: what the rows are an export of; :func:`read_source` gives it back.

    Raises:
        CoupangAssetsError: a value that cannot be of its column's type in Parquet.
        OSError: the disk refuses.
    """
    fields = [
        pa.field(column.name, pa.string() if column.name in text_columns else _arrow_type(column)) for column in columns
    ]
    schema = pa.schema(fields, {_SOURCE_KEY: json.dumps(source, ensure_ascii=False, sort_keys=True)})
    read_end, write_end = os.pipe()
    with ThreadPoolExecutor(1, "parquet") as pool:
        converted = pool.submit(_write_parquet, read_end, parquet_path, schema)
        try:
            with (
                os.fdopen(write_end, "wb", _BUFFER_BYTES) as pipe,
                csv_path.open("wb", _BUFFER_BYTES) as file,
            ):
                file.write(BOM + _header(schema.names))
                yield TableFiles(file, pipe)
        except BrokenPipeError:
            converted.result()  # It ended early: this raises why.
            raise
        converted.result()


def read_source(parquet_path: Path) -> dict[str, Any] | None:
    """The `source` an export was written with; None for a file that is no export."""
    try:
        metadata = pq.read_schema(parquet_path).metadata or {}
        return dict(json.loads(metadata[_SOURCE_KEY]))
    except (OSError, KeyError, ValueError):
        return None


def read_stamps(parquet_path: Path, key: str, modified: str) -> Iterator[Stamp]:
    """Key and time of change of each row of an export, in its order."""
    for batch in pq.ParquetFile(parquet_path).iter_batches(columns=[key, modified]):
        moments = batch.column(modified).cast(pa.int64())
        yield from zip(batch.column(key).to_pylist(), moments.to_pylist(), strict=True)


def csv_records(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Records of PostgreSQL's CSV as they are; a line ends one unless it is within quotes."""
    record = b""
    for line in lines:
        record += line
        if record.count(b'"') % 2 == 0:
            yield record
            record = b""


def _write_parquet(read_end: int, path: Path, schema: pa.Schema) -> None:
    with (
        io.BufferedReader(io.FileIO(read_end), _BUFFER_BYTES) as rows,
        pq.ParquetWriter(path, schema, compression="zstd") as writer,
    ):
        # pyarrow takes a stream without a byte for an error, not for a table without a row.
        if not rows.peek(1):
            return
        try:
            _copy_batches(rows, schema, writer)
        except pa.ArrowInvalid as error:
            raise CoupangAssetsError(
                f"a value of the table has no counterpart in Parquet: {error}",
                "correct the value, or have its column written as text: COUPANG_PRODUCTS__TEXT_COLUMNS",
            ) from None


def _copy_batches(rows: "io.BufferedReader[io.FileIO]", schema: pa.Schema, writer: pq.ParquetWriter) -> None:
    reader = pa_csv.open_csv(
        rows,
        pa_csv.ReadOptions(column_names=schema.names, block_size=_BLOCK_BYTES),
        pa_csv.ParseOptions(newlines_in_values=True),
        pa_csv.ConvertOptions(
            column_types={field.name: field.type for field in schema},
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            true_values=["t"],
            false_values=["f"],
        ),
    )
    waiting: list[pa.RecordBatch] = []
    for batch in reader:
        waiting.append(batch)
        if sum(one.num_rows for one in waiting) >= _ROW_GROUP:
            writer.write_table(pa.Table.from_batches(waiting))
            waiting = []
    if waiting:
        writer.write_table(pa.Table.from_batches(waiting))


def _header(names: list[str]) -> bytes:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(names)
    return line.getvalue().encode()
