"""Not one alert or notice for each letter in a storm: the first at once, then one in a while."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.journal import Journal

ALERT_EVERY = timedelta(minutes=15)
NOTICE_EVERY = timedelta(hours=1)
REMEMBERED = 1000
"""Alerts remembered; beyond them one may come too often, never too seldom."""


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
        if last is not None and now - last < self._every:
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
        return last is None or now - last >= self._every

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
