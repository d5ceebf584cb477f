"""How much memory a training needs, and by which means it fits: said before it starts.

Belongs here: arithmetic of bytes, without torch. Does not: training (`training`), which follows the plan.

Counted are the bytes of live tensors at the fullest moment of an optimiser step. What a CUDA context and a fragmented
allocator take beyond them is an allowance, `CONTEXT_BYTES`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Literal

from coupang_assets.classifiers.e5.shapes import EncoderShape
from coupang_assets.errors import CoupangAssetsError

Precision = Literal["fp32", "fp16", "bf16"]
Optimiser = Literal["adamw", "adafactor"]

GIB = 2**30
CONTEXT_BYTES = int(0.75 * GIB)
LORA_RANK = 16

# Bytes a token and unit of width that one layer keeps for the backward pass, counted as PyTorch makes them (the tests
# and the benchmark count again). Mixed: three casts of the layer's input (6), query, key, value (6), attention's output
# twice (4), two dropout masks (2), two inputs of normalisations in fp32 (8), the cast for the feed-forward network (2)
# and 1 more; what goes into and out of its activation comes on top, by the inner width.
_KEPT_MIXED, _KEPT_INNER_MIXED = 29, 4
_KEPT_FULL, _KEPT_INNER_FULL = 41, 8
# Softmax, its dropout mask and the product, a head and pair of tokens, where attention is not fused.
_UNFUSED_MIXED, _UNFUSED_FULL = 15, 12


@dataclass(frozen=True, slots=True)
class Means:
    """How memory is saved; the fields stand in the order in which they are used.

    Attributes:
        precision: of the matrix products; weights stay fp32.
        checkpointing: layers are computed again in the backward pass instead of kept. Exact, a third slower.
        trimmed: the vocabulary holds only the pieces that Korean and the training texts use. Exact on them.
        frozen_embeddings: the token embedding is not trained.
        optimiser: adafactor keeps row and column sums of the squares instead of two numbers a weight.
        lora: only low-rank additions to the layers' matrices are trained.
    """

    precision: Precision = "fp32"
    checkpointing: bool = False
    trimmed: bool = False
    frozen_embeddings: bool = False
    optimiser: Optimiser = "adamw"
    lora: bool = False

    def describe(self) -> str:
        """In words, for people."""
        words = [f"{self.precision} products" if self.precision != "fp32" else "fp32 throughout"]
        words += ["gradient checkpointing"] * self.checkpointing + ["trimmed vocabulary"] * self.trimmed
        words += ["frozen token embedding"] * (self.frozen_embeddings and not self.lora)
        words += ["Adafactor"] * (self.optimiser == "adafactor") + [f"LoRA of rank {LORA_RANK}"] * self.lora
        return ", ".join(words)


@dataclass(frozen=True, slots=True)
class Load:
    """One training step's size.

    Attributes:
        batch: texts at a time; what is accumulated beyond that takes no memory.
        length: tokens of the longest text.
        outputs: leaf and top categories.
        fused_attention: the device computes attention without keeping a table of all pairs of tokens.
    """

    batch: int = 4
    length: int = 128
    outputs: int = 41
    fused_attention: bool = True

    @property
    def tokens(self) -> int:
        return self.batch * self.length


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes at the fullest moment.

    Attributes:
        weights: fp32.
        gradients: of what is trained.
        optimiser: its state.
        activations: kept for the backward pass, with the short copies of the weights that mixed precision makes.
        transient: at the end of the backward pass or in the optimiser; never at the same time as `activations`.
    """

    weights: int
    gradients: int
    optimiser: int
    activations: int
    transient: int

    @property
    def peak(self) -> int:
        return self.weights + self.gradients + self.optimiser + max(self.activations, self.transient)


@dataclass(frozen=True)
class Plan:
    """The means a training uses, and why.

    Attributes:
        shape: with the vocabulary it will have.
        budget: bytes of the device.
        steps: what was considered, in order, with the bytes it needs and whether it fits.
    """

    means: Means
    shape: EncoderShape
    load: Load
    memory: Memory
    budget: int
    steps: tuple[tuple[str, int, bool], ...]

    def describe(self) -> str:
        """Markdown: what was considered and what was chosen."""
        lines = [
            f"Of {self.budget / GIB:.2f} GiB, {CONTEXT_BYTES / GIB:.2f} GiB are left to the device itself.",
            "",
            "| means | peak GiB | fits |",
            "| :--- | ---: | :--- |",
            *(f"| {words} | {peak / GIB:.2f} | {'yes' if fits else 'no'} |" for words, peak, fits in self.steps),
            "",
            f"Chosen: {self.means.describe()}.",
        ]
        return "\n".join(lines)


