"""The SMTP and LMTP client against real servers on loopback, well-behaved and not."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from gateway.edge.smtp_client import SmtpClient
from gateway.settings import NextHop
from gateway.store import Job

LETTER = b"Subject: hello\r\n\r\nA line.\r\n"


def job(content: bytes = LETTER, *recipients: str, **changes) -> Job:
    values = {
        "letter_id": "q1.1",
        "queue_id": "q1",
        "kind": "letter",
        "site": "shop",
        "next_hop": "mailbox",
        "reverse_path": "jane@customer.example",
        "recipients": recipients or ("support@shop.example",),
        "prefix": b"",
        "cuts": (),
        "content": content,
        "attempts": 0,
        "accepted": datetime(2026, 11, 24, tzinfo=UTC),
        "lease": "l",
    }
    return Job(**(values | changes))


@pytest.fixture
async def connect():
    """Makes clients and closes them at the end."""
    clients = []

    def make(address: str, *, timeout: float = 5, **options) -> SmtpClient:
        settings = {
            name: options.pop(name)
            for name in ("tls", "user", "password", "connections")
            if name in options
        }
        hop = NextHop(address=address, timeout=timedelta(seconds=timeout), **settings)
        client = SmtpClient(hop, "mx.gateway.example", **options)
        clients.append(client)
        return client

    yield make
    await asyncio.gather(*(client.close() for client in clients))


async def test_a_letter_arrives_octet_for_octet(hops, connect):
    hop = await hops.start()
    sent = await connect(hop.address).send(job())
    assert [outcome.result for outcome in sent.outcomes] == ["relayed"]
    assert str(sent.outcomes[0].reply) == "250 2.0.0 Ok: taken"
    assert hop.taken[0].content == LETTER
    assert hop.taken[0].sender == "jane@customer.example"
    assert hop.taken[0].recipients == ["support@shop.example"]
