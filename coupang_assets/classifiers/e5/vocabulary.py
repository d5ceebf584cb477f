"""The model's pieces: its tokenizer, made small without loss.

Belongs here: reading, training and trimming XLM-RoBERTa tokenizers (Unigram, `tokenizer.json`), tokens of texts. Does
not: weights.
"""

from __future__ import annotations

import io
import json
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from coupang_assets.classifiers.e5.shapes import BEGIN, END, PAD, UNKNOWN
from coupang_assets.errors import CoupangAssetsError

_SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")
_MASK = "<mask>"
_SPACE = "▁"


class Vocabulary:
    """A tokenizer whose first pieces are `<s>`, `<pad>`, `</s>` and `<unk>`."""

    def __init__(self, definition: str, length: int) -> None:
        """Args:
            definition: a `tokenizer.json`.
            length: tokens a text has at most, `<s>` and `</s>` included.

        Raises:
            CoupangAssetsError: it is no tokenizer of an XLM-RoBERTa.
        """
        from tokenizers import Tokenizer

        try:
            tokenizer = Tokenizer.from_str(definition)
        except Exception as error:  # tokenizers raises bare Exception
            raise CoupangAssetsError(f"The tokenizer cannot be read: {error}", "Use the model's own files.") from error
        if tuple(tokenizer.id_to_token(number) for number in (BEGIN, PAD, END, UNKNOWN)) != _SPECIAL:
            raise CoupangAssetsError(
                f"The tokenizer does not begin with {', '.join(_SPECIAL)}, as those of XLM-RoBERTa do.",
                "Use a model of the multilingual-e5 family.",
            )
        tokenizer.no_padding()
        tokenizer.enable_truncation(max_length=length)
        self._tokenizer = tokenizer
        self._empty = {BEGIN, PAD, END, UNKNOWN, tokenizer.token_to_id(_SPACE)}

    def __len__(self) -> int:
        return int(self._tokenizer.get_vocab_size())

    @property
    def definition(self) -> str:
        """The `tokenizer.json`, which does not depend on the length."""
        stored = json.loads(self._tokenizer.to_str())
        stored["truncation"] = None
        return json.dumps(stored, ensure_ascii=False)

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Tokens of each text, `<s>` and `</s>` included; none for a text that says nothing to the model."""
        found: list[list[int]] = [encoding.ids for encoding in self._tokenizer.encode_batch_fast(list(texts))]
        return [ids if not self._empty.issuperset(ids) else [] for ids in found]


def load_definition(path: Path) -> str:
    """A `tokenizer.json` as text.

    Raises:
        CoupangAssetsError: it is not there.
    """
    if not path.exists():
        raise CoupangAssetsError(f"{path} is missing.", "Use a folder that holds the model and its tokenizer.json.")
    return path.read_text(encoding="utf-8")


def train_definition(texts: Iterable[str], size: int) -> str:
    """A new tokenizer of XLM-RoBERTa's kind, for a model that starts from nothing. Same texts, same tokenizer."""
    import sentencepiece
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

    target = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts), model_writer=target, model_type="unigram", vocab_size=size, num_threads=1,
        hard_vocab_limit=False, normalization_rule_name="nfkc", unk_id=0, bos_id=-1, eos_id=-1, pad_id=-1,
        input_sentence_size=200_000, shuffle_input_sentence=False, minloglevel=2,
    )  # fmt: skip
    pieces = sentencepiece.SentencePieceProcessor(model_proto=target.getvalue())
    scored = [(pieces.id_to_piece(number), pieces.get_score(number)) for number in range(1, len(pieces))]
    tokenizer = Tokenizer(models.Unigram([*((piece, 0.0) for piece in _SPECIAL), *scored, (_MASK, 0.0)], UNKNOWN))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", BEGIN), ("</s>", END)]
    )
    tokenizer.add_special_tokens([*_SPECIAL, _MASK])
    return str(tokenizer.to_str())


def trim(definition: str, texts: Iterable[Sequence[str]]) -> tuple[str, list[int]]:
    """The tokenizer without the pieces that Korean titles cannot use.

    What stays are the pieces of the given texts, all that are Hangul, digits and signs, and every single Latin letter.
    A removed piece was in no best segmentation of these texts and occurs in no purely Korean text, so that both are
    segmented as before; another text falls back to smaller pieces.

    Args:
        texts: those of the training set, in batches.

    Returns:
        The new tokenizer, and for each of its pieces the number it had.
    """
    from tokenizers import Tokenizer

    stored = json.loads(definition)
    pieces = [piece for piece, _ in stored["model"]["vocab"]]
    tokenizer = Tokenizer.from_str(definition)
    tokenizer.no_truncation()
    used = {BEGIN, PAD, END, UNKNOWN}
    for batch in texts:
        used.update(number for encoding in tokenizer.encode_batch_fast(list(batch)) for number in encoding.ids)
    named = {token["content"] for token in stored["added_tokens"]}
    kept = [
        number
        for number, piece in enumerate(pieces)
        if number in used or piece in named or _is_korean(piece) or (len(piece) == 1 and _is_latin(piece))
    ]
    place = {pieces[number]: new for new, number in enumerate(kept)}
    stored["model"]["vocab"] = [stored["model"]["vocab"][number] for number in kept]
    stored["added_tokens"] = [
        {**token, "id": place[token["content"]]} for token in stored["added_tokens"] if token["content"] in place
    ]
    return json.dumps(stored, ensure_ascii=False), kept


def batches(texts: Iterable[str], size: int = 4096) -> Iterator[list[str]]:
    """The texts in lists of at most `size`."""
    batch: list[str] = []
    for text in texts:
        batch.append(text)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _is_korean(piece: str) -> bool:
    return all(_kind(character) in ("hangul", "sign") for character in piece)


def _is_latin(piece: str) -> bool:
    return _kind(piece) == "latin"


def _kind(character: str) -> str:
    if "가" <= character <= "힣" or "ᄀ" <= character <= "ᇿ" or "ㄱ" <= character <= "ㆎ":
        return "hangul"
    if character == _SPACE or (character.isascii() and not character.isalpha()):
        return "sign"
    if unicodedata.category(character)[0] in "PSN" and unicodedata.name(character, "").split(" ")[0] != "CJK":
        return "sign"
    return "latin" if character.isascii() else "other"


def size(definition: str) -> int:
    """Pieces of a tokenizer."""
    return len(json.loads(definition)["model"]["vocab"])
