"""What the commands share."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cli import common
from gateway.store import Balance

NASTY = "a\x1b[31m\x9b\u202eüß\U000e0001\ud800"


def test_the_configuration_is_found_in_this_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GATEWAY_CONFIG", raising=False)
    assert common.config_path(None) == Path("config/gateway.yaml")
    monkeypatch.setenv("GATEWAY_CONFIG", "/etc/gateway/gateway.yaml")
    assert common.config_path(None) == Path("/etc/gateway/gateway.yaml")
    assert common.config_path("mine.yaml") == Path("mine.yaml")


def test_json_obeys_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    common.print_json({"text": NASTY, "key\u2066": [1]})
    out = capsys.readouterr().out
    assert all(char.isprintable() or char == "\n" for char in out)
    assert json.loads(out) == {"text": NASTY, "key\u2066": [1]}


@given(st.text(st.characters(codec="utf-8")))
def test_escaped_json_is_the_same_value(text: str) -> None:
    harmless = common._harmless(json.dumps(text, ensure_ascii=False))
    assert json.loads(harmless) == text


def test_json_of_times_and_sets(capsys: pytest.CaptureFixture[str]) -> None:
    at = datetime(2026, 11, 23, 14, 30, tzinfo=UTC)
    common.print_json({"at": at, "set": frozenset({"a"}), "pair": (1, 2), "path": Path("/x")})
    out = json.loads(capsys.readouterr().out)
    assert out == {"at": at.isoformat(), "set": ["a"], "pair": [1, 2], "path": "/x"}


def write(folder: Path) -> str:
    (folder / "gateway.yaml").write_text(
        "hostname: mx.example.net\n"
        'listen: [{address: "127.0.0.1:0"}]\n'
        "store: sqlite:gateway.db\n"
        'next_hops: {box: {address: "maildir:box"}}\n'
        "sites: [{site: a, domains: [a.example], next_hop: box, routes: [{}]}]\n"
    )
    return str(folder / "gateway.yaml")


def test_a_store_that_is_not_there_is_not_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = common.load_or_exit(write(tmp_path))
    with pytest.raises(SystemExit) as stop:
        common.with_store(settings, lambda store: store.balance())
    assert stop.value.code == 1
    assert "does not exist yet" in capsys.readouterr().err
    assert not (tmp_path / "gateway.db").exists()


def test_one_look_into_the_store(tmp_path: Path) -> None:
    settings = common.load_or_exit(write(tmp_path))
    (tmp_path / "gateway.db").touch()
    assert common.with_store(settings, lambda store: store.balance()) == Balance()


def test_a_file_that_is_no_store(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = common.load_or_exit(write(tmp_path))
    (tmp_path / "gateway.db").write_bytes(b"no database" * 1000)
    with pytest.raises(SystemExit) as stop:
        common.with_store(settings, lambda store: store.balance())
    assert stop.value.code == 1
    assert "gateway: the store cannot do that now" in capsys.readouterr().err
