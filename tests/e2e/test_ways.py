"""Ways in and out of a whole gateway: straight to the customer's mail server, behind a balancer,
and a client that asks for notices."""

from __future__ import annotations

import asyncio
import smtplib
from dataclasses import dataclass, field
from email import message_from_bytes
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP
from support.running import ZONE, header, settings_of, until, write_configuration

from gateway.app import Gateway
from gateway.edge.zone_server import serve_zone
from gateway.identity.signing import Signer
from gateway.journal import Journal

FILTERS = "\nfilters: [{use: spf}, {use: dkim}, {use: arc}, {use: dmarc}]\n"


@dataclass
class Server:
    """A customer's mail server."""

    port: int = 0
    taken: list[tuple[str, list[str], bytes]] = field(default_factory=list)

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        self.taken.append((envelope.mail_from, envelope.rcpt_tos, envelope.content))
        return "250 Ok"


@pytest.fixture
async def server():
    made = Server()
    loop = asyncio.get_running_loop()
    listening = await loop.create_server(
        lambda: SMTP(made, hostname="mx.author.example"), "127.0.0.1"
    )
    made.port = listening.sockets[0].getsockname()[1]
    yield made
    listening.close()


@pytest.mark.parametrize(
    ("private", "told"), [("[127.0.0.0/8]", ("relayed", 250)), ("[]", ("failed", 550))]
)
async def test_an_acknowledgement_goes_straight_to_the_customers_server(
    tmp_path, key_pems, letter, server, private, told
):
    """A real look-up over the network: MX, address, delivery; and nothing to loopback unnamed."""
    signer = Signer("author.example", "gw", key_pems["rsa"])
    names = {
        **ZONE,
        "author.example": {**ZONE["author.example"], "MX": ["10 mx.author.example"]},
        "mx.author.example": {"A": ["127.0.0.1"]},
        signer.record_name: {"TXT": [signer.key.record()]},
    }
    outcomes: list[tuple[str, int]] = []

    def sink(event: str, facts: Any) -> None:
        if event == "delivery" and facts["kind"] == "acknowledgement":
            outcomes.append((facts["outcome"], facts["code"]))

    async def look() -> list[tuple[str, int]]:
        return outcomes

    async with serve_zone(names) as dns:
        config = write_configuration(tmp_path, dns, key_pems["rsa"], filters=FILTERS)
        old, text = 'outbound: {address: "maildir:outbound"}', config.read_text()
        assert old in text
        new = f'outbound: {{address: "mx:{server.port}", private: {private}}}'
        config.write_text(text.replace(old, new))
        gateway = Gateway(settings_of(config), Journal([sink]))
        await gateway.start()
        try:
            code, answer = await asyncio.to_thread(send, gateway, letter())
            assert code == 250, answer
            assert await until(look, bool) == [told]
        finally:
            await gateway.drain(5.0)
    if told[0] == "failed":
        assert server.taken == []
        return
    ((sender, recipients, content),) = server.taken
    assert sender in ("", "<>")
    assert recipients == ["jo@author.example"]
    assert header(content, "Auto-Submitted") == "auto-replied"


def send(gateway: Gateway, content: bytes, **options: Any) -> tuple[int, bytes]:
    host, _, port = gateway.addresses[0].rpartition(":")
    with smtplib.SMTP(host, int(port), local_hostname="mail.author.example", timeout=30) as client:
        client.ehlo()
        assert client.mail("jo@author.example", options.get("mail", ()))[0] == 250
        assert client.rcpt("support@shop.example", options.get("rcpt", ()))[0] == 250
        return client.data(content)


async def test_a_client_that_asks_hears_of_success(run, letter):
    async with run(filters=FILTERS) as running:
        asked = {"mail": ["ENVID=abc"], "rcpt": ["NOTIFY=SUCCESS"]}
        code, answer = await asyncio.to_thread(send, running.gateway, letter(), **asked)
        assert code == 250, answer
        mails = await running.delivered("outbound", 2)
    (notice,) = [mail for mail in mails if b"multipart/report" in mail]
    part: Any = message_from_bytes(notice).get_payload(1)
    of_message, of_recipient = (dict(group.items()) for group in part.get_payload())
    assert of_message["Original-Envelope-Id"] == "abc"
    assert of_recipient["Action"] == "delivered"
    assert header(notice, "To") == "<jo@author.example>"


async def test_behind_a_balancer_spf_looks_at_the_client(tmp_path, key_pems, letter):
    names = {**ZONE, "author.example": {"TXT": ["v=spf1 ip4:198.51.100.7 -all"]}}
    async with serve_zone(names) as dns:
        config = write_configuration(tmp_path, dns, key_pems["rsa"], filters=FILTERS)
        text = config.read_text()
        old = 'address: "127.0.0.1:0"'
        assert old in text
        config.write_text(text.replace(old, f"{old}, proxy_from: [127.0.0.0/8]"))
        gateway = Gateway(settings_of(config), Journal(sinks=()))
        await gateway.start()
        try:
            host, _, port = gateway.addresses[0].rpartition(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(b"PROXY TCP4 198.51.100.7 192.0.2.1 51234 25\r\n")
            lines = [b"EHLO mail.author.example\r\n", b"MAIL FROM:<jo@author.example>\r\n",
                     b"RCPT TO:<support@shop.example>\r\n", b"DATA\r\n", letter() + b".\r\n",
                     b"QUIT\r\n"]  # fmt: skip
            await reader.readline()
            for line in lines:
                writer.write(line)
                while (reply := await reader.readline())[3:4] == b"-":
                    pass
            assert reply.startswith(b"221 ")
            writer.close()
            new = tmp_path / "mailbox" / "new"

            async def look() -> list[Any]:
                return list(new.glob("*"))

            (path,) = await until(look, bool)
        finally:
            await gateway.drain(5.0)
    delivered = path.read_bytes()
    assert "[198.51.100.7]" in header(delivered, "Received")
    assert "spf=pass" in header(delivered, "Authentication-Results")
