"""DMARC reports: counted in the transaction that keeps a message, leased, ended once."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gateway.plan import DmarcRow
from gateway.store import reports

BEGIN = datetime(2026, 11, 23, tzinfo=UTC)
AFTER = BEGIN + timedelta(days=1, hours=5)


def row(facts: str = "a", domain: str = "author.example") -> DmarcRow:
    return DmarcRow(domain, facts)


async def keep(store, mail, queue_id: str, dmarc: DmarcRow | None, **more) -> None:
    plan = replace(mail.plan(), dmarc=dmarc)
    await store.keep(mail.arrival(queue_id, **more), [mail.letter(queue_id)], plan)


async def test_equal_findings_are_counted(store, mail):
    await keep(store, mail, "Q1", row("a"))
    await keep(store, mail, "Q2", row("a"))
    await keep(store, mail, "Q3", row("b"))
    await keep(store, mail, "Q4", None)
    await store.record_dmarc(row("b"), mail.NOW)
    report = await store.claim_report(AFTER)
    assert (report.domain, report.begin, report.end) == (
        "author.example",
        BEGIN,
        BEGIN + timedelta(days=1),
    )
    assert dict(report.rows) == {"a": 2, "b": 2}
    assert report.left_out == 0
    assert await store.claim_report(AFTER) is None


async def test_what_is_not_kept_is_not_counted(store, mail):
    plan = replace(mail.plan(), dmarc=row())
    twice = [mail.letter("Q1"), replace(mail.letter("Q1"), origin=())]  # the same id
    with pytest.raises(Exception, match=r"UNIQUE|unique"):
        await store.keep(mail.arrival("Q1"), twice, plan)
    assert await store.claim_report(AFTER) is None


async def test_a_report_is_due_after_its_day(store, mail):
    await keep(store, mail, "Q1", row())
    await keep(store, mail, "Q2", row(), time=BEGIN + timedelta(days=1))
    assert await store.claim_report(BEGIN + timedelta(days=1)) is None
    assert (await store.claim_report(AFTER)).begin == BEGIN
    assert await store.claim_report(AFTER) is None


async def test_a_lease_ends_and_the_one_who_lost_it_changes_nothing(store, mail):
    await keep(store, mail, "Q1", row())
    first = await store.claim_report(AFTER)
    second = await store.claim_report(AFTER + timedelta(minutes=6))
    assert (first.attempts, second.attempts) == (1, 2)
    sent = mail.arrival("R1", ())
    letters = [mail.own("R1", "report", 1)]
    await store.put_report_off(first, AFTER)
    assert not await store.end_report(first, sent, letters)
    assert await store.end_report(second, sent, letters)
    assert not await store.end_report(second, sent, letters)
    assert [entry.letter_id for entry in await store.entry("R1")] == ["R1.1"]
    assert await store.claim_report(AFTER + timedelta(days=9)) is None


async def test_the_letters_are_delivered_and_the_books_balance(store, mail, keeper):
    await keep(store, mail, "Q1", row())
    report = await store.claim_report(AFTER)
    await store.end_report(report, mail.arrival("R1", ()), [mail.own("R1", "report", 1)])
    assert await keeper.settle_all(now=AFTER) == 2
    balance = await store.balance()
    assert balance.balanced
    assert (balance.accepted, dict(balance.generated)) == (1, {"relayed": 1})


async def test_put_off_until_its_time(store, mail):
    await keep(store, mail, "Q1", row())
    report = await store.claim_report(AFTER)
    await store.put_report_off(report, AFTER + timedelta(hours=1))
    assert await store.claim_report(AFTER + timedelta(minutes=59)) is None
    assert (await store.claim_report(AFTER + timedelta(hours=1))).rows == {"a": 1}


async def test_one_report_is_bounded(store, mail, monkeypatch):
    monkeypatch.setattr(reports, "MOST_KINDS", 3)
    for number in range(5):
        for _ in range(2):
            await store.record_dmarc(row(str(number)), mail.NOW)
    report = await store.claim_report(AFTER)
    assert report.rows == {"0": 2, "1": 2, "2": 2}
    assert report.left_out == 4


async def test_reports_are_bounded(store, mail, monkeypatch):
    monkeypatch.setattr(reports, "MOST_DOMAINS", 3)
    for number in range(5):
        await store.record_dmarc(row(domain=f"{number}.example"), mail.NOW)
    found = [await store.claim_report(AFTER) for _ in range(4)]
    assert sorted(report.domain for report in found if report) == [
        "0.example",
        "1.example",
        "2.example",
    ]


async def test_what_nobody_sends_is_forgotten(store, mail):
    await keep(store, mail, "Q1", row())
    await store.clean(AFTER + timedelta(days=500))
    assert await store.claim_report(AFTER + timedelta(days=500)) is None
