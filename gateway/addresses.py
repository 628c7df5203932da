"""Mailboxes of address fields (RFC 5322, 3.4), read in linear time and without trust.

The structure is read first and the display names decoded afterwards: an encoded-word may hide
commas and angle brackets, but it can never add a mailbox.
"""

from __future__ import annotations

import re

from gateway.header import clean, unfold, words
from gateway.message import Address

MAILBOXES_MAX = 1000
"""Mailboxes read in one field."""

# What nearly every field is: `a@b`, `<a@b>`, `Name <a@b>` or `"Name" <a@b>`.
_ATEXT = r'[^<>@\s"\\,:;()\x00-\x1f\x7f-\x9f\u2028\u2029]++'
_ADDR_SPEC = _ATEXT + "@" + _ATEXT
_PLAIN = re.compile(
    r'(?:"([^"\\\x00-\x1f]*+)"[ \t]*|([^"\\<>@,:;()\[\]\x00-\x1f]*+))<(' + _ADDR_SPEC + ")>|"
    "(" + _ADDR_SPEC + ")"
)
_PIECE = re.compile(
    r'"(?:[^"\\]++|\\.)*+"?|'  # quoted-string
    r"<[^<>]*+>?|"  # angle-addr
    r"[(),:;>]|"
    r'[^"<(),:;>]++',
    re.DOTALL,
)
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)
_ATOM = re.compile(r"[\w.+-]{1,64}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029<>]+")
_UNSAFE = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u2028\u2029<>]+")


def mailboxes(value: bytes) -> tuple[Address, ...]:
    """Every mailbox of one field's value, in order.

    The members of a group stand as mailboxes, followed by one Address with the group's name and
    no address, so that a lone member is not taken for a lone author. Text without any address is
    left out, but for one word without a domain (`MAILER-DAEMON`).
    """
    text = unfold(value)
    plain = _PLAIN.fullmatch(text)
    if plain:
        quoted, bare, angle, lone = plain.groups()
        return (Address(_name(quoted or bare or ""), angle or lone),)
    return tuple(_read(text))


def _read(text: str) -> list[Address]:
    """The mailboxes of any field value, piece by piece; comments are taken out first."""
    reader = _Reader(text)
    depth = 0
    for match in _PIECE.finditer(text):
        piece = match[0]
        if piece == "(":
            depth += 1
        elif depth:
            if piece == ")":
                depth -= 1
                reader.end_comment()
            else:
                reader.comment.append(piece)
        else:
            reader.take(piece, match.end())
        if len(reader.found) >= MAILBOXES_MAX:
            return reader.found
    reader.end_mailbox()
    reader.end_group()
    return reader.found


class _Reader:
    """The mailbox being read, and those that are done."""

    def __init__(self, text: str) -> None:
        self.found: list[Address] = []
        self.comment: list[str] = []
        self._text = text
        self._phrase: list[str] = []
        self._angle: str | None = None
        self._before = 0
        """How many pieces of the phrase stand before the angle brackets."""
        self._group: str | None = None
        self._members = 0
        self._last_group_end = text.rfind(";")  # a colon with no semicolon after it opens no group

    def take(self, piece: str, end: int) -> None:
        if piece[0] == "<":
            if self._angle is not None:  # two addresses without a comma are two mailboxes
                self.end_mailbox()
            self._angle, self._before = piece.strip("<>"), len(self._phrase)
        elif piece == ":" and self._opens_group(end):
            self._group, self._members = _phrase(self._phrase), len(self.found)
            self._phrase = []
        elif piece == ";" or (piece == "," and not self._comma_in_name(end)):
            self.end_mailbox()
            if piece == ";":
                self.end_group()
        else:
            self._phrase.append(piece)

    def end_comment(self) -> None:
        """What it parts is two words, as if white space stood there (RFC 5322, 3.2.2)."""
        self._phrase.append(" ")

    def _opens_group(self, end: int) -> bool:
        return self._group is None and self._angle is None and end <= self._last_group_end

    def _comma_in_name(self, end: int) -> bool:
        """`Doe, Jane <jane@example.org>`: not RFC 5322, but common. Words without an address
        are no mailbox if an address in brackets follows before the next comma."""
        if self._angle is not None or "@" in "".join(self._phrase):
            return False
        return "<" in self._text[end : end + 500].split(",", 1)[0]

    def end_mailbox(self) -> None:
        if self._angle is None:
            address, name = _bare("".join(self._phrase).strip())
            self._add(address, name or _name(" ".join(self.comment)))
        else:
            route, _, address = self._angle.rpartition(":")  # RFC 5322, 4.4: obs-route
            self._add(address if route.startswith("@") else self._angle, _phrase(self._phrase))
            after = "".join(piece for piece in self._phrase[self._before :] if piece[0] != '"')
            if "@" in after:  # `<a@b.example>c@d.example`: some readers take the latter
                self._add(*_bare(after.strip()))
        self._phrase, self._angle, self.comment = [], None, []

    def _add(self, address: str, name: str) -> None:
        address = _sound(address)[:998]
        if "@" in address or _ATOM.fullmatch(address):
            self.found.append(Address(name, address))

    def end_group(self) -> None:
        if self._group is not None and len(self.found) > self._members:
            self.found.append(Address(self._group, ""))
        self._group = None


def _bare(text: str) -> tuple[str, str]:
    """Address and name where no angle brackets tell them apart."""
    if '"@' in text:
        return text, ""
    pieces = "@".join(part.strip() for part in text.split("@")).split()
    if len(pieces) == 1:
        return pieces[0], ""
    for index, piece in enumerate(pieces):
        if "@" in piece:
            name = _name(" ".join(pieces[:index] + pieces[index + 1 :]))
            after = "".join(pieces[index + 1 : index + 2])
            parted = after.startswith(".") or (after and piece.endswith("."))
            return (f"{piece} {after}" if parted else piece), name
    return "", ""


def _sound(address: str) -> str:
    """An address without what none may hold. A domain that had some of it within is a question:
    `boss@bank.example .evil.example` is one domain to one reader, another to the next."""
    unsafe = _CONTROL if address.startswith('"') else _UNSAFE
    local, at, domain = address.rpartition("@")
    return unsafe.sub("", local) + at + "?".join(filter(None, _UNSAFE.split(domain)))


def _phrase(pieces: list[str]) -> str:
    return _name("".join(_unquote(piece) for piece in pieces))


def _unquote(piece: str) -> str:
    return _QUOTED_PAIR.sub(r"\1", piece.strip('"')) if piece.startswith('"') else piece


def _name(text: str) -> str:
    """A display name: decoded, without line ends, control characters and runs of white space."""
    return " ".join(clean(words(text)).split())[:500]
