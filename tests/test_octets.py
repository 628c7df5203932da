"""Large contents are read from their file, and nothing of them stays in memory."""

from __future__ import annotations

import mmap
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.message import let_go, slices

SMAPS = Path("/proc/self/smaps")


@given(st.binary(max_size=300), st.integers(1, 100))
def test_slices_are_all_of_it_in_order(content, length):
    pieces = list(slices(content, length))
    assert b"".join(pieces) == content
    assert all(len(piece) == length for piece in pieces[:-1])


@pytest.fixture
def large(tmp_path: Path):
    path = tmp_path / "large"
    path.write_bytes(bytes(range(256)) * (8 << 12) + b"end")
    with path.open("rb") as file:
        yield path, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def resident(path: Path) -> int:
    """KB of a mapped file that are in our memory."""
    blocks = re.split(r"\n(?=[0-9a-f]+-[0-9a-f]+ )", SMAPS.read_text())
    found = [block for block in blocks if str(path) in block]
    return sum(int(re.search(r"\nRss:\s+(\d+)", block)[1]) for block in found)


@pytest.mark.skipif(not SMAPS.exists(), reason="only Linux tells what is resident")
def test_what_was_read_is_not_held(large):
    path, content = large
    whole = path.read_bytes()
    assert b"".join(slices(content)) == whole
    assert resident(path) < 1024
    assert content[:] == whole
    assert resident(path) > 7000
    let_go(content)
    assert resident(path) == 0
    assert content[:] == whole
