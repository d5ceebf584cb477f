"""Logits of texts, from PyTorch or ONNX Runtime.

Belongs here: running a trained network over token lists, sorted by length. Does not: training, files, probabilities.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from coupang_assets.classifiers.e5.corpus import sorted_batches
from coupang_assets.classifiers.e5.shapes import PAD
from coupang_assets.errors import CoupangAssetsError

if TYPE_CHECKING:
    from coupang_assets.classifiers.e5.network import CategoryNetwork

Ints = npt.NDArray[np.int64]
Logits = npt.NDArray[np.float32]

_BATCH = 32
# On a CPU the one node takes longer than the sum and the normalisation that it stands for.
_SLOWER_FUSED = "SkipLayerNormFusion"
TOKENS, MASK, LOGITS = "input_ids", "attention_mask", "logits"


class Runtime(Protocol):
    """Computes logits of one padded batch."""

    def run(self, tokens: Ints, mask: Ints) -> Logits:
        """Texts by leaves, from texts by length."""
        ...


class TorchRuntime:
    """The network itself."""

    def __init__(self, network: CategoryNetwork) -> None:
        self._network = network.eval()
        self._device = next(network.parameters()).device

    def run(self, tokens: Ints, mask: Ints) -> Logits:
        """See `Runtime`."""
        import torch

        with torch.inference_mode():
            found = self._network(torch.from_numpy(tokens).to(self._device), torch.from_numpy(mask).to(self._device))
        logits: Logits = found.float().cpu().numpy()
        return logits


class OnnxRuntime:
    """An exported graph."""

    def __init__(self, path: Path, threads: int = 0) -> None:
        """Args:
            threads: of one text batch; 0: the machine's cores.

        Raises:
            CoupangAssetsError: the file is missing or no graph.
        """
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"], disabled_optimizers=[_SLOWER_FUSED]
            )
        except Exception as error:  # onnxruntime's own errors have no common base
            raise CoupangAssetsError(f"{path} is missing or no ONNX model ({error}).", "Export it again.") from error

    def run(self, tokens: Ints, mask: Ints) -> Logits:
        """See `Runtime`."""
        (found,) = self._session.run([LOGITS], {TOKENS: tokens, MASK: mask})
        logits: Logits = found
        return logits


def logits_of(runtime: Runtime, texts: Sequence[Sequence[int]], leaves: int) -> Logits:
    """Logits of texts in their order; they are computed longest first in batches of similar length.

    Args:
        texts: tokens of each, none of them empty.
    """
    found = np.empty((len(texts), leaves), np.float32)
    lengths = np.fromiter((len(text) for text in texts), np.int64, len(texts))
    for batch in sorted_batches(lengths, _BATCH):
        found[batch] = runtime.run(*padded_arrays([texts[number] for number in batch]))
    return found


def padded_arrays(texts: Sequence[Sequence[int]]) -> tuple[Ints, Ints]:
    """Tokens and mask (1: a token), as long as the longest text."""
    length = max(len(text) for text in texts)
    tokens = np.full((len(texts), length), PAD, np.int64)
    mask = np.zeros((len(texts), length), np.int64)
    for row, text in enumerate(texts):
        tokens[row, : len(text)] = text
        mask[row, : len(text)] = 1
    return tokens, mask
