"""From octets to a Message: the second stop of the route. Never raises; damage becomes `defects`.

The original octets stay the truth; what is read here serves the filters, the rules and the agent's
tags. Every amount is bounded, and what a bound left unread is said in `unread`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_to_datetime

from gateway import mime
from gateway.addresses import MAILBOXES_MAX, mailboxes
from gateway.header import VALUE_MAX, Decoded, Section, split
from gateway.message import Address, Arrival, Field, Message

SUBJECT_MAX = 2000
"""Letters of the subject that are read."""
REFERENCES_MAX = 100
"""Message-IDs read in References and In-Reply-To."""
DEFECTS_MAX = 20

_MSG_ID = re.compile(r"<[^<>\s]{1,998}>")
_DATE = re.compile(
    r"(?:[A-Za-z]{3}, ?)?(\d{1,2}) ([A-Za-z]{3}) (\d{4}) (\d\d):(\d\d)(?::(\d\d))? "
    r"([+-])(\d\d)([0-5]\d)(?: \([^()]{0,40}\))?"
)
_MONTH_NAMES = "janfebmaraprmayjunjulaugsepoctnovdec"
_SHOWN = frozenset(("from", "subject", "content-type", "content-transfer-encoding"))
_SINGLE = ("from", "subject", "date", "to", "cc", "reply-to", "message-id", "content-type")


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much of a message is read (decisions.md, Bounds)."""

    text: int = 65536
    """Letters of text to the models; of HTML source four times as many."""
    fields: int = 1000
    parts: int = 500
    depth: int = 50
    links: int = 200


def parse(arrival: Arrival, bounds: Bounds | None = None) -> Message:
    """Read one arrival. Work and memory are bounded by `bounds` and linear in the content."""
    bounds = bounds or DEFAULT
    content = arrival.content
    section = split(content, bounds.fields)
    decoded = Decoded(_read_fields(section, bounds.fields))
    try:
        body = mime.read(
            content,
            section.body_start,
            decoded.raws,
            text=bounds.text,
            parts=bounds.parts,
            depth=bounds.depth,
        )
    except Exception:  # whatever it was: the letter goes on, tagged
        body = mime.Body(defects=("unreadable body",))
    authors = _authors(section)
    return Message(
        arrival=arrival,
        fields=section.fields,
        body_start=section.body_start,
        authors=authors,
        reply_to=_mailboxes(decoded, "reply-to"),
        to=_mailboxes(decoded, "to"),
        cc=_mailboxes(decoded, "cc"),
        subject=decoded.first("subject")[:SUBJECT_MAX],
        date=_date(decoded.first("date")),
        message_id=_message_id(decoded),
        in_reply_to=_references(decoded, "in-reply-to"),
        references=_references(decoded, "references"),
        plain=body.plain,
        html=body.html,
        content_types=body.content_types or ("text/plain",),
        attachments=body.attachments,
        defects=_defects(section, decoded, authors, body.defects),
        unread=section.unread + body.unread,
        decoded=decoded,
        whole=section.whole,
    )


DEFAULT = Bounds()


def _read_fields(section: Section, bound: int) -> tuple[Field, ...]:
    """The first `bound` fields, and below them those that a reader is shown all the same."""
    rest = [field for field in section.fields[bound:] if field.name in _SHOWN]
    return (*section.fields[:bound], *rest[:bound])


def _authors(section: Section) -> tuple[Address, ...]:
    """The mailboxes of all From fields, wherever they stand; none if any is left unread."""
    values = [field.value for field in section.fields if field.name == "from"]
    if len(values) > MAILBOXES_MAX or sum(map(len, values)) > VALUE_MAX:
        return ()
    found = tuple([address for value in values for address in mailboxes(value)])
    return found if len(found) < MAILBOXES_MAX else ()


def _mailboxes(decoded: Decoded, name: str) -> tuple[Address, ...]:
    values = decoded.raws.get(name)
    if not values:
        return ()
    if len(values) == 1:
        return mailboxes(values[0])
    found: list[Address] = []
    left = VALUE_MAX  # a field's worth of octets, in however many fields
    for value in values:
        found += mailboxes(value[:left])
        left -= len(value)
        if left <= 0:
            break
    return tuple(found)


def _message_id(decoded: Decoded) -> str:
    match = _MSG_ID.search(decoded.first("message-id"))
    return match[0] if match else ""


def _references(decoded: Decoded, name: str) -> tuple[str, ...]:
    """The msg-ids of a field (RFC 5322, 3.6.4): the last ones are the nearest."""
    text = decoded.first(name)
    return tuple(_MSG_ID.findall(text)[-REFERENCES_MAX:]) if text else ()


def _date(text: str) -> datetime | None:
    """RFC 5322, 3.3. The common form by pattern, the rest by the standard library."""
    if not text:
        return None
    try:
        match = _DATE.fullmatch(text)
        if not match:
            date = parsedate_to_datetime(text[:100])
            return date if date.tzinfo else date.replace(tzinfo=UTC)
        day, month, year, hour, minute, second, sign, hours, minutes = match.groups()
        offset = int(hours) * 60 + int(minutes)
        zone = _zone(-offset if sign == "-" else offset)
        clock = int(hour), int(minute), min(int(second or 0), 59)
        number = _MONTH_NAMES.index(month.lower()) // 3 + 1
        return datetime(int(year), number, int(day), *clock, tzinfo=zone)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _zone(minutes: int) -> timezone:
    return timezone(timedelta(minutes=minutes)) if minutes else UTC


def _defects(
    section: Section, decoded: Decoded, authors: tuple[Address, ...], body: tuple[str, ...]
) -> tuple[str, ...]:
    found = list(section.defects)
    raws = decoded.raws
    if "from" not in raws:
        found.append("no From field")
    elif not authors:
        found.append("no address in the From field")
    if len(raws) < len(section.fields):
        found += [f"several {name} fields" for name in _SINGLE if len(raws.get(name, ())) > 1]
    if len(authors) > 1:
        found.append("several authors")
    found += body
    return tuple(dict.fromkeys(found))[:DEFECTS_MAX]
