"""fastText (Joulin et al., 2017, "Bag of Tricks for Efficient Text Classification") on words and character n-grams.

Belongs here: learning with Facebook's library, and the model's files. Does not: other classifiers.

One thread learns, because several race for the weights and no two models would be alike.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import ibis
import numpy as np
import pandas as pd

from coupang_assets.classifiers.calibration import (
    Calibration,
    calibrate,
    learn_calibrated,
    learning_frame,
    require_rows,
)
from coupang_assets.classifiers.checksum import verified, write_checksum
from coupang_assets.classifiers.fasttext_training import FRESH_MEMORY_BYTES, train_apart
from coupang_assets.classifiers.protocol import CATEGORY, TITLE, TRAIN, Probabilities, training_rows
from coupang_assets.classifiers.ranking import RankingClassifier
from coupang_assets.classifiers.words import normal, says_something
from coupang_assets.errors import CoupangAssetsError
from coupang_assets.files import atomic_file, atomic_path

_FORMAT = "coupang-assets fasttext 1"
_AGAIN = "Materialize fasttext_model for this month again, or restore the files from a backup."
_LABEL = "__label__"
# With more categories a title's update of all of them takes too long, and a tree of categories is learned instead.
_MOST_FLAT_CATEGORIES = 300
# Character n-grams of a title, roughly; a pass costs titles times (these + categories touched).
_NGRAMS_A_TITLE = 100
_LEAST_PROBABILITY = 1e-6


@dataclass(frozen=True)
class FastTextOptions:
    """fastText's own settings; defaults chosen on the 36 categories of Korean product titles.

    Attributes:
        shortest, longest: character n-grams of a word; 0 and 0: words only.
        word_ngrams: words in a row that make a feature.
        dimension: of the vectors.
        buckets: hash buckets of the n-grams; with `dimension` they are the size of the file.
        rate: learning rate at the start.
        most_epochs, fewest_epochs: passes over the titles; `work` decides between them.
        work: passes times titles times features, so that more titles get fewer passes.
    """

    shortest: int = 1
    longest: int = 4
    word_ngrams: int = 1
    dimension: int = 50
    buckets: int = 250_000
    rate: float = 0.2
    most_epochs: int = 50
    fewest_epochs: int = 5
    work: int = 100_000_000


class FastTextClassifier(RankingClassifier):
    """fastText's supervised model, one logistic loss a category. Satisfies `Classifier`."""

    name: ClassVar[str] = "fasttext"
    suffix: ClassVar[str] = ".bin"

    def __init__(self, model: Any, codes: Sequence[str], calibration: Calibration) -> None:
        """Args:
        model: fastText's, whose labels are `__label__<position in codes>`.
        codes: category codes, sorted.
        calibration: of the log odds.
        """
        self._model = model
        self._codes = list(codes)
        self._calibration = calibration

    @property
    def codes(self) -> Sequence[str]:
        return self._codes

    @classmethod
    def fit(
        cls,
        training: ibis.Table,
        bpe_path: Path,
        *,
        seed: int = 0,
        scratch: Path | None = None,
        options: FastTextOptions | None = None,
    ) -> Self:
        """See `Classifier.fit`. The titles lie in `scratch` as text while fastText reads them."""
        del bpe_path
        chosen = options or FastTextOptions()
        rows = training_rows(training)
        codes: list[str] = sorted(rows.select(CATEGORY).distinct().to_pyarrow().column(CATEGORY).to_pylist())

        def judge(model: Any, unseen: pd.DataFrame) -> Calibration:
            logits = _logits(model, [normal(title) for title in unseen[TITLE]], len(codes))
            return calibrate(unseen, codes, logits)

        def learn(rows: ibis.Table) -> Any:
            return _learn(learning_frame(rows, TRAIN), codes, chosen, seed, scratch)

        model, calibration = learn_calibrated(training, learn, judge)
        return cls(model, codes, calibration)

    def probabilities(self, titles: Sequence[str | None]) -> Probabilities:
        """See `Classifier.probabilities`."""
        if not titles:
            return np.empty((0, len(self._codes)), np.float32)
        texts = [normal(title) for title in titles]
        found = self._calibration.probabilities(_logits(self._model, texts, len(self._codes)))
        found[[not says_something(text) for text in texts]] = 0
        return found

    def save(self, path: Path) -> tuple[Path, ...]:
        """Write the model in fastText's own format, and what it lacks as JSON, each with a checksum."""
        with atomic_path(path) as temporary:
            self._model.save_model(str(temporary))
        about = _about_path(path)
        text = {"format": _FORMAT, "codes": self._codes, **self._calibration.as_json()}
        with atomic_file(about) as file:
            file.write(json.dumps(text, ensure_ascii=False).encode())
        return path, write_checksum(path), about, write_checksum(about)

    @classmethod
    def load(cls, path: Path, bpe_path: Path) -> Self:
        """See `Classifier.load`. fastText itself does not survive a damaged file: both checksums come first."""
        import fasttext

        del bpe_path
        about_path = _about_path(path)
        with verified(about_path, _AGAIN) as file:
            try:
                about = json.load(file)
                if about["format"] != _FORMAT:
                    raise ValueError(f"format {about['format']}")
                codes, calibration = [str(code) for code in about["codes"]], Calibration.from_json(about)
            except (ValueError, KeyError, TypeError) as error:
                raise CoupangAssetsError(
                    f"{about_path} is not of the fasttext classifier ({error}).", _AGAIN
                ) from error
        with verified(path, _AGAIN) as file:
            try:
                model = fasttext.load_model(str(path))
            except (ValueError, RuntimeError, MemoryError) as error:
                raise CoupangAssetsError(f"{path} is not a fastText model ({error}).", _AGAIN) from error
        known = {f"{_LABEL}{position}" for position in range(len(codes))}
        if not set(model.get_labels()) <= known:
            raise CoupangAssetsError(f"{path} and {about_path.name} are of different models.", _AGAIN)
        return cls(model, codes, calibration)

    def describe(self) -> Mapping[str, str | int | float]:
        """Kind of model, categories, words, size of the vectors."""
        return {
            "classifier": "fastText",
            "categories": len(self._codes),
            "words": len(self._model.get_words()),
            "dimension": self._model.get_dimension(),
        }


