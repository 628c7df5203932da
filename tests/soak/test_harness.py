"""The crash harness in short: a few kills, and faults put in on purpose, which it must find.

`make soak` is the long form; CI runs 40 kills of it besides these, and 6 over PostgreSQL.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.postgres import needed

TOP = Path(__file__).parent.parent.parent


def life(*options: str, of: str = "life") -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", f"tools.soak.{of}", *options],
        cwd=TOP, capture_output=True, check=False, text=True, timeout=400,
    )  # fmt: skip
    assert done.stdout, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_few_kills_lose_nothing(workers):
    result = life("--kills", "8", "--seed", "11", "--workers", workers)
    assert result["problems"] == []
    assert sum(result["kills"].values()) >= 8
    assert result["letters"] > 50
    assert result["lost"] == result["acknowledged_twice"] == 0
    assert result["copies"]["relay"] + result["copies"]["sender"] <= result["in_flight"]


@pytest.mark.parametrize(
    ("lie", "found"),
    [
        ("promise early", "LOST"),
        ("deliver twice", "explained"),
        ("acknowledge twice", "was acknowledged"),
    ],
)
def test_a_gateway_that_lies_is_found_out(lie, found, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # the store of a life with problems is kept
    result = life("--kills", "20", "--seed", "3", "--lie", lie)
    assert any(found in problem for problem in result["problems"]), result


@pytest.mark.parametrize("guarded", [False, True])
def test_a_log_that_was_taken_away_costs_no_mail(guarded, tmp_path, monkeypatch):
    """A reload that lets go of the locks, and a command that removes the log: without the store's
    look at the names of its files, what is answered 250 after that is lost."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    lie = "look at the store" + (", on guard" if guarded else "")
    result = life("--kills", "5", "--seed", "3", "--only", "look_after_reload", "--lie", lie)
    assert result["kills"]["after a reload and a command"] >= 1
    assert bool(result["problems"]) is not guarded, result


def test_a_lie_over_postgresql_is_found_out():
    needed()
    result = life("--kills", "20", "--seed", "6", "--lie", "promise early", of="shared")
    shutil.rmtree(result.get("kept", ""), ignore_errors=True)
    assert any("LOST" in problem for problem in result["problems"]), result
