"""What one letter costs as one thing grows and all else stays: at worst in proportion.

Every point is a new gateway with a new store, one short load, and its processor time a letter.
"""

from __future__ import annotations

import base64
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from tools.bench import filling, processes
from tools.bench.kit import DOMAIN, Kit, Sink
from tools.bench.ours import ROUTE, Ours, site
from tools.bench.server import BenchError

SECONDS = 2.5
WARM_UP = 1.5
FLAT = 1.35
"""Flat is what never costs more than so many times what it cost at a smaller point: the noise."""


@dataclass(frozen=True, slots=True)
class Point:
    """One gateway and one load. Fields that are not given are as usual."""

    at: float
    sites: str | None = None
    fill: Callable[[Path], None] | None = None
    letters: Path | None = None
    connections: int = 20
    recipient: str = f"support@{DOMAIN}"
    recipients: int = 1


@dataclass(frozen=True, slots=True)
class Series:
    name: str
    unit: str
    flat: bool
    """Whether it is a look-up, which should not cost more among many; else linear is allowed."""
    points: Callable[[Kit, Path], Sequence[Point]]


def run(kit: Kit, folder: Path, *, only: str = "") -> dict[str, Any]:
    begin = time.monotonic()
    found = [measured(kit, folder, one) for one in SERIES if only in ("", one.name)]
    return {"series": found, "minutes": round((time.monotonic() - begin) / 60, 1)}


def measured(kit: Kit, folder: Path, series: Series) -> dict[str, Any]:
    rows, failed = [], ""
    for point in series.points(kit, folder):
        try:
            rows.append(measure(kit, folder, point))
        except BenchError as error:  # the other points still tell something
            failed += f"; {point.at:,.0f} {series.unit}: {str(error).splitlines()[0][:80]}"
            print(f"{series.name:12} {failed}\n{error}", flush=True)
            continue
        print(
            f"{series.name:12} {point.at:9.0f} {series.unit:16} {rows[-1]['us']:8} us a letter"
            f"  p99 {rows[-1]['p99_ms']:7.1f} ms  start {rows[-1]['start_seconds']:5.1f} s"
            f"  {rows[-1]['pss_mb']:4} MB", flush=True,
        )  # fmt: skip
    verdict = judged(series, rows) + failed
    print(f"{series.name:12} {verdict}", flush=True)
    return {"name": series.name, "unit": series.unit, "points": rows, "verdict": verdict}


def judged(series: Series, rows: Sequence[dict[str, Any]]) -> str:
    """In words: how the cost grew beside what grew."""
    costs = [row["us"] for row in rows]
    risen = max(later / before for n, before in enumerate(costs) for later in costs[n:])
    if risen <= FLAT:
        return f"flat: it rises {risen:.2f} times at most"
    first, last = rows[0], rows[-1]
    if series.flat:
        return f"NOT FLAT: it rises {risen:.1f} times"
    per_unit = (last["us"] - first["us"]) / (last["at"] - first["at"])
    worst = max((b["us"] - a["us"]) / (b["at"] - a["at"]) for a, b in pairwise(rows))
    word = (
        "linear or less" if last["us"] / first["us"] <= last["at"] / first["at"] else "NOT LINEAR"
    )
    return f"{word}: {per_unit:.3g} us for each of {series.unit}, {worst:.3g} at the steepest"


def measure(kit: Kit, folder: Path, point: Point) -> dict[str, Any]:
    server, sink = Ours(kit, folder, point.sites), Sink(kit, folder)
    store = server.prepare()
    try:
        if point.fill:
            point.fill(store)
        begin = time.monotonic()
        server.run()
        started = time.monotonic() - begin
        warm = load(kit, server, point, WARM_UP, "W")
        sink.drained(warm["acked"])
        seen, before = sink.count(), processes.cpu_seconds(server.roots)
        found = load(kit, server, point, SECONDS, "G")
        sink.drained(seen + found["acked"])
        used = processes.cpu_seconds(server.roots) - before
        memory = processes.pss_megabytes(server.roots)
    except BenchError as error:  # what the next one to read this will ask
        raise BenchError(f"{error}\n{filling.under_way(store)}\n{server.tail()}") from None
    finally:
        server.stop()
        sink.close()
    if found["failed"]:
        raise BenchError(f"letters failed: {found}")
    return {
        "at": point.at,
        "us": round(used / found["acked"] * 1e6),
        "taken": found["acked"],
        "p99_ms": round(found["lat_ms"]["p99"], 1),
        "start_seconds": round(started, 1),
        "pss_mb": round(memory[0]),
    }


