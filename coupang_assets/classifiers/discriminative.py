"""Non-negative weights that tell categories apart: a linear model with a fixed pattern of weights.

Belongs here: the optimisation. Does not: what the features are, or what becomes of the weights.

A weight exists only where a feature occurs with a category in training; the others are 0, and no weight is below 0. Two
solvers: the exact one-against-rest SVM (liblinear) while titles times categories are few enough for it, mini-batch
gradient on the softmax otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from coupang_assets.classifiers.title_tokens import Ints, expand

_MAX_DENSE_WEIGHTS = 80_000_000
_BLOCK_KEYS = 20_000


@dataclass(frozen=True)
class Objective:
    """What is optimised, and for how long.

    Attributes:
        cost: of the SVM (liblinear's C).
        exact_work: titles times categories up to which the exact SVM is learned.
        sharpness: factor on the scores in the softmax; features have length 1, so scores are small.
        rate: step of the gradient at the beginning; falls to 0.
        passes: over the titles, at most.
        work: titles times weights that a pass touches, over all passes; beyond it passes, then titles, are left out.
    """

    cost: float = 1.0
    exact_work: int = 8_000_000
    sharpness: float = 10.0
    rate: float = 0.5
    passes: int = 8
    work: int = 2_500_000_000


@dataclass(frozen=True)
class Examples:
    """Training examples in the order of learning.

    Attributes:
        batches: gives (titles by features, CSR of ones; position of each title's category) from the beginning.
        scale: weight of each feature, before titles are brought to length 1.
    """

    batches: Callable[[], Iterator[tuple[Any, Ints]]]
    scale: Any

    def scaled(self) -> Iterator[tuple[Any, Ints]]:
        """Batches of titles of length 1."""
        for features, labels in self.batches():
            features.data = self.scale[features.indices]
            squares = features.copy()
            squares.data **= 2
            length = np.sqrt(np.maximum(np.asarray(squares.sum(axis=1)).ravel(), 1e-12))
            features.data /= np.repeat(length, np.diff(features.indptr)).astype(np.float32)
            yield features, labels


def optimise(examples: Examples, titles: int, allowed: Any, objective: Objective, seed: int) -> Any:
    """Weights, features by categories, in the pattern of `allowed` (CSR; its values are counts of titles)."""
    features, categories = allowed.shape
    if categories == 1:
        return (allowed > 0).astype(np.float32)
    if titles * categories <= objective.exact_work and features * categories <= _MAX_DENSE_WEIGHTS:
        return _exact(examples, allowed, objective, seed)
    return _by_gradient(examples, titles, allowed, objective)


def _exact(examples: Examples, allowed: Any, objective: Objective, seed: int) -> Any:
    from scipy.sparse import csr_matrix, vstack
    from sklearn.svm import LinearSVC

    parts, labels = zip(*examples.scaled(), strict=True)
    machine = LinearSVC(C=objective.cost, fit_intercept=False, random_state=seed)
    machine.fit(vstack(parts, format="csr").astype(np.float64), np.concatenate(labels))
    learned = machine.coef_.T if len(machine.coef_) > 1 else np.hstack([-machine.coef_.T, machine.coef_.T])
    found = np.empty(allowed.nnz, np.float32)
    for start in range(0, len(learned), _BLOCK_KEYS):
        end = min(start + _BLOCK_KEYS, len(learned))
        entries = slice(allowed.indptr[start], allowed.indptr[end])
        feature = np.repeat(np.arange(end - start), np.diff(allowed.indptr[start : end + 1]))
        block = learned[start:end]
        elsewhere = block.copy()
        elsewhere[feature, allowed.indices[entries]] = np.inf
        # The most negative weight elsewhere becomes the 0 of the feature; one that occurs everywhere keeps its least.
        least = elsewhere.min(axis=1)
        least = np.where(np.isfinite(least), least, block.min(axis=1))
        found[entries] = np.maximum(block[feature, allowed.indices[entries]] - least[feature], 0)
    return csr_matrix((found, allowed.indices, allowed.indptr), shape=allowed.shape)


def _by_gradient(examples: Examples, titles: int, allowed: Any, objective: Objective) -> Any:
    """Projected mini-batch gradient on the softmax, from zero."""
    from scipy.sparse import csr_matrix

    occurrences = np.asarray(allowed.sum(axis=1)).ravel()
    touched = float((occurrences * np.diff(allowed.indptr)).sum()) / titles
    learned_titles = objective.work / max(touched, 1)
    passes = int(np.clip(learned_titles / titles, 1, objective.passes))
    last = int(min(titles * passes, learned_titles))
    size = int(np.clip(titles // 100, 64, 2048))
    # A feature in many titles of a batch gets the mean of their gradients, not the sum.
    step = objective.rate / np.maximum(1.0, occurrences * size / titles / 4).astype(np.float32)
    model = csr_matrix((np.zeros(allowed.nnz, np.float32), allowed.indices, allowed.indptr), shape=allowed.shape)
    done = 0
    for _ in range(passes):
        for features, labels in examples.scaled():
            for start in range(0, features.shape[0], size):
                if done >= last:
                    break
                part, truth = features[start : start + size], labels[start : start + size]
                _one_step(part, truth, model, step * np.float32(1 - done / last), objective.sharpness)
                done += len(truth)
    return model


def _one_step(part: Any, truth: Ints, model: Any, step: Any, sharpness: float) -> None:
    """One step of the gradient, in place."""
    gradient = (part @ model).toarray()
    gradient *= sharpness
    gradient -= gradient.max(axis=1, keepdims=True)
    np.exp(gradient, out=gradient)
    gradient /= gradient.sum(axis=1, keepdims=True)
    gradient[np.arange(len(truth)), truth] -= 1
    # Titles that are right with certainty teach nothing.
    active = np.flatnonzero(np.abs(gradient[np.arange(len(truth)), truth]) > 0.01)
    if not len(active):
        return
    part = part[active]
    entries, lengths = expand(model.indptr.astype(np.int64), part.indices)
    title = np.repeat(np.repeat(active, np.diff(part.indptr)), lengths)
    change = gradient[title, model.indices[entries]] * np.repeat(part.data * step[part.indices], lengths)
    found, place = np.unique(entries, return_inverse=True)
    total = np.bincount(place, weights=change, minlength=len(found)).astype(np.float32)
    model.data[found] = np.maximum(model.data[found] - total, 0)
