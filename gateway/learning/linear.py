"""Logistic regressions as plain arrays: fitted by scikit-learn, calibrated, folded, exported."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

Array = NDArray[np.float64]
STEPS = 120


@dataclass(frozen=True, slots=True)
class Linear:
    """`logits = X @ weights + intercepts`; one column answers yes or no, several choose one."""

    weights: Array
    intercepts: Array

    def logits(self, rows: sparse.csr_matrix) -> Array:
        return np.asarray(rows @ self.weights + self.intercepts)

    def probabilities(self, rows: sparse.csr_matrix) -> Array:
        return chances(self.logits(rows))


def chances(logits: Array) -> Array:
    """Probabilities of logits: shape (n, 1) gives P(yes), (n, k) a distribution."""
    if logits.shape[1] == 1:
        return 1 / (1 + np.exp(-np.clip(logits, -60, 60)))
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def fit(
    rows: sparse.csr_matrix,
    answers: NDArray[np.int_],
    weights: Array,
    scale: NDArray[np.float32],
    strength: float,
) -> Linear:
    """Learn one head. `answers` are 0/1 or 0..k-1; `scale` is folded into the coefficients.

    `strength` is scikit-learn's C. Deterministic: lbfgs from zero over rows in a fixed order.
    """
    used = np.unique(rows.indices)  # a column that never occurs keeps the weight zero
    scaled = sparse.csr_matrix(rows[:, used] @ sparse.diags(scale[used])).astype(np.float64)
    learner = LogisticRegression(C=strength, max_iter=STEPS, tol=1e-5)
    with warnings.catch_warnings():
        # Stopping here is a little more regularisation; the figures of unseen rows do not mind.
        warnings.simplefilter("ignore", ConvergenceWarning)
        learner.fit(scaled, answers, sample_weight=weights)
    coefficients = np.zeros((rows.shape[1], learner.coef_.shape[0]))
    coefficients[used] = learner.coef_.T * scale[used, None].astype(np.float64)
    return Linear(coefficients, learner.intercept_)


@dataclass(frozen=True, slots=True)
class Calibration:
    """`factor * logits + biases`: what makes logits of unseen rows honest probabilities."""

    factor: float
    biases: Array

    def apply(self, logits: Array) -> Array:
        return logits * self.factor + self.biases

    def fold(self, head: Linear) -> Linear:
        """The head whose own logits are calibrated."""
        return Linear(head.weights * self.factor, head.intercepts * self.factor + self.biases)


def calibrate(logits: Array, answers: NDArray[np.int_], weights: Array) -> Calibration:
    """The temperature and biases that fit the logits of rows best which were not learned from."""
    size = logits.shape[1]

    def loss(parameters: Array) -> float:
        # The biases are held near zero: with few answers of a kind the prior must not run away.
        chance = chances(logits * np.exp(parameters[0]) + parameters[1:])
        if size == 1:
            right = np.where(answers == 1, chance[:, 0], 1 - chance[:, 0])
        else:
            right = chance[np.arange(len(answers)), answers]
        misfit = -np.average(np.log(np.maximum(right, 1e-12)), weights=weights)
        return float(misfit + 0.001 * np.square(parameters).sum())

    found = optimize.minimize(loss, np.zeros(size + 1), method="L-BFGS-B")
    return Calibration(float(np.exp(found.x[0])), np.asarray(found.x[1:]))


def balance(answers: NDArray[np.int_], weights: Array) -> Array:
    """Weights under which every answer counts as much as any other, the total unchanged."""
    totals = np.bincount(answers, weights=weights)
    share = totals.sum() / np.maximum(totals, 1e-9) / max((totals > 0).sum(), 1)
    return np.asarray(weights * share[answers])
