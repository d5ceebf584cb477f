"""Where the pretrained encoder comes from: the hub, a folder, or nowhere.

Belongs here: finding and reading `config.json`, `tokenizer.json` and safetensors. Does not: the network they go into.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coupang_assets.classifiers.e5.shapes import UNTRAINED, UNTRAINED_SHAPE, EncoderShape
from coupang_assets.errors import CoupangAssetsError

if TYPE_CHECKING:
    from torch import nn

_FILES = ("config.json", "tokenizer.json", "*.safetensors", "model.safetensors.index.json")
_TOKEN_EMBEDDING = "embeddings.word_embeddings.weight"
_REMEDY = (
    "Set COUPANG_E5__WEIGHTS to a folder that holds config.json, tokenizer.json and model.safetensors of "
    "intfloat/multilingual-e5-base (or -small, -large), connect to the hub, or set it to `untrained` for a small model "
    "that starts from nothing."
)


@dataclass(frozen=True)
class Source:
    """A pretrained encoder; `folder` is None for one that starts from nothing."""

    folder: Path | None
    shape: EncoderShape

    @property
    def pretrained(self) -> bool:
        return self.folder is not None


def find(weights: str) -> Source:
    """The encoder that a setting names.

    Args:
        weights: a folder, a name on the hub (its cache is looked at first), or `untrained`.

    Raises:
        CoupangAssetsError: neither is at hand, or it is no XLM-RoBERTa.
    """
    if weights == UNTRAINED:
        return Source(None, UNTRAINED_SHAPE)
    folder = Path(weights).expanduser()
    if not folder.is_dir():
        folder = _from_hub(weights)
    return Source(folder, _shape(folder))


def _from_hub(name: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, allow_patterns=list(_FILES)))
    except HFValidationError as error:
        raise CoupangAssetsError(f"{name} is neither a folder nor a name on the hub.", _REMEDY) from error
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise CoupangAssetsError(
            f"The weights {name} are neither in a local folder nor to be had from the hub ({type(error).__name__}).",
            _REMEDY,
        ) from error


def _shape(folder: Path) -> EncoderShape:
    try:
        config: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        kind = config["model_type"]
        shape = EncoderShape(
            vocabulary=config["vocab_size"],
            hidden=config["hidden_size"],
            layers=config["num_hidden_layers"],
            heads=config["num_attention_heads"],
            inner=config["intermediate_size"],
            positions=config["max_position_embeddings"],
        )
    except (OSError, ValueError, KeyError) as error:
        raise CoupangAssetsError(f"{folder}/config.json is missing or no model's configuration.", _REMEDY) from error
    if kind != "xlm-roberta":
        raise CoupangAssetsError(f"{folder} holds a {kind}, not an xlm-roberta.", _REMEDY)
    if not _tensor_files(folder):
        raise CoupangAssetsError(f"{folder} holds no safetensors.", _REMEDY)
    return shape


def load_encoder(source: Source, encoder: nn.Module, kept: list[int] | None) -> None:
    """Copy the weights into an encoder, tensor by tensor, so that they are never in memory a second time.

    Args:
        kept: rows of the token embedding that a trimmed vocabulary keeps; None: all.

    Raises:
        CoupangAssetsError: a tensor is missing or has another shape.
    """
    import torch

    wanted = dict(encoder.named_parameters())
    with torch.no_grad():
        for name, tensor in _tensors(source.folder or Path()):
            target = wanted.pop(name, None)
            if target is None:
                continue
            if name == _TOKEN_EMBEDDING and kept is not None:
                tensor = tensor[torch.as_tensor(kept)]
            if tensor.shape != target.shape:
                raise CoupangAssetsError(
                    f"{name} in {source.folder} has shape {tuple(tensor.shape)} instead of {tuple(target.shape)}.",
                    _REMEDY,
                )
            target.copy_(tensor)
    if wanted:
        raise CoupangAssetsError(f"{source.folder} lacks {len(wanted)} tensors, such as {min(wanted)}.", _REMEDY)


def _tensors(folder: Path) -> Iterator[tuple[str, Any]]:
    from safetensors import safe_open

    for file in _tensor_files(folder):
        with safe_open(file, "pt") as stored:
            for name in stored.keys():  # noqa: SIM118 (not a mapping)
                yield name.removeprefix("roberta."), stored.get_tensor(name)


def _tensor_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.safetensors"))
