"""The tokenizer: same bytes every time, Latin and digits kept, any title."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pandas as pd
import pytest

from coupang_assets.classifiers.bpe import BpeOptions, BpeTokenizer, train_bpe, word_counts
from coupang_assets.classifiers.title_tokens import TitleEncoder
from coupang_assets.errors import CoupangAssetsError
from coupang_assets_tests.classifiers.titles import made, table, training


def tokens_of(path: Path, title: str) -> list[str]:
    tokenizer = BpeTokenizer.load(path)
    return [tokenizer.tokens[rank] for rank in TitleEncoder(tokenizer).encode([title]).pieces.tokens]


def test_words_are_counted_by_frequency_then_alphabet() -> None:
    counts = word_counts(training("b a\tc", "a\u3000b\x00a\n", "  ", "")).to_pandas()
    assert counts.to_dict("list") == {"word": ["a", "b", "c"], "count": [3, 2, 1]}


def test_only_the_train_split_is_counted() -> None:
    rows = pd.DataFrame({"ep_title": ["seen", "hidden"], "category4": "0012", "split": ["train", "test"]})
    assert word_counts(table(rows)).to_pandas()["word"].tolist() == ["seen"]


def test_missing_column_is_named() -> None:
    with pytest.raises(CoupangAssetsError, match="split"):
        word_counts(table(made().drop(columns="split")))


def test_same_bytes_from_any_row_order_thread_count_and_folder(tmp_path: Path) -> None:
    rows = made()
    (tmp_path / "other").mkdir()
    one = train_bpe(word_counts(table(rows, threads=1)), tmp_path / "one.model")
    two = train_bpe(
        word_counts(table(rows.sample(frac=1, random_state=1), threads=4)), tmp_path / "other" / "two.model"
    )
    assert one.read_bytes() == two.read_bytes()
    assert str(tmp_path).encode() not in one.read_bytes()


def test_latin_and_digits_are_known_even_if_never_seen(tmp_path: Path) -> None:
    path = train_bpe(word_counts(training("현미 찹쌀")), tmp_path / "b.model")
    assert "".join(tokens_of(path, "KN30")).replace("\u2581", "") != ""
    assert set("kn30") <= set("".join(tokens_of(path, "KN30")))


def test_equal_titles_in_different_forms_have_equal_tokens(tmp_path: Path) -> None:
    path = train_bpe(word_counts(table(made())), tmp_path / "b.model")
    plain = tokens_of(path, "갤럭시 S25 케이스")
    assert plain
    assert tokens_of(path, unicodedata.normalize("NFD", "갤럭시 s25\n케이스")) == plain
    assert tokens_of(path, "갤럭시\u3000Ｓ２５\t케이스") == plain


@pytest.mark.parametrize("title", ["가", "a", "ABC", "😀", "1", "가" * 4000, "한 글 " * 1300, "a\tb\x00c"])
def test_tiny_corpora_train(tmp_path: Path, title: str) -> None:
    path = train_bpe(word_counts(training(title)), tmp_path / "b.model")
    assert BpeTokenizer.load(path).tokens


@pytest.mark.parametrize("titles", [[""], ["  \t"], ["\x00"]])
def test_no_word_at_all_is_a_clear_error_and_writes_nothing(tmp_path: Path, titles: list[str]) -> None:
    with pytest.raises(CoupangAssetsError, match="no word"):
        train_bpe(word_counts(training(*titles)), tmp_path / "b.model")
    assert not list(tmp_path.iterdir())


def test_impossible_options_keep_the_previous_model(tmp_path: Path) -> None:
    path = train_bpe(word_counts(training("현미")), tmp_path / "b.model")
    before = path.read_bytes()
    with pytest.raises(CoupangAssetsError, match="vocab_size=5"):
        train_bpe(word_counts(training("현미")), path, BpeOptions(vocab_size=5))
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("content", [b"", b"no model", b"\x00" * 500])
def test_damaged_model_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "b.model"
    path.write_bytes(content)
    with pytest.raises(CoupangAssetsError, match=r"b\.model"):
        BpeTokenizer.load(path)


def test_missing_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(CoupangAssetsError, match="does not exist"):
        BpeTokenizer.load(tmp_path / "b.model")
