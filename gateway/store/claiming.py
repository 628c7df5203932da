"""Leasing letters to a worker, and what becomes of leases that ran out."""

# ruff: noqa: S608 - only names of our own and question marks are put into statements
from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.message import Octets
from gateway.store import Job
from gateway.store.choosing import Due, Turn, choose
from gateway.store.counts import OWED
from gateway.store.keeping import wishes_of
from gateway.store.letters import end_waiting, set_states
from gateway.store.notes import alert, alert_once, note
from gateway.store.sql import Connection, Transaction, marks, moment, moment_or_none

Claimed = tuple[Sequence[Job], Turn]
STRIKES = 3
"""Leases in a row that may run out before a letter is held."""
APART = 1_000_000
"""Microseconds for which a letter is put off that must wait for its turn to go alone."""


def new_lease(owner: str) -> str:
    """A name for what is leased together: whose it is can be read off it."""
    return f"{owner}:{secrets.token_hex(8)}"


def claim(
    tx: Transaction,
    now: int,
    until: int,
    limit: int,
    but_not: frozenset[str],
    spooled: Callable[[str], Octets],
    *,
    lease: str,
    turn: Turn,
) -> Claimed:
    """Lease up to `limit` letters until `until`; `spooled` opens a content that is in the spool."""
    chosen, turn = choose(tx, now, limit, but_not, turn)
    if not chosen:
        return (), turn
    ready = [due for due in chosen if due.state != "active" or _survives(tx, due, now)]
    ready = _one_by_one(tx, ready, lease.partition(":")[0], now)
    # What just became of an expired letter may have ended another one that was chosen.
    rows = tx.db.execute(
        "UPDATE letters SET state = 'active', lease = ?, due = ?, "
        "late = CASE WHEN state = 'waiting' THEN 1 ELSE late END "
        f"WHERE number IN ({marks(len(ready))}) AND due <= ? "
        "RETURNING number, id, message, kind, site, next_hop, reverse_path, cuts, "
        "attempts, accepted, smtputf8, answerable, late, origin, one_to_one, pressed",
        (lease, until, *(due.number for due in ready), now),
    ).fetchall()
    leased = {row[0]: row for row in rows}
    ready = [due for due in ready if due.number in leased]
    jobs = _jobs(tx, [leased[due.number] for due in ready], lease, now, spooled)
    _tell_late(tx, [leased[due.number][1] for due in ready if due.state == "waiting"], jobs, now)
    return jobs, turn


def _one_by_one(tx: Transaction, ready: list[Due], owner: str, now: int) -> list[Due]:
    """Of the letters whose next strike is their last a worker has one at a time.

    Whatever it has in hand when it dies is struck; only who is to blame should be held for it.
    """
    last = STRIKES - 1
    numbers = [due.number for due in ready]
    if not numbers:
        return ready
    struck = tx.db.execute(
        f"SELECT number FROM letters WHERE number IN ({marks(len(numbers))}) AND strikes >= ? "
        "ORDER BY due, number",
        (*numbers, last),
    ).fetchall()
    if not struck:
        return ready
    leases = tx.db.execute(
        "SELECT lease FROM letters INDEXED BY letters_due WHERE due IS NOT NULL AND due > ? "
        "AND state = 'active' AND strikes >= ?",
        (now, last),
    ).fetchall()
    busy = any(lease.partition(":")[0] == owner for (lease,) in leases)
    waits = {number for (number,) in (struck if busy else struck[1:])}
    tx.db.executemany(
        "UPDATE letters SET state = 'queued', lease = '', due = ? WHERE number = ?",
        [(now + APART, number) for number in waits],
    )
    return [due for due in ready if due.number not in waits]


def end_orphans(tx: Transaction, is_alive: Callable[[str], bool]) -> int:
    """End the leases whose owner lives no more: they ran out, whatever time was left to them."""
    leases = tx.db.execute(
        "SELECT number, lease FROM letters INDEXED BY letters_due "
        "WHERE due IS NOT NULL AND state = 'active'"
    ).fetchall()
    owners = {lease.partition(":")[0] for _, lease in leases}
    dead = {owner for owner in owners if not is_alive(owner)}
    orphans = [row for row in leases if row[1].partition(":")[0] in dead]
    tx.db.executemany(
        "UPDATE letters SET due = 0, lease = '' WHERE number = ? AND lease = ?", orphans
    )
    return len(orphans)


def without_content(tx: Transaction, job: Job, now: int) -> None:
    """Hold a letter whose content, looked for after it was leased, is not there."""
    row = tx.db.execute(
        "SELECT number FROM letters WHERE id = ? AND lease = ?/*pg FOR UPDATE*/",
        (job.letter_id, job.lease),
    ).fetchone()
    if row is not None:
        _without_content(tx, row[0], job.letter_id, job.queue_id, now)


def extend(tx: Transaction, jobs: Sequence[Job], until: int) -> None:
    """Renew leases; a letter that is just being settled needs none."""
    tx.db.executemany(
        "UPDATE letters SET due = ? WHERE number = (SELECT number FROM letters "
        "WHERE id = ? AND lease = ? AND state = 'active'/*pg FOR UPDATE SKIP LOCKED*/)",
        [(until, job.letter_id, job.lease) for job in jobs],
    )


def _tell_late(tx: Transaction, waited: Sequence[str], jobs: Sequence[Job], now: int) -> None:
    """Acknowledgements whose letters took too long go out now, without a promise."""
    for job in jobs:
        if job.letter_id in waited:
            note(tx, job.queue_id, now, "late", "acknowledged before its letter was delivered")
            words = "letters wait so long that they are acknowledged before delivery"
            alert_once(tx, job.queue_id, now, words)


