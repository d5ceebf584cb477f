"""A day of events as the event table keeps it: one ORC file in a partition folder.

Belongs here: which rows a day has. Does not: where the table is, or reading it (`source.py`, the warehouse).
"""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import orc

from coupang_assets.errors import CoupangAssetsError
from coupang_assets.files import atomic_path
from coupang_assets.sample.world import CODE_COLUMNS, World, work_month_of

EVENT_SCHEMA = pa.schema(
    [
        ("product_id", pa.string()),
        ("ep_title", pa.string()),
        *((name, pa.string()) for name in CODE_COLUMNS),
        ("rt_cd", pa.int32()),
        ("event_type", pa.string()),
    ]
)

_BATCH_ROWS = 1 << 18
_EVENT_TYPES = pa.array(["view", "cart", "purchase", "wish"])
_EVENT_TYPE_BOUNDS = np.cumsum([0.86, 0.08, 0.04])
_OTHER_SHOPS = (100, 210, 415, 520)
_OTHER_PRODUCTS = 2_000
_JUNK_CODES = ("A012", "카테고리", "-", "12a4", "n/a")
_JUNK_TITLES = (
    "널\x00문자 텀블러, 500ml",
    '두 줄\r\n제목 "따옴표", 1개',
    "😀🎉 이모지 인형 👩‍👩‍👧",
    "아주 긴 제목 " * 500,
    '"',
)


@dataclass(frozen=True)
class EventOptions:
    """What a day of events is made from.

    Attributes:
        events: rows of the day, those of other shops included.
        seed: chooses the rows, together with the day.
        rt_cd: the shop's code in the event table; the spec's 300.
        other_share: share of rows that belong to other shops (another rt_cd, codes of another space).
        null_title_share, empty_title_share: shares of rows without a title.
        null_category4_share: share of rows whose category4 alone is null.
        null_codes_share: share of rows whose four codes are null.
        junk_codes: rows a day whose category4 is no number.
        junk_titles: rows a day with a title that is hard to handle: NUL, line breaks, emoji, 4,000 characters.
    """

    events: int = 20_000
    seed: int = 0
    rt_cd: int = 300
    other_share: float = 0.05
    null_title_share: float = 0.002
    empty_title_share: float = 0.001
    null_category4_share: float = 0.003
    null_codes_share: float = 0.003
    junk_codes: int = 0
    junk_titles: int = 0

    def __post_init__(self) -> None:
        shares = (self.null_title_share, self.empty_title_share, self.null_category4_share, self.null_codes_share)
        if min(self.events, self.seed, self.junk_codes, self.junk_titles) < 0 or not (
            0 <= self.other_share <= 1 and min(shares) >= 0 and sum(shares) <= 1
        ):
            raise CoupangAssetsError(
                f"no day of events can be made from {self}", "counts are at least 0, shares between 0 and 1"
            )


def partition_file(table: Path, day: dt.date) -> Path:
    """The file of a day under a table folder, as Hive lays it out: `day=YYYYMMDD/000000_0.orc`."""
    return table / f"day={day:%Y%m%d}" / "000000_0.orc"


def write_day(world: World, day: dt.date, path: Path, options: EventOptions | None = None) -> int:
    """Write the events of one day to one ORC file and return the number of rows.

    Only products whose category is present in the day's work month appear, drawn by their weight. The bytes depend on
    world, day and options alone. Memory does not grow with the number of events. A world with no category in that
    month gives a file without rows.
    """
    options = options or EventOptions()
    pool, cumulative = _pool(world, day)
    rng = np.random.default_rng([options.seed, day.toordinal()])
    rows = options.events if len(cumulative) else 0
    with atomic_path(path) as temporary, orc.ORCWriter(str(temporary), compression="zlib") as writer:
        writer.write(EVENT_SCHEMA.empty_table())
        for batch in _batches(pool, cumulative, rows, rng, options):
            writer.write(batch)
    return rows


