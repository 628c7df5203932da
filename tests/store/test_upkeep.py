"""Large contents in the spool, and forgetting what its time is over."""

from __future__ import annotations

import asyncio
import hashlib
import os
import resource
import signal
import sqlite3
import threading
import time
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.running import until

from gateway.settings import Acknowledgements
from gateway.store import NoSpaceError, StoreError, bodies, cleaning
from gateway.store.bodies import Spool
from gateway.store.sqlite import SqliteStore

DAY = timedelta(days=1)
LARGE = b"0123456789" * 10_000


def spooled(folder: Path) -> list[Path]:
    return sorted(path for path in (folder / "spool").rglob("*") if path.is_file())


async def test_large_contents_are_files_of_their_own(tmp_path: Path, mail: SimpleNamespace) -> None:
    store = await SqliteStore.open(tmp_path / "g.db")
    keeper = mail.Keeper(store)
    small, large = await keeper.keep(content=b"small"), await keeper.keep(content=LARGE)
    (path,) = spooled(tmp_path)
    assert path.name == large
    assert path.read_bytes() == LARGE
    assert path.stat().st_mode & 0o077 == 0
    jobs = {job.queue_id: job for job in await keeper.claim()}
    assert isinstance(jobs[small].content, bytes)
    assert jobs[large].content[10:20] == b"0123456789"
    await store.close()


async def test_a_content_that_is_missing_is_told_and_stops_nobody(
    tmp_path: Path, mail: SimpleNamespace
) -> None:
    store = await SqliteStore.open(tmp_path / "g.db")
    keeper = mail.Keeper(store)
    large, small = await keeper.keep(content=LARGE), await keeper.keep()
    spooled(tmp_path)[0].unlink()
    assert [job.queue_id for job in await keeper.claim()] == [small]
    (entry,) = await store.entry(large)
    assert (entry.state, entry.why) == ("held", "its content is missing from the store")
    assert [alert.who for alert in await store.alerts()] == [large]
    with pytest.raises(StoreError):
        await store.original(large)
    assert (await store.balance()).balanced
    await store.close()


