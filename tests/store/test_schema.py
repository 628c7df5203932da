"""The schema grows forward, with a copy made first; what is sought is found by an index."""

from __future__ import annotations

import re
import resource
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from gateway.plan import DmarcRow
from gateway.store import StoreError, calls, schema
from gateway.store.sqlite import SqliteStore

EXTRA = (
    "CREATE TABLE extra (a INTEGER); -- a comment; with a semicolon\nINSERT INTO extra VALUES (7);"
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "g.db"


@pytest.fixture
def db(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(schema.connect(path)) as db:
        yield db


def tables(db: sqlite3.Connection) -> set[str]:
    return {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def test_a_new_file(db: sqlite3.Connection, path: Path) -> None:
    assert schema.migrate(db, path) is None
    assert {"messages", "letters", "recipients"} <= tables(db)
    assert not list(path.parent.glob("*.backup"))
    assert schema.migrate(db, path) is None
    assert db.execute("PRAGMA user_version").fetchone() == (len(schema.migrations()),)


def test_an_older_file_is_copied_first(db: sqlite3.Connection, path: Path) -> None:
    steps = schema.migrations()
    schema.migrate(db, path, steps)
    db.execute("INSERT INTO properties (name, value) VALUES ('old', x'01')")
    copy = schema.migrate(db, path, [*steps, EXTRA])
    assert db.execute("SELECT a FROM extra").fetchone() == (7,)
    assert copy is not None
    assert [*path.parent.glob("*.backup")] == [copy]
    with closing(sqlite3.connect(copy)) as old:
        assert old.execute("PRAGMA user_version").fetchone() == (len(steps),)
        assert old.execute("SELECT name FROM properties").fetchone() == ("old",)
        assert "extra" not in tables(old)


def test_a_step_that_fails_changes_nothing(db: sqlite3.Connection, path: Path) -> None:
    steps = schema.migrations()
    schema.migrate(db, path, steps)
    before = tables(db)
    with pytest.raises(sqlite3.Error):
        schema.migrate(db, path, [*steps, EXTRA, "CREATE TABLE more (b); CREATE NONSENSE;"])
    assert tables(db) == before
    assert db.execute("PRAGMA user_version").fetchone() == (len(steps),)
    assert not db.in_transaction


def test_the_copy_is_the_file_as_it_was_when_the_lock_was_had(
    db: sqlite3.Connection, path: Path
) -> None:
    """Mail answered 250 just before, by a gateway that still runs, is in the copy too."""
    steps = schema.migrations()
    schema.migrate(db, path, steps)

    def late(statement: str) -> None:
        if statement.startswith("BEGIN"):
            with closing(sqlite3.connect(path)) as other, other:
                other.execute("INSERT INTO properties (name, value) VALUES ('late', x'01')")

    db.set_trace_callback(late)
    copy = schema.migrate(db, path, [*steps, EXTRA])
    assert copy is not None
    assert copy.stat().st_mode & 0o077 == 0
    with closing(sqlite3.connect(copy)) as old:
        assert old.execute("SELECT name FROM properties").fetchone() == ("late",)
        assert old.execute("PRAGMA user_version").fetchone() == (len(steps),)


def test_who_comes_second_does_not_copy_what_the_first_has_changed(
    db: sqlite3.Connection, path: Path
) -> None:
    steps = schema.migrations()
    schema.migrate(db, path, steps)
    statements, copies = list[str](), list[Path | None]()

    def overtake(statement: str) -> None:
        """Between the second one's look at the version and what it does about it."""
        statements.append(statement)
        if len(statements) == 2 or (statement.startswith("BEGIN") and not copies):
            with closing(schema.connect(path)) as other:
                copies.append(schema.migrate(other, path, [*steps, EXTRA]))

    db.set_trace_callback(overtake)
    assert schema.migrate(db, path, [*steps, EXTRA]) is None
    assert len(copies) == 1
    assert copies[0] is not None
    with closing(sqlite3.connect(copies[0])) as old:
        assert old.execute("PRAGMA user_version").fetchone() == (len(steps),)


def test_what_a_stopped_copy_left_is_in_nobodys_way(db: sqlite3.Connection, path: Path) -> None:
    steps = schema.migrations()
    schema.migrate(db, path, steps)
    left = path.with_name(f"{path.name}.v{len(steps)}.backup.unfinished")
    left.write_bytes(b"half of a page" * 1000)
    copy = schema.migrate(db, path, [*steps, EXTRA])
    assert copy is not None
    assert [*path.parent.glob("*.backup*")] == [copy]


def test_a_copy_that_finds_no_room_leaves_nothing(db: sqlite3.Connection, path: Path) -> None:
    """A process that may write no file as large as the copy: as with a full disk."""
    steps = schema.migrations()
    schema.migrate(db, path, steps)
    before = sorted(path.parent.iterdir())
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))
    try:
        with pytest.raises((sqlite3.Error, OSError)):
            schema.migrate(db, path, [*steps, EXTRA])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert sorted(path.parent.iterdir()) == before
    assert db.execute("PRAGMA user_version").fetchone() == (len(steps),)
    assert not db.in_transaction


def test_who_comes_second_waits_for_as_long_as_the_copy_takes(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that gave up would end its gateway: it cannot begin, and none serves yet."""
    with closing(schema.connect(path)) as first:
        schema.migrate(first, path, schema.migrations()[:1])
        monkeypatch.setattr(schema, "BUSY_TIMEOUT", 0.05)
        with closing(schema.connect(path)) as second:
            first.execute("BEGIN IMMEDIATE")
            release = threading.Timer(0.4, lambda: first.execute("COMMIT"))
            release.start()
            schema.migrate(second, path)
            release.join()
            assert second.execute("PRAGMA user_version").fetchone() == (len(schema.migrations()),)


def test_a_file_of_a_later_program(db: sqlite3.Connection, path: Path) -> None:
    schema.migrate(db, path)
    db.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreError, match="99"):
        schema.migrate(db, path)


@pytest.mark.parametrize("again", range(12))
def test_several_processes_may_start_at_once(path: Path, again: int) -> None:
    """Repeated: one try in sixteen found the file locked when nobody waited."""
    errors = list[BaseException]()
    start = threading.Barrier(4)

    def open_() -> None:
        start.wait()
        try:
            with closing(schema.connect(path)) as db:
                schema.migrate(db, path)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=open_) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_what_every_message_counts_is_read_from_an_index_alone(db: sqlite3.Connection) -> None:
    schema.migrate(db, None)
    (plan,) = db.execute(f"EXPLAIN QUERY PLAN {calls.CARDED}", ("shop", 0))
    assert "COVERING INDEX calls_carded (site=? AND opened>?)" in plan[3]


def test_a_new_file_has_pages_that_hold_a_letter(db: sqlite3.Connection) -> None:
    schema.migrate(db, None)
    assert db.execute("PRAGMA page_size").fetchone() == (8192,)


def test_commits_are_synced(db: sqlite3.Connection) -> None:
    assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert db.execute("PRAGMA synchronous").fetchone() == (2,)


def test_tables_with_personal_data_say_so() -> None:
    """The comment above each table names its contact key and its retention, or that it has none."""
    script = "\n".join(schema.migrations())
    for match in re.finditer(r"((?:^--.*\n)+)CREATE TABLE (\w+)", script, re.MULTILINE):
        comment, table = match.groups()
        assert "contact key:" in comment or "No personal data" in comment, table
        assert re.search(r"Retention:|Kept|Sums", comment), table
    assert len(re.findall("CREATE TABLE", script)) == len(
        re.findall(r"^--.*\nCREATE TABLE", script, re.MULTILINE)
    )


SHORT = {"breakers", "counts", "calls", "alerts", "dead_addresses", "hops", "latest", "CONSTANT"}
"""Tables that stay small, or that only commands and clean-up read as a whole."""
LIVE = {"letters_due", "letters_hop", "letters_held", "letters_pressed"}
"""Indexes of what is under way only."""
LATEST_FIRST = ("WHERE 1 = 1 ORDER", "l.state = 'relayed' ORDER")
"""Lists of the latest letters: they read from the end and stop at their limit."""


async def test_nothing_reads_a_whole_table(
    tmp_path: Path, mail: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every statement of a message's life, explained: no long table is read from end to end."""
    said = set[str]()
    connect = schema.connect

    def listening(path: Path | str) -> sqlite3.Connection:
        db = connect(path)
        db.set_trace_callback(said.add)
        return db

    monkeypatch.setattr(schema, "connect", listening)
    store = await SqliteStore.open(tmp_path / "g.db")
    await _live(store, mail)
    await store.close()

    with closing(sqlite3.connect(tmp_path / "g.db")) as db:
        statements = [
            one
            for one in said
            if re.match(r"SELECT|UPDATE|DELETE|WITH|INSERT", one) and "dmarc_found" not in one
        ]
        assert len(statements) > 50
        for statement in statements:
            for *_, detail in db.execute(f"EXPLAIN QUERY PLAN {statement}"):
                scan = re.match(r"SCAN (?:\d+ )?(\w+)(?: USING (?:COVERING )?INDEX (\w+))?", detail)
                listing = any(words in statement for words in LATEST_FIRST)
                short = scan is None or scan[1] in SHORT or scan[2] in LIVE
                assert short or listing, (statement, detail)


async def _report(store: SqliteStore, mail: SimpleNamespace) -> None:
    """DMARC reports: counted, put off, sent."""
    for facts in ("a", "a", "b"):
        await store.record_dmarc(DmarcRow("author.example", facts), mail.NOW)
    for days in (2, 3):
        report = await store.claim_report(mail.NOW + timedelta(days=days))
        assert report is not None
        await store.put_report_off(report, mail.NOW)
    await store.end_report(report, mail.arrival("D1", ()), [mail.own("D1", "report", 1)])
    await store.record_dmarc(DmarcRow("author.example", "c"), mail.NOW)


async def _live(store: SqliteStore, mail: SimpleNamespace) -> None:
    """A bit of everything that happens while mail flows."""
    for number in range(3):
        queue_id = f"Q{number}"
        remembered = mail.memory(
            queue_id, claim=mail.claim(queue_id), call=mail.call(queue_id), phone="+15551234567"
        )
        letters = [mail.letter(queue_id), mail.acknowledgement(queue_id), mail.own(queue_id)]
        await store.keep(mail.arrival(queue_id), letters, mail.plan(remembered))
    await store.recall(
        mail.message(references=("<Q1@customer.example>", "<x@y.example>")), mail.NOW
    )
    for result in ("delayed", "failed", "relayed"):
        (job, *_) = await store.claim(mail.NOW, 1)
        await store.settle(
            job, mail.settlement(job, result, retry_at=mail.NOW + timedelta(hours=1)), mail.NOW
        )
    await store.claim(mail.NOW, 1, but_not=frozenset({"mailbox"}))
    await store.claim(mail.NOW + timedelta(hours=2), 10)
    await store.next_due()
    await store.hold("Q1", "why", "joe", mail.NOW)
    await store.release("Q1", "joe", mail.NOW)
    await store.drop("Q2", "joe", mail.NOW)
    await store.entry("Q1")
    await store.entries(states=["held"])
    await store.entries(limit=5)
    await store.entries(states=["queued", "deferred", "failed", "dropped", "relayed"])
    await store.notes("Q1")
    await store.original("Q1")
    await _report(store, mail)
    await store.keep_raw(mail.arrival("R1"), "broke")
    await store.release_raw("R1", [mail.letter("R1")], mail.plan(), "joe", mail.NOW)
    await store.clean(mail.NOW + timedelta(days=500), quarantine=timedelta(days=30))


async def test_a_store_of_version_1_goes_on(tmp_path: Path, mail: SimpleNamespace) -> None:
    """`version-1.sql` is what the code of that version left: delivered, delayed, leased, held."""
    path = tmp_path / "g.db"
    with closing(sqlite3.connect(path)) as db:
        db.executescript((Path(__file__).parent / "version-1.sql").read_text())
    store = await SqliteStore.open(path)
    (remark,) = store.remarks
    copy = tmp_path / "g.db.v1.backup"
    assert str(copy) in remark
    with closing(sqlite3.connect(copy)) as old:
        assert old.execute("PRAGMA user_version").fetchone() == (1,)
        assert old.execute("SELECT count(*) FROM letters").fetchone() == (7,)

    await store.reclaim()  # the one who held V2 is gone
    states = {entry.letter_id: entry.state for entry in await store.entries()}
    assert {id_: states[f"{id_}.1"] for id_ in ("V0", "V1", "V3")} == {
        "V0": "relayed", "V1": "deferred", "V3": "held",
    }  # fmt: skip
    await store.release("V3", "joe", mail.NOW)
    later = mail.NOW + timedelta(hours=2)
    jobs = await store.claim(later, 100)
    assert {"V1.1", "V2.1", "V3.1"} <= {job.letter_id for job in jobs}
    assert all(bytes(job.content).startswith(b"Subject: old") for job in jobs if job.prefix)
    for job in jobs:
        await store.settle(job, mail.settlement(job, "relayed"), later)
    balance = await store.balance()
    assert (balance.accepted, balance.delivered, balance.balanced) == (4, 4, True)
    assert [call.id for call in await store.calls()] == ["KV0"]
    history = await store.recall(mail.message("V9", "ann0@customer.example"), mail.NOW)
    assert (history.proven.letters_7_days, "shop" in history.acknowledged) == (1, True)
    report = await store.claim_report(mail.NOW + timedelta(days=2))
    assert report is not None
    assert report.rows == {'["facts"]': 4}
    await store.close()
