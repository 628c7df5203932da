"""Who writes to us, and which messages belong together: recall, and what keep remembers."""

# ruff: noqa: S608 - only names of our own and question marks are put into statements
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from gateway.domains import canonical_domain
from gateway.message import Message, contact_key
from gateway.plan import Contact, History, ReplyTo
from gateway.store.acknowledgements import conversation_acknowledged, last_by_site, silenced
from gateway.store.calls import carded, open_calls
from gateway.store.sql import (
    Answer,
    Connection,
    Transaction,
    marks,
    micros,
    moment_or_none,
    safe,
    span,
)

WEEK, MONTH = span(timedelta(days=7)), span(timedelta(days=30))
MOST_LETTERS = 1000
"""Letters of one contact are counted up to here, so that a flood costs no more than a thousand."""
MOST_PHONES = 50
MOST_REFERENCES = 20


@dataclass(frozen=True, slots=True)
class Terms:
    """What recall must know of the configuration, in microseconds."""

    per_author: int
    dead_address: int
    pause: int
    budgets: Mapping[str, int]
    """The period of the budget of calls, by site; a day where nothing is said."""
    sites: Mapping[str, str]
    """Which site a domain belongs to."""

    def sites_of(self, recipients: Sequence[str]) -> frozenset[str] | None:
        """The sites these recipients belong to; None, which is all, when no domains are known."""
        if not self.sites:
            return None
        found = (self.sites.get(canonical_domain(to.rpartition("@")[2])) for to in recipients)
        return frozenset(site for site in found if site is not None)


def recall(db: Connection, message: Message, now: datetime, terms: Terms) -> History:
    """Everything known of the one author and the conversation: two rounds of indexed look-ups."""
    author = message.author
    contact = safe(author.contact) if author else ""
    time = micros(now)
    asked = _thread(db, message, contact)
    cards = carded(db, terms.sites_of(message.arrival.envelope.recipients), time, terms.budgets)
    there = _look(db, contact, time, terms)
    thread = asked()
    answered = conversation_acknowledged(db, thread.conversation)
    proven = _contact(db, contact, 1, time) if there.proven else Contact
    unproven = _contact(db, contact, 0, time) if there.unproven else Contact
    last = last_by_site(db, contact, time, terms.per_author) if there.acknowledged else dict
    open_ = open_calls(db, contact) if there.open_calls else dict
    paused = silenced(db, time, terms.pause) if there.silenced else frozenset
    reply_to = _reply_to(db, message, contact, time, terms)
    return History(
        proven=proven(),
        unproven=unproven(),
        conversation=thread.conversation,
        answers_us=thread.answers_us,
        copy=thread.copy,
        acknowledged=last(),
        conversation_acknowledged=answered(),
        open_calls=open_(),
        calls_carded=cards(),
        dead_address=bool(there.dead),
        reply_to=reply_to,
        silenced=paused(),
    )


def _reply_to(db: Connection, message: Message, contact: str, time: int, terms: Terms) -> ReplyTo:
    """Whom a form wrote for, or whom an assistant has answered: most letters name nobody."""
    one = safe(message.reply_to[0].contact) if len(message.reply_to) == 1 else ""
    if not one or one == contact:
        return ReplyTo()
    there = _look(db, one, time, terms)
    letters = _contact(db, one, 0, time) if there.unproven else Contact
    last = last_by_site(db, one, time, terms.per_author) if there.acknowledged else dict
    calls = open_calls(db, one) if there.open_calls else dict
    return ReplyTo(letters(), last(), calls(), bool(there.dead))


# --- contacts ----------------------------------------------------------------------------------


class _There(NamedTuple):
    """What there is to be found, most often little: the rest is asked for only then."""

    proven: bool
    unproven: bool
    acknowledged: bool
    open_calls: bool
    dead: bool
    silenced: bool


