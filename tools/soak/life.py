"""The life of one store: mail comes in, the gateway is killed, started, and all is compared.

`python -m tools.soak.life --kills 50 --seed 1 --workers 2` prints one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import shutil
import signal
import sqlite3
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from gateway.edge import clock
from gateway.edge.zone_server import serve_zone
from gateway.identity.signing import Signer, make_key
from gateway.resolver import Resolver
from tools.soak.house import START_LIMIT, House, NotWell
from tools.soak.ledger import Ledger
from tools.soak.points import DRAIN, GROUP, MIGRATION, POINTS, WORKER
from tools.soak.senders import Letter, Senders
from tools.soak.sink import Sink

CONNECTIONS = 5
POINT_LIMIT = 3.0
"""Seconds for mail to come by an armed point; then we kill anyway, and say that it was missed."""
QUIET_LIMIT = 60.0
"""Seconds for everything to be delivered once the next hop is well."""
NOT_ON_THE_WAY = frozenset(MIGRATION) | frozenset(DRAIN) | {"reload", "spooled", "committing"}
ON_THE_WAY = tuple(point for point in POINTS if point not in NOT_ON_THE_WAY)
Way = Callable[[], Awaitable[int]]
"""Something that happens under load; gives how many letters were under way when it did."""
WORDS = (
    "Hello, please change the delivery address of my order to 5 Mill Lane. ",
    "Could you tell me when the next class begins? ",
    "The parcel came this morning, thank you. ",
    ".A line that begins with a dot is no end. ",
    "I would like to move two web sites to you next month. ",
)


class Life:
    on_the_way = ON_THE_WAY
    migration = MIGRATION
    quiet_limit = QUIET_LIMIT
    only = ""
    """The one way to die, where all the others are left out."""

    def __init__(self, folder: Path, *, seed: int, workers: int, lie: str = "") -> None:
        self.folder = folder
        self.lie = lie
        self.workers = workers
        self.chance = random.Random(seed)  # noqa: S311 - repeatable, not secret
        self.ledger = Ledger()
        self.seed = seed
        self.kills: Counter[str] = Counter()
        self.missed: Counter[str] = Counter()
        self.in_flight: list[int] = []
        self.copies: list[int] = []
        """Copies that each round of kills made."""
        self.released: Counter[str] = Counter()
        self.troubles: Counter[str] = Counter()
        self.unknown = 0
        """Acknowledgements whose outcome nobody knows, as the store counts them."""
        self._signer = Signer("author.example", "soak", make_key("author.example", "soak").pem)
        self._numbers = 0
        self.dns_timeout = "2s"
        self.zone: dict[str, dict[str, list[str]]] | Resolver = {
            "author.example": {"TXT": ["v=spf1 ip4:127.0.0.1 -all"]},
            "_dmarc.author.example": {"TXT": ["v=DMARC1; p=none"]},
            self._signer.record_name: {"TXT": [self._signer.key.record()]},
        }

    async def live(self, kills: int) -> dict[str, Any]:
        began = time.monotonic()
        try:
            async with self.begun():
                while self.kills.total() < kills and not self.ledger.problems:
                    await self._round()
                await self._end()
        except (NotWell, TimeoutError) as trouble:
            self.ledger.problems.append(f"{type(trouble).__name__}: {trouble}")
        return self._result(time.monotonic() - began)

    @contextlib.asynccontextmanager
    async def begun(self) -> AsyncIterator[None]:
        """A DNS server, the next hop, a running gateway and its senders, who wait for a word."""
        self.sink = Sink(self.chance, self.ledger.took)
        await self.sink.start()
        async with serve_zone(self.zone) as dns:
            self.houses = self._build(dns)
            self.house = self.houses[0]
            addresses = [("127.0.0.1", house.port) for house in self.houses]
            self.senders = Senders(self.write, self.chance, addresses)
            async with contextlib.AsyncExitStack() as stack:
                for house in self.houses:
                    await house.open()
                    stack.push_async_callback(house.close)
                stack.push_async_callback(self.sink.close)
                self.senders.start(CONNECTIONS)
                stack.push_async_callback(self.senders.stop)
                for house in self.houses:
                    await house.start()
                    await house.started()
                yield

    def _build(self, dns: str) -> list[House]:
        """The gateways of this life."""
        house = House(
            self.folder,
            workers=self.workers,
            dns=dns,
            sink=self.sink.port,
            lie=self.lie,
            dns_timeout=self.dns_timeout,
        )
        return [house]

    def write(self) -> Letter:
        """The next letter: mostly small, some larger than a row holds, some for two sites."""
        self._numbers += 1
        id_ = f"s{self.seed}n{self._numbers}"
        draw = self.chance.random()
        recipients: tuple[str, ...] = (f"box{self._numbers % 7}@shop.example",)
        if draw < 0.35:
            recipients = ("support@shop.example",)
        elif draw < 0.5:
            recipients = ("orders@shop.example", "sales@hosting.example")
        size = self.chance.randrange(1, 40)
        if self.chance.random() < 0.06:
            size = self.chance.randrange(1000, 3000)
        author = f"a{self._numbers}@author.example"
        words = "\r\n".join(self.chance.choice(WORDS) for _ in range(size))
        content = (
            f"From: <{author}>\r\nTo: <{recipients[0]}>\r\nSubject: A question\r\n"
            f"Date: {clock.now():%a, %d %b %Y %H:%M:%S} +0000\r\n"
            f"Message-ID: <{id_}@author.example>\r\nX-Soak-Id: {id_}\r\n\r\n{words}\r\n{id_}\r\n"
        ).encode()
        content = self._signer.sign(content, clock.now()) + content
        letter = Letter(id_, author, recipients, content, asked=draw < 0.35)
        self.ledger.letters[id_] = letter
        return letter

    # --- a round ---

    async def start(self) -> None:
        await self.house.start()
        await self.house.started()

    async def _round(self) -> None:
        """Load, death, restart, everything delivered, everything compared."""
        before = self.ledger.repeated()
        unanswered = self.senders.unanswered
        self.sink.faulty = self.senders.making = True
        ways = self._ways()
        if self.only:
            ways = {way: 1 for way in ways if way.__name__ == f"_{self.only}"}
        (way,) = self.chance.choices(tuple(ways), tuple(ways.values()))
        active = await way()
        await self.quiet()
        active += await self._count_ended()
        balance = await self.house.prove()
        self.unknown = balance["generated"].get("unknown", 0)
        self.ledger.settle(balance)
        after = self.ledger.repeated()
        copies = after[0] + after[2] - before[0] - before[2]
        in_flight = active + self.senders.unanswered - unanswered
        self.in_flight.append(in_flight)
        self.copies.append(copies)
        if copies > in_flight:
            self.ledger.problems.append(f"{copies} copies, but {in_flight} were in flight")

    def _ways(self) -> dict[Way, int]:
        """What may happen in a round, and how often."""
        ways: dict[Way, int] = {
            self._die: 10, self._die_at: 24, self._drain: 3, self._reload: 3,
            self._migrate: 3, self._start_again: 3, self._lose_supervisor: 1,
            self._look_after_reload: 4,
        }  # fmt: skip
        if self.workers > 1:
            ways |= {self._lose_worker: 10, self._lose_worker_at: 20}
        return ways

    async def _dead(self, why: str) -> int:
        """Everything is killed: bury it, see what was under way, start again."""
        await self._bury(why)
        self.house.trap.disarm()
        active = await self._count_leased()
        await self._come_back()
        return active

    async def _count_leased(self) -> int:
        """After a kill: tell the ledger which letters were under way; gives how many."""
        return self.ledger.killed(await self.house.entries())

    async def _count_ended(self) -> int:
        """When all is delivered: the same, where the store has kept a record of it."""
        return 0

    async def _come_back(self) -> None:
        await self.start()

    async def _bury(self, why: str) -> None:
        """One kill more, unless it had ended by itself before."""
        self.senders.making = False
        if await self.house.buried() == -signal.SIGKILL:
            self.kills[why] += 1
        else:
            self.missed[why] += 1
        self._note_troubles(self.house)

    def _note_troubles(self, house: House) -> None:
        for event in house.events("trouble"):
            what = (event.get("traceback") or "?").splitlines()[-1]
            self.troubles[f"{event.get('where')}: {what}"[:120]] += 1

    async def _some_time(self, most: float = 0.4) -> None:
        await asyncio.sleep(self.chance.uniform(0.0, most))

    async def _die(self) -> int:
        await self._some_time()
        self.house.kill_all()
        return await self._dead("at random")

    async def _die_at(self) -> int:
        point = self.chance.choice((*self.on_the_way, "spooled"))
        return await self._dead(await self._trapped(point, self.chance.randrange(0, 12)))

    async def _trapped(self, point: str, passes: int = 0) -> str:
        """Wait until it died at a point; kill it in the end. Gives the kill's name."""
        if point.startswith(("ack", "spooled")):
            passes = 0
        self.house.trap.arm(point, passes, GROUP)
        try:
            await asyncio.wait_for(self.house.died.wait(), POINT_LIMIT)
        except TimeoutError:
            self.missed[point] += 1
            self.house.kill_all()
            return "at random"
        return point

    async def _drain(self) -> int:
        await self._some_time()
        point = self.chance.choice((*DRAIN, ""))
        if point:
            self.house.trap.arm(point, 0, GROUP)
        self.house.signal(signal.SIGTERM)
        await asyncio.sleep(self.chance.uniform(0.0, 0.1))
        if point:
            self.sink.heal()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.house.died.wait(), POINT_LIMIT)
        point = point if self.house.trap.fired else "while draining"
        self.house.kill_all()
        return await self._dead(point)

    async def _reload(self) -> int:
        await self._some_time()
        self.house.signal(signal.SIGHUP)
        if self.chance.random() < 0.5:
            return await self._dead(await self._trapped("reload"))
        await self._some_time(0.15)
        self.house.kill_all()
        return await self._dead("while reloading")

    async def _look_after_reload(self) -> int:
        """A command beside it opens and closes the same file; what came since must be in it."""
        self.house.signal(signal.SIGHUP)
        async with asyncio.timeout(START_LIMIT):
            while len(self.house.events("reloaded")) < self.workers:  # noqa: ASYNC110 - a log file
                await asyncio.sleep(0.01)
        await self.house.prove()
        await self._some_time()
        self.house.kill_all()
        return await self._dead("after a reload and a command")

    async def _migrate(self) -> int:
        """A kill under load, an upgrade, and a kill in the middle of its schema step."""
        await self._some_time()
        self.house.kill_all()
        await self._bury("at random")
        active = await self._count_leased()
        for house in self.houses:
            await house.ask("grow")
        point = self.chance.choice(self.migration)
        self.house.trap.arm(point, 0, GROUP)
        await self.house.start()
        await asyncio.wait_for(self.house.died.wait(), START_LIMIT)
        return active + await self._dead(point)

    async def _start_again(self) -> int:
        """A kill under load, and one while it starts."""
        await self._some_time()
        self.house.kill_all()
        active = 0
        for number in range(self.chance.randrange(1, 3)):
            await self._bury("while starting" if number else "at random")
            active += await self._count_leased()
            await self.house.start()
            await asyncio.sleep(self.chance.uniform(0.02, 0.2))
            self.house.kill_all()
        return active + await self._dead("while starting")

    async def _lose_supervisor(self) -> int:
        """Its workers drain by themselves, since nobody would watch them any more."""
        await self._some_time()
        self.house.signal(signal.SIGKILL)
        await self._some_time(0.2)
        self.sink.heal()
        return await self._dead("the supervisor alone")

    async def _lose_worker(self) -> int:
        await self._some_time()
        alive = self.house.worker_pids()
        if len(alive) < self.workers:  # one waits for its next start: they die too often
            return await self._die()
        self.house.signal(signal.SIGKILL, self.chance.choice(alive))
        return await self._worker_dead("one worker")

    async def _lose_worker_at(self) -> int:
        point = self.chance.choice((*self.on_the_way, "spooled"))
        self.house.trap.arm(point, 0, WORKER)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(POINT_LIMIT):
                while not self.house.trap.fired:  # noqa: ASYNC110 - another process sets it
                    await asyncio.sleep(0.002)
        if self.house.trap.fired:
            return await self._worker_dead(f"one worker, {point}")
        self.missed[point] += 1
        return await self._lose_worker()

    async def _worker_dead(self, why: str) -> int:
        """The others go on; the dead one's letters are still leased when we look."""
        active = await self._count_leased()
        self.kills[why] += 1
        self.house.trap.disarm()
        await self._some_time(0.2)
        self.senders.making = False
        return active

    # --- after it ---

    async def quiet(self) -> None:
        """Everything that was written is answered and delivered, also what a person had to see."""
        self.senders.making = False
        self.sink.heal()
        async with asyncio.timeout(self.quiet_limit):
            await self.senders.all_answered()
            await self.delivered()
            while held := await self.house.entries("--held"):
                self.released.update(entry["why"].split(":")[0][:60] for entry in held)
                await self.house.release([entry["id"] for entry in held])
                await self.delivered()

    async def delivered(self) -> None:
        wait = 0.005
        while True:
            balance = await self.house.prove()
            if not balance["queued"] and not balance["generated"].get("queued"):
                return
            await self.house.retry_all()
            await asyncio.sleep(wait)
            wait = min(wait * 2, 0.2)

    async def _end(self) -> None:
        """It drains and ends well; its file is whole and says what it said before."""
        for house in self.houses:
            house.signal(signal.SIGTERM)
            status = await house.buried()
            if status:
                self.ledger.problems.append(f"it ended with {status} after SIGTERM")
        await self._check_store()
        self.ledger.settle(await self.house.prove())

    async def _check_store(self) -> None:
        database = self.folder / "gateway.db"
        with contextlib.closing(sqlite3.connect(database)) as db:
            (whole,) = db.execute("PRAGMA integrity_check").fetchone()
        if whole != "ok":
            self.ledger.problems.append(f"integrity_check: {whole}")

    def _result(self, seconds: float) -> dict[str, Any]:
        ledger = self.ledger
        relay, unsaid, sender = ledger.repeated()
        return {
            "seed": self.seed,
            "workers": self.workers,
            "seconds": round(seconds, 1),
            "rounds": len(self.in_flight),
            "kills": dict(self.kills),
            "missed": dict(self.missed),
            "letters": len(ledger.letters),
            "deliveries": len(ledger.taken),
            "lost": sum(problem.startswith("LOST") for problem in ledger.problems),
            "copies": {"relay": relay, "sender": sender, "unsaid reply": unsaid},
            "in_flight": sum(self.in_flight),
            "most": {
                "copies": max(self.copies, default=0),
                "in flight": max(self.in_flight, default=0),
            },
            "asked": sum(letter.asked for letter in ledger.letters.values()),
            "acknowledged": len(ledger.acknowledged),
            "acknowledged_twice": sum(times > 1 for times in ledger.acknowledged.values()),
            "unknown": self.unknown,
            "put_off": dict(self.senders.put_off),
            "faults": dict(self.sink.faults),
            "released": dict(self.released),
            "troubles": dict(self.troubles),
            "problems": ledger.problems[:20],
        }  # fmt: skip


def main() -> None:
    run(argparse.ArgumentParser(), Life)


def run(parser: argparse.ArgumentParser, kind: Callable[..., Life]) -> None:
    """One life as the command line says; its result goes to the standard output."""
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--lie", default="", help="a fault to put into the gateway; see lies.py")
    parser.add_argument("--only", default="", help="one way to die, such as look_after_reload")
    options = vars(parser.parse_args())
    kills, only = options.pop("kills"), options.pop("only")
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    life = kind(folder, **options)
    life.only = only
    result = asyncio.run(life.live(kills))
    if not result["problems"]:
        shutil.rmtree(folder)
    else:
        result["kept"] = str(folder)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
