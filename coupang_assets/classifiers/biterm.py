"""The biterm BPE classifier (spec step 6, contract section 5).

Belongs here: scoring titles with percents, and the model's files. Does not: how percents are learned (`biterm_fit`).

A biterm is an unordered pair of tokens of a title. Every token and every biterm of a title is a key that holds a
percent for some categories; a title's score for a category is the sum over its keys.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from coupang_assets.classifiers import safe_pickle
from coupang_assets.classifiers.biterm_fit import MAX_TOKENS, SINGLE, BitermOptions, Ints, PercentTable, learn
from coupang_assets.classifiers.bpe import BpeTokenizer
from coupang_assets.classifiers.protocol import Prediction
from coupang_assets.errors import CoupangAssetsError
from coupang_assets.files import atomic_file

_BATCH_TITLES = 2048
_ROW_GROUP = 250_000


class BitermClassifier:
    """Sum of percents over a title's tokens and token pairs. Satisfies `Classifier`."""

    def __init__(self, tokenizer: BpeTokenizer, codes: Sequence[str], table: PercentTable) -> None:
        """Args:
        tokenizer: whose tokens the ranks of `table` refer to.
        codes: category codes, sorted; the positions of `table.code` refer to them.
        table: percents, in the order of sorting that `PercentTable` states.
        """
        from scipy.sparse import csr_matrix

        self._tokenizer = tokenizer
        self._codes = list(codes)
        self._table = table
        # A key as one number, (token, other) in base `_stride`; SINGLE becomes 0 in the last place.
        self._stride = len(tokenizer.tokens) + 1
        numbers = table.token * self._stride + table.other + 1
        self._keys, starts = np.unique(numbers, return_index=True)
        self._percents = csr_matrix(
            (table.percent, table.code, np.append(starts, len(numbers))), shape=(len(self._keys), len(self._codes))
        )

    @classmethod
    def fit(
        cls, training: ibis.Table, bpe_path: Path, options: BitermOptions | None = None, scratch: Path | None = None
    ) -> Self:
        """Learn from the rows of split `train`. Same rows (in any order), tokenizer and options, same model.

        Args:
            training: ep_title, category4, split; its engine counts the keys.
            bpe_path: the month's tokenizer.
            scratch: folder for temporary files, default the system's; about 1 kB a title.

        Raises:
            CoupangAssetsError: no row to learn from, a missing column, a damaged tokenizer.
        """
        tokenizer = BpeTokenizer.load(bpe_path)
        return cls(tokenizer, *learn(training, tokenizer, options or BitermOptions(), scratch))

    def predict(self, titles: Sequence[str | None], top_k: int = 5) -> list[list[Prediction]]:
        """The best categories of each title; see `Classifier.predict`. A title without a known key gets none."""
        found: list[list[Prediction]] = []
        for start in range(0, len(titles), _BATCH_TITLES):
            found += self._predict_batch(titles[start : start + _BATCH_TITLES], top_k)
        return found

    def save(self, path: Path) -> tuple[Path, Path, Path]:
        """Write the model, each file atomically. Same model, same bytes.

        Args:
            path: the pickle, `….pickle`.

        Returns:
            The pickle, its checksum (`….pickle.sha256`), and the same table as Parquet (`….parquet`: key_a, key_b,
            code, percent; key_b is empty for a single token; sorted by the first three).
        """
        twin = path.with_suffix(".parquet")
        with atomic_file(twin) as file:
            self._write_parquet(file)
        pickle, checksum = safe_pickle.dump(self._entries(), path)
        return pickle, checksum, twin

    @classmethod
    def load(cls, path: Path, bpe_path: Path) -> Self:
        """Read a model: the pickle (after its checksum, without running anything in it) and the tokenizer.

        Raises:
            CoupangAssetsError: a file is missing, damaged or of another format, or the tokenizer is another month's.
        """
        percents = safe_pickle.load(path)
        tokenizer = BpeTokenizer.load(bpe_path)
        codes = sorted({code for of_key in percents.values() for code in of_key})
        rank = {token: index for index, token in enumerate(tokenizer.tokens)}
        rank[""] = SINGLE
        position = {code: index for index, code in enumerate(codes)}
        entries = [len(of_key) for of_key in percents.values()]
        try:
            token = np.repeat(np.fromiter((rank[a] for a, _ in percents), np.int64), entries)
            other = np.repeat(np.fromiter((rank[b] for _, b in percents), np.int64), entries)
        except KeyError as error:
            raise CoupangAssetsError(
                f"{path} uses the token {error.args[0]!r}, which the tokenizer {bpe_path} does not have.",
                "Use the tokenizer of the same month, or materialize both again.",
            ) from error
        code = np.fromiter((position[code] for of_key in percents.values() for code in of_key), np.int64)
        percent = np.fromiter((value for of_key in percents.values() for value in of_key.values()), np.float64)
        order = np.lexsort((code, other, token))
        return cls(tokenizer, codes, PercentTable(token[order], other[order], code[order], percent[order]))

    def describe(self) -> dict[str, str | int | float]:
        """Kind of model, categories, tokens, keys (single tokens and pairs) and percents."""
        singles = int((self._keys % self._stride == 0).sum())
        return {
            "classifier": "biterm BPE",
            "categories": len(self._codes),
            "tokens": len(self._tokenizer.tokens),
            "token_keys": singles,
            "pair_keys": len(self._keys) - singles,
            "percents": len(self._table.percent),
        }

    def _predict_batch(self, titles: Sequence[str | None], top_k: int) -> list[list[Prediction]]:
        from scipy.sparse import csr_matrix

        title, key = self._known_keys(self._tokenizer.distinct_tokens(titles, MAX_TOKENS))
        contains = csr_matrix((np.ones(len(key)), (title, key)), shape=(len(titles), len(self._keys)))
        # Sorted, so that a title's sums are added up in the same order whatever else is in the batch.
        contains.sort_indices()
        scores = contains @ self._percents
        found = []
        for start, end in zip(scores.indptr[:-1], scores.indptr[1:], strict=True):
            code, score = scores.indices[start:end], scores.data[start:end]
            by_code = np.argsort(code)
            total = score[by_code].sum()
            best = np.lexsort((code, -score))[:top_k]
            found.append([Prediction(self._codes[code[i]], float(score[i] / total)) for i in best])
        return found

    def _known_keys(self, tokens: list[list[int]]) -> tuple[Ints, Ints]:
        """Which keys of the model occur in which title: position of the title, position of the key."""
        by_length: dict[int, list[int]] = {}
        for index, of_title in enumerate(tokens):
            by_length.setdefault(len(of_title), []).append(index)
        titles: list[Any] = [np.empty(0, np.int64)]
        numbers: list[Any] = [np.empty(0, np.int64)]
        for length, indices in by_length.items():
            ranks = np.array([tokens[index] for index in indices], np.int64).reshape(len(indices), length)
            first, second = np.triu_indices(length, 1)
            of_length = np.concatenate(
                [ranks * self._stride, ranks[:, first] * self._stride + ranks[:, second] + 1], axis=1
            )
            titles.append(np.repeat(np.array(indices, np.int64), of_length.shape[1]))
            numbers.append(of_length.ravel())
        title, number = np.concatenate(titles), np.concatenate(numbers)
        if not len(self._keys):
            return title[:0], number[:0]
        place = np.minimum(np.searchsorted(self._keys, number), len(self._keys) - 1)
        known = self._keys[place] == number
        return title[known], place[known]

    def _key_text(self, token: int, other: int) -> tuple[str, str]:
        tokens = self._tokenizer.tokens
        return tokens[token], "" if other == SINGLE else tokens[other]

    def _entries(self) -> Iterator[tuple[tuple[str, str], dict[str, float]]]:
        starts = self._percents.indptr.tolist()
        codes = [self._codes[index] for index in self._percents.indices.tolist()]
        values = self._percents.data.tolist()
        for row, number in enumerate(self._keys.tolist()):
            token, other = divmod(number, self._stride)
            of_key = slice(starts[row], starts[row + 1])
            yield self._key_text(token, other - 1), dict(zip(codes[of_key], values[of_key], strict=True))

    def _write_parquet(self, file: Any) -> None:
        text = pa.string()
        schema = pa.schema({"key_a": text, "key_b": text, "code": text, "percent": pa.float64()})
        # Taken from the end by SINGLE, -1.
        tokens, codes = pa.array([*self._tokenizer.tokens, ""], text), pa.array(self._codes, text)
        table = self._table
        with pq.ParquetWriter(file, schema, compression="zstd") as writer:
            for start in range(0, len(table.percent), _ROW_GROUP):
                rows = slice(start, start + _ROW_GROUP)
                other = np.where(table.other[rows] == SINGLE, len(tokens) - 1, table.other[rows])
                columns = [
                    tokens.take(pa.array(table.token[rows])),
                    tokens.take(pa.array(other)),
                    codes.take(pa.array(table.code[rows])),
                    pa.array(table.percent[rows]),
                ]
                writer.write_table(pa.table(columns, schema=schema))
