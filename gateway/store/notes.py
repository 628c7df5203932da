"""The story of a message: what its rows do not say by themselves, and what they do."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.store import Note
from gateway.store.sql import Connection, Transaction, moment, safe


def note(
    tx: Transaction, queue_id: str, at: int, event: str, text: str = "", who: str = ""
) -> None:
    tx.db.execute(
        "INSERT INTO notes (queue_id, at, event, text, who) VALUES (?, ?, ?, ?, ?)",
        (queue_id, at, event, safe(text)[:1000], safe(who)),
    )


def alert(tx: Transaction, queue_id: str, at: int, text: str) -> None:
    """Something the administrator is told once, besides the note."""
    note(tx, queue_id, at, "alert", text)
    tx.db.execute(
        "INSERT INTO alerts (at, queue_id, text) VALUES (?, ?, ?)", (at, queue_id, safe(text))
    )


def alert_once(tx: Transaction, queue_id: str, at: int, text: str) -> None:
    """An alert that many messages would raise: one until it was told."""
    if not tx.db.execute("SELECT 1 FROM alerts WHERE told = 0 AND text = ?", (text,)).fetchone():
        alert(tx, queue_id, at, text)


def untold(tx: Transaction) -> list[Note]:
    """The alerts nobody has been told of; from now on they are told."""
    rows = tx.db.execute(
        "UPDATE alerts SET told = 1 WHERE told = 0 RETURNING at, queue_id, text"
    ).fetchall()
    return [Note(moment(at), "alert", text, queue_id) for at, queue_id, text in sorted(rows)]


def story(db: Connection, queue_id: str) -> Sequence[Note]:
    """Acceptance and deliveries come from the rows themselves, the rest was written down."""
    kept = db.execute(
        "SELECT number, time, client_ip, size FROM messages WHERE queue_id = ?", (queue_id,)
    ).fetchone()
    if kept is None:
        return []
    number, time, client, size = kept
    written = db.execute(
        "SELECT at, event, text, who FROM notes WHERE queue_id = ? ORDER BY number", (queue_id,)
    )
    told = [
        Note(moment(time), "accepted", f"{size} octets from {client}"),
        *(Note(moment(at), event, text, who) for at, event, text, who in written),
        *_deliveries(db, number),
    ]
    return sorted(told, key=lambda note: note.at)  # stable: at one moment in this order


def _deliveries(db: Connection, message: int) -> list[Note]:
    rows = db.execute(
        "SELECT r.at, l.id, r.address, l.next_hop, r.code, r.enhanced, r.reply "
        "FROM letters l JOIN recipients r ON r.letter = l.number "
        "WHERE l.message = ? AND r.state = 'relayed' ORDER BY l.number, r.position",
        (message,),
    ).fetchall()
    return [
        Note(moment(at), "delivered", f"{id_} to {to} by {hop}: {code} {enhanced} {text}")
        for at, id_, to, hop, code, enhanced, text in rows
    ]
