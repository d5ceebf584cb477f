"""The keys of titles: tokens and biterms (contract section 5).

Belongs here: which keys a title has. Does not: which tokens it has (`title_tokens`), or what a key is worth.

A biterm is an unordered pair of a title's cuts, or of tokens that stand side by side in a word.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from coupang_assets.classifiers.title_tokens import Ints, TitleTokens, ascending


class KeySpace:
    """The keys of a model, numbered: first every token, by rank, then its pairs, in order.

    Attributes:
        tokens: number of tokens.
        first, second: tokens of the pairs, first < second, in ascending order.
    """

    def __init__(self, tokens: int, first: Ints, second: Ints) -> None:
        self.tokens = tokens
        self.first, self.second = first, second
        # A hash table, made when it is first asked: titles ask for pairs in no order.
        self._pairs = pd.Index(self._number(first, second))

    def __len__(self) -> int:
        return self.tokens + len(self._pairs)

    def matrix(self, titles: TitleTokens) -> Any:
        """Titles by keys, CSR, columns ascending; 1 where the title has the key."""
        from scipy.sparse import csr_matrix, hstack

        title, first, second = pairs_of(titles, self.tokens)
        place = self._pairs.get_indexer(pd.Index(self._number(first, second)))
        known = place >= 0
        # A pair may stand side by side in one word and apart in others.
        width = max(len(self._pairs), 1)
        found = ascending(title[known] * np.int64(width) + place[known])
        starts = np.searchsorted(found, np.arange(len(titles) + 1) * width)
        shape = (len(titles), len(self._pairs))
        pairs = csr_matrix((np.ones(len(found), np.float32), (found % width).astype(np.int32), starts), shape)
        both = hstack([titles.pieces.matrix(self.tokens), pairs], format="csr")
        # Sorted, so that a title's sums are added up in the same order whatever else is in the batch.
        both.sort_indices()
        return both

    def _number(self, first: Ints, second: Ints) -> Ints:
        return first * np.int64(self.tokens) + second


def pairs_of(titles: TitleTokens, tokens: int) -> tuple[Ints, Ints, Ints]:
    """Every biterm of every title: position of the title, first and second token, first < second.

    Args:
        tokens: number of tokens of the model.
    """
    lists = titles.cuts
    lengths = np.diff(lists.starts)
    grams = titles.grams.tokens.astype(np.int64)
    of_gram = np.repeat(np.arange(len(titles)), np.diff(titles.grams.starts))
    found = [(of_gram, grams // tokens, grams % tokens)]
    for length in np.unique(lengths[lengths > 1]).tolist():
        of_length = np.flatnonzero(lengths == length)
        ranks = lists.tokens[lists.starts[of_length][:, None] + np.arange(length)].astype(np.int64)
        left, right = np.triu_indices(length, 1)
        found.append((np.repeat(of_length, len(left)), ranks[:, left].ravel(), ranks[:, right].ravel()))
    title, first, second = (np.concatenate(column) for column in zip(*found, strict=True))
    return title, first, second
