"""Sealing a message we have changed (RFC 8617, 5.1), so that the next hop can still believe it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from gateway import authentication_results, header
from gateway.arc.chain import MAX_INSTANCE, parse_seal, parse_sets
from gateway.dkim.canonical import relaxed_field
from gateway.dkim.tags import MalformedError
from gateway.message import Field
from gateway.signing import MAX_FIELDS, Signer, body_hash, choose, finish
from gateway.verdict import AuthResult


def must_seal(changed: Iterable[str], covered: Iterable[str], *, body_changed: bool) -> bool:
    """Whether our changes could break what others signed (decisions.md, Acknowledgement, ARC).

    `changed` and `covered` are lower-cased field names: those we removed or altered, and those
    that passing signatures cover. Prepending, and removing our own names, is no change.
    """
    changed = set(changed)
    return body_changed or "subject" in changed or bool(changed & set(covered))


def seal(
    content: bytes,
    signer: Signer,
    authserv_id: str,
    statements: Sequence[AuthResult],
    now: datetime,
) -> bytes:
    """One more ARC set for `content` as it will leave, to be put on top; b"" when none may be.

    `statements` are what we found when it arrived, before any change; the one of the method `arc`
    tells the chain's state. A chain that an earlier sealer called broken is left as it is.
    """
    section = header.split(content, MAX_FIELDS)
    found = next((one.result for one in statements if one.method == "arc"), "none")
    try:
        sets = parse_sets(section.fields)
        if sets and parse_seal(sets[-1].seal.value).validation == "fail":
            return b""
    except MalformedError:
        return b""
    if len(sets) >= MAX_INSTANCE or found not in ("none", "pass", "fail"):
        return b""
    instance = len(sets) + 1
    validation = "none" if not sets else found
    if sets and validation == "none":
        return b""
    results = _results(instance, authserv_id, statements)
    signature = _signature(instance, content, section, signer, now)
    tags = [
        f"i={instance}",
        f"a={signer.key.algorithm}",
        f"cv={validation}",
        f"d={signer.domain}",
        f"s={signer.selector}",
        f"t={int(now.timestamp())}",
        "b=",
    ]
    # 5.1.2: a seal that says the chain is broken covers its own set only.
    earlier: list[Field] = []
    if validation == "pass":
        earlier = [field for one in sets for field in (one.results, one.signature, one.seal)]
    covered = [relaxed_field(field.name, field.value) for field in earlier]
    covered += [_relaxed(results), _relaxed(signature)]
    return finish("ARC-Seal", tags, covered, signer.key) + signature + results


def _results(instance: int, authserv_id: str, statements: Sequence[AuthResult]) -> bytes:
    field = authentication_results.render(authserv_id, statements)
    value = field.partition(b":")[2]
    return f"ARC-Authentication-Results: i={instance};".encode() + value


def _signature(
    instance: int, content: bytes, section: header.Section, signer: Signer, now: datetime
) -> bytes:
    names, fields = choose(section.fields, also=("dkim-signature",))
    tags = [
        f"i={instance}",
        f"a={signer.key.algorithm}",
        "c=relaxed/relaxed",
        f"d={signer.domain}",
        f"s={signer.selector}",
        f"t={int(now.timestamp())}",
        f"h={':'.join(names)}",
        f"bh={body_hash(content, section.body_start)}",
        "b=",
    ]
    return finish("ARC-Message-Signature", tags, fields, signer.key)


def _relaxed(field: bytes) -> bytes:
    name, _, value = field.partition(b":")
    return relaxed_field(name.decode(), value)
