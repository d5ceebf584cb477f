"""Using a model: the specification's call, files, what is refused, and what is missing."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pytest

from coupang_assets.classifiers.e5 import weights as sources
from coupang_assets.classifiers.e5.classifier import CategoryClassifier, E5Classifier, tokenizer_path
from coupang_assets.classifiers.e5.onnx_export import export
from coupang_assets.classifiers.e5.text import product_text
from coupang_assets.classifiers.protocol import classifier_class
from coupang_assets.errors import CoupangAssetsError
from coupang_assets_tests.classifiers.e5.conftest import TOPS
from coupang_assets_tests.classifiers.e5.test_training import OPTIONS

TITLES = ["촉촉한 매트 립스틱 정품", "투명 케이스 갤럭시", "국산 현미 10kg 햇곡 특가 무료배송"]


@pytest.fixture(scope="module")
def saved(training: ibis.Table, weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "e5.safetensors"
    options = replace(OPTIONS, weights=str(weights))
    E5Classifier.fit(training, Path(), options=options, top_of=TOPS).save(path)
    return path


def test_a_product_is_classified_as_in_the_specification(saved: Path) -> None:
    found = CategoryClassifier(saved.parent).predict("촉촉한 매트 립스틱", manufacturer="어퓨", top_k=2)
    assert found[0].code == "0012"
    assert 1 <= len(found) <= 2
    assert 0.5 < found[0].score <= 1


def test_many_products_come_back_in_their_order(saved: Path) -> None:
    model = CategoryClassifier(saved)
    several = model.predict_many(TITLES, ["", "삼성", ""])
    assert [ranked[0].code for ranked in several] == ["0012", "0034", "0560"]
    alone = [model.predict(title, maker) for title, maker in zip(TITLES, ["", "삼성", ""], strict=True)]
    for together, single in zip(several, alone, strict=True):
        assert [one.code for one in together] == [one.code for one in single]
        assert [one.score for one in together] == pytest.approx([one.score for one in single], abs=1e-5)


def test_it_is_a_classifier_of_the_project(saved: Path) -> None:
    model = classifier_class("e5").load(saved, Path())
    assert list(model.codes) == ["0012", "0034", "0560"]
    probabilities = model.probabilities([*TITLES, None, "", "🎁", "\x00", "\ud800"])
    assert probabilities.dtype == np.float32
    assert probabilities[:3].sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert not probabilities[3:].any()
    assert model.predict(["", None], 3) == [[], []]


def test_what_is_saved_predicts_the_same(saved: Path, tmp_path: Path) -> None:
    model = E5Classifier.load(saved)
    again, _ = model.save(tmp_path / "again.safetensors")
    np.testing.assert_array_equal(E5Classifier.load(again).probabilities(TITLES), model.probabilities(TITLES))
    assert again.read_bytes() == saved.read_bytes()


def test_the_manufacturer_is_read_after_a_bar() -> None:
    assert product_text("에르고베이비  아기띠\n", "에르고베이비") == "에르고베이비 아기띠 | 에르고베이비"
    assert product_text("아기띠", "", "무게: 1kg") == "아기띠 | 무게: 1kg"
    assert product_text("아기띠") == "아기띠"
    assert product_text(None, None) == ""


def test_an_export_says_what_the_network_says(saved: Path, tmp_path: Path) -> None:
    model = E5Classifier.load(saved)
    assert model.network is not None
    texts = model.vocabulary.encode(TITLES * 5)
    made = export(model.network, texts, [0, 1, 2] * 5, tmp_path / "m.onnx", tmp_path)
    assert made.difference < 1e-4
    assert made.measured["int8"].size < made.measured["fp32"].size
    assert made.measured["fp32"].accuracy == made.measured["pytorch"].accuracy
    by_onnx = E5Classifier.load(saved, onnx=tmp_path / "m.onnx")
    np.testing.assert_allclose(by_onnx.probabilities(TITLES), model.probabilities(TITLES), atol=0.05)
    with pytest.raises(CoupangAssetsError, match="ONNX cannot be saved"):
        by_onnx.save(tmp_path / "x.safetensors")


@pytest.mark.parametrize("damage", [b"", b"junk" * 100])
def test_a_damaged_model_is_refused(saved: Path, tmp_path: Path, damage: bytes) -> None:
    broken = tmp_path / "e5.safetensors"
    broken.write_bytes(damage)
    tokenizer_path(broken).write_bytes(tokenizer_path(saved).read_bytes())
    with pytest.raises(CoupangAssetsError, match="damaged"):
        E5Classifier.load(broken)


def test_a_torn_model_is_refused(saved: Path, tmp_path: Path) -> None:
    broken = tmp_path / "e5.safetensors"
    broken.write_bytes(saved.read_bytes()[:-100])
    with pytest.raises(CoupangAssetsError, match="damaged"):
        E5Classifier.load(broken)


def test_a_tokenizer_that_is_not_the_models_is_refused(saved: Path, tmp_path: Path, weights: Path) -> None:
    copy = tmp_path / "e5.safetensors"
    copy.write_bytes(saved.read_bytes())
    tokenizer_path(copy).write_text((weights / "tokenizer.json").read_text().replace("립스틱", "립스탁"))
    with pytest.raises(CoupangAssetsError, match="not the tokenizer"):
        E5Classifier.load(copy)


def test_pretrained_weights_themselves_are_no_model_of_ours(weights: Path) -> None:
    with pytest.raises(CoupangAssetsError, match="no model of this program"):
        E5Classifier.load(weights / "model.safetensors")


def test_a_folder_must_hold_one_model(tmp_path: Path) -> None:
    with pytest.raises(CoupangAssetsError, match="holds 0 models"):
        CategoryClassifier(tmp_path)


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, training: ibis.Table) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if name == "torch" else found(name, *more)
    )
    with pytest.raises(CoupangAssetsError, match=r"not installed: torch.*\n.*pip install 'coupang-assets\[e5\]'"):
        E5Classifier.fit(training, Path(), options=OPTIONS)


def test_weights_that_are_nowhere_are_named_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub
    from huggingface_hub.errors import LocalEntryNotFoundError

    def no_hub(*arguments: Any, **named: Any) -> str:
        raise LocalEntryNotFoundError("offline")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", no_hub)
    with pytest.raises(CoupangAssetsError, match=r"neither in a local folder nor .* hub[\s\S]*COUPANG_E5__WEIGHTS"):
        sources.find("intfloat/multilingual-e5-base")


def test_a_folder_of_another_architecture_is_refused(tmp_path: Path, weights: Path) -> None:
    config = (weights / "config.json").read_text().replace('"xlm-roberta"', '"bert"')
    (tmp_path / "config.json").write_text(config)
    (tmp_path / "model.safetensors").write_bytes((weights / "model.safetensors").read_bytes())
    with pytest.raises(CoupangAssetsError, match="holds a bert"):
        sources.find(str(tmp_path))


def test_an_untrained_model_needs_no_weights(training: ibis.Table) -> None:
    model = E5Classifier.fit(training, Path(), options=replace(OPTIONS, weights="untrained", epochs=1))
    assert model.describe()["started from"] == "untrained"
    assert model.describe()["top categories"] == 0


def test_texts_longer_than_the_model_reads_are_refused(training: ibis.Table, weights: Path) -> None:
    with pytest.raises(CoupangAssetsError, match="at most 64 tokens, not 100"):
        E5Classifier.fit(training, Path(), options=replace(OPTIONS, weights=str(weights), length=100))


def test_without_a_gpu_a_gpu_is_not_promised(training: ibis.Table, weights: Path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(CoupangAssetsError, match="no CUDA device"):
        E5Classifier.fit(training, Path(), options=replace(OPTIONS, weights=str(weights), device="cuda"))
