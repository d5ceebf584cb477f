"""The biterm BPE classifier (spec step 6, contract section 5).

Belongs here: scoring titles with percents, and the model's files. Does not: how percents are learned (`biterm_fit`).

Every token and every biterm of a title is a key that holds a percent for some categories; a title's score for a
category is the sum over its keys, and the best category is the one with the largest.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar, Self

import ibis
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from coupang_assets.classifiers import safe_pickle
from coupang_assets.classifiers.biterm_fit import BitermOptions, Percents, learn
from coupang_assets.classifiers.bpe import BpeTokenizer
from coupang_assets.classifiers.calibration import Calibration, calibrate, learn_calibrated
from coupang_assets.classifiers.keys import KeySpace
from coupang_assets.classifiers.protocol import TITLE, Probabilities
from coupang_assets.classifiers.ranking import RankingClassifier
from coupang_assets.classifiers.sparse_product import dense_product
from coupang_assets.classifiers.title_tokens import TitleEncoder
from coupang_assets.errors import CoupangAssetsError
from coupang_assets.files import atomic_file

_FORMAT = "coupang-assets biterm 1"
_ROW_GROUP = 250_000


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
        """Write the model, each file atomically. Same model, same bytes.

        Args:
            path: the pickle, `….pickle`.

        Returns:
            The pickle, its checksum (`….pickle.sha256`), the same table as Parquet (`….parquet`: key_a, key_b, code,
            percent; key_b is empty for a single token; sorted by the first three), and what the pickle's format has no
            place for (`….json`: the calibration).
        """
        twin, about = path.with_suffix(".parquet"), path.with_suffix(".json")
        with atomic_file(twin) as file:
            self._write_parquet(file)
        with atomic_file(about) as file:
            file.write(
                json.dumps(
                    {"format": _FORMAT, "calibration": self._calibration and self._calibration.as_json()}
                ).encode()
            )
        pickle, checksum = safe_pickle.dump(self._entries(), path)
        return pickle, checksum, twin, about

    @classmethod
    def load(cls, path: Path, bpe_path: Path) -> Self:
        """Read a model: the pickle (after its checksum, without running anything in it) and the tokenizer.

        Where no `….json` lies beside the pickle, scores are shares instead of probabilities.

        Raises:
            CoupangAssetsError: a file is missing, damaged or of another format, or the tokenizer is another month's.
        """
        percents = safe_pickle.load(path)
        tokenizer = BpeTokenizer.load(bpe_path)
        return cls(tokenizer, _from_dictionary(percents, tokenizer, path, bpe_path), _calibration(path))

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

    def _entries(self) -> Iterator[tuple[tuple[str, str], dict[str, float]]]:
        """Keys and percents in the order of the keys' texts, which the ranks of tokens follow."""
        table, tokens = self._percents.table, self._tokenizer.tokens
        codes = [self.codes[index] for index in table.indices.tolist()]
        values, starts = table.data.tolist(), table.indptr.tolist()
        for row, first, second in self._rows_in_order():
            of_key = slice(starts[row], starts[row + 1])
            key = (tokens[first], "" if second < 0 else tokens[second])
            yield key, dict(zip(codes[of_key], values[of_key], strict=True))

    def _rows_in_order(self) -> list[tuple[int, int, int]]:
        """Row, first and second token (-1: none) of every key that has a percent, by first and second token."""
        keys = self._percents.keys
        first = np.concatenate([np.arange(keys.tokens), keys.first])
        second = np.concatenate([np.full(keys.tokens, -1), keys.second])
        order = np.lexsort((second, first))
        order = order[np.diff(self._percents.table.indptr)[order] > 0]
        return list(zip(order.tolist(), first[order].tolist(), second[order].tolist(), strict=True))

    def _write_parquet(self, file: Any) -> None:
        text = pa.string()
        schema = pa.schema({"key_a": text, "key_b": text, "code": text, "percent": pa.float64()})
        table = self._percents.table
        # Taken from the end by -1, no second token.
        tokens, codes = pa.array([*self._tokenizer.tokens, ""], text), pa.array(self.codes, text)
        rows, first, second = np.array(self._rows_in_order(), np.int64).reshape(-1, 3).T
        lengths = np.diff(table.indptr)[rows]
        ordered = table[rows]
        first, second = np.repeat(first, lengths), np.repeat(second % len(tokens), lengths)
        with pq.ParquetWriter(file, schema, compression="zstd") as writer:
            for start in range(0, ordered.nnz, _ROW_GROUP):
                part = slice(start, start + _ROW_GROUP)
                columns = [
                    tokens.take(pa.array(first[part])),
                    tokens.take(pa.array(second[part])),
                    codes.take(pa.array(ordered.indices[part])),
                    pa.array(ordered.data[part]),
                ]
                writer.write_table(pa.table(columns, schema=schema))


def _from_dictionary(
    percents: safe_pickle.PercentDict, tokenizer: BpeTokenizer, path: Path, bpe_path: Path
) -> Percents:
    from scipy.sparse import csr_matrix

    texts = list(chain.from_iterable(percents.values()))
    codes = sorted(set(texts))
    position = {code: index for index, code in enumerate(codes)}
    rank = {**tokenizer.ranks, "": -1}
    tokens = len(tokenizer.tokens)
    try:
        first = np.fromiter((rank[a] for a, _ in percents), np.int64, len(percents))
        second = np.fromiter((rank[b] for _, b in percents), np.int64, len(percents))
    except KeyError as error:
        raise CoupangAssetsError(
            f"{path} uses the token {error.args[0]!r}, which the tokenizer {bpe_path} does not have.",
            "Use the tokenizer of the same month, or materialize both again.",
        ) from error
    pair = second >= 0
    order = np.lexsort((second[pair], first[pair]))
    keys = KeySpace(tokens, first[pair][order], second[pair][order])
    row = first.copy()
    row[np.flatnonzero(pair)[order]] = tokens + np.arange(len(order))
    ends = np.cumsum(np.fromiter(map(len, percents.values()), np.int64, len(percents)))
    code = np.fromiter(map(position.__getitem__, texts), np.int64, len(texts))
    value = np.fromiter(chain.from_iterable(map(dict.values, percents.values())), np.float64, len(texts))
    # As the file has them, and after the last an empty row for keys that it does not have.
    nothing = len(percents)
    in_file = csr_matrix((value, code, np.concatenate([[0], ends, [len(texts)]])), shape=(nothing + 1, len(codes)))
    place = np.full(len(keys), nothing)
    place[row] = np.arange(nothing)
    table = in_file[place]
    table.sort_indices()
    return Percents(codes, keys, table)


def _calibration(path: Path) -> Calibration | None:
    about = path.with_suffix(".json")
    try:
        content = json.loads(about.read_text("utf-8"))
        if content["format"] != _FORMAT:
            raise ValueError(f"format {content['format']}")
        calibration = content["calibration"]
        return None if calibration is None else Calibration.from_json(calibration)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CoupangAssetsError(
            f"{about} is not of the biterm classifier ({error}).", "Delete it, or materialize btm_percent_dict again."
        ) from error
