"""One connection to PostgreSQL, as the writer's threads use it.

Statements whose rows nobody asks for travel together (pipeline mode), so that a message costs a
few round trips and not thirty. A connection that broke is made anew at the next transaction.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from typing import Any

import psycopg
from psycopg import errors

from gateway.store import (
    NoSpaceError,
    StoreError,
    UnfitError,
    UnreachableError,
    counts,
    reports,
)
from gateway.store.postgres_door import Doorkeeper, first_line
from gateway.store.postgres_text import statement
from gateway.store.sql import Sums, Transaction

BLOCK = 256
"""Row numbers taken from the sequence at a time."""
_UNDONE = (errors.SerializationFailure, errors.DeadlockDetected)
"""The transaction met another one and is undone: it may be repeated as it is."""
_AWAY = (
    errors.AdminShutdown,
    errors.CrashShutdown,
    errors.CannotConnectNow,
    errors.IdleInTransactionSessionTimeout,
    errors.StatementCompletionUnknown,
)


class Rows:
    """The rows of one statement; asking for them is what waits for the server."""

    __slots__ = ("_cursor",)

    def __init__(self, cursor: psycopg.Cursor[Any]) -> None:
        self._cursor = cursor

    @property
    def rowcount(self) -> int:
        self._cursor.connection.pgconn  # noqa: B018 - see below
        if self._cursor.rowcount < 0:
            with suppress(psycopg.ProgrammingError):  # it has no rows: waiting was what counts
                self._cursor.fetchone()
        return self._cursor.rowcount

    def fetchone(self) -> Any:
        return self._cursor.fetchone()

    def fetchall(self) -> list[Any]:
        return self._cursor.fetchall()

    def __iter__(self) -> Iterator[Any]:
        return iter(self._cursor.fetchall())


class Connection:
    """The face of `sql.Connection`."""

    def __init__(self, inner: psycopg.Connection[Any]) -> None:
        self.inner = inner

    def execute(self, sql: str, parameters: Sequence[Any] = (), /) -> Rows:
        cursor = self.inner.cursor()
        cursor.execute(statement(sql), parameters)
        return Rows(cursor)

    def executemany(self, sql: str, parameters: Iterable[Sequence[Any]], /) -> Rows:
        text = statement(sql)
        cursor = self.inner.cursor()
        for each in parameters:
            cursor = self.inner.cursor()
            cursor.execute(text, each)
        return Rows(cursor)


class Numbers:
    """Numbers of new rows, taken from the sequences in blocks: an INSERT need not be waited for.

    Shared by the sessions of one process, so that they rise.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._free: dict[str, deque[int]] = {}

    def take(self, db: Connection, table: str) -> int:
        with self._lock:
            free = self._free.setdefault(table, deque())
            if not free:
                rows = db.execute(
                    "SELECT nextval(pg_get_serial_sequence(?, 'number')) "
                    "FROM generate_series(1, ?)",
                    (table, BLOCK),
                )
                free.extend(sorted(number for (number,) in rows))
            return free.popleft()


