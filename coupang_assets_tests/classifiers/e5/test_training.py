"""Training: it learns, it goes on after a kill, and every means of saving memory does what it says."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pandas as pd
import pytest
import torch

from coupang_assets.classifiers.e5 import checkpoints, network, training
from coupang_assets.classifiers.e5.classifier import E5Classifier
from coupang_assets.classifiers.e5.corpus import Corpus, shuffled_batches
from coupang_assets.classifiers.e5.hierarchy import Tree
from coupang_assets.classifiers.e5.options import E5Options
from coupang_assets.classifiers.e5.planner import Means
from coupang_assets.classifiers.e5.preparation import apply
from coupang_assets.classifiers.e5.shapes import EncoderShape
from coupang_assets_tests.classifiers.e5.conftest import TOPS

OPTIONS = E5Options(batch=8, accumulation=2, length=24, epochs=4, learning_rate=3e-3, device="cpu")
SHAPE = EncoderShape(60, 16, 2, 2, 32, 20)


class Killed(BaseException):
    """Stands in for the process' end."""


def digest(model: E5Classifier, folder: Path) -> str:
    folder.mkdir(exist_ok=True)
    files = model.save(folder / "m.safetensors")
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def fit(table: ibis.Table, weights: Path, **more: Any) -> E5Classifier:
    options = replace(OPTIONS, weights=str(weights))
    return E5Classifier.fit(table, Path(), **{"options": options, "top_of": TOPS} | more)


@pytest.fixture
def model(training: ibis.Table, weights: Path) -> E5Classifier:
    return fit(training, weights)


def test_it_learns_and_early_epochs_are_told(training: ibis.Table, weights: Path, rows: pd.DataFrame) -> None:
    told: list[Any] = []
    model = fit(training, weights, on_epoch=told.append)
    test = rows[rows["split"] == "test"]
    best = [ranked[0].code for ranked in model.predict(test["ep_title"].tolist(), 1)]
    assert np.mean(np.array(best) == test["category4"].to_numpy()) > 0.8
    assert [epoch.epoch for epoch in told] == list(range(1, len(told) + 1))
    assert told[-1].loss < told[0].loss
    assert model.describe()["validation accuracy"] == max(round(epoch.accuracy, 4) for epoch in told)


def test_the_same_rows_in_any_order_give_the_same_bytes(
    model: E5Classifier, rows: pd.DataFrame, weights: Path, tmp_path: Path
) -> None:
    shuffled = ibis.duckdb.connect(threads=1).create_table("t", rows.sample(frac=1, random_state=3))
    assert digest(fit(shuffled, weights), tmp_path / "a") == digest(model, tmp_path / "b")


def test_another_seed_gives_another_model(
    model: E5Classifier, training: ibis.Table, weights: Path, tmp_path: Path
) -> None:
    assert digest(fit(training, weights, seed=1), tmp_path / "a") != digest(model, tmp_path / "b")


def test_killed_between_epochs_it_goes_on_to_the_same_bytes(
    model: E5Classifier, training: ibis.Table, weights: Path, tmp_path: Path
) -> None:
    def kill(epoch: Any) -> None:
        if epoch.epoch == 2:
            raise Killed

    with pytest.raises(Killed):
        fit(training, weights, checkpoints=tmp_path / "c", on_epoch=kill)
    told: list[int] = []
    resumed = fit(training, weights, checkpoints=tmp_path / "c", on_epoch=lambda epoch: told.append(epoch.epoch))
    assert told[:2] == [1, 2], "what was before the kill is told again"
    assert digest(resumed, tmp_path / "a") == digest(model, tmp_path / "b")


