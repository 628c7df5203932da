"""Opening hours, holidays and sums in working time, across clock changes and year ends."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.calendar import WorkingHours, read_days, read_stretches, read_week
from gateway.settings import Calendar, WorkingTime

NEW_YORK, BERLIN = ZoneInfo("America/New_York"), ZoneInfo("Europe/Berlin")


def hours(
    timezone: str = "America/New_York",
    holidays: str | tuple[str, ...] = (),
    **days: str,
) -> WorkingHours:
    week = {name.replace("_", "-"): text for name, text in days.items()}
    return WorkingHours(
        Calendar(timezone=timezone, hours=week or {"mon-fri": "9:00-17:30"}, holidays=holidays)
    )


def local(text: str, zone: ZoneInfo = NEW_YORK) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone)


def days(amount: int) -> WorkingTime:
    return WorkingTime(amount=amount, unit="days")


def working_hours(amount: int) -> WorkingTime:
    return WorkingTime(amount=amount, unit="hours")


SHOP = hours(holidays="US")
BREAK = hours("Europe/Berlin", "DE-BY", mon_fri="9:00-12:00, 13:00-17:30", sat="10:00-14:00")
ALWAYS = hours("Europe/Berlin", mon_sun="0:00-24:00")
NIGHT = hours("Europe/Berlin", sun="0:00-6:00")


@pytest.mark.parametrize(
    ("calendar", "at", "open_"),
    [
        (SHOP, local("2026-11-23T09:00"), True),
        (SHOP, local("2026-11-23T08:59:59"), False),
        (SHOP, local("2026-11-23T17:29:59"), True),
        (SHOP, local("2026-11-23T17:30"), False),
        (SHOP, local("2026-11-22T12:00"), False),  # Sunday
        (SHOP, local("2026-11-26T12:00"), False),  # Thanksgiving
        (SHOP, local("2026-11-27T12:00"), True),
        (SHOP, local("2026-12-25T12:00"), False),
        (SHOP, local("2027-01-01T12:00"), False),
        (SHOP, local("2026-07-03T12:00"), False),  # Independence Day kept on Friday
        (BREAK, local("2026-11-23T12:30", BERLIN), False),
        (BREAK, local("2026-11-23T13:00", BERLIN), True),
        (BREAK, local("2026-11-21T13:59", BERLIN), True),
        (BREAK, local("2026-11-21T14:00", BERLIN), False),
        (BREAK, local("2026-01-06T11:00", BERLIN), False),  # Epiphany, in Bavaria
        (hours("Europe/Berlin", "DE"), local("2026-01-06T11:00", BERLIN), True),
        (ALWAYS, local("2026-11-22T03:00", BERLIN), True),
        (ALWAYS, local("2026-12-25T23:59:59", BERLIN), True),
        (SHOP, datetime(2026, 11, 23, 14, 0, tzinfo=UTC), True),  # 9:00 in winter
        (SHOP, datetime(2026, 6, 22, 13, 0, tzinfo=UTC), True),  # 9:00 in summer
        (SHOP, datetime(2026, 11, 23, 13, 30, tzinfo=UTC), False),
    ],
)
def test_is_open(calendar: WorkingHours, at: datetime, open_: bool) -> None:
    assert calendar.is_open(at) is open_


@pytest.mark.parametrize(
    ("calendar", "at", "opens"),
    [
        (SHOP, "2026-11-23T12:00", "2026-11-23T12:00"),
        (SHOP, "2026-11-23T06:00", "2026-11-23T09:00"),
        (SHOP, "2026-11-20T18:00", "2026-11-23T09:00"),
        (SHOP, "2026-11-25T17:30", "2026-11-27T09:00"),
        (SHOP, "2026-12-24T18:00", "2026-12-28T09:00"),
        (SHOP, "2026-12-31T18:00", "2027-01-04T09:00"),
        (BREAK, "2026-11-23T12:15", "2026-11-23T13:00"),
        (BREAK, "2026-12-31T17:30", "2027-01-02T10:00"),
    ],
)
def test_next_opening(calendar: WorkingHours, at: str, opens: str) -> None:
    assert calendar.next_opening(local(at, calendar.zone)) == local(opens, calendar.zone)


@pytest.mark.parametrize(
    ("calendar", "at", "span", "end"),
    [
        # Working hours are counted while open.
        (SHOP, "2026-11-23T10:00", working_hours(4), "2026-11-23T14:00"),
        (SHOP, "2026-11-23T16:00", working_hours(4), "2026-11-24T11:30"),
        (SHOP, "2026-11-20T17:00", working_hours(1), "2026-11-23T09:30"),
        (SHOP, "2026-11-23T09:00", WorkingTime(amount=17, unit="hours"), "2026-11-24T17:30"),
        (BREAK, "2026-11-23T11:00", working_hours(2), "2026-11-23T14:00"),
        (BREAK, "2026-11-20T17:00", working_hours(2), "2026-11-21T11:30"),
        (ALWAYS, "2026-11-20T17:00", working_hours(48), "2026-11-22T17:00"),
        # Working days end when the last of them closes.
        (SHOP, "2026-11-23T10:00", days(1), "2026-11-24T17:30"),
        (SHOP, "2026-11-23T07:00", days(1), "2026-11-24T17:30"),
        (SHOP, "2026-11-23T20:00", days(1), "2026-11-25T17:30"),
        (SHOP, "2026-11-21T10:00", days(1), "2026-11-24T17:30"),
        (SHOP, "2026-11-25T10:00", days(1), "2026-11-27T17:30"),
        (SHOP, "2026-12-30T10:00", days(2), "2027-01-04T17:30"),
        (SHOP, "2026-11-23T10:00", days(0), "2026-11-23T17:30"),
        (BREAK, "2026-11-20T10:00", days(1), "2026-11-21T14:00"),
        (ALWAYS, "2026-11-20T10:00", days(1), "2026-11-22T00:00"),
        # Plain durations run by the clock.
        (SHOP, "2026-11-20T17:00", timedelta(hours=4), "2026-11-20T21:00"),
        # The night the clock goes back has an hour more, the other one less.
        (NIGHT, "2026-10-25T00:00", working_hours(7), "2026-10-25T06:00"),
        (NIGHT, "2026-03-29T00:00", working_hours(5), "2026-03-29T06:00"),
        (SHOP, "2026-10-30T10:00", days(1), "2026-11-02T17:30"),
        (SHOP, "2026-03-06T10:00", days(1), "2026-03-09T17:30"),
    ],
)
def test_add(calendar: WorkingHours, at: str, span: timedelta | WorkingTime, end: str) -> None:
    found = calendar.add(local(at, calendar.zone), span)
    assert found == local(end, calendar.zone)
    assert found.tzinfo is UTC


def test_add_open_runs_only_while_open() -> None:
    half_an_hour = timedelta(minutes=30)
    friday = local("2026-11-20T17:20")
    assert SHOP.add_open(friday, half_an_hour) == local("2026-11-23T09:20")
    assert SHOP.add_open(local("2026-11-21T03:00"), half_an_hour) == local("2026-11-23T09:30")


def test_closing() -> None:
    assert BREAK.closing(local("2026-11-23T10:00", BERLIN)) == local("2026-11-23T17:30", BERLIN)
    assert BREAK.closing(local("2026-11-23T18:00", BERLIN)) == local("2026-11-24T17:30", BERLIN)


def test_the_hour_that_the_clock_skips() -> None:
    # 2:00 to 3:00 does not exist on this day: an opening within it moves, one across its end goes.
    day = date(2026, 3, 29)
    moved, gone = hours("Europe/Berlin", sun="2:15-2:45"), hours("Europe/Berlin", sun="2:30-3:00")
    assert [stretch.start for stretch in moved.openings(day)] == [
        datetime(2026, 3, 29, 1, 15, tzinfo=UTC)
    ]
    assert gone.openings(day) == ()
    assert gone.next_opening(local("2026-03-29T00:00", BERLIN)) == local("2026-04-05T02:30", BERLIN)


def test_a_year_of_holidays_ends() -> None:
    every_day = tuple(str(date(2026, 1, 1) + timedelta(n)) for n in range(365))
    assert hours(holidays=every_day).next_opening(local("2026-03-01T12:00")) == local(
        "2027-01-01T09:00"
    )


def test_dates_and_countries_may_be_mixed() -> None:
    both = hours("Europe/Berlin", ("DE-BY", "2026-12-24"))
    assert both.is_holiday(date(2026, 12, 24))
    assert both.is_holiday(date(2026, 12, 25))
    assert not both.is_holiday(date(2026, 12, 23))


def test_always_open() -> None:
    assert ALWAYS.always_open
    assert not SHOP.always_open


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("mon-fri", (0, 1, 2, 3, 4)),
        ("sat", (5,)),
        ("mon,wed, fri", (0, 2, 4)),
        ("fri-mon", (4, 5, 6, 0)),
        ("Mon-Sun", (0, 1, 2, 3, 4, 5, 6)),
        ("mon,mon-tue", (0, 1)),
    ],
)
def test_days(text: str, read: tuple[int, ...]) -> None:
    assert read_days(text) == read


def test_stretches() -> None:
    assert read_stretches("13:00-17:30, 9:00-12:00") == ((540, 720), (780, 1050))
    assert read_stretches("0:00-24:00") == ((0, 1440),)
    assert read_stretches("closed") == ()
    assert read_week({"mon-fri": "9:00-17:00", "sat": "closed"})[5] == ()


@pytest.mark.parametrize(
    ("calendar", "told"),
    [
        ({"hours": {"monday": "9:00-17:00"}}, "write mon-fri"),
        ({"hours": {"mon-": "9:00-17:00"}}, "write mon-fri"),
        ({"hours": {"mon": "9-17"}}, "write 9:00-12:00"),
        ({"hours": {"mon": "17:00-9:00"}}, "22:00-24:00"),
        ({"hours": {"mon": "9:00-25:00"}}, "the last is 24:00"),
        ({"hours": {"mon": "9:00-10:75"}}, "no time of day"),
        ({"hours": {"mon": "9:00-12:00, 11:00-13:00"}}, "overlap"),
        ({"hours": {"mon": "9:00-12:00", "mon-fri": "9:00-17:00"}}, "stands twice"),
        ({"hours": {}}, "open at some time"),
        ({"hours": {"mon": "closed"}}, "open at some time"),
        ({"timezone": "Mars/Olympus"}, "no time zone"),
        ({"timezone": "../etc/passwd"}, "no time zone"),
        ({"holidays": "XX"}, "list the dates"),
        ({"holidays": "DE-XX"}, "known are"),
        ({"holidays": ("24.12.2026",)}, "no holiday"),
    ],
)
def test_mistakes_say_how_to_mend_them(calendar: dict[str, object], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        WorkingHours(Calendar.model_validate(calendar))


# --- properties -----------------------------------------------------------------------------------

instants = st.integers(0, 3 * 365 * 86400).map(
    lambda second: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=second)
)
calendars = st.sampled_from([SHOP, BREAK, ALWAYS, NIGHT, hours("Australia/Lord_Howe")])
minutes = st.integers(0, 5000).map(lambda n: timedelta(minutes=n))


@given(calendars, instants)
def test_next_opening_is_open_and_the_first(calendar: WorkingHours, at: datetime) -> None:
    opening = calendar.next_opening(at)
    assert opening >= at
    assert calendar.is_open(opening)
    if opening > at:
        assert not calendar.is_open(at)
        assert not calendar.is_open(opening - timedelta(microseconds=1))


@given(calendars, instants, minutes, minutes)
def test_add_open_is_monotone(
    calendar: WorkingHours, at: datetime, span: timedelta, more: timedelta
) -> None:
    end = calendar.add_open(at, span)
    assert at <= end <= calendar.add_open(at, span + more)
    assert end <= calendar.add_open(at + more, span)


@given(calendars, instants, minutes)
def test_add_open_ends_in_an_opening(calendar: WorkingHours, at: datetime, span: timedelta) -> None:
    """The end is open, or the very instant of closing."""
    end = calendar.add_open(at, span)
    assert calendar.is_open(end) or calendar.is_open(end - timedelta(microseconds=1))


@given(calendars, instants, st.integers(0, 20))
def test_working_days_end_at_a_closing_time(
    calendar: WorkingHours, at: datetime, amount: int
) -> None:
    end = calendar.add(at, days(amount))
    assert end >= at
    assert calendar.is_open(end - timedelta(microseconds=1))
    assert end <= calendar.add(at, days(amount + 1))
