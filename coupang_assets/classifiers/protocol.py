"""What every classifier of product titles can do, and the words they share.

Belongs here: the protocol, predictions, the columns of a training table, the list of classifiers. Does not: any one
classifier.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol, Self, TypeAlias

import ibis
import numpy as np
import numpy.typing as npt

from coupang_assets.errors import CoupangAssetsError

TITLE = "ep_title"
CATEGORY = "category4"
SPLIT = "split"
TRAIN = "train"
VALID = "valid"

# Name of a classifier, as in settings and on the command line, and where its class is: heavy imports wait until it is
# asked for. In the order of a table for readers.
CLASSIFIERS: Mapping[str, str] = {
    "biterm": "coupang_assets.classifiers.biterm:BitermClassifier",
    "fasttext": "coupang_assets.classifiers.fasttext:FastTextClassifier",
    "svm": "coupang_assets.classifiers.svm:SvmClassifier",
    "vote": "coupang_assets.classifiers.vote:VoteClassifier",
}
# Those that no month is made with: they need what may not be installed, and hours.
ON_REQUEST: Mapping[str, str] = {"e5": "coupang_assets.classifiers.e5.classifier:E5Classifier"}

Probabilities: TypeAlias = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Prediction:
    """One category proposed for a title.

    Attributes:
        code: category code, as in the training table (`0012`).
        score: calibrated probability that the title belongs to the category, 0 to 1; all categories of a title, those
            beyond the requested top k included, sum to 1.
    """

    code: str
    score: float


@dataclass(frozen=True, slots=True)
class Ranking:
    """Predictions of many titles as arrays, titles by top k; what `predict` says, without an object a prediction.

    Attributes:
        code: position in the classifier's `codes`, best first; -1 where there is no (further) prediction.
        score: calibrated probability, float32; 0 where there is no prediction.
    """

    code: npt.NDArray[np.int32]
    score: Probabilities


class Classifier(Protocol):
    """A classifier of product titles (spec step 6).

    A model is one main file, with whatever its classifier keeps beside it (checksum, tables), and the month's BPE
    tokenizer, which classifiers that read characters or words ignore. Same training rows (in any order), seed and
    tokenizer, same files, byte for byte. What is said of a title does not depend on the other titles of the call.

    Attributes:
        name: as in `CLASSIFIERS`.
        suffix: of the main file's name.
        codes: categories the model knows, sorted.
    """

    name: ClassVar[str]
    suffix: ClassVar[str]

    @property
    def codes(self) -> Sequence[str]: ...

    @classmethod
    def fit(cls, training: ibis.Table, bpe_path: Path, *, seed: int = 0, scratch: Path | None = None) -> Self:
        """Learn from the rows of `training` (`ep_title`, `category4`, `split`) whose split is `train`.

        Scores are calibrated on the rows of split `valid`; without such rows, on a tenth of the training titles that
        is held out for that first.

        Args:
            training: rows of other splits are not looked at.
            bpe_path: the month's tokenizer.
            seed: of whatever is random in the learning.
            scratch: folder for temporary files, default the system's.

        Raises:
            CoupangAssetsError: no row to learn from, a missing column, a damaged tokenizer.
        """
        ...

    def probabilities(self, titles: Sequence[str | None]) -> Probabilities:
        """Calibrated probability of every category, titles by `codes`. Rows sum to 1.

        A title that says nothing to the model (empty, null, only emoji) gets a row of zeros. Takes memory for the
        whole table: call with `BATCH_TITLES` titles or so at a time.
        """
        ...

    def rank(self, titles: Sequence[str | None], top_k: int = 5) -> Ranking:
        """The best categories of each title, best first, ties in code order."""
        ...

    def predict(self, titles: Sequence[str | None], top_k: int = 5) -> list[list[Prediction]]:
        """The best categories of each title, best first, at most `top_k`, ties in code order.

        Never raises because of a title: one that says nothing to the model (empty, null, only emoji) gets an empty
        list.
        """
        ...

    def save(self, path: Path) -> tuple[Path, ...]:
        """Write the model with `path` as its main file; returns every file written, main file first, in one folder."""
        ...

    @classmethod
    def load(cls, path: Path, bpe_path: Path) -> Self:
        """Read what `save` wrote, trusting nothing in it.

        Raises:
            CoupangAssetsError: a file is missing, damaged, of another format, or of another tokenizer.
        """
        ...

    def describe(self) -> Mapping[str, str | int | float]:
        """What a reader wants to know of the model: its kind, its categories, its size."""
        ...


def classifier_class(name: str) -> type[Classifier]:
    """The class of a classifier in `CLASSIFIERS` or `ON_REQUEST`.

    Raises:
        CoupangAssetsError: there is no classifier of that name.
    """
    known = {**CLASSIFIERS, **ON_REQUEST}
    if name not in known:
        raise CoupangAssetsError(f"There is no classifier {name!r}.", f"Choose one of {', '.join(known)}.")
    module, _, attribute = known[name].partition(":")
    found: type[Classifier] = getattr(importlib.import_module(module), attribute)
    return found


def training_rows(training: ibis.Table, split: str = TRAIN) -> ibis.Table:
    """The rows a model may learn from: those of the split, with a title and a category.

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
    rows = training.filter(training[SPLIT] == split, training[TITLE].notnull(), training[CATEGORY].notnull())
    return rows.select(rows[TITLE].cast("string").name(TITLE), rows[CATEGORY].cast("string").name(CATEGORY))
