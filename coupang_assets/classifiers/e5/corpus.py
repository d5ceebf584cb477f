"""Texts as tokens, on disk, and the order in which they are learned.

Belongs here: encoding a training table, batches. Does not: the tokenizer (`vocabulary`), the network.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import ibis.expr.types as ir
import numpy as np
import numpy.typing as npt

from coupang_assets.classifiers.e5.vocabulary import Vocabulary
from coupang_assets.classifiers.protocol import CATEGORY, TITLE

Ints = npt.NDArray[np.int64]

_ROWS = 8192
# Batches among which texts are sorted by length: enough to waste little padding, few enough to stay random.
_SORTED_BATCHES = 64


@dataclass(frozen=True)
class Corpus:
    """Labelled texts.

    Attributes:
        tokens: of all texts, one after the other; a file, not memory.
        start: of each text in `tokens`, and the end of the last.
        leaf: position of each text's category.
    """

    tokens: npt.NDArray[np.int32]
    start: Ints
    leaf: npt.NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.leaf)

    def text(self, number: int) -> npt.NDArray[np.int32]:
        """Tokens of one text."""
        return self.tokens[self.start[number] : self.start[number + 1]]

    @property
    def lengths(self) -> Ints:
        return np.diff(self.start)


def encode(rows: ir.Table, vocabulary: Vocabulary, leaves: Mapping[str, int], path: Path) -> Corpus:
    """Encode a table; 12 bytes of memory a text, tokens go to a file.

    Args:
        rows: ep_title, category4; a text that says nothing to the model, or is of another category, is left out.
        path: of the tokens; written anew.
    """
    lengths: list[Ints] = []
    labels: list[npt.NDArray[np.int32]] = []
    with path.open("wb") as file:
        for batch in rows.order_by([CATEGORY, TITLE]).to_pyarrow_batches(chunk_size=_ROWS):
            encoded = vocabulary.encode(batch.column(TITLE).to_pylist())
            places = [leaves.get(code, -1) for code in batch.column(CATEGORY).to_pylist()]
            kept = [(ids, place) for ids, place in zip(encoded, places, strict=True) if ids and place >= 0]
            for ids, _ in kept:
                file.write(np.asarray(ids, np.int32).tobytes())
            lengths.append(np.asarray([len(ids) for ids, _ in kept], np.int64))
            labels.append(np.asarray([place for _, place in kept], np.int32))
    every_length = np.concatenate([np.zeros(1, np.int64), *lengths])
    start = np.cumsum(every_length)
    tokens = np.memmap(path, np.int32, "r") if start[-1] else np.empty(0, np.int32)
    return Corpus(tokens, start, np.concatenate([np.empty(0, np.int32), *labels]))


def shuffled_batches(corpus: Corpus, size: int, seed: tuple[int, int]) -> list[Ints]:
    """The batches of one epoch, of texts of similar length (length bucketing). Same seed, same batches."""
    random = np.random.default_rng(seed)
    order = random.permutation(len(corpus))
    lengths = corpus.lengths
    cut: list[Ints] = []
    for first in range(0, len(order), size * _SORTED_BATCHES):
        window = order[first : first + size * _SORTED_BATCHES]
        window = window[np.argsort(lengths[window], kind="stable")]
        cut += [window[at : at + size] for at in range(0, len(window), size)]
    return [cut[number] for number in random.permutation(len(cut))]


def sorted_batches(lengths: Ints, size: int) -> Iterator[Ints]:
    """All texts in batches, longest first, so that what does not fit fails at once and little is padded."""
    order = np.argsort(-lengths, kind="stable")
    for first in range(0, len(order), size):
        yield order[first : first + size]
