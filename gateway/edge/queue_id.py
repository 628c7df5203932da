"""Queue ids: short, unique over processes and restarts, sorted by time, easy to read out.

Fifteen digits and capital letters: nine of milliseconds, four of the process, two of a counter.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Thirty-two signs in ASCII order, so that ids sort by time; none looks like another."""
PROCESSES = 32**4
PER_MILLISECOND = 32**2

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_PAIRS = tuple(high + low for high in ALPHABET for low in ALPHABET)
_PAIR = 10
"""Bits that two signs spell."""


def _spell(number: int, pairs: int) -> str:
    """The low bits of a number in so many pairs of signs, most significant first."""
    shifts = range(_PAIR * (pairs - 1), -1, -_PAIR)
    return "".join([_PAIRS[number >> shift & (len(_PAIRS) - 1)] for shift in shifts])


def queue_id(milliseconds: int, process: int, counter: int) -> str:
    """The id of the `counter`-th message that `process` took in that millisecond since 1970."""
    return _spell(milliseconds, 5)[1:] + _spell(process, 2) + _spell(counter, 1)


class QueueIds:
    """The ids one process gives. They only ever rise, even when the clock is set back."""

    def __init__(self, process: int) -> None:
        """`process` must differ between processes alive at the same time: a random number will."""
        self._process = process % PROCESSES
        self._last = -1
        self._counter = 0

    def next(self, time: datetime) -> str:
        milliseconds = max((time - _EPOCH) // _MILLISECOND, self._last)
        if milliseconds > self._last:
            self._counter = 0
        elif self._counter + 1 < PER_MILLISECOND:
            self._counter += 1
        else:
            milliseconds += 1
            self._counter = 0
        self._last = milliseconds
        return queue_id(milliseconds, self._process, self._counter)
