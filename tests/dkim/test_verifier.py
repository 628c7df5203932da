from __future__ import annotations

import base64
import hashlib
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from gateway import header
from gateway.identity.dkim.canonical import body_pieces, relaxed_field
from gateway.identity.dkim.signature import without_b
from gateway.identity.dkim.verifier import verify
from gateway.identity.signing import SigningKey
from gateway.resolver import DnsError, Zone

VECTORS = Path(__file__).parents[1] / "vectors"
LETTER = (
    b"From: Jane <jane@shop.example>\r\nTo: us@site.example\r\nSubject: Order  10423\r\n"
    b"Date: Mon, 23 Nov 2026 09:30:00 +0000\r\nReply-To: jane@shop.example\r\n\r\n"
    b"Where is  it?\t\r\n\r\nJane \r\n\r\n\r\n"
)


class Forge:
    """Signs whatever it is told to, right or wrong."""

    def __init__(self, pem: bytes) -> None:
        self.key = SigningKey(pem)
        self.tags = {
            "v": "1",
            "a": self.key.algorithm,
            "c": "relaxed/relaxed",
            "d": "shop.example",
            "s": "gw",
            "h": "from:to:subject:date:reply-to",
        }

    def zone(self, record: str | None = None, name: str = "gw._domainkey.shop.example") -> Zone:
        return Zone({name: {"TXT": [self.key.record() if record is None else record]}})

    def sign(self, content: bytes = LETTER, *, drop: str = "", **changes: str) -> bytes:
        tags = {name: value for name, value in (self.tags | changes).items() if name not in drop}
        section = header.split(content, 1000)
        header_form, _, body_form = tags.get("c", "simple/simple").partition("/")
        body = b"".join(body_pieces(content, section.body_start, body_form or "simple"))
        length = int(tags["l"]) if tags.get("l", "").isdigit() else None
        digest = base64.b64encode(hashlib.sha256(body[:length]).digest()).decode()
        tags = {**tags, "bh": digest} | {k: v for k, v in changes.items() if k == "bh"}
        tags = {name: value for name, value in tags.items() if name not in drop.split()}
        value = " " + "; ".join(f"{name}={value}" for name, value in tags.items()) + "; b="
        lines = []
        left = list(section.fields)
        for name in tags.get("h", "").lower().split(":"):
            found = [field for field in left if field.name == name.strip()]
            if found:
                left.remove(found[-1])
                lines.append(self._form(content, found[-1], header_form))
        own = f"DKIM-Signature:{value}".encode()
        if header_form == "relaxed":
            own = relaxed_field("dkim-signature", value.encode())
        data = b"\r\n".join([*lines, without_b(own)])
        signature = base64.b64encode(self.key.sign(data))
        return b"DKIM-Signature:" + value.encode() + signature + b"\r\n" + content

    @staticmethod
    def _form(content: bytes, field: header.Field, form: str) -> bytes:
        if form == "relaxed":
            return relaxed_field(field.name, field.value)
        return content[field.start : field.end].removesuffix(b"\r\n")


@pytest.fixture(scope="session")
def forges(key_pems):
    return {kind: Forge(pem) for kind, pem in key_pems.items()}


@pytest.fixture(params=["rsa", "ed25519"])
def forge(request, forges):
    return forges[request.param]


@pytest.fixture
def rsa_forge(forges):
    return forges["rsa"]


@pytest.fixture
def judge(arrive):
    async def judged(content: bytes, zone: Zone, limit: int = 5, **session):
        found = await verify(arrive(content, **session), zone, limit)
        return [(one.result, one.reason) for one in found]

    return judged


RFC_ZONE = Zone(
    {
        "brisbane._domainkey.example.com": {
            "TXT": [
                "v=DKIM1; p="
                "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDwIRP/UC3SBsEmGqZ9ZJW3/DkMoGeLnQg1"
                "fWn7/zYtIxN2SnFCjxOCKG9v3b4jYfcTNh5ijSsq631uBItLa7od+v/RtdC2UzJ1lWT947qR+Rcac2gbto/"
                "NMqJ0fzfVjH4OuKhitdY9tf6mcwGjaNBcWToIMmPSPDdQPNUYckcQ2QIDAQAB"
            ]
        },
        "brisbane._domainkey.football.example.com": {
            "TXT": ["v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="]
        },
        "test._domainkey.football.example.com": {
            "TXT": [
                "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6"
                "Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6"
                "lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB"
            ]
        },
    }
)


