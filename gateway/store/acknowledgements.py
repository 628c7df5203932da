"""The right to acknowledge: taken at most once a conversation, and within the limits.

Taken inside keep's transaction, so that two copies that arrive together cannot both have it.
"""

# ruff: noqa: S608 - only names of our own and question marks are put into statements
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from gateway.plan import Claim
from gateway.settings import Acknowledgements, Rate
from gateway.store.notes import alert, note
from gateway.store.sql import Answer, Connection, Transaction, moment, safe, span

EVERYTHING = "*"
"""The breaker for all sites."""


@dataclass(frozen=True, slots=True)
class Limits:
    """`acknowledgements` of the configuration, with times in microseconds."""

    per_author: int
    per_domain: tuple[int, int]
    per_site: tuple[int, int]
    in_all: tuple[int, int]
    pause: int

    @classmethod
    def of(cls, settings: Acknowledgements) -> Limits:
        def pair(rate: Rate) -> tuple[int, int]:
            return rate.count, span(rate.period)

        return cls(
            per_author=span(settings.per_author),
            per_domain=pair(settings.per_domain),
            per_site=pair(settings.per_site),
            in_all=pair(settings.in_all),
            pause=span(settings.pause),
        )


def take(
    tx: Transaction, claim: Claim, conversation: str, queue_id: str, now: int, limits: Limits
) -> bool:
    """Take the right to acknowledge; False, with a note of the reason, if it cannot be had."""
    claim = replace(
        claim,
        contact=safe(claim.contact.lower()),
        conversation=conversation or safe(claim.conversation) or queue_id,
    )
    reason = _refusal(tx.db, claim, now, limits)
    if not reason and tx.shared:  # others may be about to take the same one: look again alone
        _be_alone(tx)
        reason = _refusal(tx.db, claim, now, limits)
    reason = reason or _too_many(tx, claim, queue_id, now, limits)
    if not reason:
        tx.db.execute(
            "INSERT INTO acknowledgements (contact, site, conversation, domain, at, letter_id) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            (*_key(claim), _domain(claim), now, claim.letter_id),
        )
        return True
    note(tx, queue_id, now, "not acknowledged", reason)
    return False


def _key(claim: Claim) -> tuple[str, str, str]:
    return claim.contact, claim.site, claim.conversation


def _domain(claim: Claim) -> str:
    return claim.contact.rpartition("@")[2]


_TURN = "acknowledgements"


def _be_alone(tx: Transaction) -> None:
    """Until the commit nobody else may take a right; the row that says so is made on first use."""
    sql = "SELECT 1 FROM properties WHERE name = ?/*pg FOR UPDATE*/"
    if tx.db.execute(sql, (_TURN,)).fetchone() is None:
        tx.db.execute(
            "INSERT INTO properties (name, value) VALUES (?, ?) ON CONFLICT (name) DO NOTHING",
            (_TURN, b""),
        )
        tx.db.execute(sql, (_TURN,)).fetchone()


def _refusal(db: Connection, claim: Claim, now: int, limits: Limits) -> str:
    taken = db.execute(
        "SELECT 1 FROM acknowledgements WHERE contact = ? AND site = ? AND conversation = ?",
        _key(claim),
    )
    had_one = db.execute(
        "SELECT 1 FROM acknowledgements WHERE contact = ? AND site = ? AND at > ? LIMIT 1",
        (claim.contact, claim.site, now - limits.per_author),
    )
    paused = silenced(db, now)
    if taken.fetchone():
        return "conversation"
    if had_one.fetchone():
        return "rate: the author had one"
    return "rate: paused" if paused() & {claim.site, EVERYTHING} else ""


def _too_many(tx: Transaction, claim: Claim, queue_id: str, now: int, limits: Limits) -> str:
    """The limits for many together; passing some of them opens the breaker."""
    db = tx.db
    of_domain = _used_up(db, "domain = ?", (_domain(claim),), now, limits.per_domain)
    of_site = _used_up(db, "site = ?", (claim.site,), now, limits.per_site)
    in_all = _used_up(db, "1 = 1", (), now, limits.in_all)
    if of_domain() and not claim.large_provider:
        return "rate: the domain had enough"
    if of_site():
        return _trip(tx, claim.site, queue_id, now, limits)
    return _trip(tx, EVERYTHING, queue_id, now, limits) if in_all() else ""


def _used_up(
    db: Connection, which: str, values: Sequence[Any], now: int, limit: tuple[int, int]
) -> Answer[bool]:
    """Whether so many were taken in the period already; no more than that are counted."""
    count, period = limit
    rows = db.execute(
        "SELECT count(*) FROM (SELECT 1 FROM acknowledgements "
        f"WHERE {which} AND at > ? LIMIT ?) AS latest",
        (*values, now - period, count),
    )
    return lambda: bool(rows.fetchone()[0] >= count)


def _trip(tx: Transaction, scope: str, queue_id: str, now: int, limits: Limits) -> str:
    """Open the breaker and tell the administrator once; it closes by itself."""
    tx.db.execute(
        "INSERT INTO breakers (scope, opened, until) VALUES (?, ?, ?) "
        "ON CONFLICT (scope) DO UPDATE SET opened = excluded.opened, until = excluded.until",
        (scope, now, now + limits.pause),
    )
    which = "all sites" if scope == EVERYTHING else f"site {scope}"
    alert(tx, queue_id, now, f"acknowledgements of {which} are paused: too many in a short time")
    return "rate: paused"


# --- what recall asks --------------------------------------------------------------------------


def silenced(db: Connection, now: int) -> Answer[frozenset[str]]:
    rows = db.execute("SELECT scope FROM breakers WHERE until > ?", (now,))
    return lambda: frozenset([scope for (scope,) in rows])


def last_by_site(db: Connection, contact: str, since: int) -> Answer[Mapping[str, datetime]]:
    rows = db.execute(
        "SELECT site, max(at) FROM acknowledgements WHERE contact = ? AND at > ? GROUP BY site",
        (contact, since),
    )
    return lambda: {site: moment(at) for site, at in rows}


def conversation_acknowledged(db: Connection, conversation: str) -> Answer[bool]:
    if not conversation:
        return lambda: False
    rows = db.execute(
        "SELECT 1 FROM acknowledgements WHERE conversation = ? LIMIT 1", (conversation,)
    )
    return lambda: rows.fetchone() is not None
