"""`make bench`: letters through one `gateway run` on loopback, and what each costs.

The gateway is a process of its own with one worker; clients and name server are this process.
Figures are the gateway's own processor time, which other work on the host disturbs little.
Options: --letters 1000 --connections 16 --per-connection 20 --plain (without spam and tone).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

from gateway.demo.letters import LETTERS
from gateway.demo.world import World, make_world, write_configuration
from gateway.edge import clock
from gateway.edge.zone_server import serve_zone

PAD = b"We have been customers of yours for years and always liked it.\r\n"
SIZE = 6000


def contents(world: World, count: int) -> list[tuple[str, str, bytes]]:
    """(reverse-path, recipient, content) of letters of about 6 KB, each signed by its author."""
    now = clock.now()
    found = []
    for number in range(count):
        letter = LETTERS[number % len(LETTERS)]
        octets = letter.octets(now, number)
        if letter.content_type.startswith("text/plain"):
            octets += PAD * max(0, (SIZE - len(octets)) // len(PAD))
        if letter.signed:
            octets = world.senders[letter.domain].sign(octets, now) + octets
        found.append((letter.envelope_sender, letter.recipient, octets))
    return found


async def send(address: tuple[str, int], letters: list[tuple[str, str, bytes]]) -> None:
    """One connection: each letter's commands in one write, as PIPELINING allows."""
    reader, writer = await asyncio.open_connection(*address)

    async def answer(code: bytes) -> None:
        while (line := await reader.readline())[3:4] == b"-":
            pass
        if not line.startswith(code):
            raise SystemExit(f"bench: {line!r}")

    await answer(b"220")
    writer.write(b"EHLO mail.author.example\r\n")
    await answer(b"250")
    for sender, recipient, octets in letters:
        writer.write(f"MAIL FROM:<{sender}>\r\nRCPT TO:<{recipient}>\r\nDATA\r\n".encode())
        for code in (b"250", b"250", b"354"):
            await answer(code)
        writer.write(octets.replace(b"\r\n.", b"\r\n..") + b".\r\n")
        await answer(b"250")
    writer.write(b"QUIT\r\n")
    await answer(b"221")
    writer.close()


def spent(leader: int) -> float:
    """Processor seconds of a process and its children."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == leader:  # the process group
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


async def listening(log: Path) -> tuple[str, int]:
    async with asyncio.timeout(60):
        while True:
            for line in log.read_text().splitlines():
                event = json.loads(line)
                if event.get("event") == "listening":
                    host, _, port = str(event["address"]).rpartition(":")
                    return host, int(port)
            await asyncio.sleep(0.05)


async def measure(arguments: argparse.Namespace, folder: Path) -> None:
    world = make_world()
    letters = contents(world, arguments.letters)
    step = arguments.per_connection
    batches = [letters[at : at + step] for at in range(0, len(letters), step)]
    async with serve_zone(world.zone) as dns:
        config = write_configuration(folder, world, dns)
        if arguments.plain:
            lines = config.read_text().splitlines()
            lines = [line for line in lines if "use: spam" not in line and "use: tone" not in line]
            config.write_text("\n".join(lines) + "\n")
        log = folder / "log"
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "gateway", "run", "--config", str(config),
                stderr=output, start_new_session=True,
            )  # fmt: skip
        try:
            address = await listening(log)
            await send(address, letters[:20])  # what is done once is done now
            before, begin = spent(process.pid), time.perf_counter()
            queue = asyncio.Queue[list[tuple[str, str, bytes]]]()
            for batch in batches:
                queue.put_nowait(batch)

            async def client() -> None:
                while not queue.empty():
                    await send(address, queue.get_nowait())

            await asyncio.gather(*(client() for _ in range(arguments.connections)))
            wall = time.perf_counter() - begin
            cost = spent(process.pid) - before
        finally:
            process.send_signal(signal.SIGTERM)
            await process.wait()
    count = len(letters)
    print(f"{count} letters of {sum(len(octets) for *_, octets in letters) // count} octets")
    print(f"accepted  {count / wall:8.0f} a second, {wall:.1f} s in all")
    print(f"cost      {cost / count * 1000:8.2f} ms of processor time a letter, delivery included")
    print(f"          {count / cost:8.0f} a second for each core")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--letters", type=int, default=1000)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--per-connection", type=int, default=20)
    parser.add_argument("--plain", action="store_true")
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(parser.parse_args(), Path(folder)))


if __name__ == "__main__":
    main()
