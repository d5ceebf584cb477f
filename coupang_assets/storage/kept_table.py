"""The rows of a dataset that is no file of ours, as the history keeps them: one Parquet file."""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from coupang_assets.datasets import Dataset

_TYPES = {"int32": pa.int32(), "int64": pa.int64(), "string": pa.string()}


def write_kept_table(dataset: Dataset, rows: pd.DataFrame, path: Path) -> None:
    """Write rows in the dataset's columns; the same rows in the same order give the same bytes."""
    schema = pa.schema([(column.name, _TYPES[column.type]) for column in dataset.columns])
    pq.write_table(pa.Table.from_pandas(rows, schema=schema, preserve_index=False), path)


def read_kept_table(path: Path) -> pd.DataFrame:
    """The rows; integers are nullable."""
    table = pq.read_table(path, partitioning=None)
    return table.to_pandas(types_mapper={pa.int32(): pd.Int32Dtype(), pa.int64(): pd.Int64Dtype()}.get)