class PostgresSession:
    """See `writer.Session`. Without `shard` each group is a read transaction."""

    def __init__(
        self,
        door: Doorkeeper,
        numbers: Numbers,
        shard: str | None,
        first: psycopg.Connection[Any] | None = None,
    ) -> None:
        """`shard`: where this session adds up, so that it waits for no other."""
        self._door = door
        self._numbers = numbers
        self._shard = shard
        self._inner = first
        self._db: Connection | None = Connection(first) if first else None
        self._entered: AbstractContextManager[psycopg.Pipeline] | None = None
        self._pipeline: psycopg.Pipeline | None = None
        level = "ISOLATION LEVEL READ COMMITTED"
        self._begin = f"BEGIN {level} READ ONLY" if shard is None else f"BEGIN {level}"

    def begin(self) -> None:
        """Begin; a connection that broke while nothing was done is made anew."""
        if self._inner is not None:
            try:
                self._start()
            except psycopg.OperationalError:
                self._drop()
            else:
                return
        self._inner = self._door.connect()
        self._db = Connection(self._inner)
        try:
            self._start()
        except psycopg.Error:
            self._drop()
            raise

    def _start(self) -> None:
        assert self._inner is not None  # noqa: S101 - for the type checker
        if self._inner.closed:
            raise psycopg.OperationalError("the connection is closed")
        self._entered = self._inner.pipeline()
        self._pipeline = self._entered.__enter__()
        self._inner.execute(self._begin)
        self._pipeline.sync()  # a connection that broke is found out here

    def transaction(self) -> Transaction:
        assert self._db is not None  # noqa: S101 - for the type checker
        return Transaction(self._db, self._reserve, shared=True)

    def _reserve(self, table: str) -> int:
        assert self._db is not None  # noqa: S101 - for the type checker
        return self._numbers.take(self._db, table)

    def save(self) -> None:
        self._say("SAVEPOINT piece")

    def keep(self) -> None:
        self._say("RELEASE SAVEPOINT piece")
        if self._pipeline is not None:
            self._pipeline.sync()

    def undo(self) -> None:
        if self._pipeline is not None:
            with suppress(psycopg.Error):  # what was sent after the failure
                self._pipeline.sync()
        self._say("ROLLBACK TO SAVEPOINT piece")
        self._say("RELEASE SAVEPOINT piece")

    def _say(self, command: str) -> None:
        assert self._inner is not None  # noqa: S101 - for the type checker
        self._inner.execute(command)

    def commit(self, sums: Sums) -> None:
        assert self._db is not None  # noqa: S101 - for the type checker
        assert self._inner is not None  # noqa: S101 - for the type checker
        if self._shard is not None:
            counts.write(self._db, sums.counts, self._shard)
            reports.write(self._db, sums.dmarc, self._shard)
        ended = self._inner.execute("COMMIT")  # passed over if anything before it failed
        self._leave_pipeline()
        said = ended.statusmessage
        if said != "COMMIT":  # PostgreSQL answers ROLLBACK where a statement had failed
            raise StoreError(f"PostgreSQL: the transaction was not committed but ended by {said}")

    def _leave_pipeline(self) -> None:
        entered, self._entered, self._pipeline = self._entered, None, None
        if entered is not None:
            entered.__exit__(None, None, None)

    def roll_back(self) -> None:
        with suppress(psycopg.Error):
            self._leave_pipeline()
        try:
            if self._inner is not None and not self._inner.closed:
                self._inner.execute("ROLLBACK")
                return
        except psycopg.Error:
            pass
        self._drop()

    def _drop(self) -> None:
        """Never to be used again; the next transaction has another one."""
        with suppress(psycopg.Error):
            self._leave_pipeline()
        inner, self._inner, self._db = self._inner, None, None
        if inner is not None:
            with suppress(psycopg.Error):
                inner.close()

    @property
    def broken(self) -> bool:
        return self._inner is None or self._inner.closed

    def store_error(self, error: BaseException) -> BaseException:
        if not isinstance(error, psycopg.Error):
            return error
        kind: type[StoreError] = StoreError
        if isinstance(error, errors.DiskFull):
            kind = NoSpaceError
        elif self.is_lost(error):
            kind = UnreachableError
        elif isinstance(error, psycopg.IntegrityError | psycopg.DataError):
            kind = UnfitError
        return kind(f"PostgreSQL: {first_line(error)}")  # without the cause: it names values

    def may_repeat(self, error: BaseException) -> bool:
        return isinstance(error, _UNDONE)

    def is_lost(self, error: BaseException) -> bool:
        return isinstance(error, _AWAY) or (
            isinstance(error, psycopg.OperationalError)
            and (error.sqlstate is None or error.sqlstate.startswith("08") or self.broken)
        )

    def close(self) -> None:
        self._drop()
