"""Reading the ARC sets of a message and their structure (RFC 8617, 4 and 5.2, steps 1 to 3)."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.identity.dkim.signature import (
    Signature,
    parse_algorithm,
    parse_domain,
    parse_selector,
    read_signature,
    require,
)
from gateway.identity.dkim.tags import MalformedError, parse_base64, parse_number, parse_tags
from gateway.message import Field

RESULTS, SIGNATURE, SEAL = (
    "arc-authentication-results",
    "arc-message-signature",
    "arc-seal",
)
MAX_INSTANCE = 50
_INSTANCE = re.compile(rb"[ \t\r\n]*i[ \t\r\n]*=[ \t\r\n]*([0-9]{1,3})[ \t\r\n]*;")


@dataclass(frozen=True, slots=True)
class Seal:
    """An ARC-Seal (4.1.3)."""

    domain: str
    selector: str
    algorithm: str
    validation: str
    """cv: none, pass, fail."""
    octets: bytes


@dataclass(frozen=True, slots=True)
class ArcSet:
    """The three fields of one instance, as they came."""

    instance: int
    results: Field
    signature: Field
    seal: Field


def parse_sets(fields: Sequence[Field]) -> list[ArcSet]:
    """The sets of a message by instance, [] without any. Raises MalformedError (5.2, 3A)."""
    found: dict[str, dict[int, Field]] = {RESULTS: {}, SIGNATURE: {}, SEAL: {}}
    for field in fields:
        name = field.name
        if name not in found:
            continue
        instance = instance_of(field)
        if instance in found[name]:
            raise MalformedError(f"two {name} of instance {instance}")
        found[name][instance] = field
    instances = sorted(set().union(*found.values()))
    if instances != list(range(1, len(instances) + 1)):
        raise MalformedError("instances are not in sequence")
    for name, by_instance in found.items():
        if len(by_instance) != len(instances):
            raise MalformedError(f"a set has no {name}")
    return [ArcSet(i, found[RESULTS][i], found[SIGNATURE][i], found[SEAL][i]) for i in instances]


def highest_instance(fields: Sequence[Field]) -> int:
    """The highest instance that can be read, for the record of a chain without structure."""
    highest = 0
    for field in fields:
        if field.name in (RESULTS, SIGNATURE, SEAL):
            with contextlib.suppress(MalformedError):
                highest = max(highest, instance_of(field))
    return highest


def instance_of(field: Field) -> int:
    if field.name == RESULTS:
        match = _INSTANCE.match(field.value)
        if not match:
            raise MalformedError("ARC-Authentication-Results without an instance")
        instance = int(match[1])
    else:
        tags = parse_tags(field.value)
        require(tags, "i")
        instance = parse_number(tags["i"], "i", 3)
    if not 1 <= instance <= MAX_INSTANCE:
        raise MalformedError("instance out of range")
    return instance


def parse_seal(value: bytes) -> Seal:
    """An ARC-Seal's value. Raises MalformedError."""
    tags = parse_tags(value)
    require(tags, "i", "a", "b", "cv", "d", "s")
    if "h" in tags:
        raise MalformedError("ARC-Seal with h=")  # 4.1.3
    if "t" in tags:
        parse_number(tags["t"], "t", 12)
    return Seal(
        parse_domain(tags["d"], "d"),
        parse_selector(tags["s"]),
        parse_algorithm(tags["a"]),
        tags["cv"].lower(),
        parse_base64(tags["b"], "b"),
    )


def parse_message_signature(value: bytes) -> Signature:
    """An ARC-Message-Signature's value: as DKIM's, without v= and with i= a number (4.1.2)."""
    tags = parse_tags(value)
    require(tags, "i", "a", "b", "bh", "d", "h", "s")
    signature = read_signature(tags)
    if SEAL in signature.names:
        raise MalformedError("ARC-Message-Signature covers ARC-Seal")
    return signature


def check_validation(seals: Sequence[Seal]) -> None:
    """Each seal's cv: none in the first, pass in all others (5.2, 3B). Raises MalformedError."""
    if seals[-1].validation == "fail":
        raise MalformedError("the last sealer found the chain broken")
    for number, seal in enumerate(seals, 1):
        if seal.validation != ("none" if number == 1 else "pass"):
            raise MalformedError(f"cv= of instance {number} does not fit")
