from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from gateway.identity.dkim.verifier import verify
from gateway.identity.signing import OVERSIGNED, Signer, make_key
from gateway.resolver import Zone

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
LETTER = (
    b"From: Shop <support@shop.example>\r\nTo: jane@home.example\r\nSubject: We have it\r\n"
    b"Date: Mon, 23 Nov 2026 09:30:00 +0000\r\nMessage-ID: <1@shop.example>\r\n"
    b"Auto-Submitted: auto-replied\r\nReceived: x\r\n\r\nThank you.\r\n"
)


@pytest.mark.parametrize("kind", ["rsa", "ed25519"])
async def test_our_own_verifier_accepts_it(identity, arrive, kind):
    shop = identity("shop.example", kind=kind)
    ((found),) = await verify(arrive(shop.sign(LETTER)), Zone(shop.zone), 5)
    assert (found.result, found.domain, found.selector) == ("pass", "shop.example", "gw")
    assert "received" not in found.names
    assert "auto-submitted" in found.names


async def test_nobody_can_add_a_field_on_top(identity, arrive):
    shop = identity("shop.example")
    for name in OVERSIGNED:
        content = name.encode() + b": forged@evil.example\r\n" + shop.sign(LETTER)
        ((found),) = await verify(arrive(content), Zone(shop.zone), 5)
        assert found.result == "fail", name


def test_the_field_is_whole_and_well_folded(identity):
    field = identity("shop.example").signer.sign(LETTER, NOW)
    assert field.startswith(
        b"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=shop.example;"
    )
    assert re.fullmatch(rb"[^\r\n]+(?:\r\n\t[^\r\n]+)*\r\n", field)
    assert max(map(len, field.split(b"\r\n"))) <= 78
    assert b"t=1795426200;" in field.replace(b"\r\n\t", b" ")


def test_the_same_letter_at_the_same_time_has_the_same_signature(identity):
    signer = identity("shop.example").signer
    assert signer.sign(LETTER, NOW) == signer.sign(LETTER, NOW)


async def test_odd_letters(identity, arrive):
    shop = identity("shop.example", kind="ed25519")
    for letter in (
        b"From: a@shop.example\r\n\r\n",
        b"From: a@shop.example\r\n\r\nno end",
        b"From: a@shop.example\r\nSubject:\r\n\r\n\r\n\r\n",
        b"From: a@shop.example\r\nTo: x\r\nTo: y\r\nSubject: \xc3\xa4 \xff\r\n\r\n \r\n",
    ):
        ((found),) = await verify(arrive(shop.sign(letter)), Zone(shop.zone), 5)
        assert found.result in ("pass", "policy"), letter
        assert not found.reason or "stands 2 times" in found.reason


@pytest.mark.parametrize("kind", ["rsa", "ed25519"])
def test_a_new_key_and_its_record(kind):
    new = make_key("Shop.example", "gw", kind)
    assert new.name == "gw._domainkey.shop.example"
    assert new.record.startswith(f"v=DKIM1; k={kind}; p=")
    signer = Signer("shop.example", "gw", new.pem.decode())
    assert signer.record_name == new.name
    assert signer.key.record() == new.record
    strings = re.findall(r'"([^"]{1,255})"', new.zone_line)
    assert new.zone_line.startswith("gw._domainkey.shop.example. IN TXT ( ")
    assert "".join(strings) == new.record


def pem(key, encryption=None) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption())


def test_unusable_keys_say_how_to_mend_it(key_pems):
    encrypted = pem(load_pem_private_key(key_pems["rsa"], None), BestAvailableEncryption(b"x"))
    for key, text in (
        ("", "unreadable"),
        ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "unreadable"),
        (encrypted, "without a password"),
        (pem(ec.generate_private_key(ec.SECP256R1())), "neither RSA nor Ed25519"),
    ):
        with pytest.raises(ValueError, match=text) as caught:
            Signer("shop.example", "gw", key)
        assert "BEGIN" not in str(caught.value)


@pytest.mark.parametrize(
    ("domain", "selector"), [("shop", "gw"), ("", "gw"), ("a b.c", "gw"), ("shop.example", "")]
)
def test_unusable_names(key_pems, domain, selector):
    with pytest.raises(ValueError, match=r"d= is not a domain|s= is not a selector"):
        Signer(domain, selector, key_pems["ed25519"])
    with pytest.raises(ValueError, match="rsa or ed25519"):
        make_key("shop.example", "gw", "dsa")
