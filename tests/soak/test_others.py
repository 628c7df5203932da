"""What hangs holds up nobody else, and a reload under load drops nothing: on a real gateway."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from support.running import until

from gateway.resolver import Answer, Resolver, Zone
from tools.soak.life import Life

SLOW = 60
"""Clients that hang, each in its own way."""


async def happens(what, seconds: float = 60) -> None:
    await until(lambda: asyncio.sleep(0, what()), bool, seconds)


class Silent(Resolver):
    """Knows the zone, and never answers about one domain."""

    def __init__(self, zone: Zone) -> None:
        self._zone = zone
        self.asked = 0

    async def query(self, name: str, kind: str) -> Answer:
        if name.rstrip(".").endswith("silent.example"):
            self.asked += 1
            await asyncio.Event().wait()
        return await self._zone.query(name, kind)


@asynccontextmanager
async def hanging(address: tuple[str, int]) -> AsyncIterator[None]:
    """Clients that stop after the greeting, in a command, before RCPT, in the content."""
    said = (
        b"",
        b"EHLO x.exam",
        b"EHLO x.example\r\nMAIL FROM:<a@author.example>\r\n",
        b"HELO x.example\r\nMAIL FROM:<a@author.example>\r\nRCPT TO:<b@shop.example>\r\nDATA\r\n"
        b"From: a@author.example\r\n\r\nand then",
    )
    writers = []
    for number in range(SLOW):
        reader, writer = await asyncio.open_connection(*address)
        assert (await reader.readline()).startswith(b"220")
        writer.write(said[number % len(said)])
        writers.append(writer)
    yield
    for writer in writers:
        writer.transport.abort()


async def ask_about_silence(address: tuple[str, int], number: int) -> str:
    """A letter whose author's domain has a DNS server that never answers."""
    reader, writer = await asyncio.open_connection(*address)
    try:
        content = f"From: a{number}@silent.example\r\nTo: b@shop.example\r\n\r\nHello.\r\n.\r\n"
        replies = [await reader.readline()]
        writer.write(b"HELO mail.silent.example\r\nMAIL FROM:<a@silent.example>\r\n")
        writer.write(b"RCPT TO:<b@shop.example>\r\nDATA\r\n" + content.encode())
        replies += [await reader.readline() for _ in range(5)]
        return replies[-1].decode()
    finally:
        writer.close()


async def test_slow_clients_and_a_silent_dns_stop_no_other(tmp_path: Path) -> None:
    life = Life(tmp_path, seed=8, workers=1)
    silent = Silent(Zone(life.zone))
    life.zone, life.dns_timeout = silent, "30s"  # so that only the filters' own limit ends it
    async with life.begun():
        life.sink.faulty = False
        address = ("127.0.0.1", life.house.port)
        async with hanging(address):
            waiting = [asyncio.create_task(ask_about_silence(address, n)) for n in range(30)]
            await happens(lambda: silent.asked > 0)
            before = len(life.ledger.taken)
            life.senders.making = True
            await happens(lambda: len(life.ledger.taken) > before + 15)
            assert not any(each.done() for each in waiting), "they still wait for an answer"
            for reply in await asyncio.gather(*waiting):  # tagged, and not turned away
                assert reply.startswith("250 2.0.0")
        await life.quiet()
        assert not life.senders.put_off
        assert life.senders.lost_connections == 0


async def test_reloads_under_load_drop_nothing(tmp_path: Path) -> None:
    life = Life(tmp_path, seed=9, workers=2)
    async with life.begun():
        life.sink.faulty = False
        life.senders.making = True
        good = life.house.config.read_text()
        for number in range(1, 7):
            broken = number % 3 == 0
            text = good.replace("name: The Shop", f"name: Shop {number}")
            life.house.config.write_text(text.replace("next_hop:", "nexthop:") if broken else text)
            reloaded = len(life.house.events("reloaded"))
            told = len(life.house.events("alert"))
            taken = len(life.ledger.taken)
            life.house.signal(signal.SIGHUP)
            await happens(lambda taken=taken: len(life.ledger.taken) > taken + 8)
            if broken:
                await happens(lambda told=told: len(life.house.events("alert")) > told)
            else:
                await happens(
                    lambda reloaded=reloaded: len(life.house.events("reloaded")) >= reloaded + 2
                )
        life.house.config.write_text(good)
        await life.quiet()
        assert (life.senders.put_off, life.senders.lost_connections) == ({}, 0)
        life.ledger.settle(await life.house.prove())
        assert life.ledger.problems == []
        assert len(life.ledger.letters) > 30, "there was load"
        assert life.house.events("refused") == []
