"""Read on after a mistake, so that every later check sees whatever was right.

Each wrong value is mended in memory as its message advises (`acknowlege` is read as `acknowledge`,
`yes` as true), else taken out: a key falls back to its default, an item leaves its list, and what
must be there gets a stand-in. Such settings are only looked at, never run; a check that would speak
of a value that was not sound asks `Sources.sound` first.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from pydantic import ValidationError

from gateway.configuration import errors
from gateway.configuration.schema import fields, key_names, meant, models_at
from gateway.configuration.yaml_source import plain_value
from gateway.configuration.yaml_values import Sources
from gateway.problems import Steps
from gateway.settings import NAMES_ARE_TOLD, Settings

ROUNDS = 20
"""Each round tells all that pydantic sees; a mend can show no more than what it uncovers."""

_STAND_INS: dict[tuple[str, str], Any] = {
    ("Settings", "hostname"): "unknown.invalid",
    ("Settings", "store"): "sqlite:unknown.db",
    ("Settings", "listen"): [{"address": "127.0.0.1:0"}],
    ("Settings", "next_hops"): {"unknown": {"address": "smtp://unknown.invalid"}},
    ("Listener", "address"): "127.0.0.1:0",
    ("Tls", "cert"): "unknown",
    ("Tls", "key"): "unknown",
    ("NextHop", "address"): "smtp://unknown.invalid",
    ("FilterUse", "use"): "unknown",
    ("DmarcReports", "from"): "unknown@unknown.invalid",
    ("Site", "site"): "unknown",
    ("Site", "domains"): ["unknown.invalid"],
    ("Site", "next_hop"): "unknown",
    ("Site", "routes"): [{}],
    ("Signing", "domain"): "unknown.invalid",
    ("Signing", "selector"): "unknown",
    ("Signing", "key"): "unknown",
    ("FormSender", "address"): "unknown@unknown.invalid",
}


def repaired(data: dict[str, Any], sources: Sources) -> Settings | None:
    """Tell every mistake of `data` that pydantic sees, and change `data` until none is left.

    None only where that cannot be done.
    """
    for _ in range(ROUNDS):
        try:
            return Settings.model_validate(data, context=NAMES_ARE_TOLD)
        except ValidationError as error:
            found = errors.grouped(error, data)
        uncovered = _renames(found, data)
        for steps, several in found.items():
            if steps not in uncovered and not sources.was_told(steps):
                for each in several:
                    errors.tell(steps, each, sources)
        for steps in sorted(found, key=_from_the_end, reverse=True):
            if steps not in uncovered and steps:
                _mend(data, steps, found[steps], sources)
    return None


def _from_the_end(steps: Steps) -> tuple[tuple[int, str], ...]:
    """Items leave a list from its end, so that the indices before them still hold."""
    return tuple((step, "") if isinstance(step, int) else (-1, step) for step in steps)


def _renames(found: dict[Steps, list[errors.Errors]], data: Any) -> frozenset[Steps]:
    """The missing keys that are only misspelt: the unknown key beside them tells it."""
    return frozenset(
        (*steps[:-1], key)
        for steps, several in found.items()
        if several[0][0]["type"] == "extra_forbidden"
        and (key := _spelt(str(steps[-1]), several[0][0]["input"], steps[:-1]))
    ) - frozenset(steps for steps in found if errors.has_step(_at(data, steps[:-1]), steps[-1]))


def _spelt(key: str, value: object, holder: Steps) -> str:
    """The key that an unknown one stands for, or nothing."""
    name = key.partition(":")[0]
    if name != key and value is None:
        return name if name in key_names(holder) else ""
    return meant(key, holder)


def _at(data: Any, steps: Steps) -> Any:
    for step in steps:
        data = data[step]
    return data


def _mend(data: Any, steps: Steps, several: list[errors.Errors], sources: Sources) -> None:
    first = several[0][0]
    if first["type"] == "missing":
        _at(data, steps[:-1])[steps[-1]] = _stand_in(steps)
    elif first["type"] == "extra_forbidden":
        _rename(data, steps, sources)
    elif steps == ("sites",) and errors.named_sites(first["input"]):
        sources.listed(steps, [*first["input"]])
        data["sites"] = [{"site": name, **site} for name, site in first["input"].items()]
    elif first["loc"][-1] == "[key]":
        take_out(data, steps, sources)
    elif (better := errors.mended(several[0], steps)) is not None and better != first["input"]:
        _at(data, steps[:-1])[steps[-1]] = better
    else:
        take_out(data, steps, sources)


def _rename(data: Any, steps: Steps, sources: Sources) -> None:
    """An unknown key becomes the one that was meant, unless that stands there too."""
    holder, key = _at(data, steps[:-1]), str(steps[-1])
    value = holder.pop(key)
    spelt = _spelt(key, value, steps[:-1])
    if not spelt or spelt in holder:
        return
    sources.renamed(steps, spelt)
    holder[spelt] = plain_value(key.partition(":")[2].strip()) if ":" in key else value


def take_out(data: Any, steps: Steps, sources: Sources) -> None:
    """Leave a value out, or put a stand-in where there must be one."""
    holder, key = _at(data, steps[:-1]), steps[-1]
    if isinstance(holder, list):
        sources.dropped(steps, len(holder))
        holder.pop(int(key))
        if not holder:
            take_out(data, steps[:-1], sources)
        return
    replacement = _stand_in(steps)
    if replacement is None:
        del holder[key]
    else:
        holder[key] = replacement


def _stand_in(steps: Steps) -> Any:
    """What stands for a value that must be there; None where it may be missing."""
    above = models_at(steps[:-1])
    for model in above:
        for key, _, field in fields(model):
            if key == steps[-1] and field.is_required():
                return _made(model.__name__, key)
    if above:
        return None
    if (steps[0], len(steps)) in (("filters", 4), ("sites", 5)) and "then" in steps:
        return "tag"  # so that the word it stands under is looked at
    # In a map of names (`next_hops`) the name stays known, whatever is wrong with its value.
    for model in models_at(steps):
        return _all_of(model.__name__)
    return None


def _all_of(model: str) -> dict[str, Any]:
    return {key: _made(name, key) for name, key in _STAND_INS if name == model}


def _made(model: str, key: str) -> Any:
    """A stand-in of its own for each place, since `data` is changed where it stands."""
    if (model, key) == ("Settings", "sites"):
        return [_all_of("Site")]
    return deepcopy(_STAND_INS[model, key])
