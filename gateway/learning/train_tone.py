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
FEWEST = 200
"""So many letters are enough to learn from them alone."""
SPAM_SHARE = 0.05
FOLDS, FOLDS_SHORT = 4, 2
WORD_SCALE, CONCEPT_SCALE, PAIR_SCALE, STYLE_SCALE = 1.2, 0.5, 0.2, 0.3


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
    return MOOD_OF.get(sample.label, 1 if machine(sample) else None)


def _anger(sample: Sample) -> int | None:
    return {"irate": 1, "upset": 0}.get(sample.label)


def _urgent(sample: Sample) -> int | None:
    if machine(sample):
        return 0
    return None if sample.urgent is None else int(sample.urgent)


def _asked(sample: Sample) -> int | None:
    if machine(sample):
        return 0
    return ASKED.index(sample.asked) if sample.asked in ASKED else None


def machine(sample: Sample) -> bool:
    """Spam: nobody is angry in it, and its hurry is not a customer's."""
    return sample.label == "spam"


QUESTIONS = (
    Question("mood", MOODS, _mood, 8.0, 0.95),
    Question("anger", ("irate",), _anger, 8.0, 0.95),
    Question("urgent", ("yes",), _urgent, 8.0, 1.0),
    Question("asked", ASKED, _asked, 8.0, 1.0),
    Question("mood_short", MOODS, _mood, 2.0, 0.1),
    Question("anger_short", ("irate",), _anger, 2.0, 0.1),
)
"""Public texts are short and about anything: a share of a twentieth keeps the reading of plain
letters straight, more of it makes our hard letters worse. Of texts of a line or two the judgement
takes the mean with heads that learn mostly from public texts (judgement.SHORT)."""


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
            (0, layout.words, WORD_SCALE),
            (layout.words, layout.pairs, CONCEPT_SCALE),
            (layout.pairs, layout.facts, PAIR_SCALE),
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
    stated = np.array([answer is not None for answer in answers], bool)
    own = np.array([sample.source == LETTERS for sample in samples], bool)
    spam = np.array([machine(sample) for sample in samples], bool)
    if question.letters == 1.0 and (stated & own).sum() >= FEWEST:
        stated &= own | spam
    chosen = np.flatnonzero(stated)
    told = np.array([answers[n] for n in chosen.tolist()], int)
    if len(set(told.tolist())) < max(2, len(question.labels)):
        return None
    sources = [samples[n].source for n in chosen.tolist()]
    return Lesson(
        rows=rows[chosen],
        answers=told,
        weights=_weights(question, told, sources, own[chosen], spam[chosen]),
        own=own[chosen],
        folds=np.array([_fold(samples[n]) for n in chosen.tolist()]),
    )


def _weights(
    question: Question,
    answers: NDArray[np.int_],
    sources: Sequence[str],
    own: NDArray[np.bool_],
    spam: NDArray[np.bool_],
) -> Array:
    """Letters weigh one each; public texts, answers balanced, and spam have their shares."""
    weights = np.array([WEIGHTS.get(source, 1.0) for source in sources])
    public = ~own & ~spam
    if public.any():
        weights[public] = linear.balance(answers[public], weights[public])
    if own.any() and public.any():
        share = own.sum() * (1 - question.letters) / question.letters
        weights[public] *= share / weights[public].sum()
    if spam.any():
        weights[spam] = SPAM_SHARE * weights[~spam].sum() / spam.sum()
    return np.asarray(weights * len(weights) / weights.sum())


def _fold(sample: Sample) -> int:
    return zlib.crc32(f"fold {sample.group or sample.text}".encode()) % FOLDS


def learn(
    question: Question, taught: Lesson, layout: Layout, progress: Progress = silent
) -> tuple[Linear, Array, NDArray[np.int_]]:
    """The calibrated head; then logits of rows by a head that never saw them, and their answers."""
    scaled = scale(layout)
    unseen = np.zeros((len(taught.answers), max(1, len(question.labels))))
    folds = FOLDS if question.letters > 0.5 else FOLDS_SHORT
    few = taught.own.sum() < FEWEST or question.letters < 0.5
    judged = np.ones(len(taught.own), bool) if few else taught.own
    every = set(taught.answers.tolist())
    judged = judged.copy()
    for fold in range(folds):
        progress(f"{question.name}: cross-validation", fold, folds + 1)
        test = (taught.folds % folds == fold) & judged
        train = ~test
        if set(taught.answers[train].tolist()) != every:
            judged[test] = False  # too few of one answer to do without these
        elif test.any():
            head = linear.fit(
                taught.rows[train], taught.answers[train], taught.weights[train], scaled,
                question.strength,
            )  # fmt: skip
            unseen[test] = head.logits(taught.rows[test])
    progress(f"{question.name}: all", folds, folds + 1)
    head = linear.fit(taught.rows, taught.answers, taught.weights, scaled, question.strength)
    if not judged.any():
        return head, np.empty((0, unseen.shape[1])), taught.answers[:0]
    honest = linear.calibrate(unseen[judged], taught.answers[judged], np.ones(judged.sum()))
    return honest.fold(head), honest.apply(unseen[judged]), taught.answers[judged]


def threshold(chances: Array, answers: NDArray[np.bool_], recall_weight: float = 1.0) -> float:
    """The probability from which on yes is answered: best F-measure on rows not learned from.

    A `recall_weight` of two counts a yes that is missed twice as much as a false one.
    """
    if not answers.any():
        return 0.5
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
