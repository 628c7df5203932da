"""Taking turns: whoever counts what is there before adding to it must do both alone."""

from __future__ import annotations

from gateway.store.sql import Transaction

_TURN = "acknowledgements"
"""Its row; of the time when nothing else was counted so."""


def be_alone(tx: Transaction) -> None:
    """Until the commit nobody else comes past here; the row that says so is made on first use.

    One turn for everything: two of them could be waited for crosswise.
    """
    if not tx.shared:
        return
    sql = "SELECT 1 FROM properties WHERE name = ?/*pg FOR UPDATE*/"
    if tx.db.execute(sql, (_TURN,)).fetchone() is None:
        tx.db.execute(
            "INSERT INTO properties (name, value) VALUES (?, ?) ON CONFLICT (name) DO NOTHING",
            (_TURN, b""),
        )
        tx.db.execute(sql, (_TURN,)).fetchone()
