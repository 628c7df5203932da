"""The store in PostgreSQL, shared by any number of gateway nodes.

The same work and the same statements as in one SQLite file (`common.py`). Two sessions write and
two read, each committing in groups; contents too large for a row stand in pieces beside it.
"""

from __future__ import annotations

import asyncio
import mmap
import secrets
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from pathlib import Path
from typing import IO, Any, TypeVar

import psycopg

from gateway.message import Arrival, Octets
from gateway.settings import Acknowledgements
from gateway.store import (
    Job,
    Node,
    StoreError,
    UnreachableError,
    claiming,
    nodes,
    pieces,
    settling,
    together,
)
from gateway.store.common import CommonStore
from gateway.store.owner import is_alive, is_here
from gateway.store.postgres_door import Doorkeeper
from gateway.store.postgres_schema import migrate
from gateway.store.postgres_session import Numbers, PostgresSession
from gateway.store.rules import Rules
from gateway.store.sql import Connection, Transaction, micros
from gateway.store.writer import Writer

T = TypeVar("T")
WRITERS = READERS = 2
"""Sessions of each process: one waits for the server while the other works."""
PATIENCE = 30.0
"""Seconds after which a server that says nothing is taken to be away: 451, and no lie, since what
it does after all is a letter delivered twice at worst."""
SHARDS = 4096
"""So many that two sessions hardly ever add up in the same one."""
RETURNED = 1000
"""Leases and letters that one claim gives back at most; a statement takes 65,535 values."""
STRAY_AGE = timedelta(hours=1)
"""After so long a large content that no row knows is removed."""


