"""Delivery into a Maildir on a real disk: whole or not at all, and once."""

from __future__ import annotations

import asyncio
import mmap
import os
import signal
import subprocess
import sys
import textwrap
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gateway.edge.maildir import Maildir
from gateway.edge.transport import Progress
from gateway.store import Job

LETTER = b"Subject: hello\r\n\r\n.A line.\r\n"


def job(content: Any = LETTER, **changes: Any) -> Job:
    values: dict[str, Any] = {
        "letter_id": "q1.1",
        "queue_id": "q1",
        "kind": "letter",
        "site": "shop",
        "next_hop": "mailbox",
        "reverse_path": "jane@customer.example",
        "recipients": ("a@shop.example", "b@shop.example"),
        "prefix": b"X-Gateway-Id: q1\r\n",
        "cuts": (),
        "content": content,
        "attempts": 0,
        "accepted": datetime(2026, 11, 24, tzinfo=UTC),
        "lease": "l",
    }
    return Job(**(values | changes))


@pytest.fixture
async def box(tmp_path):
    maildir = Maildir(tmp_path / "mail", "mx.gateway.example")
    yield maildir
    await maildir.close()


def files(path: Path, folder: str = "new") -> list[Path]:
    return sorted((path / "mail" / folder).iterdir())


async def test_a_letter_becomes_one_file(box, tmp_path):
    sent = await box.send(job(), Progress())
    assert [outcome.result for outcome in sent.outcomes] == ["relayed", "relayed"]
    (file,) = files(tmp_path)
    assert file.read_bytes() == (
        b"Return-Path: <jane@customer.example>\nX-Gateway-Id: q1\nSubject: hello\n\n.A line.\n"
    )
    assert file.stat().st_mode & 0o777 == 0o600
    assert ":" not in file.name
    assert not file.name.startswith(".")
    assert not files(tmp_path, "tmp")
    assert not files(tmp_path, "cur")


async def test_the_null_reverse_path(box, tmp_path):
    await box.send(job(reverse_path="", prefix=b""), Progress())
    assert files(tmp_path)[0].read_bytes().startswith(b"Return-Path: <>\nSubject")


@pytest.mark.parametrize(
    "content", [b"", b"no end", b"a\r\n\r\n", b"\xff\x00\r\n", b"a\rb\r\n", b"a\r"]
)
async def test_content_keeps_its_octets_but_for_line_ends(box, tmp_path, content):
    await box.send(job(content, prefix=b""), Progress())
    octets = files(tmp_path)[0].read_bytes()
    assert octets.partition(b"\n")[2] == content.replace(b"\r\n", b"\n")


async def test_large_content_from_a_mapped_file(box, tmp_path):
    path = tmp_path / "spool"
    path.write_bytes(b"A: 1\r\nB: 2\r\n\r\n" + b"line\r\n" * 300_000)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        await box.send(job(mapped, cuts=((0, 6),), prefix=b""), Progress())
    octets = files(tmp_path)[0].read_bytes()
    assert octets.partition(b"\n")[2] == b"B: 2\n\n" + b"line\n" * 300_000


async def test_a_repeated_delivery_makes_no_second_file(box, tmp_path):
    """The gateway died after the rename and before it could note it."""
    await box.send(job(), Progress())
    await box.send(job(attempts=1, lease="another"), Progress())
    assert len(files(tmp_path)) == 1


async def test_different_letters_make_different_files(box, tmp_path):
    ids = [f"q{number}.1" for number in range(30)]
    await asyncio.gather(*(box.send(job(letter_id=id_), Progress()) for id_ in ids))
    assert len(files(tmp_path)) == 30


async def test_an_id_cannot_leave_the_folder(box, tmp_path):
    await box.send(job(letter_id="../../x:2,S"), Progress())
    assert len(files(tmp_path)) == 1
    assert ":" not in files(tmp_path)[0].name


async def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "mail").write_bytes(b"a file, no folder")
    told: list[OSError] = []
    maildir = Maildir(tmp_path / "mail", "mx.gateway.example", trouble=told.append)
    sent = await maildir.send(job(), Progress())
    await maildir.close()
    assert [outcome.result for outcome in sent.outcomes] == ["delayed", "delayed"]
    assert str(sent.outcomes[0].reply) == "451 4.3.0 The mailbox folder cannot be written"
    assert sent.hop_failed
    assert len(told) == 1


