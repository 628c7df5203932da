"""What follows from one attempt at delivery: try again and when, hold, tell somebody, or let go.

Pure: time, chance and policy are arguments. A letter is given up only to a person (held, and the
administrator told) or, where a site asks for it, to its proven sender (a delivery status notice).
Mail of our own never makes a notice to an outsider.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Literal

from gateway import telling
from gateway.delivery_policy import Attempt, Policy, SitePolicy
from gateway.settings import Retry
from gateway.store import Job, Outcome, Settlement
from gateway.telling import is_success, is_warning
from gateway.wishes import wish

__all__ = [
    "Attempt",
    "Policy",
    "SitePolicy",
    "after",
    "is_late",
    "is_success",
    "is_warning",
    "longest_wait",
    "next_attempt",
]

MIN_ATTEMPTS = 5
"""Nothing is given up with fewer: it may come from a long hold, or we may have been away."""
ACKNOWLEDGEMENT_LIFE = timedelta(hours=4)
"""An acknowledgement that comes later than this is worse than none."""
OUT_OF_ORDER_WAIT = timedelta(minutes=10)
"""The longest wait after a failure that says nothing about the letter: its breaker keeps a next
hop from being asked too often, and once it answers again no letter should lie for hours."""
JITTER = 0.2
"""Each wait is this share longer or shorter at most, so that letters do not come in herds."""


def after(attempt: Attempt, policy: Policy) -> Settlement:
    """What is to be written down about an attempt."""
    job = attempt.job
    outcomes = tuple(_settled(job, outcome) for outcome in attempt.outcomes)
    retry_at = None
    if any(outcome.result == "delayed" for outcome in outcomes):
        retry_at = next_attempt(attempt, policy.retry)
    ended = [
        outcome
        for outcome in outcomes
        if outcome.result == "failed" or (outcome.result == "delayed" and retry_at is None)
    ]
    notices = telling.success(attempt, policy)
    if retry_at is not None and is_late(job, attempt.now, policy.retry):
        late = [outcome for outcome in outcomes if outcome.result == "delayed"]
        notices += telling.delay(attempt, policy, late)
    if not ended:
        return Settlement(outcomes, retry_at, notices=notices)
    told, held = _by_who_hears(attempt, policy, ended)
    if told:
        notices += (telling.failure(attempt, policy, told),)
    if held and not _is_dropped(job) and policy.administrator and attempt.tell:
        notices += (telling.notice(attempt, policy, held),)
    if told:
        kept = frozenset(each.recipient for each in held)
        return Settlement(outcomes, retry_at, "dsn", notices=notices, held=kept)
    on_failure: Literal["drop", "hold"] = "drop" if _is_dropped(job) else "hold"
    return Settlement(outcomes, retry_at, on_failure, notices=notices)


def is_late(job: Job, now: datetime, retry: Retry) -> bool:
    """Whether this is the first attempt since the time for a warning came."""
    if retry.warn is None or job.kind != "letter":
        return False
    at = job.accepted + retry.warn
    return now >= at and (job.last_tried is None or job.last_tried < at)


def _settled(job: Job, outcome: Outcome) -> Outcome:
    """Letters are at least once, acknowledgements at most once (decisions.md)."""
    if outcome.result == "unknown" and job.kind != "acknowledgement":
        return replace(outcome, result="delayed")
    return outcome


def next_attempt(attempt: Attempt, retry: Retry) -> datetime | None:
    """When the delayed recipients are due again; None when it is time to give up."""
    job, now = attempt.job, attempt.now
    deadline = job.accepted + retry.give_up
    if job.kind == "acknowledgement":
        deadline = min(deadline, job.accepted + ACKNOWLEDGEMENT_LIFE)
        if now >= deadline:
            return None
    if now >= deadline and job.attempts + 1 >= MIN_ATTEMPTS:
        return None
    longest = min(retry.max, OUT_OF_ORDER_WAIT) if attempt.hop_failed else retry.max
    wait = min(retry.first * (1 << min(job.attempts, 20)), longest)
    at = now + wait * (1 + JITTER * (2 * attempt.chance - 1))
    if attempt.not_before is not None:
        # Some time after, so that not all that waits for a next hop comes at once.
        later = JITTER * attempt.chance * (attempt.not_before - now)
        at = max(at, attempt.not_before + later)
    # One last attempt at the end, not a wait beyond it.
    return min(at, deadline) if deadline > now else at


def longest_wait(retry: Retry) -> timedelta:
    """No letter is put off for longer, the wait for a next hop out of order included."""
    return (retry.max + OUT_OF_ORDER_WAIT) * (1 + JITTER)


def _is_dropped(job: Job) -> bool:
    """Mail of our own that nobody misses, told in an alert."""
    return job.kind in ("acknowledgement", "dsn", "notice", "report")


def _by_who_hears(
    attempt: Attempt, policy: Policy, ended: Sequence[Outcome]
) -> tuple[list[Outcome], list[Outcome]]:
    """Failures that the sender is told of, and those that wait for a person.

    A sender who wants to hear of no failure (RFC 3461) gets no notice; the letter is not lost
    for that.
    """
    job = attempt.job
    site = policy.site(job.site)
    if site.on_refusal != "dsn" or attempt.only_hold or not telling.may_tell(job, site):
        return [], list(ended)
    told = [outcome for outcome in ended if wish(job, outcome.recipient).failure]
    return told, [outcome for outcome in ended if outcome not in told]
