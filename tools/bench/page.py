"""docs/bench.json, and the pages and plots made of it: docs/bench.md, bench.svg, bench-growth.*."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tools.bench import plot
from tools.bench.compare import KINDS, LEAST
from tools.bench.machine import machine
from tools.bench.measure import LEVELS, WARM_UP
from tools.bench.stages import WHY

WORDS = {"ours": "this gateway", **KINDS}
HOW = f"""\
One machine, one run, all servers in turns: each round has every server at every level, and a ratio
is that of two runs of the same round; tables show medians of the rounds. A server's processes have
one core of their own, load generator, sink and name server the other. **Messages per CPU-second**
is letters taken over user and system time of all processes of the server (children and Redis
included, from /proc) until everything has come out at the sink; nothing but that was lost or is
left out, and every letter is looked for at the sink. {WARM_UP:g} seconds of load warm each server
up. Letters: help-desk mail with a fixed seed, 60 % signed by DKIM, a third spam, a tenth with
attachments of 20-300 KB; no letter is sent twice to the same server.

The gateway has everything on: SPF, DKIM, DMARC, ARC, spam, tone, phone numbers and orders, rules,
tags, conversation record, acknowledgements where they are due (and their delivery), calls, the
SQLite store with a sync before each 250, relay, log at its default. Peers are Debian's, each
Postfix with its queue on the same disk; their work is not the same: rspamd scores with hundreds of
rules and Bayes, OpenDKIM only verifies, plain Postfix only relays.
"""


class Figures:
    """What was measured last, kept by kind of measurement."""

    def __init__(self, docs: Path) -> None:
        self._docs = docs
        self._path = docs / "bench.json"

    def add(self, what: str, figures: Mapping[str, Any]) -> None:
        """Keep new figures and make the pages anew."""
        everything = json.loads(self._path.read_text()) if self._path.exists() else {}
        everything[what] = {"machine": machine(), **figures}
        self._path.write_text(json.dumps(everything, indent=1, ensure_ascii=False) + "\n")
        self.write(everything)

    def write(self, everything: Mapping[str, Any]) -> None:
        (self._docs / "bench.md").write_text(bench_page(everything))
        if "compare" in everything:
            (self._docs / "bench.svg").write_text(bars(everything["compare"]))
        if "growth" in everything:
            growth = everything["growth"]
            (self._docs / "bench-growth.md").write_text(growth_page(growth))
            title = "microseconds of processor time a letter of 6 KB"
            (self._docs / "bench-growth.svg").write_text(plot.panels(title, growth["series"]))


def wrapped(page: str) -> str:
    """Paragraphs in lines that fit a terminal; tables, headings and commands as they are."""
    lines = [
        line if line.startswith(("|", "#", "!", "    ")) else textwrap.fill(line, 100)
        for line in page.splitlines()
    ]
    return "\n".join(lines) + "\n"


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = ["| " + " | ".join(map(str, row)) + " |" for row in (head, ["---"] * len(head), *rows)]
    return "\n".join(lines) + "\n"


def where(found: Mapping[str, Any]) -> str:
    """Machine and date of one measurement, a line."""
    m = found["machine"]
    return (
        f"{m['date']}, commit {m['commit']}, {m['cores']} cores of {m['processor']}, "
        f"{m['memory_gb']} GB, {m['system']}, {m['python']}; load average of the quarter of an "
        f"hour before: {m['load_before']}.\n"
    )


def bench_page(everything: Mapping[str, Any]) -> str:
    parts = ["# What it costs\n", "Made by `make bench`; do not edit.\n"]
    if "compare" in everything:
        parts += compared(everything["compare"])
        parts += distance(everything)
    if "workers" in everything:
        parts += shared(everything["workers"])
    if "profile" in everything:
        parts += profiled(everything["profile"])
    if "scoring" in everything:
        parts += scored(everything["scoring"])
    parts += ["## The commands\n", COMMANDS]
    return wrapped("\n".join(parts))


COMMANDS = """\
    make bench BENCH=FOLDER           # peers, stages and scoring: this page
    make bench-profile BENCH=FOLDER   # the stages alone
    make bench-growth BENCH=FOLDER    # bench-growth.md
    make bench                        # without the load tools: our own letters only

