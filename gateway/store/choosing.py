"""Which of the letters that are due go next: the oldest, but fair to all.

New mail takes turns with the backlog, and within a long backlog the next hops take turns, so that
one that is slow keeps no other waiting. However long the queue is and however many next hops there
are, the work is bounded; and new mail, the ordinary case, stands in one index only.
"""

# ruff: noqa: S608 - only names of our own and question marks are put into statements
from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import Any, NamedTuple

from gateway.store.sql import Connection, Transaction

HOPS = 32
"""Next hops that one choice looks at, besides those of the oldest letters."""
ROUNDS, PASSED_OVER = 4, 250
"""How often, and how many letters at a time, one choice moves to the backlog."""


class Due(NamedTuple):
    """One letter whose time has come."""

    number: int
    state: str
    kind: str
    next_hop: str
    due: int
    strikes: int


@dataclass(frozen=True, slots=True)
class Turn:
    """Whose turn it is, from one choice to the next."""

    backlog_first: bool = False
    hop: str = ""
    """The next hop that was served last."""


def next_due(db: Connection) -> int | None:
    """When the next letter is due or the next lease ends."""
    times = [
        db.execute(
            "SELECT min(due) FROM letters WHERE backlog = ? AND due IS NOT NULL", (backlog,)
        ).fetchone()[0]
        for backlog in (0, 1)
    ]
    return min((time for time in times if time is not None), default=None)


def choose(
    tx: Transaction, now: int, limit: int, but_not: frozenset[str], turn: Turn
) -> tuple[list[Due], Turn]:
    """Up to `limit` letters, none for the next hops in `but_not` unless a person pressed for it."""
    backlog, hop = _backlog(tx.db, now, limit, but_not, turn.hop)
    fresh = _fresh(tx, now, limit, but_not)
    lanes = [backlog, fresh] if turn.backlog_first else [fresh, backlog]
    if but_not:
        lanes.append(_rows(tx.db, "pressed = 1 AND due <= ?", now, limit))
    chosen = {due.number: due for due in _in_turn(lanes)}
    return list(chosen.values())[:limit], Turn(not turn.backlog_first, hop)


def _fresh(tx: Transaction, now: int, limit: int, but_not: frozenset[str]) -> list[Due]:
    """The oldest new letters. Those that wait for a next hop that is left out join the backlog
    when they would hide others."""
    for _ in range(ROUNDS):
        oldest = _rows(tx.db, "backlog = 0 AND due <= ?", now, limit + 1)
        found = [due for due in oldest if due.next_hop not in but_not]
        if len(oldest) <= limit or len(found) == len(oldest):
            return found
        hidden = _rows(tx.db, "backlog = 0 AND due <= ?", now, PASSED_OVER)
        tx.db.executemany(
            "UPDATE letters SET backlog = 1 WHERE number = ?",
            [(due.number,) for due in hidden if due.next_hop in but_not],
        )
    return found


def _backlog(
    db: Connection, now: int, limit: int, but_not: frozenset[str], last: str
) -> tuple[list[Due], str]:
    """The oldest of the backlog, or so many of each next hop, and which was served last."""
    oldest = _rows(db, "backlog = 1 AND due <= ?", now, limit + 1)
    if len(oldest) <= limit:
        return [due for due in oldest if due.next_hop not in but_not], last
    hops, last = _hops_in_turn(db, last)
    wanted = dict.fromkeys((*hops, *(due.next_hop for due in oldest)))
    lanes = [
        _rows(db, "backlog = 1 AND next_hop = ? AND due <= ?", hop, now, limit)
        for hop in wanted
        if hop not in but_not
    ]
    return _in_turn(lanes), last


def _hops_in_turn(db: Connection, last: str) -> tuple[list[str], str]:
    """The next hops after the one served last, and which counts as served now."""
    after, first = backlog_hops(db, last, HOPS), []
    if len(after) < HOPS:
        first = [hop for hop in backlog_hops(db, "", HOPS - len(after)) if hop not in after]
    hops = after + first
    complete = len(hops) < HOPS
    return hops, (hops[0] if complete else hops[-1]) if hops else ""


def backlog_hops(db: Connection, after: str, limit: int) -> list[str]:
    """Next hops that have a backlog, in order: one index seek each."""
    # Left to itself SQLite reads the whole backlog in the order of its times.
    first = (
        "SELECT min(next_hop) FROM letters INDEXED BY letters_hop "
        "WHERE backlog = 1 AND due IS NOT NULL"
    )
    rows = db.execute(
        f"WITH RECURSIVE hops (hop) AS ({first} AND next_hop > ? UNION ALL "
        f"SELECT ({first} AND next_hop > hop) FROM hops WHERE hop IS NOT NULL) "
        "SELECT hop FROM hops WHERE hop IS NOT NULL LIMIT ?",
        (after, limit),
    )
    return [hop for (hop,) in rows]


def _rows(db: Connection, which: str, *values: Any) -> list[Due]:
    """The oldest of some letters; the last value is how many at most."""
    rows = db.execute(
        "SELECT number, state, kind, next_hop, due, strikes FROM letters "
        f"WHERE due IS NOT NULL AND {which} ORDER BY due LIMIT ?/*pg FOR UPDATE SKIP LOCKED*/",
        values,
    )
    return [Due(*row) for row in rows]


def _in_turn(lanes: Iterable[Sequence[Due]]) -> list[Due]:
    """One of each lane, then the next of each."""
    full = [lane for lane in lanes if lane]
    if len(full) == 1:
        return list(full[0])
    return [due for due in chain.from_iterable(zip_longest(*full)) if due is not None]
