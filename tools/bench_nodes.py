"""`make bench-nodes`: letters through gateways that share one PostgreSQL, and what each part costs.

One PostgreSQL of our own that syncs, one or more `gateway run` with one worker each, all on
loopback; clients and name server are this process. Processor time is told apart: gateways,
PostgreSQL. The first line is a gateway with SQLite, for comparison.
Options: --letters 2000 --connections 16 --per-connection 20 --nodes 1 2.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import tempfile
import time
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.demo.world import World, make_world, write_configuration
from gateway.edge.zone_server import serve_zone
from tools.bench.alone import contents, listening, send, spent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from support.postgres import Cluster, cluster


@dataclass(frozen=True)
class Cost:
    letters: int
    wall: float
    gateways: float
    server: float

    def line(self, name: str) -> str:
        each = 1e6 / self.letters
        return (
            f"| {name} | {self.letters / self.wall:.0f} | {self.gateways * each:.0f} "
            f"| {self.server * each:.0f} | {1e6 / (self.gateways * each):.0f} |"
        )


def server_seconds(made: Cluster | None) -> float:
    """Processor time of PostgreSQL: its first process, those that ended and those that run."""
    if made is None:
        return 0.0
    leader = int((made.folder / "data/postmaster.pid").read_text().partition("\n")[0])
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(stat.parent.name) == leader:
            ticks += sum(int(field) for field in fields[11:15])
        elif int(fields[1]) == leader:
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


@asynccontextmanager
async def node(
    folder: Path, world: World, dns: str, url: str
) -> AsyncIterator[tuple[int, tuple[str, int]]]:
    """A gateway; gives its pid and where it listens."""
    folder.mkdir()
    config = write_configuration(folder, world, dns)
    text = config.read_text()
    if url:
        text = text.replace("store: sqlite:gateway.db", f'store: "{url}"\nstate: state')
    config.write_text(text)
    with (folder / "log").open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gateway", "run", "--config", str(config),
            stderr=output, start_new_session=True,
        )  # fmt: skip
    try:
        yield process.pid, await listening(folder / "log")
    finally:
        process.send_signal(signal.SIGTERM)
        await process.wait()


async def measure(
    arguments: argparse.Namespace, folder: Path, world: World, nodes: int, made: Cluster | None
) -> Cost:
    letters = contents(world, arguments.letters + 20 * nodes)
    url = made.url(made.database(), socket=False) if made else ""
    async with serve_zone(world.zone) as dns, AsyncExitStack() as stack:
        found = [
            await stack.enter_async_context(node(folder / str(number), world, dns, url))
            for number in range(nodes)
        ]
        for number, (_, address) in enumerate(found):  # what is done once is done now
            await send(address, letters[20 * number : 20 * (number + 1)])
        rest, step = letters[20 * nodes :], arguments.per_connection
        queue = asyncio.Queue[list[tuple[str, str, bytes]]]()
        for at in range(0, len(rest), step):
            queue.put_nowait(rest[at : at + step])

        async def client(address: tuple[str, int]) -> None:
            while not queue.empty():
                await send(address, queue.get_nowait())

        def gateways() -> float:
            return sum(spent(pid) for pid, _ in found)

        before, server, begin = gateways(), server_seconds(made), time.perf_counter()
        await asyncio.gather(*(client(found[n % nodes][1]) for n in range(arguments.connections)))
        wall = time.perf_counter() - begin
        await asyncio.sleep(2)  # what is still on its way out
        return Cost(len(rest), wall, gateways() - before, server_seconds(made) - server)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--letters", type=int, default=2000)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--per-connection", type=int, default=20)
    parser.add_argument("--nodes", type=int, nargs="+", default=[1, 2])
    arguments = parser.parse_args()
    world = make_world()
    print("| | letters a second | gateway µs | PostgreSQL µs | for each core of gateway |")
    print("| --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        cost = asyncio.run(measure(arguments, _new(folder, "sqlite"), world, 1, None))
        print(cost.line("1 node, SQLite"), flush=True)
        made = stack.enter_context(cluster(durable=True))
        for nodes in arguments.nodes:
            cost = asyncio.run(measure(arguments, _new(folder, str(nodes)), world, nodes, made))
            print(cost.line(f"{nodes} {'node' if nodes == 1 else 'nodes'}, PostgreSQL"), flush=True)


def _new(folder: str, name: str) -> Path:
    path = Path(folder) / name
    path.mkdir()
    return path


if __name__ == "__main__":
    main()
