"""One connection to a SQLite file, as the writer's threads use it."""

from __future__ import annotations

import sqlite3
import time
from contextlib import suppress
from pathlib import Path

from gateway.store import NoSpaceError, StoreError, UnfitError, counts, reports
from gateway.store.sql import Sums, Transaction


class FileGoneError(StoreError):
    """What was written is in a file that nobody will find: it must not be promised."""


class Named:
    """The file and its log under their names, as whoever opens the store next will find them."""

    def __init__(self, path: Path) -> None:
        self._path, self._log = path, Path(f"{path.resolve()}-wal")
        self._ours = self._found()

    def _found(self) -> tuple[tuple[int, int] | None, ...]:
        return _identity(self._path), _identity(self._log)

    def is_ours(self) -> bool:
        return self._found() == self._ours

    def may_be_saved(self) -> bool:
        """Whether only the log has lost its name, and nobody has begun another since."""
        return self._found() == (self._ours[0], None)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


class SqliteSession:
    """See `writer.Session`. Without `writes` each group is a read transaction."""

    def __init__(
        self,
        db: sqlite3.Connection,
        *,
        writes: bool,
        patience: float = 5.0,
        named: Named | None = None,
    ) -> None:
        """`patience`: seconds to wait for another process's transaction."""
        self._db = db
        self._named = named
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
        if self._named and not self._named.is_ours():
            self._give_up(self._named)

    def _give_up(self, named: Named) -> None:
        """The file or its log was moved, replaced or removed: SQLite goes on writing to what has no
        name any more, and all of it is gone when we end (sqlite.org/howtocorrupt.html, 2.4).

        Nothing is promised from now on. What was promised before is brought from a removed log into
        the file, if the log was all that went.
        """
        if named.may_be_saved():
            with suppress(sqlite3.Error):
                self._db.execute("PRAGMA wal_checkpoint(PASSIVE)")
        raise FileGoneError(
            "its file was moved, replaced or removed while it is open: "
            "put it in its place and start the gateway again"
        )

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
        return isinstance(error, FileGoneError)

    def close(self) -> None:
        self._db.close()


def _code(error: sqlite3.Error) -> int:
    """The primary result code; 0 for an error that is not the database's."""
    return (getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF
