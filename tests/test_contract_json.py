"""What `explain --json` prints keeps the contract: every key, type and word, whatever happened.

The models below were written from the contract, not from the code. Further keys may be added.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Literal

import dkim
import pytest
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from support.running import ANGRY, ZONE, settings_of, write_configuration

from gateway import header
from gateway.acknowledgement.reasons import REASONS
from gateway.edge.zone_server import serve_zone
from gateway.examiner import Examiner
from gateway.identity.arc.sealer import seal
from gateway.identity.dkim.canonical import body_pieces
from gateway.identity.signing import Signer
from gateway.message import Arrival, Envelope, Session
from gateway.resolver import DnsError
from gateway.verdict import AuthResult

NOW = datetime.fromisoformat("2026-11-23T09:30:00+00:00")
Share = Field(ge=0, le=1)


class Told(BaseModel):
    model_config = ConfigDict(extra="allow", strict=True)


class Mailbox(Told):
    name: str
    address: str


class Attachment(Told):
    filename: str
    content_type: str
    size: int


class Letter(Told):
    message_id: str
    from_: Mailbox = Field(alias="from")
    reply_to: list[Mailbox]
    to: list[Mailbox]
    cc: list[Mailbox]
    subject: str
    date: str | None
    text: str
    new_text: str
    language: str
    attachments: list[Attachment]
    defects: list[str]


class Spf(Told):
    result: Literal["pass", "fail", "softfail", "neutral", "none", "temperror", "permerror"]
    domain: str
    reason: str


class Dkim(Told):
    result: Literal["pass", "fail", "none", "neutral", "policy", "temperror", "permerror"]
    domain: str
    selector: str
    algorithm: str
    reason: str


class Dmarc(Told):
    result: Literal["pass", "fail", "none", "temperror", "permerror"]
    domain: str
    policy: Literal["none", "quarantine", "reject"] | None
    reason: str


class Arc(Told):
    result: Literal["pass", "fail", "none"]
    instance: int
    reason: str


class Authentication(Told):
    spf: Spf
    dkim: list[Dkim]
    dmarc: Dmarc
    arc: Arc
    aligned: bool
    helo: Spf | None = None


class Spam(Told):
    verdict: Literal["ham", "unsure", "spam"]
    score: float = Share
    reasons: list[str]


class Probabilities(Told):
    irate: float = Share
    upset: float = Share
    neutral: float = Share
    pleased: float = Share


class Tone(Told):
    label: Literal["irate", "upset", "neutral", "pleased", "unknown"]
    score: float = Share
    probabilities: Probabilities
    urgent: bool
    urgency: float = Share
    reasons: list[str]


class Call(Told):
    wanted: bool
    asked: Literal["yes", "no", "refused"]
    asked_score: float = Share
    phone: str | None = Field(pattern=r"^\+[1-9]\d{1,14}$")
    orders: list[str]
    questions: list[str]
    reason: str
    due: str | None


Action = Literal["deliver", "tag", "quarantine", "defer", "refuse"]


class Route(Told):
    recipient: str
    site: str | None
    rule: str
    next_hop: str | None
    deliver_to: list[str]
    tags: list[str]
    action: Action


class Acknowledgement(Told):
    send: bool
    reason: str
    reasons: list[str]
    template: str
    language: str
    promise: str | None


class Explanation(Told):
    message: Letter
    authentication: Authentication
    spam: Spam
    tone: Tone
    call: Call
    routes: list[Route]
    acknowledgement: Acknowledgement
    action: Action
    headers: list[tuple[str, str]]
    timings_ms: dict[str, float]


def kept(found: dict[str, Any]) -> Explanation:
    """The contract's view of one answer, read back from its JSON."""
    text = json.dumps(found)
    told = TypeAdapter(Explanation).validate_json(text)
    for at in (told.message.date, told.call.due, told.acknowledgement.promise):
        assert at is None or datetime.fromisoformat(at).tzinfo is not None
    assert told.acknowledgement.reason in {*REASONS, "ok"}
    assert set(told.acknowledgement.reasons) <= set(REASONS)
    assert all(isinstance(value, str) for pair in told.headers for value in pair)
    return told


@pytest.fixture
def signer(key_pems) -> Signer:
    return Signer("author.example", "gw", key_pems["rsa"])


@pytest.fixture
def explain(tmp_path, key_pems, signer):
    """`explain(content, zone, filters=…)`: what is told of one letter, as the contract reads it."""

    @asynccontextmanager
    async def opened(zone: dict, **texts: str) -> AsyncIterator[Examiner]:
        names = {**ZONE, signer.record_name: {"TXT": [signer.key.record()]}, **zone}
        async with serve_zone(names) as dns:
            config = write_configuration(tmp_path, dns, key_pems["rsa"], **texts)
            async with Examiner.open(settings_of(config), NOW, history=False) as examiner:
                yield examiner

    async def told(
        content: bytes, zone: dict | None = None, *, sender="jo@author.example",
        to=("support@shop.example",), **texts: str,
    ) -> Explanation:  # fmt: skip
        session = Session("127.0.0.1", "mail.author.example")
        arrival = Arrival("Q1", NOW, session, Envelope(sender, tuple(to)), content)
        async with opened(zone or {}, **texts) as examiner:
            return kept(await examiner.explain(arrival))

    return told


def letter(body: str = "Where is my parcel, order 10423?\r\n", top: str = "") -> bytes:
    return (
        f"{top}From: Jo Field <jo@author.example>\r\nTo: support@shop.example\r\n"
        "Subject: Parcel\r\nDate: Mon, 23 Nov 2026 09:00:00 +0000\r\n"
        f"Message-ID: <1@author.example>\r\n\r\n{body}"
    ).encode()


