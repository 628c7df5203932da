"""Settings, letters and verdicts for tests of what is planned and composed: no socket, no file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from gateway.acknowledgement.message_ids import MessageIds
from gateway.acknowledgement.own import OwnIdentity, our_people
from gateway.journal import Journal
from gateway.message import Arrival, Envelope, Message, Session
from gateway.parse import parse
from gateway.parts import Parts, assemble
from gateway.plan import History, Plan
from gateway.resolver import Resolver, Zone
from gateway.routing.recipients import Recipients
from gateway.routing.router import Router
from gateway.settings import Settings
from gateway.verdict import Verdict, Verdicts

NOW = datetime(2026, 11, 24, 13, 0, tzinfo=UTC)
"""A Tuesday, inside anybody's hours."""
LETTER = (
    b"From: Jo Field <jo@author.example>\r\n"
    b"To: support@shop.example, info@hosting.example\r\n"
    b"Subject: Where is it\r\n"
    b"Message-ID: <1@author.example>\r\n"
    b"\r\n"
    b"Hello, where is order 10423? My number is +1 202 555 0143.\r\n"
)
OPEN: Mapping[str, Any] = {"timezone": "UTC", "hours": {"mon-sun": "0:00-24:00"}}
SHOP: Mapping[str, Any] = {
    "site": "shop",
    "domains": ["shop.example"],
    "name": "The Shop",
    "calendar": OPEN,
    "next_hop": "mailbox",
    "orders": [r"order (?P<order>\d{5})"],
    "routes": [{"to": "*@shop.example", "name": "rest", "acknowledge": "received"}],
    "calls": {"notify": ["oncall@inside.example"]},
    "then": {"spam": {"spam": "quarantine"}, "tone": {"irate": "tag"}},
}
HOSTING: Mapping[str, Any] = {
    "site": "hosting",
    "domains": ["hosting.example"],
    "calendar": OPEN,
    "next_hop": "second",
    "routes": [{"to": "*@hosting.example", "name": "all", "acknowledge": "received"}],
}
PROVEN = Verdict("pass", details={"aligned": True})
UNPROVEN = Verdict("none", details={"aligned": False})
IRATE = Verdict("irate", score=0.95, details={"urgent": True}, reasons=lambda: ["you lied"])
SPAM = Verdict("spam", score=0.99)


def settings(
    shop: Mapping[str, Any] | None = None, hosting: Mapping[str, Any] | None = None, **more: Any
) -> Settings:
    """Two sites with two next hops; `shop` and `hosting` change single keys of theirs."""
    return Settings.model_validate(
        {
            "hostname": "mx1.test.example",
            "listen": [{"address": "127.0.0.1:0"}],
            "store": "sqlite::memory:",
            "administrator": "admin@inside.example",
            "next_hops": {
                name: {"address": f"maildir:{name}"}
                for name in ("mailbox", "second", "third", "outbound")
            },
            "sites": [{**SHOP, **(shop or {})}, {**HOSTING, **(hosting or {})}],
            **more,
        }
    )


def parts(given: Settings, resolver: Resolver | None = None) -> Parts:
    return assemble(given, resolver or Zone({}), (b"secret",), Journal(sinks=()))


def router(given: Settings) -> Router:
    """Only the routes: without filters, templates and keys."""
    recipients = Recipients(given.sites, {})
    ids = MessageIds((b"secret",), given.hostname)
    return Router(
        given, recipients, OwnIdentity(recipients.is_ours, ids.looks_ours, people=our_people(given))
    )


def arrival(
    *recipients: str,
    content: bytes = LETTER,
    queue_id: str = "QID1",
    reverse_path: str = "jo@author.example",
    time: datetime = NOW,
) -> Arrival:
    envelope = Envelope(reverse_path, recipients or ("support@shop.example",))
    return Arrival(queue_id, time, Session("192.0.2.7", "mail.author.example"), envelope, content)


def message(*recipients: str, **more: Any) -> Message:
    return parse(arrival(*recipients, **more))


def verdicts(**found: Verdict) -> Verdicts:
    """A proven author and a calm, honest letter, unless something else is said."""
    calm = {"dmarc": PROVEN, "spam": Verdict("ham", score=0.01), "tone": Verdict("neutral")}
    return {**calm, **found}


def plan(
    given: Settings,
    recipients: Sequence[str] = ("support@shop.example",),
    history: History | None = None,
    *,
    content: bytes = LETTER,
    released: bool = False,
    accepted: bool = False,
    **found: Verdict,
) -> Plan:
    return router(given).plan(
        message(*recipients, content=content),
        verdicts(**found),
        history or History(),
        NOW,
        released=released,
        accepted=accepted,
    )


FILTERS: Sequence[Mapping[str, Any]] = [
    {"use": "spf"}, {"use": "dkim"}, {"use": "arc"}, {"use": "dmarc"},
]  # fmt: skip
ZONE = {"author.example": {"TXT": ["v=spf1 ip4:192.0.2.7 -all"]}}
"""What makes `arrival` proven."""


def checked(**more: Any) -> Parts:
    """Parts that really check who sent a letter, over a zone in memory."""
    given = settings(**{"filters": FILTERS, **more})
    return parts(given, Zone(ZONE))
