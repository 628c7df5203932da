"""pydantic's errors in the words of the person who writes the YAML, at the place they wrote it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from gateway.configuration.schema import advice, closest
from gateway.configuration.yaml_values import Sources
from gateway.problems import Steps, shown

_WANTED = {
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "string_type": "text",
    "tuple_type": "a list",
    "dict_type": "a map of keys and values",
    "model_type": "a map of keys and values",
    "path_type": "a path",
}
_YES = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}
_SPELLINGS = {
    "site": "a site's name is made of a-z, 0-9, - and _, at most 40 characters",
    "region": "a region is a country's two letters, such as US or DE",
    "selector": "a selector is made of letters, digits, '.', '-' and '_'",
    "tags": "a tag is made of a-z, 0-9, '=', '-' and '_', at most 40 characters",
}


def tell(error: ValidationError, sources: Sources, skip: Sequence[Steps] = ()) -> None:
    """Add a problem for each mistake pydantic saw and nobody told, but for those below `skip`."""
    told = frozenset(sources.told)
    groups: dict[Steps, list[Mapping[str, Any]]] = {}
    for each in error.errors(include_url=False):
        steps = _steps(each, sources)
        passed = steps in told or any(steps[: len(known)] == known for known in skip)
        if not passed and not _echo(each):
            groups.setdefault(steps, []).append(each)
    for steps, errors in groups.items():
        what, mend = _words(steps, errors, sources)
        sources.add(steps, what, mend)


def _steps(error: Mapping[str, Any], sources: Sources) -> Steps:
    """pydantic's location without the names of the union members it tried."""
    steps: Steps = ()
    loc: Steps = error["loc"]
    for index, step in enumerate(loc):
        last = index == len(loc) - 1
        if sources.has((*steps, step)) or (last and error["type"] == "missing"):
            steps = (*steps, step)
    return steps


def _echo(error: Mapping[str, Any]) -> bool:
    """A list is called too short when its items are wrong: they are told by themselves."""
    return error["type"] == "too_short" and bool(error["input"])


def _words(steps: Steps, errors: Sequence[Mapping[str, Any]], sources: Sources) -> tuple[str, str]:
    first = errors[0]
    kind, value = first["type"], first["input"]
    given = sources.shown(steps, value)
    if kind == "missing":
        return "is missing", f"add '{shown(str(steps[-1]))}: …' here"
    if kind == "extra_forbidden":
        return _unknown_key(steps, value)
    if kind == "value_error" and value is None:
        return "has no value", "give one, or remove the key"
    if kind == "value_error":
        return _value_error(str(first["ctx"]["error"]), given, hide=sources.is_private(steps))
    if kind in ("greater_than_equal", "less_than_equal"):
        bound = next(iter(first["ctx"].values()))
        side = "least" if kind.startswith("greater") else "most"
        return f"{given} is out of range", f"at {side} {bound} is wanted"
    if kind == "too_short":
        return "the list is empty", "give at least one"
    if kind == "string_pattern_mismatch":
        name = next((step for step in reversed(steps) if isinstance(step, str)), "")
        return f"{given} does not fit", _SPELLINGS.get(name, f"it must match {first['ctx']}")
    return _wrong_type(value, given, errors)


def _unknown_key(steps: Steps, value: object) -> tuple[str, str]:
    key = str(steps[-1])
    if ":" in key and value is None:
        return "a key without a space after its colon", "write 'key: value'"
    return advice(key, steps[:-1])


def _value_error(text: str, given: str, *, hide: bool) -> tuple[str, str]:
    if text.startswith("not an RE2 pattern"):
        mend = "RE2 knows no look-around and no back-references; quote patterns with '…'"
        return "not an RE2 pattern" if hide else shown(text, 200), mend
    return f"{given} does not fit", shown(text, 300)


def _wrong_type(value: object, given: str, errors: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    wanted = [
        _WANTED.get(error["type"]) or str(error.get("ctx", {}).get("expected", "something else"))
        for error in errors
    ]
    wish = " or ".join(dict.fromkeys(wanted))
    if value is None:
        return f"has no value, where {wish} is wanted", "give one, or remove the key"
    return f"{given} is not {wish}", _mend(value, given, wish)


def _mend(value: object, given: str, wish: str) -> str:
    hidden = given == "the value"
    if wish == "true or false" and isinstance(value, str):
        return f"write {_YES.get(value.lower(), 'true or false')}, without quotes"
    if wish.startswith("text") and isinstance(value, int | float):
        return "put it in quotes" if hidden else f'put it in quotes: "{given}"'
    if wish == "a list" and isinstance(value, str):
        return "put it in brackets" if hidden else f"put it in brackets: [{shown(value)}]"
    if "number" in wish and not isinstance(value, int | float):
        return f"write {wish}, without quotes"
    if wish.startswith("'") and isinstance(value, str):
        close = closest(
            value, [word.strip("'") for word in wish.replace(" or ", ", ").split(", ")], 0.5
        )
        return f"did you mean '{close}'?" if close else f"write {wish}"
    return f"write {wish}"
