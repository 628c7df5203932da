"""SPF records as values (RFC 7208, 4.6, 5, 6), each text read once."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from functools import lru_cache

from gateway.identity.spf.macros import (
    SENDER,
    MacroString,
    SyntaxMistakeError,
    letters_of,
    parse_domain_spec,
    parse_macros,
)

RESULTS = {"+": "pass", "-": "fail", "~": "softfail", "?": "neutral"}
NEEDS_DOMAIN = ("include", "exists")
MAX_TERMS = 2000
"""No record of a sane sender comes near; it bounds the time that one can take."""
MAX_KEPT = 4096
"""Letters up to which a record is worth remembering."""
_VERSION = re.compile(r"v=spf1(?= |\Z)", re.IGNORECASE)
_MODIFIER = re.compile(r"([a-z][a-z0-9_.-]*)=(.*)", re.IGNORECASE | re.DOTALL)
_DIRECTIVE = re.compile(r"([+?~-]?)([a-z0-9]+)(?:(:)(.*)|(/.*)|)\Z", re.IGNORECASE | re.DOTALL)
_CIDR = re.compile(r"(?:/(0|[1-9]\d?))?(?://(0|[1-9]\d{0,2}))?\Z")
_ANY_CIDR = re.compile(r"(?:/\d*)?(?://\d*)?\Z")


@dataclass(frozen=True, slots=True)
class Mechanism:
    """One directive."""

    result: str
    """What a match means: pass, fail, softfail, neutral."""
    name: str
    text: str
    """As written, for the reason."""
    target: MacroString | None = None
    """None is the domain of the record itself."""
    network: bytes = b""
    """The address of ip4 and ip6, 4 or 16 octets."""
    prefix4: int = 32
    prefix6: int = 128


@dataclass(frozen=True, slots=True)
class Record:
    mechanisms: tuple[Mechanism, ...]
    redirect: MacroString | None = None
    by_sender: bool = False
    """Whether macros make the result depend on the sender's local part."""


def is_spf(text: str) -> bool:
    return _VERSION.match(text) is not None


def parse_record(text: str) -> Record:
    """A record that `is_spf`. Raises SyntaxMistakeError for any mistake anywhere in it (4.6)."""
    found = _parse(text) if len(text) <= MAX_KEPT else _parse_anew(text)
    if isinstance(found, str):
        raise SyntaxMistakeError(found)
    return found


def _parse_anew(text: str) -> Record | str:
    try:
        return _read(text)
    except SyntaxMistakeError as mistake:
        return str(mistake)


_parse = lru_cache(maxsize=1024)(_parse_anew)


def _read(text: str) -> Record:
    mechanisms: list[Mechanism] = []
    modifiers: dict[str, MacroString] = {}
    terms = [term for term in text.split(" ")[1:] if term]
    if len(terms) > MAX_TERMS:
        raise SyntaxMistakeError("too many terms")
    for term in terms:
        modifier = _MODIFIER.match(term)
        if modifier is None:
            mechanisms.append(_mechanism(term))
            continue
        name = modifier[1].lower()
        if name not in ("redirect", "exp"):
            parse_macros(modifier[2], explanation=True)  # 6: unknown ones need only be well-formed
        elif name in modifiers:
            raise SyntaxMistakeError(f"{name}= twice")
        else:
            modifiers[name] = parse_domain_spec(modifier[2])
    redirect = modifiers.get("redirect")
    if any(mechanism.name == "all" for mechanism in mechanisms):
        redirect = None  # 6.1
    targets = [mechanism.target for mechanism in mechanisms] + [redirect]
    by_sender = any(target and letters_of(target) & SENDER for target in targets)
    return Record(tuple(mechanisms), redirect, by_sender)


def _mechanism(term: str) -> Mechanism:
    match = _DIRECTIVE.match(term)
    if match is None:
        raise SyntaxMistakeError(f"unknown term {shown(term)}")
    qualifier, name, colon, value, cidr = match.groups()
    result, name = RESULTS[qualifier or "+"], name.lower()
    value = (value or "") if colon else None
    try:
        match name:
            case "all" if value is None and not cidr:
                return Mechanism(result, name, term)
            case "include" | "exists" if value:
                return Mechanism(result, name, term, parse_domain_spec(value))
            case "a" | "mx":
                return _address_mechanism(result, name, term, value, cidr or "")
            case "ptr" if not cidr:
                target = None if value is None else parse_domain_spec(value)
                return Mechanism(result, name, term, target)
            case "ip4" | "ip6" if value:
                return _network_mechanism(result, name, term, value)
    except SyntaxMistakeError as mistake:
        raise SyntaxMistakeError(f"{mistake} in {shown(term)}") from None
    raise SyntaxMistakeError(f"bad term {shown(term)}")


def _address_mechanism(
    result: str, name: str, term: str, value: str | None, cidr: str
) -> Mechanism:
    if value is not None:
        found = _ANY_CIDR.search(value)
        at = found.start() if found else len(value)
        value, cidr = value[:at], value[at:]
    prefixes = _CIDR.match(cidr)
    if prefixes is None:
        raise SyntaxMistakeError("bad prefix length")
    prefix4, prefix6 = int(prefixes[1] or 32), int(prefixes[2] or 128)
    if prefix4 > 32 or prefix6 > 128:
        raise SyntaxMistakeError("bad prefix length")
    target = None if value is None else parse_domain_spec(value)
    return Mechanism(result, name, term, target, prefix4=prefix4, prefix6=prefix6)


def _network_mechanism(result: str, name: str, term: str, value: str) -> Mechanism:
    family, longest = (socket.AF_INET, 32) if name == "ip4" else (socket.AF_INET6, 128)
    address, slash, length = value.partition("/")
    if slash and not re.fullmatch(r"0|[1-9]\d{0,2}", length):
        raise SyntaxMistakeError("bad prefix length")
    prefix = int(length) if slash else longest
    if prefix > longest:
        raise SyntaxMistakeError("bad prefix length")
    try:
        network = socket.inet_pton(family, address)
    except (OSError, ValueError):
        raise SyntaxMistakeError("bad address") from None
    if name == "ip4":
        return Mechanism(result, name, term, network=network, prefix4=prefix)
    return Mechanism(result, name, term, network=network, prefix6=prefix)


def shown(term: str) -> str:
    """A stranger's term, cut and made printable, for a reason."""
    return "".join(letter if " " < letter < "\x7f" else "?" for letter in term[:80])


def within(client: bytes, network: bytes, prefix: int) -> bool:
    """Whether two addresses of the same family share their first `prefix` bits."""
    if len(client) != len(network):
        return False
    shift = len(client) * 8 - prefix
    return int.from_bytes(client, "big") >> shift == int.from_bytes(network, "big") >> shift
