"""Outside text made harmless for a call card: links defanged, one line, numbers for dialling."""

from __future__ import annotations

import re
from dataclasses import dataclass

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumber, PhoneNumberFormat, PhoneNumberType

from gateway.show import terminal

VALUE_MAX = 300
"""Letters of one question, phrase or name."""

_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_SCHEME = re.compile(r"(?<![A-Za-z0-9])([A-Za-z][A-Za-z0-9+-]{1,20}):(?=//|[^\s/])")
_NAMED = frozenset(
    ("mailto", "tel", "sms", "javascript", "data", "file", "callto", "sip", "skype", "vbscript")
)
"""Schemes that need no slashes to be a link."""
_DOT = re.compile(r"(?<=[\w-])[.。．](?=[^\W\d_]{2})")
"""A dot before letters: what mail programs turn into a link, `shop.example` and `www.`"""
_IP = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}")

_COSTLY = {
    PhoneNumberType.PREMIUM_RATE: "premium rate",
    PhoneNumberType.SHARED_COST: "shared cost",
    PhoneNumberType.UAN: "company-wide",
    PhoneNumberType.PAGER: "pager",
}


@dataclass(frozen=True, slots=True)
class Number:
    """A telephone number on a card."""

    text: str
    """As people write it, with its country."""
    link: str
    """`tel:+12125550100`, of E.164 only (RFC 3966)."""
    warning: str = ""
    """That it is costly or foreign."""


def defang(text: str) -> str:
    """Text in which no mail program finds a link to click."""
    text = _SCHEME.sub(_cut_scheme, text)
    text = _IP.sub(lambda match: match[0].replace(".", "[.]"), text)
    return _DOT.sub("[.]", text)


def _cut_scheme(match: re.Match[str]) -> str:
    scheme = match[1].lower()
    if scheme in ("http", "https"):
        return match[0].lower().replace("tt", "xx", 1)
    slashes = match.string[match.end() : match.end() + 2] == "//"
    return f"{match[1]}[:]" if slashes or scheme in _NAMED else match[0]


def shown(text: str, limit: int = VALUE_MAX) -> str:
    """Outside text as one line of a text/plain mail: no control or bidirectional characters."""
    line = terminal(defang(text[: 2 * limit]), limit)
    return line.replace("\\[", "[").replace("\\\\", "\\").strip()


def number(phone: str | None, region: str) -> Number | None:
    """A number in E.164 form for a card of a site in `region`; None for anything else."""
    if not phone or not _E164.fullmatch(phone):
        return None
    try:
        parsed = phonenumbers.parse(phone)
    except NumberParseException:
        return None
    return Number(
        text=phonenumbers.format_number(parsed, PhoneNumberFormat.INTERNATIONAL),
        link=f"tel:{phone}",
        warning=_warning(parsed, region),
    )


def _warning(parsed: PhoneNumber, region: str) -> str:
    country = phonenumbers.region_code_for_number(parsed)
    costly = _COSTLY.get(phonenumbers.number_type(parsed), "")
    abroad = parsed.country_code != phonenumbers.country_code_for_region(region)
    parts = [f"a {costly} number" if costly else "", _abroad(country) if abroad else ""]
    told = " and ".join(filter(None, parts))
    return f"CAREFUL: {told}" if told else ""


def _abroad(country: str | None) -> str:
    known = country and country != "001"
    return f"a number in another country ({country})" if known else "a number in another country"
