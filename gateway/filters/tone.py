"""How does the customer feel, does it hurry, and should somebody phone?

`score` is the probability of the result. `details` are `{"probabilities": {irate, upset, neutral,
pleased}, "urgent": bool, "urgency": P(urgent), "asked": "yes|no|refused", "asked_score": its
probability}`; `reasons` are phrases in the customer's own words, letters and spaces only.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.filters import Options, Services
from gateway.learning.judgement import TONES, judge, reasons
from gateway.learning.scorer import Scorer
from gateway.message import Message
from gateway.verdict import Verdict, Verdicts

RESULTS = (*TONES, "unknown")
FEWEST_WORDS = 2
"""Fewer new words of the customer say nothing about the tone."""


@dataclass(frozen=True, slots=True)
class ToneFilter:
    scorer: Scorer
    name: str = "tone"
    needs: tuple[str, ...] = ()
    results: tuple[str, ...] = RESULTS
    instant: bool = True

    async def examine(self, message: Message, verdicts: Verdicts) -> Verdict:
        scores = self.scorer.score(message)
        model = self.scorer.models["tone"]
        language = scores.input.reading.language
        if scores.words < FEWEST_WORDS:
            return _unknown("no text")
        if language not in (*model.languages, "und"):
            return _unknown(f"language {language}")
        found = judge(scores, model.thresholds)
        return Verdict(
            result=found.tone,
            reason=f"{found.tone} ({found.tones[found.tone]:.2f})",
            score=found.tones[found.tone],
            details={
                "probabilities": {tone: round(found.tones[tone], 4) for tone in TONES},
                "urgent": found.urgent,
                "urgency": round(found.urgency, 4),
                "asked": found.asked,
                "asked_score": round(found.asked_score, 4),
            },
            reasons=lambda: reasons(self.scorer, scores, found.tone),
        )


def _unknown(why: str) -> Verdict:
    """Nothing is said of a text without words or in a language that was not learned."""
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
        },
    )


def build(options: Options, services: Services) -> ToneFilter:
    """`model`: a shipped name or a folder."""
    unknown = [key for key in options if key != "model"]
    if unknown:
        raise ValueError(f"tone: no option {unknown[0]!r}; it has model")
    return ToneFilter(services.load_scorer({"tone": str(options.get("model", "tone"))}))
