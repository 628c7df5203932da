"""When people answer: a site's opening hours and holidays, and sums in working time. Pure.

Hours are wall-clock times in the site's zone, turned into instants day by day, so a day with a
change of the clock has as many open minutes as really pass. Everything returned is in UTC.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import holidays as holiday_library

from gateway.settings import Calendar, WorkingTime

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MIDNIGHT = 24 * 60
HORIZON = 3660
"""Days that are searched for an opening: ten years, more than any list of holidays shuts."""

_SPAN = re.compile(r"(\d{1,2})[:.](\d\d)\s*[-–]\s*(\d{1,2})[:.](\d\d)")
_COUNTRY = re.compile(r"([A-Z]{2})(?:-([A-Z0-9]{1,4}))?")

Minutes = tuple[int, int]
"""A stretch of a day in minutes from midnight: (540, 1050) is 9:00-17:30."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """One opening: from `start` until just before `end`, in UTC."""

    start: datetime
    end: datetime


class WorkingHours:
    """One site's calendar. Raises ValueError saying how to mend it when it cannot be read."""

    def __init__(self, calendar: Calendar) -> None:
        self.zone = _zone(calendar.timezone)
        self.week = read_week(calendar.hours)
        self._closed_on, self._countries = _read_holidays(calendar.holidays)
        self._years: dict[int, frozenset[date]] = {}
        self._cut: dict[date, tuple[Stretch, ...]] = {}

    @property
    def always_open(self) -> bool:
        whole = all(day == ((0, MIDNIGHT),) for day in self.week)
        return whole and not (self._closed_on or self._countries)

    def is_open(self, at: datetime) -> bool:
        today = at.astimezone(self.zone).date()
        return any(stretch.start <= at < stretch.end for stretch in self.openings(today))

    def is_holiday(self, day: date) -> bool:
        return day in self._closed_on or day in self._holidays(day.year)

    def next_opening(self, at: datetime) -> datetime:
        """`at` itself when open, else the start of the next opening."""
        return max(at.astimezone(UTC), next(self._from(at)).start)

    def closing(self, at: datetime) -> datetime:
        """The end of the last opening of the day that `at` falls on, or of the next open day."""
        return self._last_opening(self.next_opening(at).astimezone(self.zone).date()).end

    def add(self, at: datetime, span: timedelta | WorkingTime) -> datetime:
        """So much later: by the clock for a duration, else in working hours or days.

        Working days end at the closing time of the last one; a letter that comes while closed
        counts as come at the next opening.
        """
        if isinstance(span, timedelta):
            return at.astimezone(UTC) + span
        if span.unit == "hours":
            return self.add_open(at, timedelta(hours=span.amount))
        day = self.next_opening(at).astimezone(self.zone).date()
        for _ in range(span.amount):
            day = self._next_working_day(day)
        return self._last_opening(day).end

    def add_open(self, at: datetime, span: timedelta) -> datetime:
        """The instant when the site will have been open for `span` since `at`."""
        for stretch in self._from(at):
            start = max(at.astimezone(UTC), stretch.start)
            if span <= stretch.end - start:
                return start + span
            span -= stretch.end - start
        raise AssertionError("openings never end")

    def openings(self, day: date) -> tuple[Stretch, ...]:
        """The openings that start on one day of the site's calendar, in order."""
        known = self._cut.get(day)
        if known is None:
            if len(self._cut) > HORIZON * 2:
                self._cut.clear()
            known = self._cut[day] = tuple(self._cut_day(day))
        return known

    def _cut_day(self, day: date) -> Iterator[Stretch]:
        if self.is_holiday(day):
            return
        for first, last in self.week[day.weekday()]:
            start, end = self._instant(day, first), self._instant(day, last)
            if start < end:  # a stretch can vanish in the hour that the clock skips
                yield Stretch(start, end)

    def _instant(self, day: date, minutes: int) -> datetime:
        days, rest = divmod(minutes, MIDNIGHT)
        local = datetime.combine(day + timedelta(days), time(*divmod(rest, 60)), self.zone)
        return local.astimezone(UTC)

    def _from(self, at: datetime) -> Iterator[Stretch]:
        """The openings that are not over at `at`, for ever."""
        day = at.astimezone(self.zone).date()
        shut = 0
        while True:
            stretches = self.openings(day)
            yield from (stretch for stretch in stretches if stretch.end > at)
            shut = 0 if stretches else shut + 1
            if shut > HORIZON:  # only a list of every day of ten years gets here
                yield Stretch(at.astimezone(UTC), datetime.max.replace(tzinfo=UTC))
            day += timedelta(days=1)

    def _last_opening(self, day: date) -> Stretch:
        for _ in range(HORIZON):
            if stretches := self.openings(day):
                return stretches[-1]
            day += timedelta(days=1)
        end = datetime.combine(day, time(), UTC)
        return Stretch(end, end)

    def _next_working_day(self, day: date) -> date:
        for _ in range(HORIZON):
            day += timedelta(days=1)
            if self.openings(day):
                break
        return day

    def _holidays(self, year: int) -> frozenset[date]:
        known = self._years.get(year)
        if known is None:
            known = self._years[year] = frozenset(
                day
                for country, part in self._countries
                for day in _country(country, part, year)
                if day.year == year
            )
        return known


