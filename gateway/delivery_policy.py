"""What the settings say about failure, and what the relay knows of one attempt: values only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from gateway import dsn
from gateway.settings import Retry, Settings, Site
from gateway.store import Job, Outcome

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
    tells: bool = False
    """The next hop took over what the client asked to be told (RFC 3461)."""
    final: bool = False
    """What was taken is in the mailbox."""
