"""The disk fills up under load: nothing more is taken, nothing taken is lost, and it goes on.

On a small file system in memory, which only root may mount.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.running import until

from tools.soak.life import Life

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 and "CI" not in os.environ,
    reason="only root may mount: what happens when the disk is full was NOT tested",
)
MIB = 1 << 20
RESERVE = 64 * MIB
"""What the store leaves free for what it owes already."""


def mount(folder: Path, size: int, *more: str) -> None:
    options = ",".join((f"size={size}", *more))
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount(folder, 2 * RESERVE + 24 * MIB)
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def free(folder: Path) -> int:
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize


def fill(folder: Path, leave: int = 0) -> Path:
    """Somebody else's file that takes all space but so much."""
    path = folder / "ballast"
    with path.open("wb", buffering=0) as file:
        while (room := free(folder) - leave) > 0:
            try:
                file.write(bytes(min(room, MIB)))
            except OSError:
                break
    return path


async def happens(what: Callable[[], bool]) -> None:
    await until(lambda: asyncio.sleep(0, what()), bool, 30)


async def test_it_stops_taking_before_the_disk_is_full_and_goes_on_with_more(disk):
    life = Life(disk, seed=5, workers=1)
    async with life.begun():
        life.sink.faulty = False
        life.senders.making = True
        await happens(lambda: len(life.ledger.taken) > 20)
        fill(disk, leave=RESERVE + 4 * MIB)
        await happens(lambda: life.senders.put_off.total() > 10)
        assert {reply[:9] for reply in life.senders.put_off} == {"452 4.3.1"}
        taken, left = len(life.ledger.letters), free(disk)
        assert left > RESERVE - 8 * MIB
        mount(disk, RESERVE + 300 * MIB, "remount")
        await happens(lambda: len(life.ledger.letters) > taken + 20)
        await life.quiet()
        life.ledger.settle(await life.house.prove())
        assert life.ledger.problems == []


@pytest.mark.parametrize("killed", [False, True])
async def test_a_disk_without_a_single_octet_left_loses_nothing(disk, killed, tmp_path):
    """Mail is under way to a next hop that fails; not even an outcome can be written down."""
    life = Life(disk, seed=6, workers=1)
    async with life.begun():
        life.house.logs = tmp_path
        life.senders.making = True
        await happens(lambda: len(life.ledger.taken) > 20)
        ballast = fill(disk)
        await happens(lambda: life.senders.put_off.total() > 10)
        assert {reply[:5] for reply in life.senders.put_off} <= {"452 4", "451 4"}
        if killed:
            life.house.kill_all()
            await life.house.buried()
            life.ledger.killed(await life.house.entries())
            await life.start()
            before = life.senders.put_off.total()
            await happens(lambda: life.senders.put_off.total() > before + 10)
        ballast.unlink()
        await life.quiet()
        life.ledger.settle(await life.house.prove())
        assert life.ledger.problems == []
