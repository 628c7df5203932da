"""How does the customer feel, does it hurry, and should somebody phone?

`score` is the probability of the result. `details` are `{"probabilities": {irate, upset, neutral,
pleased}, "urgent": bool, "urgency": P(urgent), "asked": "yes|no|refused", "asked_score": its
probability}`; `reasons` are phrases in the customer's own words, letters and spaces only.

With `second_look: true` (or a folder) a small transformer reads again what the heads are not sure
of; it works in a thread of its own, so that other messages need not wait for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from gateway import shipped
from gateway.filters import Options, Services
from gateway.learning.judgement import TONES, Judgement, Look, judge, reasons
from gateway.learning.scorer import Scorer, Scores
from gateway.learning.second_look import SecondLook
from gateway.message import Message
from gateway.verdict import Verdict, Verdicts

RESULTS = (*TONES, "unknown")
FEWEST_WORDS = 2
"""Fewer new words of the customer say nothing about the tone."""


@dataclass(frozen=True, slots=True)
class ToneFilter:
    scorer: Scorer
    second: Look | None = None
    name: str = "tone"
    needs: tuple[str, ...] = ()
    results: tuple[str, ...] = RESULTS

    @property
    def instant(self) -> bool:
        return self.second is None

    async def examine(self, message: Message, verdicts: Verdicts) -> Verdict:
        scores = self.scorer.score(message)
        model = self.scorer.models["tone"]
        language = scores.input.reading.language
        if scores.words < FEWEST_WORDS:
            return _unknown("no text")
        if language not in (*model.languages, "und"):
            return _unknown(f"language {language}")
        found, lacking = await self._judged(scores, model.thresholds)
        return Verdict(
            result=found.tone,
            reason=f"{found.tone} ({found.tones[found.tone]:.2f}){lacking}",
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

    async def _judged(
        self, scores: Scores, thresholds: Mapping[str, float]
    ) -> tuple[Judgement, str]:
        """What is found, and what is lacking. An extra that fails takes no letter its tone."""
        if self.second is None:
            return judge(scores, thresholds), ""
        try:
            return await asyncio.to_thread(judge, scores, thresholds, self.second), ""
        except Exception:  # whatever onnxruntime raises
            return judge(scores, thresholds), ", the second look failed"


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
    """`model`: a shipped name or a folder; `second_look`: true for the shipped one, or a folder."""
    unknown = [key for key in options if key not in ("model", "second_look")]
    if unknown:
        raise ValueError(f"tone: no option {unknown[0]!r}; it has model and second_look")
    scorer = services.load_scorer({"tone": str(options.get("model", "tone"))})
    again = options.get("second_look", False)
    second = _second_look("second_look" if again is True else str(again)) if again else None
    return ToneFilter(scorer, second)


def _second_look(named: str) -> SecondLook:
    """One in this process, whichever configuration asks for it; another when its files changed."""
    folder = shipped.named("models", named)
    try:
        digests = (folder / "model.json").read_bytes()
    except OSError:
        digests = b""
    return _loaded(folder, digests)


@lru_cache(maxsize=2)
def _loaded(folder: Path, digests: bytes) -> SecondLook:
    """`digests`: what its model.json says, by which a reload finds out that it was made anew."""
    return SecondLook(folder)
