"""Group commit: many pieces of work in one transaction, each standing or falling alone."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.store import NoSpaceError, StoreError, schema
from gateway.store import writer as writer_module
from gateway.store.sql import Transaction
from gateway.store.sqlite import SqliteStore
from gateway.store.sqlite_session import SqliteSession
from gateway.store.writer import ENOUGH, GROUP, Writer


@pytest.fixture
async def writer(tmp_path: Path) -> AsyncIterator[Writer]:
    db = schema.connect(tmp_path / "w.db")
    schema.migrate(db, None)
    writer = Writer([SqliteSession(db, writes=True)], name="test-writer")
    yield writer
    await writer.close()


class Gate:
    """Keeps the writer busy until it is opened, so that what comes meanwhile is one group."""

    def __init__(self) -> None:
        self._open = threading.Event()
        self.reached = threading.Event()

    def work(self, _tx: Transaction) -> None:
        self.reached.set()
        assert self._open.wait(10)

    def open(self) -> None:
        self._open.set()


def insert(name: str) -> Callable[[Transaction], str]:
    def work(tx: Transaction) -> str:
        tx.db.execute("INSERT INTO properties (name, value) VALUES (?, ?)", (name, b""))
        tx.counts["accepted"] += 1
        return name

    return work


def names(tx: Transaction) -> set[str]:
    return {name for (name,) in tx.db.execute("SELECT name FROM properties")}


def total(tx: Transaction) -> int:
    return int(tx.db.execute("SELECT coalesce(sum(value), 0) FROM counts").fetchone()[0])


async def together(writer: Writer, *works: Callable[[Transaction], Any]) -> list[Any]:
    """All these pieces in one group; gives results and exceptions."""
    gate = Gate()
    first = asyncio.ensure_future(writer.do(gate.work))
    assert await asyncio.to_thread(gate.reached.wait, 10)
    before = writer.commits
    rest = [asyncio.ensure_future(writer.do(work)) for work in works]
    await asyncio.sleep(0)  # each future has handed over its work
    gate.open()
    await first
    results = await asyncio.gather(*rest, return_exceptions=True)
    assert writer.commits == before + 2  # the gate's own, and one for all others
    return results


async def test_a_group_is_one_commit(writer: Writer) -> None:
    wanted = [f"n{number}" for number in range(GROUP)]
    assert await together(writer, *map(insert, wanted)) == wanted
    assert await writer.do(names) == set(wanted)
    assert await writer.do(total) == GROUP


async def test_one_that_fails_is_undone_alone(writer: Writer) -> None:
    def fails(tx: Transaction) -> None:
        insert("half")(tx)
        raise ZeroDivisionError

    results = await together(writer, insert("a"), fails, insert("a"), insert("b"))
    assert results[0] == "a"
    assert isinstance(results[1], ZeroDivisionError)
    assert isinstance(results[2], StoreError)
    assert results[3] == "b"
    assert await writer.do(names) == {"a", "b"}
    assert await writer.do(total) == 2


async def test_what_was_cancelled_before_it_began_is_left_undone(writer: Writer) -> None:
    gate = Gate()
    first = asyncio.ensure_future(writer.do(gate.work))
    assert await asyncio.to_thread(gate.reached.wait, 10)
    gone = asyncio.ensure_future(writer.do(insert("gone")))
    stays = asyncio.ensure_future(writer.do(insert("stays")))
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.sleep(0)
    gate.open()
    await first
    await stays
    assert await writer.do(names) == {"stays"}


async def test_a_transaction_that_is_lost_costs_only_who_lost_it(writer: Writer) -> None:
    """SQLite undoes everything when the disk is full: the others get a transaction of their own."""

    def fills(tx: Transaction) -> None:
        pages = tx.db.execute("PRAGMA page_count").fetchone()[0]
        tx.db.execute(f"PRAGMA max_page_count = {pages + 2}")
        try:
            for number in range(100):
                tx.db.execute(
                    "INSERT INTO properties (name, value) VALUES (?, ?)",
                    (f"big{number}", b"x" * 10_000),
                )
        finally:
            tx.db.execute("PRAGMA max_page_count = 1073741823")

    gate = Gate()
    first = asyncio.ensure_future(writer.do(gate.work))
    assert await asyncio.to_thread(gate.reached.wait, 10)
    rest = [asyncio.ensure_future(writer.do(work)) for work in (insert("a"), fills, insert("b"))]
    await asyncio.sleep(0)
    gate.open()
    await first
    results = await asyncio.gather(*rest, return_exceptions=True)
    assert (results[0], results[2]) == ("a", "b")
    assert isinstance(results[1], NoSpaceError)
    assert await writer.do(names) == {"a", "b"}
    assert await writer.do(total) == 2


async def test_close_finishes_what_waits(writer: Writer, tmp_path: Path) -> None:
    waiting = [asyncio.ensure_future(writer.do(insert(f"n{number}"))) for number in range(200)]
    await asyncio.sleep(0)
    await writer.close()
    assert len(await asyncio.gather(*waiting)) == 200
    with pytest.raises(StoreError):
        await writer.do(insert("late"))
    db = sqlite3.connect(tmp_path / "w.db")
    assert db.execute("SELECT count(*) FROM properties").fetchone() == (200,)
    db.close()


async def test_many_keeps_share_few_commits(tmp_path: Path, mail: SimpleNamespace) -> None:
    store = await SqliteStore.open(tmp_path / "g.db")
    before = store.commits
    ids = [f"Q{number:04d}" for number in range(640)]
    await asyncio.gather(
        *(store.keep(mail.arrival(id_), [mail.letter(id_)], mail.plan()) for id_ in ids)
    )
    assert store.commits - before <= 20
    assert (await store.balance()).accepted == 640
    await store.close()


async def test_locked_by_another_process(
    tmp_path: Path, mail: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "BUSY_TIMEOUT", 0.05)
    store = await SqliteStore.open(tmp_path / "g.db")
    other = sqlite3.connect(tmp_path / "g.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError):
        await store.keep(mail.arrival("Q1"), [mail.letter("Q1")], mail.plan())
    assert await store.recall(mail.message(), mail.NOW)  # readers do not wait
    other.execute("ROLLBACK")
    await store.keep(mail.arrival("Q1"), [mail.letter("Q1")], mail.plan())
    assert (await store.balance()).accepted == 1
    other.close()
    await store.close()


async def test_two_processes_share_a_file(tmp_path: Path, mail: SimpleNamespace) -> None:
    stores = [await SqliteStore.open(tmp_path / "g.db") for _ in range(2)]
    ids = [f"Q{number:04d}" for number in range(200)]
    await asyncio.gather(
        *(
            stores[number % 2].keep(mail.arrival(id_), [mail.letter(id_)], mail.plan())
            for number, id_ in enumerate(ids)
        )
    )
    claims = await asyncio.gather(*(stores[n % 2].claim(mail.NOW, 30) for n in range(10)))
    claimed = [job.queue_id for jobs in claims for job in jobs]
    assert sorted(claimed) == ids
    assert await stores[0].balance() == await stores[1].balance()
    assert await stores[0].secret() == await stores[1].secret()
    for store in stores:
        await store.close()


async def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "g.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(StoreError):
        await SqliteStore.open(tmp_path / "g.db")


async def test_work_that_ends_in_a_stop_iteration_leaves_nobody_waiting(writer: Writer) -> None:
    """No future takes that exception: the rest of its group waited for ever."""

    def work(_tx: Transaction) -> None:
        next(iter(()))

    before, broken, after = await asyncio.wait_for(
        together(writer, insert("before"), work, insert("after")), 10
    )
    assert (before, after) == ("before", "after")
    assert isinstance(broken, RuntimeError)
    assert isinstance(broken.__cause__, StopIteration)


async def test_an_answer_whose_caller_is_cancelled_before_it_hears_it_is_unheard(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the work leased would else be with nobody until its lease runs out."""
    resolve = writer_module._resolve
    unheard = list[str]()
    asking = asyncio.create_task(writer.do(insert("leased"), lambda: unheard.append("leased")))

    def answered(group: list[Any]) -> None:
        resolve(group)
        asking.cancel()

    monkeypatch.setattr(writer_module, "_resolve", answered)
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert unheard == ["leased"]
    monkeypatch.undo()
    assert "leased" in await writer.do(names)


