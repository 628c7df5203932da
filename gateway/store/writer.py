"""One thread with one connection: everything waiting is done in one transaction and one sync.

A sync costs about as much as fifty small transactions, so the pieces of work that arrive during
one commit share the next. One that fails is undone alone: the others are done all the same.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from gateway.store import NoSpaceError, StoreError
from gateway.store.sql import Connection, Transaction

T = TypeVar("T")
GROUP = 64
"""Pieces of work in one transaction at most, so that none waits long for the others."""


@dataclass(slots=True)
class _Task:
    work: Callable[[Transaction], Any]
    future: asyncio.Future[Any]
    result: Any = None
    error: BaseException | None = None


class Writer:
    """Does pieces of work in groups; each awaits its own result, told after the commit.

    Without `write_counts` the group is a read transaction, on a connection that cannot write.
    """

    def __init__(
        self,
        db: sqlite3.Connection,
        write_counts: Callable[[Connection, Mapping[str, int]], None] | None,
        *,
        name: str,
        patience: float = 5.0,
    ) -> None:
        """`patience`: seconds to wait for another process's transaction."""
        self._db = db
        self._write_counts = write_counts
        self._begin = "BEGIN" if write_counts is None else "BEGIN IMMEDIATE"
        self._patience = patience
        db.execute("PRAGMA busy_timeout = 2")
        self._tasks: SimpleQueue[_Task | None] = SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._closed = False
        self.commits = 0
        """Transactions so far."""
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    async def do(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` in a transaction. It may run twice, so it must only touch the database.

        Work whose caller is cancelled before it began is left undone.
        """
        if self._closed:
            raise StoreError("the store is closed")
        future: asyncio.Future[T] = self._loop.create_future()
        self._tasks.put(_Task(work, future))
        return await future

    async def close(self) -> None:
        """Finish what waits and close the connection."""
        if not self._closed:
            self._closed = True
            self._tasks.put(None)
        await asyncio.to_thread(self._thread.join)

    # --- in the thread -------------------------------------------------------------------------

    def _run(self) -> None:
        open_ = True
        while open_:
            group, open_ = self._next_group()
            if group:
                try:
                    self._do_group(group)
                except BaseException as error:  # nothing may leave callers waiting for ever
                    _fail(group, error)
                    self._roll_back()
                self._tell(group)
        self._db.close()

    def _next_group(self) -> tuple[list[_Task], bool]:
        task = self._tasks.get()
        group = list[_Task]()
        while task is not None:
            if not task.future.cancelled():
                group.append(task)
            if len(group) == GROUP:
                return group, True
            try:
                task = self._tasks.get_nowait()
            except Empty:
                return group, True
        return group, False

    def _tell(self, group: list[_Task]) -> None:
        with suppress(RuntimeError):  # the loop was closed: nobody waits for the answer
            self._loop.call_soon_threadsafe(_resolve, group)

    def _do_group(self, group: list[_Task]) -> None:
        """All together; if one fails, each in a savepoint, which costs a tenth more; and since
        some errors (a full disk) undo the whole transaction, at last each in its own."""
        if self._transaction(group, self._run_bare) or len(group) == 1:
            return
        if not self._transaction(group, self._run_in_savepoint):
            for task in group:
                self._transaction([task], self._run_bare)

    def _transaction(self, group: list[_Task], run: Callable[[_Task, Counter[str]], None]) -> bool:
        """Do all of a group in one transaction; False if it was undone and may be tried again."""
        counts: Counter[str] = Counter()
        try:
            self._start()
        except sqlite3.Error as error:  # another process held it all the time: do not try again
            _fail(group, error)
            return True
        try:
            for task in group:
                run(task, counts)
            if self._write_counts is not None:
                self._write_counts(self._db, counts)
            self._db.execute("COMMIT")
        except BaseException as error:
            _fail(group, error)
            self._roll_back()
            return False
        self.commits += 1
        return True

    def _start(self) -> None:
        """Begin, waiting for another process's transaction in short steps: SQLite's own waiting
        takes ever longer steps, so that the process that waits longest finds it taken most."""
        end = time.monotonic() + self._patience
        while True:
            try:
                self._db.execute(self._begin)
            except sqlite3.OperationalError as error:
                if _code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                    raise
            else:
                return

    def _run_bare(self, task: _Task, counts: Counter[str]) -> None:
        transaction = Transaction(self._db)
        task.result, task.error = task.work(transaction), None
        if transaction.counts:
            counts.update(transaction.counts)

    def _run_in_savepoint(self, task: _Task, counts: Counter[str]) -> None:
        self._db.execute("SAVEPOINT piece")
        try:
            self._run_bare(task, counts)
        except BaseException as error:
            if not self._db.in_transaction:
                raise
            _fail([task], error)
            self._db.execute("ROLLBACK TO piece")
        self._db.execute("RELEASE piece")

    def _roll_back(self) -> None:
        with suppress(sqlite3.Error):  # the next BEGIN tells
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")


def _fail(group: list[_Task], error: BaseException) -> None:
    for task in group:
        task.result, task.error = None, as_store_error(error)


def _resolve(group: list[_Task]) -> None:
    for task in group:
        if task.future.done():
            continue
        if task.error is not None:
            task.future.set_exception(task.error)
        else:
            task.future.set_result(task.result)


def as_store_error(error: BaseException) -> BaseException:
    """What the store's callers know how to answer; an error of ours stays what it is."""
    if isinstance(error, sqlite3.OperationalError | sqlite3.DatabaseError):
        kind = NoSpaceError if _code(error) == sqlite3.SQLITE_FULL else StoreError
        mapped = kind(f"SQLite: {error}")
        mapped.__cause__ = error
        return mapped
    return error


def _code(error: sqlite3.Error) -> int:
    """The primary result code; 0 for an error that is not the database's."""
    return (getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF
