"""Judging the signatures of a message (RFC 6376, 6), the first few of them, in their order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from gateway.identity.dkim.canonical import CanonicalMessage, canonical
from gateway.identity.dkim.key import PublicKey, find_keys
from gateway.identity.dkim.signature import ALGORITHMS, Signature, parse_signature, without_b
from gateway.identity.dkim.tags import MalformedError, parse_tags
from gateway.message import Field, Message
from gateway.resolver import DnsError, Resolver
from gateway.waiting import together

FIELD = "dkim-signature"
SINGLETONS = (
    *("from", "sender", "reply-to", "to", "cc", "subject", "date", "message-id"),
    *("content-type", "content-transfer-encoding"),
)
"""Fields a mail client reads once: a second one above a signature is a forgery's best friend, and
another Content-Type shows another letter."""


@dataclass(frozen=True, slots=True)
class SignatureResult:
    """One signature's judgement, in the words of RFC 8601."""

    result: str
    domain: str = ""
    selector: str = ""
    algorithm: str = ""
    reason: str = ""
    names: tuple[str, ...] = ()
    """The fields it covers, lower-cased."""
    start: str = ""
    """As in `Signature`."""


async def verify(message: Message, resolver: Resolver, limit: int) -> list[SignatureResult]:
    """Judge the first `limit` signatures from the top; their keys are looked up together."""
    fields = [field for field in message.fields if field.name == FIELD][:limit]
    return await together([partial(_judge, message, field, resolver) for field in fields])


async def _judge(message: Message, field: Field, resolver: Resolver) -> SignatureResult:
    try:
        signature = parse_signature(field.value)
    except MalformedError as error:
        return _unreadable(field, str(error))
    result, reason = await _verdict(message, field, signature, resolver)
    return SignatureResult(
        result,
        signature.domain,
        signature.selector,
        signature.algorithm,
        reason,
        signature.names,
        signature.start,
    )


def _unreadable(field: Field, reason: str) -> SignatureResult:
    """A malformed signature, with whatever of it can be shown."""
    try:
        tags = parse_tags(field.value)
    except MalformedError:
        return SignatureResult("permerror", reason=reason)
    shown = {name: tags.get(name, "")[:253] for name in "dsa"}
    return SignatureResult("permerror", shown["d"].lower(), shown["s"], shown["a"], reason)


async def _verdict(
    message: Message, field: Field, signature: Signature, resolver: Resolver
) -> tuple[str, str]:
    """The word and the reason for one well-formed signature."""
    if signature.expired(message.arrival.time):
        return "fail", "expired"
    try:
        keys = await find_keys(resolver, signature.selector, signature.domain)
        keys = usable_keys(keys, signature)
    except MalformedError as error:
        return "permerror", str(error)
    except DnsError as error:
        return "temperror", str(error)
    reading = canonical(message)
    reason, covered, total = await check_body(reading, signature)
    if not reason:
        data = header_data(reading, field, signature)
        if not any(key.verifies(signature.octets, data) for key in keys):
            reason = "bad signature"
    if reason:
        # 3.6.1: a domain that is testing must not be treated worse than without a signature.
        testing = all(key.testing for key in keys)
        return ("neutral", f"{reason}, key in test mode") if testing else ("fail", reason)
    if not message.whole:
        return "policy", "the header section is too long to be read whole"
    return policy(reading, signature, covered, total)


def usable_keys(keys: Sequence[PublicKey], signature: Signature) -> list[PublicKey]:
    """The keys this signature may be checked with. Raises MalformedError if there is none."""
    kind, _, hashed = signature.algorithm.partition("-")
    usable = [key for key in keys if key.kind == ALGORITHMS[signature.algorithm]]
    if not usable:
        raise MalformedError(f"key is not for {kind}")
    usable = [key for key in usable if key.hashes is None or hashed in key.hashes]
    if not usable:
        raise MalformedError(f"key does not allow {hashed}")
    same = signature.identity == signature.domain
    usable = [key for key in usable if same or not key.strict]
    if not usable:
        raise MalformedError("i= is a subdomain and the key says t=s")
    usable = [key for key in usable if key.serves(signature.user)]
    if not usable:
        raise MalformedError("key is for another user (g=)")
    return usable


async def check_body(reading: CanonicalMessage, signature: Signature) -> tuple[str, int, int]:
    """Why the body hash does not hold (empty if it does), octets covered, octets in all."""
    digest, total = await reading.body_hash(signature.body_form, signature.length)
    if digest != signature.body_hash:
        return "body was changed", 0, total
    return "", total if signature.length is None else signature.length, total


def header_data(reading: CanonicalMessage, field: Field, signature: Signature) -> bytes:
    """What was signed: the canonical fields, then the signature without its b= (3.7)."""
    form = signature.header_form
    fields = reading.signed_fields(signature.names, form, field)
    return b"\r\n".join([*fields, without_b(reading.field(field, form))])


def policy(
    reading: CanonicalMessage, signature: Signature, covered: int, total: int
) -> tuple[str, str]:
    """Whether a good signature may be believed for the whole message as readers see it."""
    if covered > total:
        return "permerror", "l= is longer than the body"
    if covered < total:
        return "policy", f"l= covers {covered} of {total} octets"
    if "from" not in reading.by_name:
        return "policy", "the message has no From"
    name = added_field(reading, signature)
    if name:
        return "policy", f"{name} stands {len(reading.by_name[name])} times"
    return "pass", ""


def added_field(reading: CanonicalMessage, signature: Signature) -> str:
    """The first singleton with more instances than were signed, if some were; empty without."""
    for name in SINGLETONS:
        count = len(reading.by_name.get(name, ()))
        if count > 1 and count > signature.names.count(name) > 0:
            return name
    return ""
