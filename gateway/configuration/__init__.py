"""Load the configuration: YAML files in, frozen Settings out, or every mistake at once.

Paths in a file are relative to that file. What needs more than the files themselves (templates,
models, ports, DNS) is looked at by `check.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from gateway.configuration import errors
from gateway.configuration.names import check_names
from gateway.configuration.paths import resolve_paths
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


def load(path: Path, environ: Mapping[str, str]) -> Loaded:
    """Read the configuration whose main file is `path`. Never raises for what stands in it."""
    sources = Sources(path, environ)
    settings = None
    try:
        data = sources.read(path)
    except UnreadableError as error:
        data = None
        sources.add((), f"cannot be read: {error}", "name the file with --config FILE")
    if data is not None:
        broken = _include_sites(data, sources)
        resolve_paths(data, sources)
        check_names(data, sources)
        settings = _validate(data, sources, broken)
    problems = _ordered(sources)
    if any(not problem.warning for problem in problems):
        settings = None
    return Loaded(settings, problems, tuple(dict.fromkeys(sources.files)), sources)


def _include_sites(data: dict[str, Any], sources: Sources) -> list[Steps]:
    """Put each site's file in the place of its name; gives the places that could not be read."""
    broken: list[Steps] = []
    sites = data.get("sites")
    if not isinstance(sites, list):
        return broken
    for index, entry in enumerate(sites[:MAX_SITES]):
        if not isinstance(entry, str):
            continue
        steps: Steps = ("sites", index)
        site = None
        try:
            site = sources.read(sources.folder(steps) / entry, steps)
        except UnreadableError as error:
            what = f"{sources.shown(steps, entry)} cannot be read: {error}"
            sources.add(steps, what, "mend the path; it is relative to this file")
        if site is None:
            broken.append(steps)
            site = {}
        sites[index] = site
    if len(sites) > MAX_SITES:
        sources.add(("sites",), f"more than {MAX_SITES} sites", "use several gateways")
    return broken


def _validate(data: dict[str, Any], sources: Sources, broken: list[Steps]) -> Settings | None:
    try:
        return Settings.model_validate(data)
    except ValidationError as error:
        told = bool(sources.problems)
        # The models' own look at names comes last and stops at the first: ours told them all.
        errors.tell(error, sources, [*broken, ()] if told and _whole(error) else broken)
        return None


def _whole(error: ValidationError) -> bool:
    return all(not each["loc"] for each in error.errors(include_url=False))


def _ordered(sources: Sources) -> tuple[Problem, ...]:
    """By file in the order they were read, then by line; each once."""
    rank = {path: index for index, path in enumerate(sources.files)}
    unique = dict.fromkeys(sources.problems)
    return tuple(
        sorted(unique, key=lambda problem: (rank.get(problem.file, len(rank)), problem.line))
    )