# --- reading what the YAML says ------------------------------------------------------------------


def read_week(hours: Mapping[str, str]) -> tuple[tuple[Minutes, ...], ...]:
    """The stretches of each weekday from Monday on. Days that are not named are closed."""
    week: list[tuple[Minutes, ...]] = [()] * 7
    named: set[int] = set()
    for days, stretches in hours.items():
        read = read_stretches(stretches)
        for day in read_days(days):
            if day in named:
                raise ValueError(f"{DAYS[day]} stands twice in the hours; name each day once")
            named.add(day)
            week[day] = read
    if not any(week):
        raise ValueError('a site must be open at some time; write mon-fri: "9:00-17:00"')
    return tuple(week)


def read_days(text: str) -> tuple[int, ...]:
    """`mon-fri`, `sat`, `mon,wed,fri`, `fri-mon`: weekdays from 0."""
    days: list[int] = []
    for piece in text.lower().replace(" ", "").split(","):
        first, dash, last = piece.partition("-")
        if first not in DAYS or (dash and last not in DAYS):
            raise ValueError(
                f"'{text[:40]}' is no day or range of days; write mon-fri, sat or mon,wed"
            )
        start, end = DAYS.index(first), DAYS.index(last or first)
        days += [(start + step) % 7 for step in range((end - start) % 7 + 1)]
    return tuple(dict.fromkeys(days))


def read_stretches(text: str) -> tuple[Minutes, ...]:
    """`9:00-12:00, 13:00-17:30`, or `closed`."""
    if text.strip().lower() in ("", "closed"):
        return ()
    found: list[Minutes] = []
    for piece in text.split(","):
        match = _SPAN.fullmatch(piece.strip())
        if match is None:
            raise ValueError(
                f"'{piece.strip()[:40]}' is no stretch of hours; write 9:00-12:00, 13:00-17:30"
            )
        start, end = (_minutes(*match.group(i, i + 1)) for i in (1, 3))
        if start >= end:
            raise ValueError(
                f"'{piece.strip()}' ends before it starts; a night is two stretches, 22:00-24:00 "
                "and 0:00-6:00 of the next day"
            )
        found.append((start, end))
    found.sort()
    if any(first[1] > second[0] for first, second in pairwise(found)):
        raise ValueError(f"'{text[:60]}' has stretches that overlap; let each begin after the last")
    return tuple(found)


def _minutes(hour: str, minute: str) -> int:
    minutes = int(hour) * 60 + int(minute)
    if int(minute) > 59 or minutes > MIDNIGHT:
        raise ValueError(f"'{hour}:{minute}' is no time of day; the last is 24:00")
    return minutes


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(
            f"'{name[:60]}' is no time zone; write one such as Europe/Berlin or America/New_York"
        ) from None


def _read_holidays(
    value: str | Iterable[str],
) -> tuple[frozenset[date], tuple[tuple[str, str | None], ...]]:
    """Single dates, and countries with their parts."""
    days: set[date] = set()
    countries: list[tuple[str, str | None]] = []
    for item in [value] if isinstance(value, str) else value:
        if match := _COUNTRY.fullmatch(item.strip()):
            countries.append(_known_country(match[1], match[2]))
            continue
        try:
            days.add(date.fromisoformat(item.strip()))
        except ValueError:
            raise ValueError(
                f"'{item[:40]}' is no holiday; write a country such as US or DE-BY, "
                "or dates such as 2026-12-24"
            ) from None
    return frozenset(days), tuple(countries)


def _known_country(country: str, part: str | None) -> tuple[str, str | None]:
    try:
        _country(country, part, 2026)
    except NotImplementedError:
        known = holiday_library.list_supported_countries(include_aliases=True)
        if country not in known:
            raise ValueError(
                f"no holidays are known for the country '{country}'; list the dates instead"
            ) from None
        parts = ", ".join(known[country][:20]) or "none"
        raise ValueError(
            f"no holidays are known for the part '{part}' of {country}; known are {parts}"
        ) from None
    return country, part


def _country(country: str, part: str | None, year: int) -> Iterable[date]:
    # Of three years: a holiday that is kept on a near working day may fall into another year.
    return list(
        holiday_library.country_holidays(
            country, subdiv=part, years=range(year - 1, year + 2), expand=False
        )
    )
