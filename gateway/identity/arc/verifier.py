"""Judging a chain (RFC 8617, 5.2)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.identity.arc.chain import (
    ArcSet,
    Seal,
    check_validation,
    highest_instance,
    parse_message_signature,
    parse_seal,
    parse_sets,
)
from gateway.identity.dkim.canonical import CanonicalMessage, canonical
from gateway.identity.dkim.key import PublicKey, find_keys
from gateway.identity.dkim.signature import Signature, without_b
from gateway.identity.dkim.tags import MalformedError
from gateway.identity.dkim.verifier import added_field, check_body, header_data, usable_keys
from gateway.message import Message
from gateway.resolver import DnsError, Resolver


@dataclass(frozen=True, slots=True)
class Chain:
    """What became of a message's chain."""

    result: str
    """none, pass, fail, temperror."""
    reason: str = ""
    instance: int = 0
    """The highest instance."""
    seals: tuple[Seal, ...] = ()
    """By instance; empty unless the structure holds."""
    sets: tuple[ArcSet, ...] = ()
    signature: Signature | None = None
    """The newest message signature."""
    whole: bool = True
    """Whether that covers the body to its end, and every instance of what a reader sees once."""


async def verify_chain(message: Message, resolver: Resolver) -> Chain:
    """Judge the ARC sets of a message; never raises."""
    try:
        sets = parse_sets(message.fields)
    except MalformedError as error:
        return Chain("fail", str(error), highest_instance(message.fields))
    if not sets:
        return Chain("none", "not sealed")
    if not message.whole:
        return Chain("fail", "the header section is too long to be read whole", len(sets))
    try:
        seals = [parse_seal(one.seal.value) for one in sets]
        check_validation(seals)
        signature = parse_message_signature(sets[-1].signature.value)
        whole = await _check(message, sets, seals, signature, resolver)
    except MalformedError as error:
        return Chain("fail", str(error), len(sets))
    except DnsError as error:
        return Chain("temperror", str(error), len(sets))
    return Chain("pass", "", len(sets), tuple(seals), tuple(sets), signature, whole)


async def _check(
    message: Message,
    sets: Sequence[ArcSet],
    seals: Sequence[Seal],
    signature: Signature,
    resolver: Resolver,
) -> bool:
    """Check the newest message signature and every seal; whether the former covers all.

    Raises MalformedError, DnsError.
    """
    reading = canonical(message)
    if signature.expired(message.arrival.time):
        raise MalformedError("message signature expired")
    reason, covered, total = await check_body(reading, signature)
    if reason:
        raise MalformedError(reason)
    *for_seals, for_signature = await _find_all(resolver, [*seals, signature])
    data = header_data(reading, sets[-1].signature, signature)
    if not _verifies(usable_keys(for_signature, signature), signature.octets, data):
        raise MalformedError(f"bad message signature of instance {len(sets)}")
    for number in range(len(sets), 0, -1):
        seal, keys = seals[number - 1], for_seals[number - 1]
        usable = [key for key in keys if seal.algorithm == f"{key.kind}-sha256"]
        usable = [key for key in usable if key.hashes is None or "sha256" in key.hashes]
        if not _verifies(usable, seal.octets, sealed_data(reading, sets[:number])):
            raise MalformedError(f"bad seal of instance {number}")
        await asyncio.sleep(0)
    return covered == total and not added_field(reading, signature)


async def _find_all(
    resolver: Resolver, wanted: Sequence[Seal | Signature]
) -> list[list[PublicKey]]:
    """All keys, looked up together. A key that is certainly bad counts before one unknown."""
    found = await asyncio.gather(
        *(find_keys(resolver, one.selector, one.domain) for one in wanted), return_exceptions=True
    )
    for kind in (MalformedError, BaseException):
        for one in found:
            if isinstance(one, kind):
                raise one
    return [one for one in found if not isinstance(one, BaseException)]


def sealed_data(reading: CanonicalMessage, sets: Sequence[ArcSet]) -> bytes:
    """What the last of these sets' seal covers: all of them, in order (5.1.1)."""
    lines: list[bytes] = []
    for one in sets:
        lines += [
            reading.field(one.results, "relaxed"),
            reading.field(one.signature, "relaxed"),
            reading.field(one.seal, "relaxed"),
        ]
    lines[-1] = without_b(lines[-1])
    return b"\r\n".join(lines)


def _verifies(keys: Sequence[PublicKey], octets: bytes, data: bytes) -> bool:
    return any(key.verifies(octets, data) for key in keys)