async def test_rfc_6376_appendix_a(judge):
    content = (VECTORS / "rfc6376-a.eml").read_bytes()
    assert await judge(content, RFC_ZONE) == [("pass", "")]


async def test_rfc_8463_appendix_a(arrive):
    found = await verify(arrive((VECTORS / "rfc8463-a.eml").read_bytes()), RFC_ZONE, 5)
    assert [(one.result, one.algorithm, one.selector) for one in found] == [
        ("pass", "ed25519-sha256", "brisbane"),
        ("pass", "rsa-sha256", "test"),
    ]


@pytest.mark.parametrize("header_form", ["simple", "relaxed"])
@pytest.mark.parametrize("body_form", ["simple", "relaxed"])
async def test_every_form(forge, judge, header_form, body_form):
    content = forge.sign(c=f"{header_form}/{body_form}")
    assert await judge(content, forge.zone()) == [("pass", "")]
    respaced = content.replace(b"Order  10423", b"Order 10423").replace(b"is  it?", b"is it?")
    expected = ("pass", "") if (header_form, body_form) == ("relaxed", "relaxed") else None
    found = await judge(respaced, forge.zone())
    assert found[0] == expected or found[0][0] == "fail"


async def test_what_breaks_it(forge, judge):
    content = forge.sign()
    for old, new, reason in (
        (b"Where is", b"Where was", "body was changed"),
        (b"10423", b"10424", "bad signature"),
        (b"From: Jane", b"From: Jim", "bad signature"),
        (b"DKIM-Signature: v=1;", b"DKIM-Signature: v=1; n=x;", "bad signature"),
    ):
        changed = content.replace(old, new, 1)
        assert await judge(changed, forge.zone()) == [("fail", reason)]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"v": "2"}, "v= is not 1"),
        ({"drop": "v"}, "v= is missing"),
        ({"drop": "bh"}, "bh= is missing"),
        ({"drop": "d"}, "d= is missing"),
        ({"drop": "s"}, "s= is missing"),
        ({"drop": "h"}, "h= is missing"),
        ({"drop": "a"}, "a= is missing"),
        ({"h": ""}, "h= is empty"),
        ({"h": "to:subject"}, "h= does not cover From"),
        ({"h": "from:to:"}, "h= is not a list of field names"),
        ({"a": "rsa-sha1"}, "rsa-sha1 proves nothing"),
        ({"a": "rsa-sha512"}, "a= is unknown"),
        ({"c": "nowsp/relaxed"}, "c= is unknown"),
        ({"c": "relaxed/"}, "c= is unknown"),
        ({"q": "http"}, "q= knows no dns/txt"),
        ({"d": "example"}, "d= is not a domain"),
        ({"d": "shop.example."}, "d= is not a domain"),
        ({"d": "sh op.example"}, "d= is not a domain"),
        ({"d": "a." * 130 + "example"}, "d= is not a domain"),
        ({"s": "-"}, "s= is not a selector"),
        ({"i": "@other.example"}, "i= is not within d="),
        ({"i": "jane@notshop.example"}, "i= is not within d="),
        ({"i": "jane"}, "i= has no @"),
        ({"l": "-1"}, "l= is not a number"),
        ({"t": "yesterday"}, "t= is not a number"),
        ({"t": "200", "x": "100"}, "x= is not after t="),
        ({"bh": "***"}, "bh= is not base64"),
        ({"n": "\x01"}, "control characters"),
        ({"l": "100000"}, "l= is longer than the body"),
    ],
    ids=str,
)
async def test_malformed_signatures_are_permerror(rsa_forge, judge, changes, reason):
    assert await judge(rsa_forge.sign(**changes), rsa_forge.zone()) == [("permerror", reason)]


async def test_a_tag_twice_is_permerror(rsa_forge, judge):
    content = rsa_forge.sign().replace(b"; d=", b"; d=x.example; d=", 1)
    assert await judge(content, rsa_forge.zone()) == [("permerror", "tag d= twice")]


async def test_rsa_sha1_never_passes(rsa_forge, judge):
    """RFC 8301, 3.1: also when everything about it is right."""
    key = rsa_forge.key._key
    section = header.split(LETTER, 1000)
    body = b"".join(body_pieces(LETTER, section.body_start, "relaxed"))
    digest = base64.b64encode(hashlib.sha1(body).digest()).decode()
    value = f" v=1; a=rsa-sha1; c=relaxed/relaxed; d=shop.example; s=gw; h=from; bh={digest}; b="
    data = relaxed_field("from", section.fields[0].value) + b"\r\n"
    data += relaxed_field("dkim-signature", value.encode())
    signature = base64.b64encode(key.sign(data, PKCS1v15(), SHA1()))
    content = b"DKIM-Signature:" + value.encode() + signature + b"\r\n" + LETTER
    assert await judge(content, rsa_forge.zone()) == [("permerror", "rsa-sha1 proves nothing")]


