"""Fine-tuning: the loop over epochs.

Belongs here: optimiser, learning rate, early stopping, going on after a kill. Does not: what fits into memory
(`planner`), the network, files.

A short loop of our own instead of transformers' Trainer, because a run that is killed and goes on must end with the
very bytes of one that was not: order of texts and dropout follow from seed, epoch and step, never from what ran before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from coupang_assets.classifiers.e5 import checkpoints
from coupang_assets.classifiers.e5.corpus import Corpus, Ints, shuffled_batches, sorted_batches
from coupang_assets.classifiers.e5.inference import padded_arrays
from coupang_assets.classifiers.e5.network import CategoryNetwork
from coupang_assets.classifiers.e5.options import E5Options
from coupang_assets.classifiers.e5.planner import Means

_CHECKPOINT = "checkpoint.safetensors"
_BEST = "best.safetensors"
_WEIGHT_DECAY = 0.01
_LARGEST_GRADIENT = 1.0
_VALIDATION_BATCH = 32


@dataclass(frozen=True, slots=True)
class Epoch:
    """What one pass over the training texts came to.

    Attributes:
        epoch: from 1.
        loss: mean of the training texts while they were learned.
        accuracy: share of the validation texts whose best category is the true one.
        f1: of the validation texts, weighted by their number in each category, as in the specification.
        macro_f1: each category the same weight.
    """

    epoch: int
    loss: float
    accuracy: float
    f1: float
    macro_f1: float


@dataclass
class _State:
    """Where a training stands; `epoch` and `step` are those that come next."""

    run: str
    epoch: int = 0
    step: int = 0
    loss: float = 0.0
    history: list[Epoch] = field(default_factory=list)

    @property
    def best(self) -> float:
        return max((one.accuracy for one in self.history), default=-1.0)

    def without_progress(self) -> int:
        """Epochs since the best one."""
        accuracies = [one.accuracy for one in self.history]
        return len(accuracies) - 1 - accuracies.index(self.best) if accuracies else 0


def train(
    network: CategoryNetwork,
    training: Corpus,
    validation: Corpus,
    options: E5Options,
    means: Means,
    *,
    seed: int,
    folder: Path,
    run: str,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
) -> list[Epoch]:
    """Train until the epochs are over or the validation accuracy no longer rises; the best epoch's weights stay.

    Args:
        network: on its device; what is not to be trained does not require gradients.
        folder: of the checkpoints. One of the same `run` is gone on from; one of another is left alone and replaced.
        run: what makes two trainings the same: data, options, weights, seed.
        on_epoch: told of each epoch as it ends, those before a kill included.

    Returns:
        One entry an epoch.
    """
    folder.mkdir(parents=True, exist_ok=True)
    device = next(network.parameters()).device
    optimiser = make_optimiser(network, options, means)
    state = _resumed(folder, network, optimiser, run)
    scaler = torch.amp.GradScaler(device.type, enabled=means.precision == "fp16")
    if "scale" in scaler.state_dict() and (folder / _CHECKPOINT).exists():
        scaler.load_state_dict(checkpoints.read_state(folder / _CHECKPOINT).get("scaler") or scaler.state_dict())
    for epoch in state.history:
        on_epoch(epoch)
    steps_an_epoch = -(-len(training) // (options.batch * options.accumulation))

    def save() -> None:
        stored = {**asdict(state), "scaler": scaler.state_dict()}
        checkpoints.save(folder / _CHECKPOINT, network, optimiser, stored)

    while state.epoch < options.epochs and state.without_progress() < options.patience:
        steps = list(_steps(shuffled_batches(training, options.batch, (seed, state.epoch)), options.accumulation))
        network.train()
        while state.step < len(steps):
            done = state.epoch * steps_an_epoch + state.step
            # Dropout of a step does not depend on whether the steps before it were run in this process.
            torch.manual_seed(seed * 1_000_003 + done)
            rate = _rate(done, steps_an_epoch * options.epochs, options)
            for group in optimiser.param_groups:
                group["lr"] = rate
            state.loss += _step(network, optimiser, scaler, training, steps[state.step], means)
            state.step += 1
            if state.step % options.checkpoint_steps == 0 and state.step < len(steps):
                save()
        ended = _judged(network, validation, state.epoch + 1, state.loss / len(training), means)
        if ended.accuracy > state.best:
            checkpoints.save(folder / _BEST, network, None, {"run": run})
        state.history.append(ended)
        state.epoch, state.step, state.loss = state.epoch + 1, 0, 0.0
        save()
        on_epoch(ended)
    checkpoints.load(folder / _BEST, network)
    return state.history


def make_optimiser(network: CategoryNetwork, options: E5Options, means: Means) -> torch.optim.Optimizer:
    """The optimiser of the plan, over what requires gradients."""
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    if means.optimiser == "adafactor":
        return torch.optim.Adafactor(trained, lr=options.peak_learning_rate, weight_decay=0.0, foreach=False)
    # Not fused, it makes copies as large as what it steps over.
    return torch.optim.AdamW(trained, lr=options.peak_learning_rate, weight_decay=_WEIGHT_DECAY, fused=True)


def mixed(device: torch.device, means: Means) -> AbstractContextManager[Any]:
    """Products in the plan's precision."""
    if means.precision == "fp32":
        return nullcontext()
    short = torch.bfloat16 if means.precision == "bf16" else torch.float16
    # With checkpointing each layer makes its own short copies and gives them back.
    return torch.autocast(device.type, short, cache_enabled=not means.checkpointing)


