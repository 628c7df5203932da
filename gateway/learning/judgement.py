"""What the scores of a letter mean in words: the tone, the hurry, the wish for a call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from gateway.learning.scorer import Logits, Scorer, Scores, sigmoid, softmax

TONES = ("irate", "upset", "neutral", "pleased")
SHORT = 25
"""Fewer words than this, the subject's included, are a short text."""
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


def _logits(scores: Scores, head: str) -> Logits:
    """Of a text of a line or two the mean with what public texts of a line or two teach."""
    if scores.words < SHORT and f"{head}_short" in scores.heads:
        return np.asarray((scores.heads[head] + scores.heads[f"{head}_short"]) / 2, np.float32)
    return scores.heads[head]


def _tones(scores: Scores) -> dict[str, float]:
    """Irate and upset share what is negative."""
    negative, neutral, pleased = softmax(_logits(scores, "mood"))
    anger = sigmoid(float(_logits(scores, "anger")[0]))
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
