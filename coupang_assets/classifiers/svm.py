"""TF-IDF of character n-grams and a linear SVM: the honest baseline.

Belongs here: features, learning with scikit-learn, and the model's file. Does not: other classifiers.

The file is a NumPy archive of plain arrays with a checksum beside it; nothing in it is executed when it is read.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import ibis
import numpy as np
import pandas as pd

from coupang_assets.classifiers.calibration import (
    Calibration,
    balanced_frame,
    calibrate,
    learn_calibrated,
    require_rows,
)
from coupang_assets.classifiers.checksum import verified, write_checksum
from coupang_assets.classifiers.protocol import CATEGORY, TITLE, TRAIN, Probabilities
from coupang_assets.classifiers.ranking import RankingClassifier
from coupang_assets.classifiers.words import normal, says_something
from coupang_assets.errors import CoupangAssetsError
from coupang_assets.files import atomic_file

_FORMAT = "coupang-assets svm 1"
_AGAIN = "Materialize svm_model for this month again, or restore the file from a backup."
_NGRAMS = (1, 4)
_COST = 1.0
# One-against-rest learns every title once a category. Beyond this product titles are left out, evenly by category, so
# that a baseline takes minutes, not days.
_TITLES_BY_CATEGORIES = 8_000_000
# Features times categories are the weights of the file, 4 bytes each.
_MAX_WEIGHTS = 50_000_000


@dataclass(frozen=True)
class _Weights:
    """What is learned: n-grams (sorted), their IDF, weights (n-grams by codes) and the intercept of each code."""

    ngrams: Sequence[str]
    idf: Any
    coefficients: Any
    intercepts: Any
    codes: Sequence[str]
    titles: int


class SvmClassifier(RankingClassifier):
    """scikit-learn's LinearSVC on TF-IDF of character 1- to 4-grams. Satisfies `Classifier`."""

    name: ClassVar[str] = "svm"
    suffix: ClassVar[str] = ".npz"

    def __init__(self, weights: _Weights, calibration: Calibration) -> None:
        self._weights = weights
        self._calibration = calibration
        self._vectorizer = _vectorizer(weights.ngrams, weights.idf)

    @property
    def codes(self) -> Sequence[str]:
        return self._weights.codes

    @classmethod
    def fit(cls, training: ibis.Table, bpe_path: Path, *, seed: int = 0, scratch: Path | None = None) -> Self:
        """See `Classifier.fit`. With many titles and categories it learns from a part of the titles, and says so."""
        del bpe_path, scratch
        return cls(*learn_calibrated(training, lambda rows: _learn(rows, seed), _judge))

    def probabilities(self, titles: Sequence[str | None]) -> Probabilities:
        """See `Classifier.probabilities`."""
        if not titles:
            return np.empty((0, len(self.codes)), np.float32)
        texts = [normal(title) for title in titles]
        features = self._vectorizer.transform(texts)
        found = self._calibration.probabilities(_logits(self._weights, features))
        found[(features.getnnz(axis=1) == 0) | [not says_something(text) for text in texts]] = 0
        return found

    def save(self, path: Path) -> tuple[Path, Path]:
        """Write the model and its checksum. Same model, same bytes."""
        weights = self._weights
        about = {"format": _FORMAT, "titles": weights.titles, **self._calibration.as_json()}
        with atomic_file(path) as file:
            np.savez_compressed(
                file,
                about=np.frombuffer(json.dumps(about).encode(), np.uint8),
                ngrams=np.array(weights.ngrams, dtype=f"<U{_NGRAMS[1]}"),
                codes=np.array(weights.codes, dtype=np.str_),
                idf=weights.idf,
                coefficients=weights.coefficients,
                intercepts=weights.intercepts,
            )
        return path, write_checksum(path)

    @classmethod
    def load(cls, path: Path, bpe_path: Path) -> Self:
        """See `Classifier.load`."""
        del bpe_path
        with verified(path, _AGAIN) as file:
            try:
                with np.load(file, allow_pickle=False) as arrays:
                    about = json.loads(arrays["about"].tobytes())
                    weights = _Weights(
                        arrays["ngrams"].tolist(),
                        arrays["idf"],
                        arrays["coefficients"],
                        arrays["intercepts"],
                        arrays["codes"].tolist(),
                        int(about["titles"]),
                    )
                    calibration = Calibration.from_json(about)
                    shape = (len(weights.ngrams), len(weights.codes))
                    if about["format"] != _FORMAT or weights.coefficients.shape != shape:
                        raise ValueError(f"format {about['format']}, {weights.coefficients.shape} weights")
            # A well-formed archive of something else fails in as many ways as a broken one.
            except (OSError, ValueError, KeyError, TypeError, EOFError, AttributeError, zipfile.BadZipFile) as error:
                raise CoupangAssetsError(f"{path} is not a model of the svm classifier ({error}).", _AGAIN) from error
        return cls(weights, calibration)

    def describe(self) -> Mapping[str, str | int | float]:
        """Kind of model, categories, features, titles learned from."""
        return {
            "classifier": "TF-IDF character n-grams + linear SVM",
            "categories": len(self._weights.codes),
            "features": len(self._weights.ngrams),
            "training_titles": self._weights.titles,
        }


