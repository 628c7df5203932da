"""Chains: sealed by us and by dkimpy, then damaged in every way RFC 8617, 5.2 names."""

from __future__ import annotations

import hashlib
import re
import time

import dkim as dkimpy
import pytest

from gateway import header
from gateway.identity.arc.sealer import must_seal, seal
from gateway.identity.arc.verifier import verify_chain
from gateway.identity.dkim.canonical import body_pieces
from gateway.resolver import DnsError, Zone
from gateway.verdict import AuthResult

LETTER = (
    b"From: Jane <jane@shop.example>\r\nTo: list@list.example\r\nSubject: Order\r\n"
    b"Date: Mon, 23 Nov 2026 09:30:00 +0000\r\n\r\nWhere  is it? \r\n"
)
FOUND = (
    AuthResult("spf", "pass", (("smtp.mailfrom", "jane@shop.example"),)),
    AuthResult("dmarc", "pass", (("header.from", "shop.example"),)),
)


def sealed(content: bytes, who, now, state: str = "", found=FOUND) -> bytes:
    section = header.split(content, 1000)
    body = b"".join(body_pieces(content, section.body_start, "relaxed"))
    if not state:
        state = "pass" if b"ARC-Seal" in content else "none"
    statements = (*found, AuthResult("arc", state))
    digest = hashlib.sha256(body).digest()
    return seal(section.fields, digest, who.signer, "mx.list.example", statements, now) + content


@pytest.fixture(params=["rsa", "ed25519"])
def sealers(request, identity):
    return [identity(f"hop{n}.example", kind=request.param) for n in (1, 2, 3)]


@pytest.fixture
def zone(sealers):
    return Zone({name: records for one in sealers for name, records in one.zone.items()})


@pytest.fixture
def chain(sealers, arrive):
    """A letter that three hands have passed on, the second of them changing the subject."""
    now = arrive(b"\r\n").arrival.time
    content = sealed(LETTER, sealers[0], now)
    content = sealed(content.replace(b"Subject: Order", b"Subject: [list] Order"), sealers[1], now)
    return sealed(content, sealers[2], now)


def keys_of(zone: Zone):
    return lambda name, timeout=5: (zone._names[name.decode().rstrip(".")]["TXT"][0]).encode()


async def test_a_sound_chain(chain, zone, arrive):
    found = await verify_chain(arrive(chain), zone)
    assert (found.result, found.instance, found.reason) == ("pass", 3, "")
    assert [one.domain for one in found.seals] == ["hop1.example", "hop2.example", "hop3.example"]


async def test_dkimpy_accepts_our_chain(identity, arrive):
    pytest.importorskip("authres")
    one = identity("hop1.example")
    now = arrive(b"\r\n").arrival.time
    content = sealed(sealed(LETTER, one, now), one, now)
    zone = Zone(one.zone)
    assert dkimpy.arc_verify(content, dnsfunc=keys_of(zone))[0] == dkimpy.CV_Pass


@pytest.mark.parametrize("hops", [1, 2, 3])
async def test_we_accept_dkimpys_chain(identity, key_pems, arrive, hops):
    pytest.importorskip("authres")
    zone = Zone(identity("hop1.example").zone)
    content, state = LETTER, b"none"
    for _ in range(hops):
        fields = dkimpy.arc_sign(
            b"Authentication-Results: mx.list.example; arc=" + state + b"\r\n" + content,
            b"gw",
            b"hop1.example",
            key_pems["rsa"],
            b"mx.list.example",
            linesep=b"\r\n",
        )
        content, state = b"".join(fields) + content, b"pass"
    found = await verify_chain(arrive(content), zone)
    assert (found.result, found.instance, found.reason) == ("pass", hops, "")


async def test_no_chain(arrive):
    found = await verify_chain(arrive(LETTER), Zone({}))
    assert (found.result, found.instance) == ("none", 0)


SEAL, SIGNATURE, RESULTS = "ARC-Seal", "ARC-Message-Signature", "ARC-Authentication-Results"


def change(content: bytes, name: str, instance: int, old: str, new: str) -> bytes:
    """Replace in one ARC field; `new` None drops the field, old "" prepends to its value."""
    pattern = rf"(?m)^{name}: i={instance};(?:.|\r\n[ \t])*\r\n"
    match = re.search(pattern.encode(), content)
    field = match[0]
    changed = b"" if new is None else field.replace(old.encode(), new.encode(), 1)
    assert changed != field
    return content[: match.start()] + changed + content[match.end() :]


