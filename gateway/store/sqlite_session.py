"""One connection to a SQLite file, as the writer's threads use it."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import suppress
from pathlib import Path

from gateway.store import NoSpaceError, StoreError, UnfitError, counts, reports
from gateway.store.sql import Sums, Transaction

BUSY = "PRAGMA busy_timeout = 2"
LOG_LIMIT = 96 << 20
"""Octets of log from which it is begun anew although that holds up all who write for a moment.
Otherwise it is only when nobody else writes or reads just then, which under load is never."""
WAIT = 500
"""Milliseconds for which that waits for those who read."""
AGAIN, LATER = 1.0, 10.0
"""Seconds between two tries, and after one that met somebody who reads for long."""


GONE = (
    "its file was moved, replaced or removed while it is open: "
    "put it in its place and start the gateway again"
)


class FileGoneError(StoreError):
    """What was written is in a file that nobody will find: it must not be promised."""


class Named:
    """The file and its log under their names, as whoever opens the store next will find them."""

    def __init__(self, path: Path) -> None:
        self._path, self._log = path, Path(f"{path.resolve()}-wal")
        self.log_size = 0
        """Octets, when it was looked at last."""
        self._ours = self._found()

    def _found(self) -> tuple[tuple[int, int] | None, ...]:
        file, log = _stat(self._path), _stat(self._log)
        self.log_size = log.st_size if log else 0
        return file and (file.st_dev, file.st_ino), log and (log.st_dev, log.st_ino)

    def is_ours(self) -> bool:
        return self._found() == self._ours

    def may_be_saved(self) -> bool:
        """Whether only the log has lost its name, and nobody has begun another since."""
        return self._found() == (self._ours[0], None)


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:
        return None


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
        self._shorten_at = 0.0
        self._gone = False
        """Seen once: what would be written now is kept by accident, if at all, and sent twice."""
        db.execute(BUSY)

    def begin(self) -> None:
        """Begin, waiting for another process's transaction in short steps: SQLite's own waiting
        takes ever longer steps, so that the process that waits longest finds it taken most."""
        self._last.clear()
        if self._gone:
            raise FileGoneError(GONE)
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
        if self._named:
            if not self._named.is_ours():
                self._give_up(self._named)
            if self._named.log_size > LOG_LIMIT and time.monotonic() > self._shorten_at:
                self._shorten()

    def _shorten(self) -> None:
        """Copy all of the log into the file while nobody else writes, and begin it anew."""
        met = True
        with suppress(sqlite3.Error):  # the transaction is on disk; the next one tries again
            self._db.execute(f"PRAGMA busy_timeout = {WAIT}")
            met, *_ = self._db.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()
        self._shorten_at = time.monotonic() + (LATER if met else AGAIN)
        self._db.execute(BUSY)

    def _give_up(self, named: Named) -> None:
        """The file or its log was moved, replaced or removed: SQLite goes on writing to what has no
        name any more, and all of it is gone when we end (sqlite.org/howtocorrupt.html, 2.4).

        Nothing is begun from now on. If only the log went, what it holds is brought into the
        file, this transaction too.
        """
        self._gone = True
        if named.may_be_saved():
            with suppress(sqlite3.Error):
                met, log, copied = self._db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
                if not met and log == copied:
                    return
        raise FileGoneError(GONE)

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
