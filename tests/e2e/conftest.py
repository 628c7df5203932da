"""A real gateway in this process, and letters to send it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from support.running import ZONE, Running, settings_of, write_configuration

from gateway.app import Gateway
from gateway.edge import clock
from gateway.edge.zone_server import serve_zone
from gateway.identity.signing import Signer
from gateway.journal import Journal


@pytest.fixture
def run(tmp_path, key_pems) -> Callable[..., object]:
    """`async with run(filters=…, more=…, shop=…) as running:` serves until the block ends."""

    @asynccontextmanager
    async def make(zone=None, **texts) -> AsyncIterator[Running]:
        signer = Signer("author.example", "gw", key_pems["rsa"])
        names = {
            **ZONE,
            signer.record_name: {"TXT": [signer.key.record()]},
            "gw._domainkey.shop.example": {"TXT": [signer.key.record()]},
            **(zone if isinstance(zone, dict) else {}),
        }
        async with serve_zone(zone if hasattr(zone, "query") else names) as dns:
            config = write_configuration(tmp_path, dns, key_pems["rsa"], **texts)
            events: list[tuple[str, dict[str, object]]] = []
            journal = Journal(sinks=(lambda event, facts: events.append((event, dict(facts))),))
            gateway = Gateway(settings_of(config), journal)
            await gateway.start()
            try:
                yield Running(gateway, tmp_path, config, events)
            finally:
                await gateway.drain(5.0)

    return make


@pytest.fixture
def letter(key_pems) -> Callable[..., bytes]:
    """`letter(body, subject=…, author=…)`: a customer's letter, signed by the author's domain."""
    signer = Signer("author.example", "gw", key_pems["rsa"])
    numbers = iter(range(1, 100_000))

    def make(
        body: str = "Hello,\r\nplease change my address to 5 Mill Lane.\r\nJo Field\r\n",
        *,
        subject: str = "Address",
        author: str = "Jo Field <jo@author.example>",
        to: str = "support@shop.example",
        extra: str = "",
        message_id: str = "",
        signed: bool = True,
    ) -> bytes:
        now = clock.now()
        id_ = message_id or f"<{next(numbers)}.{now.timestamp()}@author.example>"
        content = (
            f"{extra}From: {author}\r\nTo: {to}\r\nSubject: {subject}\r\n"
            f"Date: {now:%a, %d %b %Y %H:%M:%S} +0000\r\nMessage-ID: {id_}\r\n"
            "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
            f"{body}"
        ).encode()
        return signer.sign(content, now) + content if signed else content

    return make
