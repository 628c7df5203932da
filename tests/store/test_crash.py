"""Killed at any moment: what was promised is there, and what is there is whole."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from gateway.store.sqlite import SqliteStore

CHILD = """
import asyncio, sys
from datetime import UTC, datetime
from pathlib import Path
from gateway.message import Arrival, Envelope, Session
from gateway.plan import Letter, Plan
from gateway.reply import Reply
from gateway.store import Outcome, Settlement
from gateway.store.sqlite import SqliteStore
from gateway.verdict import Action

TO, NOW = "support@shop.example", datetime(2026, 11, 23, tzinfo=UTC)

def content(id_):
    return id_.encode() * (12_000 if id_.endswith("7") else 300)

async def send(store, sender, round_):
    number = 0
    while True:
        number += 1
        id_ = f"R{round_}S{sender}N{number}"
        arrival = Arrival(id_, NOW, Session("192.0.2.1"), Envelope("", (TO,)), content(id_))
        letter = Letter(id_ + ".1", "letter", "shop", "mailbox", "", (TO,), origin=(TO,))
        straight = {letter.id} if number % 2 else ()  # every other one is leased as it is kept
        receipt = await store.keep(arrival, [letter], Plan(Action.DELIVER), straight)
        print("kept", id_, flush=True)
        if number % 4 == 1:  # and of those every other one is delivered at once
            await deliver(store, *receipt.jobs)

async def deliver(store, *jobs):
    for job in jobs:
        outcome = Outcome(TO, "relayed", Reply(250, "2.0.0", "Ok"))
        await store.settle(job, Settlement((outcome,), None), NOW)
        print("relayed", job.queue_id, flush=True)

async def relay(store):
    while True:
        await deliver(store, *await store.claim(NOW, 10))
        await asyncio.sleep(0)

async def main():
    store = await SqliteStore.open(Path(sys.argv[1]))
    await asyncio.gather(relay(store), *(send(store, n, sys.argv[2]) for n in range(8)))

asyncio.run(main())
"""


def run_and_kill(path: Path, round_: int, lines: int) -> list[tuple[str, str]]:
    """Let it work until it has said so many lines, kill it, and give all that it said."""
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, str(path), str(round_)], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        said = [child.stdout.readline() for _ in range(lines)]
        child.send_signal(signal.SIGKILL)
        said += child.stdout.readlines()
    words = [line.split() for line in said if line.endswith("\n")]
    return [(word, id_) for word, id_ in words]


async def test_killed_at_any_moment(tmp_path: Path, mail: SimpleNamespace) -> None:
    path, chance = tmp_path / "g.db", random.Random(5)
    kept, relayed = set[str](), set[str]()
    for round_ in range(5):
        said = run_and_kill(path, round_, chance.randrange(1, 400))
        kept |= {id_ for word, id_ in said if word == "kept"}
        relayed |= {id_ for word, id_ in said if word == "relayed"}

        store = await SqliteStore.open(path)
        for id_ in kept:
            await check(store, id_, relayed=id_ in relayed)
        balance = await store.balance()
        entries = await store.entries(limit=100_000)
        assert balance.balanced
        assert balance.accepted == len(entries) >= len(kept)
        assert balance.delivered == sum(entry.state == "relayed" for entry in entries)
        await store.close()
    await check_that_the_next_life_has_them(path, mail.NOW)


async def check_that_the_next_life_has_them(path: Path, now: Any) -> None:
    """Whatever was leased to the dead, claimed or as it was kept, is due at once."""
    store = await SqliteStore.open(path)
    entries = await store.entries(limit=100_000)
    states = {entry.letter_id: entry.state for entry in entries}
    owed = {id_ for id_, state in states.items() if state != "relayed"}
    assert "active" in states.values()
    await store.reclaim()
    claimed = set()
    while jobs := await store.claim(now, 1000):
        claimed |= {job.letter_id for job in jobs}
    assert claimed == owed
    await store.close()


async def check(store: Any, id_: str, *, relayed: bool) -> None:
    (entry,) = await store.entry(id_)
    assert entry.state in ({"relayed"} if relayed else {"queued", "active", "relayed"})
    original = await store.original(id_)
    assert original is not None
    assert bytes(original.content) == id_.encode() * (12_000 if id_.endswith("7") else 300)
