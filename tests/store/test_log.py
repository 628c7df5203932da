"""The write-ahead log: copied into the file by one process, and of a bounded size under load."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from gateway.store import Node, sqlite_session
from gateway.store.schema import connect_reader
from gateway.store.sqlite import CHECKPOINT, SqliteStore


async def pages(store: SqliteStore) -> int:
    found = await store._write(
        lambda tx: tx.db.execute("PRAGMA wal_autocheckpoint").fetchone()[0],
    )
    return int(found)


async def test_one_process_copies_the_log_for_all(tmp_path: Path, mail: SimpleNamespace) -> None:
    """The first of those that live; a command beside them never does."""
    node = Node("host", os.getpid(), "1", "", {}, mail.NOW)
    store = await SqliteStore.open(tmp_path / "g.db")
    other = await SqliteStore.open(tmp_path / "g.db")
    command = await SqliteStore.open(tmp_path / "g.db")
    other._owner = "0"  # a name nobody can say is dead, before all others
    await store.beat(node, mail.NOW)
    assert await pages(store) == CHECKPOINT
    await other.beat(node, mail.NOW)
    await store.beat(node, mail.NOW)
    assert (await pages(store), await pages(other)) == (0, CHECKPOINT)
    await other.farewell()
    await store.beat(node, mail.NOW)
    assert await pages(store) == CHECKPOINT
    assert await pages(command) == 0
    for each in (store, other, command):
        await each.close()


@contextmanager
def readers(path: Path) -> Iterator[None]:
    """Somebody is reading at any time, none for long: the next begins before the last has ended."""
    done, begun = threading.Event(), threading.Event()

    def read() -> None:
        two = [connect_reader(path), connect_reader(path)]
        first, second = two
        look(first)
        begun.set()
        while not done.wait(0.002):
            look(second)
            first.execute("COMMIT")
            first, second = second, first
        for each in two:
            each.close()

    def look(db: sqlite3.Connection) -> None:
        db.execute("BEGIN")
        db.execute("SELECT count(*) FROM letters").fetchone()

    thread = threading.Thread(target=read)
    thread.start()
    begun.wait()
    try:
        yield
    finally:
        done.set()
        thread.join()


async def test_the_log_is_bounded_however_many_read_and_write(
    tmp_path: Path, mail: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Left to itself SQLite begins it anew only at a moment at which nobody reads or writes."""
    monkeypatch.setattr(sqlite_session, "LOG_LIMIT", 2 << 20)
    monkeypatch.setattr(sqlite_session, "AGAIN", 0.0)
    monkeypatch.setattr(sqlite_session, "LATER", 0.0)
    path = tmp_path / "g.db"
    store = await SqliteStore.open(path)
    await store.beat(Node("host", os.getpid(), "1", "", {}, mail.NOW), mail.NOW)
    keeper = mail.Keeper(store)
    with readers(path):
        for _ in range(40):
            await asyncio.gather(*(keeper.keep(content=b"x" * 50_000) for _ in range(10)))
    assert path.with_name("g.db-wal").stat().st_size < 6 << 20
    assert (await store.balance()).accepted == 400
    await store.close()


async def test_who_reads_for_long_holds_up_nobody_for_long(
    tmp_path: Path, mail: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_session, "LOG_LIMIT", 0)
    monkeypatch.setattr(sqlite_session, "WAIT", 50)
    store = await SqliteStore.open(tmp_path / "g.db")
    keeper = mail.Keeper(store)
    await keeper.keep()
    reader = connect_reader(tmp_path / "g.db")
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM letters").fetchone()
    async with asyncio.timeout(5):
        for _ in range(20):
            await keeper.keep()
    reader.execute("COMMIT")
    reader.close()
    assert (await store.balance()).accepted == 21
    await store.close()
