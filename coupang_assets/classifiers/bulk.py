"""Classifying files of millions of titles: CSV or Parquet in, CSV or Parquet out, all cores.

Belongs here: reading and writing in batches, and the processes that predict. Does not: models, or where a month's are.

A batch is read, predicted in a process of its own and written in turn, and only a few are under way at a time, so that
memory does not grow with the file. The output is the input with the columns of `OUTPUT` after it.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from coupang_assets.classifiers.paths import LEVELS, PathPredictor
from coupang_assets.classifiers.protocol import classifier_class
from coupang_assets.errors import CoupangAssetsError
from coupang_assets.files import atomic_file

_BATCH_ROWS = 32_768
_BLOCK_BYTES = 4 * 2**20
_FORMATS = (".csv", ".parquet")

_LEVEL_COLUMNS = (("code", pa.string()), ("name", pa.string()), ("score", pa.float32()))
OUTPUT = pa.schema(
    [("category4", pa.string()), ("score", pa.float32())]
    + [(f"lv{level}_{name}", kind) for level in range(1, LEVELS + 1) for name, kind in _LEVEL_COLUMNS]
)


@dataclass(frozen=True)
class ModelFiles:
    """What a process needs to predict.

    Attributes:
        name: of the classifier.
        main_file, bpe: the model and its tokenizer.
        dictionary: `cate_dictionary`.
    """

    name: str
    main_file: Path
    bpe: Path
    dictionary: pd.DataFrame

    def load(self) -> PathPredictor:
        """The model, restricted to the dictionary.

        Raises:
            CoupangAssetsError: a file is damaged, or model and dictionary have nothing in common.
        """
        return PathPredictor(classifier_class(self.name).load(self.main_file, self.bpe), self.dictionary)


@dataclass(frozen=True)
class Done:
    """Rows read, and how many of them got a category."""

    rows: int
    classified: int


def classify_file(
    source: Path,
    target: Path,
    column: str,
    model: ModelFiles,
    processes: int | None = None,
    progress: Callable[[float], None] = lambda share: None,
) -> Done:
    """Classify every row of `source` and write `target` atomically. A row without a title gets empty answers.

    Args:
        column: of the titles.
        processes: default the cores there are; the result is the same.
        progress: told the share of the file that is done, 0 to 1.

    Raises:
        CoupangAssetsError: the file, its format or its columns are not what they should be.
    """
    for path in (source, target):
        if path.suffix.lower() not in _FORMATS:
            raise CoupangAssetsError(f"{path} is neither .csv nor .parquet.", "Give a file of one of these names.")
    if source.resolve() == target.resolve():
        raise CoupangAssetsError(f"{target} is the file of titles itself.", "Give the answers another name.")
    workers = processes or os.cpu_count() or 1
    rows = classified = 0
    with (
        _reading(source, column) as (schema, batches),
        atomic_file(target) as file,
        _writing(target, file, schema) as write,
    ):
        for share, batch, found in _in_turn(batches, column, model, workers):
            write(pa.RecordBatch.from_arrays([*batch.columns, *found.columns], schema=schema))
            rows += batch.num_rows
            classified += batch.num_rows - found.column(0).null_count
            progress(share)
    return Done(rows, classified)


def _in_turn(
    batches: Iterator[tuple[float, pa.RecordBatch]], column: str, model: ModelFiles, workers: int
) -> Iterator[tuple[float, pa.RecordBatch, pa.RecordBatch]]:
    begun = [one for one in (next(batches, None), next(batches, None)) if one is not None]
    batches = chain(begun, batches)
    if len(begun) < 2 or workers == 1:
        # Starting processes takes longer than one batch.
        predictor = model.load()
        for share, batch in batches:
            yield share, batch, answer(predictor, batch.column(column))
        return
    waiting: deque[tuple[float, pa.RecordBatch, Future[pa.RecordBatch]]] = deque()
    pool = ProcessPoolExecutor(workers, get_context("spawn"), _start, (model,))
    try:
        for share, batch in batches:
            waiting.append((share, batch, pool.submit(_answer_in_process, batch.column(column))))
            if len(waiting) > 2 * workers:
                done, rows, answers = waiting.popleft()
                yield done, rows, answers.result()
        for done, rows, answers in waiting:
            yield done, rows, answers.result()
    finally:
        pool.shutdown(cancel_futures=True)


def answer(predictor: PathPredictor, titles: pa.Array) -> pa.RecordBatch:
    """The columns of `OUTPUT` for a column of titles; null where a title says nothing to the model."""
    found = predictor.predict(titles.to_pylist())
    silent = found.row < 0
    rows = pa.array(found.row, mask=silent)
    dictionary = predictor.dictionary
    leaf = pa.array(dictionary["lv4_code"], pa.string()).take(rows)
    columns = [leaf, pa.array(found.scores[:, -1], pa.float32(), mask=silent)]
    for level in range(1, LEVELS + 1):
        for name in (f"lv{level}_code", f"lv{level}_name"):
            columns.append(pa.array(dictionary[name], pa.string(), from_pandas=True).take(rows))
        columns.append(pa.array(found.scores[:, level - 1], pa.float32(), mask=silent))
    return pa.RecordBatch.from_arrays(columns, schema=OUTPUT)


_predictor: PathPredictor


def _start(model: ModelFiles) -> None:
    global _predictor
    _predictor = model.load()


def _answer_in_process(titles: pa.Array) -> pa.RecordBatch:
    return answer(_predictor, titles)


@contextmanager
def _reading(source: Path, column: str) -> Iterator[tuple[pa.Schema, Iterator[tuple[float, pa.RecordBatch]]]]:
    """The schema of the output, and the input's batches with the share of the file read so far."""
    try:
        if source.suffix.lower() == ".parquet":
            with pq.ParquetFile(source) as parquet:
                schema = _output_schema(source, parquet.schema_arrow, column)
                yield schema, _complaining(source, _parquet_batches(parquet, column))
        else:
            size = max(1, source.stat().st_size)
            with source.open("rb") as file, _csv_reader(source, file) as reader:
                schema = _output_schema(source, reader.schema, column)
                batches = ((min(1.0, file.tell() / size), batch) for batch in reader)
                yield schema, _complaining(source, batches)
    except (OSError, pa.ArrowInvalid) as error:
        raise _unreadable(source, error) from error


