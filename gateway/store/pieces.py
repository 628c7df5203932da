"""Contents too large for a row, in pieces: where several machines share the store.

They are written before the row that names them; a crash in between leaves pieces that nobody
knows, which `remove_strays` finds.
"""

# ruff: noqa: S608 - only names of our own and question marks are put into statements
from __future__ import annotations

from collections.abc import Sequence

from gateway.message import Arrival
from gateway.store import Job
from gateway.store.sql import Connection, Transaction, marks, micros

SIZE = 1 << 20
PIECE = 200
"""Contents removed in one transaction."""


def put(arrival: Arrival, position: int, octets: bytes, tx: Transaction) -> None:
    tx.db.execute(
        "INSERT INTO pieces (queue_id, position, at, octets) VALUES (?, ?, ?, ?) "
        "ON CONFLICT (queue_id, position) DO NOTHING",
        (arrival.queue_id, position, micros(arrival.time), octets),
    )


def get(queue_id: str, position: int, db: Connection) -> bytes:
    """Empty beyond the last one."""
    row = db.execute(
        "SELECT octets FROM pieces WHERE queue_id = ? AND position = ?", (queue_id, position)
    ).fetchone()
    return b"" if row is None else bytes(row[0])


def is_spooled(job: Job, db: Connection) -> bool:
    """Whether the job's content is its message's, and stands in pieces."""
    row = db.execute(
        "SELECT 1 FROM letters l JOIN messages m ON m.number = l.message "
        "JOIN contents c ON c.letter = l.number "
        "WHERE l.id = ? AND m.stored = 'spool' AND c.own IS NULL",
        (job.letter_id,),
    ).fetchone()
    return row is not None


def forget(tx: Transaction, queue_ids: Sequence[str]) -> None:
    tx.db.execute(
        f"DELETE FROM pieces WHERE queue_id IN ({marks(len(queue_ids))})", tuple(queue_ids)
    )


def remove_strays(tx: Transaction, before: int) -> int:
    """Remove what came before a moment and was never kept; gives how many contents."""
    rows = tx.db.execute(
        "SELECT p.queue_id FROM pieces p WHERE p.position = 0 AND p.at < ? AND NOT EXISTS "
        "(SELECT 1 FROM messages m WHERE m.queue_id = p.queue_id) LIMIT ?",
        (before, PIECE),
    ).fetchall()
    forget(tx, [queue_id for (queue_id,) in rows])
    return len(rows)
