"""Counting what DMARC found, and leasing the reports that are due (RFC 9990).

A report is a row with a time, claimed under a lease: whichever worker comes first makes it, and
if that worker dies another one does.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from datetime import timedelta

from gateway.message import Arrival
from gateway.plan import DmarcRow, Letter
from gateway.store import DmarcReport
from gateway.store.claiming import new_lease
from gateway.store.keeping import insert_letters, insert_message
from gateway.store.remembering import Ours, record_own
from gateway.store.sql import Connection, Transaction, moment, safe, span

DAY = span(timedelta(days=1))
FIRST, SPREAD = span(timedelta(minutes=30)), span(timedelta(hours=4))
"""A report is due so long after its day, and as long again at most: not all at midnight."""
MOST_KINDS = 5000
"""Different rows of one report; further ones are only counted."""
MOST_DOMAINS = 5000
"""Reports for one day; whoever makes up domains fills no disk."""


def record(tx: Transaction, row: DmarcRow, now: int) -> None:
    """Count one message for the report of its day; `write` does it for the whole group."""
    tx.dmarc[(safe(row.domain), now - now % DAY, safe(row.facts))] += 1


def write(db: Connection, found: Mapping[tuple[str, int, str], int], shard: str = "") -> None:
    """Count what a group found; always in the same order, as `counts.write` does."""
    for domain, day, facts in sorted(found):
        number = found[domain, day, facts]
        known = db.execute(
            "UPDATE dmarc_rows SET count = count + ? "
            "WHERE domain = ? AND day = ? AND facts = ? AND shard = ? RETURNING 1",
            (number, domain, day, facts, shard),
        ).fetchone()
        if not known and _has_room(db, domain, day, facts, number):
            db.execute(
                "INSERT INTO dmarc_rows (domain, day, facts, shard, count) VALUES (?, ?, ?, ?, ?)",
                (domain, day, facts, shard, number),
            )


def _has_room(db: Connection, domain: str, day: int, facts: str, number: int) -> bool:
    """Whether these facts may have a row; without room they are only counted."""
    if db.execute(
        "SELECT 1 FROM dmarc_rows WHERE domain = ? AND day = ? AND facts = ? LIMIT 1",
        (domain, day, facts),
    ).fetchone():
        return True
    kinds = _kinds(db, domain, day)
    if kinds is None:
        return False
    room = kinds < MOST_KINDS
    db.execute(
        "UPDATE dmarc_reports SET kinds = kinds + ?, left_out = left_out + ? "
        "WHERE domain = ? AND day = ?",
        (int(room), 0 if room else number, domain, day),
    )
    return room


def _kinds(db: Connection, domain: str, day: int) -> int | None:
    """How many rows the day's report for this domain has; None when there is no room for one."""
    row = db.execute(
        "SELECT kinds FROM dmarc_reports WHERE domain = ? AND day = ?", (domain, day)
    ).fetchone()
    if row is not None:
        return int(row[0])
    (reports,) = db.execute("SELECT count(*) FROM dmarc_reports WHERE day = ?", (day,)).fetchone()
    if reports >= MOST_DOMAINS:
        return None
    due = day + DAY + FIRST + zlib.crc32(domain.encode()) % SPREAD
    db.execute(
        "INSERT INTO dmarc_reports (domain, day, due) VALUES (?, ?, ?) "
        "ON CONFLICT (domain, day) DO NOTHING",
        (domain, day, due),
    )
    return 0


def claim(tx: Transaction, now: int, until: int, owner: str) -> DmarcReport | None:
    """Lease one report that is due, with all it says; None when there is none."""
    lease = new_lease(owner)
    row = tx.db.execute(
        "UPDATE dmarc_reports SET due = ?, lease = ?, attempts = attempts + 1 "
        "WHERE (domain, day) IN "
        "(SELECT domain, day FROM dmarc_reports WHERE due <= ? ORDER BY due LIMIT 1"
        "/*pg FOR UPDATE SKIP LOCKED*/) "
        "RETURNING domain, day, attempts, left_out",
        (until, lease, now),
    ).fetchone()
    if row is None:
        return None
    domain, day, attempts, left_out = row
    rows = tx.db.execute(
        "SELECT facts, sum(count) FROM dmarc_rows WHERE domain = ? AND day = ? GROUP BY facts",
        (domain, day),
    )
    found = {facts: int(count) for facts, count in rows}
    return DmarcReport(domain, moment(day), moment(day + DAY), found, left_out, attempts, lease)


def put_off(tx: Transaction, report: DmarcReport, day: int, due: int) -> None:
    tx.db.execute(
        "UPDATE dmarc_reports SET due = ?, lease = '' WHERE domain = ? AND day = ? AND lease = ?",
        (due, report.domain, day, report.lease),
    )


def end(
    tx: Transaction, report: DmarcReport, day: int, mail: Arrival | None, letters: Sequence[Letter]
) -> bool:
    """Forget a report, and keep its letters; False, and nothing done, if the lease was lost."""
    gone = tx.db.execute(
        "DELETE FROM dmarc_reports WHERE domain = ? AND day = ? AND lease = ? RETURNING 1",
        (report.domain, day, report.lease),
    ).fetchone()
    if gone is None:
        return False
    tx.db.execute("DELETE FROM dmarc_rows WHERE domain = ? AND day = ?", (report.domain, day))
    if mail is not None and letters:
        kept = insert_message(tx, mail)
        insert_letters(tx, kept, mail.queue_id, letters, kept.time)
        record_own(tx, [Ours(mail.queue_id, letters, "", kept.time)])
    return True
