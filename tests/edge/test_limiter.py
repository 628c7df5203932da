"""Alerts and notices in a storm."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.edge.limiter import (
    REMEMBERED,
    WARNINGS,
    WARNINGS_TO_ONE,
    AlertLimiter,
    NoticeLimiter,
    TellingLimiter,
)
from gateway.journal import Journal

START = datetime(2026, 11, 24, tzinfo=UTC)


def test_the_same_alert_is_told_once_in_a_while() -> None:
    told: list[dict[str, Any]] = []
    alerts = AlertLimiter(Journal([lambda _, facts: told.append(dict(facts))]))
    for minute in range(31):
        alerts.alert("down", START + timedelta(minutes=minute), "mailbox")
    alerts.alert("down", START, "outbound", id="q1.1")
    assert [entry["about"] for entry in told] == ["mailbox"] * 3 + ["outbound"]
    assert told[-1] == {"what": "down", "about": "outbound", "id": "q1.1"}


def test_alerts_about_many_things_take_bounded_memory() -> None:
    alerts = AlertLimiter(Journal([lambda *_: None]))
    for number in range(3 * REMEMBERED):
        alerts.alert("down", START, f"hop{number}")
    assert len(alerts._told) <= REMEMBERED


def test_notices_are_counted_until_the_next_may_go() -> None:
    notices = NoticeLimiter()
    assert notices.allows("shop", START)
    notices.noted("shop", START, told=True)
    assert not notices.allows("shop", START + timedelta(minutes=59))
    assert notices.allows("hosting", START)
    for _ in range(4):
        notices.noted("shop", START, told=False)
    assert notices.untold("shop") == 4
    assert notices.allows("shop", START + timedelta(minutes=60))
    notices.noted("shop", START + timedelta(minutes=60), told=True)
    assert notices.untold("shop") == 0


def test_warnings_are_bounded_to_one_and_in_all() -> None:
    warnings = TellingLimiter(WARNINGS_TO_ONE, WARNINGS)
    taken = [warnings.take(f"{'Jj'[n % 2]}ane@customer.example", START) for n in range(100)]
    assert taken.count(True) == WARNINGS_TO_ONE
    taken = [warnings.take(f"c{n}@customer.example", START) for n in range(2 * WARNINGS)]
    assert taken.count(True) == WARNINGS - WARNINGS_TO_ONE
    assert len(warnings._told) <= WARNINGS
    assert warnings.take("jane@customer.example", START + timedelta(hours=1))


def test_processes_share_what_may_be_warned_of() -> None:
    limiters = [TellingLimiter(WARNINGS_TO_ONE, WARNINGS, 4) for _ in range(4)]
    taken = [
        each.take(f"c{n}@customer.example", START) for each in limiters for n in range(WARNINGS)
    ]
    assert taken.count(True) == WARNINGS


def test_a_clock_that_was_ahead_silences_nothing() -> None:
    """It is set back by a year when the network comes."""
    told: list[str] = []
    ahead = START + timedelta(days=365)
    alerts = AlertLimiter(Journal([lambda event, _: told.append(event)]))
    notices, warnings = NoticeLimiter(), TellingLimiter(WARNINGS_TO_ONE, WARNINGS)
    for now in (ahead, START):
        alerts.alert("down", now, "mailbox")
        assert notices.allows("shop", now)
        notices.noted("shop", now, told=True)
        assert [warnings.take("a@b.example", now) for _ in range(9)].count(True) == WARNINGS_TO_ONE
    assert len(told) == 2
