"""Is it spam? Words and mail facts by the trained model, and what we know of the sender.

`score` is a calibrated P(spam); each site draws its own lines (0.5 and 0.9 unless it says
otherwise). `reasons` are words of the letter that spoke for spam; `details` are
`{"text_score": P(spam) before the sender was looked at, "sender": what was known of the sender}`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from gateway.filters import Options, Services
from gateway.learning.scorer import Scorer
from gateway.message import Message
from gateway.verdict import Thresholds, Verdict, Verdicts, is_aligned, spam_word

RESULTS = ("ham", "unsure", "spam")
_OPTIONS = ("model", "authentication")

ALIGNED, DMARC_FAIL, SPF_FAIL = -0.4, 1.0, 0.5
"""What the sender adds to the logit. Set by hand and small: the public corpora hold no signatures
that still verify and no sessions, so that nothing could be learned about it (see the card)."""


@dataclass(frozen=True, slots=True)
class SpamFilter:
    scorer: Scorer
    needs: tuple[str, ...]
    name: str = "spam"
    results: tuple[str, ...] = RESULTS
    instant: bool = True

    async def examine(self, message: Message, verdicts: Verdicts) -> Verdict:
        scores = self.scorer.score(message)
        sender, known = sender_evidence(verdicts)
        logit = float(scores.heads["spam"][0])
        score = _chance(logit + sender)
        word = spam_word(score, Thresholds())
        return Verdict(
            result=word,
            reason=", ".join(known) if word != "ham" else "",
            score=score,
            details={"text_score": round(_chance(logit), 4), "sender": [*known]},
            reasons=(lambda: self.scorer.phrases(scores, "spam")) if word != "ham" else tuple,
        )


def sender_evidence(verdicts: Verdicts) -> tuple[float, list[str]]:
    """What the checks of the sender add to the logit, and in words. Trouble adds nothing."""
    if is_aligned(verdicts):
        return ALIGNED, ["sender proven"]
    evidence, known = 0.0, []
    dmarc, spf = verdicts.get("dmarc"), verdicts.get("spf")
    if dmarc and dmarc.result == "fail":
        evidence += DMARC_FAIL
        known.append("sender not proven")
    if spf and spf.result == "fail":
        evidence += SPF_FAIL
        known.append("sent from a foreign server")
    return evidence, known


def _chance(logit: float) -> float:
    return 1 / (1 + math.exp(-max(-60.0, min(60.0, logit))))


def build(options: Options, services: Services) -> SpamFilter:
    """`model`: a shipped name or a folder; `authentication: false` reads no other filter."""
    unknown = [key for key in options if key not in _OPTIONS]
    if unknown:
        raise ValueError(f"spam: no option {unknown[0]!r}; it has {', '.join(_OPTIONS)}")
    scorer: Scorer = services.load_scorer({"spam": str(options.get("model", "spam"))})
    needs = ("spf", "dkim", "dmarc") if options.get("authentication", True) else ()
    return SpamFilter(scorer, needs)
