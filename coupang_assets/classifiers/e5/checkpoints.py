"""Where a training stands, on disk.

Belongs here: writing and reading weights and optimiser state as safetensors. Does not: deciding when.

A checkpoint is one file, renamed into place, so that a kill leaves the one before or the new one. Tensors are read into
the parameters one by one: the model is never in memory twice.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim import Optimizer

from coupang_assets.errors import CoupangAssetsError
from coupang_assets.files import atomic_path

_STATE = "state"
_MODEL, _OPTIMISER = "model.", "optimiser."


def save(path: Path, network: nn.Module, optimiser: Optimizer | None, state: Mapping[str, Any]) -> None:
    """Write a network, and what its optimiser remembers."""
    tensors = {_MODEL + name: value.detach() for name, value in network.state_dict().items()}
    if optimiser is not None:
        for number, of_parameter in optimiser.state_dict()["state"].items():
            tensors |= {f"{_OPTIMISER}{number}.{name}": torch.as_tensor(value) for name, value in of_parameter.items()}
    with atomic_path(path) as temporary:
        save_file(
            {name: value.contiguous() for name, value in tensors.items()},
            temporary,
            {_STATE: json.dumps(state, ensure_ascii=False, sort_keys=True)},
        )


def read_state(path: Path) -> dict[str, Any]:
    """What was saved beside the tensors.

    Raises:
        CoupangAssetsError: the file is missing, damaged or not one of ours.
    """
    try:
        with safe_open(path, "pt") as stored:
            found: dict[str, Any] = json.loads(stored.metadata()[_STATE])
            return found
    except (OSError, SafetensorError, TypeError, KeyError, ValueError) as error:
        raise CoupangAssetsError(
            f"{path} is missing, damaged, or no model of this program ({error}).", "Train it again."
        ) from error


def load(path: Path, network: nn.Module, optimiser: Optimizer | None = None) -> None:
    """Copy the tensors of a file into a network, and into its optimiser if given.

    Raises:
        CoupangAssetsError: the file is damaged or of another network.
    """
    targets = network.state_dict()
    remembered: dict[int, dict[str, Tensor]] = {}
    try:
        with safe_open(path, "pt") as stored, torch.no_grad():
            names = set(stored.keys())
            if missing := {_MODEL + name for name in targets} - names:
                raise CoupangAssetsError(f"{path} lacks {min(missing)}: it is of another network.", "Train it again.")
            for name, target in targets.items():
                target.copy_(stored.get_tensor(_MODEL + name))
            for name in sorted(names if optimiser is not None else ()):
                if name.startswith(_OPTIMISER):
                    number, _, field = name.removeprefix(_OPTIMISER).partition(".")
                    remembered.setdefault(int(number), {})[field] = stored.get_tensor(name)
    except (OSError, SafetensorError, RuntimeError) as error:
        raise CoupangAssetsError(f"{path} is damaged or of another network ({error}).", "Train it again.") from error
    if optimiser is not None:
        optimiser.load_state_dict({**optimiser.state_dict(), "state": remembered})
