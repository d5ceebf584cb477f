"""The biterm BPE classifier (spec step 6, contract section 5).

Belongs here: scoring titles with percents. Does not: how percents are learned (`biterm_fit`), or the model's files
(`biterm_files`).

Every token and every biterm of a title is a key that holds a percent for some categories; a title's score for a
category is the sum over its keys, and the best category is the one with the largest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import ibis
import numpy as np
import pandas as pd
import pyarrow as pa

from coupang_assets.classifiers import biterm_files
from coupang_assets.classifiers.biterm_fit import BitermOptions, Percents, learn
from coupang_assets.classifiers.bpe import BpeTokenizer
from coupang_assets.classifiers.calibration import Calibration, calibrate, learn_calibrated
from coupang_assets.classifiers.protocol import TITLE, Probabilities
from coupang_assets.classifiers.ranking import RankingClassifier
from coupang_assets.classifiers.sparse_product import dense_product
from coupang_assets.classifiers.title_tokens import TitleEncoder


class BitermClassifier(RankingClassifier):
    """Sum of percents over a title's tokens and token pairs. Satisfies `Classifier`."""

    name: ClassVar[str] = "biterm"
    suffix: ClassVar[str] = ".pickle"

    def __init__(self, tokenizer: BpeTokenizer, percents: Percents, calibration: Calibration | None) -> None:
        """Args:
        tokenizer: whose ranks are the tokens of `percents`.
        percents: what has been learned.
        calibration: of a title's scores. None: unknown; probabilities are then the shares of the title's whole score.
        """
        self._tokenizer = tokenizer
        self._encoder = TitleEncoder(tokenizer)
        self._percents = percents
        self._table = percents.table.astype(np.float32)
        # A key that has lost all its percents is not in the file, and must not count here either.
        self._says_something = (np.diff(percents.table.indptr) > 0).astype(np.float32)
        self._calibration = calibration

    @property
    def codes(self) -> Sequence[str]:
        return self._percents.codes

    @classmethod
    def fit(
        cls,
        training: ibis.Table,
        bpe_path: Path,
        *,
        seed: int = 0,
        scratch: Path | None = None,
        options: BitermOptions | None = None,
    ) -> Self:
        """See `Classifier.fit`."""
        tokenizer, chosen = BpeTokenizer.load(bpe_path), options or BitermOptions()
        percents, calibration = learn_calibrated(
            training,
            lambda rows: learn(rows, tokenizer, chosen, seed=seed, scratch=scratch),
            lambda found, rows: cls(tokenizer, found, None)._calibrate(rows),
        )
        return cls(tokenizer, percents, calibration)

    def probabilities(self, titles: Sequence[str | None]) -> Probabilities:
        """See `Classifier.probabilities`. A title without a known key gets a row of zeros."""
        scores, keys = self._scores(titles)
        if not scores.size:
            return scores
        if self._calibration is None:
            scores /= np.maximum(scores.sum(axis=1, keepdims=True), np.float32(1e-12))
        else:
            scores = self._calibration.probabilities(scores)
        scores[keys == 0] = 0
        return scores

    def save(self, path: Path) -> tuple[Path, ...]:
        """Write the model; see `biterm_files.write`."""
        return biterm_files.write(path, self._percents, self._tokenizer, self._calibration)

    @classmethod
    def load(cls, path: Path, bpe_path: Path) -> Self:
        """Read a model and its tokenizer; nothing in the files is run.

        Where no `….json` lies beside the pickle, scores are shares instead of probabilities.

        Raises:
            CoupangAssetsError: a file is missing, damaged or of another format, or the tokenizer is another month's.
        """
        tokenizer = BpeTokenizer.load(bpe_path)
        return cls(tokenizer, *biterm_files.read(path, bpe_path, tokenizer))

    def describe(self) -> Mapping[str, str | int | float]:
        """Kind of model, categories, tokens, keys (single tokens and pairs) and percents."""
        table, keys = self._percents.table, self._percents.keys
        used = np.diff(table.indptr) > 0
        return {
            "classifier": "biterm BPE",
            "categories": len(self.codes),
            "tokens": keys.tokens,
            "token_keys": int(used[: keys.tokens].sum()),
            "pair_keys": int(used[keys.tokens :].sum()),
            "percents": int(table.nnz),
        }

    def _scores(self, titles: Sequence[str | None] | pa.Array) -> tuple[Any, Any]:
        """Sums of percents over the root of the number of keys, titles by codes, and that number of each title."""
        found = self._percents.keys.matrix(self._encoder.encode(titles))
        keys = found @ self._says_something
        scores = dense_product(found, self._table)
        scores /= np.sqrt(np.maximum(keys, 1))[:, None]
        return scores, keys

    def _calibrate(self, rows: pd.DataFrame) -> Calibration:
        scores, _ = self._scores(rows[TITLE].tolist())
        return calibrate(rows, list(self.codes), scores)
