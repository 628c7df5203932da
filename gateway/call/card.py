"""The call card: a mail to the agents on duty, in the customer's own conversation. Pure.

Its first line says whether the sender is proven and whether the number is known. Everything that
came from outside is plain text with its links defanged; the only link is `tel:`, of digits.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from gateway.acknowledgement import octets
from gateway.acknowledgement.wording import moment
from gateway.acknowledgement.words import name_of
from gateway.calendar import WorkingHours
from gateway.call import card_words
from gateway.call.card_text import Number, number, shown
from gateway.facts import find
from gateway.message import Message
from gateway.plan import Call, History
from gateway.settings import Site
from gateway.show import html
from gateway.text import read

TEXT_MAX = 6000
"""Letters of the customer's words that are repeated; the letter itself lies beside the card."""
LINES_MAX = 120
LINE_MAX = 1000
LIST_MAX = 12
"""Entries of one list."""


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and what stands under it: safe as text, not yet as HTML."""

    heading: str
    lines: tuple[str, ...]
    numbered: bool = False
    quoted: bool = False
    """The customer's words, or a draft: set apart from ours."""


@dataclass(frozen=True, slots=True)
class Card:
    """What a card says, before it is written as text and as HTML."""

    warning: str
    """The first line."""
    name: str
    number: Number | None
    extension: str
    sections: tuple[Section, ...]

    @property
    def phone(self) -> str:
        """The number as people write it, with its extension; empty without one."""
        extension = f" ext. {self.extension}" if self.extension else ""
        return f"{self.number.text}{extension}" if self.number else ""


def compose(
    message: Message,
    call: Call,
    history: History,
    *,
    site: Site,
    hours: WorkingHours,
    message_id: str,
) -> bytes:
    """The card's octets, unsigned, with CRLF line ends; `message_id` is made for `call.id`."""
    card = build(message, call, history, site=site, hours=hours)
    boundary = f"=_{hashlib.sha256(message_id.encode()).hexdigest()[:32]}"
    fields = [
        octets.field("From", octets.mailbox(name_of(site), sender_of(site))),
        octets.field("To", ",\r\n ".join(octets.mailbox("", to) for to in site.calls.notify)),
        octets.field("Subject", octets.text(subject(call, card, site, hours), len("Subject: "))),
        octets.field("Date", octets.date(call.opened)),
        octets.field("Message-ID", message_id),
        *octets.thread(message.message_id, message.references or message.in_reply_to),
        octets.field("Auto-Submitted", "auto-generated"),
        octets.field("X-Auto-Response-Suppress", "All"),
        octets.field("X-Gateway-Id", octets.text(call.queue_id)),
        octets.field("Importance", "high"),
        octets.field("X-Priority", "1"),
        octets.field("MIME-Version", "1.0"),
        octets.field("Content-Type", f'multipart/alternative;\r\n boundary="{boundary}"'),
    ]
    delimiter = b"--" + boundary.encode()
    parts = [octets.text_part("plain", as_text(card)), octets.text_part("html", as_html(card))]
    body = b"".join(delimiter + b"\r\n" + part + b"\r\n" for part in parts)
    return "".join(fields).encode() + b"\r\n" + body + delimiter + b"--\r\n"


def sender_of(site: Site) -> str:
    return site.address or f"postmaster@{site.domains[0]}"


def subject(call: Call, card: Card, site: Site, hours: WorkingHours) -> str:
    """`Call now: Kim Lee, +1 212-555-0123`; nothing of the customer's own subject."""
    when = "now"
    if call.due and call.due - call.opened > 2 * site.calls.within:
        when = f"by {moment(call.due, hours.zone, 'en', site.region)}"
    proof = "" if call.proven else " (sender not proven)"
    return f"Call {when}: {card.name}, {card.phone or 'no number'}{proof}"


# --- what it says --------------------------------------------------------------------------------


