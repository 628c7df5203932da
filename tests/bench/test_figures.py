"""The bench's own arithmetic: a wrong figure in docs/ would be believed."""

from __future__ import annotations

import os
import subprocess
import sys
from types import FrameType

import pytest

from gateway.journal import Journal
from gateway.learning.words import split
from tools.bench import processes
from tools.bench.compare import medians, ratios
from tools.bench.growth import SERIES, judged, letter
from tools.bench.stages import ALLOWED, LOOP, stage_of_frames, stage_of_thread

BUSY = "import time\nend = time.process_time() + {0}\nwhile time.process_time() < end: pass\n"


def run(server: str, number: int, rate: float) -> dict[str, object]:
    figures = {"per_second": 1.0, "p50_ms": 1.0, "p99_ms": 1.0, "pss_mb": 1, "taken": 10}
    more = {"largest_process_mb": 1, "lost": 0, "twice": 0, "level": "long"}
    return {"server": server, "round": number, "per_cpu_second": rate, **figures, **more}


def test_a_ratio_is_that_of_two_runs_of_one_round() -> None:
    runs = [run("ours", 0, 100), run("postfix", 0, 50), run("ours", 1, 300), run("postfix", 1, 300)]
    (ratio,) = ratios([*runs, run("ours", 2, 90), run("postfix", 2, 30)])
    assert (ratio["ratio"], ratio["span"], ratio["goal"]) == (2.0, [1.0, 3.0], 2.0)


def test_a_median_comes_with_its_span_and_sums() -> None:
    (row,) = medians([run("ours", n, rate) for n, rate in enumerate((3.0, 1.0, 2.0))])
    assert (row["per_cpu_second"], row["span"], row["taken"]) == (2.0, [1.0, 3.0], 30)


def test_the_time_of_children_counts_also_when_they_have_ended() -> None:
    child = BUSY.format(0.2)
    code = BUSY.format(0.1) + "import subprocess, sys\n"
    code += f"subprocess.run([sys.executable, '-c', {child!r}])\nprint(flush=True)\ninput()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout
        assert process.stdin
        process.stdout.readline()
        assert processes.cpu_seconds([process.pid]) >= 0.28
        born = processes.born([process.pid])
        assert processes.survivors(born) == [process.pid]
        process.stdin.close()
        process.wait()
    assert processes.survivors(born) == []
    assert processes.tree([process.pid]) == []


def test_our_own_memory_is_found() -> None:
    assert processes.pss_megabytes([os.getpid()])[0] > 10


def caught(function: object, *arguments: object) -> FrameType:
    """A frame of one of our functions, as an interrupt would find it."""
    found: list[FrameType] = []

    def look(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code is function.__code__:  # type: ignore[attr-defined]
            found.append(frame)

    sys.setprofile(look)
    try:
        function(*arguments)  # type: ignore[operator]
    finally:
        sys.setprofile(None)
    return found[0]


def test_a_frame_belongs_to_the_stage_of_its_module() -> None:
    stage, place = stage_of_frames(caught(split, "How long does it take?"))
    assert (stage, place) == ("features and all heads", "split")
    frame = caught(Journal.lifecycle, Journal(sinks=()), "started")
    assert stage_of_frames(frame)[0] == "log and metrics"
    assert stage_of_frames(sys._getframe()) == (LOOP, "")
    assert stage_of_thread("store-writer") == "store in and out"
    assert {LOOP, stage_of_thread("store"), stage_of_thread("else")} <= set(ALLOWED)


@pytest.mark.parametrize(
    ("name", "costs", "word"),
    [
        ("queue", (100, 90, 110), "flat"),
        ("queue", (100, 110, 150), "NOT FLAT"),
        ("connections", (200, 100, 105), "flat"),
        ("rules", (100, 150, 900), "linear or less"),
        ("rules", (100, 200, 90_000), "NOT LINEAR"),
    ],
)
def test_growth_is_judged_by_where_it_goes(name: str, costs: tuple[int, ...], word: str) -> None:
    (series,) = (one for one in SERIES if one.name == name)
    rows = [{"at": at, "us": us} for at, us in zip((10, 100, 1000), costs, strict=True)]
    assert judged(series, rows).startswith(word)


@pytest.mark.parametrize("size", [2_000, 20_000, 2_000_000])
def test_a_letter_has_the_size_asked_for(size: int) -> None:
    assert len(letter(size)) == pytest.approx(size, rel=0.15)