def estimate(shape: EncoderShape, load: Load, means: Means) -> Memory:
    """Memory of a training, in bytes.

    Args:
        shape: with the vocabulary as it is trained, trimmed or not.
    """
    mixed = means.precision != "fp32"
    head = (shape.hidden + 1) * load.outputs
    whole = shape.parameters + head
    if means.lora:
        added = shape.layers * LORA_RANK * (8 * shape.hidden + 2 * (shape.hidden + shape.inner))
        whole, trained, largest = whole + added, added + head, LORA_RANK * shape.inner
    else:
        trained = whole - (shape.embedding_parameters if means.frozen_embeddings else 0)
        largest = shape.inner * shape.hidden if means.frozen_embeddings else shape.embedding_parameters
    if means.optimiser == "adamw":
        state, in_step = 8 * trained, 0
    else:
        state, in_step = 4 * _factored_numbers(shape, means, head), 4 * largest
    # The embedding's gradient is a whole table before it is added to the one that is there.
    in_backward = 0 if means.lora or means.frozen_embeddings else 4 * shape.embedding_parameters
    return Memory(
        weights=4 * whole,
        gradients=4 * trained,
        optimiser=state,
        activations=_activations(shape, load, means, mixed),
        transient=max(in_backward, in_step),
    )


def _activations(shape: EncoderShape, load: Load, means: Means, mixed: bool) -> int:
    kept, inner = (_KEPT_MIXED, _KEPT_INNER_MIXED) if mixed else (_KEPT_FULL, _KEPT_INNER_FULL)
    of_layer = load.tokens * (kept * shape.hidden + inner * shape.inner)
    if not load.fused_attention:
        of_layer += (_UNFUSED_MIXED if mixed else _UNFUSED_FULL) * load.batch * shape.heads * load.length**2
    short = 2 * shape.linear_parameters // shape.layers if mixed else 0
    outside = load.tokens * shape.hidden * 16
    if means.checkpointing:
        # The inputs of all layers, and one layer as it is computed again.
        return shape.layers * 4 * load.tokens * shape.hidden + of_layer + short + outside
    return shape.layers * (of_layer + short) + outside


def _factored_numbers(shape: EncoderShape, means: Means, head: int) -> int:
    h, f = shape.hidden, shape.inner
    if means.lora:
        return shape.layers * (12 * (h + LORA_RANK) + 4 * (h + f) // 2) + head
    table = 0 if means.frozen_embeddings else shape.vocabulary + h
    return table + shape.layers * (4 * 2 * h + 2 * (h + f)) + shape.vector_parameters + head


def plan(
    shape: EncoderShape, load: Load, budget: int, *, precision: Precision, trimmed_vocabulary: int | None = None
) -> Plan:
    """The first means that fit, those that cost no accuracy first; then without each that turns out to be needless.

    Args:
        shape: as published, before the vocabulary is trimmed.
        budget: bytes of the device.
        precision: the shortest the device computes in.
        trimmed_vocabulary: pieces that would stay; None if trimming is no option.

    Raises:
        CoupangAssetsError: nothing fits.
    """
    usable = budget - CONTEXT_BYTES
    steps: list[tuple[str, int, bool]] = []

    def needs(means: Means) -> Memory:
        return estimate(_trained_shape(shape, means, trimmed_vocabulary), load, means)

    def fits(means: Means) -> bool:
        peak = needs(means).peak
        steps.append((means.describe(), peak, peak <= usable))
        return peak <= usable

    chosen = next((means for means in _ladder(precision, trimmed_vocabulary) if fits(means)), None)
    if chosen is None:
        raise CoupangAssetsError(
            f"Nothing fits into {budget / GIB:.1f} GiB: even {steps[-1][0]} needs "
            f"{(steps[-1][1] + CONTEXT_BYTES) / GIB:.1f} GiB.",
            "Set a smaller COUPANG_E5__BATCH or COUPANG_E5__LENGTH, a smaller model, or more COUPANG_E5__MEMORY_GIB.",
        )
    # What costs time or accuracy goes again if what came after it made it needless.
    for without in ("optimiser", "frozen_embeddings", "checkpointing"):
        if getattr(chosen, without) != getattr(Means(), without) and not chosen.lora:
            simpler = replace(chosen, **{without: getattr(Means(), without)})
            if fits(simpler):
                chosen = simpler
    return Plan(chosen, _trained_shape(shape, chosen, trimmed_vocabulary), load, needs(chosen), budget, tuple(steps))


def _ladder(precision: Precision, trimmed_vocabulary: int | None) -> Iterator[Means]:
    means = Means(precision=precision)
    yield means
    if trimmed_vocabulary is not None:
        means = replace(means, trimmed=True)
        yield means
    for more in (
        {"checkpointing": True},
        {"frozen_embeddings": True},
        {"optimiser": "adafactor"},
        {"lora": True, "optimiser": "adamw"},
    ):
        means = Means(**{**asdict(means), **more})
        yield means


def _trained_shape(shape: EncoderShape, means: Means, trimmed_vocabulary: int | None) -> EncoderShape:
    return shape.with_vocabulary(trimmed_vocabulary) if means.trimmed and trimmed_vocabulary else shape
