"""A trained model on disk: `model.json` beside `weights.npy`. Loading runs no code of the file.

Weights are what scikit-learn learned with scale and calibration folded in, so that serving is one
product: `logits = row @ weights + intercepts`. Columns of the same features can be stacked.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.learning.concepts import shipped
from gateway.learning.features import BITS, MAIL_ROOM, SCHEMA, STYLE, Layout

Weights = NDArray[np.float16] | NDArray[np.float32]
FORMAT = 1


class ModelError(ValueError):
    """A model that cannot be used; the text says why and how to mend it."""


@dataclass(frozen=True, slots=True)
class Head:
    """One question: `labels[i]` is answered by column `first + i`. One label: yes or no."""

    name: str
    labels: tuple[str, ...]
    first: int


@dataclass(frozen=True, slots=True)
class Model:
    kind: str
    heads: tuple[Head, ...]
    weights: Weights
    """Shape (features, outputs)."""
    intercepts: NDArray[np.float32]
    thresholds: Mapping[str, float] = field(default_factory=dict)
    languages: tuple[str, ...] = ()
    notes: Mapping[str, Any] = field(default_factory=dict)
    """Where it comes from and how good it was; for people, not for serving."""

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "weights.npy"
        np.save(path, self.weights.astype(np.float16), allow_pickle=False)
        sidecar = {
            "format": FORMAT,
            "kind": self.kind,
            "features": fingerprint(),
            "heads": [{"name": h.name, "labels": list(h.labels)} for h in self.heads],
            "intercepts": [round(float(value), 6) for value in self.intercepts],
            "thresholds": dict(self.thresholds),
            "languages": list(self.languages),
            "weights": {"sha256": hashlib.sha256(path.read_bytes()).hexdigest()},
            "notes": dict(self.notes),
        }
        text = json.dumps(sidecar, indent=1, ensure_ascii=False)
        (folder / "model.json").write_text(text + "\n", encoding="utf-8")


def fingerprint() -> dict[str, Any]:
    """What a model must agree with: the features of this release."""
    return {
        "schema": SCHEMA,
        "bits": BITS,
        "concepts": shipped().digest,
        "facts": len(STYLE) + MAIL_ROOM,
    }


def load(folder: Path) -> Model:
    """Read a model, memory-mapped. Raises ModelError if it is damaged or of other features."""
    try:
        sidecar = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        with (folder / "weights.npy").open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder}: no readable model: {error}") from None
    if sidecar.get("format") != FORMAT or sidecar.get("features") != fingerprint():
        raise ModelError(f"{folder}: made for other features; train it again with this release")
    if digest != sidecar["weights"]["sha256"]:
        raise ModelError(f"{folder}: weights.npy is not the file that model.json describes")
    try:
        weights = np.load(folder / "weights.npy", mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder}: weights.npy: {error}") from None
    return _model(sidecar, weights, folder)


def _model(sidecar: Mapping[str, Any], weights: Weights, folder: Path) -> Model:
    heads: list[Head] = []
    first = 0
    for head in sidecar["heads"]:
        heads.append(Head(str(head["name"]), tuple(map(str, head["labels"])), first))
        first += len(head["labels"])
    width = Layout(len(shipped().names)).width
    intercepts = np.array(sidecar["intercepts"], np.float32)
    if weights.shape != (width, first) or len(intercepts) != first:
        raise ModelError(f"{folder}: {weights.shape} weights for {first} outputs of {width}")
    return Model(
        kind=str(sidecar["kind"]),
        heads=tuple(heads),
        weights=weights,
        intercepts=intercepts,
        thresholds={str(k): float(v) for k, v in sidecar["thresholds"].items()},
        languages=tuple(sidecar["languages"]),
        notes=sidecar["notes"],
    )