async def test_a_full_disk_leaves_nothing_behind(box, tmp_path, monkeypatch):
    """A limit on the file size stands for the full disk: both end a write half way."""
    resource = pytest.importorskip("resource")
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, old[1]))
    try:
        sent = await box.send(job(b"line\r\n" * 100_000), Progress())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, handler)
    assert str(sent.outcomes[0].reply) == "452 4.3.1 No space for the mailbox folder"
    assert not files(tmp_path)
    assert not files(tmp_path, "tmp")


def hanging(octets: bytes) -> tuple[bytes, threading.Event, threading.Event]:
    """Content that hangs when it is read, and the events of its being read and of going on."""
    started, go_on = threading.Event(), threading.Event()

    class Slow(bytes):
        def __getitem__(self, key: Any) -> Any:
            started.set()
            go_on.wait(10)
            return super().__getitem__(key)

    return Slow(octets), started, go_on


async def test_a_disk_that_hangs_delays_the_letter(tmp_path):
    """The mapped content hangs here, as it would on a network disk that is gone."""
    content, started, go_on = hanging(LETTER)
    maildir = Maildir(tmp_path / "mail", "mx.gateway.example", limit=0.1)
    sent = await maildir.send(job(content), Progress())
    assert started.is_set()
    assert sent.outcomes[0].result == "delayed"
    assert sent.hop_failed
    go_on.set()
    await maildir.close()


async def test_on_a_disk_that_hangs_nothing_gathers(tmp_path):
    """Attempts that were given up while they waited for a thread are not made up for later."""
    content, started, go_on = hanging(LETTER)
    maildir = Maildir(tmp_path / "mail", "mx.gateway.example", limit=0.1, threads=1)
    first = asyncio.create_task(maildir.send(job(content), Progress()))
    await asyncio.to_thread(started.wait, 10)
    second = await maildir.send(job(letter_id="q2.1"), Progress())
    assert second.outcomes[0].result == (await first).outcomes[0].result == "delayed"
    go_on.set()
    third = await asyncio.wait_for(maildir.send(job(letter_id="q3.1"), Progress()), 10)
    assert third.outcomes[0].result == "relayed"
    assert [file.name.split(".")[1] for file in files(tmp_path)] == ["Qq1", "Qq3"]
    await maildir.close()


def test_a_kill_at_any_write_leaves_nothing_half_in_new(tmp_path):
    """The process is killed at each system call of a delivery in turn."""
    program = textwrap.dedent("""
        import asyncio, os, signal, sys
        from pathlib import Path
        from tests_job import job
        from gateway.edge.maildir import Maildir
        from gateway.edge.transport import Progress

        seen = 0

        def counted(real):
            def call(*args, **options):
                global seen
                seen += 1
                if seen == int(sys.argv[2]):
                    os.kill(os.getpid(), signal.SIGKILL)
                return real(*args, **options)
            return call

        for name in ("open", "write", "fsync", "rename"):
            setattr(os, name, counted(getattr(os, name)))

        async def main():
            maildir = Maildir(Path(sys.argv[1]), "mx.gateway.example")
            sent = await maildir.send(job(), Progress())
            print(sent.outcomes[0].result, flush=True)

        asyncio.run(main())
    """)
    here = Path(__file__)
    (tmp_path / "tests_job.py").write_text(
        f"import runpy\njob = runpy.run_path({str(here)!r})['job']\n"
    )
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}:{here.parents[3]}"}
    whole = b"Return-Path: <jane@customer.example>\nX-Gateway-Id: q1\nSubject: hello\n\n.A line.\n"
    ends = []
    for step in range(1, 30):
        box = tmp_path / f"mail{step}"
        done = subprocess.run(
            [sys.executable, "-c", program, str(box), str(step)],
            env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        found = [path.read_bytes() for path in (box / "new").iterdir()] if box.exists() else []
        assert found in ([], [whole])
        if done.stdout == "relayed\n":
            assert found == [whole]
            break
        assert done.returncode == -signal.SIGKILL, done.stderr
        ends.append(len(found))
    else:
        pytest.fail("it never came to its end")
    assert ends.count(0) > 4
