"""What was found (`Verdict`), and what follows from it for one site (`decide`). All of it pure.

Filters say what they found; the configuration says what to do about it. `decide` is the only
place where the two meet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from types import MappingProxyType
from typing import TypeAlias

JSON: TypeAlias = "bool | int | float | str | list[JSON] | dict[str, JSON] | None"

NOTHING: Mapping[str, JSON] = MappingProxyType({})

TEMPERROR = "temperror"
PERMERROR = "permerror"


@dataclass(frozen=True, slots=True)
class AuthResult:
    """One resinfo of Authentication-Results (RFC 8601, 2.2): `dkim=pass header.d=shop.example`."""

    method: str
    result: str
    properties: tuple[tuple[str, str], ...] = ()
    """Pairs such as ("header.d", "shop.example"), in the order to be written."""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one filter found about one message."""

    result: str
    """One of the filter's `results`, or temperror / permerror."""
    reason: str = ""
    """For the journal and the agent, never for the sender."""
    score: float | None = None
    """When a classifier speaks: a calibrated probability 0..1."""
    statements: tuple[AuthResult, ...] = ()
    """For Authentication-Results: one per signature checked."""
    details: Mapping[str, JSON] = field(default_factory=lambda: NOTHING)
    """Documented per filter: probabilities, domains."""
    reasons: Callable[[], Sequence[str]] = field(default=tuple, compare=False)
    """Finds the words of the letter that decided: that costs more than the verdict, so it is left
    until they are shown. The customer's own words: for people, never for the journal."""

    @property
    def troubled(self) -> bool:
        return self.result in (TEMPERROR, PERMERROR)


Verdicts: TypeAlias = Mapping[str, Verdict]
"""By filter name. A filter that is not configured is missing; one that failed says temperror."""


class Action(IntEnum):
    """What to do with a letter, weakest first: the strongest of all that apply wins."""

    DELIVER = 0
    TAG = 1
    QUARANTINE = 2
    DEFER = 3
    REFUSE = 4

    @property
    def word(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Where a site draws its lines, as probabilities."""

    unsure: float = 0.5
    spam: float = 0.9
    refuse_at: float | None = None
    """Refuse spam at SMTP time from here on; at least 0.99, off by default."""
    irate: float = 0.8
    """From here on an irate letter is worth a phone call."""


@dataclass(frozen=True, slots=True)
class Policy:
    """One site's answers to what the filters say: `then[filter][word]` is the action."""

    thresholds: Thresholds = Thresholds()
    then: Mapping[str, Mapping[str, Action]] = field(default_factory=dict)
    observed: frozenset[str] = frozenset()
    """Filters on trial: their verdicts are recorded and change nothing."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What the verdicts mean for one site."""

    action: Action
    spam: str = "ham"
    spam_score: float = 0.0
    tone: str = "unknown"
    tone_score: float = 0.0
    urgent: bool = False
    aligned: bool = False
    """An identity aligned with the author's domain passed (or a trusted sealer says so)."""
    irate: bool = False
    """Irate above the site's threshold, by a filter that is not merely observed."""
    tags: tuple[str, ...] = ()
    """`filter=word` for each word mapped to more than deliver."""
    unchecked: tuple[str, ...] = ()
    """`dkim (timeout)` for each check that could not be made."""


def spam_word(score: float, thresholds: Thresholds) -> str:
    if score >= thresholds.spam:
        return "spam"
    return "unsure" if score >= thresholds.unsure else "ham"


def decide(
    verdicts: Verdicts, policy: Policy, *, known: bool = False, blind: bool = False
) -> Decision:
    """Weigh all verdicts by one site's policy.

    `known` is true for a known correspondent or an answer to our own mail: such a letter is
    never lost to the spam filter. `blind`: who writes could not be looked up, which is a check
    missing. Trouble is never read as pass and never turns anyone away.
    """
    words = {name: _word(name, verdict, policy) for name, verdict in verdicts.items()}
    live = {name: word for name, word in words.items() if name not in policy.observed}
    irate = _irate(verdicts, policy)
    actions = {
        name: _action(name, word, verdicts[name], policy, known=known, irate=irate)
        for name, word in live.items()
    }
    if blind or any(verdict.result == TEMPERROR for verdict in verdicts.values()):
        actions = {name: min(action, _unsure_limit(name)) for name, action in actions.items()}
    tone, spam = verdicts.get("tone"), verdicts.get("spam")
    heard = tone is not None and not tone.troubled and "tone" in live
    return Decision(
        action=max(actions.values(), default=Action.DELIVER),
        spam=live.get("spam", "ham") if spam and not spam.troubled else "ham",
        spam_score=spam.score or 0.0 if spam else 0.0,
        tone=tone.result if tone and heard else "unknown",
        tone_score=tone.score or 0.0 if tone else 0.0,
        urgent=bool(tone and heard and tone.details.get("urgent")),
        aligned=is_aligned(verdicts),
        irate=irate,
        tags=tuple(
            f"{name}={live[name]}" for name, action in actions.items() if action > Action.DELIVER
        ),
        unchecked=tuple(
            f"{name} ({verdict.reason or verdict.result})"
            for name, verdict in verdicts.items()
            if verdict.result == TEMPERROR
        ),
    )


def is_aligned(verdicts: Verdicts) -> bool:
    """Whether the author's domain is proven (decisions.md: computed without a record too)."""
    dmarc = verdicts.get("dmarc")
    return bool(dmarc and dmarc.details.get("aligned"))


def _word(name: str, verdict: Verdict, policy: Policy) -> str:
    """The word a site uses: only spam's is redrawn from its score."""
    if name == "spam" and verdict.score is not None and not verdict.troubled:
        return spam_word(verdict.score, policy.thresholds)
    if name == "dmarc" and verdict.result == "fail":
        # What remains of the policy after t=y and a trusted sealer, else as published.
        wish = verdict.details.get("applied", verdict.details.get("policy"))
        return f"fail-{wish or 'none'}"
    return verdict.result


def _irate(verdicts: Verdicts, policy: Policy) -> bool:
    tone = verdicts.get("tone")
    if tone is None or "tone" in policy.observed or tone.result != "irate":
        return False
    return (tone.score or 0.0) >= policy.thresholds.irate


def _action(
    name: str, word: str, verdict: Verdict, policy: Policy, *, known: bool, irate: bool
) -> Action:
    default = Action.TAG if verdict.troubled else Action.DELIVER
    action = policy.then.get(name, {}).get(word, default)
    if verdict.troubled:
        return min(action, Action.TAG)
    if name == "tone":
        return min(action, Action.QUARANTINE)  # a classifier turns nobody away
    if name != "spam":
        return Action.TAG if known and name == "dmarc" and action > Action.TAG else action
    refuse_at = policy.thresholds.refuse_at
    certain = refuse_at is not None and (verdict.score or 0.0) >= refuse_at
    if known or (irate and not certain):
        return min(action, Action.TAG)
    if certain and word == "spam":
        return Action.REFUSE
    return min(action, Action.QUARANTINE)


def _unsure_limit(name: str) -> Action:
    """With a check missing a classifier may hold a letter back but not turn it away."""
    return Action.QUARANTINE if name in ("spam", "tone") else Action.REFUSE