def copy(content: bytes, name: str, instance: int) -> bytes:
    pattern = rf"(?m)^{name}: i={instance};(?:.|\r\n[ \t])*\r\n"
    return re.search(pattern.encode(), content)[0] + content


@pytest.mark.parametrize("instance", [1, 2, 3])
@pytest.mark.parametrize("name", [SEAL, SIGNATURE, RESULTS])
async def test_structure(chain, zone, arrive, name, instance):
    missing = change(chain, name, instance, "", None)
    found = await verify_chain(arrive(missing), zone)
    assert found.result == "fail"
    twice = copy(chain, name, instance)
    found = await verify_chain(arrive(twice), zone)
    assert (found.result, found.reason) == ("fail", f"two {name.lower()} of instance {instance}")
    for number in ("0", "51", "x", "-1", "4", "999"):
        renumbered = change(chain, name, instance, f"i={instance};", f"i={number};")
        assert (await verify_chain(arrive(renumbered), zone)).result == "fail", number
    unnumbered = change(chain, name, instance, f" i={instance};", "")
    assert (await verify_chain(arrive(unnumbered), zone)).result == "fail"


@pytest.mark.parametrize(
    ("name", "instance", "old", "new", "reason"),
    [
        (SEAL, 3, "cv=pass", "cv=fail", "the last sealer found the chain broken"),
        (SEAL, 3, "cv=pass", "cv=none", "cv= of instance 3 does not fit"),
        (SEAL, 2, "cv=pass", "cv=none", "cv= of instance 2 does not fit"),
        (SEAL, 2, "cv=pass", "cv=fail", "cv= of instance 2 does not fit"),
        (SEAL, 1, "cv=none", "cv=pass", "cv= of instance 1 does not fit"),
        (SEAL, 1, "cv=none; ", "", "cv= is missing"),
        (SEAL, 2, "cv=pass", "cv=", "cv= is empty"),
        (SEAL, 2, "cv=pass", "cv=pass; h=from", "ARC-Seal with h="),
        (SEAL, 2, "cv=pass", "cv=pass; cv=pass", "tag cv= twice"),
        (SEAL, 2, "cv=pass", "cv=pass; n=x", "bad seal of instance 3"),
        (SEAL, 3, "cv=pass", "cv=pass; n=x", "bad seal of instance 3"),
        (SEAL, 1, "d=hop1.example", "d=hop2.example", "bad seal of instance 3"),
        (SEAL, 1, "d=hop1.example", "d=nokey.example", "no key"),
        (SEAL, 2, "s=gw", "s=other", "no key"),
        (SEAL, 2, "d=hop2.example; ", "", "d= is missing"),
        (SEAL, 2, "t=", "t=x", "t= is not a number"),
        (SIGNATURE, 3, "d=hop3.example", "d=nokey.example", "no key"),
        (SIGNATURE, 3, "c=relaxed/relaxed", "c=relaxed/other", "c= is unknown"),
        (SIGNATURE, 3, "h=from:", "h=arc-seal:from:", "ARC-Message-Signature covers ARC-Seal"),
        (SIGNATURE, 3, "h=from:", "x=1:h=from:", "h= is missing"),
        (SIGNATURE, 3, "t=", "x=1; n=", "message signature expired"),
        (SIGNATURE, 3, "bh=", "bh=AAAA", "body was changed"),
        (SIGNATURE, 3, "c=relaxed", "l=1; c=relaxed", "body was changed"),
        (SIGNATURE, 2, "c=relaxed/relaxed", "c=relaxed/simple", "bad seal of instance 3"),
        (RESULTS, 1, "spf=pass", "spf=fail", "bad seal of instance 3"),
        (RESULTS, 3, "spf=pass", "spf=fail", "bad seal of instance 3"),
    ],
)
async def test_damaged_fields(chain, zone, arrive, name, instance, old, new, reason):
    found = await verify_chain(arrive(change(chain, name, instance, old, new)), zone)
    assert (found.result, found.reason) == ("fail", reason)


@pytest.mark.parametrize("algorithm", ["rsa-sha1", "rsa-sha512", "x"])
@pytest.mark.parametrize("name", [SEAL, SIGNATURE])
async def test_algorithms(chain, zone, arrive, sealers, name, algorithm):
    old = f"a={sealers[0].signer.key.algorithm}"
    found = await verify_chain(arrive(change(chain, name, 3, old, f"a={algorithm}")), zone)
    assert found.result == "fail"