def _pool(world: World, day: dt.date) -> tuple[pa.Table, NDArray[np.float64]]:
    """Everything a row can show: the shop's products present on the day, then those of other shops.

    The second value is the cumulative share of traffic of the shop's own.
    """
    present = world.categories_in(work_month_of(day))[["leaf_id", *CODE_COLUMNS]]
    products = world.products.merge(present, on="leaf_id", how="inner", sort=False)
    own = products[["product_id", "title", *CODE_COLUMNS]].rename(columns={"title": "ep_title"})
    if own.empty:
        return pa.table({}), np.empty(0)
    count = np.arange(_OTHER_PRODUCTS)
    other = pd.DataFrame({"product_id": (20_000_000_000 + 7 * count).astype(str)})
    other["ep_title"] = own["ep_title"].to_numpy()[count * 31 % len(own)]
    for depth, name in enumerate(CODE_COLUMNS):
        other[name] = (100_000 * (depth + 1) + count % (10 ** (depth + 1))).astype(str)
    schema = pa.schema([field for field in EVENT_SCHEMA if field.name in own.columns])
    pool = pa.Table.from_pandas(pd.concat([own, other]), schema=schema, preserve_index=False)
    cumulative = np.cumsum(products["weight"].to_numpy(dtype=np.float64))
    return pool.replace_schema_metadata(None), cumulative / cumulative[-1]


def _batches(
    pool: pa.Table, cumulative: NDArray[np.float64], rows: int, rng: np.random.Generator, options: EventOptions
) -> Iterator[pa.Table]:
    own = len(cumulative)
    for start in range(0, rows, _BATCH_ROWS):
        size = min(_BATCH_ROWS, rows - start)
        index = np.minimum(np.searchsorted(cumulative, rng.random(size), side="right"), own - 1)
        others = rng.random(size) < options.other_share
        index[others] = own + rng.integers(_OTHER_PRODUCTS, size=int(others.sum()))
        shop = np.full(size, options.rt_cd, dtype=np.int32)
        shop[others] = rng.choice([code for code in _OTHER_SHOPS if code != options.rt_cd], size=int(others.sum()))
        kind = np.searchsorted(_EVENT_TYPE_BOUNDS, rng.random(size), side="right")
        batch = pool.take(pa.array(index))
        columns = {name: batch[name].combine_chunks() for name in batch.column_names}
        _make_gaps(columns, rng.random(size), options)
        if start == 0:
            mine = np.flatnonzero(~others)
            _replace(columns, "category4", _JUNK_CODES, mine[: options.junk_codes])
            _replace(columns, "ep_title", _JUNK_TITLES, mine[::-1][: options.junk_titles])
        columns["rt_cd"] = pa.array(shop)
        columns["event_type"] = _EVENT_TYPES.take(pa.array(kind))
        yield pa.table(columns, schema=EVENT_SCHEMA)


def _make_gaps(columns: dict[str, pa.Array], draws: NDArray[np.float64], options: EventOptions) -> None:
    """Null or empty titles, null category4 and rows without any code, each in its own rows."""
    bounds = np.cumsum(
        [options.null_title_share, options.empty_title_share, options.null_category4_share, options.null_codes_share]
    )
    gap = np.searchsorted(bounds, draws, side="right")
    missing = pa.scalar(None, pa.string())
    columns["ep_title"] = pc.if_else(pa.array(gap == 0), missing, columns["ep_title"])
    columns["ep_title"] = pc.if_else(pa.array(gap == 1), pa.scalar(""), columns["ep_title"])
    for name in CODE_COLUMNS:
        gone = gap == 3 if name != "category4" else (gap == 2) | (gap == 3)
        columns[name] = pc.if_else(pa.array(gone), missing, columns[name])


def _replace(columns: dict[str, pa.Array], name: str, values: tuple[str, ...], at: NDArray[np.intp]) -> None:
    mask = np.zeros(len(columns[name]), dtype=bool)
    mask[at] = True
    replacements = pa.array([values[index % len(values)] for index in range(len(at))], pa.string())
    columns[name] = pc.replace_with_mask(columns[name], pa.array(mask), replacements)