@pytest.mark.parametrize(
    ("form", "reason"),
    [
        ("", "key record without p="),
        ("v=DKIM1; p=", "key revoked"),
        ("v=DKIM1; p=; t=y", "key revoked"),
        ("v=DKIM2; {key}", "key record of an unknown version"),
        ("{key}; v=DKIM1", "key record of an unknown version"),
        ("v=DKIM1; {key}; {key}", "key record: tag k= twice"),
        ("v=DKIM1; p=AAAA", "key unreadable"),
        ("v=DKIM1; p=*", "key record: p= is not base64"),
        ("v=DKIM1; k=dsa; p=AAAA", "key of an unknown type"),
        ("v=DKIM1; {key}; s=tls", "key not meant for email"),
        ("v=DKIM1; {key}; h=sha1", "key does not allow sha256"),
        ("v=DKIM1; {key}; n=" + "x" * 9000, "key record too long"),
        ("v=DKIM1; k=ed25519; p=AAAA", "ed25519 key of a wrong length"),
        (
            "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
            "key is not for rsa",
        ),
        ("v=spf1 -all", "key record of an unknown version"),
    ],
)
async def test_bad_keys_are_permerror(rsa_forge, judge, form, reason):
    record = form.format(key=rsa_forge.key.record().removeprefix("v=DKIM1; "))
    assert await judge(rsa_forge.sign(), rsa_forge.zone(record)) == [("permerror", reason)]


@pytest.mark.parametrize(
    "form",
    [
        "{key}",
        "v=DKIM1; {key}; s=email",
        "v=DKIM1; {key}; s=*; h=sha1:sha256",
        "v=DKIM1; {key}; t=s",
        "v=DKIM1; {key}; t=y",
        "v=DKIM1; {key}; g=*",
        "{key}; g=",
        "v=DKIM1; {key}; x_new=1",
        "v=DKIM1; n=for you; {key};",
    ],
)
async def test_good_keys(forge, judge, form):
    record = form.format(key=forge.key.record().removeprefix("v=DKIM1; "))
    assert await judge(forge.sign(), forge.zone(record)) == [("pass", "")]


@pytest.mark.parametrize(
    ("granularity", "identity", "passes"),
    [
        ("jane", "jane@shop.example", True),
        ("jane", "Jane@shop.example", False),
        ("jane", "jim@shop.example", False),
        ("jane", "@shop.example", False),
        ("", "jane@shop.example", False),
        ("", "@shop.example", False),
        ("*", "@shop.example", True),
        ("j*e", "jane@shop.example", True),
        ("jan*ane", "jane@shop.example", False),
        ("*-news", "shop-news@mail.shop.example", True),
        ("*-news", "shop@shop.example", False),
    ],
)
async def test_keys_for_one_user(forge, judge, granularity, identity, passes):
    """RFC 4871's g=: it can only narrow what a key proves."""
    zone = forge.zone(f"{forge.key.record()}; g={granularity}")
    expected = ("pass", "") if passes else ("permerror", "key is for another user (g=)")
    assert await judge(forge.sign(i=identity), zone) == [expected]


async def test_no_key(rsa_forge, judge):
    assert await judge(rsa_forge.sign(), Zone({})) == [("permerror", "no key")]


async def test_dns_trouble_is_temperror(rsa_forge, judge):
    zone = Zone({"gw._domainkey.shop.example": {"TXT": DnsError}})
    ((word, reason),) = await judge(rsa_forge.sign(), zone)
    assert word == "temperror"
    assert "gw._domainkey.shop.example" in reason


async def test_a_right_key_among_several(rsa_forge, judge):
    name = "gw._domainkey.shop.example"
    zone = Zone({name: {"TXT": ["v=spf1 -all", "v=DKIM1; p=", rsa_forge.key.record()]}})
    assert await judge(rsa_forge.sign(), zone) == [("pass", "")]


def public_record(key: rsa.RSAPrivateKey, form: PublicFormat) -> str:
    octets = key.public_key().public_bytes(Encoding.DER, form)
    return f"v=DKIM1; p={base64.b64encode(octets).decode()}"


