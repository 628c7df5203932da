"""`gateway check` and a PostgreSQL store: the driver, the server, and no secret in a message."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from support.postgres import PASSWORD, Cluster, cluster
from support.serving import free_port

import gateway.store
from gateway.check import postgres
from gateway.configuration import load

NOW = datetime(2026, 11, 24, tzinfo=UTC)
MAIN = """
hostname: mx1.shop.example
listen: [{{address: "127.0.0.1:0"}}]
store: "{url}"
state: state
next_hops: {{mailbox: {{address: "maildir:mailbox"}}}}
sites:
  - {{site: shop, domains: [shop.example], next_hop: mailbox, routes: [{{to: "*@shop.example"}}]}}
"""
Said = Callable[[str], list[str]]


@pytest.fixture
def said(tmp_path: Path) -> Said:
    """What the check says of a store's URL."""

    def check(url: str) -> list[str]:
        path = tmp_path / "gateway.yaml"
        path.write_text(MAIN.format(url=url))
        loaded = load(path, {})
        assert loaded.settings is not None, [str(problem) for problem in loaded.problems]
        found = [str(one) for one in postgres.server(loaded.settings, loaded.sources, NOW)]
        assert not any(PASSWORD in one for one in found)
        return [one.partition("gateway.yaml:")[2] for one in found]

    return check


@pytest.fixture(scope="module")
def server() -> Iterator[Cluster]:
    with cluster(durable=True) as made:
        yield made


def test_a_sound_one(said: Said, server: Cluster) -> None:
    assert said(server.url(server.database(), socket=False)) == []


def test_one_that_is_not_to_be_reached(said: Said) -> None:
    (problem,) = said(f"postgresql://gateway:{PASSWORD}@127.0.0.1:{free_port()}/mail")
    assert problem.startswith("4: warning: store: PostgreSQL cannot be reached: Connection refused")
    assert "until then mail is answered 451" in problem


def test_one_that_refuses_us(said: Said, server: Cluster) -> None:
    (problem,) = said(server.url("postgres", socket=False).replace(PASSWORD, "another"))
    assert "password authentication failed" in problem
    assert "another" not in problem
    assert "warning" not in problem


def test_without_the_driver(said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*sys.modules]:
        if name.partition(".")[0] == "psycopg" or name.startswith("gateway.store.postgres"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    monkeypatch.delattr(gateway.store, "postgres_probe", raising=False)
    (problem,) = said("postgresql://gateway@127.0.0.1/mail")
    assert "psycopg is not installed; pip install 'customer-mail-gateway[postgres]'" in problem
