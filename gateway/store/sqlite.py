"""The store in one SQLite file: what `250` stands on.

Writing goes through one thread that commits in groups (`writer.py`); reading has a thread and a
connection of its own. Several processes may share the file. Large contents stand in the spool.
"""

from __future__ import annotations

import asyncio
import errno
import secrets
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TypeVar

from gateway.message import Arrival, Message
from gateway.plan import Call, DmarcRow, History, Letter, Plan
from gateway.settings import Acknowledgements
from gateway.store import (
    Balance,
    DmarcReport,
    Entry,
    Job,
    NoSpaceError,
    Note,
    Settlement,
    State,
    StoreError,
    claiming,
    commands,
    counts,
    keeping,
    notes,
    people,
    reports,
    schema,
    settling,
    together,
    upkeep,
)
from gateway.store import calls as calls_
from gateway.store.acknowledgements import Limits
from gateway.store.bodies import INLINE, Spool
from gateway.store.choosing import Turn, backlog_hops, next_due
from gateway.store.owner import is_alive, this_process
from gateway.store.sql import Connection, Transaction, micros, moment_or_none, span
from gateway.store.writer import Writer

T = TypeVar("T")
MEMORY = Path(":memory:")
ALL_HOPS = 1_000_000
RETRY_PIECE = 2000
"""Letters that `retry *` changes in one transaction."""
RESERVE = 64 << 20
"""Octets of disk that stay free: a message that would need them is put off."""


