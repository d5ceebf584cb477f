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

from coupang_assets.classifiers.sparse_product import dense_product
from coupang_assets.classifiers.title_tokens import Ints

_MAX_DENSE_WEIGHTS = 80_000_000
_BLOCK_KEYS = 20_000
# Of a probability, below which it is taken to be what it should be.
_NEGLIGIBLE = 1e-3


@dataclass(frozen=True)
class Objective:
    """What is optimised, and for how long.

    Attributes:
        cost: of the SVM (liblinear's C).
        exact_work: titles times categories up to which the exact SVM is learned.
        sharpness: factor on the scores in the softmax; features have length 1, so scores are small.
        rate: step of the gradient at the beginning; falls to 0.
        passes: over the titles, at most.
        work: titles times categories, over all passes; beyond it passes, then titles, are left out.
    """

    cost: float = 1.0
    exact_work: int = 8_000_000
    sharpness: float = 10.0
    rate: float = 2.0
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
    learned_titles = objective.work / allowed.shape[1]
    passes = int(np.clip(learned_titles / titles, 1, objective.passes))
    last = int(min(titles * passes, learned_titles))
    size = int(np.clip(titles // 100, 64, 2048))
    # A feature in many titles of a batch gets the mean of their gradients, not the sum.
    step = objective.rate / np.maximum(1.0, occurrences * size / titles / 4).astype(np.float32)
    pattern = csr_matrix((np.ones(allowed.nnz, np.float32), allowed.indices, allowed.indptr), shape=allowed.shape)
    model = csr_matrix(allowed.shape, dtype=np.float32)
    done = 0
    for _ in range(passes):
        for features, labels in examples.scaled():
            for start in range(0, features.shape[0], size):
                if done >= last:
                    return model
                part, truth = features[start : start + size], labels[start : start + size]
                change = _gradient(part, truth, model, objective.sharpness).multiply(pattern).tocsr()
                change.data *= np.repeat(step * np.float32(1 - done / last), np.diff(change.indptr))
                model = model - change
                np.maximum(model.data, 0, out=model.data)
                model.eliminate_zeros()
                done += len(truth)
    return model


def _gradient(part: Any, truth: Ints, model: Any, sharpness: float) -> Any:
    """Gradient of the softmax's loss, summed over titles; features by categories, CSR."""
    from scipy.sparse import csr_matrix

    error = dense_product(part, model)
    error *= sharpness
    error -= error.max(axis=1, keepdims=True)
    np.exp(error, out=error)
    error /= error.sum(axis=1, keepdims=True)
    error[np.arange(len(truth)), truth] -= 1
    # What is certain teaches nothing, and of hardly likely categories there are thousands.
    error[np.abs(error) < _NEGLIGIBLE] = 0
    return part.T.tocsr() @ csr_matrix(error)
