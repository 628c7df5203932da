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
_ADDR_SPEC = r'[^<>@\s"\\,:;()]++@[^<>@\s"\\,:;()]++'
_PLAIN = re.compile(
    r'(?:"([^"\\\x00-\x1f]*+)"[ \t]*|([^"\\<>@,:;()\[\]\x00-\x1f]*+))<(' + _ADDR_SPEC + ")>|"
    "(" + _ADDR_SPEC + ")"
)
_TOKEN = re.compile(
    r'"(?:[^"\\]++|\\.)*+"?|'  # quoted-string
    r"<[^<>]*+>?|"  # angle-addr
    r"[(),:;>]|"
    r'[^"<(),:;>]++',
    re.DOTALL,
)
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)
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
    found: list[Address] = []
    phrase: list[str] = []
    angle: str | None = None
    comment: list[str] = []
    depth = 0
    group: str | None = None
    members = 0
    last_group_end = text.rfind(";")  # a colon with no semicolon after it opens no group
    for match in _TOKEN.finditer(text):
        piece = match[0]
        if piece == "(":
            depth += 1
        elif depth:
            if piece == ")":
                depth -= 1
            else:
                comment.append(piece)
        elif piece[0] == "<":
            if angle is not None:  # two addresses without a comma are two mailboxes
                _finish(found, phrase, angle, comment)
                phrase, comment = [], []
            angle = piece.strip("<>")
        elif piece == ":" and group is None and angle is None and match.end() < last_group_end:
            group, members, phrase = _phrase(phrase), len(found), []
        elif piece in ",;":
            _finish(found, phrase, angle, comment)
            phrase, angle, comment = [], None, []
            if piece == ";" and group is not None:
                _close(found, group, members)
                group = None
            if len(found) >= MAILBOXES_MAX:
                return found
        else:
            phrase.append(piece)
    _finish(found, phrase, angle, comment)
    if group is not None:
        _close(found, group, members)
    return found


def _close(found: list[Address], group: str, members: int) -> None:
    if len(found) > members:
        found.append(Address(group, ""))


def _finish(found: list[Address], phrase: list[str], angle: str | None, comment: list[str]) -> None:
    if angle is not None:
        address = _address(angle.rpartition(":")[2] if angle.startswith("@") else angle)
        name = _phrase(phrase)
    else:
        address, name = _bare("".join(phrase).strip())
        name = name or _name(" ".join(comment))
    if address:
        found.append(Address(name, address))


def _bare(text: str) -> tuple[str, str]:
    """Address and name where no angle brackets tell them apart."""
    pieces = text.split()
    if len(pieces) == 1 or '"@' in text or "@" in pieces:
        return _address(text), ""
    for index, piece in enumerate(pieces):
        if "@" in piece:
            return _address(piece), _name(" ".join(pieces[:index] + pieces[index + 1 :]))
    return "", ""


def _address(text: str) -> str:
    return _UNSAFE.sub("", text)[:998]


def _phrase(pieces: list[str]) -> str:
    return _name("".join(_unquote(piece) for piece in pieces))


def _unquote(piece: str) -> str:
    return _QUOTED_PAIR.sub(r"\1", piece.strip('"')) if piece.startswith('"') else piece


def _name(text: str) -> str:
    """A display name: decoded, without line ends, control characters and runs of white space."""
    return " ".join(clean(words(text)).split())[:500]
