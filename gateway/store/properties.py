"""Values of which a store has one each, for all who share it."""

from __future__ import annotations

from gateway.store.sql import Transaction


def secret(fresh: bytes, tx: Transaction) -> bytes:
    """The store's secret; `fresh` becomes it where there is none yet."""
    tx.db.execute(
        "INSERT INTO properties (name, value) VALUES ('secret', ?) ON CONFLICT (name) DO NOTHING",
        (fresh,),
    )
    row = tx.db.execute("SELECT value FROM properties WHERE name = 'secret'").fetchone()
    return bytes(row[0])