async def test_keys_under_1024_bits_never_pass(judge):
    weak = rsa.generate_private_key(65537, 1024)
    pem = weak.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    forge = Forge(pem)
    assert await judge(forge.sign(), forge.zone()) == [("pass", "")]
    # A key of 768 bits; our libraries make none any more, but read it.
    record = (
        "v=DKIM1; p="
        "MHwwDQYJKoZIhvcNAQEBBQADawAwaAJhAMYx3aXEjbjRNmAD+mT6aUuMoIY3V4b4oykQVh4Oj+D1W+5c"
        "eleAk6ZWpW1JoY9oOIj+dYC0+E8dkRiKTxIOuz9OhL8VHBg8rkNLj85x7M6oYfAZeRZm4U9NmkJ3o3v1gQIDAQAB"
    )
    assert await judge(forge.sign(), forge.zone(record)) == [("permerror", "key of 768 bits")]


@pytest.mark.parametrize(("bits", "usable"), [(17, True), (64, True), (65, False), (2047, False)])
async def test_an_exponent_that_costs_too_much(rsa_forge, judge, bits, usable):
    numbers = rsa.RSAPublicNumbers(e=(1 << (bits - 1)) + 1, n=(1 << 2047) + 1)
    octets = numbers.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    record = f"v=DKIM1; p={base64.b64encode(octets).decode()}"
    expected = ("fail", "bad signature"), ("permerror", "key with too large an exponent")
    assert await judge(rsa_forge.sign(), rsa_forge.zone(record)) == [expected[not usable]]


async def test_a_key_in_the_words_of_the_rfc(rsa_forge, judge):
    """3.6.1 says RSAPublicKey, everybody publishes SubjectPublicKeyInfo: both are read."""
    record = public_record(rsa_forge.key._key, PublicFormat.PKCS1)
    assert await judge(rsa_forge.sign(), rsa_forge.zone(record)) == [("pass", "")]


async def test_subdomains_of_the_signer(forge, judge):
    content = forge.sign(i="jane@mail.shop.example")
    assert await judge(content, forge.zone()) == [("pass", "")]
    strict = forge.zone(forge.key.record() + "; t=y:s")
    reason = "i= is a subdomain and the key says t=s"
    assert await judge(content, strict) == [("permerror", reason)]


async def test_a_testing_domain_is_not_treated_worse_than_an_unsigned_one(forge, judge):
    broken = forge.sign().replace(b"Where", b"There")
    zone = forge.zone(forge.key.record() + "; t=y")
    assert await judge(broken, zone) == [("neutral", "body was changed, key in test mode")]


async def test_expiry(forge, judge):
    content = forge.sign(t="1000", x="2000")
    time_at = {stamp: datetime.fromtimestamp(stamp, UTC) for stamp in (2000, 2001)}
    assert await judge(content, forge.zone(), time=time_at[2000]) == [("pass", "")]
    assert await judge(content, forge.zone(), time=time_at[2001]) == [("fail", "expired")]


async def test_text_behind_l_is_not_covered(forge, judge):
    content = forge.sign(l="13")
    ((word, reason),) = await judge(content, forge.zone())
    assert word == "policy"
    assert reason.startswith("l= covers 13 of ")
    whole = len(b"".join(body_pieces(LETTER, LETTER.index(b"\r\n\r\n") + 4, "relaxed")))
    assert await judge(forge.sign(l=str(whole)), forge.zone()) == [("pass", "")]
    appended = forge.sign(l=str(whole)) + b"Pay here instead\r\n"
    assert (await judge(appended, forge.zone()))[0][0] == "policy"


@pytest.mark.parametrize("name", [b"From", b"Subject", b"Date", b"To", b"Reply-To"])
async def test_a_second_one_on_top_is_flagged(forge, judge, name):
    content = name + b": forged@evil.example\r\n" + forge.sign()
    found = await judge(content, forge.zone())
    assert found == [("policy", f"{name.decode().lower()} stands 2 times")]


@pytest.mark.parametrize(
    "name", [b"Content-Type", b"Content-Transfer-Encoding", b"Cc", b"Sender", b"Message-ID"]
)
async def test_another_reading_on_top_is_flagged(forge, judge, name):
    """A second Content-Type shows another letter than the one that was signed."""
    signed = forge.sign(name + b": one\r\n" + LETTER, h=f"from:{name.decode()}")
    assert await judge(signed, forge.zone()) == [("pass", "")]
    found = await judge(name + b": two\r\n" + signed, forge.zone())
    assert found == [("policy", f"{name.decode().lower()} stands 2 times")]


