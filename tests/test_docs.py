"""The papers cannot lag behind the code: what they name exists, and what exists they name."""

from __future__ import annotations

import ast
import re
from fnmatch import fnmatch
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from gateway.acknowledgement.reasons import REASONS
from gateway.check import builder
from gateway.cli import COMMANDS
from gateway.configuration import load
from gateway.configuration.reference import keys, reference
from gateway.filters import Services
from gateway.filters.loading import GROUP, words
from gateway.learning.scorer import load_shared
from gateway.resolver import Zone

TOP = Path(__file__).parent.parent
DOCS = TOP / "docs"
PAPERS = sorted([*TOP.glob("*.md"), *DOCS.glob("*.md")])
CONFIG = "\n".join(path.read_text() for path in sorted((TOP / "config").rglob("*.yaml")))
FILTERS = sorted(entry_points(group=GROUP).names)


def blocks(path: Path, language: str) -> list[str]:
    """The fenced blocks of one language in a paper."""
    return re.findall(rf"(?ms)^```{language}\n(.*?)^```$", path.read_text("utf-8"))


# --- configuration -------------------------------------------------------------------------------


def test_the_reference_is_up_to_date() -> None:
    """If not: make reference."""
    assert (DOCS / "configuration.md").read_text("utf-8") == reference()


def test_every_key_has_a_meaning() -> None:
    silent = re.findall(r"(?m)^\| `(\w+)` \|.*\|\s*\|$", reference())
    assert silent == []


@pytest.mark.parametrize(("where", "key"), list(keys()))
def test_every_key_stands_in_the_shipped_configuration(where: str, key: str) -> None:
    assert re.search(rf"\b{key}: ", CONFIG) or re.search(rf"(?m)^#?\s*{key}:$", CONFIG), where


def test_the_readmes_configuration_loads(tmp_path: Path) -> None:
    (block,) = blocks(TOP / "README.md", "yaml")
    (tmp_path / "gateway.yaml").write_text(block)
    loaded = load(tmp_path / "gateway.yaml", {})
    assert [str(problem) for problem in loaded.problems] == []


def test_the_deployments_next_hops_load(tmp_path: Path) -> None:
    found = blocks(DOCS / "deploy.md", "yaml")
    assert len(found) >= 4
    (readme,) = blocks(TOP / "README.md", "yaml")
    for block in found:
        main = re.sub(r"(?ms)^next_hops:\n.*?^(?=sites:)", block, readme)
        (tmp_path / "gateway.yaml").write_text(main)
        loaded = load(tmp_path / "gateway.yaml", {})
        assert [str(problem) for problem in loaded.problems] == []


# --- words ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FILTERS)
def test_every_filter_and_word_is_documented(name: str) -> None:
    services = Services(resolver=Zone({}), load_scorer=load_shared)
    rows = (DOCS / "tags.md").read_text("utf-8").splitlines()
    row = next(row for row in rows if row.startswith(f"| `{name}` |"))
    for word in words(builder(name)({}, services)):
        assert f"`{word}`" in row or word in ("temperror", "permerror"), word


@pytest.mark.parametrize("name", FILTERS)
def test_every_filter_stands_in_the_shipped_configuration(name: str) -> None:
    assert f"use: {name}," in CONFIG or f"use: {name}}}" in CONFIG


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_is_documented(reason: str) -> None:
    assert f"\n| `{reason}` | " in (DOCS / "tags.md").read_text("utf-8")


def test_every_field_of_ours_is_documented() -> None:
    source = (TOP / "gateway/stamp.py").read_text("utf-8")
    fields = set(re.findall(r'"(X-(?:Gateway|Spam)-[A-Za-z-]+)"', source))
    assert len(fields) > 10
    tags = (DOCS / "tags.md").read_text("utf-8")
    assert [field for field in sorted(fields) if f"`{field}`" not in tags] == []


# --- commands, modules, tests, links -------------------------------------------------------------


@pytest.mark.parametrize("command", list(COMMANDS))
def test_every_command_is_in_the_readme(command: str) -> None:
    assert f"`gateway {command}" in (TOP / "README.md").read_text("utf-8")


def test_commands_named_in_the_papers_exist() -> None:
    for path in PAPERS:
        for command in re.findall(r"`gateway ([a-z][a-z-]*)", path.read_text("utf-8")):
            assert command in COMMANDS, f"{path.name}: gateway {command}"


def test_every_module_stands_in_the_design() -> None:
    design = (DOCS / "design.md").read_text("utf-8")
    there = {path.name for path in (TOP / "gateway").glob("[a-z]*.py")}
    there |= {f"{path.parent.name}/" for path in (TOP / "gateway").glob("[a-z]*/__init__.py")}
    named = re.findall(r"`([a-z_*]+(?:\.py|/))`", design)
    missing = [name for name in there if not any(fnmatch(name, pattern) for pattern in named)]
    assert sorted(missing) == []


def test_every_module_in_the_design_exists() -> None:
    design = (DOCS / "design.md").read_text("utf-8")
    for name in re.findall(r"`([a-z_]+/?(?:[a-z_]+\.py)?)`", design):
        if name.endswith((".py", "/")) and not name.startswith("tests/"):
            assert (TOP / "gateway" / name).exists(), name


def named_tests() -> list[str]:
    return re.findall(r"`(tests/\S+?::\S+?)`", (DOCS / "threats.md").read_text("utf-8"))


def test_every_threat_names_a_test_that_holds_it() -> None:
    for row in re.findall(r"(?m)^\| .* \|$", (DOCS / "threats.md").read_text("utf-8")):
        heading = row.startswith(("| threat |", "| --- |"))
        assert heading or re.search(r"`tests/\S+::\S+`", row), row


@pytest.mark.parametrize("name", named_tests())
def test_the_tests_that_the_threats_name_exist(name: str) -> None:
    path, _, function = name.partition("::")
    tree = ast.parse((TOP / path).read_text("utf-8"))
    found = {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert function in found


@pytest.mark.parametrize("path", PAPERS, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", path.read_text("utf-8")):
        if not target.startswith(("http:", "https:", "mailto:")):
            assert (path.parent / target).exists(), target


@pytest.mark.parametrize("path", PAPERS, ids=lambda path: path.name)
def test_lines_are_readable_in_a_terminal(path: Path) -> None:
    for line in path.read_text("utf-8").splitlines():
        assert len(line) <= 110 or line.startswith(("|", "- http")), line