def _step(
    network: CategoryNetwork,
    optimiser: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    training: Corpus,
    batches: list[Ints],
    means: Means,
) -> float:
    """One optimiser step over some batches; the sum of the texts' losses."""
    device = next(network.parameters()).device
    texts = sum(len(batch) for batch in batches)
    total = 0.0
    for batch in batches:
        tokens, mask = _tensors(training, batch, device)
        leaf = torch.as_tensor(training.leaf[batch], dtype=torch.long)
        with mixed(device, means):
            loss = network.loss(tokens, mask, leaf.to(device))
        scaler.scale(loss * (len(batch) / texts)).backward()
        total += loss.item() * len(batch)
    scaler.unscale_(optimiser)
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    torch.nn.utils.clip_grad_norm_(trained, _LARGEST_GRADIENT, foreach=False)
    scaler.step(optimiser)
    scaler.update()
    optimiser.zero_grad(set_to_none=True)
    return total


def _judged(network: CategoryNetwork, validation: Corpus, epoch: int, loss: float, means: Means) -> Epoch:
    from sklearn.metrics import f1_score

    best = logits(network, validation, means).argmax(axis=1)
    truth = validation.leaf
    return Epoch(
        epoch=epoch,
        loss=loss,
        accuracy=float((best == truth).mean()),
        f1=float(f1_score(truth, best, average="weighted", zero_division=0)),
        macro_f1=float(f1_score(truth, best, average="macro", zero_division=0)),
    )


def logits(network: CategoryNetwork, corpus: Corpus, means: Means) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Logits of texts, texts by leaves."""
    device = next(network.parameters()).device
    found = np.empty((len(corpus), network.leaf.out_features), np.float32)
    network.eval()
    with torch.inference_mode(), mixed(device, means):
        for batch in sorted_batches(corpus.lengths, _VALIDATION_BATCH):
            found[batch] = network(*_tensors(corpus, batch, device)).float().cpu().numpy()
    return found


def _tensors(corpus: Corpus, batch: Ints, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    tokens, mask = padded_arrays([corpus.text(number).tolist() for number in batch])
    return torch.from_numpy(tokens).to(device), torch.from_numpy(mask).to(device)


def _resumed(folder: Path, network: CategoryNetwork, optimiser: torch.optim.Optimizer, run: str) -> _State:
    path = folder / _CHECKPOINT
    if not path.exists():
        return _State(run)
    stored = checkpoints.read_state(path)
    if stored["run"] != run:
        return _State(run)
    checkpoints.load(path, network, optimiser)
    history = [Epoch(**one) for one in stored["history"]]
    return _State(run, stored["epoch"], stored["step"], stored["loss"], history)


def _steps(batches: list[Ints], accumulation: int) -> Iterator[list[Ints]]:
    for first in range(0, len(batches), accumulation):
        yield batches[first : first + accumulation]


def _rate(done: int, steps: int, options: E5Options) -> float:
    """Linear rise and fall (transformers' `linear` schedule with warm-up)."""
    rising = max(1, int(options.warmup * steps))
    share = (done + 1) / rising if done < rising else (steps - done) / max(1, steps - rising)
    return options.peak_learning_rate * max(share, 0.0)