def _vectorizer(ngrams: Sequence[str] | None = None, idf: Any = None) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer

    found = TfidfVectorizer(
        analyzer="char", ngram_range=_NGRAMS, sublinear_tf=True, lowercase=False, vocabulary=ngrams, dtype=np.float32
    )
    if idf is not None:
        found.idf_ = idf
    return found


def _learn(training: ibis.Table, seed: int) -> _Weights:
    from sklearn.svm import LinearSVC

    rows = balanced_frame(training, TRAIN, lambda categories: _TITLES_BY_CATEGORIES // categories)
    require_rows(rows)
    titles = [normal(title) for title in rows[TITLE]]
    codes, labels = np.unique(rows[CATEGORY].to_numpy(dtype=str), return_inverse=True)
    vectorizer = _vectorizer()
    vectorizer.set_params(max_features=max(1000, _MAX_WEIGHTS // len(codes)))
    try:
        features = vectorizer.fit_transform(titles)
    except ValueError:
        # No title has a character: a model that knows nothing.
        return _constant(codes.tolist(), len(titles))
    ngrams = vectorizer.get_feature_names_out().tolist()
    if len(codes) == 1:
        nothing = np.zeros((len(ngrams), 1), np.float32)
        return _Weights(ngrams, vectorizer.idf_, nothing, nothing[0], codes.tolist(), len(titles))
    learned = LinearSVC(C=_COST, random_state=seed).fit(features, labels)
    coefficients, intercepts = learned.coef_.T, learned.intercept_
    if len(codes) == 2:
        coefficients, intercepts = np.hstack([-coefficients, coefficients]), np.array([-intercepts[0], intercepts[0]])
    return _Weights(
        ngrams,
        vectorizer.idf_,
        np.ascontiguousarray(coefficients, np.float32),
        intercepts.astype(np.float32),
        codes.tolist(),
        len(titles),
    )


def _constant(codes: Sequence[str], titles: int) -> _Weights:
    # A vectorizer needs one n-gram; this one occurs in no normalised title.
    none = np.zeros((1, len(codes)), np.float32)
    return _Weights(["\n"], np.ones(1, np.float32), none, np.zeros(len(codes), np.float32), codes, titles)


def _logits(weights: _Weights, features: Any) -> Any:
    return features @ weights.coefficients + weights.intercepts


def _judge(weights: _Weights, rows: pd.DataFrame) -> Calibration:
    features = _vectorizer(weights.ngrams, weights.idf).transform([normal(title) for title in rows[TITLE]])
    return calibrate(rows, list(weights.codes), _logits(weights, features))
