"""The planner: what it chooses, and that its arithmetic is what PyTorch does."""

from __future__ import annotations

import pytest

from coupang_assets.classifiers.e5.planner import CONTEXT_BYTES, GIB, Load, Means, estimate, plan
from coupang_assets.classifiers.e5.shapes import E5_SHAPES, EncoderShape
from coupang_assets.errors import CoupangAssetsError
from coupang_assets_tests.classifiers.e5.live_bytes import counted_peak

SMALL, BASE, LARGE = (E5_SHAPES[f"intfloat/multilingual-e5-{name}"] for name in ("small", "base", "large"))
TINY = EncoderShape(20_000, 128, 3, 4, 512)
SPECIFIED = Load(batch=4, length=128)
KOREAN_PIECES = 30_000


@pytest.mark.parametrize(("shape", "published"), [(BASE, 277_453_056), (LARGE, 558_840_832)])
def test_parameters_are_those_of_the_published_encoders(shape: EncoderShape, published: int) -> None:
    # XLMRobertaModel without its pooling layer.
    assert shape.parameters == published


@pytest.mark.parametrize("pieces", [None, KOREAN_PIECES])
@pytest.mark.parametrize("shape", [BASE, LARGE])
def test_base_and_large_fit_into_8_gib_with_the_specifications_batch(shape: EncoderShape, pieces: int | None) -> None:
    found = plan(shape, SPECIFIED, 8 * GIB, precision="bf16", trimmed_vocabulary=pieces)
    assert found.memory.peak + CONTEXT_BYTES <= 8 * GIB
    assert not found.means.lora
    assert found.means.optimiser == "adamw"


def test_large_fits_into_8_gib_by_means_that_cost_no_accuracy() -> None:
    found = plan(LARGE, SPECIFIED, 8 * GIB, precision="bf16", trimmed_vocabulary=KOREAN_PIECES)
    assert found.means == Means(precision="bf16", trimmed=True)
    assert found.shape.vocabulary == KOREAN_PIECES


def test_with_more_memory_nothing_is_given_up() -> None:
    assert plan(LARGE, SPECIFIED, 24 * GIB, precision="bf16", trimmed_vocabulary=KOREAN_PIECES).means == Means("bf16")


def test_what_costs_accuracy_comes_last() -> None:
    chosen = [
        plan(LARGE, SPECIFIED, int(gib * GIB), precision="bf16", trimmed_vocabulary=KOREAN_PIECES).means
        for gib in (16, 8, 6.6, 5.7, 5, 2.6)
    ]
    given_up = [(one.trimmed, one.checkpointing, one.frozen_embeddings, one.optimiser, one.lora) for one in chosen]
    assert given_up == [
        (False, False, False, "adamw", False),
        (True, False, False, "adamw", False),
        (True, True, False, "adamw", False),
        (True, True, True, "adamw", False),
        (True, False, False, "adafactor", False),
        (True, True, True, "adamw", True),
    ]


def test_a_plan_says_what_it_considered() -> None:
    said = plan(LARGE, SPECIFIED, 8 * GIB, precision="bf16", trimmed_vocabulary=None).describe()
    assert "gradient checkpointing" in said
    assert "| no |" in said
    assert said.endswith("Chosen: bf16 products, frozen token embedding.")


def test_what_cannot_fit_is_refused_before_training_starts() -> None:
    with pytest.raises(CoupangAssetsError, match=r"Nothing fits into 2\.0 GiB"):
        plan(LARGE, SPECIFIED, 2 * GIB, precision="bf16", trimmed_vocabulary=KOREAN_PIECES)


@pytest.mark.parametrize(
    ("shape", "load", "means", "fake"),
    [
        pytest.param(BASE, SPECIFIED, Means("bf16"), True, id="base"),
        pytest.param(
            BASE.with_vocabulary(30_000),
            Load(32),
            Means("bf16", trimmed=True),
            True,
            id="large batch",
            marks=pytest.mark.slow,
        ),
        pytest.param(SMALL, SPECIFIED, Means("bf16"), True, id="small"),
        pytest.param(TINY, Load(2, 32), Means(optimiser="adafactor"), False, id="adafactor"),
        pytest.param(TINY, Load(4, 64), Means("bf16", frozen_embeddings=True), False, id="frozen"),
        pytest.param(TINY, Load(16, fused_attention=False), Means(), False, id="fp32, attention not fused"),
        pytest.param(TINY, Load(16), Means("bf16", checkpointing=True, lora=True), False, id="lora"),
        pytest.param(
            LARGE.with_vocabulary(30_000),
            SPECIFIED,
            Means("bf16", trimmed=True),
            True,
            id="large",
            marks=pytest.mark.slow,
        ),
        pytest.param(LARGE, SPECIFIED, Means("bf16", checkpointing=True), True, id="large 2", marks=pytest.mark.slow),
    ],
)
def test_the_estimate_is_within_10_percent_of_the_counted_bytes(
    shape: EncoderShape, load: Load, means: Means, fake: bool
) -> None:
    counted = counted_peak(shape, load, means, fake=fake)
    assert estimate(shape, load, means).peak == pytest.approx(counted, rel=0.1)
