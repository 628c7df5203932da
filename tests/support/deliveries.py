"""A relay with a real store and a clock that stands still, and what its journal told."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.delivery import Policy, SitePolicy
from gateway.edge.relay import Relay
from gateway.journal import Journal
from gateway.message import NO_WISHES, Arrival, Envelope, Session
from gateway.plan import Letter, Plan
from gateway.settings import NextHop, Retry
from gateway.store import Entry
from gateway.store.sqlite import SqliteStore
from gateway.verdict import Action

START = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
LETTER = b"Received: from outside\r\nSubject: hello\r\n\r\n.A line.\r\n"
RETRY = Retry(first=timedelta(minutes=1), max=timedelta(hours=4), give_up=timedelta(days=5))
WAIT = 10.0


class Bench:
    """A store and a relay over next hops by name, and what the journal told."""

    def __init__(self, store: SqliteStore) -> None:
        self.store = store
        self.now = START
        self.hops: dict[str, NextHop] = {}
        self.site: dict[str, Any] = {}
        self.administrator = ""
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.told = asyncio.Event()
        self.count = 0

    def sink(self, event: str, facts: Any) -> None:
        self.events.append((event, dict(facts)))
        self.told.set()

    async def until(self, event: str, count: int = 1, **facts: Any) -> list[dict[str, Any]]:
        """Wait until the journal told of so many such events."""
        async with asyncio.timeout(WAIT):
            while len(found := self.told_of(event, **facts)) < count:
                self.told.clear()
                await self.told.wait()
        return found

    def told_of(self, event: str, **facts: Any) -> list[dict[str, Any]]:
        return [
            told
            for name, told in self.events
            if name == event and all(told.get(key) == value for key, value in facts.items())
        ]

    def add_hop(self, name: str, address: str, **settings: Any) -> None:
        values: dict[str, Any] = {"timeout": timedelta(seconds=5)}
        self.hops[name] = NextHop(address=address, **(values | settings))

    async def keep(
        self, hop: str, *recipients: str, content: bytes = LETTER, **changes: Any
    ) -> str:
        """Keep a letter for a next hop; gives its id."""
        arrival, letters = self.letters(hop, *recipients, content=content, **changes)
        await self.store.keep(arrival, letters, Plan(Action.DELIVER))
        return letters[0].id

    async def hand(self, relay: Relay, hop: str, *recipients: str, **changes: Any) -> bool:
        """Keep a letter as the intake does; tells whether it went straight to its lane."""
        arrival, letters = self.letters(hop, *recipients, **changes)
        straight = relay.offer(letters, arrival.time)
        receipt = await self.store.keep(arrival, letters, Plan(Action.DELIVER), straight)
        relay.kept(letters, receipt.jobs)
        return bool(receipt.jobs)

    def letters(
        self, hop: str, *recipients: str, content: bytes = LETTER, **changes: Any
    ) -> tuple[Arrival, list[Letter]]:
        self.count += 1
        queue_id = f"q{self.count}"
        recipients = recipients or ("support@shop.example",)
        wishes = changes.pop("wishes", NO_WISHES)
        envelope = Envelope("jane@customer.example", recipients, wishes=wishes)
        arrival = Arrival(queue_id, self.now, Session("192.0.2.1"), envelope, content)
        also = changes.pop("also", ())
        values = {
            "id": f"{queue_id}.1",
            "kind": "letter",
            "site": "shop",
            "next_hop": hop,
            "reverse_path": "jane@customer.example",
            "recipients": recipients,
            "origin": recipients,
        }
        return arrival, [Letter(**(values | changes)), *also]

    async def keep_own(self, hop: str, kind: str, recipient: str = "x@customer.example") -> str:
        """Keep a held letter and mail of our own about it; gives the id of the latter."""
        own = Letter(
            id=f"q{self.count + 1}.own",
            kind=kind,  # type: ignore[arg-type]
            site="shop",
            next_hop=hop,
            reverse_path="",
            recipients=(recipient,),
            own=b"Subject: ours\r\n\r\nHello.\r\n",
        )
        await self.keep("nowhere", hold="not the matter here", also=(own,))
        return own.id

    async def entry(self, letter_id: str) -> Entry:
        (entry,) = await self.store.entry(letter_id)
        return entry

    def relay(self, **options: Any) -> Relay:
        site = SitePolicy(
            sender="postmaster@shop.example",
            domains=frozenset({"shop.example"}),
            outbound="outbound",
            **self.site,
        )
        policy = Policy(
            "mx.gateway.example",
            RETRY,
            {"shop": site},
            administrator=self.administrator,
            administrator_hop="office" if self.administrator else "",
        )
        values = {
            "store": self.store,
            "hops": self.hops.get,
            "hostname": "mx.gateway.example",
            "policy": policy,
            "journal": Journal([self.sink]),
            "clock": lambda: self.now,
            "chance": lambda: 0.5,
            "poll": 0.05,
        }
        return Relay(**(values | options))

    @contextlib.asynccontextmanager
    async def running(self, seconds: float = 1, **options: Any) -> AsyncIterator[Relay]:
        relay = self.relay(**options)
        task = asyncio.create_task(relay.run())
        try:
            yield relay
        finally:
            await relay.drain(seconds)
            await task
