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
        ("look at the store", "explained"),
    ],
)
def test_a_gateway_that_lies_is_found_out(lie, found, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # the store of a life with problems is kept
    result = life("--kills", "20", "--seed", "3", "--lie", lie)
    assert any(found in problem for problem in result["problems"]), result


def test_a_lie_over_postgresql_is_found_out():
    needed()
    result = life("--kills", "20", "--seed", "6", "--lie", "promise early", of="shared")
    shutil.rmtree(result.get("kept", ""), ignore_errors=True)
    assert any("LOST" in problem for problem in result["problems"]), result