def build(
    message: Message, call: Call, history: History, *, site: Site, hours: WorkingHours
) -> Card:
    """Everything an agent needs, in the order in which it is needed."""
    reading = read(message)
    author = message.authors[0] if message.authors else None
    domain = shown(author.domain) if author else ""
    known = call.phone is not None and call.phone in history.proven.phones
    card = Card(
        warning=card_words.warning(call, known=known, domain=domain),
        name=shown(call.name) or card_words.nameless(domain),
        number=number(call.phone, site.region),
        extension=shown(call.extension, 12),
        sections=(),
    )
    draft = card_words.draft(
        call, phone=card.phone, site=name_of(site), language=reading.language, shown=shown
    )
    sections = (
        Section("Call", _whom(message, call, card, site, hours)),
        Section("Why", (shown(call.reason), *card_words.remarks(call))),
        Section("Ask for proof first", () if call.proven else card_words.PROOF, numbered=True),
        Section("Questions to answer", _several(call.questions), numbered=True),
        Section("Orders and tickets", _several(call.orders)),
        Section("Phrases that decided", _several(call.phrases)),
        Section("History", _history(call, history, hours)),
        Section("What the customer writes", _lines(reading.new_text), quoted=True),
        Section("On the phone", card_words.PLAYBOOK),
        Section("Draft of a first reply", draft, quoted=True),
    )
    return Card(
        card.warning,
        card.name,
        card.number,
        card.extension,
        tuple(section for section in sections if any(section.lines)),
    )


def _whom(
    message: Message, call: Call, card: Card, site: Site, hours: WorkingHours
) -> tuple[str, ...]:
    best = find(message, region=site.region, order_patterns=site.orders).best_time
    lines = (
        card.name,
        card.phone or f"no number: {card_words.NO_NUMBER}",
        card.number.warning if card.number else "",
        f"best time, in the customer's words: {shown(best)}" if best else "",
        f"due {moment(call.due, hours.zone, 'en', site.region)}" if call.due else "",
    )
    return tuple(filter(None, lines))


def _several(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(filter(None, map(shown, values)))[:LIST_MAX]


def _history(call: Call, history: History, hours: WorkingHours) -> tuple[str, ...]:
    if history.missing:
        return ("unknown: it could not be looked up",)
    contact = history.contact(proven=call.proven)
    week, month = contact.letters_7_days + 1, contact.letters_30_days + 1
    lines = [f"{_letters(week)} in 7 days, {month} in 30 days, with this one"]
    if contact.last_irate:
        lines.append(f"last irate on {contact.last_irate.astimezone(hours.zone):%d %B %Y}")
    if not call.proven and history.proven.known:
        lines.append("this address has written before and was proven then; this letter is not")
    return tuple(lines)


def _letters(count: int) -> str:
    return "1 letter" if count == 1 else f"{count} letters"


def _lines(text: str) -> tuple[str, ...]:
    """The customer's own new words, line by line, bounded, without runs of empty lines."""
    found: list[str] = []
    whole = text[:TEXT_MAX].strip().split("\n")
    for line in whole[:LINES_MAX]:
        said = shown(line, LINE_MAX)
        if said or (found and found[-1]):
            found.append(said)
    if len(text) > TEXT_MAX or len(whole) > LINES_MAX:
        found.append("[the rest stands in the letter itself]")
    return tuple(found)


# --- how it looks --------------------------------------------------------------------------------


def as_text(card: Card) -> str:
    blocks = [card.warning]
    for section in card.sections:
        mark = "> " if section.quoted else "  "
        lines = [
            f"{mark}{f'{count}. ' if section.numbered else ''}{line}"
            for count, line in enumerate(section.lines, 1)
        ]
        blocks.append("\n".join([section.heading.upper(), *lines]))
    return "\n\n".join(blocks) + "\n"


def as_html(card: Card) -> str:
    """Simple marks only; every text escaped, the one link made of digits."""
    blocks = [f"<p><strong>{html(card.warning)}</strong></p>"]
    if card.number:
        blocks.append(
            f'<p><a href="{card.number.link}"><strong>{html(card.phone)}</strong></a></p>'
        )
    for section in card.sections:
        blocks.append(f"<h3>{html(section.heading)}</h3>")
        lines = [html(line, LINE_MAX) for line in section.lines]
        if section.quoted:
            blocks.append(f"<blockquote>{'<br>'.join(lines)}</blockquote>")
        else:
            kind = "ol" if section.numbered else "ul"
            items = "\n".join(f"<li>{line}</li>" for line in lines)
            blocks.append(f"<{kind}>\n{items}\n</{kind}>")
    return "<!DOCTYPE html>\n<html><body>\n" + "\n".join(blocks) + "\n</body></html>\n"
