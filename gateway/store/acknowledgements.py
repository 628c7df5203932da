"""The right to acknowledge: taken at most once a conversation, and within the limits.

Taken inside keep's transaction, so that two copies that arrive together cannot both have it.
"""

# ruff: noqa: S608 - only names of our own and question marks are put into statements
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

from gateway.plan import Claim
from gateway.settings import Acknowledgements, Rate
from gateway.store.notes import alert, note
from gateway.store.sql import Answer, Connection, Transaction, moment, safe, span
from gateway.store.turns import be_alone

EVERYTHING = "*"
"""The breaker for all sites."""


@dataclass(frozen=True, slots=True)
class Limits:
    """`acknowledgements` of the configuration, with times in microseconds."""

    per_author: int
    per_domain: tuple[int, int]
    per_form: tuple[int, int]
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
            per_form=pair(settings.per_form),
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
    found = _find(tx.db, claim, now, limits)
    if tx.shared and not found.refusal:  # others may be about to take the same: look again, alone
        be_alone(tx)
        found = _find(tx.db, claim, now, limits)
    reason = found.refusal or _too_many(tx, claim, found, queue_id, now, limits)
    if not reason:
        tx.db.execute(
            "INSERT INTO acknowledgements (contact, site, conversation, domain, at, letter_id) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            (*_key(claim), _source(claim), now, claim.letter_id),
        )
        return True
    note(tx, queue_id, now, "not acknowledged", reason)
    return False


def _key(claim: Claim) -> tuple[str, str, str]:
    return claim.contact, claim.site, claim.conversation


def _source(claim: Claim) -> str:
    """Among whose it is counted: those to its domain, or those of its form, which has an @."""
    return safe(claim.form) or claim.contact.rpartition("@")[2]


class _Found(NamedTuple):
    """What stands in the way of a right; the last three count no further than to the limit."""

    taken: bool
    had_one: bool
    paused: bool
    of_source: int
    of_site: int
    in_all: int

    @property
    def refusal(self) -> str:
        if self.taken:
            return "conversation"
        if self.had_one:
            return "rate: the author had one"
        return "rate: paused" if self.paused else ""


# What is later than a period from now was written while the clock was ahead: it silences nobody.
_OF_LATE = (
    "(SELECT count(*) FROM "
    "(SELECT 1 FROM acknowledgements WHERE {}at > ? AND at <= ? LIMIT ?) AS latest)"
)
_FIND = (
    "SELECT EXISTS (SELECT 1 FROM acknowledgements "
    "WHERE contact = ? AND site = ? AND conversation = ?), "
    "EXISTS (SELECT 1 FROM acknowledgements WHERE contact = ? AND site = ? AND at > ? "
    "AND at <= ?), "
    "EXISTS (SELECT 1 FROM breakers WHERE scope IN (?, ?) AND until > ? AND until <= ?), "
    f"{_OF_LATE.format('domain = ? AND ')}, {_OF_LATE.format('site = ? AND ')}, "
    f"{_OF_LATE.format('')}"
)


def _find(db: Connection, claim: Claim, now: int, limits: Limits) -> _Found:
    def late(limit: tuple[int, int]) -> tuple[int, int, int]:
        count, period = limit
        return now - period, now + period, count

    values = (
        *_key(claim),
        *(claim.contact, claim.site, now - limits.per_author, now + limits.per_author),
        *(claim.site, EVERYTHING, now, now + limits.pause),
        *(_source(claim), *late(limits.per_form if claim.form else limits.per_domain)),
        *(claim.site, *late(limits.per_site)),
        *late(limits.in_all),
    )
    return _Found(*db.execute(_FIND, values).fetchone())


def _too_many(
    tx: Transaction, claim: Claim, found: _Found, queue_id: str, now: int, limits: Limits
) -> str:
    """The limits for many together; passing some of them opens the breaker."""
    if claim.form:
        if found.of_source >= limits.per_form[0]:
            return "rate: the form had enough"
    elif found.of_source >= limits.per_domain[0] and not claim.large_provider:
        return "rate: the domain had enough"
    if found.of_site >= limits.per_site[0]:
        return _trip(tx, claim.site, queue_id, now, limits)
    if found.in_all >= limits.in_all[0]:
        return _trip(tx, EVERYTHING, queue_id, now, limits)
    return ""


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


def silenced(db: Connection, now: int, pause: int) -> Answer[frozenset[str]]:
    rows = db.execute(
        "SELECT scope FROM breakers WHERE until > ? AND until <= ?", (now, now + pause)
    )
    return lambda: frozenset([scope for (scope,) in rows])


def last_by_site(
    db: Connection, contact: str, now: int, period: int
) -> Answer[Mapping[str, datetime]]:
    """By site, when this contact was acknowledged last in this period."""
    rows = db.execute(
        "SELECT site, max(at) FROM acknowledgements "
        "WHERE contact = ? AND at > ? AND at <= ? GROUP BY site",
        (contact, now - period, now + period),
    )
    return lambda: {site: moment(at) for site, at in rows}


def conversation_acknowledged(db: Connection, conversation: str) -> Answer[bool]:
    if not conversation:
        return lambda: False
    rows = db.execute(
        "SELECT 1 FROM acknowledgements WHERE conversation = ? LIMIT 1", (conversation,)
    )
    return lambda: rows.fetchone() is not None
