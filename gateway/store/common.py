"""What every store does alike, whatever stands behind it: each method is a piece of work.

A store brings sessions to its database (`writer.py`) and a place for contents too large for a
row; the statements are the same for all (`sql.py`).
"""

from __future__ import annotations

import asyncio
import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

from gateway.message import Arrival, Message, Octets
from gateway.plan import Call, DmarcRow, History, Letter, Plan
from gateway.settings import Acknowledgements
from gateway.store import (
    Balance,
    Depth,
    DmarcReport,
    Entry,
    Job,
    Node,
    Note,
    Receipt,
    Settlement,
    State,
    StoreError,
    ahead,
    claiming,
    commands,
    counts,
    keeping,
    nodes,
    notes,
    people,
    properties,
    reports,
    settling,
    together,
    upkeep,
)
from gateway.store import calls as calls_
from gateway.store.bodies import INLINE
from gateway.store.choosing import Turn, backlog_hops, next_due
from gateway.store.owner import this_process
from gateway.store.rules import Rules
from gateway.store.sql import Connection, Transaction, micros, moment_or_none, span
from gateway.store.straight import Straight
from gateway.store.writer import Writer

T = TypeVar("T")
ALL_HOPS = 1_000_000
RETRY_PIECE = 2000
"""Letters that `retry *` changes in one transaction."""


