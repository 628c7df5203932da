"""Tag=value lists (RFC 6376, 3.2), shared by signatures, key records and ARC."""

from __future__ import annotations

import base64
import binascii
import re

FWS = " \t\r\n"
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*\Z")
_FORBIDDEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_SPACE = str.maketrans("", "", FWS)


class MalformedError(ValueError):
    """Something is not what its standard says; the text names what, for the journal."""


def parse_tags(octets: bytes | str) -> dict[str, str]:
    """Tags in their order; values without surrounding white space. Raises MalformedError.

    RFC 8616 allows UTF-8 in values; anything else outside printable ASCII is refused.
    """
    text = _decode(octets) if isinstance(octets, bytes) else octets
    if _FORBIDDEN.search(text):
        raise MalformedError("control characters")
    tags: dict[str, str] = {}
    specs = text.split(";")
    if not specs[-1].strip(FWS):
        specs.pop()
    for spec in specs:
        name, equals, value = spec.partition("=")
        name = name.strip(FWS)
        if not equals or not _NAME.match(name):
            raise MalformedError("not a tag list")
        if name in tags:
            raise MalformedError(f"tag {name[:20]}= twice")
        tags[name] = value.strip(FWS)
    return tags


def _decode(octets: bytes) -> str:
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        raise MalformedError("not UTF-8") from None


def unspaced(value: str) -> str:
    """A value without any folding white space."""
    return value.translate(_SPACE)


def parse_base64(value: str, tag: str) -> bytes:
    """The octets of a base64 value, folded or not; the ABNF makes padding optional."""
    text = unspaced(value)
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise MalformedError(f"{tag}= is not base64") from None


def parse_number(value: str, tag: str, digits: int) -> int:
    """An unsigned number of at most so many digits."""
    if not (value.isascii() and value.isdigit() and len(value) <= digits):
        raise MalformedError(f"{tag}= is not a number")
    return int(value)


def parse_colons(value: str) -> list[str]:
    """A colon-separated list, white space around its items removed."""
    return [item.strip(FWS) for item in value.split(":")]
