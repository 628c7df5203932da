"""The check runs inside the gateway at a reload: what it looks at there is in use."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gateway.check import files
from gateway.configuration import Loaded, load
from gateway.edge.clock import now
from gateway.store.opening import open_store

MAIN = """
hostname: mx1.shop.example
listen: [{address: "127.0.0.1:2525"}]
store: sqlite:gateway.db
administrator: admin@shop.example
next_hops: {mailbox: {address: "maildir:mailbox"}}
sites:
  - site: shop
    domains: [shop.example]
    recipients: {any: true}
    next_hop: mailbox
    routes: [{to: "*@shop.example"}]
"""
LAST_USER = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
db.execute("SELECT count(*) FROM letters").fetchone()
db.close()
"""
"""Another process; SQLite removes the log when the last that has the file open closes it."""


@pytest.fixture
def loaded(tmp_path: Path) -> Loaded:
    (tmp_path / "gateway.yaml").write_text(MAIN)
    return load(tmp_path / "gateway.yaml", {})


def come_and_go(path: Path, log: Path) -> bool:
    """Whether the log is there after another process had the file open."""
    subprocess.run([sys.executable, "-c", LAST_USER, str(path)], check=True, timeout=30)
    return log.exists()


async def check_while_open(loaded: Loaded, tmp_path: Path) -> Path:
    """Gives the log after another process came and went."""
    assert loaded.settings is not None, loaded.problems
    store = await open_store(loaded.settings)
    try:
        assert [*files.stores(loaded.settings, loaded.sources, now())] == []
        beside = await open_store(loaded.settings)  # of this process too
        await beside.close()
        path = tmp_path / "gateway.db"
        log = Path(f"{path.resolve()}-wal")
        assert come_and_go(path, log), "the store still writes to it"
        return log
    finally:
        await store.close()


async def test_looking_at_a_store_that_this_process_has_open_takes_no_lock_from_it(
    loaded: Loaded, tmp_path: Path
) -> None:
    log = await check_while_open(loaded, tmp_path)
    assert not log.exists(), "the last user removes it"


async def test_nor_where_the_file_is_a_link(loaded: Loaded, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "real.db").touch(mode=0o600)
    (tmp_path / "gateway.db").symlink_to(tmp_path / "disk" / "real.db")
    assert (await check_while_open(loaded, tmp_path)).name == "real.db-wal"


def test_a_file_that_is_no_store_is_told(loaded: Loaded, tmp_path: Path) -> None:
    (tmp_path / "gateway.db").write_text("Dear diary, this is no database.")
    assert loaded.settings is not None
    (problem,) = files.stores(loaded.settings, loaded.sources, now())
    assert problem.what == "the file is no store"
