"""One gateway under the harness: its configuration, its launcher, and what it is told to do."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

from tools.soak.points import Trap

CONFIGURATION = """
hostname: mx1.soak.example
listen: [{{address: "127.0.0.1:{port}"}}]
workers: {workers}
{store}
dns: {{nameservers: ["{dns}"], timeout: {dns_timeout}}}
administrator: admin@inside.example
filters:
  - {{use: spf}}
  - {{use: dkim}}
  - {{use: arc}}
  - {{use: dmarc}}
  - {{use: spam, model: spam, then: {{spam: tag, unsure: tag}}}}
  - {{use: tone, model: tone, then: {{irate: tag}}}}
next_hops:
  mailbox: {{address: "smtp://127.0.0.1:{sink}", timeout: 2s, tls: none}}
retry: {{first: 1s, max: 2s}}
acknowledgements:
  per_author: 1s
  per_domain: 100000 per minute
  per_site: 100000 per hour
  in_all: 100000 per hour
sites:
  - site: shop
    domains: [shop.example]
    name: The Shop
    recipients: {{any: true}}
    next_hop: mailbox
    routes:
      - {{to: support@shop.example, acknowledge: received}}
      - {{to: "*@shop.example"}}
  - site: hosting
    domains: [hosting.example]
    recipients: {{any: true}}
    next_hop: mailbox
    routes: [{{to: "*@hosting.example"}}]
"""
TOP = Path(__file__).parent.parent.parent
START_LIMIT = 30.0
COMMAND_LIMIT = 60.0


class NotWell(Exception):  # noqa: N818
    """The gateway did not do what it must: the soak ends."""


class House:
    def __init__(
        self,
        folder: Path,
        *,
        workers: int,
        dns: str,
        sink: int,
        lie: str = "",
        store: str = "store: sqlite:gateway.db",
        machine: str = "",
        dns_timeout: str = "2s",
    ) -> None:
        """`machine`: what it takes its machine to be; by default the one it is on."""
        self.folder = folder
        self.machine = machine
        self.workers = workers
        self.lie = lie
        self.port = _free_port()
        self.trap = Trap(folder / "trap")
        self.pid = 0
        self.runs = 0
        self.logs = folder
        self.config = folder / "gateway.yaml"
        self.config.write_text(
            CONFIGURATION.format(
                port=self.port,
                workers=workers,
                dns=dns,
                sink=sink,
                dns_timeout=dns_timeout,
                store=store,
            )
        )

    async def open(self) -> None:
        self._launcher = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tools.soak.launcher", str(self.config),
            str(self.folder / "trap"), self.lie, self.machine,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE, limit=1 << 26, cwd=TOP,
        )  # fmt: skip
        self._asking = asyncio.Lock()

    async def close(self) -> None:
        if self.pid:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
        if self._launcher.stdin:
            self._launcher.stdin.close()
        await self._launcher.wait()

    async def ask(self, do: str, **more: Any) -> dict[str, Any]:
        to, back = self._launcher.stdin, self._launcher.stdout
        line = b""
        async with self._asking, asyncio.timeout(COMMAND_LIMIT):
            if to and back:
                to.write(json.dumps({"do": do, **more}).encode() + b"\n")
                line = await back.readline()
        if not line:
            raise NotWell("the launcher has died")
        answer: dict[str, Any] = json.loads(line)
        return answer

    # --- the running gateway ---

    async def start(self) -> None:
        self.runs += 1
        self.log = self.logs / f"log-{self.runs}.jsonl"
        self.pid = (await self.ask("run", log=str(self.log)))["pid"]
        self._exit = os.pidfd_open(self.pid)
        self.died = asyncio.Event()
        asyncio.get_running_loop().add_reader(self._exit, self._died)

    def _died(self) -> None:
        asyncio.get_running_loop().remove_reader(self._exit)
        os.close(self._exit)
        self.died.set()

    async def started(self) -> None:
        """All workers serve. Raises NotWell when the gateway ends instead."""
        async with asyncio.timeout(START_LIMIT):
            while len(self.events("started")) < self.workers:
                if self.died.is_set():
                    raise NotWell(f"it ended at its start: {self.log.read_text()[-2000:]}")
                await asyncio.sleep(0.005)

    def events(self, *names: str) -> list[dict[str, Any]]:
        """The journal's lines of this run; the last may be cut short by its death."""
        found = []
        with contextlib.suppress(FileNotFoundError):
            for line in self.log.read_bytes().splitlines():
                with contextlib.suppress(ValueError):
                    event = json.loads(line)
                    if event.get("event") in names:
                        found.append(event)
        return found

    def worker_pids(self) -> list[int]:
        """Those that live."""
        latest = {event["worker"]: event["pid"] for event in self.events("worker started")}
        return [pid for pid in latest.values() if self._is_ours(pid)]

    def _is_ours(self, pid: int) -> bool:
        try:
            return os.getpgid(pid) == self.pid
        except ProcessLookupError:
            return False

    def signal(self, number: signal.Signals, pid: int = 0) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid or self.pid, number)

    def kill_all(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    async def buried(self) -> int:
        """Wait until no process of it is left; gives how its supervisor ended."""
        pid, self.pid = self.pid, 0
        status: int = (await self.ask("wait", pid=pid))["status"]
        await self.died.wait()
        return status

    # --- commands beside it ---

    async def entries(self, *options: str) -> list[dict[str, Any]]:
        output = await self._command("queue", "list", "--json", "--limit", "100000", *options)
        if not output.startswith("["):
            raise NotWell(f"queue list: {output[-1000:]}")
        found: list[dict[str, Any]] = json.loads(output)
        return found

    async def prove(self) -> dict[str, Any]:
        done = await self.ask("cli", args=["queue", "prove", "--json"])
        if not done["output"].startswith("{"):
            raise NotWell(f"prove: {done['output'][-1000:]}")
        balance: dict[str, Any] = json.loads(done["output"])
        return balance

    async def retry_all(self) -> None:
        await self._command("queue", "retry", "--all")

    async def release(self, ids: list[str]) -> None:
        await self._command("queue", "release", *ids)

    async def _command(self, *arguments: str) -> str:
        done = await self.ask("cli", args=arguments)
        if done["status"]:
            raise NotWell(f"{' '.join(arguments)}: {done['status']}: {done['output'][-1000:]}")
        output: str = done["output"]
        return output


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
