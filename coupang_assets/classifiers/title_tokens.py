"""From titles to tokens, many titles at a time (spec step 6).

Belongs here: which tokens of the BPE model a title has. Does not: what they mean (`biterm`, `biterm_fit`).

A title's *pieces* are all tokens of the model that occur in one of its words, whatever the merge depth: single
characters, parts of words, words. Its *cuts* are the tokens into which the first merges of the model cut its words: few
and frequent enough that pairs of them say something. Its *grams* are, each as the two tokens it consists of, the short
parts of its words that are no token, the ends of its words (a token and the bare space), and what stands to both sides
of a space. All but the last are properties of a word, so each distinct word is looked at once, and titles are put
together from words by array operations.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from coupang_assets.classifiers.bpe import SPACE, BpeTokenizer

# Titles end at about 100 characters; what a careless seller writes after 200 does not change what the product is.
MAX_CHARACTERS = 200
# Longest part of a word that is a gram, and longest end of a word.
_GRAM_CHARACTERS = 4
_END_CHARACTERS = 3
# Characters on the left and on the right of a space that are a gram together.
_ACROSS_A_SPACE = ((1, 1), (2, 1), (1, 2))
_SIDE_CHARACTERS = 2
# Merges of the model that cut words for pairs.
CUT_MERGES = 6_000
# Distinct words remembered; beyond it the memory starts anew.
_REMEMBERED_WORDS = 2_000_000

Ints: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True)
class TokenLists:
    """A list of distinct tokens for each title, all lists in one array.

    Attributes:
        starts: where each title's tokens start, and the end of the last; one more than titles.
        tokens: ranks, ascending within a title; the smallest unsigned type that holds them.
    """

    starts: Ints
    tokens: Any

    def matrix(self, width: int) -> Any:
        """Titles by tokens, CSR; 1 where the title has the token."""
        from scipy.sparse import csr_matrix

        shape = (len(self.starts) - 1, width)
        return csr_matrix((np.ones(len(self.tokens), np.float32), self.tokens.astype(np.int32), self.starts), shape)


@dataclass(frozen=True)
class TitleTokens:
    """Tokens of titles.

    Attributes:
        pieces: tokens that occur in the title's words.
        cuts: tokens that the title's words are cut into.
        grams: pairs of tokens that stand side by side; the smaller rank times the number of tokens, plus the other.
    """

    pieces: TokenLists
    cuts: TokenLists
    grams: TokenLists

    def __len__(self) -> int:
        return len(self.pieces.starts) - 1


class TitleEncoder:
    """Finds the tokens of titles. Remembers words, so that titles of one shop are fast; not for several threads."""

    def __init__(self, tokenizer: BpeTokenizer) -> None:
        self.tokenizer = tokenizer
        self._forget()

    def encode(self, titles: Sequence[str | None] | pa.Array) -> TitleTokens:
        """Tokens of each title; a null title has none. What a title has does not depend on the others."""
        from scipy.sparse import csr_matrix

        words, lengths = self._words(_as_arrow(titles))
        ends = np.concatenate([[0], np.cumsum(lengths)])
        distinct, local = np.unique(words, return_inverse=True)
        of_title = csr_matrix((np.ones(len(local), np.int32), local, ends), shape=(len(lengths), len(distinct)))
        width = len(self.tokenizer.tokens)
        pieces = _distinct(of_title @ _rows(distinct, self._pieces, self._piece_starts))
        cuts = _distinct(of_title @ _rows(distinct, self._cuts, self._cut_starts))
        smallest = np.min_scalar_type(width)
        return TitleTokens(
            TokenLists(pieces.indptr.astype(np.int64), pieces.indices.astype(smallest)),
            TokenLists(cuts.indptr.astype(np.int64), cuts.indices.astype(smallest)),
            self._all_grams(of_title @ _rows(distinct, self._grams, self._gram_starts), words, lengths),
        )

    def _all_grams(self, inside: Any, words: Ints, lengths: Ints) -> TokenLists:
        """Grams of words, and those across the spaces between words.

        Args:
            inside: titles by numbers of grams, CSR.
            words: numbers of the titles' words.
            lengths: words of each title.
        """
        titles, width = len(lengths), len(self.tokenizer.ranks)
        title = [np.repeat(np.arange(titles), np.diff(inside.indptr))]
        pairs = [np.frombuffer(self._gram_pairs, np.int64)[inside.indices] if inside.nnz else np.empty(0, np.int64)]
        of_word = np.repeat(np.arange(titles), lengths)
        neighbours = np.flatnonzero(of_word[1:] == of_word[:-1])
        sides = (len(self._numbers), _SIDE_CHARACTERS)
        ends = np.frombuffer(self._ends, np.int32).reshape(sides)[words[neighbours]]
        beginnings = np.frombuffer(self._beginnings, np.int32).reshape(sides)[words[neighbours + 1]]
        for left, right in _ACROSS_A_SPACE:
            one, other = ends[:, left - 1].astype(np.int64), beginnings[:, right - 1].astype(np.int64)
            known = (one >= 0) & (other >= 0) & (one != other)
            title.append(of_word[neighbours[known]])
            pairs.append((np.minimum(one, other) * width + np.maximum(one, other))[known])
        # As one number each: titles of a call times pairs of tokens stay far below 2 ** 63.
        all_pairs = np.int64(width) * width
        found = ascending(np.concatenate(title) * all_pairs + np.concatenate(pairs))
        return TokenLists(
            np.searchsorted(found, np.arange(titles + 1) * all_pairs),
            (found % all_pairs).astype(np.min_scalar_type(all_pairs)),
        )

    def _words(self, titles: pa.Array) -> tuple[Ints, Ints]:
        """Number of each word of the titles in turn, and how many words each title has."""
        if len(self._numbers) > _REMEMBERED_WORDS:
            self._forget()
        lists = pc.utf8_split_whitespace(pc.utf8_slice_codeunits(pc.fill_null(titles, ""), 0, MAX_CHARACTERS))
        lengths = pc.list_value_length(lists).to_numpy(zero_copy_only=False).astype(np.int64)
        coded = pc.dictionary_encode(lists.flatten())
        vocabulary = coded.dictionary.to_pylist()
        numbers = list(map(self._numbers.get, vocabulary))
        if None in numbers:
            self._learn_words([word for word, number in zip(vocabulary, numbers, strict=True) if number is None])
            numbers = list(map(self._numbers.get, vocabulary))
        return np.array(numbers, np.int64)[coded.indices.to_numpy(zero_copy_only=False)], lengths

    def _learn_words(self, words: list[str]) -> None:
        ranks = self.tokenizer.ranks
        for word, normal in zip(words, self.tokenizer.normalise(words), strict=True):
            self._numbers[word] = len(self._numbers)
            parts = [part for part in normal.split(SPACE) if part]
            for part in parts:
                text = SPACE + part
                self._look_at_parts(text)
                cuts = self.tokenizer.segment(text, CUT_MERGES)
                self._cuts.extend(rank for cut in cuts if cut != SPACE and (rank := ranks.get(cut)) is not None)
            self._look_at_ends(parts)
            self._piece_starts.append(len(self._pieces))
            self._cut_starts.append(len(self._cuts))
            self._gram_starts.append(len(self._grams))

    def _look_at_parts(self, text: str) -> None:
        """Every part of a word is a piece, a gram, or nothing."""
        ranks, longest = self.tokenizer.ranks, max(self.tokenizer.longest, _GRAM_CHARACTERS)
        for start in range(len(text)):
            for end in range(start + 1, min(len(text), start + longest) + 1):
                part = text[start:end]
                if part == SPACE:
                    continue
                if (rank := ranks.get(part)) is not None:
                    self._pieces.append(rank)
                elif 1 < len(part) <= _GRAM_CHARACTERS and (pair := self._as_pair(part)) is not None:
                    self._grams.append(pair)

    def _look_at_ends(self, parts: list[str]) -> None:
        """What a word ends with is a gram together with the space; its sides are kept for grams across spaces."""
        ranks = self.tokenizer.ranks
        for part in parts:
            for length in range(1, min(len(part), _END_CHARACTERS) + 1):
                if (pair := self._gram(part[-length:], SPACE)) is not None:
                    self._grams.append(pair)
        first, last = (parts[0], parts[-1]) if parts else ("", "")
        for length in range(1, _SIDE_CHARACTERS + 1):
            self._beginnings.append(ranks.get(SPACE + first[:length], -1) if length <= len(first) else -1)
            self._ends.append(ranks.get(last[-length:], -1) if length <= len(last) else -1)

    def _as_pair(self, part: str) -> int | None:
        """Number of the gram that a part of a word is: its longest beginning that is a token, and the rest."""
        for cut in range(len(part) - 1, 0, -1):
            if part[:cut] != SPACE and (number := self._gram(part[:cut], part[cut:])) is not None:
                return number
        return None

    def _gram(self, one: str, other: str) -> int | None:
        """Number of the gram of two tokens; None if they are not two tokens."""
        ranks = self.tokenizer.ranks
        left, right = ranks.get(one), ranks.get(other)
        if left is None or right is None or left == right:
            return None
        pair = min(left, right) * len(ranks) + max(left, right)
        if (number := self._gram_numbers.get(pair)) is None:
            number = self._gram_numbers[pair] = len(self._gram_pairs)
            self._gram_pairs.append(pair)
        return number

    def _forget(self) -> None:
        self._numbers: dict[str, int] = {}
        self._gram_numbers: dict[int, int] = {}
        self._gram_pairs = array("q")
        # Of word number n: the tokens, and the grams, from its start to the start of the next word.
        self._pieces, self._cuts, self._grams = array("i"), array("i"), array("i")
        self._piece_starts, self._cut_starts, self._gram_starts = array("q", [0]), array("q", [0]), array("q", [0])
        # Tokens that the word begins or ends with, of 1, 2, … characters; -1 where there is none.
        self._beginnings, self._ends = array("i"), array("i")


def expand(starts: Ints, rows: Ints) -> tuple[Ints, Ints]:
    """Positions of all entries of CSR rows, one row after the other, and the number of entries of each."""
    lengths = starts[rows + 1] - starts[rows]
    ends = np.cumsum(lengths)
    positions = np.arange(ends[-1] if len(ends) else 0) + np.repeat(starts[rows] - (ends - lengths), lengths)
    return positions, lengths


def ascending(numbers: Ints) -> Ints:
    """The distinct numbers in order, as `np.unique`, which hashes them first and takes several times as long."""
    in_order = np.sort(numbers)
    return in_order[np.concatenate([[True], in_order[1:] != in_order[:-1]])] if len(in_order) else in_order


def _rows(words: Ints, flat: array[int], starts: array[int]) -> Any:
    """Words by what is in `flat`, CSR."""
    from scipy.sparse import csr_matrix

    positions, lengths = expand(np.frombuffer(starts, np.int64), words)
    found = np.frombuffer(flat, np.int32)[positions] if len(flat) else np.empty(0, np.int32)
    ends = np.concatenate([[0], np.cumsum(lengths)])
    width = int(found.max(initial=0)) + 1
    return csr_matrix((np.ones(len(found), np.int32), found, ends), shape=(len(words), width))


def _distinct(counts: Any) -> Any:
    counts.sort_indices()
    return counts


def _as_arrow(titles: Sequence[str | None] | pa.Array) -> pa.Array:
    if isinstance(titles, pa.Array):
        return titles
    try:
        return pa.array(titles, pa.string())
    except UnicodeEncodeError:
        # A lone surrogate is a legal Python string but has no UTF-8 form.
        clean = [title and title.encode("utf-8", "replace").decode("utf-8") for title in titles]
        return pa.array(clean, pa.string())
