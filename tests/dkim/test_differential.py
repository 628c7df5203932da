"""dkimpy as the oracle: what one signs the other accepts, and both find the same damage."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import dkim as dkimpy
import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.identity.dkim.verifier import verify
from gateway.identity.signing import Signer
from gateway.resolver import Zone

VALUES = st.lists(
    st.sampled_from(
        [b"a", b"word", b" ", b"  ", b"\t", b"\r\n ", b"\r\n\t", b";", b"=", b"<a@b>", b"\xc3\xa4"]
    ),
    max_size=12,
).map(lambda pieces: b"x" + b"".join(pieces) + b"y")
NAMES = st.sampled_from(
    [b"To", b"subject", b"Cc", b"Date", b"X-Any", b"Received", b"Message-ID", b"MIME-Version"]
)
FIELDS = st.lists(st.tuples(NAMES, st.sampled_from([b": ", b":", b":  "]), VALUES), max_size=8)
BODIES = st.lists(
    st.sampled_from([b"\r\n", b" \r\n", b"a", b"words in a line", b"\t", b"  ", b".\r\n"]),
    max_size=20,
).map(lambda pieces: b"".join(pieces) + b"\r\n")
FORMS = st.sampled_from([b"simple", b"relaxed"])


def content_of(fields, body: bytes) -> bytes:
    lines = [b"From: Jane <jane@shop.example>\r\n"]
    lines += [name + colon + value + b"\r\n" for name, colon, value in fields]
    return b"".join(lines) + b"\r\n" + body


def dkimpy_says(content: bytes, record: str) -> bool:
    return dkimpy.verify(content, dnsfunc=lambda name, timeout=5: record.encode())


@pytest.fixture(scope="session")
def signers(key_pems):
    return {kind: Signer("shop.example", "gw", pem) for kind, pem in key_pems.items()}


@settings(max_examples=60)
@given(fields=FIELDS, body=BODIES, kind=st.sampled_from(["rsa", "ed25519"]))
def test_dkimpy_accepts_what_we_sign(signers, fields, body, kind):
    content = content_of(fields, body)
    signer = signers[kind]
    # (dkimpy takes a t= in its future for a mistake.)
    field = signer.sign(content, datetime(2024, 1, 1, tzinfo=UTC))
    assert dkimpy_says(field + content, signer.key.record())


@settings(max_examples=40)
@given(
    fields=FIELDS,
    body=BODIES,
    header_form=FORMS,
    body_form=FORMS,
    kind=st.sampled_from(["rsa", "ed25519"]),
    damage=st.tuples(st.integers(0, 400), st.sampled_from([b"", b" ", b"x", b"\r\n", b"\t"])),
)
async def test_both_say_the_same(
    arrive, key_pems, signers, fields, body, header_form, body_form, kind, damage
):
    """Sound or damaged anywhere behind the signature: the same answer from both."""
    content = content_of(fields, body)
    record = signers[kind].key.record()
    key = key_pems["rsa"] if kind == "rsa" else raw_ed25519(key_pems["ed25519"])
    field = dkimpy.sign(
        content,
        b"gw",
        b"shop.example",
        key,
        canonicalize=(header_form, body_form),
        signature_algorithm=b"rsa-sha256" if kind == "rsa" else b"ed25519-sha256",
    )
    zone = Zone({"gw._domainkey.shop.example": {"TXT": [record]}})
    assert await passes(arrive, field + content, zone)
    at, insertion = damage
    damaged = field + content[:at] + insertion + content[at + len(insertion) :]
    if not comparable(damaged):
        return
    try:
        expected = dkimpy_says(damaged, record)
    except dkimpy.MessageFormatError:
        return  # a header line it cannot read at all
    assert await passes(arrive, damaged, zone) == expected


async def passes(arrive, content: bytes, zone: Zone) -> bool:
    ((result,),) = [await verify(arrive(content), zone, 1)]
    # `policy` is a good signature of a message we do not believe as a whole.
    return result.result in ("pass", "policy")


def comparable(content: bytes) -> bool:
    """dkimpy cuts lines at bare CR or LF, refuses lines it cannot cut, and wants a last CRLF."""
    bare = content.replace(b"\r\n", b"")
    header, _, _ = content.partition(b"\r\n\r\n")
    lines = header.split(b"\r\n")
    well_formed = all(line[:1] in (b" ", b"\t") or b":" in line for line in lines)
    return (
        b"\r" not in bare
        and b"\n" not in bare
        and well_formed
        and content.endswith(b"\r\n")
        and all(line.strip() for line in lines)
    )


def raw_ed25519(pem: bytes) -> bytes:
    """dkimpy takes the seed in base64."""
    return base64.b64encode(load_pem_private_key(pem, None).private_bytes_raw())
