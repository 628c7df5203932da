"""Figures of merit, each a small pure function over arrays. No model is known here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Chances = NDArray[np.float64]
Truth = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Curve:
    """Points of a curve from left to right."""

    x: Chances
    y: Chances


def f1(truth: Truth, told: Truth) -> float:
    both = int((truth & told).sum())
    total = int(truth.sum() + told.sum())
    return 2 * both / total if total else 0.0


def macro_f1(truth: Sequence[str], told: Sequence[str], labels: Sequence[str]) -> float:
    """The mean over the labels that occur in the truth."""
    true, said = np.array(truth), np.array(told)
    found = [label for label in labels if (true == label).any()]
    return float(np.mean([f1(true == label, said == label) for label in found])) if found else 0.0


def precision_recall(truth: Truth, chances: Chances) -> Curve:
    """Recall (x) and precision (y) when more and more are told yes, surest first."""
    order = np.argsort(-chances, kind="stable")
    hits = np.cumsum(truth[order])
    last = np.append(np.diff(chances[order]) != 0, True)  # ties fall together
    told = np.arange(1, len(order) + 1)
    return Curve((hits / max(int(truth.sum()), 1))[last], (hits / told)[last])


def recall_at_precision(truth: Truth, chances: Chances, precision: float) -> float:
    """The most that is found while so many of those told yes are right."""
    curve = precision_recall(truth, chances)
    enough = curve.y >= precision
    return float(curve.x[enough].max()) if enough.any() else 0.0


def roc(truth: Truth, chances: Chances) -> Curve:
    """False alarms (x) and hits (y) as shares of each class."""
    order = np.argsort(-chances, kind="stable")
    last = np.append(np.diff(chances[order]) != 0, True)
    hits = np.cumsum(truth[order])[last] / max(int(truth.sum()), 1)
    alarms = np.cumsum(~truth[order])[last] / max(int((~truth).sum()), 1)
    return Curve(np.concatenate([[0.0], alarms]), np.concatenate([[0.0], hits]))


def area(truth: Truth, chances: Chances) -> float:
    """The area under the ROC curve; nan when only one class is there."""
    if truth.all() or not truth.any():
        return float("nan")
    curve = roc(truth, chances)
    return float(np.trapezoid(curve.y, curve.x))


def recall_at_alarms(truth: Truth, chances: Chances, alarms: float) -> float:
    """The most that is found while at most this share of the others is called so."""
    curve = roc(truth, chances)
    return float(curve.y[curve.x <= alarms].max())


def reliability(truth: Truth, chances: Chances, bins: int = 10) -> list[tuple[float, float, int]]:
    """Mean chance told, share that came true, and how many, in equal steps of the chance."""
    slot = np.minimum((chances * bins).astype(int), bins - 1)
    found = []
    for number in range(bins):
        inside = slot == number
        if inside.any():
            count = int(inside.sum())
            found.append((float(chances[inside].mean()), float(truth[inside].mean()), count))
    return found


def calibration_error(truth: Truth, chances: Chances) -> float:
    """The mean distance of told chances from what came true, weighted by how many."""
    points = reliability(truth, chances)
    return float(sum(abs(told - true) * n for told, true, n in points) / max(len(truth), 1))
