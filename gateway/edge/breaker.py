"""A circuit breaker for one next hop: stop asking one that is out of order, try again by itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    failures: int = 3
    """So many letters in a row that met a failure of the next hop open the breaker. One letter
    counts once, however often it is tried: it may be the letter that the next hop chokes on."""
    first: timedelta = timedelta(seconds=30)
    """How long it stays open at first; each time it opens again, twice as long."""
    max: timedelta = timedelta(minutes=5)


class Breaker:
    """Closed: all may go. Open: none. After its wait it is half open: one may go and decide."""

    def __init__(self, policy: BreakerPolicy) -> None:
        self._policy = policy
        self._failures = set[str]()
        """Letters that met a failure since the last success."""
        self._opened = 0
        self._until: datetime | None = None
        self._probing = False

    @property
    def closed(self) -> bool:
        return self._until is None

    @property
    def until(self) -> datetime | None:
        """When the next attempt may be made, None when it may be made at any time."""
        return self._until

    def half_open(self, now: datetime) -> bool:
        """Its wait is over: the next letter decides."""
        return self._until is not None and not self._waits(self._until, now)

    def _waits(self, until: datetime, now: datetime) -> bool:
        """A clock that was ahead and is set back must not make it wait for longer than it may."""
        return now < until <= now + self._policy.max

    def lets_through(self, now: datetime) -> bool:
        """Whether a letter may go now. In the half-open state the first that asks is the probe."""
        if self._until is None:
            return True
        waits = self._waits(self._until, now)
        self._until = self._until if waits else min(self._until, now)
        if waits or self._probing:
            return False
        self._probing = True
        return True

    def abandoned(self) -> None:
        """A letter that was let through told nothing about the next hop."""
        self._probing = False

    def succeeded(self) -> bool:
        """The next hop answered; tells whether the breaker was open."""
        was_open = not self.closed
        self._failures.clear()
        self._opened = 0
        self._until = None
        self._probing = False
        return was_open

    def failed(self, now: datetime, letter: str) -> bool:
        """The next hop did not answer a letter as it should; tells whether this opened the breaker.

        `letter` is its id.
        """
        was_closed = self.closed
        if was_closed:
            self._failures.add(letter)
            if len(self._failures) < self._policy.failures:
                return False
        if not was_closed and self._until is not None and self._waits(self._until, now):
            return False  # a straggler of before, or somebody who went past us
        wait = min(self._policy.first * (1 << min(self._opened, 20)), self._policy.max)
        self._opened += 1
        self._until = now + wait
        self._probing = False
        return was_closed
