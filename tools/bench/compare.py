"""Ours and the peers in turns: every round has one run of each, and ratios are taken by round."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tools.bench import peers
from tools.bench.kit import Kit, Sink
from tools.bench.measure import LEVELS, level, warm
from tools.bench.ours import Ours
from tools.bench.server import Server

KINDS = {
    "postfix": "Postfix, relay without a filter",
    "opendkim": "Postfix + OpenDKIM",
    "rspamd": "Postfix + rspamd, defaults with Bayes in Redis",
    "rspamd light": "Postfix + rspamd without Bayes, Redis, RBL",
}
GOALS = {("long", "rspamd"): 12.0, ("long", "postfix"): 2.0}
"""Ratios of messages per CPU-second that were asked for."""
LEAST = {"long": 850.0, "single": 600.0}
"""Messages per CPU-second that were asked for."""


def run(
    kit: Kit, folder: Path, *, rounds: int, seconds: float, kinds: Iterable[str] = KINDS
) -> dict[str, Any]:
    """All rounds; gives single runs, and medians and ratios of those no process died in."""
    if kinds := list(kinds):
        peers.install()
    servers: list[Server] = [Ours(kit, folder)]
    servers += [peers.Peer(kit, folder, kind) for kind in kinds]
    runs: list[dict[str, Any]] = []
    for number in range(rounds):
        for server in servers:
            runs += [{**one, "round": number} for one in turn(kit, server, folder, seconds)]
    runs, every = [one for one in runs if one["whole"]], runs
    beside = ratios(runs)
    print("messages per CPU-second, ours over each peer's: median of the rounds' ratios")
    for row in beside:
        print(f"  {row['level']:7} {row['server']:13} {row['ratio']:6.2f}  ({row['span']})")
    return {
        "rounds": rounds,
        "seconds": seconds,
        "peers": peers.versions(),
        "runs": every,
        "broken": sum(not one["whole"] for one in every),
        "medians": medians(runs),
        "ratios": beside,
    }


def turn(kit: Kit, server: Server, folder: Path, seconds: float) -> list[dict[str, Any]]:
    """One server at each level, started anew for each: every letter is new to it."""
    found = []
    for name in LEVELS if server.name == "ours" else ("long", "single"):
        sink = Sink(kit, folder)
        try:
            server.start()
            warm(kit, server, sink)
            found.append(level(kit, server, sink, folder, name, seconds))
        finally:
            server.stop()
            sink.close()
        print(line(found[-1]), flush=True)
        time.sleep(0.5)  # its last writes are not the next one's
    return found


def line(one: Mapping[str, Any]) -> str:
    return (
        f"{one['server']:13} {one['level']:7} {one['per_cpu_second']:7.0f} a CPU-second"
        f" {one['per_second']:7.0f} a second  p50 {one['p50_ms']:6.1f} p99 {one['p99_ms']:7.1f} ms"
        f"  {one['largest_process_mb']} MB  lost {one['lost']} twice {one['twice']}"
        f" own {one['own_mail']}" + ("" if one["whole"] else "  A PROCESS OF IT HAS DIED")
    )


FIGURES = ("per_cpu_second", "per_second", "p50_ms", "p99_ms", "pss_mb", "largest_process_mb")


def medians(runs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One row for each server and level, with the span of its main figure."""
    rows = []
    for server, name in dict.fromkeys((one["server"], one["level"]) for one in runs):
        these = [one for one in runs if (one["server"], one["level"]) == (server, name)]
        row: dict[str, Any] = {"server": server, "level": name, "n": len(these)}
        for figure in FIGURES:
            row[figure] = round(statistics.median(one[figure] for one in these), 1)
        rates = [one["per_cpu_second"] for one in these]
        row["span"] = [min(rates), max(rates)]
        row |= {sum_: sum(one[sum_] for one in these) for sum_ in ("taken", "lost", "twice")}
        rows.append(row)
    return rows


def ratios(runs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Ours over each peer: the median of the rounds' own ratios, and their span."""
    rate = {(one["server"], one["level"], one["round"]): one["per_cpu_second"] for one in runs}
    rows = []
    for server, name in dict.fromkeys((one["server"], one["level"]) for one in runs):
        pairs = [
            rate["ours", name, number] / value
            for (whose, what, number), value in rate.items()
            if (whose, what) == (server, name) and ("ours", name, number) in rate
        ]
        if server != "ours" and pairs:
            rows.append({
                "server": server, "level": name, "ratio": round(statistics.median(pairs), 2),
                "span": [round(min(pairs), 2), round(max(pairs), 2)],
                "goal": GOALS.get((name, server)),
            })  # fmt: skip
    return rows
