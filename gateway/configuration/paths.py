"""Paths in the configuration: each relative to the file that names it, made absolute here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from gateway.configuration.yaml_values import Sources
from gateway.problems import Steps, shown

Pattern = tuple[str | None, ...]
"""Steps to a value; None is every item of a list or every key of a map."""

_STORE_SCHEMES = "a store is sqlite:///ABSOLUTE/PATH, sqlite:PATH or postgresql://USER@HOST/NAME"


def select(data: Any, pattern: Pattern, at: Steps = ()) -> Iterator[tuple[Steps, dict[str, Any]]]:
    """The maps that hold what `pattern` means, with the steps to it. Passes by what is malformed.

    The last step of the pattern is a key that the map has.
    """
    step, rest = pattern[0], pattern[1:]
    if isinstance(step, str):
        if isinstance(data, dict) and step in data:
            if rest:
                yield from select(data[step], rest, (*at, step))
            else:
                yield (*at, step), data
    elif isinstance(data, list):
        for index, item in enumerate(data):
            yield from select(item, rest, (*at, index))
    elif isinstance(data, dict):
        for key, item in data.items():
            yield from select(item, rest, (*at, key))


def resolve_paths(data: dict[str, Any], sources: Sources) -> None:
    """Make every path absolute; tell of files that are wanted and missing."""
    for pattern in (
        ("listen", None, "tls", "cert"),
        ("listen", None, "tls", "key"),
        ("next_hops", None, "authorities"),
        ("next_hops", None, "certificate", "cert"),
        ("next_hops", None, "certificate", "key"),
        ("sites", None, "recipients", "file"),
    ):
        _each(data, pattern, sources, _file)
    data.setdefault("templates", None)
    if data["templates"] is None and not sources.has(("templates",)):
        data["templates"] = "templates"
        _each(data, ("templates",), sources, _absolute)
    else:
        _each(data, ("templates",), sources, _folder)
    _each(data, ("next_hops", None, "address"), sources, _hop)
    _each(data, ("filters", None, "model"), sources, _model)
    _each(data, ("filters", None, "second_look"), sources, _model)
    _each(data, ("store",), sources, _store)
    _each(data, ("state",), sources, _absolute)


def _each(
    data: Any, pattern: Pattern, sources: Sources, change: Callable[[str, Steps, Sources], str]
) -> None:
    for steps, holder in select(data, pattern):
        key = str(steps[-1])
        if isinstance(holder[key], str) and sources.sound(steps):
            holder[key] = change(holder[key], steps, sources)


def _absolute(text: str, steps: Steps, sources: Sources) -> str:
    return str((sources.folder(steps).absolute() / text).resolve())


def _file(text: str, steps: Steps, sources: Sources) -> str:
    path = _absolute(text, steps, sources)
    if not Path(path).is_file():
        what = "no such file" + ("" if sources.is_private(steps) else f": '{shown(text, 200)}'")
        sources.add(steps, what, "mend the path; it is relative to this file")
    else:
        sources.files.append(Path(path))
    return path


def _folder(text: str, steps: Steps, sources: Sources) -> str:
    path = _absolute(text, steps, sources)
    if not Path(path).is_dir():
        what = "no such folder" + ("" if sources.is_private(steps) else f": '{shown(text, 200)}'")
        sources.add(steps, what, "mend the path; it is relative to this file")
    return path


def _hop(text: str, steps: Steps, sources: Sources) -> str:
    scheme, colon, path = text.partition(":")
    if scheme != "maildir" or not colon or not path:
        return text
    return "maildir:" + _absolute(path, steps, sources)


def _model(text: str, steps: Steps, sources: Sources) -> str:
    """A model's name without a slash is a shipped one, else a folder."""
    named = "/" in text or text.startswith(".")
    return _folder(text, steps, sources) if named else text


def _store(text: str, steps: Steps, sources: Sources) -> str:
    """`sqlite:///ABSOLUTE/PATH`, whichever way it was written; a PostgreSQL URL as it is."""
    scheme, _, rest = text.partition(":")
    if scheme in ("postgresql", "postgres"):
        if not rest.startswith("//") or len(rest) == 2:
            sources.add(steps, "not a store", _STORE_SCHEMES)
        return text
    path = rest.removeprefix("//") if rest.startswith("///") else rest
    if scheme != "sqlite" or not path or path.startswith("//"):
        sources.add(steps, "not a store", _STORE_SCHEMES)
        return text
    return "sqlite://" + _absolute(path, steps, sources)