class SqliteStore:
    """See `gateway.store.Store`, which this implements."""

    def __init__(
        self,
        writer: Writer,
        reader: Writer,
        spool: Spool,
        *,
        lease: timedelta,
        limits: Limits,
        terms: people.Terms,
        passing: Path | None = None,
    ) -> None:
        self._writer = writer
        self._reader = reader
        self._spool = spool
        self._lease = span(lease)
        self._limits = limits
        self._terms = terms
        self._passing = passing
        """A spool folder that goes with the store."""
        self._turn = Turn()
        self._owner = this_process()
        self._files = ThreadPoolExecutor(2, thread_name_prefix="spool")

    @classmethod
    async def open(
        cls,
        path: Path,
        *,
        spool: Path | None = None,
        lease: timedelta = timedelta(minutes=5),
        limits: Acknowledgements | None = None,
        call_budget_periods: Mapping[str, timedelta] | None = None,
        sites: Mapping[str, str] | None = None,
        reserve: int = RESERVE,
    ) -> SqliteStore:
        """Open or make the file and bring its schema up to date.

        `spool` is the folder for large contents (default: `spool` beside the file);
        `call_budget_periods` gives the budget's period by site, `sites` the site of each domain;
        `reserve` octets of disk stay free: a message that would need them gets NoSpaceError.
        Raises StoreError.
        """
        limits = limits or Acknowledgements()
        passing = path == MEMORY and spool is None
        folder = Path(tempfile.mkdtemp()) if passing else spool or path.parent / "spool"
        terms = people.Terms(
            per_author=span(limits.per_author),
            dead_address=span(limits.dead_address),
            budgets={site: span(time) for site, time in (call_budget_periods or {}).items()},
            sites=dict(sites or {}),
        )
        try:
            db, readable = await asyncio.to_thread(_connect, path, folder)
        except (sqlite3.Error, OSError) as error:
            raise StoreError(f"the store cannot be opened: {error}") from error
        patience = schema.BUSY_TIMEOUT
        writer = Writer(db, counts.write, name="store-writer", patience=patience)
        reader = writer
        if readable is not None:
            reader = Writer(readable, None, name="store-reader", patience=patience)
        store = cls(
            writer,
            reader,
            Spool(folder, reserve, beside=path.parent),
            lease=lease,
            limits=Limits.of(limits),
            terms=terms,
            passing=folder if passing else None,
        )
        await upkeep.remove_strays(reader, store._spool)
        return store

    async def close(self) -> None:
        await self._writer.close()
        await self._reader.close()
        self._files.shutdown()
        if self._passing:
            await asyncio.to_thread(shutil.rmtree, self._passing, ignore_errors=True)

    @property
    def commits(self) -> int:
        """Transactions written so far by this process."""
        return self._writer.commits

    async def _write(self, work: Callable[[Transaction], T]) -> T:
        return await self._writer.do(work)

    async def _read(self, work: Callable[[Connection], T]) -> T:
        return await self._reader.do(lambda tx: work(tx.db))

    # --- the route ---

    async def recall(self, message: Message, now: datetime) -> History:
        return await self._read(lambda db: people.recall(db, message, now, self._terms))

    async def keep(self, arrival: Arrival, letters: Sequence[Letter], plan: Plan) -> frozenset[str]:
        keeping.check_answers(arrival, letters)
        await self._to_spool(arrival)

        def work(tx: Transaction) -> frozenset[str]:
            self._spool.check_space(0)
            return together.keep(tx, arrival, letters, plan, self._limits)

        return await self._write(work)

    async def keep_raw(self, arrival: Arrival, why: str) -> None:
        await self._to_spool(arrival)

        def work(tx: Transaction) -> None:
            self._spool.check_space(0)
            keeping.insert_raw(tx, arrival, why)

        await self._write(work)

    async def _to_spool(self, arrival: Arrival) -> None:
        """Large contents are on disk before the transaction that speaks of them begins."""
        if len(arrival.content) <= INLINE:
            return

        def write() -> None:
            self._spool.check_space(len(arrival.content))
            self._spool.write(arrival.queue_id, arrival.content)

        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._files, write)
        except OSError as error:
            raise _as_file_error(error) from error

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
                self._spool.map,
                owner=self._owner,
                turn=self._turn,
            )
        )
        return jobs

    async def reclaim(self) -> int:
        return await self._write(lambda tx: claiming.end_orphans(tx, is_alive))

    async def settle(self, job: Job, settlement: Settlement, now: datetime) -> None:
        time = micros(now)
        await self._surely(lambda tx: settling.settle(tx, job, settlement, time))

    async def _surely(self, work: Callable[[Transaction], T]) -> T:
        """Write even if the caller is cancelled meanwhile."""
        return await asyncio.shield(asyncio.ensure_future(self._write(work)))

    async def extend(self, jobs: Sequence[Job], now: datetime) -> None:
        until = micros(now) + self._lease
        pairs = [(until, job.letter_id, job.lease) for job in jobs]

        def work(tx: Transaction) -> None:
            tx.db.executemany(
                "UPDATE letters SET due = ? WHERE id = ? AND lease = ? AND state = 'active'", pairs
            )

        await self._write(work)

    async def give_back(self, jobs: Sequence[Job], now: datetime) -> None:
        """Return leases of jobs that were not begun, so that others need not wait for their end."""
        time = micros(now)

        def work(tx: Transaction) -> None:
            for job in jobs:
                settling.give_back(tx, job, time)

        await self._surely(work)

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
        try:
            return replace(arrival, content=self._spool.map(queue_id))
        except OSError as error:
            raise _as_file_error(error) from error

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
        fresh = secrets.token_bytes(32)

        def work(tx: Transaction) -> bytes:
            tx.db.execute(
                "INSERT INTO properties (name, value) VALUES ('secret', ?) "
                "ON CONFLICT (name) DO NOTHING",
                (fresh,),
            )
            row = tx.db.execute("SELECT value FROM properties WHERE name = 'secret'").fetchone()
            return bytes(row[0])

        return await self._write(work)

    # --- upkeep ---

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
            self._spool,
            bodies=micros(now - min(bodies, records)),
            records=micros(now - records),
            dead_addresses=micros(now) - self._terms.dead_address,
        )
        await upkeep.remove_strays(self._reader, self._spool)


def _retry_some(hop: str, who: str, now: int, tx: Transaction) -> int:
    return commands.retry_some(tx, hop, who, now, RETRY_PIECE)


def _connect(path: Path, folder: Path) -> tuple[sqlite3.Connection, sqlite3.Connection | None]:
    """The writing and the reading connection; a database in memory has only the first."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path == MEMORY:
        return schema.open_new(path), None
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    db = schema.open_new(path)
    return db, schema.connect_reader(path)


def _as_file_error(error: OSError) -> StoreError:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    mapped = (NoSpaceError if full else StoreError)(f"the spool: {error.strerror}")
    mapped.__cause__ = error
    return mapped
