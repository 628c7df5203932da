"""`gateway run` as a process of its own: killed, drained, reloaded, while mail comes in."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import signal
import smtplib
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.running import SHOP, until, write_configuration

from gateway.edge.zone_server import serve_zone

PLAIN = "\nfilters: [{use: spf}, {use: dkim}, {use: arc}, {use: dmarc}]\n"
GATEWAY = [sys.executable, "-m", "gateway"]


@dataclass
class Served:
    """A `gateway run` and where it listens."""

    process: asyncio.subprocess.Process
    config: Path
    address: tuple[str, int]
    log: Path

    def events(self, name: str) -> list[dict[str, object]]:
        lines = self.log.read_text().splitlines()
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


@pytest.fixture
def serve(tmp_path, key_pems):
    """`async with serve() as served:`; the folder stays, so that it can be served again."""
    runs = itertools.count()

    @asynccontextmanager
    async def make(*, more: str = "", port: int = 0) -> AsyncIterator[Served]:
        async with serve_zone({}) as dns:
            write_configuration(tmp_path, dns, key_pems["rsa"], filters=PLAIN, more=more, port=port)
            log = tmp_path / f"log-{next(runs)}.jsonl"
            with log.open("wb") as output:
                process = await asyncio.create_subprocess_exec(
                    *GATEWAY, "run", "--config", str(tmp_path / "gateway.yaml"),
                    stderr=output, start_new_session=True,
                )  # fmt: skip
            served = Served(process, tmp_path / "gateway.yaml", ("", 0), log)
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

    return make


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


async def test_kill_9_in_mid_load_loses_nothing_that_was_answered_250(serve, tmp_path):
    share = 125
    with ThreadPoolExecutor(4) as pool:
        async with serve() as served:
            jobs = [
                pool.submit(send_many, served.address, list(range(n * share, (n + 1) * share)))
                for n in range(4)
            ]
            await served.wait_for("accepted", 150)
            await served.kill()
            taken = [number for job in jobs for number in job.result()]
    assert 100 < len(taken) < 4 * share, "killed in the middle"
    async with serve() as served:

        async def owed() -> dict[str, object]:
            return await asyncio.to_thread(prove, served.config)

        balance = await until(owed, lambda found: found["queued"] == 0)
        assert balance["balanced"]
        assert await served.stop() == 0
    delivered = numbers_in(tmp_path / "mailbox")
    assert set(taken) <= set(delivered)
    assert balance["held"] == balance["bounced"] == balance["dropped"] == 0


async def test_sigterm_drains_and_answers_what_is_under_way(serve, tmp_path):
    with ThreadPoolExecutor(2) as pool:
        async with serve() as served:
            jobs = [pool.submit(send_many, served.address, list(range(n, n + 950)))
                    for n in (0, 950)]  # fmt: skip
            await served.wait_for("accepted", 50)
            assert await served.stop() == 0
            taken = [number for job in jobs for number in job.result()]
            stopped = served.events("stopped")
    assert len(taken) < 1900, "stopped in the middle"
    assert stopped
    balance = prove(tmp_path / "gateway.yaml")
    assert balance["accepted"] == len(taken)
    assert balance["delivered"] + balance["queued"] == len(taken)


async def test_sighup_reloads_and_a_mistake_changes_nothing(serve, tmp_path):
    async with serve() as served:
        (tmp_path / "shop.yaml").write_text(SHOP.replace("name: rest", "name: other"))
        served.process.send_signal(signal.SIGHUP)
        await served.wait_for("reloaded")
        (tmp_path / "shop.yaml").write_text(SHOP.replace("routes:", "rotues:"))
        served.process.send_signal(signal.SIGHUP)
        alerts = await until(
            lambda: asyncio.sleep(0, served.events("alert")),
            lambda found: any("reload refused" in str(alert) for alert in found),
        )
        assert "stays in force" in str(alerts)
        assert "in use" not in str(alerts), "its ports are its own"
        assert send_many(served.address, [1]) == [1]
        assert "did you mean 'routes'" in str(alerts)
        assert await served.stop() == 0


async def test_two_workers_share_the_port_and_one_may_die(serve, tmp_path):
    async with serve(more="workers: 2\n", port=free_port()) as served:
        assert len(await served.wait_for("started", 2)) == 2
        pids = [int(event["process"]) for event in served.events("started")]
        os.kill(pids[0], signal.SIGKILL)
        await served.wait_for("started", 3)
        assert send_many(served.address, list(range(20))) == list(range(20))
        assert await served.stop() == 0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
