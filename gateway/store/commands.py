"""What people ask of the queue: list, hold, release, retry, drop. Every change leaves a note."""

# ruff: noqa: S608 - only names of our own and question marks are put into statements
from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from typing import Any, cast

from gateway.message import Arrival, Envelope, Octets, Session
from gateway.store import Entry, State
from gateway.store.counts import OWED
from gateway.store.keeping import wishes_of
from gateway.store.letters import end_waiting, set_states
from gateway.store.notes import note
from gateway.store.sql import Connection, Transaction, marks, moment, moment_or_none, safe

_COLUMNS = (
    "l.number, l.id, m.queue_id, l.kind, l.site, l.state, l.next_hop, l.reverse_path, l.size, "
    "l.accepted, l.due, l.attempts, l.why, l.tone"
)
_FROM = "FROM letters l JOIN messages m ON m.number = l.message"


def entries(db: Connection, states: Sequence[State], limit: int) -> Sequence[Entry]:
    """The latest `limit` letters in these states (none: in any), in the order they were kept."""
    found = list[Any]()
    wanted = set(states)
    if not wanted:
        found += _rows(db, "1 = 1", (), limit)
    if "held" in wanted:  # also letters that are under way to other recipients
        found += _rows(db, "l.some_held = 1", (), limit)
    timed = sorted(wanted & OWED)
    if timed:
        where = f"l.due IS NOT NULL AND l.state IN ({marks(len(timed))})"
        found += _rows(db, where, timed, limit, "+l.number")  # +: by the index of due letters
    for state in sorted(wanted - OWED - {"held", "relayed"}):
        found += _rows(db, "l.due IS NULL AND l.state <> 'relayed' AND l.state = ?", [state], limit)
    if "relayed" in wanted:
        found += _rows(db, "l.state = 'relayed'", (), limit)
    latest = sorted({row[0]: row for row in found}.values(), reverse=True)[:limit]
    return _entries(db, latest[::-1])


def _rows(
    db: Connection, where: str, values: Sequence[Any], limit: int, order: str = "l.number"
) -> list[Any]:
    """The latest letters of some; which ones is settled before their messages are looked up."""
    return db.execute(
        f"SELECT {_COLUMNS} {_FROM} WHERE l.number IN ("
        f"SELECT l.number FROM letters l WHERE {where} ORDER BY {order} DESC LIMIT ?)",
        (*values, limit),
    ).fetchall()


def entry(db: Connection, id_: str) -> Sequence[Entry]:
    numbers = _numbers(db, id_)
    rows = _rows(db, f"l.number IN ({marks(len(numbers))})", numbers, len(numbers))
    return _entries(db, sorted(rows))


def _entries(db: Connection, rows: Sequence[Any]) -> list[Entry]:
    return [
        Entry(
            letter_id=row[1],
            queue_id=row[2],
            kind=row[3],
            site=row[4],
            state=row[5],
            next_hop=row[6],
            reverse_path=row[7],
            recipients=_recipients(db, row[0], row[5]),
            size=row[8],
            accepted=moment(row[9]),
            due=moment_or_none(row[10]),
            attempts=row[11],
            why=row[12],
            tone=row[13],
            raw=is_raw(row[1]),
        )
        for row in rows
    ]


def _recipients(db: Connection, number: int, state: str) -> dict[str, State]:
    """By address; those owed are active while their letter is."""
    rows = db.execute(
        "SELECT address, state FROM recipients WHERE letter = ? ORDER BY position", (number,)
    )
    return {
        address: cast("State", "active" if state == "active" and each in OWED else each)
        for address, each in rows
    }


def is_raw(letter_id: str) -> bool:
    return letter_id.endswith(".0")


def original(db: Connection, queue_id: str) -> tuple[Arrival, str] | None:
    """The message as it came and where its content stands: '' when it was cleaned away."""
    row = db.execute(
        "SELECT time, client_ip, helo, tls, user_name, protocol, envelope, smtputf8, body, "
        "stored, content, wishes FROM messages WHERE queue_id = ?",
        (queue_id,),
    ).fetchone()
    if row is None:
        return None
    reverse_path, *recipients = json.loads(row[6])
    envelope = Envelope(reverse_path, tuple(recipients), bool(row[7]), row[8], wishes_of(row[11]))
    session = Session(row[1], row[2], row[3], row[4], row[5])
    content: Octets = row[10] if row[10] is not None else b""
    return Arrival(queue_id, moment(row[0]), session, envelope, content), row[9]


# --- changes -----------------------------------------------------------------------------------


