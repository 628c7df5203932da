"""Writing a message and its letters."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.message import NO_WISHES, Arrival, Wishes
from gateway.plan import Letter
from gateway.store.bodies import INLINE
from gateway.store.counts import add
from gateway.store.notes import alert, note
from gateway.store.sql import Connection, Transaction, insert, micros, safe, span
from gateway.store.straight import NOT_STRAIGHT, Straight, is_one_to_one

RAW_HOP = ""
"""The next hop of a raw hold: it has none."""


@dataclass(frozen=True, slots=True)
class Kept:
    """The message a letter belongs to, as far as its row needs it."""

    number: int
    time: int
    size: int


_MESSAGES = (
    "messages (number, queue_id, time, client_ip, helo, tls, user_name, protocol, "
    "envelope, smtputf8, body, contact, message_id, size, sha256, stored, content, wishes)"
)


@dataclass(slots=True)
class Rows:
    """Rows of new messages and letters, to be written together."""

    messages: list[tuple[Any, ...]] = field(default_factory=list)
    letters: list[tuple[Any, ...]] = field(default_factory=list)
    new: list[_New] = field(default_factory=list)

    def write(self, tx: Transaction, *, once: bool = False) -> None:
        """`once`: a letter whose id is known already is passed over."""
        insert(tx.db, _MESSAGES, self.messages)
        new = self.new
        if once:
            new = [
                each
                for each, row in zip(new, self.letters, strict=True)
                if insert(tx.db, _LETTERS, [row], _UNLESS_KNOWN)[0].fetchone()
            ]
        else:
            insert(tx.db, _LETTERS, self.letters)
        recipients, contents = [], []
        for each in new:
            letter, number, state = each.letter, each.number, each.state
            if state == "active":
                state = "queued"
            place = 0
            for address in each.recipients:
                recipients.append((number, place, address, state))
                place += 1
            contents.append((number, letter.prefix, letter.own, letter.late))
            add(tx.counts, each.answers, each.one_to_one, (each.state,) * place)
        insert(tx.db, "recipients (letter, position, address, state)", recipients)
        insert(tx.db, "contents (letter, prefix, own, late)", contents)


def insert_message(tx: Transaction, arrival: Arrival) -> Kept:
    """The message's row alone."""
    rows = Rows()
    kept = add_message(tx, rows, arrival)
    rows.write(tx)
    return kept


def add_message(
    tx: Transaction, rows: Rows, arrival: Arrival, *, contact: str = "", message_id: str = ""
) -> Kept:
    """The message's row. A content over INLINE must be in the spool already."""
    session, envelope, content = arrival.session, arrival.envelope, arrival.content
    inline = len(content) <= INLINE
    time, size = micros(arrival.time), len(content)
    number = tx.reserve("messages")
    rows.messages.append(
        (
            number,
            arrival.queue_id,
            time,
            session.client_ip,
            safe(session.helo),
            session.tls,
            safe(session.user),
            session.protocol,
            # JSON in ASCII also carries octets that are no UTF-8 (surrogateescape).
            json.dumps((envelope.reverse_path, *envelope.recipients)),
            int(envelope.smtputf8),
            envelope.body,
            safe(contact),
            safe(message_id),
            size,
            arrival.digest or hashlib.sha256(content).digest(),
            "inline" if inline else "spool",
            bytes(content) if inline else None,
            wishes_text(envelope.wishes),
        )
    )
    return Kept(number, time, size)


def wishes_text(wishes: Wishes) -> str:
    """As the row has it: '' for none."""
    if wishes == NO_WISHES:
        return ""
    return json.dumps((wishes.ret, wishes.envid, wishes.recipients))


def wishes_of(text: str) -> Wishes:
    if not text:
        return NO_WISHES
    ret, envid, recipients = json.loads(text)
    return Wishes(ret, envid, tuple((to, notify, orcpt) for to, notify, orcpt in recipients))


def check_answers(arrival: Arrival, letters: Sequence[Letter]) -> int:
    """Each accepted recipient must be answered by exactly one letter; gives how many there are.

    Raises ValueError otherwise: what nobody answers for would be lost without a trace.
    """
    accepted = set(arrival.envelope.recipients)
    answered = [address for letter in letters for address in dict.fromkeys(letter.origin)]
    if len(answered) != len(accepted) or set(answered) != accepted:
        raise ValueError("the letters do not answer for each accepted recipient exactly once")
    return len(accepted)


_LETTERS = (
    "letters (number, id, message, kind, site, state, next_hop, backlog, due, "
    "lease, some_held, why, answers, one_to_one, origin, accepted, size, reverse_path, smtputf8, "
    "answerable, tone, waits_for, message_id, cuts)"
)
_UNLESS_KNOWN = " ON CONFLICT (id) DO NOTHING RETURNING number"


def insert_letters(
    tx: Transaction,
    kept: Kept,
    queue_id: str,
    letters: Sequence[Letter],
    now: int,
    *,
    once: bool = False,
) -> None:
    """The letters' rows. `once`: a letter whose id is known already is passed over."""
    rows = Rows()
    add_letters(tx, rows, kept, queue_id, letters, now)
    rows.write(tx, once=once)


