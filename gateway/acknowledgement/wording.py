"""Dates, times and opening hours as people write them in each language. Pure.

Own small tables: what the operating system knows of languages differs from host to host.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from gateway.calendar import MIDNIGHT, Minutes

TWELVE_HOURS = frozenset(("US", "CA", "AU", "NZ", "PH", "IN"))
"""Regions whose English tells the time with am and pm."""
MONTH_FIRST = frozenset(("US", "CA", "PH"))


@dataclass(frozen=True, slots=True)
class Language:
    """How one language names days and tells times; `write` joins them for a text to state."""

    days: tuple[str, ...]
    months: tuple[str, ...]
    write: Callable[[str, int, str, str], str]
    """Day's name, day of the month, month's name, time."""
    clock: Callable[[int, int], str]
    always: str
    """What a site that never closes says of its hours."""
    zones: tuple[tuple[str, str], ...] = ()
    """What it calls time zones otherwise than by their international letters."""


def _plain(hour: int, minute: int) -> str:
    return f"{hour}:{minute:02}"


def _twelve(hour: int, minute: int) -> str:
    half = "am" if hour % 24 < 12 else "pm"
    return f"{(hour - 1) % 12 + 1}:{minute:02} {half}"


def _french(hour: int, minute: int) -> str:
    return f"{hour} h {minute:02}" if minute else f"{hour} h"


def _portuguese(hour: int, minute: int) -> str:
    return f"{hour}h{minute:02}" if minute else f"{hour}h"


def _dutch(hour: int, minute: int) -> str:
    return f"{hour}.{minute:02}"


def _spanish_date(day: str, number: int, month: str, time: str) -> str:
    return f"{day} {number} de {month} a {'la' if time.startswith('1:') else 'las'} {time}"


def _italian_date(day: str, number: int, month: str, time: str) -> str:
    first = "1º" if number == 1 else str(number)
    return f"{day} {first} {month} {'all’' if time.startswith('1:') else 'alle '}{time}"


LANGUAGES: Mapping[str, Language] = {
    "en": Language(
        days=("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
        months=(
            "January", "February", "March", "April", "May", "June",
            "July", "August", "September", "October", "November", "December",
        ),
        write=lambda day, number, month, time: f"{day} {number} {month}, {time}",
        clock=_plain,
        always="day and night",
    ),
    "de": Language(
        days=("Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag", "Sonntag"),
        months=(
            "Januar", "Februar", "März", "April", "Mai", "Juni",
            "Juli", "August", "September", "Oktober", "November", "Dezember",
        ),
        write=lambda day, number, month, time: f"{day}, {number}. {month}, {time} Uhr",
        clock=_plain,
        always="Tag und Nacht",
        zones=(("CET", "MEZ"), ("CEST", "MESZ")),
    ),
    "fr": Language(
        days=("lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche"),
        months=(
            "janvier", "février", "mars", "avril", "mai", "juin",
            "juillet", "août", "septembre", "octobre", "novembre", "décembre",
        ),
        write=lambda day, number, month, time: (
            f"{day} {'1er' if number == 1 else number} {month} à {time}"
        ),
        clock=_french,
        always="jour et nuit",
    ),
    "es": Language(
        days=("lunes", "martes", "miércoles", "jueves", "viernes", "sábado", "domingo"),
        months=(
            "enero", "febrero", "marzo", "abril", "mayo", "junio",
            "julio", "agosto", "septiembre", "octubre", "noviembre", "diciembre",
        ),
        write=_spanish_date,
        clock=_plain,
        always="día y noche",
    ),
    "it": Language(
        days=("lunedì", "martedì", "mercoledì", "giovedì", "venerdì", "sabato", "domenica"),
        months=(
            "gennaio", "febbraio", "marzo", "aprile", "maggio", "giugno",
            "luglio", "agosto", "settembre", "ottobre", "novembre", "dicembre",
        ),
        write=_italian_date,
        clock=_plain,
        always="giorno e notte",
    ),
    "pt": Language(
        days=(
            "segunda-feira", "terça-feira", "quarta-feira", "quinta-feira", "sexta-feira",
            "sábado", "domingo",
        ),
        months=(
            "janeiro", "fevereiro", "março", "abril", "maio", "junho",
            "julho", "agosto", "setembro", "outubro", "novembro", "dezembro",
        ),
        write=lambda day, number, month, time: (
            f"{day}, {number} de {month}, {'à' if time.startswith('1h') else 'às'} {time}"
        ),
        clock=_portuguese,
        always="dia e noite",
    ),
    "nl": Language(
        days=("maandag", "dinsdag", "woensdag", "donderdag", "vrijdag", "zaterdag", "zondag"),
        months=(
            "januari", "februari", "maart", "april", "mei", "juni",
            "juli", "augustus", "september", "oktober", "november", "december",
        ),
        write=lambda day, number, month, time: f"{day} {number} {month} om {time} uur",
        clock=_dutch,
        always="dag en nacht",
    ),
}  # fmt: skip
DEFAULT = LANGUAGES["en"]


def speak(language: str, region: str = "") -> Language:
    """The tables for a language such as `de-AT`; English for one we have no tables for."""
    base = language.lower().partition("-")[0]
    if base != "en" and base in LANGUAGES:
        return LANGUAGES[base]
    twelve, month_first = region in TWELVE_HOURS, region in MONTH_FIRST
    return Language(
        days=DEFAULT.days,
        months=DEFAULT.months,
        write=_american_date if month_first else DEFAULT.write,
        clock=_twelve if twelve else _plain,
        always=DEFAULT.always,
    )


def _american_date(day: str, number: int, month: str, time: str) -> str:
    return f"{day}, {month} {number}, {time}"


def moment(at: datetime, zone: ZoneInfo, language: str, region: str = "") -> str:
    """`Monday, November 23, 5:30 pm EST`: an instant in the site's own time.

    Always with the date: 'tomorrow' is wrong for who reads it the next day.
    """
    local, words = at.astimezone(zone), speak(language, region)
    text = words.write(
        words.days[local.weekday()],
        local.day,
        words.months[local.month - 1],
        words.clock(local.hour, local.minute),
    )
    return f"{text} {zone_name(local, words)}"


def deadline(at: datetime, zone: ZoneInfo, language: str, region: str = "") -> str:
    """The same for the end of something: midnight belongs to the day that ends with it."""
    local = at.astimezone(zone)
    if local.hour == local.minute == 0:
        at -= timedelta(minutes=1)
    return moment(at, zone, language, region)


def zone_name(local: datetime, words: Language) -> str:
    """`EST`, or `UTC+3` where the zone has no letters."""
    name = local.tzname() or "UTC"
    if name[0] in "+-":
        offset = int((local.utcoffset() or timedelta()).total_seconds()) // 60
        hours, minutes = divmod(abs(offset), 60)
        name = f"UTC{'-' if offset < 0 else '+'}{hours}" + (f":{minutes:02}" if minutes else "")
    return dict(words.zones).get(name, name)


def opening_hours(week: tuple[tuple[Minutes, ...], ...], language: str, region: str = "") -> str:
    """`Monday–Friday 9:00–12:00, 13:00–17:30; Saturday 10:00–14:00`: the days that are open."""
    words = speak(language, region)
    if all(day == ((0, MIDNIGHT),) for day in week):
        return words.always
    parts = []
    for first, last in _alike(week):
        if not week[first]:
            continue
        days = words.days[first] + (f"–{words.days[last]}" if last > first else "")
        hours = ", ".join(
            f"{words.clock(*divmod(start, 60))}–{words.clock(*divmod(end, 60))}"
            for start, end in week[first]
        )
        parts.append(f"{days} {hours}")
    return "; ".join(parts)


def _alike(week: tuple[tuple[Minutes, ...], ...]) -> list[tuple[int, int]]:
    """Runs of neighbouring days with the same hours."""
    runs = [(0, 0)]
    for day in range(1, 7):
        first, last = runs[-1]
        if week[day] == week[last]:
            runs[-1] = (first, day)
        else:
            runs.append((day, day))
    return runs