def _about_path(path: Path) -> Path:
    return path.with_suffix(".json")


def _learn(rows: pd.DataFrame, codes: Sequence[str], options: FastTextOptions, seed: int, scratch: Path | None) -> Any:
    import fasttext

    require_rows(rows)
    position = {code: index for index, code in enumerate(codes)}
    flat = len(codes) <= _MOST_FLAT_CATEGORIES
    epochs = options.work // (len(rows) * (_NGRAMS_A_TITLE + (len(codes) if flat else 0)))
    # Titles sorted by category would each be forgotten by the time the next category has been learned.
    shuffled = np.random.default_rng(seed).permutation(len(rows))
    titles, labels = rows[TITLE].to_numpy()[shuffled], rows[CATEGORY].map(position).to_numpy()[shuffled]
    with tempfile.TemporaryDirectory(prefix="fasttext-", dir=scratch) as folder:
        lines, model = Path(folder) / "titles.txt", Path(folder) / "model.bin"
        with lines.open("w", encoding="utf-8", errors="replace") as file:
            file.writelines(
                f"{_LABEL}{label} {normal(title).replace(_LABEL, '')}\n"
                for title, label in zip(titles, labels, strict=True)
            )
        try:
            train_apart(
                lines,
                model,
                {
                    "minn": options.shortest,
                    "maxn": options.longest,
                    "wordNgrams": options.word_ngrams,
                    "dim": options.dimension,
                    "bucket": max(options.buckets, FRESH_MEMORY_BYTES // (4 * options.dimension)),
                    "lr": options.rate,
                    "epoch": int(min(max(epochs, options.fewest_epochs), options.most_epochs)),
                    "loss": "ova" if flat else "hs",
                    "thread": 1,
                    "seed": seed,
                    "verbose": 0,
                },
            )
            return fasttext.load_model(str(model))
        except (RuntimeError, ValueError) as error:
            raise CoupangAssetsError(
                f"fastText cannot learn from these {len(rows):,} titles with {asdict(options)}: {error}",
                "Use a smaller learning rate.",
            ) from error


def _logits(model: Any, texts: list[str], categories: int) -> Any:
    """Log probability of each category, titles by position of the category."""
    found = np.full((len(texts), categories), np.log(_LEAST_PROBABILITY), np.float32)
    if not texts:
        return found
    labels, probabilities = model.predict(texts, k=categories)
    for row, (of_title, values) in enumerate(zip(labels, probabilities, strict=True)):
        if len(of_title):
            columns = [int(label[len(_LABEL) :]) for label in of_title]
            values = np.clip(values, _LEAST_PROBABILITY, 1 - _LEAST_PROBABILITY)
            found[row, columns] = np.log(values) - np.log1p(-values)
    return found
