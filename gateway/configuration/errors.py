"""pydantic's errors in the words of the person who writes the YAML, at the place they wrote it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from pydantic import ValidationError

from gateway.configuration.schema import advice, closest, country, wrapped
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
_PERCENT = re.compile(r"\d{1,3}(?:\.\d{1,6})? ?%")
_YES = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}
_EXAMPLES = {
    "hostname": "mx1.shop.example",
    "listen": '[{address: "0.0.0.0:25"}]',
    "store": "sqlite:var/gateway.db",
    "next_hops": '{mailbox: {address: "lmtp://127.0.0.1:24"}}',
    "sites": "[sites/shop.yaml]",
    "site": "shop",
    "domains": "[shop.example]",
    "next_hop": "mailbox",
    "routes": '[{to: "*@shop.example", acknowledge: received}]',
    "selector": "gw",
    "key": "!file keys/shop.pem",
    "cert": "keys/fullchain.pem",
}
_LATER_PROTOCOLS = ("submission", "lmtp", "milter")
_SPELLINGS = {
    "site": "a site's name is made of a-z, 0-9, - and _, at most 40 characters",
    "region": "a region is a country's two letters, such as US or DE",
    "selector": "a selector is made of letters, digits, '.', '-' and '_'",
    "tags": "a tag is made of a-z, 0-9, '=', '-' and '_', at most 40 characters",
}


Errors: TypeAlias = Sequence[Mapping[str, Any]]


def grouped(error: ValidationError, data: Any) -> dict[Steps, list[Errors]]:
    """What pydantic says of each value of `data`, and apart from it of the key it stands under."""
    values: dict[Steps, list[Mapping[str, Any]]] = {}
    keys: dict[Steps, list[Mapping[str, Any]]] = {}
    for each in error.errors(include_url=False):
        if not _echo(each):
            kind = keys if each["loc"] and each["loc"][-1] == "[key]" else values
            kind.setdefault(_steps(each, data), []).append(each)
    return {
        steps: [kind[steps] for kind in (keys, values) if steps in kind]
        for steps in dict.fromkeys([*keys, *values])
    }


def tell(steps: Steps, errors: Errors, sources: Sources) -> None:
    what, mend = _words(steps, errors, sources)
    sources.add(steps, what, mend)


def has_step(data: Any, step: str | int) -> bool:
    if isinstance(data, list):
        return isinstance(step, int) and step < len(data)
    return isinstance(data, dict) and step in data


def _steps(error: Mapping[str, Any], data: Any) -> Steps:
    """pydantic's location without the names of the union members it tried."""
    steps: Steps = ()
    loc: Steps = error["loc"]
    for index, step in enumerate(loc):
        last = index == len(loc) - 1
        if has_step(data, step):
            steps, data = (*steps, step), data[step]
        elif last and error["type"] == "missing":
            steps = (*steps, step)
    return steps


def _echo(error: Mapping[str, Any]) -> bool:
    """A list is called too short when its items are wrong: they are told by themselves."""
    return error["type"] == "too_short" and bool(error["input"])


def mended(errors: Errors, steps: Steps) -> object:
    """The value as the message advises to write it; None where it can only be taken out."""
    value, wish = errors[0]["input"], wanted(errors)
    if wish == "a map of keys and values":
        return wrapped(value, steps)
    if isinstance(value, str):
        if wish == "a list":
            return [value]
        if wish == "true or false" and value.lower() in _YES:
            return _YES[value.lower()] == "true"
        if "number" in wish and value.isdecimal() and len(value) < 10:
            return int(value)
        return _closest_literal(value, wish) or None
    if wish.startswith("text") and isinstance(value, int | float):
        return str(value)
    return None


def _words(steps: Steps, errors: Errors, sources: Sources) -> tuple[str, str]:
    first = errors[0]
    kind, value = first["type"], first["input"]
    given = sources.shown(steps, value)
    if kind == "missing":
        key = str(steps[-1])
        return "is missing", f"add here: {key}: {_EXAMPLES.get(key, '…')}"
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
        if name == "region" and isinstance(value, str) and len(value) == 2:
            return f"{given} does not fit", f"write {country(value)}"
        return f"{given} does not fit", _SPELLINGS.get(name, f"it must match {first['ctx']}")
    if steps[-1:] == ("protocol",) and value in _LATER_PROTOCOLS:
        return f"{given} is not built yet", "only smtp is; remove this listener"
    return _wrong_type(value, given, errors, steps)


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


def wanted(errors: Errors) -> str:
    """What would fit, in words: 'true or false', 'a list'."""
    words = [
        _WANTED.get(error["type"]) or str(error.get("ctx", {}).get("expected", "something else"))
        for error in errors
    ]
    return " or ".join(dict.fromkeys(words))


def named_sites(value: object) -> bool:
    """Sites that were written as a map by their names."""
    return (
        isinstance(value, dict)
        and "site" not in value
        and all(isinstance(site, dict) for site in value.values())
    )


def _wrong_type(value: object, given: str, errors: Errors, steps: Steps) -> tuple[str, str]:
    wish = wanted(errors)
    if value is None:
        return f"has no value, where {wish} is wanted", "give one, or remove the key"
    if steps == ("sites",) and isinstance(value, dict):
        return f"{given} is not {wish}", "begin each site with '- site: NAME'"
    short = wrapped(value, steps) if wish == "a map of keys and values" else None
    if short:
        ((key, inner),) = short.items()
        hidden = given == "the value" or not isinstance(inner, str)
        return f"{given} is not {wish}", f"write {{{key}: {'…' if hidden else _quoted(inner)}}}"
    return f"{given} is not {wish}", _mend(value, given, wish)


def _quoted(text: str) -> str:
    """As it may stand within { }."""
    plain = all(char.isalnum() or char in "._-@" for char in text)
    return shown(text) if plain else f'"{shown(text)}"'


def _mend(value: object, given: str, wish: str) -> str:
    hidden = given == "the value"
    if wish == "true or false" and isinstance(value, str):
        return f"write {_YES.get(value.lower(), 'true or false')}, without quotes"
    if wish.startswith("text") and isinstance(value, int | float):
        return "put it in quotes" if hidden else f'put it in quotes: "{given}"'
    if wish == "a list" and isinstance(value, str):
        return "put it in brackets" if hidden else f"put it in brackets: [{shown(value)}]"
    if "number" in wish and isinstance(value, str) and _PERCENT.fullmatch(value):
        return f"write {float(value.rstrip(' %')) / 100:g}"
    if "number" in wish and not isinstance(value, int | float):
        return f"write {wish}, without quotes"
    if wish.startswith("'") and isinstance(value, str):
        close = _closest_literal(value, wish)
        return f"did you mean '{close}'?" if close else f"write {wish}"
    return f"write {wish}"


def _closest_literal(value: str, wish: str) -> str:
    """The one of the words in quotes that this looks like, or nothing."""
    words = [word.strip("'") for word in wish.replace(" or ", ", ").split(", ")]
    return closest(value, words, 0.6) if wish.startswith("'") else ""
