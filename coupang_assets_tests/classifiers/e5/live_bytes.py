"""Bytes of live tensors, counted as PyTorch makes and frees them.

Counts every storage an operation returns until it is freed, on any device. Under `FakeTensorMode` tensors have shapes
but no bytes, so a network of the real size can be counted on a machine that could never hold it.
"""

from __future__ import annotations

import contextlib
import weakref
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from coupang_assets.classifiers.e5 import training
from coupang_assets.classifiers.e5.hierarchy import Tree
from coupang_assets.classifiers.e5.network import CategoryNetwork
from coupang_assets.classifiers.e5.options import E5Options
from coupang_assets.classifiers.e5.planner import Load, Means
from coupang_assets.classifiers.e5.preparation import apply
from coupang_assets.classifiers.e5.shapes import EncoderShape


class LiveBytes(TorchDispatchMode):
    """Counts what is alive inside the block; `peak` is the most since the block began or `peak` was set."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0
        self.peak = 0
        self._sizes: dict[int, int] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        for one in tree_leaves(found):
            if isinstance(one, torch.Tensor):
                self._count(one.untyped_storage())
        return found

    def _count(self, storage: Any) -> None:
        key = storage._cdata
        if key not in self._sizes:
            self._sizes[key] = storage.nbytes()
            self.now += storage.nbytes()
            self.peak = max(self.peak, self.now)
            weakref.finalize(storage, self._freed, key)

    def _freed(self, key: int) -> None:
        self.now -= self._sizes.pop(key, 0)


def counted_peak(
    shape: EncoderShape, load: Load, means: Means, leaves: int = 36, tops: int = 5, fake: bool = True
) -> int:
    """Most bytes alive during a second optimiser step of two batches, when gradients and optimiser state are there.

    Args:
        fake: without any memory of its own; otherwise the tensors are real.
    """
    tree = Tree(
        tuple(f"{number:04d}" for number in range(leaves)),
        tuple(map(str, range(tops))),
        tuple(n % tops for n in range(leaves)),
    )
    with FakeTensorMode() if fake else contextlib.nullcontext(), LiveBytes() as live:
        network = CategoryNetwork(shape, tree)
        if load.fused_attention:
            # CPU attention is fused only without dropout; the fused one of a GPU drops out without keeping anything.
            for module in network.encoder.modules():
                if hasattr(module, "dropout") and type(module).__name__.endswith("SelfAttention"):
                    module.dropout.p = 0.0
        apply(network, means)
        network.train()
        optimiser = training.make_optimiser(network, E5Options(), means)
        for step in range(2):
            if step == 1:
                live.peak = live.now
            for _ in range(2):
                tokens = torch.full((load.batch, load.length), 7)
                mask = torch.ones((load.batch, load.length), dtype=torch.long)
                with training.mixed(torch.device("cpu"), means):
                    loss = network.loss(tokens, mask, torch.zeros(load.batch, dtype=torch.long))
                loss.backward()
                del loss
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        return live.peak
