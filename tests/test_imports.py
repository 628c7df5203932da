"""Imports point one way: from the commands down to plain values (docs/design.md)."""

from __future__ import annotations

import ast
import graphlib
from functools import cache
from pathlib import Path

import pytest

TOP = Path(__file__).parent.parent
VALUES = frozenset({"domains", "message", "verdict", "reply"})
WHOLE = frozenset({"app", "check", "cli", "demo", "examiner", "parts", "release"})
"""What may know every part: it builds them, or looks at them as an operator does."""
EDGE_MAY = frozenset(
    {"delivery", "domains", "edge", "journal", "message", "plan", "reply", "resolver", "settings"}
    | {"show", "store", "wishes"}
)
STORE_MAY = frozenset({"domains", "message", "plan", "reply", "settings", "store", "verdict"})
WORLD = frozenset(
    {"aiodns", "aiosmtpd", "asyncpg", "http", "pycares", "smtplib", "sqlite3", "ssl"}
    | {"subprocess", "urllib.request", "uvloop"}
)
PURE_SOCKET = frozenset({"AF_INET", "AF_INET6", "inet_ntop", "inet_pton"})
"""Reading and writing addresses is no traffic."""
CLOCKS = frozenset({"now", "utcnow", "today", "time", "monotonic", "time_ns"})


def modules() -> list[str]:
    return sorted(
        ".".join(path.relative_to(TOP).with_suffix("").parts).removesuffix(".__init__")
        for path in (TOP / "gateway").rglob("*.py")
    )


def tree(module: str) -> ast.Module:
    path = TOP / module.replace(".", "/")
    file = path.with_suffix(".py")
    file = file if file.exists() else path / "__init__.py"
    return ast.parse(file.read_text("utf-8"))


def names(module: str) -> set[str]:
    """Every module that one imports, wherever the import stands."""
    found = set()
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.add(inner if inner in MODULES else node.module)
    return found


MODULES = frozenset(modules())


@cache
def ours(module: str) -> frozenset[str]:
    """The modules of ours that one imports, without the package's name."""
    return frozenset(
        name.removeprefix("gateway.") for name in names(module) if name.startswith("gateway.")
    )


def part(name: str) -> str:
    """The top-level part of the house that a module belongs to: `edge` for `edge.relay`."""
    return name.removeprefix("gateway.").partition(".")[0]


def inside(*parts: str) -> list[str]:
    return [module for module in sorted(MODULES) if part(module) in parts]


def outside(*parts: str) -> list[str]:
    return [module for module in sorted(MODULES) if part(module) not in parts]


@pytest.mark.parametrize("module", sorted(VALUES))
def test_values_know_only_each_other(module: str) -> None:
    assert ours(f"gateway.{module}") <= VALUES


@pytest.mark.parametrize("module", inside("filters"))
def test_a_filter_knows_no_other_filter_no_store_and_no_edge(module: str) -> None:
    used = ours(module)
    assert not {name for name in used if name.startswith("filters.")}
    assert not {name for name in used if part(name) in ("store", "edge", "app", "cli")}


@pytest.mark.parametrize("module", inside("edge"))
def test_the_edge_is_handed_what_it_calls(module: str) -> None:
    assert {part(name) for name in ours(module)} <= EDGE_MAY
    assert not {name for name in ours(module) if name.startswith("store.")}


@pytest.mark.parametrize("module", inside("store"))
def test_the_store_knows_only_values(module: str) -> None:
    assert {part(name) for name in ours(module)} <= STORE_MAY


@pytest.mark.parametrize("module", outside("edge", "store", *WHOLE))
def test_what_thinks_touches_neither_socket_nor_disk_nor_clock(module: str) -> None:
    assert not {name for name in ours(module) if name.startswith(("edge.", "store."))}
    assert not {name for name in names(module) if name in WORLD or name.partition(".")[0] in WORLD}
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "socket":
            assert node.attr in PURE_SOCKET
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            clock = ast.unparse(node.func)
            told = node.func.attr in CLOCKS and clock.partition(".")[0] in ("datetime", "date")
            assert not told, clock
            assert not (clock.startswith("time.") and node.func.attr in CLOCKS), clock


@pytest.mark.parametrize("module", outside(*WHOLE, "__main__"))
def test_only_the_whole_knows_the_whole(module: str) -> None:
    assert not {name for name in ours(module) if part(name) in WHOLE}


@pytest.mark.parametrize("module", outside("cli", "demo", "__main__"))
def test_nothing_calls_a_command(module: str) -> None:
    assert not {name for name in ours(module) if part(name) in ("cli", "demo")}


@pytest.mark.parametrize("module", outside("edge", "app"))
def test_aiosmtpd_stays_at_the_edge(module: str) -> None:
    assert not {name for name in names(module) if name.partition(".")[0] == "aiosmtpd"}


@pytest.mark.parametrize("module", outside("learning", "cli"))
def test_training_is_not_imported_for_serving(module: str) -> None:
    """scikit-learn costs more than a second and a hundred megabytes."""
    assert not {name for name in names(module) if name.partition(".")[0] in ("sklearn", "scipy")}


def test_no_circle() -> None:
    graph = {
        module.removeprefix("gateway."): {
            name for name in ours(module) if f"gateway.{name}" in MODULES
        }
        for module in MODULES
        if module != "gateway"
    }
    for package in {name for name in graph if f"gateway.{name}" in MODULES}:
        graph[package].discard(package)
    assert list(graphlib.TopologicalSorter(graph).static_order())
