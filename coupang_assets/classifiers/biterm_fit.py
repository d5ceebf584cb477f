"""How the biterm model learns its percents (spec step 6).

Belongs here: from training titles to percents. Does not: which keys a title has (`keys`, `title_tokens`), where titles
are meanwhile (`corpus`), how weights are optimised (`discriminative`), predicting and files (`biterm`).

Percents are learned discriminatively. What the format asks for is no handicap: adding a constant to a key's weight for
all categories, and scaling all weights, change no decision, so weights become percents by taking from each key the
weight it has for categories it never occurs with, and dividing by the largest sum of a key. All sums are in the order
of the corpus, so that neither files nor threads matter.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ibis
import numpy as np

from coupang_assets.classifiers.bpe import BpeTokenizer
from coupang_assets.classifiers.corpus import Corpus
from coupang_assets.classifiers.discriminative import Examples, Objective, optimise
from coupang_assets.classifiers.keys import KeySpace
from coupang_assets.classifiers.title_tokens import Ints
from coupang_assets.errors import CoupangAssetsError

_DECIMALS = 1e7


@dataclass(frozen=True)
class BitermOptions:
    """How percents are learned. Defaults were chosen on 36 categories of Korean product titles.

    Attributes:
        informativeness: exponent, 0 or more, of 1 - H / log(categories), H the entropy of a key's categories: how much
            less a key counts in learning that is spread over the categories. 0 switches it off.
        pair_weight: 0 to 1, what a pair counts in learning against a single token.
        counted_titles: titles in which pairs are counted, a random sample; more hardly change which are frequent.
        min_titles: a pair in fewer of these is no key: it would only be remembered with its title.
        max_pairs: pairs in the model; if there are more, those in fewest titles are left out, all pairs with the same
            number of titles together. Bounds the file and the memory of every reader.
        max_codes: categories of a key, those with the largest share of their titles.
        min_percent: smaller percents are left out.
    """

    informativeness: float = 0.4
    pair_weight: float = 0.85
    counted_titles: int = 500_000
    min_titles: int = 2
    max_pairs: int = 200_000
    max_codes: int = 64
    min_percent: float = 1e-4

    def __post_init__(self) -> None:
        for name in ("pair_weight", "min_percent"):
            if not 0 <= getattr(self, name) <= 1:
                raise CoupangAssetsError(f"The option {name} is {getattr(self, name)}.", "Give a number from 0 to 1.")
        for name in ("informativeness", "max_pairs"):
            if not getattr(self, name) >= 0:
                raise CoupangAssetsError(f"The option {name} is {getattr(self, name)}.", "Give a number of 0 or more.")
        for name in ("counted_titles", "max_codes", "min_titles"):
            if not getattr(self, name) >= 1:
                raise CoupangAssetsError(f"The option {name} is {getattr(self, name)}.", "Give a number of 1 or more.")


@dataclass(frozen=True)
class Percents:
    """What is learned.

    Attributes:
        codes: categories, sorted.
        keys: which keys there are.
        table: keys by codes, CSR with ascending columns; percents above 0 that sum to at most 1 for a key.
    """

    codes: list[str]
    keys: KeySpace
    table: Any


def learn(
    training: ibis.Table,
    tokenizer: BpeTokenizer,
    options: BitermOptions,
    objective: Objective | None = None,
    seed: int = 0,
    scratch: Path | None = None,
) -> Percents:
    """Percents from the rows of split `train`.

    Titles lie on disk meanwhile, about half a kilobyte each; held in memory are the result and the keys' counts.

    Args:
        scratch: folder for temporary files, default the system's.

    Raises:
        CoupangAssetsError: no training row, or a column is missing.
    """
    with tempfile.TemporaryDirectory(prefix="biterm-", dir=scratch) as folder:
        corpus = Corpus(training, tokenizer, seed, Path(folder))
        keys = corpus.choose_keys(options.counted_titles, options.min_titles, options.max_pairs)
        corpus.to_keys(keys)
        counts, titles_of_code = _count(corpus, keys)
        titles_of_key = np.asarray(counts.sum(axis=1)).ravel()
        scale = _feature_weights(counts, titles_of_key, titles_of_code, keys, options)
        allowed = _strongest(counts, titles_of_code, options.max_codes)
        examples = Examples(corpus.matrices, scale)
        weights = optimise(examples, len(corpus.labels), allowed, objective or Objective(), seed)
    return Percents(corpus.codes, keys, _as_percents(weights, scale, options.min_percent))


def _count(corpus: Corpus, keys: KeySpace) -> tuple[Any, Ints]:
    """Titles of each key and category (CSR), and of each category."""
    from scipy.sparse import csr_matrix

    counts = csr_matrix((len(keys), len(corpus.codes)), dtype=np.float32)
    for matrix, labels in corpus.matrices():
        rows = np.arange(len(labels))
        of_title = csr_matrix((np.ones(len(labels), np.float32), (rows, labels)), shape=(len(labels), counts.shape[1]))
        counts = counts + matrix.T.tocsr() @ of_title
    counts.sort_indices()
    return counts, np.bincount(corpus.labels, minlength=len(corpus.codes))


def _feature_weights(
    counts: Any, titles_of_key: Any, titles_of_code: Ints, keys: KeySpace, options: BitermOptions
) -> Any:
    """What each key counts in learning: IDF, informativeness, and less for a pair."""
    titles, categories = titles_of_code.sum(), len(titles_of_code)
    weight = np.log((1 + titles) / (1 + titles_of_key)) + 1
    weight[keys.tokens :] *= options.pair_weight
    if categories > 1:
        smooth = 0.02
        total = titles_of_key + smooth * categories
        share = (counts.data + smooth) / np.repeat(total, np.diff(counts.indptr))
        entropy = -np.bincount(
            np.repeat(np.arange(len(total)), np.diff(counts.indptr)), share * np.log(share), minlength=len(total)
        )
        rest = smooth / total
        entropy -= (categories - np.diff(counts.indptr)) * rest * np.log(rest)
        weight *= np.clip(1 - entropy / np.log(categories), 1e-3, 1) ** options.informativeness
    return weight.astype(np.float32)


def _strongest(counts: Any, titles_of_code: Ints, max_codes: int) -> Any:
    """The entries that get a percent: of each key the `max_codes` categories in whose titles it is most frequent."""
    from scipy.sparse import csr_matrix

    lengths = np.diff(counts.indptr)
    if not len(lengths) or lengths.max() <= max_codes:
        return counts
    key = np.repeat(np.arange(len(lengths)), lengths)
    share = counts.data / titles_of_code[counts.indices]
    best_first = np.lexsort((counts.indices, -share, key))
    place = np.empty(len(key), np.int64)
    place[best_first] = np.arange(len(key)) - np.repeat(counts.indptr[:-1].astype(np.int64), lengths)
    kept = place < max_codes
    ends = np.concatenate([[0], np.cumsum(kept)])[counts.indptr]
    return csr_matrix((counts.data[kept], counts.indices[kept], ends), shape=counts.shape)


def _as_percents(weights: Any, scale: Any, min_percent: float) -> Any:
    """Weights of scaled keys (CSR, 0 or more) as percents of plain keys."""
    found = weights.astype(np.float64)
    found.data *= np.repeat(scale.astype(np.float64), np.diff(found.indptr))
    largest = np.asarray(found.sum(axis=1)).max(initial=0)
    if largest > 0:
        # Rounded down, so that rounding cannot lift a key's sum above 1.
        found.data = np.floor(found.data / largest * _DECIMALS) / _DECIMALS
    found.data[found.data < min_percent] = 0
    found.eliminate_zeros()
    return found