def load(kit: Kit, server: Ours, point: Point, seconds: float, prefix: str) -> dict[str, Any]:
    return kit.load(
        server.port, "-c", point.connections, "-n", 1_000_000, "-t", seconds, "-i", prefix,
        "-o", point.recipient, "-m", point.recipients,
        letters=point.letters or kit.of_size(4_000, 9_000),
    )  # fmt: skip


# --- what grows ---


def sizes(kit: Kit, folder: Path) -> list[Point]:
    """A letter of 1 KB of text with an attachment that makes it so large."""
    found = []
    for size, connections in ((2_000, 20), (20_000, 20), (200_000, 20), (2_000_000, 8),
                              (20_000_000, 4)):  # fmt: skip
        letters = folder / f"size-{size}"
        letters.mkdir(exist_ok=True)
        (letters / "0.eml").write_bytes(letter(size))
        found.append(Point(size, letters=letters, connections=connections))
    return found


def letter(size: int) -> bytes:
    line = b"The lamp I ordered came with a crack; could you please send me another one?\r\n"
    head = (
        b"From: Anna Abel <anna.abel@mail01.example>\r\nTo: support@site1.example\r\n"
        b"Subject: The lamp\r\nDate: Mon, 23 Nov 2026 09:30:00 +0000\r\n"
        b"Message-ID: <size@mail01.example>\r\nMIME-Version: 1.0\r\n"
        b'Content-Type: multipart/mixed; boundary="=_b"\r\n\r\n--=_b\r\n'
        b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + line * 13 + b"\r\n--=_b\r\n"
        b'Content-Type: image/jpeg; name="a.jpg"\r\nContent-Transfer-Encoding: base64\r\n\r\n'
    )
    octets = random.Random(7).randbytes(max(0, size - len(head)) * 57 // 78)  # noqa: S311
    return head + base64.encodebytes(octets).replace(b"\n", b"\r\n") + b"--=_b--\r\n"


def connections(kit: Kit, folder: Path) -> list[Point]:
    return [Point(count, connections=count) for count in (1, 5, 20, 100, 500)]


def sites(kit: Kit, folder: Path) -> list[Point]:
    """Letters go to all of them in turn."""
    return [
        Point(
            count,
            sites="".join(site(f"site{n}", f"site{n}.example") for n in range(count)),
            recipient="support@site%d.example",
            recipients=count,
        )
        for count in (1, 10, 100, 1_000, 5_000)
    ]


def rules(kit: Kit, folder: Path) -> list[Point]:
    """The last rule is the one that matches: all others are asked in vain."""
    return [
        Point(count, sites=site(routes=[*(f'      - {{to: "agent{n}@{DOMAIN}"}}\n'
                                          for n in range(count - 1)), ROUTE]))
        for count in (10, 100, 1_000, 10_000)
    ]  # fmt: skip


def filled(
    statements: tuple[str, ...], counts: Sequence[int]
) -> Callable[[Kit, Path], list[Point]]:
    def points(kit: Kit, folder: Path) -> list[Point]:
        return [
            Point(count, fill=partial(filling.fill, statements=statements, count=count))
            for count in counts
        ]

    return points


SERIES = (
    Series("size", "octets", False, sizes),
    Series("connections", "connections", True, connections),
    Series("sites", "sites", True, sites),
    Series("rules", "rules", False, rules),
    Series(
        "queue",
        "letters put off",
        True,
        filled(filling.QUEUE, (0, 1_000, 10_000, 100_000, 1_000_000)),
    ),
    Series("history", "contacts", True, filled(filling.HISTORY, (0, 10_000, 100_000, 1_000_000))),
)
