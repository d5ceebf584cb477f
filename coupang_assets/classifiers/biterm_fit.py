"""How the biterm model learns its percents (spec step 6).

Belongs here: from titles to counts, from counts to percents. Does not: predicting and files (`biterm`).

A key is a token of a title, or an unordered pair of its distinct tokens (a biterm). Keys and categories are counted in
the engine, as integers, so that the counts do not depend on threads; the percents are computed here from the counts in
sorted order, so that neither do they.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeAlias

import ibis
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from coupang_assets.classifiers.bpe import BpeTokenizer
from coupang_assets.classifiers.protocol import CATEGORY, TITLE, training_rows
from coupang_assets.errors import CoupangAssetsError

# A title has about 15 distinct tokens; the limit keeps a 4,000-character title from having millions of pairs.
# Predicting must use the same limit.
MAX_TOKENS = 128
# In place of the second token of a key that is a single token; sorts before every token.
SINGLE = -1
_BATCH_TITLES = 50_000
# Key occurrences counted at a time: at worst, each distinct, 1 GiB in the engine.
_KEYS_A_PASS = 16_000_000
_DECIMALS = 1e6

Ints: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True)
class BitermOptions:
    """How percents are learned from counts. The percent of category c for key k is

        share(c | k) * n / (n + shrinkage) * informativeness(k) * (1 or pair_weight)

    with n the training titles that contain k. Defaults were chosen on the validation split of 36 categories of Korean
    product titles.

    Attributes:
        class_balance: 0 to 1. 0: share(c | k) is the share of category c among the titles with k. 1: each title counts
            by the inverse of its category's size, as if all categories had equally many titles; a category is then
            not preferred for being large.
        shrinkage: above 0, in titles. A key seen n times keeps n / (n + shrinkage) of its percents: one seen once
            says less than one seen often. Keeps the percents of a key below 1 in sum.
        informativeness: exponent, 0 or more, of 1 - H / log(categories), H the entropy of the key's (shrunk) share. A
            key that is spread evenly over the categories counts for nothing, one that belongs to a single category
            fully. 0 switches it off.
        pair_weight: 0 to 1, what a pair counts against a single token. A title of m tokens has m (m - 1) / 2 pairs,
            which would otherwise outvote its tokens.
        max_pairs: distinct pairs in the model. If there are more, those in fewest titles are left out, all pairs
            with the same number of titles together. Bounds the file and the memory of every reader.
        max_codes: categories of a key, those with the largest percents.
        min_percent: smaller percents are left out.
    """

    class_balance: float = 1.0
    shrinkage: float = 0.5
    informativeness: float = 1.0
    pair_weight: float = 0.5
    max_pairs: int = 2_000_000
    max_codes: int = 8
    min_percent: float = 0.005

    def __post_init__(self) -> None:
        for name in ("class_balance", "pair_weight", "min_percent"):
            if not 0 <= getattr(self, name) <= 1:
                raise CoupangAssetsError(f"The option {name} is {getattr(self, name)}.", "Give a number from 0 to 1.")
        for name in ("informativeness", "max_pairs"):
            if not getattr(self, name) >= 0:
                raise CoupangAssetsError(f"The option {name} is {getattr(self, name)}.", "Give a number of 0 or more.")
        if not self.shrinkage > 0:
            raise CoupangAssetsError(f"The option shrinkage is {self.shrinkage}.", "Give a number above 0.")
        if not self.max_codes >= 1:
            raise CoupangAssetsError(f"The option max_codes is {self.max_codes}.", "Give a number of 1 or more.")


@dataclass(frozen=True)
class PercentTable:
    """Percents as arrays, in the order (token, other, code).

    Attributes:
        token, other: rank of the key's tokens, one an entry; `other` is SINGLE or greater than `token`.
        code: position of the category in the sorted list of categories.
        percent: above 0, at most 1; sums to at most 1 for a key.
    """

    token: Ints
    other: Ints
    code: Ints
    percent: Floats


def learn(
    training: ibis.Table, tokenizer: BpeTokenizer, options: BitermOptions, scratch: Path | None = None
) -> tuple[list[str], PercentTable]:
    """The categories of the training titles, sorted, and the percents of their keys.

    Titles pass through in batches; what the engine needs twice lies as Parquet in a temporary folder below `scratch`
    (default: the system's), which needs about 1 kB a title. Held in memory: the result.

    Raises:
        CoupangAssetsError: no training row, or a column is missing.
    """
    rows = training_rows(training)
    connection = rows.get_backend()
    codes: list[str] = rows.select(CATEGORY).distinct().order_by(CATEGORY).to_pyarrow().column(CATEGORY).to_pylist()
    if not codes:
        raise CoupangAssetsError(
            "The training set has no row of split 'train' with a title and a category.",
            "Check coupang_train of this month.",
        )
    with tempfile.TemporaryDirectory(prefix="biterm-", dir=scratch) as folder:
        token_file = Path(folder) / "tokens.parquet"
        titles_of_code, occurrences = _write_tokens(rows, tokenizer, codes, token_file)
        count_files = []
        with _reading(connection, token_file) as tokens:
            for first, end in _token_ranges(occurrences):
                count_files.append(Path(folder) / f"counts-{first}.parquet")
                count_keys(tokens, first, end).to_parquet(count_files[-1])
        threshold = _pair_threshold(connection, count_files, options.max_pairs)
        table = percents(_sorted_counts(connection, count_files, threshold), titles_of_code, options)
    return codes, table


def count_keys(tokens: ibis.Table, first: int, end: int) -> ibis.Table:
    """In how many titles each key occurs with each category, for keys whose token is in first ... end - 1.

    Args:
        tokens: one row a title: code (int), tokens (array of int, ascending, distinct).

    Returns:
        An expression: token, other (SINGLE for a key of one token), code, titles (int64); unordered.
    """
    heads = tokens.mutate(title=tokens.tokens).unnest("tokens", offset="position")
    heads = heads.filter(heads.tokens >= first, heads.tokens < end)
    singles = heads.select("code", token=heads.tokens, other=ibis.literal(SINGLE, "int32"))
    pairs = heads.select("code", token=heads.tokens, other=heads.title[heads.position + 1 :].unnest())
    keys = singles.union(pairs)
    return keys.group_by("token", "other", "code").agg(titles=keys.count())


def percents(counts: Iterable[pa.RecordBatch], titles_of_code: Ints, options: BitermOptions) -> PercentTable:
    """Percents from counts.

    Args:
        counts: token, other, code, titles in that order of sorting; a key's rows may go over several batches.
        titles_of_code: training titles of each category.
    """
    parts = [_percents_of_block(*block, titles_of_code, options) for block in _whole_keys(counts)]
    if not parts:
        none = np.empty(0, np.int64)
        return PercentTable(none, none, none, np.empty(0, np.float64))
    token, other, code, percent = (np.concatenate(column) for column in zip(*parts, strict=True))
    return PercentTable(token, other, code, percent)


def _write_tokens(rows: ibis.Table, tokenizer: BpeTokenizer, codes: list[str], path: Path) -> tuple[Ints, Ints]:
    """Write code and tokens of every title; returns titles of each code, and keys that start with each token."""
    position = {code: index for index, code in enumerate(codes)}
    schema = pa.schema({"code": pa.int32(), "tokens": pa.list_(pa.int32())})
    titles_of_code = np.zeros(len(codes), np.int64)
    occurrences = np.zeros(len(tokenizer.tokens), np.int64)
    with pq.ParquetWriter(path, schema) as writer:
        for batch in rows.to_pyarrow_batches(chunk_size=_BATCH_TITLES):
            code = [position[value] for value in batch.column(CATEGORY).to_pylist()]
            tokens = tokenizer.distinct_tokens(batch.column(TITLE).to_pylist(), MAX_TOKENS)
            titles_of_code += np.bincount(code, minlength=len(codes))
            # The first of m tokens starts m keys: itself, and m - 1 pairs.
            first = [token for of_title in tokens for token in of_title]
            np.add.at(occurrences, first, [n for of_title in tokens for n in range(len(of_title), 0, -1)])
            writer.write_table(pa.table({"code": code, "tokens": tokens}, schema=schema))
    return titles_of_code, occurrences


def _token_ranges(occurrences: Ints) -> list[tuple[int, int]]:
    """Cut the tokens into ranges, first and end, of about `_KEYS_A_PASS` keys each, so that counting fits in memory."""
    passes = np.cumsum(occurrences) // _KEYS_A_PASS
    starts = [0, *(np.flatnonzero(np.diff(passes)) + 1).tolist()]
    return list(pairwise([*starts, len(occurrences)]))


@contextmanager
def _reading(connection: Any, path: Path) -> Iterator[ibis.Table]:
    """The Parquet file as a table of the engine, gone from the engine afterwards."""
    table = connection.read_parquet(path)
    try:
        yield table
    finally:
        connection.drop_view(table.get_name(), force=True)


def _pair_threshold(connection: Any, count_files: list[Path], max_pairs: int) -> int:
    """The smallest number of titles for which at most `max_pairs` pairs are in so many titles or more."""
    pairs_by_titles: Counter[int] = Counter()
    for file in count_files:
        with _reading(connection, file) as counts:
            totals = _pair_totals(counts)
            histogram = totals.group_by("total").agg(pairs=totals.count()).to_pyarrow().to_pydict()
            pairs_by_titles.update(dict(zip(histogram["total"], histogram["pairs"], strict=True)))
    threshold, pairs = 1, 0
    for titles in sorted(pairs_by_titles, reverse=True):
        pairs += pairs_by_titles[titles]
        if pairs > max_pairs:
            threshold = titles + 1
            break
    return threshold


def _sorted_counts(connection: Any, count_files: list[Path], threshold: int) -> Iterator[pa.RecordBatch]:
    """Counts of all single tokens and of the pairs in at least `threshold` titles, by token, other and code."""
    for file in count_files:
        with _reading(connection, file) as counts:
            kept = counts
            if threshold > 1:
                totals = _pair_totals(counts)
                frequent = totals.filter(totals.total >= threshold).select("token", "other")
                pairs = counts.semi_join(frequent, ["token", "other"])
                kept = counts.filter(counts.other == SINGLE).union(pairs)
            yield from kept.order_by("token", "other", "code").to_pyarrow_batches()


def _pair_totals(counts: ibis.Table) -> ibis.Table:
    pairs = counts.filter(counts.other != SINGLE)
    return pairs.group_by("token", "other").agg(total=pairs.titles.sum().cast("int64"))


def _whole_keys(counts: Iterable[pa.RecordBatch]) -> Iterator[tuple[Ints, Ints, Ints, Ints]]:
    """Blocks of columns that end where a key ends."""
    rest = [np.empty(0, np.int64)] * 4
    for batch in counts:
        columns = [
            np.concatenate([head, batch.column(name).to_numpy(zero_copy_only=False).astype(np.int64)])
            for head, name in zip(rest, ("token", "other", "code", "titles"), strict=True)
        ]
        starts = _key_starts(columns[0], columns[1])
        last = int(starts[-1]) if len(starts) else 0
        rest = [column[last:] for column in columns]
        if last:
            token, other, code, titles = (column[:last] for column in columns)
            yield token, other, code, titles
    if len(rest[0]):
        token, other, code, titles = rest
        yield token, other, code, titles


def _key_starts(token: Ints, other: Ints) -> Ints:
    changes = (token[1:] != token[:-1]) | (other[1:] != other[:-1])
    return np.flatnonzero(np.concatenate([np.ones(min(len(token), 1), bool), changes]))


def _percents_of_block(
    token: Ints, other: Ints, code: Ints, titles: Ints, titles_of_code: Ints, options: BitermOptions
) -> tuple[Ints, Ints, Ints, Floats]:
    categories = len(titles_of_code)
    starts = _key_starts(token, other)
    lengths = np.diff(np.append(starts, len(token)))
    key = np.repeat(np.arange(len(starts)), lengths)

    weight = (titles_of_code.sum() / (categories * titles_of_code)) ** options.class_balance
    weighted = titles * weight[code]
    seen = np.add.reduceat(titles, starts)
    trust = seen / (seen + options.shrinkage)
    shrunk = weighted / np.add.reduceat(weighted, starts)[key] * trust[key]

    # What shrinking took away is spread evenly over all categories, so that a rare key is never called certain.
    spread = (1 - trust) / categories
    smooth = shrunk + spread[key]
    entropy = -np.add.reduceat(smooth * np.log(smooth), starts) - (categories - lengths) * spread * np.log(spread)
    certainty = np.clip(1 - entropy / np.log(categories), 0, 1) if categories > 1 else np.ones(len(starts))
    vote = certainty**options.informativeness * np.where(other[starts] == SINGLE, 1, options.pair_weight)
    # Rounded down, so that rounding cannot lift a key's sum above 1.
    percent = np.floor(shrunk * vote[key] * _DECIMALS) / _DECIMALS

    best_first = np.lexsort((code, -percent, key))
    place = np.empty(len(token), np.int64)
    place[best_first] = np.arange(len(token)) - starts[key]
    keep = (percent >= options.min_percent) & (percent > 0) & (place < options.max_codes)
    return token[keep], other[keep], code[keep], percent[keep]
