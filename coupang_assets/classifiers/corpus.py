"""The titles a biterm model learns from, on disk in the order of learning (spec step 6).

Belongs here: titles as tokens, then as keys, batch by batch, and counting their pairs in the engine. Does not: which
tokens a title has (`title_tokens`), what is learned of the keys (`biterm_fit`).

The order follows from a hash of the titles, so that neither the order of the rows nor threads matter, and the first
titles are a random sample.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pyarrow as pa

from coupang_assets.classifiers.bpe import BpeTokenizer
from coupang_assets.classifiers.keys import KeySpace, pairs_of
from coupang_assets.classifiers.protocol import CATEGORY, TITLE, training_rows
from coupang_assets.classifiers.title_tokens import Ints, TitleEncoder, TitleTokens, TokenLists
from coupang_assets.engines.duckdb import DuckDBEngine
from coupang_assets.errors import CoupangAssetsError
from coupang_assets.settings import EngineSettings

_BATCH_TITLES = 25_000
_LISTS = ("pieces", "cuts", "grams")
_COUNTING_MEMORY = "1GB"


class Corpus:
    """Training titles as tokens.

    Attributes:
        codes: categories, sorted.
        labels: position of each title's category.
    """

    def __init__(self, training: ibis.Table, tokenizer: BpeTokenizer, seed: int, folder: Path) -> None:
        """Read the rows of split `train` and cut their titles into tokens.

        Args:
            folder: where the tokens lie; emptied by whoever made it.

        Raises:
            CoupangAssetsError: no training row, or a column is missing.
        """
        rows = training_rows(training)
        self._folder = folder
        self._tokens = len(tokenizer.tokens)
        self.codes: list[str] = (
            rows.select(CATEGORY).distinct().order_by(CATEGORY).to_pyarrow().column(CATEGORY).to_pylist()
        )
        if not self.codes:
            raise CoupangAssetsError(
                "The training set has no row of split 'train' with a title and a category.",
                "Check coupang_train of this month.",
            )
        position = {code: index for index, code in enumerate(self.codes)}
        order = (ibis.literal(f"{seed}:") + rows[TITLE]).hexdigest("md5")
        encoder = TitleEncoder(tokenizer)
        labels: list[Ints] = []
        for batch in rows.order_by(order, CATEGORY, TITLE).to_pyarrow_batches(chunk_size=_BATCH_TITLES):
            _save_tokens(self._path("tokens", len(labels)), encoder.encode(batch.column(TITLE)))
            labels.append(np.array([position[code] for code in batch.column(CATEGORY).to_pylist()], np.int64))
        self._sizes = [len(part) for part in labels]
        self.labels: Ints = np.concatenate(labels)

    def choose_keys(self, titles: int, min_titles: int, max_pairs: int) -> KeySpace:
        """All tokens, and the pairs in most titles.

        Args:
            titles: pairs are counted in about so many titles.
            min_titles: a pair in fewer of them is no key. One that a title has both in a word and across words counts
                twice.
            max_pairs: with more, those in fewest titles are left out, all with the same number of titles together.
        """
        schema = pa.schema({"pair": pa.int64()})

        def pairs() -> Iterator[pa.RecordBatch]:
            seen = 0
            for number, size in enumerate(self._sizes):
                if seen >= titles:
                    return
                seen += size
                _, first, second = pairs_of(_load_tokens(self._path("tokens", number)), self._tokens)
                yield pa.record_batch([pa.array(first * np.int64(self._tokens) + second)], schema=schema)

        engine = DuckDBEngine(EngineSettings(memory_limit=_COUNTING_MEMORY), self._folder)
        try:
            found = engine.read_stream(pa.RecordBatchReader.from_batches(schema, pairs()))
            counted = found.group_by("pair").agg(titles=found.count())
            counted = counted.filter(counted.titles >= min_titles).order_by(ibis.desc("titles")).limit(max_pairs + 1)
            table = counted.to_pyarrow()
        finally:
            engine.close()
        pair, count = table.column("pair").to_numpy(), table.column("titles").to_numpy()
        if len(pair) > max_pairs:
            pair = pair[count > count.min()]
        pair = np.sort(pair)
        return KeySpace(self._tokens, pair // self._tokens, pair % self._tokens)

    def to_keys(self, keys: KeySpace) -> None:
        """Turn the titles' tokens into their keys; the tokens are gone."""
        for number in range(len(self._sizes)):
            tokens = self._path("tokens", number)
            matrix = keys.matrix(_load_tokens(tokens))
            np.savez(self._path("keys", number), indptr=matrix.indptr, indices=matrix.indices.astype(np.int32))
            tokens.unlink()
        self._width = len(keys)

    def matrices(self) -> Iterator[tuple[Any, Ints]]:
        """Batches after `to_keys`: titles by keys (CSR, columns ascending, 1 where the title has the key), labels."""
        from scipy.sparse import csr_matrix

        start = 0
        for number, size in enumerate(self._sizes):
            with np.load(self._path("keys", number)) as stored:
                indptr, indices = stored["indptr"], stored["indices"]
            ones = np.ones(len(indices), np.float32)
            yield csr_matrix((ones, indices, indptr), shape=(size, self._width)), self.labels[start : start + size]
            start += size

    def _path(self, what: str, number: int) -> Path:
        return self._folder / f"{what}-{number}.npz"


def _save_tokens(path: Path, titles: TitleTokens) -> None:
    lists: list[TokenLists] = [getattr(titles, name) for name in _LISTS]
    np.savez(path, *(array for one in lists for array in (one.starts, one.tokens)))


def _load_tokens(path: Path) -> TitleTokens:
    with np.load(path) as stored:
        arrays = [stored[f"arr_{number}"] for number in range(2 * len(_LISTS))]
    return TitleTokens(*(TokenLists(*pair) for pair in zip(arrays[::2], arrays[1::2], strict=True)))
