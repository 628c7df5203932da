"""Rows made directly in a new store, so that a deep queue or a long memory is there in seconds."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

from gateway.store import schema

DAY = 86_400_000_000
NUMBERS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) "

QUEUE = (
    "INSERT INTO messages (number, queue_id, time, client_ip, helo, tls, user_name, protocol, "
    "envelope, smtputf8, body, contact, message_id, size, sha256, stored, content) "
    "SELECT i, 'FILL' || i, {now}, '192.0.2.1', 'mx.elsewhere.example', '', '', 'ESMTP', "
    "'[\"a@elsewhere.example\", \"support@site1.example\"]', 0, '', '', '', 300, zeroblob(32), "
    "'inline', zeroblob(300) FROM n",
    "INSERT INTO letters (number, id, message, kind, site, state, next_hop, backlog, due, "
    "attempts, some_held, why, answers, one_to_one, origin, accepted, size, reverse_path, "
    "smtputf8, answerable, tone, waits_for, message_id, cuts) "
    "SELECT i, 'FILL' || i || '.1', i, 'letter', 'bench', 'deferred', 'mailbox', 1, "
    "{now} + {day} + i, 3, 0, '', 1, 1, '', {now}, 300, 'a@elsewhere.example', 0, 1, 'neutral', "
    "'', '', '' FROM n",
    "INSERT INTO recipients (letter, position, address, state, attempts) "
    "SELECT i, 0, 'support@site1.example', 'deferred', 3 FROM n",
    "INSERT INTO contents (letter, prefix) SELECT i, zeroblob(200) FROM n",
)
"""Letters of yesterday that the next hop has put off until tomorrow."""

HISTORY = (
    "INSERT INTO contact_letters (contact, proven, at, queue_id, site, tone, irate) "
    "SELECT 'customer' || i || '@elsewhere.example', 1, {now} - i, 'PAST' || i, 'bench', "
    "'neutral', i % 50 = 0 FROM n",
    "INSERT INTO contact_phones (contact, proven, phone, at) "
    "SELECT 'customer' || i || '@elsewhere.example', 1, '+1212555' || i, {now} - i FROM n",
    "INSERT INTO threads (message_id, contact, conversation, ours, queue_id, at) "
    "SELECT '<' || i || '@elsewhere.example>', 'customer' || i || '@elsewhere.example', "
    "'c' || i, 0, 'PAST' || i, {now} - i FROM n",
    "INSERT INTO acknowledgements (contact, site, conversation, domain, at, letter_id) "
    "SELECT 'customer' || i || '@elsewhere.example', 'bench', 'c' || i, 'elsewhere.example', "
    "{now} - {day} - i, 'PAST' || i || '.1.ack' FROM n",
)
"""Contacts with one letter, one number, one conversation and one acknowledgement each."""


def fill(path: Path, statements: tuple[str, ...], count: int) -> None:
    """Make the store's file with `count` of what the statements tell."""
    db, _ = schema.open_new(path)
    now = int(time.time() * 1e6)
    with closing(db):
        db.execute("PRAGMA synchronous = OFF")
        if count:
            db.execute("BEGIN")
            for statement in statements:
                into, rows = statement.split(" SELECT ", 1)
                select = f"{into} {NUMBERS.format(count=count)} SELECT {rows}"
                db.execute(select.format(now=now, day=DAY))
            db.execute("COMMIT")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    path.chmod(0o600)


def under_way(path: Path) -> list[tuple[object, ...]]:
    """Letters that should have gone out, by state and lease: how many, and for how many seconds
    the oldest has been due."""
    if not path.exists():
        return []
    with closing(sqlite3.connect(path)) as db:
        return db.execute(
            "SELECT state, lease, attempts, count(*), (? - min(due)) / 1e6 FROM letters "
            "WHERE due IS NOT NULL AND (state = 'active' OR due <= ?) GROUP BY 1, 2, 3",
            (now := int(time.time() * 1e6), now),
        ).fetchall()
