"""Strangers agree with us: a real Postfix with OpenDKIM takes our signatures, and we take its.

Needs root and the Debian packages postfix and opendkim. In CI (`CI=true`) they must be there;
elsewhere the tests say loudly that they did not run.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager

import pytest
from support.peers import HOSTNAME, free_address, missing, peer
from support.running import (
    Running,
    header,
    send_blocking,
    settings_of,
    write_configuration,
)

from gateway.app import Gateway
from gateway.edge import clock
from gateway.edge.zone_server import serve_zone
from gateway.identity.signing import Signer
from gateway.journal import Journal

PLAIN = "\nfilters: [{use: spf}, {use: dkim}, {use: arc}, {use: dmarc}]\n"
ALGORITHMS = {"rsa": "rsa-sha256", "ed25519": "ed25519-sha256"}
LETTER = (
    "From: Jo Field <jo@author.example>\r\nTo: support@shop.example\r\nSubject: Address\r\n"
    "Date: {now:%a, %d %b %Y %H:%M:%S} +0000\r\nMessage-ID: <{id}@author.example>\r\n"
    "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
    "Hello,\r\nplease change  my address to 5 Mill Lane. \r\nJo Field\r\n\r\n\r\n"
)


@pytest.fixture(autouse=True)
def _peers_are_here() -> None:
    why = missing()
    if not why:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(f"the peers must be here in CI: {why}")
    pytest.skip(f"NOT TRIED against Postfix and OpenDKIM: {why}")


@pytest.fixture(params=sorted(ALGORITHMS))
def kind(request) -> str:
    return request.param


@pytest.fixture
def world(tmp_path, key_pems):
    """`async with world(kind) as (peer, running):` — a gateway for shop.example, whose mail of its
    own leaves through a Postfix that signs for author.example and keeps that domain's mail."""

    @asynccontextmanager
    async def make(kind: str):
        key = key_pems[kind]
        ours, theirs = (Signer(d, "gw", key) for d in ("shop.example", "author.example"))
        zone = {signer.record_name: {"TXT": [signer.key.record()]} for signer in (ours, theirs)} | {
            "author.example": {"TXT": ["v=spf1 -all"]},
            "_dmarc.author.example": {"TXT": ["v=DMARC1; p=reject"]},
        }
        address = free_address()
        async with serve_zone(zone) as dns:
            config = write_configuration(tmp_path, dns, key, filters=PLAIN)
            text = config.read_text().replace(
                'outbound: {address: "maildir:outbound"}',
                f'outbound: {{address: "smtp://{address[0]}:{address[1]}", tls: none}}',
            )
            assert address[0] in text
            config.write_text(text)
            gateway = Gateway(settings_of(config), Journal(sinks=()))
            await gateway.start()
            running = Running(gateway, tmp_path, config)
            try:
                async with peer(
                    address, dns=dns, onward=running.address, relayed="shop.example",
                    kept="author.example", domain="author.example", selector="gw", key=key,
                    algorithm=ALGORITHMS[kind],
                ) as postfix:  # fmt: skip
                    yield postfix, running
            finally:
                await gateway.drain(5.0)

    return make


async def test_each_takes_the_signatures_of_the_other(world, kind):
    """The customer's letter, signed by OpenDKIM, is proven to us; our answer, signed by us as a
    running gateway signs, is proven to OpenDKIM."""
    content = LETTER.format(now=clock.now(), id=kind).encode()
    async with world(kind) as (postfix, running):
        code, answer = await send(postfix, content, "jo@author.example", "support@shop.example")
        assert code == 250, answer
        (delivered,) = await running.delivered()
        (acknowledgement,) = await postfix.mails()
        story = postfix.story()
    ours = header(delivered, "Authentication-Results")
    assert f"dkim=pass header.d=author.example header.s=gw header.a={ALGORITHMS[kind]}" in ours
    assert "dmarc=pass header.from=author.example" in ours
    assert header(delivered, "X-Gateway-Acknowledged").startswith("yes")
    assert header(acknowledgement, "Auto-Submitted") == "auto-replied"
    assert verdict(acknowledgement, kind), story


async def test_a_damaged_signature_of_ours_is_noticed(world, kind, key_pems):
    """So that the pass of the other test is no courtesy."""
    signer = Signer("shop.example", "gw", key_pems[kind])
    content = LETTER.format(now=clock.now(), id=kind).replace("jo@author", "us@shop").encode()
    signed = signer.sign(content, clock.now()) + content
    async with world(kind) as (postfix, _):
        for count, octets in enumerate((signed, signed.replace(b"5 Mill", b"6 Mill")), 1):
            code, answer = await send(postfix, octets, "us@shop.example", "jo@author.example")
            assert code == 250, answer
            mails = await postfix.mails(count)
    (bad,) = (mail for mail in mails if b"6 Mill" in mail)
    (good,) = (mail for mail in mails if b"5 Mill" in mail)
    assert verdict(good, kind)
    assert not verdict(bad, kind)


async def send(postfix, content: bytes, sender: str, recipient: str) -> tuple[int, str]:
    return await asyncio.to_thread(send_blocking, postfix.address, content, recipient, sender)


def verdict(mail: bytes, kind: str) -> bool:
    """What OpenDKIM wrote above the mail it verified."""
    found = header(mail, "Authentication-Results")
    assert found.startswith(f"{HOSTNAME};"), found
    return "dkim=pass" in found and f"header.a={ALGORITHMS[kind]}" in found
