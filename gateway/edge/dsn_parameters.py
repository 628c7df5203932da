"""The words of MAIL and RCPT that speak of delivery status notices (RFC 3461, 4)."""

from __future__ import annotations

import re

from gateway.reply import BAD_PARAMETER, Reply
from gateway.wishes import decoded

MAX_ENVID = 100
MAX_ORCPT = 500

_NOTIFY = frozenset(("SUCCESS", "FAILURE", "DELAY"))
_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,40}")
_UTF8 = re.compile(r"[^\x00-\x7f]")


def ret(value: str) -> str | Reply:
    """FULL or HDRS (RFC 3461, 4.3)."""
    return value.upper() if value.upper() in ("FULL", "HDRS") else BAD_PARAMETER


def envid(value: str) -> str | Reply:
    """The client's name for the transaction, as it came (RFC 3461, 4.4)."""
    return value if len(value) <= MAX_ENVID and decoded(value) else BAD_PARAMETER


def notify(value: str) -> str | Reply:
    """`NEVER`, or when to tell, in a fixed order (RFC 3461, 4.1)."""
    words = value.upper().split(",")
    if words == ["NEVER"]:
        return "NEVER"
    if len(words) > len(_NOTIFY) or not _NOTIFY.issuperset(words):
        return BAD_PARAMETER
    return ",".join(word for word in ("SUCCESS", "FAILURE", "DELAY") if word in words)


def orcpt(value: str, *, smtputf8: bool) -> str | Reply:
    """To whom the message was first sent: a type and an address in xtext (RFC 3461, 4.2).

    What stands there in UTF-8 is kept in the ASCII form of RFC 6533, 3.
    """
    kind, semicolon, address = value.partition(";")
    if smtputf8 and kind.lower() == "utf-8" and not _has_surrogates(address):
        address = _UTF8.sub(lambda sign: f"\\x{{{ord(sign[0]):X}}}", address)
    plain = f"{kind};{address}"
    good = _TYPE.fullmatch(kind) and semicolon and len(plain) <= MAX_ORCPT and decoded(address)
    return plain if good else BAD_PARAMETER


def _has_surrogates(text: str) -> bool:
    return any("\ud800" <= sign <= "\udfff" for sign in text)
