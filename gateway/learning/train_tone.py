"""Learning how letters sound: tone, urgency, who should be phoned, who forbids it.

Each head answers one question over the same rows. Our letters are what the product reads, and they
alone teach the heads that read letters: public texts made those worse in every trial. Public texts
are short and about anything; heads of their own read texts of a line or two: one of the four tones,
and beside it mood and anger, which also learn from texts that are only known to be negative.

Who is irate should be phoned. Of the upset some have cause (*cause*), of the others those who ask
for it (*wish*), so that P(call) = P(irate) + P(upset) P(cause) + P(neutral or pleased) P(wish).
*Refused* beats it.
"""

from __future__ import annotations

import re
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

TONES = ("irate", "upset", "neutral", "pleased")
MOODS = ("negative", "neutral", "pleased")
MOOD_OF = {"irate": 0, "upset": 0, "negative": 0, "neutral": 1, "pleased": 2}
ASKED = ("no", "yes", "refused")
LANGUAGES = ("de", "en", "es", "fr", "it", "nl", "pt")

LETTERS = "letters"
WEIGHTS = {"xci_complaint_tweets": 3.0, "xed_subtitles": 0.5, "synthetic_tickets": 0.3}
"""How much one sample of a source counts; others count 1, and letters as follows."""
FEWEST = 200
"""So many letters are enough to learn from them alone."""
SPAM_SHARE = 0.05
FOLDS, FOLDS_SHORT = 4, 2


@dataclass(frozen=True, slots=True)
class Scales:
    """How much the blocks of a row count while learning: a larger scale is regularised less."""

    words: float = 1.0
    concepts: float = 0.3
    pairs: float = 0.05
    style: float = 0.2


@dataclass(frozen=True, slots=True)
class Question:
    """One head: its name, labels, which samples answer it and how."""

    name: str
    labels: tuple[str, ...]
    answer: Callable[[Sample], int | None]
    strength: float
    letters: float = 1.0
    """The share of all weight that our letters have together; 1: nothing else is read."""
    scales: Scales = Scales()
    balanced: bool = True
    """Whether every answer counts as much as any other, however rare."""
    rare: float = 0.0
    """How much more words count the fewer texts they stand in: a power of the logarithm."""
    counts: tuple[float, ...] = ()
    """How much each answer counts beside the others; empty: all the same."""


def _tone(sample: Sample) -> int | None:
    if machine(sample):
        return TONES.index("neutral")
    return TONES.index(sample.label) if sample.label in TONES else None


def _mood(sample: Sample) -> int | None:
    return MOOD_OF.get(sample.label, 1 if machine(sample) else None)


def _anger(sample: Sample) -> int | None:
    return {"irate": 1, "upset": 0}.get(sample.label)


def _urgent(sample: Sample) -> int | None:
    if machine(sample):
        return 0
    return None if sample.urgent is None else int(sample.urgent)


def _cause(sample: Sample) -> int | None:
    """Should somebody phone this upset customer?"""
    return {"no": 0, "yes": 1}.get(sample.asked) if sample.label == "upset" else None


def _wish(sample: Sample) -> int | None:
    """Does this calm customer ask to be phoned?"""
    if machine(sample):
        return 0
    calm = sample.label in ("neutral", "pleased")
    return {"no": 0, "yes": 1}.get(sample.asked) if calm else None


def _refused(sample: Sample) -> int | None:
    if machine(sample):
        return 0
    return int(sample.asked == "refused") if sample.asked in ASKED else None


def machine(sample: Sample) -> bool:
    """Spam: nobody is angry in it, and its hurry is not a customer's."""
    return sample.label == "spam"


_SHORT = Scales(1.0, 0.3, 0.1, 0.2)
_WORDY = Scales(words=1.5, style=0.3)
QUESTIONS = (
    Question("tone", TONES, _tone, 8.0, scales=_WORDY, rare=0.3),
    Question("urgent", ("yes",), _urgent, 8.0, scales=_WORDY, rare=0.3),
    Question("cause", ("yes",), _cause, 3.0, scales=Scales(0.7, 0.3, 0.02, 0.5), balanced=False),
    Question("wish", ("yes",), _wish, 5.0, balanced=False),
    Question("refused", ("yes",), _refused, 5.0, scales=Scales(1.0, 0.5, 0.2, 0.2)),
    Question("tone_short", TONES, _tone, 1.0, 0.1, _SHORT, rare=1.0),
    Question("mood_short", MOODS, _mood, 1.0, 0.1, _SHORT, rare=1.0, counts=(2.0, 1.0, 1.0)),
    Question("anger_short", ("irate",), _anger, 1.0, 0.1, _SHORT, rare=1.0),
)
"""A refusal is one phrase in a whole letter: pairs such as 'not' and 'ring' carry it."""


HELD_OUT_HANDS = ("t", "ah", "ai", "aj")
"""Writers of our letters from whom nothing is learned; their letters judge what is made."""


def hand(sample: Sample) -> str:
    """Who wrote one of our letters: what its id begins with; empty for other samples."""
    begins = re.match("[a-z]+", sample.name)
    return begins[0] if begins and sample.source == LETTERS else ""


def held_out(sample: Sample) -> bool:
    """Whether one of our letters is kept from training."""
    return hand(sample) in HELD_OUT_HANDS


def scale(layout: Layout, chosen: Scales) -> NDArray[np.float32]:
    """Mail facts are shut out of these heads: they tell the source, not the mood."""
    return scales(
        layout.width,
        (
            (0, layout.words, chosen.words),
            (layout.words, layout.pairs, chosen.concepts),
            (layout.pairs, layout.facts, chosen.pairs),
            (layout.facts, layout.mail, chosen.style),
            (layout.mail, layout.width, 0.0),
        ),
    )


def rarity(rows: sparse.csr_matrix) -> NDArray[np.float32]:
    """For each column how seldom it occurs, about 1 for the entries of a common text."""
    texts = np.bincount(rows.indices, minlength=rows.shape[1])
    seldom = np.log(rows.shape[0] / np.maximum(texts, 1))
    return np.asarray(seldom / seldom[rows.indices].mean(), np.float32)


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
    weights = _weights(question, told, sources, own[chosen], spam[chosen])
    if question.balanced:
        weights = linear.balance(told, weights)
    if question.counts:
        weights = weights * np.array(question.counts)[told]
    return Lesson(
        rows=rows[chosen],
        answers=told,
        weights=weights,
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
    scaled = scale(layout, question.scales)
    if question.rare:
        scaled[: layout.words] *= rarity(taught.rows[:, : layout.words]) ** question.rare
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
