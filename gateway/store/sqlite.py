"""The store in one SQLite file: what `250` stands on.

Writing goes through one thread that commits in groups (`writer.py`); reading has a thread and a
connection of its own. Several processes may share the file. Large contents stand in the spool.
"""

from __future__ import annotations

import asyncio
import errno
import shutil
import sqlite3
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from gateway.message import Arrival, Octets
from gateway.settings import Acknowledgements
from gateway.store import Node, NoSpaceError, StoreError, claiming, nodes, schema, upkeep
from gateway.store.bodies import INLINE, Spool
from gateway.store.common import CommonStore
from gateway.store.owner import is_alive
from gateway.store.rules import Rules
from gateway.store.sql import Transaction, micros
from gateway.store.sqlite_session import Named, SqliteSession
from gateway.store.writer import Writer

MEMORY = Path(":memory:")
CHECKPOINT = 4000
"""Pages of log that are copied into the file, by one process for all who share it. SQLite before
3.51.3 may lose what was committed when one process copies while another begins the log anew
(sqlite.org/wal.html, "the WAL-reset bug"); to copy after a commit of one's own, alone, is safe."""
RESERVE = 64 << 20
"""Octets of disk that stay free: a message that would need them is put off."""


class SqliteStore(CommonStore):
    """See `gateway.store.Store`."""

    def __init__(
        self,
        writer: Writer,
        reader: Writer,
        rules: Rules,
        spool: Spool,
        *,
        passing: Path | None = None,
    ) -> None:
        super().__init__(writer, reader, rules)
        self._spool = spool
        self._passing = passing
        """A spool folder that goes with the store."""
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
        passing = path == MEMORY and spool is None
        folder = Path(tempfile.mkdtemp()) if passing else spool or path.parent / "spool"
        try:
            db, readable, backup = await asyncio.to_thread(_connect, path, folder)
        except (sqlite3.Error, OSError) as error:
            raise StoreError(f"the store cannot be opened: {error}") from error
        writer, reader = _threads(path, db, readable)
        rules = Rules.of(limits, call_budget_periods, sites, lease)
        contents = Spool(folder, reserve, beside=path.parent)
        store = cls(writer, reader, rules, contents, passing=folder if passing else None)
        if backup is not None:
            store.remarks.append(
                f"the store was brought up to date; as it was it is kept: {backup}"
            )
        with suppress(StoreError):  # no reason not to begin
            await upkeep.remove_strays(reader, writer, store._spool)
        return store

    async def close(self) -> None:
        await super().close()
        self._files.shutdown()
        if self._passing:
            await asyncio.to_thread(shutil.rmtree, self._passing, ignore_errors=True)

    # --- large contents are files ---

    async def _put(self, arrival: Arrival) -> None:
        def write() -> None:
            self._spool.check_space(len(arrival.content))
            self._spool.write(arrival.queue_id, arrival.content)

        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._files, write)
        except OSError as error:
            raise _as_file_error(error) from error

    def _check_put(self, arrival: Arrival) -> None:
        if len(arrival.content) > INLINE:
            self._spool.check(arrival.queue_id, len(arrival.content))

    def _check_space(self) -> None:
        self._spool.check_space(0)

    def _spooled(self, queue_id: str) -> Octets:
        return self._spool.map(queue_id)

    async def _fetch(self, queue_id: str) -> Octets:
        try:
            return self._spool.map(queue_id)
        except OSError as error:
            raise _as_file_error(error) from error

    async def _forget(self, queue_ids: Sequence[str]) -> None:
        await asyncio.to_thread(self._spool.remove_all, queue_ids)

    async def _remove_strays(self, now: datetime) -> None:
        await upkeep.remove_strays(self._reader, self._writer, self._spool)

    # --- all who share the file are processes of this machine ---

    async def reclaim(self) -> int:
        return await self._write(lambda tx: claiming.end_orphans(tx, is_alive))

    async def beat(self, node: Node, now: datetime) -> int:
        def work(tx: Transaction) -> int:
            nodes.beat(tx, self._owner, node, micros(now))
            owners = nodes.beats(tx)
            dead = [owner for owner in owners if not is_alive(owner)]
            first = min(owner for owner in owners if owner not in dead or owner == self._owner)
            pages = CHECKPOINT if self._owner == first else 0
            tx.db.execute(f"PRAGMA wal_autocheckpoint = {pages}")
            return nodes.bury(tx, dead)

        return await self._write(work)


def _connect(
    path: Path, folder: Path
) -> tuple[sqlite3.Connection, sqlite3.Connection | None, Path | None]:
    """The writing and the reading connection (a database in memory has only the first), and the
    copy that was made of an older file."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path == MEMORY:
        return schema.open_new(path)[0], None, None
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    db, backup = schema.open_new(path)
    return db, schema.connect_reader(path), backup


def _threads(
    path: Path, db: sqlite3.Connection, readable: sqlite3.Connection | None
) -> tuple[Writer, Writer]:
    """What writes, and what reads: the same where there is no connection for reading."""
    patience = schema.BUSY_TIMEOUT
    named = None if path == MEMORY else Named(path)
    writes = SqliteSession(db, writes=True, patience=patience, named=named)
    writer = Writer([writes], name="store-writer")
    if readable is None:
        return writer, writer
    reads = SqliteSession(readable, writes=False, patience=patience)
    return writer, Writer([reads], name="store-reader")


def _as_file_error(error: OSError) -> StoreError:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    mapped = (NoSpaceError if full else StoreError)(f"the spool: {error.strerror}")
    mapped.__cause__ = error
    return mapped
