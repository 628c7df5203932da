"""What the settings models say about themselves: which keys a place knows, and where a key belongs.

Serves the error messages and the reference; the models of `settings/` are the only source.
"""

from __future__ import annotations

import difflib
import types
from collections.abc import Iterator
from functools import cache
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from gateway.problems import Steps
from gateway.settings import Settings, Site

NOT_BUILT = {
    "Settings": ("web", "metrics", "retention"),
    "Listener": ("auth",),
    "Site": ("command_domain",),
    "Recipients": ("callout",),
}
"""Keys of the plan that a later version brings: refused today with a message of their own."""


def key_of(name: str, field: FieldInfo) -> str:
    """A field's key in the YAML."""
    return field.alias or name


def fields(model: type[BaseModel]) -> Iterator[tuple[str, str, FieldInfo]]:
    """Every key of a model with its field: (key, attribute name, field)."""
    for name, field in model.model_fields.items():
        yield key_of(name, field), name, field


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models that a value of this annotation may be, not looking into lists and maps."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) in (Union, types.UnionType):
        for choice in get_args(annotation):
            yield from models_in(choice)
    elif get_origin(annotation) is Annotated:
        yield from models_in(get_args(annotation)[0])


def held(annotation: Any, where: str) -> Iterator[tuple[type[BaseModel], str]]:
    """The models that a value under the key `where` may be or hold, each with its place: `[]` is
    one of a list, `.NAME` one of a map."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is tuple:
        yield from held(args[0], where + "[]")
    elif origin is dict:
        yield from held(args[1], where + ".NAME")
    for model in models_in(annotation):
        yield model, where


def below(annotation: Any, step: str | int) -> Iterator[Any]:
    """The annotations that one step further may lead to."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        yield from below(args[0], step)
    elif origin in (Union, types.UnionType):
        for choice in args:
            yield from below(choice, step)
    elif origin is tuple and isinstance(step, int):
        yield args[0]
    elif origin is dict and isinstance(step, str):
        yield args[1]
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        for key, _, field in fields(annotation):
            if key == step:
                yield field.annotation


def models_at(steps: Steps) -> list[type[BaseModel]]:
    """The models that the value at `steps` may be."""
    annotations: list[Any] = [Settings]
    for step in steps:
        annotations = [found for each in annotations for found in below(each, step)]
    return [model for annotation in annotations for model in models_in(annotation)]


@cache
def homes() -> dict[str, tuple[str, ...]]:
    """Every key of the settings with the places it belongs to, such as `sites[].routes[].to`."""
    found: dict[str, list[str]] = {}

    def walk(annotation: Any, where: str) -> None:
        for model, place in held(annotation, where):
            for key, _, field in fields(model):
                path = f"{place}.{key}" if place else key
                found.setdefault(key, []).append(path)
                walk(field.annotation, path)

    walk(Settings, "")
    return {key: tuple(places) for key, places in found.items()}


def closest(word: str, words: list[str], cutoff: float) -> str:
    """The known word most like this one, or nothing."""
    plain = word[:60].lower().replace("-", "_").replace(" ", "_")
    for known in words:  # letters in another order, which difflib thinks little of: smap, spam
        if sorted(known) == sorted(plain):
            return known
    return next(iter(difflib.get_close_matches(plain, words, 1, cutoff)), "")


def advice(key: str, steps: Steps) -> tuple[str, str]:
    """(what is wrong, how to mend it) for a key that the map at `steps` does not know."""
    if _later(key, steps):
        return "not built yet", "remove this key; the changelog will say when it comes"
    close = meant(key, steps)
    if close:
        return "unknown key", f"did you mean '{close}'?"
    if key in homes():
        return "unknown key here", f"it belongs to {' or '.join(homes()[key][:3])}"
    return "unknown key", "known here are " + ", ".join(key_names(steps))


def meant(key: str, steps: Steps) -> str:
    """The key of the map at `steps` that this one looks like, or nothing."""
    if _later(key, steps):
        return ""
    known = key_names(steps)
    # A key that belongs elsewhere is rather misplaced than misspelt.
    return closest(key, known, 0.75) or ("" if key in homes() else closest(key, known, 0.55))


def key_names(steps: Steps) -> list[str]:
    """Every key that the map at `steps` knows."""
    return [name for model in models_at(steps) for name, _, _ in fields(model)]


def _later(key: str, steps: Steps) -> bool:
    return any(key in NOT_BUILT.get(model.__name__, ()) for model in models_at(steps))


COUNTRIES = {"UK": "GB", "EN": "GB", "EL": "GR"}
"""What is written for a country whose two letters are others."""


def country(letters: str) -> str:
    return COUNTRIES.get(letters.upper(), letters.upper())


_WRAPPED = {
    "NextHop": "address",
    "Listener": "address",
    "FilterUse": "use",
    "FormSender": "address",
}

_LISTED = {"Recipients": "list", "Calls": "notify"}


def wrapped(value: object, steps: Steps) -> dict[str, Any] | None:
    """A map that was written short, as the value of its first key: `[spf]` for `[{use: spf}]`."""
    for model in models_at(steps):
        name = model.__name__
        if isinstance(value, str) and name in _WRAPPED:
            return {_WRAPPED[name]: value}
        if isinstance(value, str) and name == "Route" and ("@" in value or "*" in value):
            return {"to": value}
        if isinstance(value, list) and name in _LISTED:
            return {_LISTED[name]: value}
    return None


SITE_KEYS = frozenset(key for key, _, _ in fields(Site))
