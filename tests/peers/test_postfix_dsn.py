"""Delivery status notices with a real Postfix on either side (RFC 3461).

Needs root and the Debian packages postfix and opendkim. In CI (`CI=true`) they must be there;
elsewhere the tests say loudly that they did not run.
"""

from __future__ import annotations

import asyncio
import os
import smtplib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP
from support.peers import Peer, free_address, missing, peer
from support.running import (
    Running,
    settings_of,
    until,
    write_configuration,
)

from gateway.app import Gateway
from gateway.edge.zone_server import serve_zone
from gateway.journal import Journal

FILTERS = "\nfilters: [{use: spf}]\n"
ZONE = {
    "author.example": {"TXT": ["v=spf1 ip4:127.0.0.1 -all"]},
    "victim.example": {"TXT": ["v=spf1 -all"]},
}
LETTER = "From: {0}\r\nTo: support@shop.example\r\nSubject: Address\r\n\r\nHello.\r\n"


@pytest.fixture(autouse=True)
def _peers_are_here() -> None:
    why = missing()
    if not why:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(f"the peers must be here in CI: {why}")
    pytest.skip(f"NOT TRIED against Postfix: {why}")


@dataclass
class Sink:
    """Where Postfix sends what is for others: notes sender, recipients and content."""

    taken: list[tuple[str, list[str], bytes]] = field(default_factory=list)

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        self.taken.append((envelope.mail_from, envelope.rcpt_tos, envelope.content))
        return "250 Ok"

    async def notices(self, count: int = 1) -> list[bytes]:
        async def look() -> list[bytes]:
            return [content for _, _, content in self.taken]

        return await until(look, lambda found: len(found) >= count)


@asynccontextmanager
async def serving() -> AsyncIterator[tuple[Sink, tuple[str, int]]]:
    sink, address = Sink(), free_address()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(sink, hostname="sink.example"), *address)
    try:
        yield sink, address
    finally:
        server.close()


def groups(notice: bytes) -> list[dict[str, str]]:
    """The fields for programs: of the message, and of each recipient."""
    (part,) = [each for each in message_from_bytes(notice).walk()
               if each.get_content_type() == "message/delivery-status"]  # fmt: skip
    return [dict(group.items()) for group in part.get_payload()]


def ask(address: tuple[str, int], sender: str, notify: str) -> None:
    """One letter whose client wants to be told."""
    with smtplib.SMTP(*address, local_hostname="mail.author.example", timeout=30) as client:
        client.ehlo()
        assert client.has_extn("dsn")
        code, answer = client.mail(sender, ["RET=HDRS", "ENVID=QQ+2B1"])
        assert code == 250, answer
        options = [f"NOTIFY={notify}", "ORCPT=rfc822;help@old.example"]
        code, answer = client.rcpt("support@shop.example", options)
        assert code == 250, answer
        code, answer = client.data(LETTER.format(sender))
        assert code == 250, answer


@asynccontextmanager
async def world(
    tmp_path: Any, key: bytes, *, postfix_is: str, kept: str, relayed: str, onward: Any = None
) -> AsyncIterator[tuple[Peer, Running]]:
    """A gateway with Postfix as one of its next hops; by default Postfix sends on to it."""
    address = free_address()
    async with serve_zone(ZONE) as dns:
        config = write_configuration(tmp_path, dns, key, filters=FILTERS)
        old = f'{postfix_is}: {{address: "maildir:{postfix_is}"}}'
        text = config.read_text()
        assert old in text
        config.write_text(
            text.replace(
                old, f'{postfix_is}: {{address: "smtp://{address[0]}:{address[1]}", tls: none}}'
            )
        )
        gateway = Gateway(settings_of(config), Journal(sinks=()))
        await gateway.start()
        running = Running(gateway, tmp_path, config)
        try:
            async with peer(
                address, dns=dns, onward=onward or running.address, relayed=relayed, kept=kept,
                domain="author.example", selector="gw", key=key, algorithm="rsa-sha256",
            ) as postfix:  # fmt: skip
                yield postfix, running
        finally:
            await gateway.drain(5.0)


async def test_what_postfix_asks_for_is_told(tmp_path, key_pems):
    """Postfix passes its client's wish on to us; our mailbox is a folder, so we tell."""
    async with world(
        tmp_path, key_pems["rsa"], postfix_is="outbound", kept="author.example",
        relayed="shop.example",
    ) as (postfix, running):  # fmt: skip
        await asyncio.to_thread(ask, postfix.address, "jo@author.example", "SUCCESS")
        await running.delivered()
        (notice,) = await postfix.mails()
    of_message, of_recipient = groups(notice)
    assert of_message["Original-Envelope-Id"] == "QQ+1"
    assert of_message["Reporting-MTA"] == "dns; mx1.test.example"
    assert of_recipient["Action"] == "delivered"
    assert of_recipient["Original-Recipient"] == "rfc822; help@old.example"
    assert of_recipient["Final-Recipient"] == "rfc822; support@shop.example"


async def test_postfix_tells_what_we_pass_on_but_no_victim(tmp_path, key_pems):
    """Two letters that ask for success: the sender of the first is forged."""
    async with (
        serving() as (sink, onward),
        world(
            tmp_path, key_pems["rsa"], postfix_is="mailbox", kept="shop.example",
            relayed="author.example, victim.example", onward=onward,
        ) as (postfix, running),
    ):  # fmt: skip
        await asyncio.to_thread(ask, running.address, "jo@victim.example", "SUCCESS,DELAY")
        await postfix.mails(1)
        await asyncio.to_thread(ask, running.address, "jo@author.example", "SUCCESS,DELAY")
        await postfix.mails(2)
        notices = await sink.notices()
        await running.settled()
        ours = [entry for entry in await running.gateway.store.entries() if entry.kind == "dsn"]
    assert len(notices) == 1
    assert [to for _, to, _ in sink.taken] == [["jo@author.example"]]
    of_message, of_recipient = groups(notices[0])
    assert of_message["Original-Envelope-Id"] == "QQ+1"
    assert of_recipient["Action"] == "delivered"
    assert of_recipient["Original-Recipient"].replace(" ", "") == "rfc822;help@old.example"
    assert ours == []
