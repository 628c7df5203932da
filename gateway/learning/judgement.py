"""What the scores of a letter mean in words: the tone, the hurry, the wish for a call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

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


def judge(scores: Scores, thresholds: Mapping[str, float]) -> Judgement:
    urgency = scores.sigmoid("urgent")
    tones = _tones(scores)
    asked, asked_score = _wish(scores, tones, thresholds)
    return Judgement(
        tones=tones,
        urgency=urgency,
        urgent=urgency >= thresholds.get("urgent", URGENT),
        asked=asked,
        asked_score=asked_score,
    )


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


def _tones(scores: Scores) -> dict[str, float]:
    share = _letter(scores)
    long = scores.softmax("tone")
    short = _short(scores) if share < 1 else long
    mixed = (share * one + (1 - share) * other for one, other in zip(long, short, strict=True))
    return dict(zip(TONES, mixed, strict=True))


def _short(scores: Scores) -> tuple[float, ...]:
    """The mean of what was told at once and in two steps: how negative, and then how angry."""
    negative, neutral, pleased = scores.softmax("mood_short")
    anger = scores.sigmoid("anger_short")
    steps = (negative * anger, negative * (1 - anger), neutral, pleased)
    at_once = scores.softmax("tone_short")
    return tuple((one + other) / 2 for one, other in zip(at_once, steps, strict=True))


def _wish(
    scores: Scores, tones: Mapping[str, float], thresholds: Mapping[str, float]
) -> tuple[str, float]:
    """Who is irate is phoned, of the upset who has cause, of the others who asks for it. A refusal
    beats everything, whether the model hears it or a sentence says it. Sentences cost more than the
    model: they are read where it hesitates, and always before anybody is phoned."""
    refused = scores.sigmoid("refused")
    if refused >= thresholds.get("refused", REFUSED):
        return "refused", refused
    calm = tones["neutral"] + tones["pleased"]
    wanted = tones["irate"] + tones["upset"] * scores.sigmoid("cause")
    wanted += calm * scores.sigmoid("wish")
    ring = wanted >= thresholds.get("call", CALL)
    if (ring or refused >= DOUBT) and refusal(scores.input.tone, scores.input.reading.language):
        return "refused", SAID
    if ring:
        return "yes", wanted
    return "no", 1 - wanted
