"""`gateway train spam|tone PATH… --out DIR`: from samples to a model on disk.

Training is the same every time: samples in the order of their paths, lbfgs from zero, folds and
held-out parts chosen by hashes. scikit-learn is needed here and nowhere in serving.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.learning import corpus, train_spam, train_tone
from gateway.learning.concepts import shipped
from gateway.learning.corpus import Sample
from gateway.learning.features import Reader
from gateway.learning.input import message_of, message_of_text, read_input
from gateway.learning.linear import Array, Linear, chances
from gateway.learning.matrix import Progress, build, silent
from gateway.learning.model import Head, Model

REFUSED_LEAST = 0.4
"""No wish to be left alone is read from less; what is said in so many words is heard besides."""
KINDS = ("spam", "tone")
NON_COMMERCIAL = ("airline_tweets", "phishing_pot", "synthetic_tickets")
"""Sources of DATA whose licence forbids commercial use, or is usually given so."""


@dataclass(frozen=True, slots=True)
class Trained:
    """What came of a training: where the model is and some figures of unseen rows."""

    folder: Path
    samples: Mapping[str, int]
    held_out: int
    notes: Mapping[str, Any] = field(default_factory=dict)


def train(
    kind: str,
    paths: Sequence[str | Path],
    out: str | Path,
    *,
    exclude: Iterable[str] = (),
    progress: Progress = silent,
) -> Trained:
    """Train one kind of model and save it under `out`.

    `exclude` names sources that are left out (see NON_COMMERCIAL). Raises ValueError when a path
    cannot be read or too little is found to learn from.
    """
    if kind not in KINDS:
        raise ValueError(f"no such kind: {kind}; it is spam or tone")
    left_out = frozenset(exclude)
    samples = [s for s in corpus.read(paths) if s.source not in left_out]
    kept = [s for s in samples if not train_tone.held_out(s)]
    model = (_spam if kind == "spam" else _tone)(kept, progress)
    folder = Path(out)
    model.save(folder)
    return Trained(folder, train_tone.counts(kept), len(samples) - len(kept), model.notes)


def _spam(samples: Sequence[Sample], progress: Progress) -> Model:
    samples = train_spam.thinned(samples)
    taught = train_spam.read_samples(samples, progress, len(samples))
    if len(set(taught.answers.tolist())) < 2:
        raise ValueError("both ham and spam are needed: folders named ham and spam, or labels")
    reader = Reader(shipped())
    head, _ = train_spam.learn(taught, reader.layout, progress)
    return _model("spam", [Head("spam", ("spam",), 0)], [head], samples, {})


def _tone(samples: Sequence[Sample], progress: Progress) -> Model:
    samples = [s for s in samples if s.label != "ham"]
    reader = Reader(shipped())
    rows = build((own_words(s) for s in samples), len(samples), progress)
    heads: list[Head] = []
    learned: list[Linear] = []
    thresholds: dict[str, float] = {}
    first = 0
    for question in train_tone.QUESTIONS:
        taught = train_tone.lesson(question, samples, rows)
        if taught is None:
            continue
        head, logits, answers = train_tone.learn(question, taught, reader.layout, progress)
        learned.append(head)
        thresholds |= _thresholds(question.name, chances(logits), answers)
        heads.append(Head(question.name, question.labels, first))
        first += len(question.labels)
    if "tone" not in {head.name for head in heads}:
        raise ValueError("samples of irate, upset, neutral and pleased are needed")
    return _model("tone", heads, learned, samples, thresholds)


def _thresholds(name: str, found: Array, answers: NDArray[np.int_]) -> dict[str, float]:
    """Where yes begins: by the best balance, but a refused call is rather assumed than missed."""
    if name == "urgent":
        return {name: train_tone.threshold(found[:, 0], answers == 1)}
    if name == "refused":
        return {name: max(train_tone.threshold(found[:, 0], answers == 1, 2.0), REFUSED_LEAST)}
    return {}


def own_words(sample: Sample) -> str:
    """What the tone heads read of a sample, by the way of real mail where it may be quoted."""
    if sample.raw:
        return read_input(message_of(sample.raw)).tone
    if sample.source == train_tone.LETTERS:
        return read_input(message_of_text(sample.subject, sample.text)).tone
    return f"{sample.subject}\n{sample.text}"


def _model(
    kind: str,
    heads: Sequence[Head],
    learned: Sequence[Linear],
    samples: Sequence[Sample],
    thresholds: Mapping[str, float],
) -> Model:
    return Model(
        kind=kind,
        heads=tuple(heads),
        weights=np.hstack([head.weights for head in learned]).astype(np.float16),
        intercepts=np.concatenate([head.intercepts for head in learned]).astype(np.float32),
        thresholds=thresholds,
        languages=train_tone.LANGUAGES,
        notes={"samples": train_tone.counts(samples)},
    )
