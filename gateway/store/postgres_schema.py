"""The schema in PostgreSQL: the same steps as for SQLite, forward only.

PostgreSQL undoes definitions with their transaction, so a step is there whole or not at all.
There is no copy of the data here: that is the business of its own backups.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import psycopg
from psycopg import errors

from gateway.store.postgres_text import definition
from gateway.store.schema import migrations, statements, too_new

_TRIES = 5
_QUEUE = (
    # Rows that come and go need their dead cleaned away early, and room beside them.
    "ALTER TABLE letters SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01, "
    "autovacuum_vacuum_cost_delay = 0)",
    "ALTER TABLE recipients SET (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02)",
    "ALTER TABLE counts SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.01)",
    "ALTER TABLE dmarc_rows SET (fillfactor = 50)",
    # Mail does not pack well enough to be worth the time at each write.
    "ALTER TABLE messages ALTER COLUMN content SET STORAGE EXTERNAL",
    "ALTER TABLE pieces ALTER COLUMN octets SET STORAGE EXTERNAL",
)
"""Advice to PostgreSQL; what only speaks its language may not know it."""


def migrate(db: psycopg.Connection[Any], steps: Sequence[str] | None = None) -> tuple[int, int]:
    """Bring the schema up to date; gives the version before and now.

    Several nodes may start at once: one does it, the others wait and find it done.
    Raises StoreError where a later version has been.
    """
    steps = migrations() if steps is None else steps
    for attempt in range(_TRIES):
        try:
            return _migrate(db, steps)
        except (errors.UniqueViolation, errors.DuplicateTable, errors.SerializationFailure):
            if attempt + 1 == _TRIES:  # two made the first table at the same time
                raise
    raise AssertionError


def version(db: psycopg.Connection[Any]) -> int:
    """Of a schema that is there; 0 where there is none."""
    row = db.execute("SELECT to_regclass('gateway_schema') IS NOT NULL").fetchone()
    if row is None or not row[0]:
        return 0
    found = db.execute("SELECT version FROM gateway_schema").fetchone()
    return 0 if found is None else int(found[0])


def _migrate(db: psycopg.Connection[Any], steps: Sequence[str]) -> tuple[int, int]:
    now = version(db)
    if now > len(steps):
        raise too_new(now, len(steps))
    if now == len(steps):
        return now, now
    with db.transaction():
        db.execute(
            "CREATE TABLE IF NOT EXISTS gateway_schema "
            "(one BIGINT PRIMARY KEY CHECK (one = 1), version BIGINT NOT NULL)"
        )
        db.execute(
            "INSERT INTO gateway_schema (one, version) VALUES (1, 0) ON CONFLICT (one) DO NOTHING"
        )
        row = db.execute("SELECT version FROM gateway_schema FOR UPDATE").fetchone()
        before = int(row[0]) if row else 0
        for step in steps[before:]:
            for each in statements(step):
                db.execute(definition(each))
        db.execute("UPDATE gateway_schema SET version = %s", (len(steps),))
    for advice in _QUEUE:
        with suppress(psycopg.Error):
            db.execute(advice)
    return before, len(steps)