async def test_a_plain_letter(explain, signer):
    content = letter(ANGRY)
    found = await explain(signer.sign(content, NOW) + content)
    assert found.authentication.aligned
    assert found.authentication.dmarc.policy == "none"
    assert found.call.phone == "+12025550143"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\r\n",
        b"\x00\xff\xfe",
        b"no colon\r\n\r\n",
        b"From: <>\r\nDate: no\r\n\r\nx",
        letter(),
    ],
    ids=["empty", "no fields", "octets", "no field", "no author", "letter"],
)
@pytest.mark.parametrize("to", [(), ("support@shop.example",), ("x@elsewhere.example",)], ids=str)
@pytest.mark.parametrize("sender", ["", "jo@author.example", "\udcff@author.example"], ids=ascii)
async def test_whatever_comes(explain, content, to, sender):
    await explain(content, to=to, sender=sender, filters=PLAIN)


PLAIN = "\nfilters: [{use: spf}, {use: dkim}, {use: arc}, {use: dmarc}]\n"


async def test_without_any_filter(explain):
    found = await explain(letter(), filters="")
    assert found.authentication.dkim == []
    assert found.authentication.arc.result == "none"


# --- every word of each check --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("record", "word"),
    [
        (["v=spf1 +all"], "pass"),
        (["v=spf1 -all"], "fail"),
        (["v=spf1 ~all"], "softfail"),
        (["v=spf1 ?all"], "neutral"),
        ([], "none"),
        (DnsError, "temperror"),
        (["v=spf1 nonsense"], "permerror"),
    ],
)
async def test_spf(explain, record, word):
    found = await explain(letter(), {"author.example": {"TXT": record}}, filters=PLAIN)
    assert found.authentication.spf.result == word
    assert found.authentication.spf.domain == "author.example"


async def test_dkim(explain, signer, key_pems):
    """Each signature with its own word, in the order found."""
    plain, text = letter(), signer.key.record()

    def signed(selector: str) -> bytes:
        return Signer("author.example", selector, key_pems["rsa"]).sign(plain, NOW)

    zone = {
        "good._domainkey.author.example": {"TXT": [text]},
        "try._domainkey.author.example": {"TXT": [f"{text}; t=y"]},
        "none._domainkey.author.example": {"TXT": []},
        "dead._domainkey.author.example": {"TXT": DnsError},
    }
    damaged = [signed(name).replace(b"bh=", b"bh=AAAA") for name in ("good", "try")]
    fields = [signed("good"), signed("dead"), signed("none"), *damaged]
    found = await explain(b"".join(fields) + plain, zone, filters=PLAIN)
    words = [one.result for one in found.authentication.dkim]
    assert words == ["pass", "temperror", "permerror", "fail", "neutral"]
    assert all(one.domain == "author.example" for one in found.authentication.dkim)


async def test_dkim_that_covers_too_little(explain, key_pems):
    pem, plain = key_pems["rsa"], letter()
    partly = dkim.sign(plain, b"gw", b"author.example", pem, length=True)
    found = await explain(partly + plain + b"more\r\n", filters=PLAIN)
    assert [one.result for one in found.authentication.dkim] == ["policy"]


async def test_a_dkim_filter_without_an_answer(explain, signer):
    plain = letter()
    twice = signer.sign(plain, NOW) * 2 + plain
    filters = PLAIN.replace("{use: dkim}", "{use: dkim, time_limit: 0s}")
    found = await explain(twice, filters=filters)
    words = [(one.result, one.reason) for one in found.authentication.dkim]
    assert words == [("temperror", "timeout")] * 2
    assert any(name == "X-Gateway-Unchecked" for name, _ in found.headers)


@pytest.mark.parametrize(
    ("record", "word", "policy"),
    [
        (["v=DMARC1; p=reject"], "fail", "reject"),
        (["v=DMARC1; p=quarantine"], "fail", "quarantine"),
        (["v=DMARC1; p=none"], "fail", "none"),
        (["v=DMARC1; p=odd"], "none", None),
        ([], "none", None),
        (DnsError, "temperror", None),
    ],
)
async def test_dmarc(explain, record, word, policy):
    zone = {"author.example": {"TXT": ["v=spf1 -all"]}, "_dmarc.author.example": {"TXT": record}}
    found = (await explain(letter(), zone, filters=PLAIN)).authentication.dmarc
    assert (found.result, found.policy, found.domain) == (word, policy, "author.example")


@pytest.mark.parametrize(
    ("answer", "damage", "word"),
    [("key", b"", "pass"), ("key", b"!", "fail"), ("none", b"", "fail"), ("error", b"", "none")],
)
async def test_arc(explain, signer, answer, damage, word):
    """No answer about a key: `none` here with the reason, temperror where programs look for it."""
    content = letter()
    section = header.split(content, 1000)
    digest = hashlib.sha256(b"".join(body_pieces(content, section.body_start, "relaxed")))
    statements = (AuthResult("arc", "none"), AuthResult("spf", "pass"))
    arc = seal(section.fields, digest.digest(), signer, "mx.author.example", statements, NOW)
    records = {"key": [signer.key.record()], "none": [], "error": DnsError}[answer]
    zone = {signer.record_name: {"TXT": records}}
    found = await explain(arc + content + damage, zone, filters=PLAIN)
    chain = found.authentication.arc
    assert (chain.result, chain.instance) == (word, 1)
    if answer == "error":
        assert chain.reason.startswith("temperror: ")
        headers = dict(found.headers)
        assert "arc=temperror" in headers["Authentication-Results"]
        assert "arc (" in headers["X-Gateway-Unchecked"]
