"""What a signature field says (RFC 6376, 3.5), checked before any key is asked for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from gateway.domains import canonical_domain, is_domain, is_same_or_below
from gateway.identity.dkim.tags import (
    MalformedError,
    parse_base64,
    parse_colons,
    parse_number,
    parse_tags,
    unspaced,
)

ALGORITHMS = {"rsa-sha256": "rsa", "ed25519-sha256": "ed25519"}
FORMS = ("simple", "relaxed")
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?"
_DOMAIN = re.compile(rf"(?:{_LABEL}\.)+{_LABEL}\Z")
_SELECTOR = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\Z")
_FIELD_NAME = re.compile(r"[!-9;-~]+\Z")
_B_VALUE = re.compile(rb"((?:^|;)[ \t\r\n]*b[ \t\r\n]*=)[^;]*")


@dataclass(frozen=True, slots=True)
class Signature:
    """A well-formed DKIM-Signature, or the like-built ARC-Message-Signature."""

    domain: str
    selector: str
    algorithm: str
    header_form: str
    body_form: str
    names: tuple[str, ...]
    """The lower-cased names of h=."""
    body_hash: bytes
    octets: bytes
    length: int | None
    expires: int | None
    identity: str
    """The domain of i=, that of d= by default."""
    user: str = ""
    """The local part of i=, empty by default."""
    start: str = ""
    """The first characters of b=, to tell signatures apart (RFC 6008)."""

    def expired(self, now: datetime) -> bool:
        return self.expires is not None and now.timestamp() > self.expires


def parse_signature(value: bytes) -> Signature:
    """A DKIM-Signature's value. Raises MalformedError with the reason for permerror."""
    tags = parse_tags(value)
    require(tags, "v", "a", "b", "bh", "d", "h", "s")
    if tags["v"] != "1":
        raise MalformedError("v= is not 1")
    signature = read_signature(tags, *parse_identity(tags.get("i")))
    if not is_same_or_below(signature.identity, signature.domain):
        raise MalformedError("i= is not within d=")
    return signature


def read_signature(tags: dict[str, str], user: str = "", identity: str = "") -> Signature:
    """The tags that DKIM and ARC message signatures share; those required must be there."""
    domain = parse_domain(tags["d"], "d")
    header_form, body_form = parse_forms(tags.get("c", "simple/simple"))
    if "dns/txt" not in parse_colons(tags.get("q", "dns/txt")):
        raise MalformedError("q= knows no dns/txt")
    made = parse_number(tags["t"], "t", 12) if "t" in tags else None
    expires = parse_number(tags["x"], "x", 12) if "x" in tags else None
    if made is not None and expires is not None and expires <= made:
        raise MalformedError("x= is not after t=")
    return Signature(
        domain=domain,
        selector=parse_selector(tags["s"]),
        algorithm=parse_algorithm(tags["a"]),
        header_form=header_form,
        body_form=body_form,
        names=parse_names(tags["h"]),
        body_hash=parse_base64(tags["bh"], "bh"),
        octets=parse_base64(tags["b"], "b"),
        length=parse_number(tags["l"], "l", 76) if "l" in tags else None,
        expires=expires,
        identity=identity or domain,
        user=user,
        start="".join(tags["b"][:40].split())[:8],
    )


def require(tags: dict[str, str], *names: str) -> None:
    for name in names:
        if not tags.get(name):
            raise MalformedError(f"{name}= is {'empty' if name in tags else 'missing'}")


def parse_algorithm(value: str) -> str:
    if value == "rsa-sha1":
        raise MalformedError("rsa-sha1 proves nothing")  # RFC 8301, 3.1
    if value not in ALGORITHMS:
        raise MalformedError("a= is unknown")
    return value


def parse_domain(value: str, tag: str) -> str:
    domain = canonical_domain(value)
    if value.endswith(".") or not is_domain(domain) or not _DOMAIN.match(domain):
        raise MalformedError(f"{tag}= is not a domain")
    return domain


def parse_selector(value: str) -> str:
    selector = canonical_domain(value)
    if value.endswith(".") or not is_domain(selector) or not _SELECTOR.match(selector):
        raise MalformedError("s= is not a selector")
    return selector


def parse_identity(value: str | None) -> tuple[str, str]:
    """Local part (as written) and domain of an i=; both empty without i=."""
    if value is None:
        return "", ""
    user, at, domain = value.rpartition("@")
    if not at:
        raise MalformedError("i= has no @")
    return user, parse_domain(domain, "i")


def parse_forms(value: str) -> tuple[str, str]:
    header, slash, body = unspaced(value).partition("/")
    body = body if slash else "simple"
    if header not in FORMS or body not in FORMS:
        raise MalformedError("c= is unknown")
    return header, body


def parse_names(value: str) -> tuple[str, ...]:
    names = tuple(name.lower() for name in parse_colons(value))
    if not all(_FIELD_NAME.match(name) for name in names):
        raise MalformedError("h= is not a list of field names")
    if "from" not in names:
        raise MalformedError("h= does not cover From")  # 5.4
    return names


def without_b(octets: bytes) -> bytes:
    """A signature field's octets with the value of b= taken as empty (3.7)."""
    name, colon, value = octets.partition(b":")
    return name + colon + _B_VALUE.sub(rb"\1", value, count=1)
