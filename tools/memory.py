"""What a gateway holds while many clients send large messages at the same time.

`python -m tools.memory --connections 100 --size 50` starts a real gateway and prints its greatest
PSS (the sum over its processes, each shared page counted in part) beside what is allowed: the
memory budget and 250 MB. Exit 1 when it was more. Needs disk for what it sends, twice.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.edge.zone_server import serve_zone

MB = 1_000_000
ALLOWED = 250 * MB
"""Beyond the budget: the programs, the models, the dictionaries."""
LINE = b"It stands here again and again, and nobody will ever read it to the end.\r\n"
PIECE = LINE * 800
CONFIGURATION = """
hostname: mx1.memory.example
administrator: admin@shop.example
listen: [{{address: "127.0.0.1:0"}}]
workers: 1
store: sqlite:gateway.db
dns: {{nameservers: ["{dns}"], timeout: 2s}}
limits: {{memory: {memory}MB, message_size: {size}MB}}
filters:
  - {{use: spf}}
  - {{use: dkim}}
  - {{use: arc}}
  - {{use: dmarc}}
  - {{use: spam, model: spam, then: {{spam: tag, unsure: tag}}}}
  - {{use: tone, model: tone, then: {{irate: tag}}}}
next_hops: {{mailbox: {{address: "maildir:mailbox"}}}}
sites:
  - {{site: shop, domains: [shop.example], recipients: {{any: true}}, next_hop: mailbox,
     routes: [{{to: "*@shop.example"}}]}}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=100)
    parser.add_argument("--size", type=int, default=50, help="of each message, in MB")
    parser.add_argument("--memory", type=int, default=512, help="the gateway's budget, in MB")
    parser.add_argument("--folder", type=Path, help="on which disk")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder, prefix="memory-") as folder:
        found = asyncio.run(
            measure(Path(folder), options.connections, options.size * MB, options.memory)
        )
    print(json.dumps(found, indent=1))
    raise SystemExit(found["peak_mb"] > found["allowed_mb"])


async def measure(folder: Path, connections: int, size: int, memory: int) -> dict[str, Any]:
    """All clients send one message at the same time; gives what was held and what was answered."""
    async with serve_zone({}) as dns:
        config = folder / "gateway.yaml"
        config.write_text(CONFIGURATION.format(dns=dns, memory=memory, size=size // MB + 2))
        with (folder / "log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "gateway", "run", "--config", str(config),
                stderr=log, start_new_session=True,
            )  # fmt: skip
        try:
            address = await _listening(folder / "log", process)
            idle = _held(process.pid)
            watching = asyncio.create_task(_watch(process.pid))
            began = time.monotonic()
            replies = await asyncio.gather(*(_send(address, size) for _ in range(connections)))
            seconds = time.monotonic() - began
            watching.cancel()
            peak = await watching
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    return {
        "connections": connections,
        "message_mb": round(size / MB),
        "budget_mb": memory,
        "idle_mb": round(idle.total / MB),
        "peak_mb": round(peak.total / MB),
        "of_that_mapped_mb": round(peak.mapped / MB),
        "allowed_mb": round((memory * (1 << 20) + ALLOWED) / MB),
        "seconds": round(seconds, 1),
        "replies": dict(Counter(reply[:9] for reply in replies)),
    }


async def _listening(log: Path, process: asyncio.subprocess.Process) -> tuple[str, int]:
    while process.returncode is None:
        for line in log.read_text().splitlines():
            if '"listening"' in line:
                host, _, port = str(json.loads(line)["address"]).rpartition(":")
                return host, int(port)
        await asyncio.sleep(0.02)
    raise SystemExit(f"it does not start: {log.read_text()[-1000:]}")


async def _send(address: tuple[str, int], size: int) -> str:
    """One message of so many octets; gives the reply to it."""
    reader, writer = await asyncio.open_connection(*address)
    try:
        await reader.readline()
        writer.write(b"HELO mail.author.example\r\nMAIL FROM:<jo@author.example>\r\n")
        writer.write(b"RCPT TO:<box@shop.example>\r\nDATA\r\n")
        for _ in range(4):
            answer = await reader.readline()
        if not answer.startswith(b"354"):
            return answer.decode()
        writer.write(b"From: jo@author.example\r\nSubject: Large\r\n\r\n")
        for _ in range(size // len(PIECE)):
            writer.write(PIECE)
            await writer.drain()
        writer.write(b".\r\n")
        return (await reader.readline()).decode()
    finally:
        writer.close()


async def _watch(pid: int) -> Held:
    """The greatest sum until cancelled, and of what it is made."""
    peak = Held()
    with contextlib.suppress(asyncio.CancelledError):
        while True:
            peak = max(peak, await asyncio.to_thread(_held, pid))
            await asyncio.sleep(0.1)
    return peak


@dataclass(frozen=True, order=True)
class Held:
    """Octets held by all processes of a group: PSS, and what of it is mapped from files."""

    total: int = 0
    mapped: int = 0


def _held(group: int) -> Held:
    total = mapped = 0
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError, KeyError):
            if os.getpgid(int(folder.name)) == group:
                lines = (folder / "smaps_rollup").read_text().splitlines()[1:]
                sizes = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines}
                total += sizes["Pss"]
                mapped += sizes["Pss_File"]
    return Held(total, mapped)


if __name__ == "__main__":
    main()
