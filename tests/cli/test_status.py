"""`gateway status`: who serves, what each runs, and how the queue is."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.cli import main
from gateway.message import Arrival, Envelope, Session
from gateway.plan import Letter, Plan
from gateway.store import Node, Store
from gateway.store.sqlite import SqliteStore
from gateway.verdict import Action

TO = "support@shop.example"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "gateway.yaml"
    path.write_text(
        "hostname: mx.example.net\n"
        'listen: [{address: "127.0.0.1:0"}]\n'
        "store: sqlite:gateway.db\n"
        'next_hops: {box: {address: "maildir:box"}}\n'
        "sites: [{site: a, domains: [a.example], next_hop: box, routes: [{}]}]\n"
    )
    return path


def status(config: Path, *options: str) -> Result:
    return CliRunner().invoke(main, ["status", "--config", str(config), *options])


async def fill(path: Path, beat: datetime, *more: Node) -> None:
    """Three letters, one of them leased, one held; and nodes."""
    store: Store = await SqliteStore.open(path)
    for number in range(3):
        id_ = f"Q{number}"
        came = Arrival(
            id_, beat - timedelta(minutes=5), Session("192.0.2.7"), Envelope("", (TO,)), b"x"
        )
        letter = Letter(f"{id_}.1", "letter", "a", "box", "", (TO,), origin=(TO,))
        await store.keep(came, [letter], Plan(Action.DELIVER))
    await store.claim(beat, 1)
    await store.hold("Q2", "a person looks at it", "joe", beat)
    owner = store._owner  # type: ignore[attr-defined]
    for number, node in enumerate(more):
        # Each under the name of a living process: a dead one is forgotten at the next beat.
        store._owner = f"{owner}" if number == 0 else f"elsewhere{number}"  # type: ignore[attr-defined]
        await store.beat(node, beat)
    await store.close()


def node(version: str, started: datetime, spam: str = "aa") -> Node:
    return Node("mx\x1b[31m1", 7, version, "c0ffee", {"spam": spam}, started)


def test_without_a_store(config: Path) -> None:
    done = status(config)
    assert done.exit_code == 1
    assert "`gateway run` makes it" in done.output


def test_nodes_and_queue(config: Path, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    nodes = [node("1.0", now), node("1.1", now, "bb")]
    asyncio.run(fill(tmp_path / "gateway.db", now, *nodes))
    done = status(config)
    assert done.exit_code == 0, done.output
    assert "\x1b" not in done.output
    assert "c0ffee" in done.output
    assert "the nodes run different versions" in done.output
    assert "the nodes run different models" in done.output
    assert "different configurations" not in done.output
    assert "queue: 1 queued, 1 active, 0 deferred, 0 waiting, 1 held" in done.output
    assert "the oldest that is due waits for 5 min" in done.output


def test_for_programs(config: Path, tmp_path: Path) -> None:
    long_ago = datetime.now(UTC) - timedelta(hours=3)
    asyncio.run(fill(tmp_path / "gateway.db", long_ago, node("1.0", long_ago)))
    found = json.loads(status(config, "--json").output)
    (one,) = found["nodes"]
    assert one["alive"] is False
    assert (one["version"], one["configuration"], one["models"]) == (
        "1.0",
        "c0ffee",
        {"spam": "aa"},
    )
    assert found["queue"]["states"]["held"] == 1
    assert found["queue"]["late_seconds"] > 3 * 3600
    assert "SILENT" in status(config).output


def test_nobody_serves(config: Path, tmp_path: Path) -> None:
    asyncio.run(fill(tmp_path / "gateway.db", datetime.now(UTC)))
    assert "no node serves from this store" in status(config).output
