"""The named moments of a store in PostgreSQL; see `points.py`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg

import gateway.app
from gateway.message import Arrival
from gateway.store import postgres, postgres_schema
from gateway.store.postgres_session import Connection, PostgresSession
from gateway.store.sql import Sums
from tools.soak.points import AFTER, BEFORE, Trap, before, wrote_also

BEAT = 0.5
"""Seconds between two heart beats: a node that died is found out ten times as early."""


def install(trap: Trap) -> None:
    gateway.app.BEAT = BEAT
    _watch_transactions(trap)
    _watch_migration(trap)
    put = postgres.PostgresStore._put

    async def spooled(self: postgres.PostgresStore, arrival: Arrival) -> None:
        await put(self, arrival)
        trap.passed("spooled")

    postgres.PostgresStore._put = spooled  # type: ignore[method-assign]


def _watch_transactions(trap: Trap) -> None:
    begin, commit, leave = (
        PostgresSession.begin,
        PostgresSession.commit,
        PostgresSession._leave_pipeline,
    )

    def note(self: Any, sql: str, *_: Any) -> None:
        self.soak_wrote = wrote_also(self.soak_wrote, sql)

    Connection.soak_wrote = ""  # type: ignore[attr-defined]
    PostgresSession.soak_commits = ""  # type: ignore[attr-defined]
    before(Connection, "execute", note)
    before(Connection, "executemany", note)

    def beginning(self: Any) -> None:
        begin(self)
        self._db.soak_wrote = ""

    def committing(self: Any, sums: Sums) -> None:
        self.soak_commits = wrote = self._db.soak_wrote
        if wrote:
            trap.passed(BEFORE[wrote])
        commit(self, sums)
        if wrote:
            trap.passed(AFTER[wrote])

    def leaving(self: Any) -> None:
        """In a commit: the word has gone to the server, the answer is waited for now."""
        commits, self.soak_commits = self.soak_commits, ""
        if commits:
            trap.passed("committing")
        leave(self)

    PostgresSession.begin = beginning  # type: ignore[method-assign]
    PostgresSession.commit = committing  # type: ignore[method-assign]
    PostgresSession._leave_pipeline = leaving  # type: ignore[method-assign]


def _watch_migration(trap: Trap) -> None:
    definition, migrate, execute = (
        postgres_schema.definition,
        postgres.migrate,
        psycopg.Connection.execute,
    )

    def step(ddl: str) -> str:
        trap.passed("migration-step")
        return definition(ddl)

    def executed(self: psycopg.Connection[Any], query: Any, *more: Any, **how: Any) -> Any:
        done = execute(self, query, *more, **how)
        if isinstance(query, str) and query.startswith("UPDATE gateway_schema SET version"):
            trap.passed("migration-commit")
        return done

    def migrated(
        db: psycopg.Connection[Any], steps: Sequence[str] | None = None
    ) -> tuple[int, int]:
        was, now = migrate(db, steps)
        if was != now:
            trap.passed("migrated")
        return was, now

    postgres_schema.definition = step  # type: ignore[assignment]
    psycopg.Connection.execute = executed  # type: ignore[method-assign]
    postgres.migrate = migrated
