"""The octets on their way out: cuts, dot-stuffing and line ends, whole and in pieces."""

from __future__ import annotations

import mmap
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.edge import content
from gateway.store import Job


def job(octets: bytes, prefix: bytes = b"", cuts: tuple[tuple[int, int], ...] = ()) -> Job:
    return Job(
        letter_id="q1.1", queue_id="q1", kind="letter", site="shop", next_hop="mailbox",
        reverse_path="", recipients=("a@shop.example",), prefix=prefix, cuts=cuts, content=octets,
        attempts=0, accepted=datetime(2026, 11, 24, tzinfo=UTC), lease="",
    )  # fmt: skip


octets = st.lists(st.sampled_from([b"\r\n", b".", b"\r", b"\n", b"a", b"..", b"\r\n."])).map(
    b"".join
)


@st.composite
def jobs(draw: st.DrawFn) -> Job:
    body = draw(octets)
    edges = sorted(draw(st.lists(st.integers(0, len(body)), max_size=6)))
    cuts = tuple(zip(edges[::2], edges[1::2], strict=False))
    return job(body, draw(octets), cuts)


def received(wire: bytes) -> bytes:
    """What a server takes from DATA (RFC 5321, 4.5.2), the end-of-data included in `wire`."""
    lines = wire.split(b"\r\n")
    assert lines[-2:] == [b".", b""]
    assert b"." not in lines[:-2], "end-of-data in the midst"
    return b"".join(line.removeprefix(b".") + b"\r\n" for line in lines[:-2])


@given(jobs(), st.integers(1, 7))
def test_pieces_make_the_whole(letter: Job, length: int) -> None:
    whole = content.whole(letter)
    assert b"".join(content.pieces(letter, length)) == whole
    assert content.size(letter) == len(whole)
    kept = letter.content
    for start, end in reversed(letter.cuts):
        kept = kept[:start] + kept[end:]
    assert whole == letter.prefix + kept


@given(jobs(), st.integers(1, 7))
def test_a_server_gets_what_was_sent(letter: Job, length: int) -> None:
    whole = content.whole(letter)
    wire = content.dot_stuffed_whole(whole)
    assert b"".join(content.dot_stuffed(content.pieces(letter, length))) == wire
    ended = whole if whole.endswith(b"\r\n") or not whole else whole + b"\r\n"
    assert received(wire) == ended


@given(jobs())
def test_the_final_dot_comes_in_a_piece_of_its_own(letter: Job) -> None:
    *parts, last = content.dot_stuffed(content.pieces(letter, 3))
    assert last in (b".\r\n", b"\r\n.\r\n")
    assert not b"".join(parts).endswith(b"\r\n.\r\n") or content.whole(letter).endswith(
        b"\r\n.\r\n"
    )


@given(jobs(), st.integers(1, 7))
def test_files_get_lf(letter: Job, length: int) -> None:
    parts = content.with_lf(content.pieces(letter, length))
    assert b"".join(parts) == content.whole(letter).replace(b"\r\n", b"\n")


@pytest.mark.parametrize(
    ("sent", "wire"),
    [
        (b"", b".\r\n"),
        (b"\r\n", b"\r\n.\r\n"),
        (b"a", b"a\r\n.\r\n"),
        (b".", b"..\r\n.\r\n"),
        (b".\r\n", b"..\r\n.\r\n"),
        (b"a\r\n.\r\nb\r\n", b"a\r\n..\r\nb\r\n.\r\n"),
        (b"a\r\n..b\r\n", b"a\r\n...b\r\n.\r\n"),
        (b"a\r", b"a\r\r\n.\r\n"),
    ],
)
def test_dot_stuffing(sent: bytes, wire: bytes) -> None:
    assert content.dot_stuffed_whole(sent) == wire
    assert b"".join(content.dot_stuffed([sent])) == wire


def test_a_mapped_file_is_read_like_memory(tmp_path) -> None:
    path = tmp_path / "spool"
    path.write_bytes(b"Subject: a\r\nX: b\r\n\r\n" + b".line\r\n" * 100_000)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        there = job(mapped, b"P: q\r\n", ((12, 18),))
        here = job(path.read_bytes(), b"P: q\r\n", ((12, 18),))
        assert max(map(len, content.pieces(there))) <= content.PIECE
        assert b"".join(content.pieces(there)) == content.whole(here)


MIB = 1 << 20


def _resident(start: int) -> int:
    """Octets of the mapping at this address that are in our memory (proc(5), smaps)."""
    found = False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if line.startswith(f"{start:08x}-"):
            found = True
        elif found and line.startswith("Rss:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no such mapping")


@pytest.mark.parametrize("cut", [(), ((5, 9),)])
def test_what_was_sent_of_a_file_is_let_go_of(tmp_path: Path, cut) -> None:
    """Ten letters of 50 MB on their way must not be 500 MB."""
    path = tmp_path / "large"
    path.write_bytes(b"0123456789abcdef" * MIB)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as octets:
        address = np.frombuffer(octets, dtype=np.uint8).ctypes.data
        sent, most = bytearray(), 0
        for piece in content.pieces(job(octets, cuts=cut)):
            sent += piece
            if len(sent) % MIB < len(piece):
                most = max(most, _resident(address))
        expected = path.read_bytes()
        assert bytes(sent) == (expected[:5] + expected[9:] if cut else expected)
        assert most < 6 * MIB
