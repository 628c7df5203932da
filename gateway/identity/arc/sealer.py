"""Sealing a message we have changed (RFC 8617, 5.1), so that the next hop can still believe it."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from datetime import datetime

from gateway.identity import authentication_results
from gateway.identity.arc.chain import MAX_INSTANCE, ArcSet, parse_seal, parse_sets
from gateway.identity.dkim.canonical import relaxed_field
from gateway.identity.dkim.tags import MalformedError
from gateway.identity.signing import Signer, choose, finish
from gateway.message import Field
from gateway.verdict import AuthResult


def must_seal(changed: Iterable[str], covered: Iterable[str], *, body_changed: bool) -> bool:
    """Whether our changes could break what others signed (decisions.md, Acknowledgement, ARC).

    `changed` and `covered` are lower-cased field names: those we removed or altered, and those
    that passing signatures cover. Prepending, and removing our own names, is no change.
    """
    changed = set(changed)
    return body_changed or "subject" in changed or bool(changed & set(covered))


def seal(
    fields: Sequence[Field],
    body_hash: bytes,
    signer: Signer,
    authserv_id: str,
    statements: Sequence[AuthResult],
    now: datetime,
) -> bytes:
    """One more ARC set for a message as it will leave, to be put on top; b"" when none may be.

    `fields` are the message's own as changed, from the top down; `body_hash` is the SHA-256 of
    its relaxed body (`CanonicalMessage.body_hash`); `statements` are what we found when it
    arrived, before any change: the one of the method `arc` tells the chain's state. A chain that
    an earlier sealer called broken is left as it is.
    """
    state = next((one.result for one in statements if one.method == "arc"), "none")
    sets = _sets(fields)
    if sets is None or len(sets) >= MAX_INSTANCE:
        return b""
    if state not in (("pass", "fail") if sets else ("none",)):
        return b""
    instance = len(sets) + 1
    results = _results(instance, authserv_id, statements)
    common = [f"d={signer.domain}", f"s={signer.selector}", f"t={int(now.timestamp())}"]
    signature = _signature(instance, fields, body_hash, signer, common)
    tags = [f"i={instance}", f"a={signer.key.algorithm}", f"cv={state}", *common, "b="]
    # 5.1.2: a seal that says the chain is broken covers its own set only.
    covered = [
        relaxed_field(field.name, field.value)
        for one in (sets if state == "pass" else ())
        for field in (one.results, one.signature, one.seal)
    ]
    covered += [_relaxed(results), _relaxed(signature)]
    return finish("ARC-Seal", tags, covered, signer.key) + signature + results


def _sets(fields: Sequence[Field]) -> list[ArcSet] | None:
    """The sets so far; None when their structure or their last seal forbids another one."""
    try:
        sets = parse_sets(fields)
        broken = sets and parse_seal(sets[-1].seal.value).validation == "fail"
    except MalformedError:
        return None
    return None if broken else sets


def _results(instance: int, authserv_id: str, statements: Sequence[AuthResult]) -> bytes:
    field = authentication_results.render(authserv_id, statements)
    value = field.partition(b":")[2]
    return f"ARC-Authentication-Results: i={instance};".encode() + value


def _signature(
    instance: int,
    fields: Sequence[Field],
    body_hash: bytes,
    signer: Signer,
    common: Sequence[str],
) -> bytes:
    names, canonical = choose(fields, also=("dkim-signature",))
    tags = [
        f"i={instance}",
        f"a={signer.key.algorithm}",
        "c=relaxed/relaxed",
        *common,
        f"h={':'.join(names)}",
        f"bh={base64.b64encode(body_hash).decode()}",
        "b=",
    ]
    return finish("ARC-Message-Signature", tags, canonical, signer.key)


def _relaxed(field: bytes) -> bytes:
    name, _, value = field.partition(b":")
    return relaxed_field(name.decode(), value)