_LOOK = (
    "SELECT EXISTS (SELECT 1 FROM contact_letters WHERE contact = ? AND proven = 1), "
    "EXISTS (SELECT 1 FROM contact_letters WHERE contact = ? AND proven = 0), "
    "EXISTS (SELECT 1 FROM acknowledgements WHERE contact = ? AND at > ?), "
    "EXISTS (SELECT 1 FROM calls WHERE contact = ? AND state = 'open'), "
    "EXISTS (SELECT 1 FROM dead_addresses WHERE address = ? AND at > ?), "
    "EXISTS (SELECT 1 FROM breakers WHERE until > ?)"
)


def _look(db: Connection, contact: str, now: int, terms: Terms) -> _There:
    since, dead_since = now - terms.per_author, now - terms.dead_address
    values = (contact, contact, contact, since, contact, contact, dead_since, now)
    there = _There(*db.execute(_LOOK, values).fetchone())
    nobody = _There(False, False, False, False, False, there.silenced)
    return there if contact else nobody


def _contact(db: Connection, contact: str, proven: int, now: int) -> Answer[Contact]:
    rows = db.execute(
        "SELECT coalesce(sum(CASE WHEN at >= ? THEN 1 ELSE 0 END), 0), count(*), "
        "(SELECT max(at) FROM contact_letters WHERE contact = ? AND proven = ? AND irate = 1) "
        "FROM (SELECT at FROM contact_letters WHERE contact = ? AND proven = ? AND at >= ? "
        "ORDER BY at DESC LIMIT ?) AS latest",
        (now - WEEK, contact, proven, contact, proven, now - MONTH, MOST_LETTERS),
    )
    phones = db.execute(
        "SELECT phone FROM contact_phones WHERE contact = ? AND proven = ? LIMIT ?",
        (contact, proven, MOST_PHONES),
    )

    def answer() -> Contact:
        week, month, last_irate = rows.fetchone()
        return Contact(
            letters_7_days=int(week),
            letters_30_days=int(month),
            last_irate=moment_or_none(last_irate),
            phones=frozenset([phone for (phone,) in phones]),
            known=True,
        )

    return answer


# --- conversations -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Thread:
    conversation: str = ""
    answers_us: bool = False
    copy: bool = False


def _thread(db: Connection, message: Message, contact: str) -> Answer[_Thread]:
    """Where this message belongs: with its copy, else with what it answers, the latest first."""
    answered = (*message.in_reply_to, *reversed(message.references))[:MOST_REFERENCES]
    wanted = dict.fromkeys(safe(id_) for id_ in (message.message_id, *answered) if id_)
    if not wanted:
        return _Thread
    rows = db.execute(
        "SELECT message_id, contact, conversation, ours FROM threads "
        f"WHERE message_id IN ({marks(len(wanted))}) LIMIT 200",
        tuple(wanted),
    )
    own_id = safe(message.message_id)
    return lambda: _belongs(rows.fetchall(), wanted, own_id, contact)


def _belongs(rows: Sequence[Any], wanted: Mapping[str, None], own_id: str, contact: str) -> _Thread:
    if not rows:
        return _Thread()
    copies = [row for row in rows if own_id and row[0] == own_id and row[1] == contact]
    place = {id_: number for number, id_ in enumerate(wanted)}
    others = sorted((row for row in rows if row[0] != own_id), key=lambda row: place[row[0]])
    found = [row[2] for row in (*copies, *others) if row[2]]
    return _Thread(
        conversation=found[0] if found else "",
        answers_us=any(row[3] for row in others),
        copy=bool(copies),
    )


# --- dead addresses ----------------------------------------------------------------------------


def record_dead_address(tx: Transaction, address: str, now: int, reply: str) -> None:
    tx.db.execute(
        "INSERT INTO dead_addresses (address, at, reply) VALUES (?, ?, ?) "
        "ON CONFLICT (address) DO UPDATE SET at = excluded.at, reply = excluded.reply",
        (safe(contact_key(address)), now, safe(reply)[:500]),
    )
