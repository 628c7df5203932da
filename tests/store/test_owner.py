"""Leases of processes that are gone are ended at once; those of the living are not."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

from gateway.store.owner import is_alive, this_process
from gateway.store.sqlite import SqliteStore


def test_we_are_alive():
    assert is_alive(this_process())


def test_a_process_that_ended_is_not():
    code = "from gateway.store.owner import this_process; print(this_process())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    owner = done.stdout.strip()
    assert owner.split("-")[1] != str(os.getpid())
    assert not is_alive(owner)


def test_another_process_under_our_pid_is_not_us():
    boot, pid, start = this_process().split("-")
    assert not is_alive(f"{boot}-{pid}-{int(start) - 1}")
    assert not is_alive(f"00000000-{pid}-{start}")


def test_what_names_no_process_is_left_to_its_lease():
    assert is_alive("")
    assert is_alive("elsewhere")


ALL_TAKEN = """
import asyncio, os, resource, sys
from datetime import UTC, datetime
from pathlib import Path
from gateway.store import Node
from gateway.store.sqlite import SqliteStore

async def main() -> None:
    now = datetime.now(UTC)
    store = await SqliteStore.open(Path(sys.argv[1]))
    node = Node("host", os.getpid(), "1", "", {}, now)
    await store.beat(node, now)
    leased = len(await store.claim(now, 10))
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    taken = []
    try:
        while True:
            taken.append(os.open("/dev/null", os.O_RDONLY))
    except OSError:
        ended = await store.beat(node, now)
    for descriptor in taken:
        os.close(descriptor)
    print(leased, ended, len(await store.claim(now, 10)), len(await store.nodes()))
    await store.close()

asyncio.run(main())
"""


async def test_who_has_no_descriptor_left_buries_nobody(
    tmp_path: Path, mail: SimpleNamespace
) -> None:
    """A busy process cannot look into /proc: all that was leased would be delivered twice."""
    store = await SqliteStore.open(tmp_path / "g.db")
    await mail.Keeper(store).keep()
    await store.close()
    code = [sys.executable, "-c", ALL_TAKEN, str(tmp_path / "g.db")]
    done = await asyncio.to_thread(
        subprocess.run, code, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == ["1", "0", "0", "1"]