# --- gathering while more is expected -----------------------------------------------------------


async def done_in_time(*futures: asyncio.Future[Any]) -> list[Any]:
    return await asyncio.wait_for(asyncio.gather(*futures), 5)


async def test_what_may_wait_goes_with_what_is_expected(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "GATHER", 3600.0)
    before = writer.commits
    writer.expect(2)
    first = writer.put(insert("a"), may_wait=True)
    second = writer.put(insert("b"), may_wait=True)
    writer.expect(-1)
    await asyncio.sleep(0.05)
    assert not first.done()
    assert not second.done()
    writer.expect(-1)  # nothing more will come, but for what comes in this turn of the loop
    third = writer.put(insert("c"), may_wait=True)
    assert await done_in_time(first, second, third) == ["a", "b", "c"]
    assert writer.commits == before + 1


async def test_it_waits_for_a_moment_only(writer: Writer) -> None:
    writer.expect(1)
    assert await done_in_time(writer.put(insert("a"), may_wait=True)) == ["a"]
    writer.expect(-1)
    assert await done_in_time(writer.put(insert("b"), may_wait=True)) == ["b"]


async def test_what_may_not_wait_takes_the_others_along(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "GATHER", 3600.0)
    before = writer.commits
    writer.expect(1)
    first = writer.put(insert("a"), may_wait=True)
    second = writer.put(insert("b"))
    assert await done_in_time(first, second) == ["a", "b"]
    assert writer.commits == before + 1


async def test_enough_waits_for_no_more(writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "GATHER", 3600.0)
    writer.expect(1)
    names_ = [f"n{number}" for number in range(ENOUGH)]
    assert await done_in_time(*(writer.put(insert(n), may_wait=True) for n in names_)) == names_


async def test_close_does_not_leave_what_is_gathered(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "GATHER", 3600.0)
    writer.expect(1)
    waiting = writer.put(insert("a"), may_wait=True)
    await writer.close()
    assert await done_in_time(waiting) == ["a"]
