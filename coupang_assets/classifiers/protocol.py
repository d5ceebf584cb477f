"""What every classifier of product titles can do, and the words they share.

Belongs here: the protocol, the prediction, the columns of a training table. Does not: any one classifier.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

import ibis

from coupang_assets.errors import CoupangAssetsError

TITLE = "ep_title"
CATEGORY = "category4"
SPLIT = "split"
TRAIN = "train"


@dataclass(frozen=True, slots=True)
class Prediction:
    """One category proposed for a title.

    Attributes:
        code: category code, as in the training table (`0012`).
        score: share of the title's total score that speaks for this category, 0 to 1; all categories of a title,
            those beyond the requested top k included, sum to 1.
    """

    code: str
    score: float


class Classifier(Protocol):
    """A classifier of product titles (spec step 6).

    A model is one main file, with whatever its classifier keeps beside it (checksum, tables), and the month's BPE
    tokenizer, which classifiers that read characters or words ignore. Implementations may take further keyword
    arguments with defaults.
    """

    @classmethod
    def fit(cls, training: ibis.Table, bpe_path: Path) -> Self:
        """Learn from the rows of `training` (`ep_title`, `category4`, `split`) whose split is `train`.

        Raises:
            CoupangAssetsError: no row to learn from, a missing column, a damaged tokenizer.
        """
        ...

    def predict(self, titles: Sequence[str | None], top_k: int = 5) -> list[list[Prediction]]:
        """The best categories of each title, best first, at most `top_k`, ties in code order.

        Never raises because of a title: one that says nothing to the model (empty, null, only emoji) gets an empty
        list.
        """
        ...

    def save(self, path: Path) -> tuple[Path, ...]:
        """Write the model with `path` as its main file; returns every file written, all in that folder."""
        ...

    @classmethod
    def load(cls, path: Path, bpe_path: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            CoupangAssetsError: a file is missing, damaged, of another format, or of another tokenizer.
        """
        ...

    def describe(self) -> Mapping[str, str | int | float]:
        """What a reader wants to know of the model: its kind, its categories, its size."""
        ...


def training_rows(training: ibis.Table) -> ibis.Table:
    """The rows a model may learn from: split `train`, with a title and a category.

    Returns:
        ep_title (string), category4 (string).

    Raises:
        CoupangAssetsError: a column is missing.
    """
    missing = [column for column in (TITLE, CATEGORY, SPLIT) if column not in training.columns]
    if missing:
        raise CoupangAssetsError(
            f"The training table has no column {', '.join(missing)}; it has {', '.join(training.columns)}.",
            f"Give a table with the columns {TITLE}, {CATEGORY} and {SPLIT}.",
        )
    rows = training.filter(training[SPLIT] == TRAIN, training[TITLE].notnull(), training[CATEGORY].notnull())
    return rows.select(rows[TITLE].cast("string").name(TITLE), rows[CATEGORY].cast("string").name(CATEGORY))
