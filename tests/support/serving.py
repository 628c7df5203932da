"""`gateway run` as a process of its own, and what is asked of it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import smtplib
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from support.running import until

GATEWAY = [sys.executable, "-m", "gateway"]


@dataclass
class Served:
    """A `gateway run` and where it listens."""

    process: asyncio.subprocess.Process
    config: Path
    address: tuple[str, int]
    log: Path

    def events(self, name: str) -> list[dict[str, object]]:
        whole, _, _ = self.log.read_text().rpartition("\n")  # the last line may be half written
        lines = whole.splitlines()
        strange = [line for line in lines if not line.startswith("{")]
        assert not strange, strange
        return [event for event in map(json.loads, lines) if event["event"] == name]

    async def wait_for(self, name: str, count: int = 1) -> list[dict[str, object]]:
        async def look() -> list[dict[str, object]]:
            return self.events(name)

        return await until(look, lambda found: len(found) >= count)

    async def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return await asyncio.wait_for(self.process.wait(), 30)

    async def kill(self) -> None:
        """The supervisor and its workers at once, as a power cut would."""
        os.killpg(self.process.pid, signal.SIGKILL)
        await self.process.wait()


@asynccontextmanager
async def serving(config: Path, log: Path, *, before: Sequence[str] = ()) -> AsyncIterator[Served]:
    """Until the block ends, when it is killed if it still runs. `before` the command: a wrapper."""
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *before, *GATEWAY, "run", "--config", str(config),
            stderr=output, start_new_session=True,
        )  # fmt: skip
    served = Served(process, config, ("", 0), log)
    try:
        (listening, *_) = await served.wait_for("listening")
        host, _, port = str(listening["address"]).rpartition(":")
        served.address = (host, int(port))
        await served.wait_for("started")
        yield served
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


def send_many(address: tuple[str, int], numbers: list[int]) -> list[int]:
    """Send numbered letters over one connection until it breaks; gives those answered 250."""
    taken: list[int] = []
    client = smtplib.SMTP(timeout=30)
    try:
        client.connect(*address)
        client.ehlo()
        for number in numbers:
            content = f"From: a@author.example\r\nX-Number: {number}\r\n\r\nbody {number}\r\n"
            client.mail("a@author.example")
            client.rcpt("silent@shop.example")
            code, _ = client.data(content)
            if code == 250:
                taken.append(number)
    except (OSError, smtplib.SMTPException):
        pass  # the gateway was stopped: what was answered until then counts
    finally:
        client.close()
    return taken


def prove(config: Path) -> dict[str, object]:
    command = [*GATEWAY, "queue", "prove", "--json", "--config", str(config)]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def numbers_in(folder: Path) -> list[int]:
    found = []
    for path in folder.glob("new/*"):
        for line in path.read_bytes().splitlines():
            if line.startswith(b"X-Number: "):
                found.append(int(line[10:]))
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