async def test_a_full_disk_is_left_with_no_half_content(tmp_path: Path) -> None:
    """A limit on the file size stands for the quota: both end a write half way."""
    (tmp_path / "spool").mkdir()
    spool = Spool(tmp_path / "spool", 0)
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, old[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            spool.write("FULL", LARGE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, handler)
    assert spooled(tmp_path) == []


async def test_files_of_messages_never_kept_go_after_an_hour(
    tmp_path: Path, mail: SimpleNamespace
) -> None:
    """A crash between the file and the row leaves a file that no row knows."""
    store = await SqliteStore.open(tmp_path / "g.db")
    kept = await mail.Keeper(store).keep(content=LARGE)
    await store.close()
    spool = Spool(tmp_path / "spool", 0)
    for name in ("STRAY", "YOUNG"):
        spool.write(name, LARGE)
    unfinished = spool.path("HALF").with_name("HALF.new")
    unfinished.parent.mkdir(exist_ok=True)
    unfinished.write_bytes(b"half")
    for path in (spool.path(kept), spool.path("STRAY"), unfinished):
        os.utime(path, (1_000_000, 1_000_000))
    store = await SqliteStore.open(tmp_path / "g.db")
    assert {path.name for path in spooled(tmp_path)} == {kept, "YOUNG"}
    await store.close()


async def test_a_clock_that_jumps_costs_no_content_that_is_just_being_kept(
    tmp_path: Path, mail: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host whose clock is set after its start: what was written a moment ago looks old, and a
    command that opens the store takes it for what a crash left behind."""
    path = tmp_path / "g.db"
    store = await SqliteStore.open(path)
    keeper = mail.Keeper(store)
    asked, go_on, known_in_spool = threading.Event(), threading.Event(), cleaning.known_in_spool

    def slowly(db: Any, names: Any) -> Any:
        known = known_in_spool(db, names)
        asked.set()
        assert go_on.wait(10)
        return known

    monkeypatch.setattr(cleaning, "known_in_spool", slowly)
    with closing(sqlite3.connect(path, isolation_level=None)) as busy:
        busy.execute("BEGIN IMMEDIATE")
        keeping = asyncio.create_task(keeper.keep(content=LARGE))
        (content,) = await until(
            lambda: asyncio.sleep(0, [each for each in spooled(tmp_path) if not each.suffix]), bool
        )
        os.utime(content, (1_000_000, 1_000_000))
        opening = asyncio.create_task(SqliteStore.open(path))
        assert await asyncio.to_thread(asked.wait, 10)
        busy.execute("COMMIT")
    await keeping  # after it was unknown, and before it could be removed for that
    go_on.set()
    await (await opening).close()
    (job,) = await keeper.claim()
    assert job.content[:] == LARGE
    await store.close()


@pytest.mark.parametrize("harm", ["gone", "cut", "other"])
async def test_a_content_that_is_not_there_whole_is_not_promised(
    tmp_path: Path, mail: SimpleNamespace, harm: str
) -> None:
    store = await SqliteStore.open(tmp_path / "g.db")
    keeper = mail.Keeper(store)
    put = store._put

    async def put_badly(arrival: Any) -> None:
        await put(arrival)
        (path,) = spooled(tmp_path)
        if harm == "gone":
            path.unlink()
        else:
            path.write_bytes(LARGE[:70_000] if harm == "cut" else LARGE + b"more")

    store._put = put_badly  # type: ignore[method-assign]
    with pytest.raises(StoreError, match="spool"):
        await keeper.keep(content=LARGE)
    for left in spooled(tmp_path):
        left.unlink()
    with pytest.raises(StoreError, match="spool"):
        await store.keep_raw(mail.arrival("R1", content=LARGE), "broke")
    assert (await store.balance()).accepted == 0
    await store.close()


async def test_half_a_letter_is_not_sent(tmp_path: Path, mail: SimpleNamespace) -> None:
    """As a damaged file system or a backup without the end of a file leaves it."""
    store = await SqliteStore.open(tmp_path / "g.db")
    keeper = mail.Keeper(store)
    large = await keeper.keep(content=LARGE)
    spooled(tmp_path)[0].write_bytes(LARGE[:70_000])
    assert await keeper.claim() == []
    (entry,) = await store.entry(large)
    assert (entry.state, entry.why) == ("held", "its content is missing from the store")
    await store.close()


def test_each_process_syncs_a_folder_before_it_relies_on_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another may have made it a moment ago, and not have synced it yet."""
    synced, sync = list[Path](), bodies.sync_folder
    monkeypatch.setattr(bodies, "sync_folder", lambda folder: (synced.append(folder), sync(folder)))
    for spool in (Spool(tmp_path, 0), Spool(tmp_path, 0)):
        for _ in range(2):
            spool.write("Q1", LARGE)
    here = spool.path("Q1").parent
    assert synced == [tmp_path, here, here] * 2


@pytest.mark.parametrize("bad", ["", ".", "../x", "a/b", "a.b", "x" * 200, "é"])
def test_only_plain_ids_become_paths(tmp_path: Path, bad: str) -> None:
    with pytest.raises(ValueError, match="queue id"):
        Spool(tmp_path, 0).path(bad)


async def test_a_full_disk_is_told_in_time(tmp_path: Path, mail: SimpleNamespace) -> None:
    store = await SqliteStore.open(tmp_path / "g.db", reserve=1 << 62)
    for content in (b"small", b"l" * 100_000):
        with pytest.raises(NoSpaceError):
            await store.keep(mail.arrival("Q1", content=content), [mail.letter("Q1")], mail.plan())
        with pytest.raises(NoSpaceError):
            await store.keep_raw(mail.arrival("Q1", content=content), "broke")
    assert (await store.balance()).accepted == 0
    assert not await store.claim(mail.NOW, 10)
    await store.close()


def test_space_that_must_stay_free(tmp_path: Path) -> None:
    disk = os.statvfs(tmp_path)
    free = disk.f_bavail * disk.f_frsize
    Spool(tmp_path, 0).check_space(1)
    with pytest.raises(NoSpaceError):
        Spool(tmp_path, free // 2).check_space(free)


def test_a_look_at_the_disk_holds_for_a_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    times, looks, look = iter((10.0, 10.01, 10.01, 10.1)), list[object](), os.statvfs
    monkeypatch.setattr(time, "monotonic", lambda: next(times))
    monkeypatch.setattr(os, "statvfs", lambda path: looks.append(path) or look(path))
    spool = Spool(tmp_path, 0)
    for size, so_far in ((0, 1), (0, 1), (1, 2), (0, 3)):
        spool.check_space(size)
        assert len(looks) == so_far


async def test_a_digest_that_is_known_is_not_made_again(
    tmp_path: Path, mail: SimpleNamespace
) -> None:
    store = await SqliteStore.open(tmp_path / "g.db")
    known = mail.replace(mail.arrival("Q1"), digest=b"known")
    await store.keep(known, [mail.letter("Q1")], mail.plan())
    await store.keep(mail.arrival("Q2"), [mail.letter("Q2")], mail.plan())
    await store.close()
    with closing(sqlite3.connect(tmp_path / "g.db")) as db:
        rows = db.execute("SELECT sha256 FROM messages ORDER BY number").fetchall()
    assert rows == [(b"known",), (hashlib.sha256(mail.CONTENT).digest(),)]


async def test_two_stores_on_one_file_give_out_different_numbers(
    tmp_path: Path, mail: SimpleNamespace
) -> None:
    stores = [await SqliteStore.open(tmp_path / "g.db") for _ in range(2)]
    for number in range(6):
        queue_id = f"Q{number}"
        letters = [mail.letter(queue_id), mail.own(queue_id)]
        await stores[number % 2].keep(mail.arrival(queue_id), letters, mail.plan())
    assert len(await stores[0].claim(mail.NOW, 100)) == 12
    for store in stores:
        await store.close()


# --- clean-up ----------------------------------------------------------------------------------


async def test_contents_go_first(tmp_path: Path, mail: SimpleNamespace) -> None:
    store = await SqliteStore.open(tmp_path / "g.db")
    keeper = mail.Keeper(store)
    done = [await keeper.keep(content=content) for content in (b"small", LARGE)]
    await keeper.settle_all()
    owed = await keeper.keep(content=LARGE)
    held = await keeper.keep(content=LARGE)
    await store.hold(held, "", "joe", mail.NOW)
    await store.clean(mail.NOW + 6 * DAY, bodies=7 * DAY)
    assert all([await store.original(queue_id) for queue_id in done])
    await store.clean(mail.NOW + 8 * DAY, bodies=7 * DAY)
    assert [await store.original(queue_id) for queue_id in done] == [None, None]
    assert {path.name for path in spooled(tmp_path)} == {owed, held}
    assert len(await store.entries()) == 4
    assert "delivered" in await keeper.events(done[0])
    (job,) = await keeper.claim(mail.NOW + 8 * DAY)
    assert bytes(job.content) == LARGE
    await store.close()


async def test_records_go_later_and_the_counts_stay(tmp_path: Path, mail: SimpleNamespace) -> None:
    store = await SqliteStore.open(tmp_path / "g.db")
    keeper = mail.Keeper(store)

    async def live(queue_id: str, contact: str, time: Any) -> None:
        remembered = mail.memory(
            queue_id,
            contact,
            claim=mail.claim(queue_id, contact),
            call=mail.call(queue_id, contact, opened=time),
            phone="+15551234567",
        )
        letters = [mail.letter(queue_id), mail.acknowledgement(queue_id), mail.own(queue_id)]
        came = mail.arrival(queue_id, time=time)
        assert not (await store.keep(came, letters, mail.plan(remembered))).left_out
        await keeper.settle_all("relayed", time)
        await store.close_call(f"K{queue_id}", "reached", "joe", time)
        (job,) = await keeper.claim(time)
        assert job.kind == "acknowledgement"
        await store.settle(job, mail.settlement(job, "failed", on_failure="drop"), time)

    await live("OLD", "old@customer.example", mail.NOW)
    await live("NEW", "new@customer.example", mail.NOW + 300 * DAY)
    await store.keep(
        mail.arrival("OWED"),
        [mail.letter("OWED", hold="look at it")],
        mail.plan(mail.memory("OWED", "owed@customer.example")),
    )
    before = await store.balance()
    later = mail.NOW + 401 * DAY
    await store.clean(later, bodies=30 * DAY, records=400 * DAY)
    assert await store.balance() == before
    assert {entry.queue_id for entry in await store.entries()} == {"NEW", "OWED"}
    assert [call.id for call in await store.calls(all_=True)] == ["KNEW"]
    assert await store.notes("OLD") == []

    gone = await store.recall(mail.message(author="old@customer.example"), later)
    assert gone == await store.recall(mail.message(author="stranger@else.example"), later)
    answer = mail.message(references=("<OLD.2@gw.example>", "<OLD@customer.example>"))
    assert (await store.recall(answer, later)).conversation == ""
    for name in ("new", "owed"):
        known = await store.recall(mail.message(author=f"{name}@customer.example"), later)
        assert known.proven.known
    await store.close()
    _find_nowhere(tmp_path / "g.db", "old@customer.example", "OLD")


def _find_nowhere(path: Path, *words: str) -> None:
    """No row of any table holds one of these."""
    with closing(sqlite3.connect(path)) as db:
        names = db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (name,) in names:
            for row in db.execute(f"SELECT * FROM {name}"):
                assert not any(word in str(value) for word in words for value in row), (name, row)


async def test_who_writes_again_is_still_known(tmp_path: Path, mail: SimpleNamespace) -> None:
    store = await SqliteStore.open(tmp_path / "g.db")
    keeper = mail.Keeper(store)
    for days in (0, 399):
        time = mail.NOW + days * DAY
        await keeper.keep(
            mail.letter(f"D{days}"),
            queue_id=f"D{days}",
            time=time,
            remember=(mail.memory(f"D{days}", phone="+15551234567"),),
        )
        await keeper.settle_all("relayed", time)
    later = mail.NOW + 401 * DAY
    await store.clean(later)
    history = await store.recall(mail.message(), later)
    assert history.proven.phones == {"+15551234567"}
    assert history.proven.letters_7_days == 1
    assert len(await store.entries()) == 1
    await store.close()


async def test_more_than_one_piece(tmp_path: Path, mail: SimpleNamespace) -> None:
    store = await SqliteStore.open(tmp_path / "g.db")
    keeper = mail.Keeper(store)
    await asyncio.gather(*(keeper.keep() for _ in range(450)))
    await keeper.settle_all()
    await store.clean(mail.NOW + 500 * DAY)
    assert await store.entries() == []
    balance = await store.balance()
    assert (balance.accepted, balance.delivered) == (450, 450)
    await store.close()


async def test_only_quarantined_letters_expire(tmp_path: Path, mail: SimpleNamespace) -> None:
    store = await SqliteStore.open(tmp_path / "g.db")
    keeper = mail.Keeper(store)
    for queue_id, why in (("SPAM", "quarantined: spam=spam"), ("HELD", "by rule 'lawyers'")):
        await keeper.keep(mail.letter(queue_id, hold=why), queue_id=queue_id)
    await store.keep_raw(mail.arrival("RAW"), "broke us")
    await store.clean(mail.NOW + 29 * DAY, quarantine=30 * DAY)
    assert len(await store.entries(states=["held"])) == 3
    await store.clean(mail.NOW + 31 * DAY, quarantine=30 * DAY)
    assert {entry.queue_id for entry in await store.entries(states=["held"])} == {"HELD", "RAW"}
    (dropped,) = [note for note in await store.notes("SPAM") if note.event == "dropped"]
    assert dropped.who == "rule"
    assert (await store.balance()).dropped == 1
    await store.close()


async def test_limits_are_the_configurations(tmp_path: Path, mail: SimpleNamespace) -> None:
    """Dead addresses are forgotten after their own time."""
    store = await SqliteStore.open(
        tmp_path / "g.db", limits=Acknowledgements(dead_address=10 * DAY)
    )
    keeper = mail.Keeper(store)
    await keeper.keep(mail.letter("Q1"), mail.own("Q1", "dsn", recipients=(mail.CUSTOMER,)))
    for job in await keeper.claim():
        await store.settle(job, mail.settlement(job, "failed", on_failure="drop"), mail.NOW)
    assert (await store.recall(mail.message(), mail.NOW + 9 * DAY)).dead_address
    await store.clean(mail.NOW + 11 * DAY)
    await store.close()
    with closing(sqlite3.connect(tmp_path / "g.db")) as db:
        assert db.execute("SELECT count(*) FROM dead_addresses").fetchone() == (0,)
