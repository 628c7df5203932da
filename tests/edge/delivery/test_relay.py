"""The relay with a real store, real next hops and a clock that stands still."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.delivery import Policy
from gateway.edge.relay import Relay
from gateway.journal import Journal
from gateway.message import Arrival, Envelope, Session
from gateway.plan import Letter, Plan
from gateway.settings import NextHop
from gateway.store.sqlite import SqliteStore
from gateway.verdict import Action

START = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
LETTER = b"Received: from outside\r\nSubject: hello\r\n\r\n.A line.\r\n"


class Bench:
    """A store and a relay over next hops by name, and what the journal told."""

    def __init__(self, store: SqliteStore) -> None:
        self.store = store
        self.now = START
        self.hops: dict[str, NextHop] = {}
        self.events: list[tuple[str, dict]] = []
        self.told = asyncio.Event()
        self.count = 0

    def sink(self, event, facts) -> None:
        self.events.append((event, dict(facts)))
        self.told.set()

    async def until(self, event: str, count: int = 1, **facts) -> list[dict]:
        """Wait until the journal told of so many such events."""
        async with asyncio.timeout(10):
            while len(found := self.told_of(event, **facts)) < count:
                self.told.clear()
                await self.told.wait()
        return found

    def told_of(self, event: str, **facts) -> list[dict]:
        return [
            told
            for name, told in self.events
            if name == event and all(told.get(key) == value for key, value in facts.items())
        ]

    def add_hop(self, name: str, address: str, **settings) -> None:
        values = {"timeout": timedelta(seconds=5)} | settings
        self.hops[name] = NextHop(address=address, **values)

    async def keep(self, hop: str, content: bytes = LETTER, *recipients: str, **changes) -> str:
        """Keep a letter for a next hop; gives its id."""
        self.count += 1
        queue_id = f"q{self.count}"
        recipients = recipients or ("support@shop.example",)
        arrival = Arrival(
            queue_id,
            self.now,
            Session("192.0.2.1"),
            Envelope("jane@customer.example", recipients),
            content,
        )
        values = {
            "id": f"{queue_id}.1",
            "kind": "letter",
            "site": "shop",
            "next_hop": hop,
            "reverse_path": "jane@customer.example",
            "recipients": recipients,
            "origin": recipients,
        }
        await self.store.keep(arrival, [Letter(**(values | changes))], Plan(Action.DELIVER))
        return f"{queue_id}.1"

    def relay(self, **options) -> Relay:
        values = {
            "store": self.store,
            "hops": self.hops.get,
            "hostname": "mx.gateway.example",
            "policy": Policy("mx.gateway.example"),
            "journal": Journal([self.sink]),
            "clock": lambda: self.now,
        }
        return Relay(**(values | options))

    @contextlib.asynccontextmanager
    async def running(self, **options):
        relay = self.relay(**options)
        task = asyncio.create_task(relay.run())
        try:
            yield relay
        finally:
            await relay.drain(1)
            await task


@pytest.fixture
async def bench(tmp_path):
    store = await SqliteStore.open(Path(tmp_path / "store.db"))
    yield Bench(store)
    await store.close()


async def test_a_letter_goes_from_the_store_to_its_next_hop(bench, hops):
    hop = await hops.start()
    bench.add_hop("mailbox", hop.address)
    async with bench.running() as relay:
        await bench.keep("mailbox", prefix=b"X-Gateway-Id: q1\r\n", cuts=((0, 24),))
        relay.wake()
        await bench.until("delivery", outcome="relayed")
    assert hop.taken[0].content == b"X-Gateway-Id: q1\r\nSubject: hello\r\n\r\n.A line.\r\n"
    balance = await bench.store.balance()
    assert balance.delivered == 1
    assert balance.balanced


async def test_a_letter_goes_into_a_maildir(bench, tmp_path):
    bench.add_hop("mailbox", f"maildir:{tmp_path}/mail")
    async with bench.running() as relay:
        await bench.keep("mailbox")
        relay.wake()
        await bench.until("delivery", outcome="relayed")
    (file,) = (tmp_path / "mail" / "new").iterdir()
    assert file.read_bytes() == (
        b"Return-Path: <jane@customer.example>\n"
        b"Received: from outside\nSubject: hello\n\n.A line.\n"
    )
