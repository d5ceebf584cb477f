"""A small model of e5's architecture, made here, and titles to fine-tune it on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import ibis
import pandas as pd
import pytest

from coupang_assets_tests.classifiers.titles import WORDS, made

pytest.importorskip("torch", reason="the extra e5 is not installed")

TOPS = {"0012": "beauty", "0034": "devices", "0560": "food"}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Sums in one order, and no fight for the machine's cores."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def rows() -> pd.DataFrame:
    """Titles of three categories, every fifth of them a test title, some of the others validation titles."""
    found = made()
    valid = (found["split"] == "train") & (found.index % 10 == 3)
    return found.assign(split=found["split"].mask(valid, "valid"))


@pytest.fixture(scope="session")
def training(rows: pd.DataFrame) -> ibis.Table:
    return ibis.duckdb.connect(threads=2).create_table("coupang_train", rows)


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like those of the hub: config.json, tokenizer.json, model.safetensors."""
    import torch
    from transformers import XLMRobertaConfig, XLMRobertaModel

    from coupang_assets.classifiers.e5.vocabulary import size, train_definition

    folder = tmp_path_factory.mktemp("tiny-e5")
    texts = [" ".join(words) for words in WORDS.values()] * 20 + ["Ελλάδα Россия 東京 wireless keyboard hello"] * 20
    definition = train_definition(texts, 400)
    (folder / "tokenizer.json").write_text(definition, encoding="utf-8")
    torch.manual_seed(0)
    config = XLMRobertaConfig(
        vocab_size=size(definition), hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=66, type_vocab_size=1, pad_token_id=1,
    )  # fmt: skip
    XLMRobertaModel(config, add_pooling_layer=False).save_pretrained(folder)
    return folder
