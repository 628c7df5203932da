"""Load the configuration: YAML files in, frozen Settings out, or every mistake at once.

Paths in a file are relative to that file. What needs more than the files themselves (templates,
models, ports, DNS) is looked at by `check.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.configuration.names import check_names
from gateway.configuration.paths import resolve_paths
from gateway.configuration.repair import repaired, take_out
from gateway.configuration.yaml_values import Sources, UnreadableError
from gateway.problems import Problem, Steps
from gateway.settings import Settings

MAX_SITES = 5000

__all__ = ["Loaded", "Problem", "load"]


@dataclass(frozen=True, slots=True)
class Loaded:
    settings: Settings | None
    """None when there is a problem that is more than a warning."""
    problems: tuple[Problem, ...]
    """In the order of files and lines."""
    files: tuple[Path, ...]
    """Every file that was read, the secrets' too: what a reload must look at."""
    sources: Sources
    """Where each value stands: `sources.problem(steps, what, mend)` tells of it."""
    seen: Settings | None = None
    """What could be read of it, for further checks only; None when there is nothing to look at."""


def load(path: Path, environ: Mapping[str, str]) -> Loaded:
    """Read the configuration whose main file is `path`. Never raises for what stands in it."""
    sources = Sources(path, environ)
    seen = None
    try:
        data = sources.read(path, begin="hostname: mx1.shop.example")
    except UnreadableError as error:
        data = None
        sources.add((), f"cannot be read: {error}", "name the file with --config FILE")
    if data is not None:
        _include_sites(data, sources)
        seen = _look(data, sources)
    problems = ordered(sources.problems, sources)
    wrong = any(not problem.warning for problem in problems)
    settings = None if wrong or data is None else Settings.model_validate(data)
    return Loaded(settings, problems, tuple(dict.fromkeys(sources.files)), sources, seen)


def _look(data: dict[str, Any], sources: Sources) -> Settings | None:
    """Tell the mistakes of spelling, of paths and of names, each among all that could be read."""
    if repaired(data, sources) is None:
        return None
    resolve_paths(data, sources)
    check_names(data, sources)
    return repaired(data, sources)


def _include_sites(data: dict[str, Any], sources: Sources) -> None:
    """Put each site's file in the place of its name; what cannot be read is left out."""
    sites = data.get("sites")
    if not isinstance(sites, list):
        return
    if len(sites) > MAX_SITES:
        sources.add(("sites",), f"more than {MAX_SITES} sites", "use several gateways")
        del sites[MAX_SITES:]
    broken = []
    for index, entry in enumerate(sites):
        if isinstance(entry, str):
            sites[index] = _site(entry, ("sites", index), sources)
            if sites[index] is None:
                broken.append(index)
    for index in reversed(broken):
        take_out(data, ("sites", index), sources)


def _site(name: str, steps: Steps, sources: Sources) -> dict[str, Any] | None:
    try:
        site: dict[str, Any] | None = sources.read(
            sources.folder(steps) / name, steps, begin="site: shop"
        )
    except UnreadableError as error:
        what = f"{sources.shown(steps, name)} cannot be read: {error}"
        sources.add(steps, what, "mend the path; it is relative to this file")
        return None
    return site


def ordered(problems: Iterable[Problem], sources: Sources) -> tuple[Problem, ...]:
    """By file in the order they were read, then by line; each once."""
    rank = {path: index for index, path in enumerate(sources.files)}
    unique = dict.fromkeys(problems)
    return tuple(
        sorted(unique, key=lambda problem: (rank.get(problem.file, len(rank)), problem.line))
    )
