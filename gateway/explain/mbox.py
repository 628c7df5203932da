"""A file of several letters (RFC 4155): each begins with a line `From ADDRESS DATE`. Pure."""

from __future__ import annotations

import re

_SEPARATOR = re.compile(
    rb"(?:\A|(?<=\n\n)|(?<=\n\r\n))From [^\r\n]{1,300} "
    rb"\d\d:\d\d(?::\d\d)?[^\r\n]{0,20} \d{4}[^\r\n]{0,20}\r?\n"
)
"""`From a@b Mon Jan  5 09:30:00 2026`: with a time and a year, as letters say "From now on" too."""
_QUOTED = re.compile(rb"(?m)^>(>*From )")


def letters(octets: bytes) -> list[bytes]:
    """The letters of an mbox, without their From lines; any other file is one letter as it is."""
    found = list(_SEPARATOR.finditer(octets))
    if not found or found[0].start() != 0:
        return [octets]
    if len(found) == 1:
        return [octets[found[0].end() :]]
    ends = [match.start() for match in found[1:]] + [len(octets)]
    return [
        _QUOTED.sub(rb"\1", _without_gap(octets[match.end() : end]))
        for match, end in zip(found, ends, strict=True)
    ]


def _without_gap(letter: bytes) -> bytes:
    """The empty line before the next From line belongs to neither."""
    for gap in (b"\r\n\r\n", b"\n\n"):
        if letter.endswith(gap):
            return letter[: -len(gap) // 2]
    return letter
