"""Find the filters that the YAML names, build them, and put them in order.

Installed is not enabled. Whatever is wrong with a filter stops start-up with a sentence that
names it; nothing is found out at the first message.
"""

from __future__ import annotations

import graphlib
from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points

from gateway.filters import Build, Filter, Services
from gateway.settings import FilterUse
from gateway.verdict import PERMERROR, TEMPERROR

GROUP = "gateway.filters"
POLICY_WORDS = {"dmarc": ("fail-none", "fail-quarantine", "fail-reject")}
"""Words a `then:` may use beside a filter's own results (see `verdict.decide`)."""


class FilterError(ValueError):
    """A filter that cannot be used, with the mend in its text."""


def installed() -> dict[str, EntryPoint]:
    """Every installed filter by name. Raises FilterError when a name is installed twice."""
    found: dict[str, EntryPoint] = {}
    for point in entry_points(group=GROUP):
        if point.name in found:
            raise FilterError(f"the filter '{point.name}' is installed twice; remove one package")
        found[point.name] = point
    return found


def load(uses: Sequence[FilterUse], services: Services) -> tuple[Filter, ...]:
    """Build the filters in use, in the order of the YAML. Raises FilterError."""
    known = installed()
    filters = []
    for use in uses:
        if use.use not in known:
            raise FilterError(
                f"no filter is called '{use.use}'; installed are {', '.join(sorted(known))}"
            )
        try:
            build: Build = known[use.use].load()
            filter_ = build(use.options, services)
        except (ValueError, TypeError, OSError) as error:
            raise FilterError(f"the filter '{use.use}' cannot start: {error}") from error
        _check_words(use, filter_)
        filters.append(filter_)
    stages(filters)
    return tuple(filters)


def words(filter_: Filter) -> tuple[str, ...]:
    """Every word that `then:` may map for a filter."""
    return (*filter_.results, *POLICY_WORDS.get(filter_.name, ()), TEMPERROR, PERMERROR)


def _check_words(use: FilterUse, filter_: Filter) -> None:
    if filter_.name != use.use:
        raise FilterError(f"the filter '{use.use}' calls itself '{filter_.name}'; use one name")
    for word in use.then:
        if word not in words(filter_):
            raise FilterError(
                f"the filter '{use.use}' never says '{word}'; it says {', '.join(words(filter_))}"
            )


def stages(filters: Sequence[Filter]) -> tuple[tuple[Filter, ...], ...]:
    """Filters in stages: one stage runs together, after all that it needs. Raises FilterError."""
    by_name = {filter_.name: filter_ for filter_ in filters}
    for filter_ in filters:
        for need in filter_.needs:
            if need not in by_name:
                raise FilterError(
                    f"the filter '{filter_.name}' needs '{need}'; add '- {{use: {need}}}'"
                )
    sorter = graphlib.TopologicalSorter({f.name: f.needs for f in filters})
    try:
        sorter.prepare()
    except graphlib.CycleError as error:
        raise FilterError(f"filters need each other in a circle: {error.args[1]}") from error
    result = []
    while sorter.is_active():
        ready = sorter.get_ready()
        result.append(tuple(by_name[name] for name in sorted(ready)))
        sorter.done(*ready)
    return tuple(result)
