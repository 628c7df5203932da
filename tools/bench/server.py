"""A server under test: started on cores of its own, stopped with all processes it begot."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from tools.bench import processes

START_LIMIT = 120.0
STOP_LIMIT = 40.0


class BenchError(Exception):
    """The measurement cannot be made; the text says why."""


class Server(Protocol):
    """What is measured: `roots` are the processes whose trees do the work."""

    name: str
    port: int

    @property
    def roots(self) -> list[int]: ...

    @property
    def whole(self) -> bool: ...

    def start(self) -> None: ...

    def stop(self) -> None: ...


class Started:
    """Processes of one server, pinned to the cores of the servers."""

    def __init__(self, folder: Path, cores: Sequence[int]) -> None:
        self.folder = folder
        self._cores = ",".join(map(str, cores))
        self._processes: list[subprocess.Popen[bytes]] = []

    @property
    def roots(self) -> list[int]:
        return [process.pid for process in self._processes]

    @property
    def whole(self) -> bool:
        """Whether none of the processes has ended by itself."""
        return all(process.poll() is None for process in self._processes)

    def run(self, command: Sequence[str], **environment: str) -> int:
        """Start one in the foreground of its own session; its output goes to `log`."""
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(  # noqa: S603
                ["/usr/bin/taskset", "-c", self._cores, *command],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, **environment}, start_new_session=True,
            )  # fmt: skip
        self._processes.append(process)
        return process.pid

    def ready(self, port: int) -> None:
        """Wait for its banner."""
        end = time.monotonic() + START_LIMIT
        while time.monotonic() < end:
            if any(process.poll() is not None for process in self._processes):
                break
            with (
                contextlib.suppress(OSError),
                socket.create_connection(("127.0.0.1", port), 5) as s,
            ):
                if s.recv(100).startswith(b"220"):
                    s.sendall(b"QUIT\r\n")
                    return
            time.sleep(0.05)
        raise BenchError(f"no banner within {START_LIMIT:.0f} s\n{self.tail()}")

    def tail(self) -> str:
        """The end of its log."""
        log = self.folder / "log"
        return log.read_text()[-1500:] if log.exists() else ""

    def stop(self) -> None:
        """The last started ends first; what is left of their trees then is ended too."""
        everyone = processes.born(self.roots)
        for process in reversed(self._processes):
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(STOP_LIMIT)
        for number in (signal.SIGTERM, signal.SIGKILL):
            for pid in processes.survivors(everyone):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            end = time.monotonic() + 5
            while processes.survivors(everyone) and time.monotonic() < end:
                time.sleep(0.05)
        for process in self._processes:
            process.wait(STOP_LIMIT)
        self._processes.clear()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(path: Path) -> None:
    """Until a socket or a file is there."""
    end = time.monotonic() + START_LIMIT
    while not path.exists():
        if time.monotonic() > end:
            raise BenchError(f"{path.name} did not appear")
        time.sleep(0.05)
