"""What a classifier said of each held-out title, as a table and a file.

Belongs here: the one order of the held-out titles, and the table that lets classifiers be compared title by title.
Does not: figures (`metrics`), the comparison (`significance`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import ibis.expr.types as ir
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from coupang_assets.classifiers.protocol import CATEGORY, SPLIT, TITLE, TRAIN, Ranking
from coupang_assets.errors import CoupangAssetsError
from coupang_assets.files import atomic_file

PRODUCT = "product_id"
TEST = "test"
_SCHEMA = pa.schema(
    {PRODUCT: pa.string(), TITLE: pa.string(), CATEGORY: pa.string(), "predicted": pa.string(), "score": pa.float32()}
)


def held_out(training: ir.Table) -> pd.DataFrame:
    """The test split of `coupang_train`: product_id, ep_title, category4, always in the same order."""
    order = [CATEGORY, PRODUCT, TITLE]
    rows = training.filter(training[SPLIT] == TEST).order_by(order).select(PRODUCT, TITLE, CATEGORY)
    return rows.execute().astype(object)


def predicted_table(titles: pd.DataFrame, ranking: Ranking, codes: Sequence[str]) -> pd.DataFrame:
    """The best prediction of each held-out title.

    Returns:
        product_id, ep_title, category4 (the truth), predicted (None where there is none), score.
    """
    labels = np.array([*codes, None], dtype=object)
    return titles.assign(predicted=labels[ranking.code[:, 0]], score=ranking.score[:, 0])


def write_predictions(table: pd.DataFrame, path: Path) -> None:
    """Write a `predicted_table` as Parquet; same table, same bytes."""
    with atomic_file(path) as file:
        pq.write_table(pa.Table.from_pandas(table, _SCHEMA, preserve_index=False), file, compression="zstd")


def read_predictions(path: Path) -> pd.DataFrame:
    """Read what `write_predictions` wrote.

    Raises:
        CoupangAssetsError: the file is missing, damaged or of another form.
    """
    try:
        return pq.read_table(path, schema=_SCHEMA).to_pandas()
    except (OSError, pa.ArrowException) as error:
        raise CoupangAssetsError(f"{path} cannot be read: {error}", "materialize the report again") from None


def held_out_version(titles: pd.DataFrame) -> str:
    """A hash of held-out titles and their categories: classifiers with the same were judged on the same."""
    lines = titles[[PRODUCT, TITLE, CATEGORY]].itertuples(index=False, name=None)
    return hashlib.sha256("\n".join("\x1f".join(line) for line in lines).encode()).hexdigest()[:32]


def trained_titles(training: ir.Table) -> dict[str, int]:
    """Titles of the train split by category code."""
    rows = training.filter(training[SPLIT] == TRAIN)
    counts = rows.group_by(CATEGORY).aggregate(titles=rows.count()).order_by(CATEGORY).execute()
    return dict(zip(counts[CATEGORY].tolist(), counts["titles"].tolist(), strict=True))