class CommonStore(ABC):
    """See `gateway.store.Store`, which this implements but for what is abstract here."""

    def __init__(self, writer: Writer, reader: Writer, rules: Rules) -> None:
        self._writer = writer
        self._reader = reader
        self._limits = rules.limits
        self._terms = rules.terms
        self._lease = rules.lease
        self._turn = Turn()
        self._owner = this_process()
        self.remarks: list[str] = []
        """What the administrator should know of the opening."""

    def follow(
        self,
        limits: Acknowledgements,
        call_budget_periods: Mapping[str, timedelta],
        sites: Mapping[str, str],
    ) -> None:
        rules = Rules.of(limits, call_budget_periods, sites)
        self._limits, self._terms = rules.limits, rules.terms

    # --- what stores differ in ---

    @abstractmethod
    async def _put(self, arrival: Arrival) -> None:
        """Bring a content over INLINE to disk, before the transaction that speaks of it."""

    @abstractmethod
    def _check_put(self, arrival: Arrival) -> None:
        """In the transaction that speaks of it: raise StoreError unless what `_put` brought to disk
        is there, whole."""

    @abstractmethod
    def _check_space(self) -> None:
        """Raise NoSpaceError when the disk is fuller than allowed."""

    @abstractmethod
    def _spooled(self, queue_id: str) -> Octets:
        """A large content, asked for in a transaction. Raises OSError if it is not there."""

    @abstractmethod
    async def _fetch(self, queue_id: str) -> Octets:
        """A large content. Raises StoreError if it is not there."""

    @abstractmethod
    async def _forget(self, queue_ids: Sequence[str]) -> None:
        """Remove large contents of messages whose rows speak of them no more."""

    @abstractmethod
    async def _remove_strays(self, now: datetime) -> None:
        """Remove large contents of messages that were never kept."""

    @abstractmethod
    async def reclaim(self) -> int: ...

    @abstractmethod
    async def beat(self, node: Node, now: datetime) -> int: ...

    async def close(self) -> None:
        await self._writer.close()
        await self._reader.close()

    # --- the ways to the database ---

    @property
    def commits(self) -> int:
        """Transactions written so far by this process."""
        return self._writer.commits

    async def _write(self, work: Callable[[Transaction], T], *, may_wait: bool = False) -> T:
        return await self._writer.do(work, may_wait=may_wait)

    async def _read(self, work: Callable[[Connection], T]) -> T:
        return await self._reader.do(lambda tx: work(tx.db))

    async def _surely(self, work: Callable[[Transaction], T]) -> T:
        """Write even if the caller is cancelled meanwhile."""
        return await self._writer.surely(work)

    def expect(self, change: int) -> None:
        self._writer.expect(change)

    # --- the route ---

    async def recall(self, message: Message, now: datetime) -> History:
        return await self._read(lambda db: people.recall(db, message, now, self._terms))

    async def keep(
        self,
        arrival: Arrival,
        letters: Sequence[Letter],
        plan: Plan,
        straight: Collection[str] = (),
    ) -> Receipt:
        accepted = keeping.check_answers(arrival, letters)
        leased = Straight.of(
            arrival, letters, straight, claiming.new_lease(self._owner), self._lease
        )
        if len(arrival.content) > INLINE:
            await self._put(arrival)

        def check() -> None:
            self._check_space()
            self._check_put(arrival)

        keep = together.Keep(check, arrival, letters, plan, self._limits, accepted, leased)
        jobs = leased.jobs(arrival, letters)
        unheard = partial(self._end_unheard, jobs) if jobs else None
        left_out = await self._keep(keep, unheard)
        if left_out and jobs:
            staying = [each.without(left_out) for each in letters if each.id not in left_out]
            jobs = leased.jobs(arrival, staying)
        return Receipt(left_out, jobs)

    async def _keep(
        self, keep: together.Keep, unheard: Callable[[], None] | None
    ) -> frozenset[str]:
        """`unheard` is called when it was done but its caller is gone."""
        return await self._writer.do(keep, unheard, may_wait=True, many=together.keep)

    def _end_unheard(self, jobs: Sequence[Job]) -> None:
        """End leases whose taker does not wait for them any more."""
        with suppress(StoreError):  # the store is closed: they end with this process
            self._writer.put(partial(settling.give_back_jobs, jobs, None)).add_done_callback(_done)

    async def keep_raw(self, arrival: Arrival, why: str) -> None:
        if len(arrival.content) > INLINE:
            await self._put(arrival)

        def work(tx: Transaction) -> None:
            self._check_space()
            self._check_put(arrival)
            keeping.insert_raw(tx, arrival, why)

        await self._write(work)

    async def claim(
        self, now: datetime, limit: int, *, but_not: frozenset[str] = frozenset()
    ) -> Sequence[Job]:
        time = micros(now)
        jobs, self._turn = await self._write(
            lambda tx: claiming.claim(
                tx,
                time,
                time + self._lease,
                limit,
                but_not,
                self._spooled,
                lease=claiming.new_lease(self._owner),
                turn=self._turn,
            ),
            may_wait=True,
        )
        return jobs

    async def settle(self, job: Job, settlement: Settlement, now: datetime) -> bool:
        work = settling.Settle(job, settlement, micros(now))
        return await asyncio.shield(self._writer.put(work, may_wait=True, many=settling.settle))

    async def extend(self, jobs: Sequence[Job], now: datetime) -> Sequence[Job]:
        until = micros(now) + self._lease
        return await self._write(lambda tx: claiming.extend(tx, jobs, until))

    async def give_back(self, jobs: Sequence[Job], now: datetime) -> None:
        """Return leases of jobs that were not begun, so that others need not wait for their end."""
        await self._surely(partial(settling.give_back_jobs, jobs, micros(now)))

    async def hasten(self, now: datetime, fresh: timedelta, backlog: timedelta) -> int:
        waits = ahead.Waits(span(fresh) + self._lease, span(backlog) + self._lease)
        return await self._write(lambda tx: ahead.hasten(tx, micros(now), waits))

    async def next_due(self) -> datetime | None:
        return moment_or_none(await self._read(next_due))

    # --- DMARC reports ---

    async def record_dmarc(self, row: DmarcRow, now: datetime) -> None:
        await self._write(lambda tx: reports.record(tx, row, micros(now)))

    async def claim_report(self, now: datetime) -> DmarcReport | None:
        time = micros(now)
        return await self._write(
            lambda tx: reports.claim(tx, time, time + self._lease, self._owner)
        )

    async def put_report_off(self, report: DmarcReport, due: datetime) -> None:
        await self._write(lambda tx: reports.put_off(tx, report, micros(report.begin), micros(due)))

    async def end_report(
        self, report: DmarcReport, mail: Arrival | None = None, letters: Sequence[Letter] = ()
    ) -> bool:
        return await self._write(
            lambda tx: reports.end(tx, report, micros(report.begin), mail, letters)
        )

    # --- by command ---

    async def entries(self, *, states: Sequence[State] = (), limit: int = 1000) -> Sequence[Entry]:
        return await self._read(lambda db: commands.entries(db, states, limit))

    async def entry(self, letter_or_queue_id: str) -> Sequence[Entry]:
        return await self._read(lambda db: commands.entry(db, letter_or_queue_id))

    async def original(self, queue_id: str) -> Arrival | None:
        found = await self._read(lambda db: commands.original(db, queue_id))
        if found is None:
            return None
        arrival, stored = found
        if stored == "":
            return None
        if stored == "inline":
            return arrival
        return replace(arrival, content=await self._fetch(queue_id))

    async def hold(self, id_: str, why: str, who: str, now: datetime) -> int:
        return await self._write(lambda tx: commands.hold(tx, id_, why, who, micros(now)))

    async def release(
        self,
        id_: str,
        who: str,
        now: datetime,
        *,
        letters: Sequence[Letter] = (),
        plan: Plan | None = None,
    ) -> int:
        if any(letter.origin for letter in letters):
            raise ValueError("the accepted recipients are answered for already")

        time = micros(now)
        return await self._write(
            lambda tx: together.release(tx, id_, who, time, letters, plan, self._limits)
        )

    async def release_raw(
        self, queue_id: str, letters: Sequence[Letter], plan: Plan, who: str, now: datetime
    ) -> None:
        time = micros(now)
        await self._write(
            lambda tx: together.release_raw(tx, queue_id, letters, plan, who, time, self._limits)
        )

    async def retry(self, id_: str, who: str, now: datetime) -> int:
        time = micros(now)
        if id_ != "*":
            return await self._write(lambda tx: commands.retry(tx, id_, who, time))
        changed = 0
        for hop in await self._read(lambda db: backlog_hops(db, "", ALL_HOPS)):
            full = True
            while full:
                piece = await self._write(partial(_retry_some, hop, who, time))
                changed += piece
                full = piece == RETRY_PIECE
        return changed

    async def drop(self, id_: str, who: str, now: datetime) -> int:
        return await self._write(lambda tx: commands.drop(tx, id_, who, micros(now)))

    async def balance(self) -> Balance:
        return await self._read(counts.balance)

    async def depth(self) -> Depth:
        return await self._read(counts.depth)

    async def nodes(self) -> Sequence[Node]:
        return await self._read(nodes.known)

    async def notes(self, queue_id: str) -> Sequence[Note]:
        return await self._read(lambda db: notes.story(db, queue_id))

    async def alerts(self) -> Sequence[Note]:
        """What the administrator is to be told, each given once; `who` is the queue id."""
        return await self._write(notes.untold)

    async def calls(self, *, site: str = "", all_: bool = False) -> Sequence[Call]:
        return await self._read(lambda db: calls_.calls(db, site, all_=all_))

    async def close_call(self, id_: str, outcome: str, who: str, now: datetime) -> bool:
        return await self._write(lambda tx: calls_.close_call(tx, id_, outcome, who, micros(now)))

    async def secret(self) -> bytes:
        return await self._write(partial(properties.secret, secrets.token_bytes(32)))

    # --- upkeep ---

    async def farewell(self) -> None:
        """This process ends: it is no node any more."""
        await self._write(lambda tx: nodes.forget(tx, [self._owner]))

    async def clean(
        self,
        now: datetime,
        *,
        bodies: timedelta = timedelta(days=30),
        records: timedelta = timedelta(days=400),
        quarantine: timedelta | None = None,
    ) -> None:
        """Forget contents and records whose time is over; what is owed stays, however old.

        With `quarantine` letters held as spam for longer are dropped first, by the site's rule.
        """
        if quarantine is not None:
            await upkeep.expire_quarantine(self._writer, micros(now - quarantine), micros(now))
        await upkeep.clean(
            self._writer,
            self._forget,
            bodies=micros(now - min(bodies, records)),
            records=micros(now - records),
            dead_addresses=micros(now) - self._terms.dead_address,
        )
        await self._remove_strays(now)


def _done(future: asyncio.Future[None]) -> None:
    """Nobody asks what became of it: whatever it was, the leases end by themselves at last."""
    if not future.cancelled():
        future.exception()


def _retry_some(hop: str, who: str, now: int, tx: Transaction) -> int:
    return commands.retry_some(tx, hop, who, now, RETRY_PIECE)
