"""Not one alert or notice for each letter in a storm: the first at once, then one in a while."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from gateway.journal import Journal

ALERT_EVERY = timedelta(minutes=15)
NOTICE_EVERY = timedelta(hours=1)
WARNINGS_EVERY = timedelta(hours=1)
WARNINGS_TO_ONE = 5
WARNINGS = 1000
"""Warnings of delay in that time, to one address and in all. An outage makes thousands of letters
late at the same time: their senders' servers are not to be flooded by us, nor our way out."""
SUCCESSES_TO_ONE = 60
SUCCESSES = 1000
"""The same of notices of success, which a client may ask for with each letter (RFC 3461)."""
REMEMBERED = 1000
"""Alerts remembered; beyond them one may come too often, never too seldom."""


def _is_within(span: timedelta, begin: datetime, now: datetime) -> bool:
    """Not before it either: a clock that was ahead and is set back must silence nothing."""
    return timedelta(0) <= now - begin < span


class AlertLimiter:
    """Passes an alert on to the journal unless the same was told a short while ago."""

    def __init__(self, journal: Journal, every: timedelta = ALERT_EVERY) -> None:
        self._journal = journal
        self._every = every
        self._told: dict[tuple[str, str], datetime] = {}

    def alert(self, what: str, now: datetime, about: str, **facts: str | int) -> None:
        """`about` is what the alert concerns: a next hop, a site."""
        key = (what, about)
        last = self._told.get(key)
        if last is not None and _is_within(self._every, last, now):
            return
        if len(self._told) >= REMEMBERED:
            self._told.clear()
        self._told[key] = now
        self._journal.alert(what, about=about, **facts)


@dataclass(slots=True)
class _Site:
    last: datetime | None = None
    untold: int = 0


class NoticeLimiter:
    """When the administrator may get the next notice about held letters, by site."""

    def __init__(self, every: timedelta = NOTICE_EVERY) -> None:
        self._every = every
        self._sites: dict[str, _Site] = {}

    def allows(self, site: str, now: datetime) -> bool:
        last = self._sites.get(site, _Site()).last
        return last is None or not _is_within(self._every, last, now)

    def untold(self, site: str) -> int:
        """Letters held since the last notice without one."""
        return self._sites.get(site, _Site()).untold

    def noted(self, site: str, now: datetime, *, told: bool) -> None:
        """A letter was held, with or without a notice."""
        state = self._sites.setdefault(site, _Site())
        if told:
            state.last, state.untold = now, 0
        else:
            state.untold += 1


class TellingLimiter:
    """How many senders are told something by mail; each of the processes has its part."""

    def __init__(self, to_one: int, in_all: int, processes: int = 1) -> None:
        self._to_one = ceil(to_one / processes)
        self._in_all = ceil(in_all / processes)
        self._since: datetime | None = None
        self._told = Counter[str]()

    def take(self, address: str, now: datetime) -> bool:
        """Whether one more may go to this address now; if so it is counted."""
        if self._since is None or not _is_within(WARNINGS_EVERY, self._since, now):
            self._since = now
            self._told.clear()
        key = address.lower()
        if self._told[key] >= self._to_one or self._told.total() >= self._in_all:
            return False
        self._told[key] += 1
        return True
