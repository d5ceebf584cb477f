"""What every classifier promises, checked of each of them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from coupang_assets.classifiers import checksum
from coupang_assets.classifiers.bpe import train_bpe, word_counts
from coupang_assets.classifiers.protocol import CLASSIFIERS, Classifier, classifier_class
from coupang_assets.classifiers.ranking import top
from coupang_assets.errors import CoupangAssetsError
from coupang_assets_tests.classifiers.titles import WORDS, made, table

NOTHING = ["", " ", "😀", "\x00", None, "\ud800"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    train_bpe(word_counts(table(with_valid())), folder / "b.model")
    return folder


@pytest.fixture(scope="module", params=CLASSIFIERS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def model(name: str, folder: Path) -> Classifier:
    return classifier_class(name).fit(table(with_valid()), folder / "b.model", scratch=folder)


@pytest.fixture(scope="module")
def saved(name: str, folder: Path, model: Classifier) -> tuple[Path, ...]:
    return model.save(folder / name / f"m{model.suffix}")


def with_valid() -> pd.DataFrame:
    rows = made(60)
    rows.loc[rows.index % 7 == 3, "split"] = "valid"
    return rows


def test_it_knows_its_name_and_categories(name: str, model: Classifier) -> None:
    assert (model.name, list(model.codes)) == (name, sorted(WORDS))
    assert model.describe()["categories"] == len(WORDS)


def test_held_out_titles_are_recognised(model: Classifier) -> None:
    rows = made(60).query("split == 'test'")
    assert [found[0].code for found in model.predict(rows["ep_title"].tolist())] == rows["category4"].tolist()


def test_probabilities_are_probabilities_and_ranked(model: Classifier) -> None:
    titles = ["갤럭시 립스틱 현미 특가", "현미 10kg", "코랄 틴트"]
    probabilities = model.probabilities(titles)
    assert probabilities.shape == (3, len(model.codes)) and (probabilities >= 0).all()
    assert probabilities.sum(axis=1) == pytest.approx(np.ones(3), abs=1e-5)
    for row, found in zip(probabilities, model.predict(titles, top_k=9), strict=True):
        assert [p.score for p in found] == sorted((float(x) for x in row if x > 0), reverse=True)


@pytest.mark.parametrize("title", NOTHING)
def test_a_title_that_says_nothing_gets_no_prediction(model: Classifier, title: str | None) -> None:
    assert model.predict([title, "현미"])[0] == []
    assert not model.probabilities([title]).any()


def test_alone_or_in_a_batch_the_answer_is_the_same(model: Classifier) -> None:
    titles = [*made()["ep_title"].tolist()[:30], "iPhone 15 PRO", "😀 현미", "현미 " * 900]
    assert model.predict(titles) == [model.predict([title])[0] for title in titles]
    assert model.predict([]) == []


def test_what_is_saved_is_what_is_loaded(saved: tuple[Path, ...], folder: Path, model: Classifier, name: str) -> None:
    loaded = classifier_class(name).load(saved[0], folder / "b.model")
    titles = made()["ep_title"].tolist()
    assert loaded.predict(titles) == model.predict(titles)
    assert dict(loaded.describe()) == dict(model.describe())
    assert all(file.parent == saved[0].parent for file in saved)


def test_same_rows_in_any_order_same_files(saved: tuple[Path, ...], folder: Path, name: str) -> None:
    shuffled = table(with_valid().sample(frac=1, random_state=5), threads=4)
    again = classifier_class(name).fit(shuffled, folder / "b.model").save(folder / f"{name}-again" / saved[0].name)
    assert [_digest(file) for file in again] == [_digest(file) for file in saved]


def test_a_changed_main_file_is_refused(saved: tuple[Path, ...], folder: Path, name: str, tmp_path: Path) -> None:
    for file in saved:
        (tmp_path / file.name).write_bytes(file.read_bytes())
    main = tmp_path / saved[0].name
    main.write_bytes(main.read_bytes()[:-1] + b"!")
    with pytest.raises(CoupangAssetsError, match="does not match its checksum"):
        classifier_class(name).load(main, folder / "b.model")


def test_another_format_is_refused_even_with_a_checksum(
    name: str, saved: tuple[Path, ...], folder: Path, tmp_path: Path
) -> None:
    for file in saved:
        (tmp_path / file.name).write_bytes(file.read_bytes())
    main = tmp_path / saved[0].name
    main.write_bytes(b'{"format": "something else"}')
    checksum.write_checksum(main)
    with pytest.raises(CoupangAssetsError, match="is not"):
        classifier_class(name).load(main, folder / "b.model")


def test_a_missing_model_is_named(name: str, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(CoupangAssetsError, match="does not exist"):
        classifier_class(name).load(tmp_path / "m.bin", folder / "b.model")


@pytest.mark.parametrize(
    "rows",
    [
        pd.DataFrame({"ep_title": ["현미", "현미 10kg"], "category4": "0012", "split": "train"}),
        pd.DataFrame({"ep_title": ["현미", "현미 10kg", "립스틱"], "category4": ["1", "1", "2"], "split": "train"}),
        pd.DataFrame({"ep_title": ["galaxy s25", "rice 10kg", "lip tint"], "category4": list("123"), "split": "train"}),
    ],
    ids=["one category", "a category with one title", "latin only"],
)
def test_small_training_sets_give_a_model(name: str, rows: pd.DataFrame, tmp_path: Path) -> None:
    train_bpe(word_counts(table(rows)), tmp_path / "b.model")
    fitted = classifier_class(name).fit(table(rows), tmp_path / "b.model")
    files = fitted.save(tmp_path / f"m{fitted.suffix}")
    loaded = classifier_class(name).load(files[0], tmp_path / "b.model")
    titles = rows["ep_title"].tolist()
    assert all(len(found) >= 1 for found in loaded.predict(titles))
    assert loaded.predict(titles) == fitted.predict(titles)


def test_no_training_row_is_a_clear_error(name: str, folder: Path) -> None:
    with pytest.raises(CoupangAssetsError, match="no row of split 'train'"):
        classifier_class(name).fit(table(made().assign(split="test")), folder / "b.model")


def test_an_unknown_classifier_is_named() -> None:
    with pytest.raises(CoupangAssetsError, match="bert"):
        classifier_class("bert")


def test_ties_fall_to_the_smaller_code_however_many_there_are() -> None:
    table_of_ties = np.zeros((2, 40), np.float32)
    table_of_ties[0, [5, 9, 30]] = 0.25
    table_of_ties[0, 7] = 0.5
    table_of_ties[1, 3] = 1
    for width in (1, 2, 4, 40):
        found = top(table_of_ties, width)
        assert found.code[0].tolist() == [7, 5, 9, 30, *[-1] * 36][:width]
        assert found.code[1].tolist() == [3, *[-1] * 39][:width]
        assert (found.score[found.code < 0] == 0).all()


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
