"""What the scores of a letter mean in words: the tone, the hurry, the wish for a call."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from gateway.learning.refusals import refusal
from gateway.learning.scorer import Scorer, Scores

TONES = ("irate", "upset", "neutral", "pleased")
SHORT, LONG = 20, 40
"""Up to so many words, the subject's included, are a short text; from so many on it is a letter."""
SHORT_HEADS = {"tone_short", "mood_short", "anger_short"}
LEAST = 0.25
"""A text with a subject is read as a letter by so much, however short."""
BARE = 3
"""So many times as much of a text without a subject and in one line: a comment, hardly a letter."""
URGENT, CALL, REFUSED = 0.5, 0.4, 0.5
"""Where yes begins when the model does not say."""
DOUBT = 0.05
"""The chance of a refusal from which the sentences of a letter are read that asks for no call."""
SAID = 0.9
"""The least chance of a refusal that a sentence says in so many words (see `refusals.py`)."""


SURE, HARDLY = 0.6, 0.1
"""A tone below the first, or a refusal of at least the second and less than surely, is doubtful."""
OPEN = (0.3, 0.7)
"""Between these a hurry or a wish for a call is doubtful."""
ENGLISH_SHARE, OTHER_SHARE = 0.5, 0.35
"""How much a second look counts: it has read far more English than anything else."""


@dataclass(frozen=True, slots=True)
class Chances:
    """What one reader thinks of a letter, all of it probabilities."""

    tones: tuple[float, ...]
    """P of each of TONES."""
    urgent: float
    wanted: float
    """Should somebody phone, were it not forbidden?"""
    refused: float


class Look(Protocol):
    """Somebody who reads a doubtful letter again (see `second_look.py`)."""

    def read(self, text: str) -> Chances: ...


@dataclass(frozen=True, slots=True)
class Judgement:
    tones: Mapping[str, float]
    """P of each of TONES."""
    urgency: float
    urgent: bool
    asked: str
    """yes, no, refused: should somebody phone?"""
    asked_score: float

    @property
    def tone(self) -> str:
        return max(TONES, key=lambda tone: self.tones[tone])


def judge(scores: Scores, thresholds: Mapping[str, float], second: Look | None = None) -> Judgement:
    """What the heads say of a letter and, where they are in doubt, who reads it again."""
    chances = first_look(scores)
    if second is not None and doubtful(chances):
        share = ENGLISH_SHARE if scores.input.reading.language == "en" else OTHER_SHARE
        chances = blended(chances, second.read(scores.input.tone), share)
    asked, asked_score = _wish(scores, chances, thresholds)
    return Judgement(
        tones=dict(zip(TONES, chances.tones, strict=True)),
        urgency=chances.urgent,
        urgent=chances.urgent >= thresholds.get("urgent", URGENT),
        asked=asked,
        asked_score=asked_score,
    )


def first_look(scores: Scores) -> Chances:
    """Who is irate is phoned, of the upset who has cause, of the others who asks for it."""
    tones = _tones(scores)
    irate, upset, *calm = tones
    wanted = irate + upset * scores.sigmoid("cause") + sum(calm) * scores.sigmoid("wish")
    return Chances(tones, scores.sigmoid("urgent"), wanted, scores.sigmoid("refused"))


def doubtful(chances: Chances) -> bool:
    """Whether a second look is worth its time."""
    low, high = OPEN
    return (
        max(chances.tones) < SURE
        or low < chances.urgent < high
        or low < chances.wanted < high
        or HARDLY < chances.refused < 1 - HARDLY
    )


def blended(one: Chances, other: Chances, share: float) -> Chances:
    """The mean of two readers' logits, the other's weighing `share`: who is surer counts more."""
    mixed = [
        math.exp((1 - share) * _log(first) + share * _log(second))
        for first, second in zip(one.tones, other.tones, strict=True)
    ]

    def of_yes(first: float, second: float) -> float:
        yes = (1 - share) * _log(first) + share * _log(second)
        no = (1 - share) * _log(1 - first) + share * _log(1 - second)
        return 1 / (1 + math.exp(no - yes))

    return Chances(
        tuple(power / sum(mixed) for power in mixed),
        of_yes(one.urgent, other.urgent),
        of_yes(one.wanted, other.wanted),
        of_yes(one.refused, other.refused),
    )


def _log(chance: float) -> float:
    return math.log(max(chance, 1e-6))


def reasons(scorer: Scorer, scores: Scores, tone: str) -> list[str]:
    """The phrases that decided for a tone, in the customer's words; neutral has none."""
    if tone == "neutral":
        return []
    head = "tone" if _letter(scores) >= 0.5 else "tone_short"
    return scorer.phrases(scores, head, TONES.index(tone))


def _letter(scores: Scores) -> float:
    """How much a text is read as a letter: a line or two are mostly read by the short heads."""
    if not scores.heads.keys() >= SHORT_HEADS:
        return 1.0
    bare = "\n" not in scores.input.tone.strip()
    words = scores.words / BARE if bare else scores.words
    return min(max((words - SHORT) / (LONG - SHORT), 0.0 if bare else LEAST), 1.0)


def _tones(scores: Scores) -> tuple[float, ...]:
    share = _letter(scores)
    long = scores.softmax("tone")
    short = _short(scores) if share < 1 else long
    return tuple(share * one + (1 - share) * other for one, other in zip(long, short, strict=True))


def _short(scores: Scores) -> tuple[float, ...]:
    """The mean of what was told at once and in two steps: how negative, and then how angry."""
    negative, neutral, pleased = scores.softmax("mood_short")
    anger = scores.sigmoid("anger_short")
    steps = (negative * anger, negative * (1 - anger), neutral, pleased)
    at_once = scores.softmax("tone_short")
    return tuple((one + other) / 2 for one, other in zip(at_once, steps, strict=True))


def _wish(scores: Scores, chances: Chances, thresholds: Mapping[str, float]) -> tuple[str, float]:
    """A refusal beats everything, whether the model hears it or a sentence says it. Sentences cost
    more than the model: they are read where it hesitates, and always before anybody is phoned."""
    wanted, refused = chances.wanted, chances.refused
    if refused >= thresholds.get("refused", REFUSED):
        return "refused", refused
    ring = wanted >= thresholds.get("call", CALL)
    if (ring or refused >= DOUBT) and refusal(scores.input.tone, scores.input.reading.language):
        return "refused", SAID
    if ring:
        return "yes", wanted
    return "no", 1 - wanted
