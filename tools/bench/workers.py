"""One worker and two, in turns, on all cores: the price of sharing a store, and what it brings.

Here nothing is pinned but the tools' share is told: on two cores they take it from the workers.
"""

from __future__ import annotations

import os
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tools.bench.kit import Kit, Sink
from tools.bench.measure import level, warm
from tools.bench.ours import Ours

COUNTS = (1, 2)
GOAL = 0.9
"""Messages per CPU-second with two workers, as a part of one worker's, that were asked for."""


def run(kit: Kit, folder: Path, *, rounds: int, seconds: float) -> dict[str, Any]:
    cores = range(os.cpu_count() or 1)
    os.sched_setaffinity(0, cores)
    try:
        runs = _rounds(kit, folder, rounds, seconds, cores)
    finally:
        os.sched_setaffinity(0, {kit.cores.tools})
    return {"rounds": rounds, "seconds": seconds, "cores": len(cores), **summed(runs)}


def _rounds(
    kit: Kit, folder: Path, rounds: int, seconds: float, cores: Sequence[int]
) -> list[dict[str, Any]]:
    runs = []
    for number in range(rounds):
        for workers in COUNTS:
            server = Ours(kit, folder, workers=workers, cores=cores)
            runs.append({**_one(kit, server, folder, seconds), "workers": workers, "round": number})
            print(f"{workers} workers: {runs[-1]['per_cpu_second']:.0f} a CPU-second, "
                  f"{runs[-1]['per_second']:.0f} a second, tools {runs[-1]['tools_share']:.0%} "
                  f"of the cores", flush=True)  # fmt: skip
    return runs


def _one(kit: Kit, server: Ours, folder: Path, seconds: float) -> dict[str, Any]:
    sink = Sink(kit, folder)
    try:
        server.start()
        warm(kit, server, sink)
        before = kit.seconds(sink)
        found = level(kit, server, sink, folder, "long", seconds)
        used = kit.seconds(sink) - before
    finally:
        server.stop()
        sink.close()
    wall = found["taken"] / found["per_second"]
    return {**found, "tools_share": round(used / wall / (os.cpu_count() or 1), 3)}


def summed(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Medians by number of workers; ratios of two runs of one round."""
    rows = []
    for workers in COUNTS:
        these = [one for one in runs if one["workers"] == workers]
        figures = ("per_cpu_second", "per_second", "p99_ms", "tools_share", "largest_process_mb")
        row = {name: round(statistics.median(one[name] for one in these), 3) for name in figures}
        rows.append({"workers": workers, **row})
    ratios = {}
    for name in ("per_cpu_second", "per_second"):
        rate = {(one["workers"], one["round"]): one[name] for one in runs}
        pairs = [rate[2, n] / rate[1, n] for n in sorted({one["round"] for one in runs})]
        ratios[name] = round(statistics.median(pairs), 2)
    return {"rows": rows, "ratios": ratios, "goal": GOAL}