def _survives(tx: Transaction, due: Due, now: int) -> bool:
    """Whether a letter whose lease ran out may be tried again."""
    id_, queue_id, strikes, wish, why = tx.db.execute(
        "UPDATE letters SET strikes = strikes + 1, backlog = 1, lease = '' WHERE number = ? "
        "RETURNING id, (SELECT queue_id FROM messages m WHERE m.number = message), "
        "strikes, wish, why",
        (due.number,),
    ).fetchone()
    if due.kind == "acknowledgement":
        # It may have gone out: at most once is what we promise.
        note(tx, queue_id, now, "unknown", f"{id_}: its worker stopped while sending it")
        set_states(tx, due.number, OWED, "unknown", now, "its worker stopped while sending it")
        return False
    if wish:
        note(tx, queue_id, now, "held" if wish == "hold" else "dropped", f"{id_}: {why}")
        set_states(tx, due.number, OWED, "held" if wish == "hold" else "dropped", now, why)
    elif strikes >= STRIKES:
        why = "stopped its worker three times"
        alert(tx, queue_id, now, f"{id_} is held: {why}")
        set_states(tx, due.number, OWED, "held", now, why)
    else:
        note(tx, queue_id, now, "lease over", f"{id_}: its worker stopped, it is tried again")
        return True
    end_waiting(tx, id_, queue_id, now)
    return False


def _jobs(
    tx: Transaction,
    rows: Sequence[Any],
    lease: str,
    now: int,
    spooled: Callable[[str], Octets],
) -> list[Job]:
    numbers = [row[0] for row in rows]
    owed, tried = _recipients(tx.db, numbers)
    contents = _contents(tx.db, numbers)
    shared = {row[2] for row in rows if row[0] not in contents or contents[row[0]].own is None}
    originals = _originals(tx.db, {row[2] for row in rows}, shared)
    jobs = []
    for row in rows:
        number, id_, message, kind, site, hop, reverse_path, cuts = row[:8]
        attempts, accepted, smtputf8, answerable, late, origin, one_to_one, pressed = row[8:]
        named = owed[number] if one_to_one else json.loads(origin) if origin else ()
        original = originals[message]
        content = _content(contents.get(number), original, bool(late), spooled)
        if content is None:
            _without_content(tx, number, id_, original.queue_id, now)
            continue
        jobs.append(
            Job(
                letter_id=id_,
                queue_id=original.queue_id,
                kind=kind,
                site=site,
                next_hop=hop,
                reverse_path=reverse_path,
                recipients=tuple(owed[number]),
                prefix=contents[number].prefix,
                cuts=tuple((start, end) for start, end in json.loads(cuts)) if cuts else (),
                content=content,
                attempts=attempts,
                accepted=moment(accepted),
                lease=lease,
                smtputf8=bool(smtputf8),
                answerable=bool(answerable),
                origin=tuple(named),
                pressed=bool(pressed),
                wishes=wishes_of(original.wishes),
                last_tried=moment_or_none(tried.get(number)),
            )
        )
    return jobs


def _recipients(
    db: Connection, letters: Sequence[int]
) -> tuple[dict[int, list[str]], dict[int, int]]:
    """Those still owed, by letter; and when a letter was tried last."""
    found: dict[int, list[str]] = {number: [] for number in letters}
    tried = dict[int, int]()
    for letter, address, state, at in db.execute(
        "SELECT letter, address, state, at FROM recipients "
        f"WHERE letter IN ({marks(len(letters))}) ORDER BY letter, position",
        letters,
    ):
        if state in OWED:
            found[letter].append(address)
            if at is not None:
                tried[letter] = max(at, tried.get(letter, at))
    return found, tried


@dataclass(frozen=True, slots=True)
class _Contents:
    prefix: bytes
    own: bytes | None
    late: bytes | None


@dataclass(frozen=True, slots=True)
class _Original:
    queue_id: str
    stored: str
    wishes: str
    content: bytes | None


def _contents(db: Connection, letters: Sequence[int]) -> dict[int, _Contents]:
    rows = db.execute(
        f"SELECT letter, prefix, own, late FROM contents WHERE letter IN ({marks(len(letters))})",
        letters,
    )
    return {letter: _Contents(prefix, own, late) for letter, prefix, own, late in rows}


def _originals(db: Connection, messages: set[int], shared: set[int]) -> dict[int, _Original]:
    """The messages; with their content where a letter shares it."""
    rows = db.execute(
        "SELECT number, queue_id, stored, wishes, "
        f"CASE WHEN number IN ({marks(len(shared))}) THEN content END "
        f"FROM messages WHERE number IN ({marks(len(messages))})",
        (*shared, *messages),
    )
    return {number: _Original(*rest) for number, *rest in rows}


def _content(
    contents: _Contents | None, original: _Original, late: bool, spooled: Callable[[str], Octets]
) -> Octets | None:
    """What goes out below the prefix; None if it is not there, which must not be."""
    if contents is None:
        return None
    if contents.own is not None:
        return contents.late if late and contents.late is not None else contents.own
    if original.stored != "spool":
        return original.content
    try:
        return spooled(original.queue_id)
    except (OSError, ValueError):
        return None


def _without_content(tx: Transaction, number: int, id_: str, queue_id: str, now: int) -> None:
    why = "its content is missing from the store"
    alert(tx, queue_id, now, f"{id_} is held: {why}")
    set_states(tx, number, OWED, "held", now, why)
    end_waiting(tx, id_, queue_id, now)
