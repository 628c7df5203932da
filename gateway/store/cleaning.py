"""Removing what its time is over, in small pieces; what is still owed is never touched."""

# ruff: noqa: S608 - only names of our own and question marks are put into statements
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gateway.store.sql import Connection, Transaction, marks

PIECE = 200
"""Messages in one transaction."""

_OWED = (
    "EXISTS (SELECT 1 FROM letters l WHERE l.message = m.number "
    "AND (l.due IS NOT NULL OR l.some_held = 1))"
)


def clean_bodies(tx: Transaction, before: int) -> list[str]:
    """Forget contents of messages that ended; gives the queue ids whose spool file may go.

    At most PIECE messages; an empty list of rows tells the end through `more_bodies`.
    """
    rows = tx.db.execute(
        "SELECT m.number, m.queue_id, m.stored FROM messages m "
        f"WHERE m.stored <> '' AND m.time < ? AND NOT {_OWED} ORDER BY m.time LIMIT ?",
        (before, PIECE),
    ).fetchall()
    numbers = [row[0] for row in rows]
    tx.db.execute(
        f"UPDATE messages SET stored = '', content = NULL WHERE number IN ({marks(len(numbers))})",
        numbers,
    )
    tx.db.execute(
        "DELETE FROM own_mail WHERE letter IN ("
        f"SELECT number FROM letters WHERE message IN ({marks(len(numbers))}))",
        numbers,
    )
    return [queue_id for _, queue_id, stored in rows]


def known_in_spool(db: Connection, queue_ids: Sequence[str]) -> set[str]:
    """Those of the ids whose content stands in the spool."""
    rows: list[Any] = db.execute(
        "SELECT queue_id FROM messages "
        f"WHERE stored = 'spool' AND queue_id IN ({marks(len(queue_ids))})",
        tuple(queue_ids),
    ).fetchall()
    return {queue_id for (queue_id,) in rows}
