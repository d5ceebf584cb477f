"""Tokenizers: trained, trimmed without loss, and what they refuse."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from coupang_assets.classifiers.e5.vocabulary import Vocabulary, size, train_definition, trim
from coupang_assets.errors import CoupangAssetsError

TITLES = ["촉촉한 매트 립스틱 wireless", "갤럭시 강화유리 keyboard 25"]


@pytest.fixture
def definition(weights: Path) -> str:
    return (weights / "tokenizer.json").read_text(encoding="utf-8")


def pieces(definition: str) -> list[str]:
    return [piece for piece, _ in json.loads(definition)["model"]["vocab"]]


def test_trimming_changes_no_segmentation_of_the_training_texts(definition: str) -> None:
    smaller, kept = trim(definition, [TITLES])
    before, after = Vocabulary(definition, 64), Vocabulary(smaller, 64)
    assert [[kept[number] for number in text] for text in after.encode(TITLES)] == before.encode(TITLES)


def test_trimming_changes_no_segmentation_of_korean_it_has_not_seen(definition: str) -> None:
    smaller, kept = trim(definition, [TITLES])
    unseen = ["햇곡 현미 찹쌀 10kg", "투명 케이스, 코랄 틴트!"]
    before, after = Vocabulary(definition, 64), Vocabulary(smaller, 64)
    assert [[kept[number] for number in text] for text in after.encode(unseen)] == before.encode(unseen)


def test_trimming_drops_other_scripts_and_foreign_words(definition: str) -> None:
    smaller, kept = trim(definition, [TITLES])
    left = set(pieces(smaller))
    assert size(smaller) == len(kept) < size(definition)
    assert not any("Р" <= character <= "я" or "Α" <= character <= "ω" for piece in left for character in piece)
    assert "京" not in "".join(left)
    assert {"<s>", "<pad>", "</s>", "<unk>", "<mask>", *"wirelskyboad"} <= left


def test_the_same_texts_give_the_same_tokenizer() -> None:
    assert train_definition(TITLES * 30, 100) == train_definition(TITLES * 30, 100)


def test_texts_are_cut_to_the_length_and_framed(definition: str) -> None:
    (tokens,) = Vocabulary(definition, 8).encode([" ".join(TITLES)])
    assert len(tokens) == 8
    assert (tokens[0], tokens[-1]) == (0, 2)


@pytest.mark.parametrize("text", ["", "   ", "🎁🎁"])
def test_what_says_nothing_has_no_tokens(definition: str, text: str) -> None:
    assert Vocabulary(definition, 8).encode([text]) == [[]]


@pytest.mark.parametrize("wrong", ["", "{}", "not json"])
def test_what_is_no_tokenizer_is_refused(wrong: str) -> None:
    with pytest.raises(CoupangAssetsError, match="cannot be read"):
        Vocabulary(wrong, 8)


def test_a_tokenizer_of_another_family_is_refused(definition: str) -> None:
    stored = json.loads(definition)
    stored["model"]["vocab"][1][0], stored["added_tokens"] = "[PAD]", []
    with pytest.raises(CoupangAssetsError, match="does not begin with"):
        Vocabulary(json.dumps(stored), 8)
