"""What the scores of a letter mean in words: the tone, the hurry, the wish for a call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.learning.scorer import Scorer, Scores

TONES = ("irate", "upset", "neutral", "pleased")
URGENT, REFUSED = 0.5, 0.5
"""Where yes begins when the model does not say."""


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
    asked, asked_score = _wish(scores, thresholds.get("refused", REFUSED))
    return Judgement(
        tones=_tones(scores),
        urgency=urgency,
        urgent=urgency >= thresholds.get("urgent", URGENT),
        asked=asked,
        asked_score=asked_score,
    )


def reasons(scorer: Scorer, scores: Scores, tone: str) -> list[str]:
    """The phrases that decided for a tone, in the customer's words; neutral has none."""
    if tone == "irate":
        return scorer.phrases(scores, "anger")
    if tone in ("upset", "pleased"):
        return scorer.phrases(scores, "mood", 0 if tone == "upset" else 2)
    return []


def _tones(scores: Scores) -> dict[str, float]:
    """Irate and upset share what is negative."""
    negative, neutral, pleased = scores.softmax("mood")
    anger = scores.sigmoid("anger")
    return {
        "irate": negative * anger,
        "upset": negative * (1 - anger),
        "neutral": neutral,
        "pleased": pleased,
    }


def _wish(scores: Scores, refused_at: float) -> tuple[str, float]:
    """A refusal beats everything; so it is believed from `refused_at` on."""
    if "asked" not in scores.heads:
        return "no", 0.0
    no, yes, refused = scores.softmax("asked")
    if refused >= refused_at:
        return "refused", refused
    return ("yes", yes) if yes >= no else ("no", no)