def _numbers(db: Connection, id_: str) -> list[int]:
    """The letters of a queue id, or the one letter."""
    rows = db.execute(
        "SELECT number FROM letters WHERE id = ? UNION "
        "SELECT l.number FROM letters l JOIN messages m ON m.number = l.message "
        "WHERE m.queue_id = ? ORDER BY 1",
        (id_, id_),
    )
    return [number for (number,) in rows]


def _matching(db: Connection, id_: str) -> Iterator[tuple[int, str, str, str]]:
    """Number, letter id, queue id and state of each letter meant; read as each is reached,
    since changing one letter may end another."""
    for number in _numbers(db, id_):
        yield db.execute(
            f"SELECT l.number, l.id, m.queue_id, l.state {_FROM} WHERE l.number = ?"
            "/*pg FOR UPDATE OF l*/",
            (number,),
        ).fetchone()


def hold(tx: Transaction, id_: str, why: str, who: str, now: int) -> int:
    return _stop(tx, id_, OWED, "held", "hold", why or "held by command", who, now)


def drop(tx: Transaction, id_: str, who: str, now: int) -> int:
    return _stop(tx, id_, OWED | {"held"}, "dropped", "drop", "dropped by command", who, now)


def _stop(
    tx: Transaction,
    id_: str,
    of: Collection[str],
    state: str,
    wish: str,
    why: str,
    who: str,
    now: int,
) -> int:
    """A letter that is just being delivered is stopped when that attempt ends."""
    why, changed = safe(why), 0
    for number, letter_id, queue_id, current in _matching(tx.db, id_):
        if current == "active":
            tx.db.execute(
                "UPDATE letters SET wish = ?, why = ? WHERE number = ?", (wish, why, number)
            )
            note(tx, queue_id, now, f"{wish} wanted", f"{letter_id}: {why}", who)
            changed += 1
        elif set_states(tx, number, of, state, now, why):
            note(tx, queue_id, now, state, f"{letter_id}: {why}", who)
            end_waiting(tx, letter_id, queue_id, now)
            changed += 1
    return changed


def release(tx: Transaction, id_: str, who: str, now: int) -> int:
    """Held recipients are due now. A raw hold stays: releasing it takes the whole route."""
    changed = 0
    for number, letter_id, queue_id, current in _matching(tx.db, id_):
        if is_raw(letter_id):
            continue
        if current == "active":
            changed += _withdraw_hold(tx, number, letter_id, queue_id, who, now)
        elif set_states(tx, number, {"held"}, "queued", now, ""):
            tx.db.execute("UPDATE letters SET strikes = 0 WHERE number = ?", (number,))
            note(tx, queue_id, now, "released", letter_id, who)
            changed += 1
    return changed


def _withdraw_hold(
    tx: Transaction, number: int, letter_id: str, queue_id: str, who: str, now: int
) -> int:
    withdrawn = tx.db.execute(
        "UPDATE letters SET wish = '', why = '' WHERE number = ? AND wish = 'hold'", (number,)
    ).rowcount
    if withdrawn:
        note(tx, queue_id, now, "released", letter_id, who)
    return withdrawn


def retry(tx: Transaction, id_: str, who: str, now: int) -> int:
    changed = 0
    for number, letter_id, queue_id, current in _matching(tx.db, id_):
        if current == "deferred":
            tx.db.execute("UPDATE letters SET due = ?, pressed = 1 WHERE number = ?", (now, number))
            note(tx, queue_id, now, "retry wanted", letter_id, who)
            changed += 1
    return changed


def retry_some(tx: Transaction, hop: str, who: str, now: int, limit: int) -> int:
    """Up to `limit` deferred letters for a next hop; each piece leaves the range it came from."""
    changed = 0
    for when in ("due < ?", "due > ?", "due = ? AND pressed = 0"):
        if changed == limit:
            break
        rows = tx.db.execute(
            "UPDATE letters SET due = ?, pressed = 1 WHERE number IN (SELECT number FROM letters "
            f"WHERE backlog = 1 AND next_hop = ? AND due IS NOT NULL AND {when} "
            "AND state = 'deferred' LIMIT ?/*pg FOR UPDATE SKIP LOCKED*/) RETURNING number",
            (now, hop, now, limit - changed),
        ).fetchall()
        numbers = [number for (number,) in rows]
        tx.db.execute(
            "INSERT INTO notes (queue_id, at, event, text, who) "
            "SELECT m.queue_id, CAST(? AS INTEGER), 'retry wanted', l.id, ? "
            "FROM letters l JOIN messages m ON m.number = l.message "
            f"WHERE l.number IN ({marks(len(numbers))})",
            (now, safe(who), *numbers),
        )
        changed += len(numbers)
    return changed