class PostgresStore(CommonStore):
    """See `gateway.store.Store`."""

    def __init__(
        self,
        writer: Writer,
        reader: Writer,
        rules: Rules,
        *,
        folder: Path | None,
        patience: float,
    ) -> None:
        super().__init__(writer, reader, rules)
        self._folder = folder
        self._patience = patience
        self._watch = nodes.Watch(self._owner)
        self._doubtful: list[str] = []
        """Leases of letters being kept that may have been taken although nobody told us."""
        self._unheard = ""
        """The same of the last claim. The next one has the same name, so that they do not gather
        while the server is away, be that for days."""
        self._unreturned: dict[tuple[str, str], None] = {}
        """Letters we have and nobody works on, by id and lease: given back as soon as we can."""

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        folder: Path | None = None,
        lease: timedelta = timedelta(minutes=5),
        limits: Acknowledgements | None = None,
        call_budget_periods: Mapping[str, timedelta] | None = None,
        sites: Mapping[str, str] | None = None,
        writers: int = WRITERS,
        readers: int = READERS,
        patience: float = PATIENCE,
    ) -> PostgresStore:
        """Connect and bring the schema up to date.

        `folder` is where large contents are while they are delivered (default: the system's);
        see `SqliteStore.open` for the rest. Raises StoreError, UnreachableError.
        """
        door = Doorkeeper(url)
        first, before, now = await asyncio.to_thread(_connect, door)
        numbers = Numbers()
        shards = [f"{secrets.randbelow(SHARDS):x}" for _ in range(writers)]
        writing = [PostgresSession(door, numbers, shard) for shard in shards]
        reading = [PostgresSession(door, numbers, None, first)]
        reading += [PostgresSession(door, numbers, None) for _ in range(readers - 1)]
        store = cls(
            Writer(writing, name="store-writer"),
            Writer(reading, name="store-reader"),
            Rules.of(limits, call_budget_periods, sites, lease),
            folder=folder,
            patience=patience,
        )
        if 0 < before < now:
            store.remarks.append(f"the store's schema was brought from version {before} to {now}")
        return store

    async def _write(self, work: Callable[[Transaction], T], *, may_wait: bool = False) -> T:
        return await self._in_time(self._writer.do(work, may_wait=may_wait))

    async def _read(self, work: Callable[[Connection], T]) -> T:
        return await self._in_time(self._reader.do(lambda tx: work(tx.db)))

    async def _in_time(self, asked: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(self._patience):
                return await asked
        except TimeoutError:
            raise UnreachableError(f"PostgreSQL: no answer in {self._patience:.0f} s") from None

    # --- large contents are rows of pieces ---

    async def _put(self, arrival: Arrival) -> None:
        for position, start in enumerate(range(0, len(arrival.content), pieces.SIZE)):
            piece = bytes(arrival.content[start : start + pieces.SIZE])
            await self._write(partial(pieces.put, arrival, position, piece))

    def _check_put(self, arrival: Arrival) -> None:
        """Rows that were committed are there."""

    def _check_space(self) -> None:
        """The server's disk is the server's: it tells when it is full."""

    def _spooled(self, queue_id: str) -> Octets:
        return b""  # `claim` fetches it when its transaction is over

    async def _fetch(self, queue_id: str) -> Octets:
        """Into a file without a name, so that large mail in hand takes no memory."""
        with tempfile.TemporaryFile(dir=self._folder) as file:
            position = 0
            while piece := await self._read(partial(pieces.get, queue_id, position)):
                await asyncio.to_thread(file.write, piece)
                position += 1
            if position == 0:
                raise FileNotFoundError(queue_id)
            return await asyncio.to_thread(_mapped, file)

    async def _forget(self, queue_ids: Sequence[str]) -> None:
        await self._write(lambda tx: pieces.forget(tx, queue_ids))

    async def _remove_strays(self, now: datetime) -> None:
        before = micros(now - STRAY_AGE)
        while await self._write(lambda tx: pieces.remove_strays(tx, before)) == pieces.PIECE:
            pass

    # --- leases ---

    async def _keep(
        self, keep: together.Keep, unheard: Callable[[], None] | None
    ) -> frozenset[str]:
        try:
            return await self._in_time(super()._keep(keep, unheard))
        except BaseException:
            if keep.straight.ids:
                self._doubtful.append(keep.straight.lease)
            raise

    async def claim(
        self, now: datetime, limit: int, *, but_not: frozenset[str] = frozenset()
    ) -> Sequence[Job]:
        """As `Store.claim`; large contents are fetched when the leases are on disk."""
        lease = self._unheard or claiming.new_lease(self._owner)
        again = (self._unheard,) if self._unheard else ()
        doubtful = tuple(self._doubtful[:RETURNED])
        unreturned = tuple(islice(self._unreturned, RETURNED))

        def work(tx: Transaction) -> claiming.Claimed:
            settling.give_back_all(tx, (*doubtful, *again), micros(now))
            for letter_id, held in unreturned:
                settling.give_back(tx, letter_id, held, micros(now))
            return claiming.claim(
                tx,
                micros(now),
                micros(now) + self._lease,
                limit,
                but_not,
                self._spooled,
                lease=lease,
                turn=self._turn,
            )

        try:
            jobs, self._turn = await self._write(work, may_wait=True)
        except BaseException:
            self._unheard = lease
            raise
        self._unheard = ""
        self._doubtful = self._doubtful[len(doubtful) :]
        for one in unreturned:
            self._unreturned.pop(one, None)
        return [found for job in jobs if (found := await self._with_content(job, now))]

    async def _with_content(self, job: Job, now: datetime) -> Job | None:
        """The job as it can be delivered; None if its content is lost or not to be had now."""
        if job.content:
            return job
        try:
            if not await self._read(partial(pieces.is_spooled, job)):
                return job
            return replace(job, content=await self._fetch(job.queue_id))
        except FileNotFoundError:
            with suppress(StoreError):
                await self._write(lambda tx: claiming.without_content(tx, job, micros(now)))
                return None
        except (OSError, StoreError):
            pass
        with suppress(StoreError):
            await self.give_back([job], now)
        return None

    async def give_back(self, jobs: Sequence[Job], now: datetime) -> None:
        """As `Store.give_back`; what cannot be returned now goes with the next claim."""
        try:
            await super().give_back(jobs, now)
        except StoreError:
            self._unreturned.update(((job.letter_id, job.lease), None) for job in jobs)
            raise

    async def reclaim(self) -> int:
        """Of processes of this machine; those of others are watched by `beat`."""
        return await self._write(
            lambda tx: claiming.end_orphans(tx, lambda owner: not is_here(owner) or is_alive(owner))
        )

    async def beat(self, node: Node, now: datetime) -> int:
        def work(tx: Transaction) -> dict[str, int]:
            nodes.beat(tx, self._owner, node, micros(now))
            return nodes.beats(tx)

        beats = await self._write(work)
        dead = self._watch.look(beats, lambda owner: is_here(owner) and not is_alive(owner))
        return await self._write(lambda tx: nodes.bury(tx, dead)) if dead else 0


def _connect(door: Doorkeeper) -> tuple[psycopg.Connection[Any], int, int]:
    connection = door.connect()
    try:
        before, now = migrate(connection)
    except BaseException as error:
        connection.close()
        if isinstance(error, psycopg.Error):
            # Lost meanwhile, or another node changes the schema: later it may be had.
            passing = isinstance(error, psycopg.OperationalError)
            said = error.diag.message_primary or type(error).__name__
            raise (UnreachableError if passing else StoreError)(f"PostgreSQL: {said}") from None
        raise
    return connection, before, now


def _mapped(file: IO[bytes]) -> mmap.mmap:
    file.flush()
    return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
