"""Names in the configuration that must fit each other: next hops, filters, sites, domains.

Works on the values as read, of which `repair` has taken out what has a wrong type. Of a name that
stands for one of those nothing is said.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib.metadata import EntryPoints, entry_points
from typing import Any

from gateway.configuration.paths import select
from gateway.configuration.schema import closest
from gateway.configuration.yaml_values import Sources
from gateway.problems import Steps, shown

FILTER_GROUP = "gateway.filters"


@cache
def filter_points() -> EntryPoints:
    """The filters that are installed; that does not change while we run."""
    return entry_points(group=FILTER_GROUP)


def installed() -> set[str]:
    return filter_points().names


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
) -> str:
    """Tell of a name that nothing has; gives the known name that was meant, or nothing."""
    known = sorted(set(names))
    if name in known:
        return name
    close = closest(name, known, 0.6)
    if close and not sources.is_private(steps):
        mend = f"did you mean '{shown(close)}'?"
    else:
        mend = mend.format(", ".join(shown(one) for one in known) or "none")
    given = "this name" if sources.is_private(steps) else sources.shown(steps, name)
    sources.add(steps, f"no {what} is called {given}", mend)
    return close


def _next_hops(data: dict[str, Any], sources: Sources) -> None:
    hops = data["next_hops"]
    if not sources.complete(("next_hops",)):
        return
    for pattern in (
        ("outbound",),
        ("sites", None, "next_hop"),
        ("sites", None, "routes", None, "next_hop"),
    ):
        for steps, name in list(_words(data, pattern)):
            if name and sources.sound(steps):
                _known(name, hops, steps, "next hop", sources, "known are {}")


def _filters(data: dict[str, Any], sources: Sources) -> None:
    """What is meant by a misspelt name is looked at under its right name."""
    known_here = installed()
    uses = list(select(data, ("filters", None, "use")))
    used = {holder["use"] for _, holder in uses}
    certain = sources.complete(("filters",))
    for steps, holder in uses:
        if not sources.sound(steps):
            certain = False
            continue
        meant = _known(holder["use"], known_here, steps, "filter", sources, "installed are {}")
        if meant and meant not in used:
            used.remove(holder["use"])
            used.add(meant)
            holder["use"] = meant
        certain = certain and holder["use"] == meant
    for steps, holder in select(data, ("sites", None, "then")):
        # One of the filters that cannot be read may be the one that is meant here.
        known = used if certain else used | known_here
        _then(holder["then"], steps, known, used, sources)


def _then(
    then: dict[str, Any], at: Steps, known: set[str], used: set[str], sources: Sources
) -> None:
    for name in [name for name in then if name not in known]:
        steps = (*at, name)
        mend = "those under 'filters': {}"
        if name in installed():
            mend = f"add '- {{{{use: {name}}}}}' under 'filters', or remove it"
        meant = _known(name, used, steps, "running filter", sources, mend)
        words = then.pop(name)
        if meant and meant not in then:
            sources.renamed(steps, meant)
            then[meant] = words


def _each_once(words: list[tuple[Steps, str]], what: str, sources: Sources) -> None:
    seen: dict[str, Steps] = {}
    for steps, word in words:
        if not sources.sound(steps):
            continue
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
            sound=what != "site",  # two sites of one name share no templates
        )
