"""A few threads with a session each: everything waiting is done in one transaction and one sync.

A sync costs about as much as fifty small transactions, so the pieces of work that arrive during
one commit share the next; and while more of them are expected, they are gathered for a moment. One
that fails is undone alone: the others are done all the same.
"""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, Protocol, TypeVar

from gateway.store import StoreError
from gateway.store.sql import Sums, Transaction

T = TypeVar("T")
GROUP = 64
"""Pieces of work handed over together at most, so that none waits long for the others; what was
handed over meanwhile may double that."""
GATHER = 0.015
"""Seconds for which work that may wait is gathered while more is expected."""
ENOUGH = 24
"""Pieces of work that are worth a transaction, whatever else is expected."""
AGAIN = 10
"""How often a transaction is begun anew that got into another's way."""


class Session(Protocol):
    """One connection to a database, used by one thread."""

    def begin(self) -> None:
        """Begin a transaction, waiting for others and connecting if need be, or raise."""
        ...

    def transaction(self) -> Transaction:
        """For one piece of work in the transaction that was begun."""
        ...

    def save(self) -> None:
        """Set the mark that `undo` leads back to."""
        ...

    def keep(self) -> None:
        """Take the mark away; what was done since stays. Raises what a statement of it raised."""
        ...

    def undo(self) -> None: ...

    def commit(self, sums: Sums) -> None:
        """Write the sums of all pieces, and commit."""
        ...

    def roll_back(self) -> None:
        """Raises nothing."""
        ...

    @property
    def broken(self) -> bool:
        """Whether the transaction is gone, and more than the piece that failed is undone."""
        ...

    def store_error(self, error: BaseException) -> BaseException:
        """What the store's callers know how to answer; an error of ours stays what it is."""
        ...

    def may_repeat(self, error: BaseException) -> bool:
        """Whether the transaction is undone for certain, only because it met another one."""
        ...

    def is_lost(self, error: BaseException) -> bool:
        """Whether nobody can say what became of the transaction: it must not be repeated."""
        ...

    def close(self) -> None: ...


_Many = Callable[[Transaction, Sequence[Any]], Sequence[Any]]


@dataclass(slots=True)
class _Task:
    work: Callable[[Transaction], Any]
    future: asyncio.Future[Any]
    many: _Many | None = None
    """Does several such pieces, given them, as one."""
    unheard: Callable[[], None] | None = None
    """Called in the loop when it was done, but its caller was cancelled meanwhile."""
    result: Any = None
    error: BaseException | None = None


class _RepeatError(Exception):
    """The transaction met another one."""


