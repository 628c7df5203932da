"""How does the customer feel, does it hurry, and should somebody phone?

`score` is the probability of the result. `details` are `{"probabilities": {irate, upset, neutral,
pleased}, "urgent": bool, "urgency": P(urgent), "asked": "yes|no|refused", "asked_score": its
probability, "reasons": [phrases in the customer's own words, letters and spaces only]}`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.filters import Options, Services
from gateway.learning.scorer import Scorer, Scores
from gateway.message import Message
from gateway.verdict import Verdict, Verdicts

TONES = ("irate", "upset", "neutral", "pleased")
RESULTS = (*TONES, "unknown")
FEWEST_WORDS = 2
"""Fewer new words of the customer say nothing about the tone."""


@dataclass(frozen=True, slots=True)
class ToneFilter:
    scorer: Scorer
    name: str = "tone"
    needs: tuple[str, ...] = ()
    results: tuple[str, ...] = RESULTS

    async def examine(self, message: Message, verdicts: Verdicts) -> Verdict:
        scores = self.scorer.score(message)
        model = self.scorer.models["tone"]
        language = scores.input.reading.language
        if scores.words < FEWEST_WORDS:
            return _unknown("no text")
        if language not in (*model.languages, "und"):
            return _unknown(f"language {language}")
        chances = probabilities(scores)
        label = max(TONES, key=lambda tone: chances[tone])
        return Verdict(
            result=label,
            reason=f"{label} ({chances[label]:.2f})",
            score=chances[label],
            details={
                **_others(scores, model.thresholds),
                "probabilities": {tone: round(chances[tone], 4) for tone in TONES},
                "reasons": [*reasons(self.scorer, scores, label)],
            },
        )


def probabilities(scores: Scores) -> dict[str, float]:
    """Of the four tones: irate and upset share what is negative."""
    negative, neutral, pleased = scores.softmax("mood")
    anger = scores.sigmoid("anger")
    return {
        "irate": negative * anger,
        "upset": negative * (1 - anger),
        "neutral": neutral,
        "pleased": pleased,
    }


def reasons(scorer: Scorer, scores: Scores, label: str) -> list[str]:
    """The phrases that decided: those that made it irate, negative or pleased; neutral has none."""
    if label == "irate":
        return scorer.phrases(scores, "anger")
    if label == "neutral":
        return []
    return scorer.phrases(scores, "mood", 0 if label == "upset" else 2)


def _others(scores: Scores, thresholds: Mapping[str, float]) -> dict[str, str | float | bool]:
    urgency = scores.sigmoid("urgent")
    asked, asked_score = wish(scores, thresholds.get("refused", 0.5))
    return {
        "urgent": urgency >= thresholds.get("urgent", 0.5),
        "urgency": round(urgency, 4),
        "asked": asked,
        "asked_score": round(asked_score, 4),
    }


def wish(scores: Scores, refused_at: float) -> tuple[str, float]:
    """Whether a call is wished, and how sure that is. A refusal beats everything."""
    if "asked" not in scores.heads:
        return "no", 0.0
    no, yes, refused = scores.softmax("asked")
    if refused >= refused_at:
        return "refused", refused
    return ("yes", yes) if yes >= no else ("no", no)


def _unknown(why: str) -> Verdict:
    """Nothing is said of a text in a language, or without words, that was not learned."""
    return Verdict(
        result="unknown",
        reason=why,
        score=0.0,
        details={
            "probabilities": dict.fromkeys(TONES, 0.0),
            "urgent": False,
            "urgency": 0.0,
            "asked": "no",
            "asked_score": 0.0,
            "reasons": [],
        },
    )


def build(options: Options, services: Services) -> ToneFilter:
    """`model`: a shipped name or a folder."""
    unknown = [key for key in options if key != "model"]
    if unknown:
        raise ValueError(f"tone: no option {unknown[0]!r}; it has model")
    return ToneFilter(services.load_scorer({"tone": str(options.get("model", "tone"))}))
