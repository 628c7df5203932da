"""Leasing letters to a worker, and what becomes of leases that ran out."""

# ruff: noqa: S608 - only names of our own and question marks are put into statements
from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Sequence
from typing import NamedTuple

from gateway.message import Octets
from gateway.store import Job
from gateway.store.choosing import Due, Turn, choose
from gateway.store.counts import OWED
from gateway.store.keeping import wishes_of
from gateway.store.letters import end_waiting, set_states
from gateway.store.notes import alert, alert_once, note
from gateway.store.sql import Connection, Transaction, among, moment, moment_or_none

Claimed = tuple[Sequence[Job], Turn]
STRIKES = 3
"""Leases in a row that may run out before a letter is held."""
HOLDS = 30 * 60 * 1_000_000
"""Microseconds after which an acknowledgement that is tried again promises nothing any more: it
could arrive when the time it names is over."""
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
    ready = _one_by_one(tx, ready, lease.partition(":")[0], now, until)
    # What just became of an expired letter may have ended another one that was chosen.
    marks, numbers = among([due.number for due in ready])
    rows = tx.db.execute(
        "UPDATE letters SET state = 'active', lease = ?, due = ?, "
        "late = CASE WHEN state = 'waiting' OR (state = 'deferred' AND accepted < ?) "
        "THEN 1 ELSE late END "
        f"WHERE number IN ({marks}) AND due <= ? RETURNING {', '.join(_Leased._fields)}",
        (lease, until, now - HOLDS, *numbers, now),
    ).fetchall()
    leased = {row[0]: _Leased._make(row) for row in rows}
    ready = [due for due in ready if due.number in leased]
    jobs = _jobs(tx, [leased[due.number] for due in ready], lease, now, spooled)
    _tell_late(tx, [leased[due.number].id for due in ready if due.state == "waiting"], jobs, now)
    return jobs, turn


def _one_by_one(tx: Transaction, ready: list[Due], owner: str, now: int, until: int) -> list[Due]:
    """Of the letters whose next strike is their last a worker has one at a time.

    Whatever it has in hand when it dies is struck; only who is to blame should be held for it. No
    lease ends after `until`, so that what waits for longer need not be looked at; and who was
    struck is in the backlog.
    """
    last = STRIKES - 1
    struck = sorted(
        (due.due, due.number)
        for due in ready
        if due.strikes + (due.state == "active") >= last  # its lease ran out: a strike just now
    )
    if not struck:
        return ready
    leases = tx.db.execute(
        "SELECT lease FROM letters INDEXED BY letters_due WHERE due IS NOT NULL AND backlog = 1 "
        "AND due > ? AND due <= ? AND state = 'active' AND strikes >= ?",
        (now, until, last),
    ).fetchall()
    busy = any(lease.partition(":")[0] == owner for (lease,) in leases)
    waits = {number for _, number in (struck if busy else struck[1:])}
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


def extend(tx: Transaction, jobs: Sequence[Job], until: int) -> list[Job]:
    """Renew leases; a letter that is just being settled needs none. Gives those that are over:
    settled, or somebody else's."""
    tx.db.executemany(
        "UPDATE letters SET due = ? WHERE number = (SELECT number FROM letters "
        "WHERE id = ? AND lease = ? AND state = 'active'/*pg FOR UPDATE SKIP LOCKED*/)",
        [(until, job.letter_id, job.lease) for job in jobs],
    )
    in_, ids = among([job.letter_id for job in jobs])
    rows = tx.db.execute(
        f"SELECT id, lease FROM letters WHERE id IN ({in_}) AND state = 'active'", ids
    )
    ours = {(id_, lease) for id_, lease in rows}
    return [job for job in jobs if (job.letter_id, job.lease) not in ours]


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


class _Leased(NamedTuple):
    """A letter's row, as it stands when it has just been leased."""

    number: int
    id: str
    kind: str
    site: str
    next_hop: str
    reverse_path: str
    cuts: str
    attempts: int
    accepted: int
    smtputf8: int
    answerable: int
    late: int
    origin: str
    one_to_one: int
    pressed: int


