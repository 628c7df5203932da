"""One connection to a SQLite file, as the writer's threads use it."""

from __future__ import annotations

import sqlite3
import time
from contextlib import suppress

from gateway.store import NoSpaceError, StoreError, UnfitError, counts, reports
from gateway.store.sql import Sums, Transaction


class SqliteSession:
    """See `writer.Session`. Without `writes` each group is a read transaction."""

    def __init__(self, db: sqlite3.Connection, *, writes: bool, patience: float = 5.0) -> None:
        """`patience`: seconds to wait for another process's transaction."""
        self._db = db
        self._begin = "BEGIN IMMEDIATE" if writes else "BEGIN"
        self._writes = writes
        self._patience = patience
        self._last: dict[str, int] = {}
        """The highest number given out by table, in this transaction."""
        db.execute("PRAGMA busy_timeout = 2")

    def begin(self) -> None:
        """Begin, waiting for another process's transaction in short steps: SQLite's own waiting
        takes ever longer steps, so that the process that waits longest finds it taken most."""
        self._last.clear()
        end = time.monotonic() + self._patience
        while True:
            try:
                self._db.execute(self._begin)
            except sqlite3.OperationalError as error:
                if _code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                    raise
            else:
                return

    def transaction(self) -> Transaction:
        return Transaction(self._db, self._reserve)

    def _reserve(self, table: str) -> int:
        """The next number: nobody else writes before this transaction ends."""
        last = self._last.get(table)
        if last is None:
            highest = f"SELECT coalesce(max(number), 0) FROM {table}"  # noqa: S608 - a name of ours
            last = self._db.execute(highest).fetchone()[0]
        self._last[table] = last + 1
        return last + 1

    def save(self) -> None:
        self._db.execute("SAVEPOINT piece")

    def keep(self) -> None:
        self._db.execute("RELEASE piece")

    def undo(self) -> None:
        self._db.execute("ROLLBACK TO piece")
        self._db.execute("RELEASE piece")

    def commit(self, sums: Sums) -> None:
        if self._writes:
            counts.write(self._db, sums.counts)
            reports.write(self._db, sums.dmarc)
        self._db.execute("COMMIT")

    def roll_back(self) -> None:
        with suppress(sqlite3.Error):  # the next BEGIN tells
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")

    @property
    def broken(self) -> bool:
        return not self._db.in_transaction

    def store_error(self, error: BaseException) -> BaseException:
        if not isinstance(error, sqlite3.OperationalError | sqlite3.DatabaseError):
            return error
        kind = NoSpaceError if _code(error) == sqlite3.SQLITE_FULL else StoreError
        if isinstance(error, sqlite3.IntegrityError | sqlite3.DataError):
            kind = UnfitError
        mapped = kind(f"SQLite: {error}")
        mapped.__cause__ = error
        return mapped

    def may_repeat(self, error: BaseException) -> bool:
        return False  # one writer at a time: nobody gets into another's way

    def is_lost(self, error: BaseException) -> bool:
        return False

    def close(self) -> None:
        self._db.close()


def _code(error: sqlite3.Error) -> int:
    """The primary result code; 0 for an error that is not the database's."""
    return (getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF
