"""How an e5 classifier is trained.

Belongs here: the choices as values. Does not: where they come from (`settings`) or what follows from them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from coupang_assets.classifiers.e5.shapes import UNTRAINED

if TYPE_CHECKING:
    from coupang_assets.settings import E5Settings

# A network that starts from nothing needs steps of another size than one that is only adjusted.
_LEARNING_RATE, _LEARNING_RATE_UNTRAINED = 3e-5, 1e-3


@dataclass(frozen=True, slots=True)
class E5Options:
    """Choices of one training; defaults are the specification's (001, section 2).

    Attributes:
        weights: name on the hub, a folder, or `untrained`.
        memory_gib: of the device; the planner stays below it.
        batch: texts at a time.
        accumulation: batches of one optimiser step.
        length: tokens of a text.
        epochs: at most.
        patience: epochs without a better validation accuracy after which training ends.
        learning_rate: at its highest; None: 3e-5, or 1e-3 for untrained weights.
        warmup: share of the steps in which it rises; then it falls to 0.
        hierarchy: top category and leaf are learned together.
        checkpoint_steps: optimiser steps between checkpoints, beside one an epoch.
        device: auto, cpu or cuda.
    """

    weights: str = "intfloat/multilingual-e5-base"
    memory_gib: float = 8.0
    batch: int = 4
    accumulation: int = 8
    length: int = 128
    epochs: int = 7
    patience: int = 2
    learning_rate: float | None = None
    warmup: float = 0.06
    hierarchy: bool = True
    checkpoint_steps: int = 500
    device: Literal["auto", "cpu", "cuda"] = "auto"

    @classmethod
    def of(cls, settings: E5Settings) -> E5Options:
        """The settings group `e5` as options."""
        return cls(**{name: getattr(settings, name) for name in cls.__slots__ if hasattr(settings, name)})

    @property
    def peak_learning_rate(self) -> float:
        if self.learning_rate is not None:
            return self.learning_rate
        return _LEARNING_RATE_UNTRAINED if self.weights == UNTRAINED else _LEARNING_RATE
