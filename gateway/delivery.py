"""What follows from one attempt at delivery: try again and when, hold, tell somebody, or let go.

Pure: time, chance and policy are arguments. A letter is given up only to a person (held, and the
administrator told) or, where a site asks for it, to its proven sender (a delivery status notice).
Mail of our own never makes a notice to an outsider.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal

from gateway import dsn
from gateway.plan import Letter
from gateway.settings import Retry, Settings, Site
from gateway.store import Job, Outcome, Settlement

MIN_ATTEMPTS = 5
"""Nothing is given up with fewer: it may come from a long hold, or we may have been away."""
ACKNOWLEDGEMENT_LIFE = timedelta(hours=4)
"""An acknowledgement that comes later than this is worse than none."""
OUT_OF_ORDER_WAIT = timedelta(minutes=10)
"""The longest wait after a failure that says nothing about the letter: its breaker keeps a next
hop from being asked too often, and once it answers again no letter should lie for hours."""
JITTER = 0.2
"""Each wait is this share longer or shorter at most, so that letters do not come in herds."""

Sign = Callable[[str, bytes], bytes]
"""Site and content of mail of our own: the content as it is sent, with its DKIM signature."""


def _unsigned(_site: str, content: bytes) -> bytes:
    return content


@dataclass(frozen=True, slots=True)
class SitePolicy:
    """What failure leads to for the letters of one site."""

    on_refusal: Literal["hold", "dsn"] = "hold"
    sender: str = ""
    """The address that reports are sent from; default: postmaster at our host name."""
    domains: frozenset[str] = frozenset()
    name: str = ""
    phone: str = ""
    outbound: str = ""
    """The next hop for reports to senders; without one there are none."""


@dataclass(frozen=True, slots=True)
class Policy:
    """The slice of the settings that decides about failure."""

    hostname: str
    retry: Retry = field(default_factory=Retry)
    sites: Mapping[str, SitePolicy] = field(default_factory=dict)
    administrator: str = ""
    administrator_hop: str = ""
    message_id: Callable[[str], str] | None = None
    """Makes the Message-ID, with its brackets, of one of our letters from its id."""
    sign: Sign = _unsigned

    @classmethod
    def of(
        cls,
        settings: Settings,
        *,
        message_id: Callable[[str], str] | None = None,
        sign: Sign = _unsigned,
    ) -> Policy:
        return cls(
            hostname=settings.hostname,
            retry=settings.retry,
            sites={site.site: _site_policy(settings, site) for site in settings.sites},
            administrator=settings.administrator or "",
            administrator_hop=_administrator_hop(settings),
            message_id=message_id,
            sign=sign,
        )

    def site(self, name: str) -> SitePolicy:
        """A site's policy; one that is configured no more only holds."""
        return self.sites.get(name) or SitePolicy()

    def sheet(self, letter_id: str, site: str, now: datetime) -> dsn.Sheet:
        policy = self.site(site)
        make = self.message_id
        return dsn.Sheet(
            hostname=self.hostname,
            sender=policy.sender or f"postmaster@{self.hostname}",
            message_id=make(letter_id) if make else f"<{letter_id}@{self.hostname}>",
            now=now,
            site_name=policy.name,
            phone=policy.phone,
        )


def _site_policy(settings: Settings, site: Site) -> SitePolicy:
    return SitePolicy(
        on_refusal=site.on_refusal,
        sender=f"postmaster@{site.domains[0]}",
        domains=frozenset(site.domains),
        name=site.name,
        phone=site.phone,
        outbound=settings.outbound_hop(site),
    )


def _administrator_hop(settings: Settings) -> str:
    """Straight to the mailbox if the administrator lives at one of the sites."""
    if settings.administrator is None:
        return ""
    domain = settings.administrator.rpartition("@")[2]
    for site in settings.sites:
        if domain in site.domains:
            return site.next_hop
    return settings.outbound_hop()


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt at delivery, over, and what the relay knows besides its outcomes."""

    job: Job
    outcomes: tuple[Outcome, ...]
    now: datetime
    chance: float
    """Between 0 and 1: moves the next attempt within its jitter."""
    hop_failed: bool = False
    """The next hop was out of order: it is no matter of this letter."""
    not_before: datetime | None = None
    """The next hop is not asked again before this."""
    only_hold: bool = False
    """Its failure is ours (no such next hop, a fault of this program): no sender hears of it."""
    tell: bool = True
    """The administrator may get a notice now."""
    untold: int = 0
    """Letters held since the last notice without one."""


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
    if not ended:
        return Settlement(outcomes, retry_at)
    on_failure = _on_failure(attempt, policy)
    notices = _notices(attempt, policy, ended, on_failure)
    return Settlement(outcomes, retry_at, on_failure, notices)


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
        at = max(at, attempt.not_before)
    # One last attempt at the end, not a wait beyond it.
    return min(at, deadline) if deadline > now else at


def _on_failure(attempt: Attempt, policy: Policy) -> Literal["hold", "dsn", "drop"]:
    job = attempt.job
    if job.kind in ("acknowledgement", "dsn", "notice", "report"):
        return "drop"
    site = policy.site(job.site)
    may_tell = job.kind == "letter" and job.answerable and bool(job.reverse_path)
    if site.on_refusal == "dsn" and may_tell and site.outbound and not attempt.only_hold:
        return "dsn"
    return "hold"


def _notices(
    attempt: Attempt, policy: Policy, ended: Sequence[Outcome], on_failure: str
) -> tuple[Letter, ...]:
    if on_failure == "dsn":
        return (_dsn(attempt, policy, ended),)
    if on_failure == "hold" and policy.administrator and attempt.tell:
        return (_notice(attempt, policy, ended),)
    return ()


def _dsn(attempt: Attempt, policy: Policy, ended: Sequence[Outcome]) -> Letter:
    job = attempt.job
    id_ = f"{job.letter_id}.dsn{job.attempts}"
    site = policy.site(job.site)
    failed = [
        (name, outcome) for outcome in ended for name in public_names(job, site, outcome.recipient)
    ]
    content = dsn.report(job, failed, policy.sheet(id_, job.site, attempt.now))
    return Letter(
        id=id_,
        kind="dsn",
        site=job.site,
        next_hop=site.outbound,
        reverse_path="",  # RFC 3464, 2: so that no notice answers a notice
        recipients=(job.reverse_path,),
        own=policy.sign(job.site, content),
        smtputf8=not job.reverse_path.isascii(),
    )


def _notice(attempt: Attempt, policy: Policy, ended: Sequence[Outcome]) -> Letter:
    job = attempt.job
    id_ = f"{job.letter_id}.notice{job.attempts}"
    content = dsn.notice(
        job,
        ended,
        policy.sheet(id_, job.site, attempt.now),
        administrator=policy.administrator,
        earlier=attempt.untold,
    )
    return Letter(
        id=id_,
        kind="notice",
        site=job.site,
        next_hop=policy.administrator_hop,
        reverse_path="",
        recipients=(policy.administrator,),
        own=policy.sign(job.site, content),
        smtputf8=not policy.administrator.isascii(),
    )


def public_names(job: Job, site: SitePolicy, recipient: str) -> tuple[str, ...]:
    """The address the sender wrote to, for one on the next hop's envelope.

    The envelope may name a mailbox that outsiders should not learn of, or carry a tag of ours.
    """
    if recipient in job.origin:
        return (recipient,)
    if job.origin:
        return job.origin
    local, _, domain = recipient.rpartition("@")
    if domain.lower() in site.domains:
        return (f"{local.partition('+')[0]}@{domain}",)
    return (site.sender or recipient,)
