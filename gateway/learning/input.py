"""What the classifiers are given of a message; training and serving ask here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from gateway.message import Arrival, Envelope, Message, Session
from gateway.parse import parse
from gateway.text import Reading, plain_letters, read


@dataclass(frozen=True, slots=True)
class Input:
    tone: str
    """Subject and the customer's own new words."""
    spam: str
    """Subject and everything a reader sees."""
    reading: Reading


def read_input(message: Message) -> Input:
    reading = read(message)
    new = text = _latin(f"{message.subject}\n{reading.new_text}")
    if reading.text != reading.new_text:
        text = _latin(f"{message.subject}\n{reading.text}")
    return Input(tone=new, spam=text, reading=reading)


_LOOK_ALIKE = re.compile("[\u0370-\u03ff\u0400-\u04ff]")


def _latin(text: str) -> str:
    """Letters as a reader takes them. Words are cut with care for the rest in `words.py`."""
    if text.isascii() or not _LOOK_ALIKE.search(text):
        return text
    return plain_letters(text)


def message_of(raw: bytes) -> Message:
    """A Message of stored octets, read as on arrival; for training and evaluation."""
    content = raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    return parse(
        Arrival(
            "TRAIN",
            datetime(2000, 1, 1, tzinfo=UTC),
            Session(""),
            Envelope("", ()),
            content,
        )
    )


_MARKED_UP = re.compile(r"\s{0,9}<(?:!doctype|html|body|div|p|table|span|ul)\b", re.IGNORECASE)


def message_of_text(subject: str, text: str) -> Message:
    """A Message of a bare text or HTML, so that quotes and signatures are cut as in real mail."""
    line = " ".join(subject.split())[:900]
    kind = "html" if _MARKED_UP.match(text) else "plain"
    header = f"Subject: {line}\nContent-Type: text/{kind}; charset=utf-8\n\n"
    return message_of((header + text).encode("utf-8", "replace"))