@pytest.mark.parametrize("junk", [b"X: 1\r\n" * 10_000, b"X: " + b"a" * (1 << 20) + b"\r\n"])
async def test_a_header_section_read_in_part_is_not_believed(forge, judge, junk):
    """Below what is read may stand the Date a mail client shows."""
    head, gap, body = forge.sign().partition(b"\r\n\r\n")
    found = await judge(head + b"\r\n" + junk + b"Date: other" + gap + body, forge.zone())
    assert found == [("policy", "the header section is too long to be read whole")]


async def test_a_message_without_an_author_is_not_believed(forge, judge):
    content = forge.sign(LETTER.partition(b"\r\n")[2])
    assert await judge(content, forge.zone()) == [("policy", "the message has no From")]


async def test_oversigning_refuses_a_second_one(forge, judge):
    content = forge.sign(h="from:from:to:subject:date")
    assert await judge(content, forge.zone()) == [("pass", "")]
    assert await judge(b"From: x@y.example\r\n" + content, forge.zone()) == [
        ("fail", "bad signature")
    ]


async def test_fields_are_taken_from_the_bottom(forge, judge):
    twice = LETTER.replace(b"To: us", b"Received: one\r\nReceived: two\r\nTo: us")
    content = b"Received: three\r\n" + forge.sign(twice, h="from:received:received")
    assert await judge(content, forge.zone()) == [("pass", "")]


async def test_u_labels(forge, judge):
    name = "gw._domainkey.xn--mller-kva.example"
    content = forge.sign(d="müller.example", i="@müller.example")
    assert await judge(content, forge.zone(name=name)) == [("pass", "")]


async def test_odd_messages(forge, judge):
    for letter in (
        b"From: a@b.example\r\n\r\n",
        b"From: a@b.example\r\n",
        b"From: a@b.example\r\n\r\nno line end",
        b"From: a@b.example\r\n\r\n\r\n\r\n",
        b"From: J\xe4ne <a@b.example>\r\nSubject:\r\n\r\n\xff\xfe\x00\r\n",
    ):
        for form in ("simple/simple", "relaxed/relaxed"):
            content = forge.sign(letter, c=form, h="from:subject")
            assert await judge(content, forge.zone()) == [("pass", "")], letter


async def test_each_signature_has_an_entry_in_order(forge, judge):
    other = forge.sign(forge.sign(s="old"), d="evil.example")
    content = other.replace(b"d=evil.example", b"d=e\xc3\xb6il.example", 1)
    assert [word for word, _ in await judge(other, forge.zone())] == ["permerror", "permerror"]
    assert [reason for _, reason in await judge(content, forge.zone())] == ["no key", "no key"]


async def test_only_the_first_few_are_read(forge, judge):
    content = forge.sign()
    field = content[: content.index(b"\r\n") + 2]
    zone = forge.zone()
    begin = time.process_time()
    found = await judge(field * 1500 + content, zone, limit=3)
    assert found == [("pass", "")] * 3
    assert time.process_time() - begin < 3.0
    assert len(zone.asked) == 3


@pytest.mark.parametrize(
    "field",
    [
        b"DKIM-Signature: " + b"; ".join(b"t%d=x" % n for n in range(10_000)),
        b"DKIM-Signature: v=1; h=" + b":".join([b"from"] * 10_000),
        b"DKIM-Signature: v=1; b=" + b"A" * 100_000,
        b"DKIM-Signature: v=1; i=" + b"@" * 100_000,
        b"DKIM-Signature: v=1; d=" + b"a-" * 50_000,
        b"DKIM-Signature: v=1; d=" + "ü".encode() * 50_000,
        b"DKIM-Signature: " + b";" * 100_000,
        b"DKIM-Signature: ;" + b" " * 100_000 + b"b",
        b"DKIM-Signature:" + b"\r\n " * 30_000,
        b"DKIM-Signature: v=1; l=" + b"9" * 100_000,
    ],
    ids=lambda field: repr(field[:32]),
)
async def test_hostile_signatures(forge, judge, field):
    begin = time.process_time()
    ((word, reason),) = await judge(field + b"\r\n" + LETTER, forge.zone())
    assert time.process_time() - begin < 2.0
    assert word == "permerror"
    assert len(reason) < 100


async def test_ten_thousand_names_in_a_valid_signature(forge, judge):
    content = forge.sign(h=":".join(["from", "to", *["x-none"] * 10_000]))
    assert await judge(content, forge.zone()) == [("pass", "")]
