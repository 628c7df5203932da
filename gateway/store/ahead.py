"""Letters whose time is further off than any wait of ours: the clock was ahead when it was written.

Set back, it would leave them lying for as long as it was ahead, be that a year.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.store.sql import Transaction

PIECE = 2000
"""Letters changed in one transaction; the next look finds the others."""


@dataclass(frozen=True, slots=True)
class Waits:
    """The longest waits there are, in microseconds."""

    fresh: int
    """Until the end of the first lease, or for an acknowledgement until it goes without its letter
    being delivered."""
    backlog: int
    """Of a letter that was tried."""


def hasten(tx: Transaction, now: int, waits: Waits) -> int:
    """Make due what waits for longer; gives how many letters. Leases are their holders' matter."""
    changed = 0
    for backlog, longest in ((0, waits.fresh), (1, waits.backlog)):
        (latest,) = tx.db.execute(
            "SELECT max(due) FROM letters WHERE backlog = ? AND due IS NOT NULL", (backlog,)
        ).fetchone()
        if latest is None or latest <= now + longest:
            continue  # one look at an index, as nearly always
        changed += tx.db.execute(
            "UPDATE letters SET due = CASE WHEN state = 'waiting' THEN CAST(? AS INTEGER) "
            "ELSE CAST(? AS INTEGER) END WHERE number IN (SELECT number FROM letters "
            "WHERE backlog = ? AND due IS NOT NULL AND due > ? AND state <> 'active' "
            "LIMIT ?/*pg FOR UPDATE SKIP LOCKED*/)",
            (now + waits.fresh, now, backlog, now + longest, PIECE),
        ).rowcount
    return changed
