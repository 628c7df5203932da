"""The life of a store in PostgreSQL, with one node or with two that share it.

The same as `life.py`, and besides that PostgreSQL is ended in many ways: what was promised stays
promised, nobody dies of it, and all goes on by itself. Where one of two nodes is killed, the other
one finishes its mail. `python -m tools.soak.shared --kills 50 --seed 1 --nodes 2 --workers 1`
"""

from __future__ import annotations

import argparse
import asyncio
import re
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from gateway.store.owner import is_alive, this_process
from tools.soak.house import House
from tools.soak.life import ON_THE_WAY, POINT_LIMIT, Life, Way, run
from tools.soak.points import MIGRATION, SERVER
from tools.soak.server import server

POINTS = (*ON_THE_WAY, "committing")
_PLACE = re.compile(r"server at .*?\), port \d+")
QUIET_LIMIT = 150.0
"""Seconds, among them those until a node is known to be dead."""
IMMEDIATE, KILLED, RESTARTED, ONE = "shut down at once", "killed", "restarted", "one process killed"


class SharedLife(Life):
    on_the_way = POINTS
    migration = tuple(point for point in MIGRATION if point != "migration-backup")
    quiet_limit = QUIET_LIMIT

    def __init__(self, folder: Path, *, seed: int, nodes: int, workers: int, lie: str = "") -> None:
        super().__init__(folder, seed=seed, workers=workers, lie=lie)
        self.nodes = nodes
        self.finished = 0
        """Nodes whose mail the other one finished before they came back."""
        self.taken_over: Counter[str] = Counter()
        self._must_live: dict[House, list[int]] = {}

    @asynccontextmanager
    async def begun(self) -> AsyncIterator[None]:
        with server() as self.server:
            async with super().begun():
                self.server.watch_leases()
                yield

    def _build(self, dns: str) -> list[House]:
        """With two, each takes the other for another machine."""
        (self.folder / "store-url").write_text(self.server.url)
        (self.folder / "store-url").chmod(0o600)
        houses = []
        for number in range(self.nodes):
            folder = self.folder / f"node-{number}"
            folder.mkdir()
            house = House(
                folder,
                workers=self.workers,
                dns=dns,
                sink=self.sink.port,
                lie=self.lie,
                store=f"store: !file {self.folder / 'store-url'}\nstate: state",
                machine=f"machine{number}" if self.nodes > 1 else "",
            )
            houses.append(house)
        return houses

    # --- what happens in a round ---

    def _ways(self) -> dict[Way, int]:
        self.house = self.chance.choice(self.houses)
        self._must_live = {}
        return super()._ways() | {
            self._lose_server: 14,
            self._lose_server_at: 14,
            self._lose_both: 4,
            self._start_without: 3,
        }

    async def _lose_server(self) -> int:
        """PostgreSQL ends under load and comes back: 451 meanwhile."""
        await self._some_time()
        how = self.chance.choice((IMMEDIATE, KILLED, RESTARTED, ONE))
        self._expect_life()
        await self._end_server(how)
        return await self._server_back(how)

    async def _end_server(self, how: str) -> None:
        self.senders.doubt()
        ends = {
            IMMEDIATE: self.server.stop_at_once,
            KILLED: self.server.kill,
            RESTARTED: self.server.stop,
            ONE: self.server.kill_one,
        }
        await asyncio.to_thread(ends[how])
        self.senders.trust()

    async def _lose_server_at(self) -> int:
        """It is killed while a message is at a named point; the gateway goes on from there."""
        self._expect_life()
        self.senders.doubt()
        point = self.chance.choice(POINTS)
        passes = 0 if point.startswith("ack") else self.chance.randrange(0, 12)
        self.house.trap.arm(point, passes, SERVER, self.server.leader)
        with suppress(TimeoutError):
            async with asyncio.timeout(POINT_LIMIT):
                while not self.house.trap.fired:  # noqa: ASYNC110 - another process sets it
                    await asyncio.sleep(0.002)
        if not self.house.trap.fired:
            self.missed[f"PostgreSQL, {point}"] += 1
            await self._end_server(KILLED)
            return await self._server_back(KILLED)
        await asyncio.to_thread(self.server.gone)
        self.senders.trust()
        return await self._server_back(point)

    async def _server_back(self, how: str) -> int:
        """Nothing that was under way may be repeated for this: whoever did it lives."""
        self.house.trap.disarm()
        self.kills[f"PostgreSQL, {how}"] += 1
        await self._some_time(1.0)
        await self._start_server(how)
        await self._some_time()
        self.senders.making = False
        return 0

    async def _start_server(self, how: str) -> None:
        await asyncio.to_thread(self.server.well if how == ONE else self.server.start)

    async def _lose_both(self) -> int:
        """It ends, and so does a gateway, which starts again before it or after it."""
        await self._some_time()
        how = self.chance.choice((IMMEDIATE, KILLED, RESTARTED))
        await self._end_server(how)
        await self._some_time(0.2)
        if self.chance.random() < 0.3:
            self.house.signal(signal.SIGTERM)
            await self._some_time(1.0)
        self.house.kill_all()
        await self._bury("without PostgreSQL")
        self.kills[f"PostgreSQL, {how}"] += 1
        early = self.chance.random() < 0.5
        if early:
            await self.house.start()
            await self._some_time(1.0)
        await self._start_server(how)
        if early:
            await self.house.started()
        active = await self._count_leased()
        if not early:
            await self._come_back()
        return active

    async def _start_without(self) -> int:
        """A kill, and PostgreSQL ends while the gateway is starting."""
        await self._some_time()
        self.house.kill_all()
        await self._bury("at random")
        active = await self._count_leased()
        how = self.chance.choice((IMMEDIATE, KILLED, RESTARTED, ONE))
        await self.house.start()
        await self._some_time(0.5)
        await self._end_server(how)
        self.kills[f"PostgreSQL, {how}, at a start"] += 1
        await self._some_time(0.5)
        await self._start_server(how)
        await self.house.started()
        return active

    async def _migrate(self) -> int:
        """With two: the other one, which goes on with the version before, is killed and brought
        forward too. Until then it would not reload, for its program is older than the schema."""
        active = await super()._migrate()
        for house in self.houses:
            if house is not self.house:
                house.kill_all()
                await house.buried()
                self.kills["at random"] += 1
                await house.start()
                await house.started()
        return active

    async def _come_back(self) -> None:
        """With two: often not before the other one has finished its mail."""
        if self.nodes > 1 and self.chance.random() < 0.6:
            self.senders.making = True
            await self._some_time(0.5)
            await super().quiet()
            self.finished += 1
        await self.start()

    async def _bury(self, why: str) -> None:
        await super()._bury(why)
        self.senders.making = self.nodes > 1  # the other one serves

    # --- what was under way ---

    async def _count_leased(self) -> int:
        return 0  # the database records it, however soon another one takes over

    async def _count_ended(self) -> int:
        return await asyncio.to_thread(self._count_dead_leases)

    def _count_dead_leases(self) -> int:
        """Leases that were ended for their owners, who must be no more."""
        here = this_process().partition("-")[0]
        letters: dict[tuple[str, str], dict[str, Any]] = {}
        for id_, lease, queue_id, address in self.server.ended_leases():
            process = lease.partition(":")[0].partition("-")[2]
            if is_alive(f"{here}-{process}"):
                self.ledger.problems.append(f"{id_} was taken from a process that lives")
            new = {"state": "active", "queue_id": queue_id, "recipients": []}
            letters.setdefault((id_, lease), new)["recipients"].append(address)
        return self.ledger.killed(letters.values())

    # --- after it ---

    def _expect_life(self) -> None:
        self._must_live = {house: sorted(house.worker_pids()) for house in self.houses}

    async def quiet(self) -> None:
        await super().quiet()
        for house, pids in self._must_live.items():
            if house.died.is_set() or sorted(house.worker_pids()) != pids:
                self.ledger.problems.append("a worker died of PostgreSQL's end")

    def _note_troubles(self, house: House) -> None:
        for event in house.events("trouble"):
            what = (event.get("traceback") or "?").splitlines()[-1].split(" - ")[0]
            self.troubles[f"{event.get('where')}: {_PLACE.sub('', what)}"[:120]] += 1
        for event in house.events("alert"):
            if event.get("what") == "node died":
                self.taken_over["nodes found dead"] += 1
                self.taken_over["their letters"] += event["leases"]

    async def _check_store(self) -> None:
        wrong = await asyncio.to_thread(self.server.wrong)
        if wrong:
            self.ledger.problems.append(f"pg_amcheck: {wrong}")

    async def _end(self) -> None:
        await super()._end()
        for house in self.houses:
            self._note_troubles(house)

    def _result(self, seconds: float) -> dict[str, Any]:
        more = {"finished by the other": self.finished, **self.taken_over}
        return super()._result(seconds) | {"nodes": self.nodes, "between nodes": more}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=1)
    run(parser, SharedLife)


if __name__ == "__main__":
    main()
