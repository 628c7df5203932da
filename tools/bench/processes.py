"""What processes use, read from /proc: the servers under test are trees of processes."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

TICK = float(os.sysconf("SC_CLK_TCK"))


def _fields(pid: int) -> list[str]:
    """Of /proc/PID/stat from the state on; the command before it may hold anything."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def tree(roots: Iterable[int]) -> list[int]:
    """The living processes among `roots` and all they begot."""
    children: dict[int, list[int]] = {}
    alive = set()
    for entry in os.listdir("/proc"):  # noqa: PTH208 (many a second)
        if entry.isdigit():
            try:
                children.setdefault(int(_fields(int(entry))[1]), []).append(int(entry))
            except OSError:
                continue
            alive.add(int(entry))
    found: list[int] = []
    waiting = [pid for pid in roots if pid in alive]
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        waiting += children.get(pid, [])
    return found


def born(roots: Iterable[int]) -> dict[int, str]:
    """When each process of the trees was started, which tells it from a later one of its id."""
    found = {}
    for pid in tree(roots):
        with contextlib.suppress(OSError):
            found[pid] = _fields(pid)[19]
    return found


def survivors(those: Mapping[int, str]) -> list[int]:
    """Which of them still run; a zombie does not."""
    alive = []
    for pid, start in those.items():
        with contextlib.suppress(OSError):
            fields = _fields(pid)
            if fields[19] == start and fields[0] != "Z":
                alive.append(pid)
    return alive


def cpu_seconds(roots: Iterable[int]) -> float:
    """User and system time of whole trees, children that have ended and were waited for included.

    A process that ends unwaited takes its time with it: none of the servers here does that.
    """
    ticks = 0
    for pid in tree(roots):
        try:
            ticks += sum(map(int, _fields(pid)[11:15]))
        except OSError:
            continue
    return ticks / TICK


def pss_megabytes(roots: Iterable[int]) -> list[float]:
    """The proportional set size of each process, shared pages divided among their users."""
    found = []
    for pid in tree(roots):
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        found += [int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:")]
    return sorted(found, reverse=True)
