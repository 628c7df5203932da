"""The circuit breaker: when it opens, when it lets one through, when it closes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from gateway.edge.breaker import Breaker, BreakerPolicy

START = datetime(2026, 11, 24, tzinfo=UTC)
POLICY = BreakerPolicy(failures=3, first=timedelta(seconds=30), max=timedelta(minutes=2))


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def opened() -> Breaker:
    breaker = Breaker(POLICY)
    assert [breaker.failed(START, str(number)) for number in range(3)] == [False, False, True]
    return breaker


def test_it_opens_after_failures_in_a_row() -> None:
    breaker = Breaker(POLICY)
    breaker.failed(START, "1")
    breaker.failed(START, "2")
    assert not breaker.succeeded()
    breaker.failed(START, "3")
    breaker.failed(START, "4")
    assert breaker.closed
    assert breaker.failed(START, "5")
    assert not breaker.lets_through(at(29))


def test_one_letter_counts_once() -> None:
    """However often it is tried: the next hop may choke on it, and be well otherwise."""
    breaker = Breaker(POLICY)
    for hour in range(100):
        assert not breaker.failed(at(3600 * hour), "the one")
    assert breaker.closed
    assert not breaker.failed(START, "another")
    assert breaker.failed(START, "a third")


def test_half_open_lets_one_through() -> None:
    breaker = opened()
    assert not breaker.half_open(at(29))
    assert breaker.half_open(at(30))
    assert breaker.lets_through(at(30))
    assert not breaker.lets_through(at(30))
    assert breaker.succeeded()
    assert breaker.lets_through(at(31))
    assert breaker.lets_through(at(31))


def test_each_time_it_opens_for_longer_up_to_a_bound() -> None:
    breaker = opened()
    now, waits = START, []
    for _ in range(5):
        assert breaker.until is not None
        waits.append((breaker.until - now).total_seconds())
        now = breaker.until
        assert breaker.lets_through(now)
        assert not breaker.failed(now, "1"), "that it is still down is no news"
    assert waits == [30, 60, 120, 120, 120]
    breaker.succeeded()
    again = [breaker.failed(now, str(number)) for number in range(3)]
    assert again == [False, False, True]
    assert breaker.until == now + timedelta(seconds=30)


def test_a_clock_that_was_ahead_keeps_it_open_no_longer() -> None:
    breaker = Breaker(POLICY)
    for number in range(3):
        breaker.failed(START + timedelta(days=365), str(number))
    assert breaker.half_open(START)
    assert breaker.lets_through(START)
    assert not breaker.lets_through(START)
    assert breaker.until == START, "nor are letters put off until then"
    assert not breaker.failed(START, "1")
    assert breaker.until is not None
    assert breaker.until <= START + POLICY.max
    assert not breaker.lets_through(at(1))


def test_stragglers_do_not_make_it_worse() -> None:
    breaker = opened()
    for second in range(10):
        breaker.failed(at(second), str(second))
    assert breaker.until == at(30)


def test_a_probe_that_told_nothing_lets_the_next_one_go() -> None:
    breaker = opened()
    assert breaker.lets_through(at(30))
    breaker.abandoned()
    assert breaker.lets_through(at(31))
