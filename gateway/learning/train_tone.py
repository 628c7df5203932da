"""Learning how letters sound: mood, anger, urgency, and the wish to be phoned.

Four heads over the same rows. *Mood* tells negative, neutral and pleased apart and may learn from
sources that do not tell irate from upset. *Anger* tells irate from upset among the negative.
P(irate) = P(negative) x P(anger). *Urgent* and *asked* answer their own questions. Our letters
are what the product reads; tweets and reviews teach words and weigh less.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from gateway.learning import linear
from gateway.learning.corpus import Sample
from gateway.learning.features import Layout
from gateway.learning.linear import Array, Linear
from gateway.learning.matrix import Progress, scales, silent

MOODS = ("negative", "neutral", "pleased")
TONES = ("irate", "upset", "neutral", "pleased")
ASKED = ("no", "yes", "refused")
MOOD_OF = {"irate": 0, "upset": 0, "negative": 0, "neutral": 1, "pleased": 2}
LANGUAGES = ("de", "en", "es", "fr", "it", "nl", "pt")

LETTERS = "letters"
WEIGHTS = {"xci_complaint_tweets": 1.5, "xed_subtitles": 0.5, "synthetic_tickets": 0.3}
"""How much one sample of a source counts; others count 1, and letters as follows."""
FOLDS = 4
CONCEPT_SCALE, STYLE_SCALE = 0.5, 0.3


@dataclass(frozen=True, slots=True)
class Question:
    """One head: its name, labels, which samples answer it and how."""

    name: str
    labels: tuple[str, ...]
    answer: Callable[[Sample], int | None]
    strength: float
    letters: float
    """The share of all weight that our letters have together."""


def _mood(sample: Sample) -> int | None:
    return MOOD_OF.get(sample.label)


def _anger(sample: Sample) -> int | None:
    return {"irate": 1, "upset": 0}.get(sample.label)


def _urgent(sample: Sample) -> int | None:
    return None if sample.urgent is None else int(sample.urgent)


def _asked(sample: Sample) -> int | None:
    return ASKED.index(sample.asked) if sample.asked in ASKED else None


QUESTIONS = (
    Question("mood", MOODS, _mood, 3.0, 0.5),
    Question("anger", ("irate",), _anger, 3.0, 0.9),
    Question("urgent", ("yes",), _urgent, 3.0, 0.98),
    Question("asked", ASKED, _asked, 3.0, 0.9),
)


def held_out(sample: Sample) -> bool:
    """Whether one of our letters is kept from training: by situation and persona, for ever.

    About one situation in eight and one persona in eight. The choice hangs on their names alone,
    so that it stays the same while the corpus grows.
    """
    if sample.source != LETTERS:
        return False
    persona = str(sample.extra.get("persona") or "")
    parts = [sample.group, persona] if persona else [sample.group]
    return any(zlib.crc32(f"held {part}".encode()) % 8 == 0 for part in parts)


def text_of(sample: Sample) -> str:
    """What the heads read of a sample; the same as `input.read_input` gives of a message."""
    return f"{sample.subject}\n{sample.text}"


def scale(layout: Layout) -> NDArray[np.float32]:
    """Mail facts are shut out of these heads: they tell the source, not the mood."""
    return scales(
        layout.width,
        (
            (layout.words, layout.facts, CONCEPT_SCALE),
            (layout.facts, layout.mail, STYLE_SCALE),
            (layout.mail, layout.width, 0.0),
        ),
    )


@dataclass(frozen=True, slots=True)
class Lesson:
    """The rows that answer one question."""

    rows: sparse.csr_matrix
    answers: NDArray[np.int_]
    weights: Array
    own: NDArray[np.bool_]
    """Which rows are our letters."""
    folds: NDArray[np.int_]


def lesson(question: Question, samples: Sequence[Sample], rows: sparse.csr_matrix) -> Lesson | None:
    """Only what can be learned: None when fewer than two answers occur."""
    answers = [question.answer(sample) for sample in samples]
    chosen = np.flatnonzero([answer is not None for answer in answers])
    told = np.array([answers[n] for n in chosen.tolist()], int)
    if len(set(told.tolist())) < max(2, len(question.labels)):
        return None
    sources = [samples[n].source for n in chosen.tolist()]
    weights = np.array([WEIGHTS.get(source, 1.0) for source in sources])
    own = np.array([source == LETTERS for source in sources])
    if own.any() and not own.all():
        share = weights[~own].sum() * question.letters / (1 - question.letters)
        weights[own] = share / own.sum()
    return Lesson(
        rows=rows[chosen],
        answers=told,
        weights=linear.balance(told, weights),
        own=own,
        folds=np.array([_fold(samples[n]) for n in chosen.tolist()]),
    )


def _fold(sample: Sample) -> int:
    return zlib.crc32(f"fold {sample.group or sample.text}".encode()) % FOLDS


def learn(
    question: Question, taught: Lesson, layout: Layout, progress: Progress = silent
) -> tuple[Linear, Array, NDArray[np.int_]]:
    """The calibrated head; then logits of rows by a head that never saw them, and their answers."""
    scaled = scale(layout)
    unseen = np.zeros((len(taught.answers), max(1, len(question.labels))))
    judged = taught.own if taught.own.sum() >= 40 else np.ones(len(taught.own), bool)
    for fold in range(FOLDS):
        progress(f"{question.name}: cross-validation", fold, FOLDS + 1)
        test = (taught.folds == fold) & judged
        train = ~test
        if test.any():
            head = linear.fit(
                taught.rows[train], taught.answers[train], taught.weights[train], scaled,
                question.strength,
            )  # fmt: skip
            unseen[test] = head.logits(taught.rows[test])
    progress(f"{question.name}: all", FOLDS, FOLDS + 1)
    head = linear.fit(taught.rows, taught.answers, taught.weights, scaled, question.strength)
    honest = linear.calibrate(unseen[judged], taught.answers[judged], np.ones(judged.sum()))
    return honest.fold(head), honest.apply(unseen[judged]), taught.answers[judged]


def threshold(chances: Array, answers: NDArray[np.bool_], recall_weight: float = 1.0) -> float:
    """The probability from which on yes is answered: best F-measure on rows not learned from.

    A `recall_weight` of two counts a yes that is missed twice as much as a false one.
    """
    order = np.argsort(-chances, kind="stable")
    hits = np.cumsum(answers[order])
    told = np.arange(1, len(order) + 1)
    square = recall_weight**2
    measure = (1 + square) * hits / (square * answers.sum() + told)
    best = int(np.argmax(measure))
    below = chances[order[best + 1]] if best + 1 < len(order) else 0.0
    return round(float(chances[order[best]] + below) / 2, 4)


def counts(samples: Sequence[Sample]) -> dict[str, int]:
    return dict(sorted(Counter(sample.source for sample in samples).items()))
