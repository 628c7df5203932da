"""Where the time of one letter goes: samples of the running gateway, summed by stage.

The usual load of letters of about 6 KB runs while `sampler.py` watches the worker from inside.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

from tools.bench import processes
from tools.bench.kit import DOMAIN, Kit, Sink
from tools.bench.measure import CONNECTIONS, warm
from tools.bench.ours import Ours
from tools.bench.server import wait_for
from tools.bench.stages import ALLOWED, stage_of_thread

SMALLEST, LARGEST = 4_000, 9_000
"""Octets of the letters; their mean is about 6 KB."""


def run(kit: Kit, folder: Path, *, seconds: float = 15) -> dict[str, Any]:
    letters = kit.of_size(SMALLEST, LARGEST)
    sizes = [path.stat().st_size for path in letters.iterdir()]
    server, sink = Ours(kit, folder), Sink(kit, folder)
    out = folder / "samples.json"
    try:
        server.prepare()
        server.run(sys.executable, "-m", "tools.bench.sampler", str(out))
        warm(kit, server, sink)
        worker, seen = processes.tree(server.roots)[-1], sink.count()
        before = processes.cpu_seconds(server.roots)
        os.kill(worker, signal.SIGUSR1)
        options: list[object] = ["-c", CONNECTIONS, "-n", 1_000_000, "-t", seconds]
        found = kit.load(server.port, *options, "-o", f"support@{DOMAIN}", letters=letters)
        sink.drained(seen + found["acked"])
        os.kill(worker, signal.SIGUSR2)
        wait_for(out)
        used = processes.cpu_seconds(server.roots) - before
        own = sink.count() - seen - found["acked"]
    finally:
        server.stop()
        sink.close()
    samples = json.loads(out.read_text())
    places = {name: round(t / found["acked"] * 1e6) for name, t in samples["places"].items()}
    return table(by_stage(samples), found["acked"]) | {
        "letters": found["acked"],
        "mean_octets": round(sum(sizes) / len(sizes)),
        "places": places,
        "acknowledged": round(own / found["acked"], 2),
        "us_with_sampling": round(used / found["acked"] * 1e6),
    }


def by_stage(samples: dict[str, dict[str, float]]) -> dict[str, float]:
    """Seconds by stage over all threads."""
    spent: dict[str, float] = defaultdict(float, samples["main"])
    for name, seconds in samples["threads"].items():
        spent[stage_of_thread(name)] += seconds
    return spent


def table(spent: dict[str, float], letters: int) -> dict[str, Any]:
    """Microseconds a letter by stage, beside what was allowed."""
    rows = [
        {"stage": stage, "us": round(spent[stage] / letters * 1e6), "allowed": allowed or None}
        for stage, allowed in ALLOWED.items()
    ]
    for row in rows:
        print(f"{row['stage']:30} {row['us']:6} us   allowed {row['allowed'] or '-'}")
    total = round(sum(spent.values()) / letters * 1e6)
    print(f"{'all':30} {total:6} us")
    return {"stages": rows, "us": total}
