"""Names, dates, hours and promises as a customer reads them."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.acknowledgement.names import plain_name
from gateway.acknowledgement.promise import promise
from gateway.acknowledgement.wording import LANGUAGES, deadline, moment, opening_hours
from gateway.calendar import WorkingHours, read_week
from gateway.settings import Calendar, Route, Site

BERLIN, NEW_YORK = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")
AT = datetime(2026, 12, 1, 12, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("language", "region", "zone", "text"),
    [
        ("en", "US", NEW_YORK, "Tuesday, December 1, 7:30 am EST"),
        ("en", "GB", BERLIN, "Tuesday 1 December, 13:30 CET"),
        ("en", "AU", BERLIN, "Tuesday 1 December, 1:30 pm CET"),
        ("de", "DE", BERLIN, "Dienstag, 1. Dezember, 13:30 Uhr MEZ"),
        ("de-AT", "AT", BERLIN, "Dienstag, 1. Dezember, 13:30 Uhr MEZ"),
        ("fr", "FR", BERLIN, "mardi 1er décembre à 13 h 30 CET"),
        ("es", "ES", BERLIN, "martes 1 de diciembre a las 13:30 CET"),
        ("it", "IT", BERLIN, "martedì 1º dicembre alle 13:30 CET"),
        ("pt", "BR", ZoneInfo("America/Sao_Paulo"), "terça-feira, 1 de dezembro, às 9h30 UTC-3"),
        ("nl", "NL", BERLIN, "dinsdag 1 december om 13.30 uur CET"),
        ("en", "IN", ZoneInfo("Asia/Kolkata"), "Tuesday 1 December, 6:00 pm IST"),
        ("sv", "SE", BERLIN, "Tuesday 1 December, 13:30 CET"),
        ("en", "AE", ZoneInfo("Asia/Dubai"), "Tuesday 1 December, 16:30 UTC+4"),
        ("en", "NP", ZoneInfo("Asia/Kathmandu"), "Tuesday 1 December, 18:15 UTC+5:45"),
    ],
)
def test_moments(language: str, region: str, zone: ZoneInfo, text: str) -> None:
    assert moment(AT, zone, language, region) == text


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("es", "martes 1 de diciembre a la 1:05 CET"),
        ("it", "martedì 1º dicembre all’1:05 CET"),
        ("pt", "terça-feira, 1 de dezembro, à 1h05 CET"),
        ("fr", "mardi 1er décembre à 1 h 05 CET"),
    ],
)
def test_one_oclock_is_singular(language: str, text: str) -> None:
    assert moment(datetime(2026, 12, 1, 0, 5, tzinfo=UTC), BERLIN, language) == text


def test_midnight_ends_the_day_before() -> None:
    midnight = datetime(2026, 12, 1, 23, 0, tzinfo=UTC)
    assert deadline(midnight, BERLIN, "en") == "Tuesday 1 December, 23:59 CET"
    assert moment(midnight, BERLIN, "en") == "Wednesday 2 December, 0:00 CET"


def test_noon_and_midnight_with_am_and_pm() -> None:
    noon = datetime(2026, 12, 1, 17, 0, tzinfo=UTC)
    assert "12:00 pm" in moment(noon, NEW_YORK, "en", "US")
    assert "12:00 am" in moment(noon + timedelta(hours=12), NEW_YORK, "en", "US")


@pytest.mark.parametrize(
    ("hours", "language", "region", "text"),
    [
        ({"mon-fri": "9:00-17:30"}, "en", "US", "Monday–Friday 9:00 am–5:30 pm"),
        ({"mon-fri": "9:00-12:00, 13:00-17:30", "sat": "10:00-14:00"}, "de", "DE",
         "Montag–Freitag 9:00–12:00, 13:00–17:30; Samstag 10:00–14:00"),
        ({"mon,wed": "9:00-17:00"}, "fr", "FR", "lundi 9 h–17 h; mercredi 9 h–17 h"),
        ({"mon-sun": "0:00-24:00"}, "es", "ES", "día y noche"),
        ({"sun": "0:00-24:00"}, "nl", "NL", "zondag 0.00–24.00"),
    ],
)  # fmt: skip
def test_hours(hours: dict[str, str], language: str, region: str, text: str) -> None:
    assert opening_hours(read_week(hours), language, region) == text


@given(
    st.integers(0, 200_000).map(lambda n: AT + timedelta(minutes=37 * n)),
    st.sampled_from([*LANGUAGES, "xx", ""]),
    st.sampled_from(["US", "DE", ""]),
)
def test_every_moment_can_be_told(at: datetime, language: str, region: str) -> None:
    text = moment(at, BERLIN, language, region)
    assert str(at.astimezone(BERLIN).day) in text
    assert "\n" not in text


# --- names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("display", "name"),
    [
        ("Kim Lee", "Kim Lee"),
        ("  Kim   Lee ", "Kim Lee"),
        ('"Kim Lee"', "Kim Lee"),
        ("Lee, Kim", "Kim Lee"),
        ("K. O'Neil", "K. O'Neil"),
        ("Jörg Müller-Lüdenscheidt", "Jörg Müller-Lüdenscheidt"),
        ("Dr. Anna de la Cruz", "Dr. Anna de la Cruz"),
        ("山田 太郎", "山田 太郎"),
        ("Иван Петров", "Иван Петров"),
        ("عبد الله", "عبد الله"),
        ("", ""),
        ("K", ""),
        ("Info", ""),
        ("Customer Service", ""),
        ("kim@cust.example", ""),
        ("Kim Lee (via the web)", ""),
        ("Kim 2000", ""),
        ("www.evil.example", ""),
        ("Click http evil", ""),
        ("You have won a prize today friend", ""),
        ("Paypаl Support", ""),
        ("Kim аdmin", ""),  # a Cyrillic letter
        ("{{ 7 }}", ""),
        ("Kim\r\nBcc: x", ""),
        ("<b>Kim</b>", ""),
        ("Kim\u202eeeL", ""),
        ("x" * 51, ""),
        ("Lee, Kim, Jr", ""),
        ("=?utf-8?q?Kim?=", ""),
        ("Kim 🎈", ""),
    ],
)
def test_only_plain_names_are_said(display: str, name: str) -> None:
    assert plain_name(display) == name


@given(st.text(max_size=200))
def test_any_display_name_gives_letters_or_nothing(display: str) -> None:
    name = plain_name(display)
    assert len(name) <= 50
    assert all(letter.isalpha() or letter in " .'’-" for letter in name)


# --- promises -------------------------------------------------------------------------------------

SITE = Site(
    site="shop",
    domains=("shop.example",),
    next_hop="mailbox",
    routes=(Route(),),
    calendar=Calendar(timezone="UTC", hours={"mon-fri": "9:00-17:00"}, holidays=("2026-11-26",)),
)
HOURS = WorkingHours(SITE.calendar)


@pytest.mark.parametrize(
    ("span", "now", "until"),
    [
        (None, "2026-11-23T10:00", None),
        ("1 working day", "2026-11-23T10:00", "2026-11-24T17:00"),
        ("1 working day", "2026-11-23T17:00", "2026-11-25T17:00"),
        ("1 working day", "2026-11-25T10:00", "2026-11-27T17:00"),
        ("2 working days", "2026-11-27T10:00", "2026-12-01T17:00"),
        ("4 working hours", "2026-11-23T15:00", "2026-11-24T11:00"),
        ("4h", "2026-11-23T10:00", "2026-11-23T14:00"),
        ("4h", "2026-11-23T15:00", "2026-11-24T17:00"),
        ("4h", "2026-11-22T03:00", "2026-11-23T13:00"),
        ("24h", "2026-11-23T10:00", "2026-11-24T10:00"),
        ("24h", "2026-11-25T10:00", "2026-11-27T17:00"),
        ("24h", "2026-11-27T18:00", "2026-12-01T09:00"),
    ],
)
def test_promises_keep_to_the_calendar(span: str | None, now: str, until: str | None) -> None:
    route = Route.model_validate({"answer_within": span})
    at = datetime.fromisoformat(now).replace(tzinfo=UTC)
    wanted = datetime.fromisoformat(until).replace(tzinfo=UTC) if until else None
    assert promise(SITE, route, at, HOURS) == wanted
