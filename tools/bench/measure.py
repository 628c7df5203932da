"""One measurement: a load on a running server until everything has come out at the sink."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tools.bench import processes, starttls
from tools.bench.kit import DOMAIN, Kit, Sink
from tools.bench.server import BenchError, Server

CONNECTIONS = 20
WARM_UP = 4.0
"""Seconds of load before anything counts: a running server has its caches filled."""
LEVELS = {
    "long": "long sessions",
    "single": "one message a session",
    "tls": "one message a session over STARTTLS, ECDSA P-256",
}


def level(
    kit: Kit, server: Server, sink: Sink, folder: Path, name: str, seconds: float
) -> dict[str, Any]:
    """Figures of one level of load; everything taken is waited for and looked for at the sink."""
    acked = folder / "acked.txt"
    seen = len(sink.arrivals())
    before = processes.cpu_seconds(server.roots)
    found = _load(kit, server.port, name, seconds, acked)
    if found["failed"] or not found["acked"]:
        raise BenchError(f"{server.name}: letters failed: {found}")
    sink.drained(seen + found["acked"])
    used = processes.cpu_seconds(server.roots) - before
    memory = processes.pss_megabytes(server.roots)
    return {
        "server": server.name,
        "level": name,
        "taken": found["acked"],
        "tried_again": found.get("retried", 0),
        "cpu_seconds": round(used, 2),
        "per_cpu_second": round(found["acked"] / used, 1),
        "p50_ms": round(found["lat_ms"]["p50"], 1),
        "p99_ms": round(found["lat_ms"]["p99"], 1),
        "pss_mb": round(sum(memory)),
        "largest_process_mb": round(memory[0]),
        "whole": server.whole,
        **_outcome(sink.arrivals()[seen:], acked, found),
    }


def _load(kit: Kit, port: int, name: str, seconds: float, acked: Path) -> dict[str, Any]:
    if name == "tls":
        return starttls.load(port, kit.letters, connections=CONNECTIONS, seconds=seconds, ids=acked)
    acked.unlink(missing_ok=True)
    options: list[object] = ["-c", CONNECTIONS, "-n", 1_000_000, "-t", seconds, "-a", acked]
    options += ["-o", f"support@{DOMAIN}", "-i", name, "-R"]  # a 4yz is tried again, as MTAs do
    return kit.load(port, *options, *(["-s", 1] if name == "single" else []))


def _outcome(arrived: list[tuple[int, str]], acked: Path, found: dict[str, Any]) -> dict[str, Any]:
    """What came out: lost must be 0."""
    promised = set(acked.read_text().split())
    letters = [name for _, name in arrived if name in promised]
    wall = (max(time for time, _ in arrived) - found["start_us"]) / 1e6
    return {
        "per_second": round(found["acked"] / wall, 1),
        "lost": len(promised - set(letters)),
        "twice": len(letters) - len(set(letters)),
        "own_mail": len(arrived) - len(letters),
    }


def warm(kit: Kit, server: Server, sink: Sink) -> None:
    """What is done once is done now, with letters that are not sent again."""
    options: list[object] = ["-c", CONNECTIONS, "-n", 1_000_000, "-t", WARM_UP]
    options += ["-o", f"support@{DOMAIN}", "-i", "W"]
    found = kit.load(server.port, *options, letters=kit.apart)
    sink.drained(found["acked"])
