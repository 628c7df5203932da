"""`python -m tools.bench.sampler OUT run --config FILE`: the gateway, sampled from inside.

In the worker a timer of its own processor time interrupts the main thread some hundred times a
second of work. Each time, the processor time the thread has used since the last sample goes to the
stage of the innermost frame that has one (`stages.py`); waiting weighs nothing. The other threads
are read from the kernel as a whole. SIGUSR1 begins, SIGUSR2 writes OUT. C code is counted where it
returns to; what the loop reads from sockets goes to whom it hands it to.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections import defaultdict
from pathlib import Path
from types import FrameType

from tools.bench.stages import stage_of_frames
from tools.bench.thread_timer import ThreadTimer

INTERVAL = 0.001
"""Seconds of processor time between two samples."""
TICK = os.sysconf("SC_CLK_TCK")


class Sampler:
    def __init__(self, out: Path) -> None:
        self._out = out
        self._seconds: dict[str, float] = defaultdict(float)
        self._places: dict[str, float] = defaultdict(float)
        self._last = 0.0
        self._threads: dict[str, float] = {}

    def install(self) -> None:
        """In the worker, right after the fork."""
        signal.signal(signal.SIGUSR1, self._begin)
        signal.signal(signal.SIGUSR2, self._end)

    def _begin(self, *_: object) -> None:
        self._seconds.clear()
        self._places.clear()
        self._threads = threads()
        self._last = time.thread_time()
        signal.signal(signal.SIGPROF, self._sample)
        self._timer = ThreadTimer(signal.SIGPROF)
        self._timer.start(INTERVAL)

    def _sample(self, _: int, frame: FrameType | None) -> None:
        used = time.thread_time() - self._last
        stage, place = stage_of_frames(frame)
        self._seconds[stage] += used
        self._places[f"{stage}: {place}"] += used
        self._last = time.thread_time()  # what sampling cost is nobody's

    def _end(self, *_: object) -> None:
        self._timer.start(0)
        found = {name: spent - self._threads.get(name, 0.0) for name, spent in threads().items()}
        dearest = sorted(self._places.items(), key=lambda place: -place[1])[:40]
        written = {"main": dict(self._seconds), "threads": found, "places": dict(dearest)}
        unfinished = self._out.with_suffix(".new")
        unfinished.write_text(json.dumps(written))
        unfinished.replace(self._out)


def threads() -> dict[str, float]:
    """Processor seconds of all threads but the main one, by name without number."""
    found: dict[str, float] = defaultdict(float)
    for thread in threading.enumerate():
        if thread is not threading.main_thread() and thread.native_id:
            fields = Path(f"/proc/self/task/{thread.native_id}/stat").read_text()
            user, system = fields.rpartition(")")[2].split()[11:13]
            found[thread.name.rstrip("0123456789_-")] += (int(user) + int(system)) / TICK
    return dict(found)


def main() -> None:
    out = Path(sys.argv.pop(1))
    os.register_at_fork(after_in_child=Sampler(out).install)
    from gateway.cli import main as gateway

    gateway()


if __name__ == "__main__":
    main()