def add_letters(
    tx: Transaction,
    rows: Rows,
    kept: Kept,
    queue_id: str,
    letters: Sequence[Letter],
    now: int,
    straight: Straight = NOT_STRAIGHT,
) -> None:
    for letter in letters:
        if letter.hold:
            note(tx, queue_id, now, "held", f"{letter.id}: {letter.hold}")
        new = _New.of(letter, tx.reserve("letters"), straight)
        rows.new.append(new)
        rows.letters.append(_letter_row(new, kept, now, straight))


@dataclass(slots=True)
class _New:
    """A letter that is to be inserted, and what follows from it."""

    letter: Letter
    number: int
    state: str
    recipients: tuple[str, ...]
    answers: int
    one_to_one: bool

    @classmethod
    def of(cls, letter: Letter, number: int, straight: Straight) -> _New:
        recipients, origin = letter.recipients, letter.origin
        due = "active" if letter.id in straight.ids else "queued"
        if not recipients:
            raise ValueError(f"letter {letter.id} has no recipient")
        return cls(
            letter,
            number,
            "held" if letter.hold else "waiting" if letter.waits_for else due,
            tuple(dict.fromkeys(recipients)),
            len(set(origin)),
            is_one_to_one(letter),
        )


def _due(new: _New, now: int, straight: Straight) -> int | None:
    if new.state == "active":
        return straight.until
    if new.state == "waiting":
        return now + span(new.letter.delay)
    return now if new.state == "queued" else None


def _letter_row(new: _New, kept: Kept, now: int, straight: Straight) -> tuple[Any, ...]:
    letter = new.letter
    return (
        new.number,
        letter.id,
        kept.number,
        letter.kind,
        letter.site,
        new.state,
        letter.next_hop,
        0,
        _due(new, now, straight),
        straight.lease if new.state == "active" else "",
        int(new.state == "held"),
        safe(letter.hold),
        new.answers,
        int(new.one_to_one),
        json.dumps(letter.origin) if letter.origin and not new.one_to_one else "",
        kept.time,
        kept.size + len(letter.prefix) if letter.own is None else len(letter.own),
        letter.reverse_path,
        int(letter.smtputf8),
        int(letter.answerable),
        letter.tone,
        letter.waits_for,
        "" if letter.own is None else safe(own_message_id(letter.own)),
        json.dumps(letter.cuts) if letter.cuts else "",
    )


def insert_raw(tx: Transaction, arrival: Arrival, why: str) -> None:
    """A message that broke us: one held letter `QUEUE_ID.0` for all its recipients."""
    rows = Rows()
    kept = add_message(tx, rows, arrival)
    recipients = tuple(dict.fromkeys(safe(to) for to in arrival.envelope.recipients)) or ("",)
    letter = Letter(
        id=f"{arrival.queue_id}.0",
        kind="letter",
        site="",
        next_hop=RAW_HOP,
        reverse_path=safe(arrival.envelope.reverse_path),
        recipients=recipients,
        origin=recipients,
        hold=why or "kept as it came",
    )
    add_letters(tx, rows, kept, arrival.queue_id, (letter,), kept.time)
    rows.write(tx)
    alert(tx, arrival.queue_id, kept.time, f"{letter.id} is held: {letter.hold}")
    tx.counts["accepted"] += len(recipients)


def find(db: Connection, id_: str) -> tuple[Kept, str] | None:
    """The message of a queue id or of a letter's id, and its queue id."""
    row = db.execute(
        "SELECT number, time, size, queue_id FROM messages WHERE queue_id = ? "
        "OR number = (SELECT message FROM letters WHERE id = ?)",
        (id_, id_),
    ).fetchone()
    return None if row is None else (Kept(*row[:3]), row[3])


def take_raw(tx: Transaction, queue_id: str) -> Kept | None:
    """Remove the raw hold of a message, which stays accepted; None if there is none."""
    row = tx.db.execute(
        "SELECT l.number, l.answers, l.one_to_one, m.number, m.time, m.size FROM letters l "
        "JOIN messages m ON m.number = l.message WHERE l.id = ? AND l.state = 'held'"
        "/*pg FOR UPDATE OF l*/",
        (f"{queue_id}.0",),
    ).fetchone()
    if row is None:
        return None
    letter, answers, one_to_one, *message = row
    states = [
        state
        for (state,) in tx.db.execute(
            "DELETE FROM recipients WHERE letter = ? RETURNING state", (letter,)
        ).fetchall()
    ]
    tx.db.execute("DELETE FROM contents WHERE letter = ?", (letter,))
    tx.db.execute("DELETE FROM letters WHERE number = ?", (letter,))
    add(tx.counts, answers, bool(one_to_one), states, -1)
    return Kept(*message)


def own_message_id(content: bytes) -> str:
    """The Message-ID of mail of our own, with its angle brackets; empty if it has none."""
    header = content[: content.find(b"\r\n\r\n") + 2]
    at = (b"\r\n" + header[:16384]).lower().find(b"\r\nmessage-id:")
    if at < 0:
        return ""
    line = header[at + len(b"message-id:") :].partition(b"\r\n")[0]
    start, end = line.find(b"<"), line.find(b">")
    return line[start : end + 1].decode("ascii", "replace") if 0 <= start < end else ""
