"""The one way in which outside text reaches a terminal, an HTML page or a log.

Whatever Unicode counts as not printable (control, ESC, bidirectional and zero-width characters,
line separators, lone surrogates) is written as a visible escape, so that no text can move the
cursor, colour a line, turn its direction round or forge a second line.
"""

from __future__ import annotations

import re
from html import escape as escape_html

_SPACES = re.compile(r"[\t\n\v\f\r\x85\u2028\u2029\xa0]+")
_TAG = re.compile(r"\[(?=[A-Za-z#/@!])")
"""What rich would take for the start of a style tag."""
_BREAK = re.compile(r"\r\n|[\n\r\v\f\x85\u2028\u2029]")


def terminal(text: str, limit: int = 200) -> str:
    """One line for a terminal or a log, at most `limit` characters of the text.

    Backslashes are doubled, so that an escape cannot be imitated; a bracket that could open a
    style tag of rich gets one before it.
    """
    text = _cut(_SPACES.sub(" ", text[: limit + 1]), limit)
    return _TAG.sub(r"\\[", _visible(text.replace("\\", "\\\\")))


def html(text: str, limit: int = 2000) -> str:
    """Character data for an HTML element or a quoted attribute value; lines end with `<br>`."""
    lines = _BREAK.split(_cut(text[: limit + 1], limit))
    return "<br>".join(escape_html(_visible(_SPACES.sub(" ", line)), quote=True) for line in lines)


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: max(limit - 1, 0)] + "…"


def _visible(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escape(char) for char in text)


def _escape(char: str) -> str:
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
