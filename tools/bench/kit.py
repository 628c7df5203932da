"""The tools around a server under test: load, sink, name server, corpus; all on the tools' core.

They come from the folder BENCH: smtp_load.c, smtp_sink.c, dns_stub.py, make_corpus.py, peers/.
They carry no licence of their own, so they are compiled and used where they are, not shipped.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.bench import processes
from tools.bench.server import BenchError, free_port, wait_for

NEEDED = ("smtp_load.c", "smtp_sink.c", "dns_stub.py", "make_corpus.py", "peers")
DOMAIN = "site1.example"
APART = 1000
"""Letters of the corpus that only warm a server up, or teach it."""
QUIET = 0.7
"""Seconds without a delivery after which everything is taken to be delivered."""
DRAIN_LIMIT = 120.0
LONGEST = 1800
"""Seconds after which a sink ends by itself, whatever became of us."""


@dataclass(frozen=True, slots=True)
class Cores:
    """The first core is the tools', the last the server's."""

    tools: int
    server: int

    @classmethod
    def of_this_machine(cls) -> Cores:
        usable = sorted(os.sched_getaffinity(0))
        return cls(usable[0], usable[-1])


class Kit:
    """Everything but the server. `with Kit(...) as kit:` keeps the name server running."""

    def __init__(self, source: Path, folder: Path, *, count: int = 8000) -> None:
        """`folder` keeps what is compiled and the corpus from run to run."""
        missing = [name for name in NEEDED if not (source / name).exists()]
        if missing:
            raise BenchError(f"BENCH={source} lacks {', '.join(missing)}")
        self.source = source
        self.cores = Cores.of_this_machine()
        self.dns_port, self.sink_port = free_port(), free_port()
        self._folder = folder
        self._count = count
        self._dns: subprocess.Popen[bytes] | None = None

    @property
    def corpus(self) -> Path:
        return self._folder / f"corpus-{self._count}"

    @property
    def letters(self) -> Path:
        """What is measured with; in this order."""
        return self._chosen("measured", lambda number, _: number >= APART)

    @property
    def apart(self) -> Path:
        """Letters for what must come before, sent no second time."""
        return self._chosen("apart", lambda number, _: number < APART)

    def of_size(self, smallest: int, largest: int) -> Path:
        """Those whose octets are between two bounds."""
        return self._chosen(
            f"{smallest}-{largest}",
            lambda number, label: number >= APART and smallest <= label["size"] <= largest,
        )

    def _chosen(self, name: str, wanted: Callable[[int, dict[str, Any]], bool]) -> Path:
        """A folder of links to some letters of the corpus."""
        chosen = self.corpus / name
        if not chosen.exists():
            chosen.mkdir()
            for number, label in enumerate(self.labels()):
                if wanted(number, label):
                    (chosen / label["file"]).symlink_to(self.corpus / "eml" / label["file"])
        return chosen

    def labels(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads((self.corpus / "labels.json").read_text())
        return found

    def __enter__(self) -> Kit:
        self._folder.mkdir(parents=True, exist_ok=True)
        os.sched_setaffinity(0, {self.cores.tools})
        for name in ("load", "sink"):
            self._compile(name)
        if not (self.corpus / "zone.json").exists():
            command = [sys.executable, "-m", "tools.bench.letters"]
            command += [str(self.source / "make_corpus.py"), str(self.corpus), str(self._count)]
            subprocess.run(command, check=True)  # noqa: S603
        self._dns = subprocess.Popen(  # noqa: S603
            [sys.executable, str(self.source / "dns_stub.py"), str(self.corpus / "zone.json"),
             "--port", str(self.dns_port)]
        )  # fmt: skip
        return self

    def __exit__(self, *_: object) -> None:
        if self._dns:
            self._dns.terminate()
            self._dns.wait()

    def _compile(self, name: str) -> None:
        source, target = self.source / f"smtp_{name}.c", self._folder / name
        if not target.exists() or target.stat().st_mtime < source.stat().st_mtime:
            compiler = shutil.which("cc") or shutil.which("gcc")
            if not compiler:
                raise BenchError("a C compiler is needed for the load tools: apt install gcc")
            options = ["-O2", "-std=gnu11", "-o", str(target), str(source)]
            subprocess.run([compiler, *options], check=True)  # noqa: S603

    def seconds(self, sink: Sink) -> float:
        """Processor time of the tools so far."""
        ended = os.times()
        running = [one.pid for one in (self._dns, sink.process) if one]
        return ended.children_user + ended.children_system + processes.cpu_seconds(running)

    def load(self, port: int, *options: object, letters: Path | None = None) -> dict[str, Any]:
        """Send letters until it is over; see smtp_load's own options."""
        command = [str(self._folder / "load"), "-d", str(letters or self.letters),
                   "-p", str(port), *map(str, options)]  # fmt: skip
        done = subprocess.run(command, stdout=subprocess.PIPE, check=False)  # noqa: S603
        try:
            found: dict[str, Any] = json.loads(done.stdout)
        except ValueError:
            raise BenchError(f"smtp_load ended with {done.returncode}") from None
        return found


class Sink:
    """The next hop of one measurement."""

    def __init__(self, kit: Kit, folder: Path) -> None:
        self._stat, self.ids = folder / "sink.json", folder / "ids.txt"
        for old in (self._stat, self.ids):
            old.unlink(missing_ok=True)
        self.process = subprocess.Popen(  # noqa: S603
            [str(kit._folder / "sink"), "-p", str(kit.sink_port), "-j", str(self._stat),
             "-i", str(self.ids), "-x", str(LONGEST)],
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        wait_for(self._stat)

    def count(self) -> int:
        """Letters and other mail that came so far."""
        return sum(chunk.count(b"\n") for chunk in _chunks(self.ids))

    def drained(self, expected: int) -> None:
        """Wait until all that is expected came, and then nothing more for a while."""
        end = time.monotonic() + DRAIN_LIMIT
        seen, since = -1, time.monotonic()
        while time.monotonic() < end:
            now = self.count()
            if now != seen:
                seen, since = now, time.monotonic()
            elif now >= expected and time.monotonic() - since > QUIET:
                return
            time.sleep(0.1)
        raise BenchError(f"only {seen} of {expected} came out")

    def arrivals(self) -> list[tuple[int, str]]:
        """(monotonic microseconds, id) of everything that came."""
        lines = self.ids.read_text().splitlines() if self.ids.exists() else []
        return [(int(line.split()[0]), line.split()[1]) for line in lines]

    def close(self) -> None:
        self.process.terminate()
        self.process.wait()


def _chunks(path: Path) -> Sequence[bytes]:
    if not path.exists():
        return ()
    with path.open("rb") as file:
        return [*iter(lambda: file.read(1 << 20), b"")]
