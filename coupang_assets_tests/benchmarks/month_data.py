"""The month benchmark's events: the sample's, with a share of rows of products that hardly come twice.

Belongs here: which rows there are and how they lie on disk. Does not: what is measured (`month.py`).

The sample draws its events from twelve thousand products, so nearly every row of a large day has its equal. A shop's
long tail is different: here a share of the rows is drawn from `TAIL_PRODUCTS` further ones, each with its own title.
"""

from __future__ import annotations

import datetime as dt
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import orc

from coupang_assets.sample import SampleSource
from coupang_assets.sample.events import EventOptions
from coupang_assets.sample.generate import WorldOptions
from coupang_assets.settings import SampleSettings, SamplingSettings

TAIL_PRODUCTS = 100_000_000
TABLE = "retargeting_event_storage_orc"
MONTH = "2024_05"
_FIRST_TAIL_ID = 30_000_000_000
_FILES_A_DAY = 4
_BATCH_ROWS = 1 << 16
# A day's tail, as a prime that shares no factor with the number of tail products: all numbers come before one repeats.
_STRIDE = 982_451_653


def sampled_days(days: int) -> list[dt.date]:
    """The first days that `MONTH` samples."""
    stride = SamplingSettings().stride
    return [dt.date(2024, 4, 1 + stride * number) for number in range(days)]


def write_events(folder: Path, days: int, rows_a_day: int, distinct_share: float) -> int:
    """Make the embedded warehouse `folder/warehouse` and the sample's world `folder/sample`; bytes of the ORC files.

    Args:
        folder: where; days that are there already are kept.
        distinct_share: of the rows, those of the long tail, 0 to 1.
    """
    seed = SampleSettings().seed
    table = folder / "warehouse" / TABLE
    source = SampleSource(folder / "sample", WorldOptions(seed=seed), EventOptions(events=rows_a_day, seed=seed))
    source.world()
    for number, day in enumerate(sampled_days(days)):
        partition = table / f"day={day:%Y%m%d}"
        if partition.exists():
            continue
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            whole = source.ensure_day(Path(scratch) / TABLE, day)
            made = Path(scratch) / "partition"
            made.mkdir()
            _with_tail(whole, made, first=number * rows_a_day, share=distinct_share, seed=seed + number)
            partition.parent.mkdir(parents=True, exist_ok=True)
            made.rename(partition)
    return sum(file.stat().st_size for file in table.rglob("*") if file.is_file())


def _with_tail(whole: Path, partition: Path, first: int, share: float, seed: int) -> None:
    """Copy a day into several files, a share of its rows replaced by products of the tail."""
    rng = np.random.default_rng(seed)
    source = orc.ORCFile(str(whole))
    writers = [orc.ORCWriter(str(partition / f"{n:06d}_0"), compression="zlib") for n in range(_FILES_A_DAY)]
    for writer in writers:
        writer.write(source.schema.empty_table())
    rows = 0
    for number in range(source.nstripes):
        for batch in pa.Table.from_batches([source.read_stripe(number)]).to_batches(max_chunksize=_BATCH_ROWS):
            numbers = (np.arange(len(batch), dtype=np.int64) + first + rows) * _STRIDE % TAIL_PRODUCTS
            tail = pa.table(_replaced(batch, numbers, rng.random(len(batch)) < share))
            writers[rows // _BATCH_ROWS % _FILES_A_DAY].write(tail)
            rows += len(batch)
    for writer in writers:
        writer.close()


def _replaced(batch: pa.RecordBatch, numbers: NDArray[np.int64], chosen: NDArray[np.bool_]) -> dict[str, pa.Array]:
    columns = {name: batch.column(name) for name in batch.schema.names}
    mask = pa.array(chosen)
    tail = pa.array(numbers)
    ids = pc.cast(pc.add(tail, _FIRST_TAIL_ID), pa.string())
    titles = pc.binary_join_element_wise(columns["ep_title"], pc.cast(tail, pa.string()), " ")
    columns["product_id"] = pc.if_else(mask, ids, columns["product_id"])
    columns["ep_title"] = pc.if_else(mask, titles, columns["ep_title"])
    return columns