def _jobs(
    tx: Transaction,
    letters: Sequence[_Leased],
    lease: str,
    now: int,
    spooled: Callable[[str], Octets],
) -> list[Job]:
    numbers = [letter.number for letter in letters]
    owed, tried = _recipients(tx.db, numbers)
    contents = _contents(tx.db, numbers)
    jobs = []
    for letter in letters:
        to, found = tuple(owed[letter.number]), contents[letter.number]
        content = _content(found, bool(letter.late), spooled)
        if content is None or found.prefix is None:
            _without_content(tx, letter.number, letter.id, found.queue_id, now)
            continue
        job = Job(
            letter_id=letter.id,
            queue_id=found.queue_id,
            kind=letter.kind,
            site=letter.site,
            next_hop=letter.next_hop,
            reverse_path=letter.reverse_path,
            recipients=to,
            prefix=found.prefix,
            cuts=_cuts(letter),
            content=content,
            attempts=letter.attempts,
            accepted=moment(letter.accepted),
            lease=lease,
            smtputf8=bool(letter.smtputf8),
            answerable=bool(letter.answerable),
            origin=to if letter.one_to_one else _origin(letter),
            pressed=bool(letter.pressed),
            wishes=wishes_of(found.wishes),
            last_tried=moment_or_none(tried.get(letter.number)),
        )
        jobs.append(job)
    return jobs


def _cuts(letter: _Leased) -> tuple[tuple[int, int], ...]:
    return tuple((start, end) for start, end in json.loads(letter.cuts)) if letter.cuts else ()


def _origin(letter: _Leased) -> tuple[str, ...]:
    return tuple(json.loads(letter.origin)) if letter.origin else ()


def _recipients(
    db: Connection, letters: Sequence[int]
) -> tuple[dict[int, list[str]], dict[int, int]]:
    """Those still owed, by letter; and when a letter was tried last."""
    found: dict[int, list[str]] = {number: [] for number in letters}
    tried = dict[int, int]()
    marks, numbers = among(letters)
    for letter, address, state, at in db.execute(
        "SELECT letter, address, state, at FROM recipients "
        f"WHERE letter IN ({marks}) ORDER BY letter, position",
        numbers,
    ):
        if state in OWED:
            found[letter].append(address)
            if at is not None:
                tried[letter] = max(at, tried.get(letter, at))
    return found, tried


class _Contents(NamedTuple):
    """What a letter is made of; without `prefix` its own row of contents is not there."""

    queue_id: str
    stored: str
    size: int
    wishes: str
    prefix: bytes | None
    own: bytes | None
    late: bytes | None
    original: bytes | None
    """The message's content, where the letter shares it and it stands in its row."""


def _contents(db: Connection, letters: Sequence[int]) -> dict[int, _Contents]:
    marks, numbers = among(letters)
    rows = db.execute(
        "SELECT l.number, m.queue_id, m.stored, m.size, m.wishes, c.prefix, c.own, c.late, "
        "CASE WHEN c.own IS NULL THEN m.content END FROM letters l "
        "JOIN messages m ON m.number = l.message LEFT JOIN contents c ON c.letter = l.number "
        f"WHERE l.number IN ({marks})",
        numbers,
    )
    return {number: _Contents(*rest) for number, *rest in rows}


def _content(found: _Contents, late: bool, spooled: Callable[[str], Octets]) -> Octets | None:
    """What goes out below the prefix; None if it is not there whole, which must not be."""
    if found.own is not None:
        return found.late if late and found.late is not None else found.own
    if found.stored != "spool":
        return found.original
    try:
        content = spooled(found.queue_id)
    except (OSError, ValueError):
        return None
    # Half a letter is no letter. Empty: it is fetched when the transaction is over.
    return content if len(content) in (0, found.size) else None


def _without_content(tx: Transaction, number: int, id_: str, queue_id: str, now: int) -> None:
    why = "its content is missing from the store"
    alert(tx, queue_id, now, f"{id_} is held: {why}")
    set_states(tx, number, OWED, "held", now, why)
    end_waiting(tx, id_, queue_id, now)