def test_killed_within_an_epoch_it_goes_on_to_the_same_bytes(
    training: ibis.Table, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = replace(OPTIONS, weights=str(weights), checkpoint_steps=1)
    expected = digest(fit(training, weights, options=options), tmp_path / "a")
    saved = checkpoints.save
    calls = 0

    def save(*arguments: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 4:
            raise Killed
        saved(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(checkpoints, "save", save)
        with pytest.raises(Killed):
            fit(training, weights, options=options, checkpoints=tmp_path / "c")
    assert checkpoints.read_state(tmp_path / "c" / "checkpoint.safetensors")["step"] == 3
    resumed = fit(training, weights, options=options, checkpoints=tmp_path / "c")
    assert digest(resumed, tmp_path / "b") == expected


def test_a_checkpoint_of_another_training_is_not_gone_on_from(
    model: E5Classifier, training: ibis.Table, weights: Path, tmp_path: Path
) -> None:
    fit(training, weights, seed=5, checkpoints=tmp_path / "c")
    assert digest(fit(training, weights, checkpoints=tmp_path / "c"), tmp_path / "a") == digest(model, tmp_path / "b")


def corpus(texts: int = 40) -> Corpus:
    random = np.random.default_rng(0)
    lengths = random.integers(3, 12, texts)
    leaf = random.integers(0, 2, texts).astype(np.int32)
    tokens = [np.r_[0, random.integers(4, 30, n - 2) + 25 * one, 2] for n, one in zip(lengths, leaf, strict=True)]
    return Corpus(np.concatenate(tokens).astype(np.int32), np.r_[0, np.cumsum(lengths)], leaf)


def untrained() -> network.CategoryNetwork:
    torch.manual_seed(0)
    return network.CategoryNetwork(SHAPE, Tree.of("ab", {"a": "x", "b": "y"}))


def run(means: Means, tmp_path: Path, **more: Any) -> tuple[network.CategoryNetwork, list[training.Epoch]]:
    found = untrained()
    apply(found, means)
    options = replace(OPTIONS, **{"epochs": 2} | more)
    return found, training.train(found, corpus(), corpus(), options, means, seed=0, folder=tmp_path, run="r")


@pytest.mark.parametrize(
    "means",
    [
        Means("bf16"),
        Means(checkpointing=True),
        Means(frozen_embeddings=True),
        Means(optimiser="adafactor"),
        Means("bf16", True, True, True, lora=True),
    ],
    ids=Means.describe,
)
def test_with_every_means_the_loss_falls(means: Means, tmp_path: Path) -> None:
    _, epochs = run(means, tmp_path, epochs=4)
    assert epochs[-1].loss < epochs[0].loss


def test_checkpointed_layers_learn_exactly_what_others_learn(tmp_path: Path) -> None:
    # Dropout is drawn again in the same way, so even with it nothing differs.
    plain, _ = run(Means(), tmp_path / "a")
    checkpointed, _ = run(Means(checkpointing=True), tmp_path / "b")
    for (name, one), (_, other) in zip(plain.named_parameters(), checkpointed.named_parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-6, msg=name)


def test_frozen_embeddings_stay_and_the_rest_learns(tmp_path: Path) -> None:
    before = untrained().state_dict()
    after = run(Means(frozen_embeddings=True), tmp_path)[0].state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert "encoder.embeddings.word_embeddings.weight" not in changed
    assert "encoder.encoder.layer.0.attention.self.query.weight" in changed


def test_low_rank_additions_become_part_of_the_matrices(tmp_path: Path) -> None:
    found, _ = run(Means(lora=True), tmp_path)
    tokens, mask = torch.tensor([[0, 9, 30, 2]]), torch.ones(1, 4, dtype=torch.long)
    before = found.eval()(tokens, mask)
    network.merge_low_rank(found)
    torch.testing.assert_close(found(tokens, mask), before, rtol=0, atol=1e-5)
    assert set(found.state_dict()) == set(untrained().state_dict())


def test_it_stops_when_validation_no_longer_gets_better(tmp_path: Path) -> None:
    _, epochs = run(Means(), tmp_path, epochs=30, patience=2)
    best = max(range(len(epochs)), key=lambda number: epochs[number].accuracy)
    assert len(epochs) == best + 3 < 30


def test_the_best_epochs_weights_are_kept(tmp_path: Path) -> None:
    found, epochs = run(Means(), tmp_path, epochs=6, learning_rate=0.05)
    best = (training.logits(found, corpus(), Means()).argmax(1) == corpus().leaf).mean()
    assert best == max(epoch.accuracy for epoch in epochs)


def test_batches_hold_every_text_once_and_texts_of_similar_length() -> None:
    texts = corpus(400)
    batches = shuffled_batches(texts, 8, (0, 0))
    assert sorted(np.concatenate(batches).tolist()) == list(range(400))
    widths = [np.ptp(texts.lengths[batch]) for batch in batches]
    assert np.mean(widths) < 1, "in batches drawn by chance the lengths differ by 7"
    assert [batch.tolist() for batch in shuffled_batches(texts, 8, (0, 1))] != [batch.tolist() for batch in batches]