def _parquet_batches(parquet: pq.ParquetFile, column: str) -> Iterator[tuple[float, pa.RecordBatch]]:
    done, total = 0, max(1, parquet.metadata.num_rows)
    for batch in parquet.iter_batches(_BATCH_ROWS):
        done += batch.num_rows
        place = batch.schema.get_field_index(column)
        yield done / total, batch.set_column(place, column, batch.column(place).cast(pa.string()))


def _csv_reader(source: Path, file: Any) -> Any:
    """Every column is text, so that codes keep their zeros and no later row can be of another type."""
    parse = pa_csv.ParseOptions(newlines_in_values=True)
    with source.open("rb") as beginning, pa_csv.open_csv(beginning, parse_options=parse) as header:
        names = header.schema.names
    return pa_csv.open_csv(
        file,
        pa_csv.ReadOptions(block_size=_BLOCK_BYTES),
        parse,
        pa_csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False),
    )


def _complaining(source: Path, batches: Iterator[Any]) -> Iterator[Any]:
    """The batches, with a reader's errors told apart from a writer's."""
    try:
        yield from batches
    except (OSError, pa.ArrowInvalid) as error:
        raise _unreadable(source, error) from error


def _unreadable(source: Path, error: Exception) -> CoupangAssetsError:
    kind = source.suffix.lower().removeprefix(".").upper()
    return CoupangAssetsError(
        f"{source} cannot be read as {kind}: {error}", "Give a CSV in UTF-8 with a header, or a Parquet file."
    )


def _output_schema(source: Path, schema: pa.Schema, column: str) -> pa.Schema:
    if schema.names.count(column) != 1:
        raise CoupangAssetsError(
            f"{source} has no column {column!r}; it has {', '.join(schema.names[:20])}.", "Name it with --column."
        )
    taken = sorted(set(schema.names) & set(OUTPUT.names))
    if taken:
        raise CoupangAssetsError(
            f"{source} has columns that the answers would be written to: {', '.join(taken)}.", "Rename them."
        )
    place = schema.get_field_index(column)
    return pa.schema([*schema.set(place, pa.field(column, pa.string())), *OUTPUT])


@contextmanager
def _writing(target: Path, file: Any, schema: pa.Schema) -> Iterator[Callable[[pa.RecordBatch], None]]:
    if target.suffix.lower() == ".parquet":
        with pq.ParquetWriter(file, schema, compression="zstd") as writer:
            yield writer.write_batch
    else:
        with pa_csv.CSVWriter(file, schema, write_options=pa_csv.WriteOptions(quoting_style="needed")) as csv:
            yield csv.write_batch