async def test_a_changed_message(chain, zone, arrive):
    for old, new in ((b"Where", b"There"), (b"[list]", b"[spam]"), (b"jane@", b"jim@")):
        found = await verify_chain(arrive(chain.replace(old, new)), zone)
        assert found.result == "fail", old
    # What may happen on the way: white space, fields on top, fields nobody signed.
    for old, new in ((b"Where  is", b"Where is"), (b"ARC-Seal", b"Received: x\r\nARC-Seal")):
        found = await verify_chain(arrive(chain.replace(old, new, 1)), zone)
        assert found.result == "pass", old


async def test_case_and_folding_of_names(chain, zone, arrive):
    changed = chain.replace(b"ARC-Seal:", b"arc-SEAL:").replace(b"cv=pass", b"cv=pass\r\n ")
    assert (
        await verify_chain(arrive(chain.replace(b"ARC-Seal:", b"arc-SEAL:")), zone)
    ).result == "pass"
    assert (await verify_chain(arrive(changed), zone)).result == "fail"


async def test_bad_keys(chain, sealers, arrive):
    for record in ("v=DKIM1; p=", "v=DKIM1; k=rsa; p=AAAA", "x"):
        zone = Zone({name: {"TXT": [record]} for one in sealers for name in one.zone})
        assert (await verify_chain(arrive(chain), zone)).result == "fail"


async def test_dns_trouble_is_temperror_but_certain_failure_comes_first(
    chain, zone, sealers, arrive
):
    names = [name for one in sealers for name in one.zone]
    dead = {name: {"TXT": DnsError} for name in names}
    assert (await verify_chain(arrive(chain), Zone(dead))).result == "temperror"
    half = {names[0]: {"TXT": DnsError}, names[1]: {"TXT": ["v=DKIM1; p="]}}
    assert (await verify_chain(arrive(chain), Zone(half))).result == "fail"


async def test_fifty_sets_and_no_more(identity, arrive):
    one = identity("hop1.example", kind="ed25519")
    now, content = arrive(b"\r\n").arrival.time, LETTER
    for _ in range(50):
        content = sealed(content, one, now)
    found = await verify_chain(arrive(content), Zone(one.zone))
    assert (found.result, found.instance) == ("pass", 50)
    assert sealed(content, one, now) == content


async def test_a_broken_chain_is_sealed_once_as_such(chain, zone, sealers, arrive):
    now = arrive(b"\r\n").arrival.time
    broken = chain.replace(b"Where", b"There")
    content = sealed(broken, sealers[0], now, state="fail")
    found = await verify_chain(arrive(content), zone)
    assert (found.result, found.reason) == ("fail", "the last sealer found the chain broken")
    assert b"cv=fail" in content
    assert sealed(content, sealers[1], now, state="fail") == content


@pytest.mark.parametrize("state", ["temperror", "none", "pass"])
def test_no_seal_when_the_state_is_not_known(chain, sealers, arrive, state):
    now = arrive(b"\r\n").arrival.time
    content = LETTER if state == "pass" else chain
    assert sealed(content, sealers[0], now, state=state) == content


@pytest.mark.parametrize(
    ("changed", "body", "expected"),
    [
        ((), False, False),
        (("subject",), False, True),
        ((), True, True),
        (("importance",), False, False),
        (("reply-to",), False, True),
    ],
)
def test_when_to_seal(changed, body, expected):
    assert must_seal(changed, ("from", "reply-to"), body_changed=body) is expected


@pytest.mark.parametrize(
    "field",
    [
        b"ARC-Seal: i=1; " + b"x" * 100_000,
        b"ARC-Seal: " + b"; ".join(b"t%d=x" % n for n in range(10_000)),
        b"ARC-Authentication-Results: i=" + b" " * 100_000 + b"1;",
        b"ARC-Authentication-Results: i=" + b"1" * 100_000 + b";",
    ],
    ids=lambda field: repr(field[:32]),
)
async def test_hostile_fields(arrive, field):
    begin = time.process_time()
    found = await verify_chain(arrive(field + b"\r\n" + LETTER), Zone({}))
    assert found.result == "fail"
    assert time.process_time() - begin < 2.0


async def test_ten_thousand_sets(arrive):
    fields = b"".join(
        b"ARC-Seal: i=%d; a=x\r\nARC-Message-Signature: i=%d; a=x\r\n" % (n, n)
        for n in range(1, 5000)
    )
    found = await verify_chain(arrive(fields + LETTER), Zone({}))
    assert (found.result, found.reason) == ("fail", "instance out of range")
