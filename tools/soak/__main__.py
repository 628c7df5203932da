"""`python -m tools.soak --kills 2000`: many lives, one after the other or side by side.

`--store postgresql`: in a PostgreSQL that is killed as well, with one node and with two.

Exit 0: nothing lost, nothing unexplained, every store balances. Exit 1: what was found is printed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path
from typing import Any

FRESH = 60
"""Kills after which a new store is begun: a life as long as its comparing stays cheap."""
SHORTEST = {"sqlite": 10, "postgresql": 3}
SHAPES = {"sqlite": ((1, 1), (1, 2)), "postgresql": ((1, 1), (2, 1), (1, 2), (2, 2))}
"""Nodes, and workers of each, by the kind of store."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=int(time.time()) % 100_000)
    parser.add_argument("--jobs", type=int, default=2, help="lives side by side")
    parser.add_argument("--store", choices=sorted(SHAPES), default="sqlite")
    parser.add_argument("--json", type=Path, help="write the sums there")
    options = parser.parse_args()
    lives = asyncio.run(soak(options.kills, options.seed, options.jobs, options.store))
    total = add_up(lives)
    print(table(total))
    if options.json:
        options.json.write_text(json.dumps(total, indent=1) + "\n")
    raise SystemExit(1 if total["problems"] else 0)


async def soak(kills: int, seed: int, jobs: int, store: str = "sqlite") -> list[dict[str, Any]]:
    """Lives with one worker and with two, with one node and with two take turns."""
    lives: list[dict[str, Any]] = []
    left = kills
    shapes = cycle(SHAPES[store])

    async def go_on(number: int) -> None:
        nonlocal left
        for turn in range(kills):
            share = min(left, max(SHORTEST[store], min(FRESH, -(-kills // (2 * jobs)))))
            if share <= 0 or any(life["problems"] for life in lives):
                return
            left -= share
            lives.append(await live(share, seed + 1000 * number + turn, store, *next(shapes)))
            print(line(lives[-1]), flush=True)

    await asyncio.gather(*(go_on(number) for number in range(jobs)))
    return lives


async def live(kills: int, seed: int, store: str, nodes: int, workers: int) -> dict[str, Any]:
    what = (
        ["tools.soak.life"] if store == "sqlite" else ["tools.soak.shared", "--nodes", f"{nodes}"]
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", *what,
        "--kills", str(kills), "--seed", str(seed), "--workers", str(workers),
        stdout=asyncio.subprocess.PIPE, limit=1 << 24,
    )  # fmt: skip
    output, _ = await process.communicate()
    try:
        result: dict[str, Any] = json.loads(output)
    except ValueError:
        trouble = f"the harness ended with {process.returncode} (seed {seed})"
        return {"seed": seed, "workers": workers, "problems": [trouble], "kills": {}}
    return result


def line(life: Mapping[str, Any]) -> str:
    kills = sum(life["kills"].values())
    nodes = f"{life['nodes']} node(s), " if "nodes" in life else ""
    text = f"seed {life['seed']}, {nodes}{life['workers']} worker(s): {kills} kills"
    if "letters" in life:
        text += f", {life['letters']} letters, {life['lost']} lost, {life['seconds']} s"
    return text + "".join(f"\n  {problem}" for problem in life["problems"])


def add_up(lives: list[dict[str, Any]]) -> dict[str, Any]:
    """Sums over all lives, name by name."""
    total: dict[str, Any] = {
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "cores": os.cpu_count(),
        "python": sys.version.split()[0],
        "lives": len(lives),
        "problems": [],
    }
    for life in lives:
        for name, value in life.items():
            if isinstance(value, dict) and name != "most":
                counted = Counter(total.get(name, {}))
                counted.update(value)
                total[name] = dict(sorted(counted.items()))
            elif name == "most":
                most = total.setdefault("most", {})
                most.update({key: max(most.get(key, 0), number) for key, number in value.items()})
            elif name in ("problems", "kept"):
                total["problems"] += value if isinstance(value, list) else [f"kept: {value}"]
            elif name not in ("seed", "workers", "nodes"):
                total[name] = round(total.get(name, 0) + value, 1)
    return total


def table(total: Mapping[str, Any]) -> str:
    kills = total.get("kills", {})
    rows: list[tuple[str, Any]] = [("kills", sum(kills.values()))]
    rows += [(f"  {name}", count) for name, count in kills.items()]
    for name in ("rounds", "lives", "letters", "deliveries", "lost", "in_flight"):
        rows.append((name.replace("_", " "), total.get(name, 0)))
    rows += [(f"copies, {name}", count) for name, count in total.get("copies", {}).items()]
    rows += [(f"most {name} in a round", count) for name, count in total.get("most", {}).items()]
    for name in ("asked", "acknowledged", "acknowledged_twice", "unknown", "seconds"):
        rows.append((name.replace("_", " "), total.get(name, 0)))
    for name in ("between nodes", "put_off", "faults", "released", "missed", "troubles"):
        rows += [(f"{name}: {what}", count) for what, count in total.get(name, {}).items()]
    rows += [("PROBLEM", problem) for problem in total["problems"]]
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)


if __name__ == "__main__":
    main()
