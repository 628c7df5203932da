"""Alerts and notices in a storm."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.edge.limiter import REMEMBERED, AlertLimiter, NoticeLimiter
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
