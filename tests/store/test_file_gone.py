"""The file is moved or removed by hand while it is open: nothing is promised any more."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from gateway.store import StoreError
from gateway.store.sqlite import SqliteStore


def remove_log(folder: Path) -> None:
    (folder / "g.db-wal").unlink()


def remove(folder: Path) -> None:
    for path in folder.glob("g.db*"):
        path.unlink()


def move(folder: Path) -> None:
    folder.rename(folder.with_name("moved"))


def replace(folder: Path) -> None:
    """As a backup is put back by somebody who does not know that it runs."""
    shutil.copy(folder / "g.db", folder / "copy")
    (folder / "copy").replace(folder / "g.db")


def lead_elsewhere(folder: Path) -> None:
    """`store:` goes through a link that leads to another disk from now on."""
    shutil.copytree(folder.parent / "disk", folder.parent / "other")
    folder.unlink()
    folder.symlink_to("other")


@pytest.mark.parametrize("harm", [remove_log, remove, move, replace, lead_elsewhere])
async def test_no_mail_is_kept_where_nobody_finds_it(
    tmp_path: Path, mail: SimpleNamespace, harm: Callable[[Path], None]
) -> None:
    folder = tmp_path / "var"
    if harm is lead_elsewhere:
        (tmp_path / "disk").mkdir()
        folder.symlink_to("disk")
    store = await SqliteStore.open(folder / "g.db")
    keeper = mail.Keeper(store)
    await keeper.keep()
    harm(folder)
    if harm is remove_log:
        await keeper.keep()  # brought into the file, with all that came before
    for _ in range(2):
        with pytest.raises(StoreError, match="start the gateway again"):
            await keeper.keep()
    with pytest.raises(StoreError):
        await asyncio.gather(*(keeper.keep() for _ in range(5)))
    with pytest.raises(StoreError):
        await store.claim(mail.NOW, 10)
    await store.close()


PROMISED = """
import asyncio, os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
import conftest as mail
from gateway.store import StoreError
from gateway.store.sqlite import SqliteStore

async def main() -> None:
    path = Path(sys.argv[1])
    store = await SqliteStore.open(path)
    keeper = mail.Keeper(store)
    for _ in range(3):
        await keeper.keep()
    path.with_name("g.db-wal").unlink()
    refused = 0
    for _ in range(5):
        try:
            await keeper.keep()
        except StoreError:
            refused += 1
    if refused == 4:
        os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


async def test_what_was_promised_is_saved_from_a_log_that_was_removed(tmp_path: Path) -> None:
    """Even if the process is killed then: it waited for nobody to end it in peace."""
    code = [sys.executable, "-c", PROMISED, str(tmp_path / "g.db"), str(Path(__file__).parent)]
    path = os.pathsep.join((str(Path(__file__).parents[1]), *sys.path))
    process = await asyncio.create_subprocess_exec(*code, env={**os.environ, "PYTHONPATH": path})
    assert await process.wait() == -9
    store = await SqliteStore.open(tmp_path / "g.db")
    balance = await store.balance()
    assert balance.accepted == 4
    assert balance.balanced
    await store.close()
