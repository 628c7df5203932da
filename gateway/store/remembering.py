"""Writing down who wrote and which Message-IDs belong together, for many messages at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gateway.plan import Letter, Memory
from gateway.store.keeping import own_message_id
from gateway.store.sql import Transaction, insert, safe

_THREADS = "threads (message_id, contact, conversation, ours, queue_id, at)"
_UNLESS_KNOWN = " ON CONFLICT (message_id, contact) DO NOTHING"


@dataclass(frozen=True, slots=True)
class Remembered:
    """What is to be remembered of one message."""

    memories: Sequence[Memory]
    queue_id: str
    now: int


def remember(tx: Transaction, of: Sequence[Remembered]) -> list[str]:
    """Write down who wrote; gives the conversation each message belongs to.

    A copy that came while the first one was not kept yet is found here: it joins the first one's
    conversation and does not count. The same message remembered again, on release, is no copy.
    """
    new = _join(tx, of)
    letters, phones = list[tuple[Any, ...]](), list[tuple[Any, ...]]()
    found = []
    for each in of:
        conversation, copy, seen = "", False, set[tuple[str, str]]()
        for memory in each.memories:
            contact, message_id = safe(memory.contact), safe(memory.message_id)
            if (contact, message_id) not in seen:
                seen.add((contact, message_id))
                key = (message_id, contact, each.queue_id)
                first = _earlier(tx, key) if message_id and key not in new else ""
                conversation = conversation or first or safe(memory.conversation)
                copy = bool(first)
            if contact and memory.counts and not copy:
                letters.append(_letter(memory, contact, each))
                if memory.phone:
                    phone = safe(memory.phone)
                    phones.append((contact, int(memory.proven), phone, each.now))
        found.append(conversation)
    insert(
        tx.db,
        "contact_letters (contact, proven, at, queue_id, site, tone, irate)",
        letters,
        " ON CONFLICT (contact, proven, at, queue_id) DO NOTHING",
    )
    if phones:
        tx.db.executemany(
            "INSERT INTO contact_phones (contact, proven, phone, at) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (contact, proven, phone) DO UPDATE SET at = excluded.at",
            phones,
        )
    return found


def _join(tx: Transaction, of: Sequence[Remembered]) -> set[tuple[str, str, str]]:
    """Record the Message-IDs; gives those that were new, with contact and queue id."""
    rows = list[tuple[Any, ...]]()
    for each in of:
        seen = set[tuple[str, str]]()
        for memory in each.memories:
            contact, message_id = safe(memory.contact), safe(memory.message_id)
            if message_id and (contact, message_id) not in seen:
                seen.add((contact, message_id))
                conversation = safe(memory.conversation)
                rows.append((message_id, contact, conversation, 0, each.queue_id, each.now))
    returning = _UNLESS_KNOWN + " RETURNING message_id, contact, queue_id"
    answers = insert(tx.db, _THREADS, rows, returning)
    return {(row[0], row[1], row[2]) for answer in answers for row in answer.fetchall()}


def _earlier(tx: Transaction, key: tuple[str, str, str]) -> str:
    """The conversation of another message that had this Message-ID before."""
    row = tx.db.execute(
        "SELECT conversation FROM threads WHERE message_id = ? AND contact = ? AND queue_id <> ?",
        key,
    ).fetchone()
    return "" if row is None else str(row[0])


def _letter(memory: Memory, contact: str, of: Remembered) -> tuple[Any, ...]:
    proven, irate = int(memory.proven), int(memory.irate)
    return (contact, proven, of.now, of.queue_id, memory.site, memory.tone, irate)


@dataclass(frozen=True, slots=True)
class Ours:
    """Letters of one message, among them mail of our own."""

    queue_id: str
    letters: Sequence[Letter]
    conversation: str
    now: int


def record_own(tx: Transaction, of: Sequence[Ours]) -> None:
    """Our own Message-IDs, so that an answer to them is known as one."""
    rows = list[tuple[Any, ...]]()
    for each in of:
        for letter in each.letters:
            id_ = "" if letter.own is None else safe(own_message_id(letter.own))
            if id_:
                rows.append((id_, "", each.conversation, 1, each.queue_id, each.now))
    insert(tx.db, _THREADS, rows, _UNLESS_KNOWN)