class Writer:
    """Does pieces of work in groups; each awaits its own result, told after the commit."""

    def __init__(self, sessions: Sequence[Session], *, name: str) -> None:
        self._tasks: SimpleQueue[list[_Task] | None] = SimpleQueue()
        """Groups for whichever thread is free; None ends one."""
        self._loop = asyncio.get_running_loop()
        self._closed = False
        self._gathered: list[_Task] = []
        self._soon: asyncio.Handle | None = None
        """The hand-over of what is gathered, in this turn of the loop or after a while."""
        self._at_once = False
        """It is in this turn."""
        self._expected = 0
        self.commits = 0
        """Transactions so far."""
        self._threads = [
            threading.Thread(target=self._run, args=(session,), name=name, daemon=True)
            for session in sessions
        ]
        for thread in self._threads:
            thread.start()

    def expect(self, change: int) -> None:
        """So many more pieces of work will come in a moment; less, if negative."""
        self._expected += change
        if self._gathered and self._expected <= 0:
            self._hand_over_at_once()

    async def do(
        self,
        work: Callable[[Transaction], T],
        unheard: Callable[[], None] | None = None,
        *,
        may_wait: bool = False,
        many: Callable[[Transaction, Sequence[Any]], Sequence[T]] | None = None,
    ) -> T:
        """Run `work` in a transaction. It may run twice, so it must only touch the database.

        Work whose caller is cancelled before it began is left undone; later it is done all the
        same, and then `unheard` is called. Work that `may_wait` is gathered while more is expected.
        """
        future = self.put(work, unheard, may_wait=may_wait, many=many)
        try:
            return await future
        except asyncio.CancelledError:
            # Between the answer and its being heard there is a turn of the loop.
            if unheard is not None and not future.cancelled() and not future.exception():
                unheard()
            raise

    async def surely(self, work: Callable[[Transaction], T], *, may_wait: bool = False) -> T:
        """The same, done even if the caller is cancelled meanwhile."""
        return await asyncio.shield(self.put(work, may_wait=may_wait))

    def put(
        self,
        work: Callable[[Transaction], T],
        unheard: Callable[[], None] | None = None,
        *,
        may_wait: bool = False,
        many: Callable[[Transaction, Sequence[Any]], Sequence[T]] | None = None,
    ) -> asyncio.Future[T]:
        """Hand `work` in; whoever cancels the future before it began leaves it undone.

        All pieces with the same `many` in a transaction are done by it at once, before the others.
        """
        if self._closed:
            raise StoreError("the store is closed")
        future: asyncio.Future[T] = self._loop.create_future()
        self._gathered.append(_Task(work, future, many, unheard))
        if not may_wait or self._expected <= 0 or len(self._gathered) >= ENOUGH:
            self._hand_over_at_once()
        elif self._soon is None:
            self._soon = self._loop.call_later(GATHER, self._hand_over)
        return future

    def _hand_over_at_once(self) -> None:
        """Not before this turn of the loop is over: what else comes in it goes along."""
        if self._at_once:
            return
        if self._soon is not None:
            self._soon.cancel()
        self._at_once, self._soon = True, self._loop.call_soon(self._hand_over)

    def _hand_over(self) -> None:
        gathered, self._gathered = self._gathered, []
        self._at_once, self._soon = False, None
        for start in range(0, len(gathered), GROUP):
            self._tasks.put(gathered[start : start + GROUP])

    async def close(self) -> None:
        """Finish what waits and close the sessions."""
        if not self._closed:
            self._closed = True
            self._hand_over()
            for _ in self._threads:
                self._tasks.put(None)
        for thread in self._threads:
            await asyncio.to_thread(thread.join)

    # --- in a thread ---------------------------------------------------------------------------

    def _run(self, session: Session) -> None:
        open_ = True
        while open_:
            group, open_ = self._next_group()
            if group:
                try:
                    self._do_group(session, group)
                except BaseException as error:  # nothing may leave callers waiting for ever
                    _fail(session, group, error)
                    session.roll_back()
                self._tell(group)
        session.close()

    def _next_group(self) -> tuple[list[_Task], bool]:
        """What was handed over, until it is a group's worth; and whether there will be more."""
        tasks = self._tasks.get()
        group = list[_Task]()
        while tasks is not None:
            group += [task for task in tasks if not task.future.cancelled()]
            if len(group) >= GROUP:
                return group, True
            try:
                tasks = self._tasks.get_nowait()
            except Empty:
                return group, True
        return group, False

    def _tell(self, group: list[_Task]) -> None:
        with suppress(RuntimeError):  # the loop was closed: nobody waits for the answer
            self._loop.call_soon_threadsafe(_resolve, group)

    def _do_group(self, session: Session, group: list[_Task]) -> None:
        """All together; if one fails, each on its own mark, which costs a tenth more; and since
        some errors (a full disk) undo the whole transaction, at last each in its own."""
        if self._transaction(session, group, _run_together) or len(group) == 1:
            return
        if not self._transaction(session, group, _run_marked):
            for task in group:
                self._transaction(session, [task], _run_together)

    def _transaction(self, session: Session, group: list[_Task], run: _Run) -> bool:
        """Do all of a group in one transaction; False if it was undone and may be tried again."""
        for attempt in range(AGAIN):
            try:
                return self._attempt(session, group, run)
            except _RepeatError:
                time.sleep(random.uniform(0, 0.002) * 2**attempt)  # noqa: S311 - no secret
        return False

    def _attempt(self, session: Session, group: list[_Task], run: _Run) -> bool:
        sums = Sums()
        try:
            session.begin()
        except Exception as error:  # held by others, or not to be reached: do not try again
            _fail(session, group, error)
            return True
        try:
            run(session, group, sums)
            session.commit(sums)
        except BaseException as error:
            _fail(session, group, error)
            lost = session.is_lost(error)
            session.roll_back()
            if session.may_repeat(error):
                raise _RepeatError from None
            return lost
        self.commits += 1
        return True


_Run = Callable[[Session, list[_Task], Sums], None]


def _run_together(session: Session, group: list[_Task], sums: Sums) -> None:
    transaction = session.transaction()
    alike: dict[_Many, list[_Task]] = {}
    for task in group:
        if task.many is not None:
            alike.setdefault(task.many, []).append(task)
    for many, tasks in alike.items():
        results = many(transaction, [task.work for task in tasks])
        for task, result in zip(tasks, results, strict=True):
            task.result, task.error = result, None
    for task in group:
        if task.many is None:
            task.result, task.error = task.work(transaction), None
    sums.add(transaction)


def _run_marked(session: Session, group: list[_Task], sums: Sums) -> None:
    for task in group:
        _run_on_its_mark(session, task, sums)


def _run_on_its_mark(session: Session, task: _Task, sums: Sums) -> None:
    session.save()
    transaction = session.transaction()
    try:
        task.result, task.error = task.work(transaction), None
        session.keep()
    except BaseException as error:
        if session.broken or session.may_repeat(error):
            raise
        _fail(session, [task], error)
        session.undo()
    else:
        sums.add(transaction)


def _fail(session: Session, group: list[_Task], error: BaseException) -> None:
    told = session.store_error(error)
    if isinstance(told, StopIteration):  # no future takes it, and the whole group would wait on
        told = RuntimeError(f"the work ended by {told!r}")
        told.__cause__ = error
    for task in group:
        task.result, task.error = None, told


def _resolve(group: list[_Task]) -> None:
    for task in group:
        if task.future.done():
            if task.unheard is not None and task.error is None:
                task.unheard()
            continue
        if task.error is not None:
            task.future.set_exception(task.error)
        else:
            task.future.set_result(task.result)
