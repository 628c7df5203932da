"""Whatever stands in a configuration, `gateway check` tells it and does not break."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.check import inspect
from gateway.configuration import load

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
FULL = Path(__file__).parent / "full"


class Plain(yaml.SafeLoader):
    """Reads the example; what `!file` names is text here."""


Plain.add_constructor("!file", lambda loader, node: node.value)


def example() -> dict[str, Any]:
    """The whole example in one map, every value as its YAML says."""
    main, shop, hosting = (
        yaml.load((FULL / name).read_text(), Plain)
        for name in ("gateway.yaml", "shop.yaml", "hosting.yaml")
    )
    return {**main, "sites": [shop, hosting]}


EXAMPLE = json.loads(json.dumps(example(), default=str))


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value)
    found = []
    for step, item in items:
        found.append((*at, step))
        if isinstance(item, dict | list):
            found += places(item, (*at, step))
    return found


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 10**9),
    st.floats(allow_nan=False, allow_infinity=False, width=16),
    st.text("aB0@.:/*-+_ \"'%{}()\\é\x07", max_size=12),
    st.sampled_from(["", [], {}, [[]], [{}], {"a": 1}, {"": None}, "x@y", "0", [None], ["a", "a"]]),
    st.sampled_from([*EXAMPLE.values()]),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("any")


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    changes=st.lists(
        st.tuples(st.sampled_from(places(EXAMPLE)), VALUES, st.booleans()), min_size=1, max_size=4
    )
)
def test_nothing_breaks_it(folder: Path, changes: list[tuple[Any, Any, bool]]) -> None:
    data = copy.deepcopy(EXAMPLE)
    for steps, value, misspelt in changes:
        holder = data
        for step in steps[:-1]:
            holder = holder[step] if _has(holder, step) else None
        if not _has(holder, steps[-1]):
            continue
        if misspelt and isinstance(holder, dict):
            holder[f"{steps[-1]}s"] = holder.pop(steps[-1])
        else:
            holder[steps[-1]] = value
    path = folder / "gateway.yaml"
    path.write_text(json.dumps(data))
    loaded = load(path, {})
    problems = inspect(loaded, NOW)
    assert len({str(problem) for problem in problems}) == len(problems)
    assert all(str(problem).isprintable() for problem in problems)
    assert loaded.seen is not None
    if loaded.settings is None:
        assert any(not problem.warning for problem in problems)


def _has(holder: Any, step: Any) -> bool:
    if isinstance(holder, list):
        return isinstance(step, int) and step < len(holder)
    return isinstance(holder, dict) and step in holder
