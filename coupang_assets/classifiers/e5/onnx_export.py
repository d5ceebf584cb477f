"""The trained network for ONNX Runtime.

Belongs here: exporting, the parity check, int8, and the measurement that chooses. Does not: using an export
(`inference`).
"""

from __future__ import annotations

import shutil
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from coupang_assets.classifiers.e5.inference import (
    LOGITS,
    MASK,
    TOKENS,
    Logits,
    OnnxRuntime,
    Runtime,
    TorchRuntime,
    logits_of,
)
from coupang_assets.classifiers.e5.shapes import BEGIN, END
from coupang_assets.errors import CoupangAssetsError

if TYPE_CHECKING:
    from coupang_assets.classifiers.e5.network import CategoryNetwork

_OPSET = 17
# Far above the noise of fp32 sums, far below what moves a prediction.
_PARITY = 1e-3
_ROUNDS = 3
LARGEST_LOSS = 0.005
_LARGEST_FILE = 2 * 2**30 - 2**20


@dataclass(frozen=True, slots=True)
class Measured:
    """What a runtime does on the same texts.

    Attributes:
        accuracy: share of the texts whose best category is the true one.
        texts_per_second: in batches sorted by length.
        size: bytes of the file; 0 for PyTorch.
    """

    accuracy: float
    texts_per_second: float
    size: int


@dataclass(frozen=True)
class Export:
    """An exported model.

    Attributes:
        chosen: `fp32` or `int8`.
        difference: largest difference of a logit between PyTorch and the fp32 export.
        measured: by `pytorch`, `fp32` and `int8`.
    """

    chosen: str
    difference: float
    measured: dict[str, Measured]


def export(
    network: CategoryNetwork, texts: Sequence[Sequence[int]], truth: Sequence[int], path: Path, scratch: Path
) -> Export:
    """Export a network, quantise it, and keep int8 if it is faster and loses at most half a point of accuracy.

    Args:
        texts: tokens of held-out texts, for parity and measurement.
        truth: position of each text's category.
        path: of the export that is kept.
        scratch: folder for the other.

    Raises:
        CoupangAssetsError: the fp32 export does not compute what the network does, or it is too large for one file.
    """
    import torch

    # Compared side by side, each has the same threads.
    threads = torch.get_num_threads()
    exported, quantised = scratch / "fp32.onnx", scratch / "int8.onnx"
    leaves = network.leaf.out_features
    _export_fp32(network, exported)
    expected: dict[str, Runtime] = {"pytorch": TorchRuntime(network), "fp32": OnnxRuntime(exported, threads)}
    logits = {name: logits_of(runtime, texts, leaves) for name, runtime in expected.items()}
    difference = float(np.abs(logits["pytorch"] - logits["fp32"]).max())
    if not difference <= _PARITY:
        raise CoupangAssetsError(
            f"The ONNX export differs from the network by {difference:.2g} in a logit.",
            "Use the model with PyTorch, and report the versions of torch and onnxruntime.",
        )
    _quantise(exported, quantised)
    runtimes: dict[str, Runtime] = {**expected, "int8": OnnxRuntime(quantised, threads)}
    files = {"pytorch": None, "fp32": exported, "int8": quantised}
    measured = {
        name: measure(runtime, texts, truth, leaves, size=file.stat().st_size if (file := files[name]) else 0)
        for name, runtime in runtimes.items()
    }
    loses = measured["fp32"].accuracy - measured["int8"].accuracy
    faster = measured["int8"].texts_per_second > measured["fp32"].texts_per_second
    chosen = "int8" if faster and loses <= LARGEST_LOSS else "fp32"
    shutil.copyfile(quantised if chosen == "int8" else exported, path)
    return Export(chosen, difference, measured)


def measure(runtime: Runtime, texts: Sequence[Sequence[int]], truth: Sequence[int], leaves: int, size: int) -> Measured:
    """Accuracy and speed of a runtime: the fastest of three rounds, which other programs disturb least."""
    took = float("inf")
    for _ in range(_ROUNDS):
        started = time.perf_counter()
        found: Logits = logits_of(runtime, texts, leaves)
        took = min(took, time.perf_counter() - started)
    return Measured(float((found.argmax(axis=1) == np.asarray(truth)).mean()), len(texts) / took, size)


def _export_fp32(network: CategoryNetwork, path: Path) -> None:
    import torch

    weights = 4 * sum(parameter.numel() for parameter in network.parameters())
    if weights > _LARGEST_FILE:
        raise CoupangAssetsError(
            f"The model's {weights / 2**30:.1f} GiB are more than one ONNX file can hold.",
            "Train with a trimmed vocabulary (less memory in COUPANG_E5__MEMORY_GIB makes the planner choose it).",
        )
    tokens = torch.tensor([[BEGIN, 5, 6, END], [BEGIN, 5, END, 1]])
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])
    axes = {0: "texts", 1: "length"}
    network.eval()
    with warnings.catch_warnings(), _attention_written_out(network):
        # The tracing exporter is the one that needs no further package; torch is pinned to a version that has it.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network, (tokens, mask), str(path), input_names=[TOKENS, MASK], output_names=[LOGITS],
            dynamic_axes={TOKENS: axes, MASK: axes, LOGITS: {0: "texts"}}, opset_version=_OPSET, dynamo=False,
        )  # fmt: skip


@contextmanager
def _attention_written_out(network: CategoryNetwork) -> Iterator[None]:
    """PyTorch's fused attention is exported with nodes that guard against rows without a token and cost time."""
    usual = network.encoder.config._attn_implementation
    network.encoder.set_attn_implementation("eager")
    try:
        yield
    finally:
        network.encoder.set_attn_implementation(usual)


def _quantise(source: Path, target: Path) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(
        source, target, weight_type=QuantType.QInt8, per_channel=True, reduce_range=False,
        extra_options={"DefaultTensorType": 1},
    )  # fmt: skip
