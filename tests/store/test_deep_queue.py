"""What a claim costs however long the queue is: counted in steps of SQLite's machine, not timed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.store import schema
from gateway.store.choosing import Turn
from gateway.store.claiming import APART, claim
from gateway.store.sql import Transaction

NOW, DAY, LEASE = 1_800_000_000_000_000, 86_400_000_000, 300_000_000
DEEP = 20_000
STEPS = 1000
FILL = (
    "INSERT INTO messages (number, queue_id, time, client_ip, helo, tls, user_name, protocol, "
    "envelope, smtputf8, body, contact, message_id, size, sha256, stored, content) "
    "SELECT i, 'q' || i, 0, '', '', '', '', '', '[]', 0, '', '', '', 3, x'', 'inline', x'686921' "
    "FROM n",
    "INSERT INTO letters (number, id, message, kind, site, state, next_hop, backlog, due, "
    "some_held, why, answers, one_to_one, origin, accepted, size, reverse_path, smtputf8, "
    "answerable, tone, waits_for, message_id, cuts) "
    f"SELECT i, 'q' || i || '.1', i, 'letter', 's', 'deferred', 'mailbox', 1, {NOW + DAY} + i, 0, "
    "'', 1, 1, '', 0, 3, '', 0, 0, '', '', '', '' FROM n",
    "INSERT INTO recipients (letter, position, address, state) SELECT i, 0, 'a@b', 'deferred' "
    "FROM n",
    "INSERT INTO contents (letter, prefix) SELECT i, x'' FROM n",
)


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Letters put off until tomorrow, and three that were struck twice, due now."""
    db, _ = schema.open_new(tmp_path / "deep.db")
    for statement in FILL:
        into, rows = statement.split(" SELECT ", 1)
        numbers = (
            f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {DEEP})"
        )
        db.execute(f"{into} {numbers} SELECT {rows}")
    db.execute("UPDATE letters SET strikes = 2, due = 1 WHERE number <= 3")
    yield db
    db.close()


def test_letters_struck_before_go_one_by_one_without_a_look_at_all_others(
    db: sqlite3.Connection,
) -> None:
    steps = 0

    def stepped() -> int:
        nonlocal steps
        steps += 1
        return 0

    db.set_progress_handler(stepped, STEPS)
    claimed = []
    for turn in range(3):
        now = NOW + turn * 2 * APART
        tx = Transaction(db, lambda _table: 0)
        jobs, _ = claim(
            tx, now, now + LEASE, 128, frozenset(), lambda _id: b"", lease="me:1", turn=Turn()
        )
        claimed.append([job.letter_id for job in jobs])
    assert claimed == [["q1.1"], [], []], "while one is under way the others wait"
    assert steps * STEPS < DEEP
