"""The month's BPE tokenizer (spec step 6), a sentencepiece model.

Belongs here: counting words, training the tokenizer, cutting titles into tokens. Does not: what tokens mean.

The normalisation of titles is stated once, in `NORMALISATION`, and is stored inside the model file, so that training
and every later prediction apply the same rule.
"""

from __future__ import annotations

import io
import itertools
import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import ibis

from coupang_assets.classifiers.protocol import TITLE, training_rows
from coupang_assets.errors import CoupangAssetsError
from coupang_assets.files import atomic_file

# sentencepiece's name for: Unicode NFKC (full-width and composed forms become one), case folding (`S25` is `s25`),
# tabs, newlines and the Unicode spaces become a space, most control characters vanish.
NORMALISATION = "nmt_nfkc_cf"

_BETWEEN_WORDS = r"[\s\p{Z}\p{C}]+"
# Longer runs without a space are no words; sentencepiece's trainer has a limit of its own on them.
_MAX_WORD_CHARACTERS = 256
_MAX_WORD_BYTES = 16_384
# In place of a space, and before the first word, in what sentencepiece gives.
SPACE = "\u2581"


@dataclass(frozen=True)
class BpeOptions:
    """How the tokenizer is trained.

    Attributes:
        vocab_size: tokens in the model; a corpus too small for it gives fewer.
        character_coverage: share of the corpus' characters that get a token of their own; the rest is unknown.
        required_chars: characters that always get a token, for the Latin letters and digits of model names that the
            coverage of a Korean corpus would drop. In normalised, that is lower, case.
        max_words: distinct words trained on, the most frequent first; bounds the trainer's memory.
    """

    vocab_size: int = 8_000
    character_coverage: float = 0.9995
    required_chars: str = string.ascii_lowercase + string.digits
    max_words: int = 300_000


def word_counts(training: ibis.Table) -> ibis.Table:
    """Words of the training titles and how often each occurs.

    Args:
        training: a training table (ep_title, category4, split); only split `train` counts.

    Returns:
        An expression: word (string, without spaces or control characters), count (int64); most frequent first, then
        by word.

    Raises:
        CoupangAssetsError: a column is missing.
    """
    rows = training_rows(training)
    words = rows.select(word=rows[TITLE].re_split(_BETWEEN_WORDS).unnest())
    words = words.filter(words.word != "")
    words = words.select(word=words.word.substr(0, _MAX_WORD_CHARACTERS))
    return words.group_by("word").agg(count=words.count()).order_by(ibis.desc("count"), "word")


def train_bpe(counts: ibis.Table, path: Path, options: BpeOptions | None = None) -> Path:
    """Train the tokenizer and write it to `path` atomically. Same counts and options, same bytes.

    Args:
        counts: what `word_counts` gives: word, count, in that order. Read in batches.
        path: the .model file.

    Raises:
        CoupangAssetsError: there is no word, or the options cannot be met.
    """
    from sentencepiece import SentencePieceTrainer

    options = options or BpeOptions()
    model = io.BytesIO()
    lines = _tsv_lines(counts.limit(options.max_words))
    first = next(lines, None)
    if first is None:
        raise CoupangAssetsError(
            "The training titles contain no word, so there is nothing to train a tokenizer on.",
            "Check the training set: it needs rows of split 'train' whose ep_title is not blank.",
        )
    try:
        # An iterator and a writer instead of paths, and one thread: the model file records all three.
        SentencePieceTrainer.train(
            sentence_iterator=itertools.chain([first], lines),
            input_format="tsv",
            model_writer=model,
            model_type="bpe",
            vocab_size=options.vocab_size,
            hard_vocab_limit=False,
            character_coverage=options.character_coverage,
            required_chars=options.required_chars,
            normalization_rule_name=NORMALISATION,
            max_sentence_length=_MAX_WORD_BYTES,
            bos_id=-1,
            eos_id=-1,
            num_threads=1,
            minloglevel=2,
        )
    except (RuntimeError, OSError, ValueError) as error:
        raise CoupangAssetsError(
            f"The BPE tokenizer cannot be trained with {options}: {error}",
            "Use a larger vocab_size or fewer required_chars.",
        ) from error
    with atomic_file(path) as file:
        file.write(model.getvalue())
    return path


class BpeTokenizer:
    """A trained tokenizer: its pieces, and how they were merged.

    Attributes:
        tokens: every token a title can have, sorted by code point; a token's rank is its position here. The unknown
            token is left out, as it says nothing about a title.
        longest: characters of the longest token.
    """

    def __init__(self, processor: Any) -> None:
        self._processor = processor
        pieces = [processor.id_to_piece(index) for index in range(processor.get_piece_size())]
        informative = [
            index for index in range(len(pieces)) if not (processor.is_unknown(index) or processor.is_control(index))
        ]
        self.tokens: list[str] = sorted(pieces[index] for index in informative)
        self.longest = max(map(len, self.tokens), default=1)
        self.ranks = {token: rank for rank, token in enumerate(self.tokens)}
        # A BPE model lists its pieces in the order in which they were merged, the characters last.
        self._merges = {pieces[index]: index for index in informative if len(pieces[index]) > 1}

    @classmethod
    def load(cls, path: Path) -> BpeTokenizer:
        """Read a .model file.

        Raises:
            CoupangAssetsError: the file is missing or is no sentencepiece model.
        """
        from sentencepiece import SentencePieceProcessor

        try:
            processor = SentencePieceProcessor()
            processor.LoadFromSerializedProto(path.read_bytes())
            return cls(processor)
        except FileNotFoundError as error:
            raise CoupangAssetsError(
                f"The BPE tokenizer {path} does not exist.", "Materialize bpe_tokenizer for this month."
            ) from error
        except (RuntimeError, ValueError, IndexError) as error:
            raise CoupangAssetsError(
                f"{path} is not a sentencepiece model, or is damaged.", "Materialize bpe_tokenizer again."
            ) from error

    def normalise(self, words: Sequence[str]) -> list[str]:
        """Words as the model sees them; a word that becomes several has `SPACE` between them, too."""
        normal: list[str] = self._processor.normalize(list(words))
        return normal

    def segment(self, word: str, merges: int) -> list[str]:
        """Cut a normalised word as a model of only the first `merges` merges would; fewer merges, shorter pieces."""
        parts = list(word)
        order = self._merges
        while len(parts) > 1:
            candidates = [order.get(left + right, merges) for left, right in pairwise(parts)]
            first = min(candidates)
            if first >= merges:
                break
            place = candidates.index(first)
            parts[place : place + 2] = [parts[place] + parts[place + 1]]
        return parts


def _tsv_lines(counts: ibis.Table) -> Iterator[str]:
    for batch in counts.to_pyarrow_batches():
        words, numbers = batch.column("word").to_pylist(), batch.column("count").to_pylist()
        for word, number in zip(words, numbers, strict=True):
            yield f"{word}\t{number}"
