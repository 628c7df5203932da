"""Removing what its time is over, in small pieces; what is still owed is never touched."""

# ruff: noqa: S608 - only names of our own and question marks are put into statements
from __future__ import annotations

from collections.abc import Sequence

from gateway.store.letters import end_waiting, set_states
from gateway.store.notes import note
from gateway.store.sql import Connection, Transaction, marks

PIECE = 200
"""Messages in one transaction, so that new mail never waits long for it."""

_OWED = (
    "EXISTS (SELECT 1 FROM letters l WHERE l.message = m.number "
    "AND (l.due IS NOT NULL OR l.some_held = 1))"
)


QUARANTINED = "quarantined"
"""How the reason of a letter begins that is held as spam: only such ones expire."""


def expire_quarantine(tx: Transaction, before: int, now: int) -> int:
    """Drop up to PIECE letters that were quarantined before, by the site's rule; gives how many."""
    rows = tx.db.execute(
        "SELECT l.number, l.id, m.queue_id, l.why FROM letters l "
        "JOIN messages m ON m.number = l.message WHERE l.some_held = 1 AND l.state = 'held' "
        f"AND l.accepted < ? AND substr(l.why, 1, {len(QUARANTINED)}) = ? ORDER BY l.number "
        "LIMIT ?/*pg FOR UPDATE OF l SKIP LOCKED*/",
        (before, QUARANTINED, PIECE),
    ).fetchall()
    for number, id_, queue_id, why in rows:
        note(tx, queue_id, now, "dropped", f"{id_}: its time in quarantine is over", "rule")
        set_states(tx, number, {"held"}, "dropped", now, why)
        end_waiting(tx, id_, queue_id, now)
    return len(rows)


def clean_bodies(tx: Transaction, before: int) -> list[str]:
    """Forget the contents of up to PIECE messages that ended; gives their queue ids.

    Their spool files, if they have some, may go when this is committed.
    """
    rows = tx.db.execute(
        "SELECT m.number, m.queue_id FROM messages m "
        f"WHERE m.stored <> '' AND m.time < ? AND NOT {_OWED} ORDER BY m.time LIMIT ?"
        "/*pg FOR UPDATE OF m SKIP LOCKED*/",
        (before, PIECE),
    ).fetchall()
    numbers = [number for number, _ in rows]
    among = marks(len(numbers))
    tx.db.execute(
        f"UPDATE messages SET stored = '', content = NULL WHERE number IN ({among})", numbers
    )
    tx.db.execute(
        "DELETE FROM contents WHERE letter IN ("
        f"SELECT number FROM letters WHERE message IN ({among}))",
        numbers,
    )
    return [queue_id for _, queue_id in rows]


def clean_records(tx: Transaction, before: int) -> int:
    """Forget up to PIECE messages without content, and all that came with them; gives how many."""
    rows = tx.db.execute(
        "SELECT m.number, m.queue_id, m.contact, m.message_id FROM messages m "
        f"WHERE m.stored = '' AND m.time < ? AND NOT {_OWED} ORDER BY m.time LIMIT ?"
        "/*pg FOR UPDATE OF m SKIP LOCKED*/",
        (before, PIECE),
    ).fetchall()
    if rows:
        _forget_people(tx, [(row[2], before) for row in rows])
        _forget_threads(tx, [(row[3], row[2], before) for row in rows], [row[0] for row in rows])
        _forget_messages(tx, [row[0] for row in rows], [row[1] for row in rows])
    return len(rows)


def _forget_people(tx: Transaction, contacts: Sequence[tuple[str, int]]) -> None:
    """What is older than the limit; who wrote since is still known."""
    pairs = list(dict.fromkeys(contacts))
    for statement in (
        "DELETE FROM contact_letters WHERE contact = ? AND proven IN (0, 1) AND at < ?",
        "DELETE FROM contact_phones WHERE contact = ? AND at < ?",
    ):
        tx.db.executemany(statement, pairs)


def _forget_threads(
    tx: Transaction, threads: Sequence[tuple[str, str, int]], messages: Sequence[int]
) -> None:
    tx.db.executemany(
        "DELETE FROM threads WHERE message_id = ? AND contact = ? AND at < ?", threads
    )
    tx.db.execute(
        "DELETE FROM threads WHERE contact = '' AND ours = 1 AND message_id IN ("
        f"SELECT message_id FROM letters WHERE message IN ({marks(len(messages))}) "
        "AND message_id <> '')",
        messages,
    )


def _forget_messages(tx: Transaction, numbers: Sequence[int], queue_ids: Sequence[str]) -> None:
    among = marks(len(numbers))
    tx.db.execute(
        "DELETE FROM recipients WHERE letter IN ("
        f"SELECT number FROM letters WHERE message IN ({among}))",
        numbers,
    )
    tx.db.execute(f"DELETE FROM letters WHERE message IN ({among})", numbers)
    tx.db.execute(f"DELETE FROM messages WHERE number IN ({among})", numbers)
    tx.db.execute(f"DELETE FROM notes WHERE queue_id IN ({among})", queue_ids)


def clean_rest(tx: Transaction, before: int, dead_before: int) -> None:
    """Rights to acknowledge, calls that are done, alerts that were told, dead addresses."""
    tx.db.execute("DELETE FROM acknowledgements WHERE at < ?", (before,))
    tx.db.execute("DELETE FROM calls WHERE state = 'done' AND changed < ?", (before,))
    tx.db.execute("DELETE FROM alerts WHERE told = 1 AND at < ?", (before,))
    tx.db.execute("DELETE FROM breakers WHERE until < ?", (before,))
    gone = tx.db.execute(
        "DELETE FROM dmarc_reports WHERE day < ? RETURNING domain, day", (before,)
    ).fetchall()
    tx.db.executemany("DELETE FROM dmarc_rows WHERE domain = ? AND day = ?", gone)
    tx.db.execute("DELETE FROM dead_addresses WHERE at < ?", (dead_before,))


def known_in_spool(db: Connection, queue_ids: Sequence[str]) -> set[str]:
    """Those of the ids whose content stands in the spool."""
    rows = db.execute(
        "SELECT queue_id FROM messages "
        f"WHERE stored = 'spool' AND queue_id IN ({marks(len(queue_ids))})",
        tuple(queue_ids),
    )
    return {queue_id for (queue_id,) in rows}
