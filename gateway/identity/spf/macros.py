"""Macros of SPF records (RFC 7208, 7): read once, expanded for each check."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import quote

from gateway.domains import MAX_NAME

_MACRO = re.compile(r"%(?:\{([A-Za-z])(\d*)([rR]?)([.\-+,/_=]*)\}|([%_-]))")
_LITERAL = re.compile(r"[\x21-\x24\x26-\x7e]*")
_TOP_LABEL = re.compile(
    r"\.(?=[a-z0-9-]*[a-z-])[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.?\Z", re.IGNORECASE
)
_ESCAPES = {"%": "%", "_": " ", "-": "%20"}
LETTERS = frozenset("slodiphv")
EXPLANATION_LETTERS = frozenset("crt")
PTR = "p"
SENDER = frozenset("sl")
"""Letters whose expansion differs between senders of one domain."""


class SyntaxMistakeError(ValueError):
    """A record that its own domain got wrong: permerror."""


@dataclass(frozen=True, slots=True)
class Macro:
    letter: str
    """Lower case."""
    escaped: bool
    """An upper-case letter: URL-escaped (7.3)."""
    keep: int
    """How many of the right-most parts stay, 0 for all."""
    reverse: bool
    delimiters: str


MacroString: TypeAlias = tuple[str | Macro, ...]


def parse_macros(text: str, *, explanation: bool = False) -> MacroString:
    """A macro-string's pieces. Raises SyntaxMistakeError."""
    pieces: list[str | Macro] = []
    at = 0
    while at < len(text):
        if text[at] != "%":
            match = _LITERAL.match(text, at)
            if match is None or match.end() == at:
                raise SyntaxMistakeError("character that no record may hold")
            pieces.append(match.group())
        else:
            match = _MACRO.match(text, at)
            if match is None:
                raise SyntaxMistakeError("bad macro")
            pieces.append(_macro(match, explanation=explanation))
        at = match.end()
    return tuple(pieces)


def _macro(match: re.Match[str], *, explanation: bool) -> str | Macro:
    letter, digits, reverse, delimiters, escape = match.groups()
    if escape:
        return _ESCAPES[escape]
    allowed = LETTERS | EXPLANATION_LETTERS if explanation else LETTERS
    if letter.lower() not in allowed or len(digits) > 9 or (digits and int(digits) == 0):
        raise SyntaxMistakeError("bad macro")
    return Macro(
        letter.lower(), letter.isupper(), int(digits or 0), bool(reverse), delimiters or "."
    )


def parse_domain_spec(text: str) -> MacroString:
    """A domain-spec (7.1): a macro-string that ends in a top label or a macro."""
    pieces = parse_macros(text)
    if not pieces:
        raise SyntaxMistakeError("empty domain")
    if isinstance(pieces[-1], str) and not _ends_in_macro(text) and not _TOP_LABEL.search(text):
        raise SyntaxMistakeError("domain without a proper end")
    return pieces


def _ends_in_macro(text: str) -> bool:
    """Also `%%`, `%_` and `%-` are macro-expands by the grammar."""
    ends = [match.end() for match in _MACRO.finditer(text)]
    return bool(ends) and ends[-1] == len(text)


def letters_of(pieces: MacroString) -> set[str]:
    return {piece.letter for piece in pieces if isinstance(piece, Macro)}


def expand(pieces: MacroString, values: Mapping[str, str]) -> str:
    """The text, with each macro's value from `values` by its letter."""
    return "".join(
        piece if isinstance(piece, str) else _transform(piece, values[piece.letter])
        for piece in pieces
    )


def _transform(macro: Macro, value: str) -> str:
    if macro.delimiters != "." or macro.reverse or macro.keep:
        parts = re.split(f"[{re.escape(macro.delimiters)}]", value)
        if macro.reverse:
            parts.reverse()
        value = ".".join(parts[-macro.keep :] if macro.keep else parts)
    return quote(value, safe="") if macro.escaped else value


def as_domain(text: str) -> str:
    """An expanded domain-spec as a name to ask for, cut from the left to what fits (7.3)."""
    text = text.removesuffix(".")
    if len(text) <= MAX_NAME:
        return text
    at = text.find(".", len(text) - MAX_NAME - 1)
    return text[at + 1 :] if at >= 0 else text
