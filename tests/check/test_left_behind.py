"""After `store` was changed: mail that waits in the store of before is told of."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.deliveries import Bench

from gateway.check.left_behind import other_stores
from gateway.configuration import Loaded, load
from gateway.edge.clock import now
from gateway.store.sqlite import SqliteStore

MAIN = """
hostname: mx1.shop.example
listen: [{address: "127.0.0.1:0"}]
store: STORE
state: var
administrator: admin@shop.example
next_hops: {mailbox: {address: "maildir:mailbox"}}
sites:
  - site: shop
    domains: [shop.example]
    recipients: {any: true}
    next_hop: mailbox
    routes: [{to: "*@shop.example"}]
"""


def loaded(folder: Path, store: str = "sqlite:var/new.db") -> Loaded:
    (folder / "gateway.yaml").write_text(MAIN.replace("STORE", store))
    return load(folder / "gateway.yaml", {})


def told(found: Loaded) -> list[str]:
    assert found.settings is not None, found.problems
    return [problem.what for problem in other_stores(found.settings, found.sources, now())]


async def old_store(folder: Path, letters: int = 2) -> SqliteStore:
    (folder / "var").mkdir()
    store = await SqliteStore.open(folder / "var" / "old.db")
    bench = Bench(store)
    for _ in range(letters):
        await bench.keep("mailbox")
    return store


@pytest.mark.parametrize("new", ["sqlite:var/new.db", "postgresql://gateway@db.example/mail"])
async def test_mail_in_the_store_of_before(tmp_path: Path, new: str) -> None:
    await (await old_store(tmp_path)).close()
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "var").iterdir()}
    (what,) = told(loaded(tmp_path, new))
    assert what == f"another store, {tmp_path}/var/old.db, still holds mail for 2 recipients"
    after = {path: path.stat().st_mtime_ns for path in (tmp_path / "var").iterdir()}
    assert after == before, "only looked at"


async def test_nothing_is_said_of_ours_of_an_empty_one_and_of_no_store(tmp_path: Path) -> None:
    await (await old_store(tmp_path)).close()
    assert not told(loaded(tmp_path, "sqlite:var/old.db"))
    await (await SqliteStore.open(tmp_path / "var" / "old2.db")).close()
    (tmp_path / "var" / "other.db").write_text("no database")
    (tmp_path / "var" / "folder.db").mkdir()
    assert len(told(loaded(tmp_path))) == 1


def test_nothing_is_made_where_a_link_leads_nowhere(tmp_path: Path) -> None:
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "old.db").symlink_to(tmp_path / "gone.db")
    assert not told(loaded(tmp_path))
    assert not (tmp_path / "gone.db").exists()


async def test_one_that_is_open_is_not_touched(tmp_path: Path) -> None:
    """At a reload that changes `store` this process has the one of before open itself."""
    store = await old_store(tmp_path)
    try:
        assert not told(loaded(tmp_path))
    finally:
        await store.close()
