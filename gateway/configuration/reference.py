"""The configuration reference, written from the settings models: it cannot lag behind them."""

from __future__ import annotations

import ast
import inspect
import re
import types
from collections.abc import Iterator, Mapping
from datetime import timedelta
from functools import cache
from importlib.resources import files
from pathlib import Path
from textwrap import dedent
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

import gateway.settings as models
from gateway.configuration.schema import fields, held
from gateway.verdict import Action

SPELLINGS = {
    "Duration": "duration",
    "Span": "duration or working time",
    "Quota": "rate",
    "Size": "size",
    "Probability": "0 to 1",
    "ActionWord": "action",
    "Pattern": "pattern",
    "EmailAddress": "address",
    "Domain": "domain",
    "HostPort": "IP:port",
    "Network": "network",
    "Flag": "true, false",
    "Count": "number",
}
"""What the types with a spelling of their own are called in the reference."""


def reference() -> str:
    """The whole page, Markdown."""
    head = (files("gateway.configuration") / "reference.md").read_text("utf-8").rstrip()
    sections = [section(model, where) for model, where in tree()]
    return "\n\n".join([head, *sections]) + "\n"


def tree() -> list[tuple[type[BaseModel], str]]:
    """Every model with the key it stands under, from the top down, each once."""
    found: dict[type[BaseModel], str] = {}

    def walk(annotation: Any, where: str) -> None:
        for model, place in held(annotation, where):
            if model in found or model in (models.Rate, models.WorkingTime):
                continue
            found[model] = place
            for key, _, field in fields(model):
                walk(field.annotation, f"{place}.{key}" if place else key)

    walk(models.Settings, "")
    return list(found.items())


def section(model: type[BaseModel], where: str) -> str:
    title = f"## `{where}`" if where else "## The main file"
    # A model without a docstring inherits pydantic's.
    text = inspect.cleandoc(model.__dict__.get("__doc__") or "")
    rows = ["| key | is | default | meaning |", "| --- | --- | --- | --- |"]
    rows += [row(model, key, name, field) for key, name, field in fields(model)]
    return "\n\n".join(part for part in (title, text, "\n".join(rows)) if part)


def row(model: type[BaseModel], key: str, name: str, field: FieldInfo) -> str:
    hint = get_type_hints(model, include_extras=True)[name]
    meaning = meanings(model).get(name, "")
    cells = (f"`{key}`", kind(hint), default(field), " ".join(meaning.split()))
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


@cache
def meanings(model: type[BaseModel]) -> Mapping[str, str]:
    """The string below each attribute of a model's source."""
    body = ast.parse(dedent(inspect.getsource(model))).body[0]
    assert isinstance(body, ast.ClassDef)  # noqa: S101 - inspect promises it
    found = {}
    for first, second in zip(body.body, body.body[1:], strict=False):
        if (
            isinstance(first, ast.AnnAssign)
            and isinstance(first.target, ast.Name)
            and isinstance(second, ast.Expr)
            and isinstance(second.value, ast.Constant)
        ):
            found[first.target.id] = str(second.value.value)
    return found


@cache
def _spellings() -> list[tuple[Any, str]]:
    return [(getattr(models, name), words) for name, words in SPELLINGS.items()]


def kind(hint: Any) -> str:
    """A type in the words of who writes YAML."""
    for known, words in _spellings():
        if hint == known:
            return words
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return kind(args[0])
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in args)
    if origin in (Union, types.UnionType):
        return " or ".join(kind(choice) for choice in args if choice is not type(None))
    if origin is tuple:
        return f"list of {_plural(kind(args[0]))}"
    if origin is dict:
        return f"map: {kind(args[0])} to {kind(args[1])}"
    return _plain(hint)


def _plain(hint: Any) -> str:
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        return "map"
    named = {str: "text", SecretStr: "secret text", int: "number", float: "number", Path: "path"}
    return named.get(hint, "text")


def _plural(words: str) -> str:
    if words.startswith("`") or not words.isalpha():
        return words
    return words + ("es" if words.endswith("s") else "s")


def default(field: FieldInfo) -> str:
    if field.is_required():
        return "**required**"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, BaseModel) and not isinstance(value, models.Rate):
        return ""  # its own section tells
    text = spelled(value)
    return f"`{text}`" if text else ""


def spelled(value: object) -> str:
    """A default as it would stand in the YAML; empty for nothing."""
    match value:
        case None | "" | ():
            return ""
        case bool():
            return str(value).lower()
        case timedelta():
            return _duration(value)
        case models.Rate():
            period = {60: "minute", 3600: "hour", 86400: "day"}[int(value.period.total_seconds())]
            return f"{value.count} per {period}"
        case Action():
            return value.word
        case SecretStr():
            return value.get_secret_value()
        case tuple() | list():
            return "[" + ", ".join(spelled(item) for item in value) + "]"
        case dict():
            items = (f'{key}: "{spelled(item)}"' for key, item in value.items())
            return "{" + ", ".join(items) + "}" if value else ""
        case int() if value >= 1024 and value % 1024 == 0:
            return f"{value >> 20}MB" if value % (1 << 20) == 0 else f"{value >> 10}KB"
        case _:
            return str(value)


def _duration(value: timedelta) -> str:
    seconds = int(value.total_seconds())
    for length, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds and seconds % length == 0:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"


def keys() -> Iterator[tuple[str, str]]:
    """Every key with the model it belongs to: for the test that all are documented."""
    for model, where in tree():
        for key, name, _ in fields(model):
            if not re.match(r"_", name):
                yield where, key
