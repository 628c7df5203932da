"""Names in the configuration that must fit each other: next hops, filters, sites, domains.

Works on the values as read, before the models see them, so that these mistakes are told together
with all others; what has a wrong type is passed by here and told there.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import entry_points
from typing import Any

from gateway.configuration.paths import select
from gateway.configuration.schema import closest
from gateway.configuration.yaml_values import Sources
from gateway.problems import Steps, shown

FILTER_GROUP = "gateway.filters"
_LATER_PROTOCOLS = ("submission", "lmtp", "milter")


def check_names(data: dict[str, Any], sources: Sources) -> None:
    _next_hops(data, sources)
    _filters(data, sources)
    for pattern, what in (
        (("sites", None, "site"), "site"),
        (("sites", None, "domains", None), "domain"),
        (("filters", None, "use"), "filter"),
        (("listen", None, "address"), "address"),
    ):
        _each_once(list(_words(data, pattern)), what, sources)
    _protocols(data, sources)
    _thresholds(data, sources)


def _words(data: Any, pattern: tuple[str | None, ...]) -> Iterable[tuple[Steps, str]]:
    """The texts at `pattern`, which may end in 'every item'."""
    if pattern[-1] is not None:
        for steps, holder in select(data, pattern):
            if isinstance(holder[str(steps[-1])], str):
                yield steps, holder[str(steps[-1])]
        return
    for steps, holder in select(data, pattern[:-1]):
        items = holder[str(steps[-1])]
        for index, item in enumerate(items if isinstance(items, list) else []):
            if isinstance(item, str):
                yield (*steps, index), item


def _known(
    name: str, names: Iterable[str], steps: Steps, what: str, sources: Sources, mend: str
) -> None:
    known = sorted(set(names))
    if name in known:
        return
    close = closest(name, known, 0.6)
    if close and not sources.is_private(steps):
        mend = f"did you mean '{shown(close)}'?"
    else:
        mend = mend.format(", ".join(shown(one) for one in known) or "none")
    given = "this name" if sources.is_private(steps) else sources.shown(steps, name)
    sources.add(steps, f"no {what} is called {given}", mend)


def _next_hops(data: dict[str, Any], sources: Sources) -> None:
    hops = data.get("next_hops")
    if not isinstance(hops, dict):
        return
    for pattern in (
        ("outbound",),
        ("sites", None, "next_hop"),
        ("sites", None, "routes", None, "next_hop"),
    ):
        for steps, name in _words(data, pattern):
            _known(name, hops, steps, "next hop", sources, "known are {}")


def _filters(data: dict[str, Any], sources: Sources) -> None:
    installed = entry_points(group=FILTER_GROUP).names
    used = []
    for steps, name in _words(data, ("filters", None, "use")):
        used.append(name)
        _known(name, installed, steps, "filter", sources, "installed are {}")
    for steps, holder in select(data, ("sites", None, "then")):
        then = holder["then"]
        for name in then if isinstance(then, dict) else ():
            _known(
                name, used, (*steps, name), "running filter", sources, "those under 'filters': {}"
            )


def _each_once(words: list[tuple[Steps, str]], what: str, sources: Sources) -> None:
    seen: dict[str, Steps] = {}
    for steps, word in words:
        name = word.lower().rstrip(".")
        if what == "address" and name.endswith(":0"):
            continue
        if name not in seen:
            seen[name] = steps
            continue
        first = sources.place(seen[name])
        given = "it" if sources.is_private(steps) else f"the {what} {sources.shown(steps, word)}"
        sources.add(
            steps,
            f"{given} stands in {first.file.name}, line {first.line}, already",
            "each may stand once",
        )


def _protocols(data: dict[str, Any], sources: Sources) -> None:
    for steps, name in _words(data, ("listen", None, "protocol")):
        if name in _LATER_PROTOCOLS:
            sources.add(steps, f"'{name}' is not built yet", "only smtp is; remove this listener")


def _thresholds(data: dict[str, Any], sources: Sources) -> None:
    for steps, holder in select(data, ("sites", None, "thresholds", "unsure")):
        unsure, spam = holder["unsure"], holder.get("spam", 0.9)
        numbers = isinstance(unsure, float | int) and isinstance(spam, float | int)
        if numbers and unsure > spam:
            what = f"{unsure} is above the threshold of spam, {spam}"
            sources.add(steps, what, "unsure lies below spam")