BENCH is a folder with `smtp_load.c`, `smtp_sink.c`, `dns_stub.py`, `make_corpus.py` and `peers/`:
the load tools that all servers are measured with. They have no licence of their own, so they are
compiled and used where they are and not shipped here. As root on Debian the peers are installed
where they are missing, with RUNLEVEL=1, so that none starts; their spools are in a temporary
folder. `OPTIONS="--rounds 5 --seconds 10"` makes it longer; `python -m tools.bench --help`.
"""


def compared(found: Mapping[str, Any]) -> list[str]:
    parts = ["## Beside its peers\n", where(found), HOW, "![Messages per CPU-second](bench.svg)\n"]
    for level, words in LEVELS.items():
        rows = [row for row in found["medians"] if row["level"] == level]
        if rows:
            parts += [f"### {words[0].upper() + words[1:]}, 20 connections\n", _level(rows, found)]
    if found["broken"]:
        parts.append(
            f"Left out: {found['broken']} runs in which a process of the server died (OpenDKIM's, "
            "whereupon Postfix went on without it).\n"
        )
    packages = ", ".join(f"{name} {version}" for name, version in found["peers"].items())
    parts += [
        f"{found['rounds']} rounds of {found['seconds']:g} s a level. Packages: {packages}.\n"
    ]
    return [*parts, *asked(found)]


def _level(rows: Sequence[Mapping[str, Any]], found: Mapping[str, Any]) -> str:
    ratios = {(r["server"], r["level"]): r for r in found["ratios"]}
    lines = []
    for row in rows:
        ratio = ratios.get((row["server"], row["level"]))
        beside = (
            f"{ratio['ratio']:.1f} ({ratio['span'][0]:.1f}-{ratio['span'][1]:.1f})" if ratio else ""
        )
        lines.append((
            WORDS[row["server"]],
            f"**{row['per_cpu_second']:.0f}** ({row['span'][0]:.0f}-{row['span'][1]:.0f})",
            beside, f"{row['per_second']:.0f}", f"{row['p50_ms']:.0f} / {row['p99_ms']:.0f}",
            f"{row['largest_process_mb']:.0f} / {row['pss_mb']:.0f}",
            f"{row['taken']:,} / {row['lost']} / {row['twice']}",
        ))  # fmt: skip
    head = ("server", "messages per CPU-second", "ours is so many times that", "per second",
            "p50 / p99 ms", "PSS MB: largest process / all", "taken / lost / twice")  # fmt: skip
    return table(head, lines)


def asked(found: Mapping[str, Any]) -> list[str]:
    """Every figure that was asked for, and whether it was reached."""
    ours = {row["level"]: row for row in found["medians"] if row["server"] == "ours"}
    rows: list[tuple[str, str, float, bool]] = []
    for level, least in LEAST.items():
        if level in ours:
            rate = ours[level]["per_cpu_second"]
            words = f"messages per CPU-second, {LEVELS[level]}"
            rows.append((words, f"≥ {least:.0f}", rate, rate >= least))
    rows += [
        (f"times {WORDS[r['server']]}", f"≥ {r['goal']:g}", r["ratio"], r["ratio"] >= r["goal"])
        for r in found["ratios"] if r["goal"]
    ]  # fmt: skip
    if "long" in ours:
        p99, worker = ours["long"]["p99_ms"], ours["long"]["largest_process_mb"]
        rows.append(("p99 at 20 connections, ms", "< 100", p99, p99 < 100))
        rows.append(("PSS of a worker, MB", "< 250", worker, worker < 250))
    cells = [(*row[:3], "reached" if row[3] else "**not reached**") for row in rows]
    return ["### What was asked for\n", table(("figure", "asked", "measured", ""), cells)]


def distance(everything: Mapping[str, Any]) -> list[str]:
    """Why the speed that was asked for is not reached, from the stages."""
    profile = everything.get("profile")
    if not profile or not any("not reached" in part for part in asked(everything["compare"])):
        return []
    over = sorted((r["us"] - (r["allowed"] or 0), r["stage"]) for r in profile["stages"])[:-4:-1]
    stages = ", ".join(f"{stage} ({more} us)" for more, stage in over)
    return [
        f"Where the distance lies: a letter of 6 KB costs {profile['us']} us of processor time "
        f"where 930 were meant to do; most is over in {stages}. All of it is processor time, not "
        "waiting. Absolute figures hang on the processor; the goals were set on another one, the "
        "ratios are of this run.\n",
        TRIED,
    ]


TRIED = (
    "Of the route without sockets and store a fifth is the interpreter itself; the rest is spread "
    "over hundreds of calls into C (dictionaries, octets, patterns, numpy), none above 4 %. Tried, "
    "and not worth having: all modules of the route compiled with mypyc (1,848 us a letter as they "
    "are, 1,898 compiled), another allocator, another switch interval, SQL on the event loop, "
    "a matrix for each model.\n"
)


def shared(found: Mapping[str, Any]) -> list[str]:
    rows = [
        (r["workers"], f"{r['per_cpu_second']:.0f}", f"{r['per_second']:.0f}", f"{r['p99_ms']:.0f}",
         f"{r['tools_share']:.0%}", f"{r['largest_process_mb']:.0f}")
        for r in found["rows"]
    ]  # fmt: skip
    ratio, goal = found["ratios"], found["goal"]
    word = "reached" if ratio["per_cpu_second"] >= goal else "**not reached**"
    return [
        "## Two workers\n",
        where(found),
        f"Long sessions, 20 connections, nothing pinned: workers and tools share {found['cores']} "
        f"cores. Two workers take {ratio['per_cpu_second']:.2f} times the messages per CPU-second "
        f"of one (asked: ≥ {goal}: {word}) and {ratio['per_second']:.2f} times the messages per "
        f"second; medians of {found['rounds']} rounds of {found['seconds']:g} s.\n",
        table(("workers", "messages per CPU-second", "per second", "p99 ms",
               "tools' share of the cores", "PSS MB of the larger worker"), rows),
    ]  # fmt: skip


def profiled(found: Mapping[str, Any]) -> list[str]:
    rows = [
        (row["stage"], row["us"], row["allowed"] or "", _over(row))
        for row in found["stages"]
    ]  # fmt: skip
    dearest = sorted(found["places"].items(), key=lambda item: -item[1])[:12]
    return [
        "## Where the time goes\n",
        where(found),
        f"Microseconds of processor time a letter of {found['mean_octets']} octets (mean), "
        f"{found['letters']:,} letters at 20 connections, {found['acknowledged']:.0%} of them "
        "followed by mail of our own (acknowledgement, call card). The worker's main thread is "
        "interrupted some hundred times a second of its own processor time; what it has used since "
        "goes to the innermost module that belongs to a stage (`tools/bench/stages.py`); the "
        "store's threads are read from the kernel. The sum agrees with /proc: "
        f"{found['us']} of {found['us_with_sampling']}, the sampling included.\n",
        table(("stage", "us", "asked", ""), [*rows, ("**all**", found["us"], 930, "")]),
        "The dearest functions of the main thread: "
        + ", ".join(f"{name.replace(': ', ': `', 1)}` {us}" for name, us in dearest)
        + ".\n",
    ]


def _over(row: Mapping[str, Any]) -> str:
    over = row["us"] - (row["allowed"] or row["us"])
    return f"over by {over}: {WHY.get(row['stage'], '')}" if over > 0 else ""


def scored(found: Mapping[str, Any]) -> list[str]:
    rows = [
        ("ours: one reading, one product", found["ours_us"]),
        ("scikit-learn Pipeline on the same features", found["pipeline_our_features_us"]),
        ("scikit-learn Pipeline, HashingVectorizer of words and letters",
         found["pipeline_its_features_us"]),
    ]  # fmt: skip
    return [
        "## All heads beside scikit-learn\n",
        where(found),
        f"{len(found['heads'])} heads ({', '.join(found['heads'])}) over a text of "
        f"{found['octets']} octets, microseconds of processor time, medians; the pipelines make "
        "their features once for all heads. Probabilities agree with scikit-learn's own: the "
        f"largest difference is {found['largest_difference']:g}.\n",
        table(("way", "us"), rows),
        "",
        f"The second look, an extra for doubtful letters: {found['second_look_us']} us for a "
        f"letter of {found['letter_octets']} octets on average.\n",
    ]


def growth_page(found: Mapping[str, Any]) -> str:
    parts = [
        "# What it costs as things grow\n",
        "Made by `make bench-growth`; do not edit.\n",
        where(found),
        "Processor time of the gateway for one letter (6 KB where its size is not what grows), "
        "everything on, 20 connections; each point is a new gateway with a new store, warmed up. "
        f"One run a point, so that a tenth up or down means nothing. All of it took "
        f"{found['minutes']} minutes. `start` is the time from the command to the first banner, "
        "all checks of the configuration included.\n",
        "![Growth](bench-growth.svg)\n",
    ]
    for one in found["series"]:
        rows = [
            (f"{p['at']:,}", p["us"], p["p99_ms"], p["start_seconds"], p["pss_mb"], p["taken"])
            for p in one["points"]
        ]
        head = (one["unit"], "us a letter", "p99 ms", "start s", "PSS MB", "letters")
        parts += [f"## {one['name'].capitalize()}: {one['verdict']}\n", table(head, rows)]
    return wrapped("\n".join(parts))


def bars(found: Mapping[str, Any]) -> str:
    groups: dict[str, list[tuple[str, float, tuple[float, float]]]] = {}
    for row in found["medians"]:
        name = WORDS[row["server"]].replace(", defaults with Bayes in Redis", "")
        name = name.replace(", relay without a filter", " alone").replace(
            "without Bayes", "no Bayes"
        )
        level = LEVELS[row["level"]]
        groups.setdefault(level, []).append((name, row["per_cpu_second"], tuple(row["span"])))
    return plot.bars("messages per CPU-second of all server processes (median, span)", groups)
