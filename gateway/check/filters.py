"""That each filter can be built with its options and its model, and says the words used of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from gateway.check.words import never, sayable
from gateway.configuration.names import filter_points, installed
from gateway.configuration.schema import closest, fields, homes
from gateway.configuration.yaml_values import Sources
from gateway.filters import Build, Filter, Services
from gateway.filters.loading import POLICY_WORDS, FilterError, stages, words
from gateway.learning.scorer import load_shared
from gateway.problems import Problem, Steps, shown
from gateway.resolver import Zone
from gateway.settings import FilterUse, Settings

OWN_KEYS = [key for key, _, _ in fields(FilterUse)]
SHIPPED_MODELS = ("spam", "tone")
BUILD_ERRORS = (ValueError, TypeError, OSError, LookupError, ImportError)


def filters(settings: Settings, sources: Sources, now: datetime) -> Iterator[Problem]:
    built: dict[str, Filter] = {}
    services = _services(settings)
    sites = list(enumerate(settings.sites))
    for index, use in enumerate(settings.filters):
        steps: Steps = ("filters", index)
        if use.use not in installed():
            continue  # told with the names
        filter_, problems = _build(use, steps, services, sources)
        yield from problems
        if filter_ is None or use.use in built:
            continue
        built[use.use] = filter_
        yield from _words(use.then, filter_, (*steps, "then"), sources)
        for number, site in sites:
            then = site.then.get(use.use, ())
            yield from _words(then, filter_, ("sites", number, "then", use.use), sources)
    if names_are_certain(settings, sources):
        for index, use in enumerate(settings.filters):
            if use.use in built:
                yield from _needs(built[use.use], built, ("filters", index), sources)
        yield from _circles(list(built.values()), sources)


def names_are_certain(settings: Settings, sources: Sources) -> bool:
    """Whether it is known which filters run: none of them has a name that nobody can read."""
    known = installed()
    return sources.complete(("filters",)) and all(use.use in known for use in settings.filters)


class Asked(Mapping[str, Any]):
    """Options that remember which of them were looked at: the others are mistakes."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._options = options
        self.names: set[str] = set()

    def __getitem__(self, key: str) -> Any:
        self.names.add(key)
        return self._options[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._options)

    def __len__(self) -> int:
        return len(self._options)


def builder(name: str) -> Build:
    """What builds one filter; other filters that are installed need not be sound."""
    points = filter_points().select(name=name)
    if len(points) > 1:
        raise ValueError("it is installed twice; remove one package")
    build: Build = points[name].load()
    return build


def _build(
    use: FilterUse, steps: Steps, services: Services, sources: Sources
) -> tuple[Filter | None, list[Problem]]:
    """The filter, and what is wrong with it and each of its options.

    Without a good one it is built without options, so that at least its words are known.
    """
    try:
        build = builder(use.use)
    except BUILD_ERRORS as error:
        return None, [_cannot_start(use, error, steps, sources)]
    bare, known = _try(build, {}, services)
    problems = []
    good: dict[str, Any] = {}
    for key, value in use.options.items():
        if not sources.sound((*steps, key)):
            continue
        if key not in known and not isinstance(bare, Exception):
            problems.append(_no_option(use, key, sorted(known), steps, sources))
            continue
        alone, _ = _try(build, {key: value}, services)
        if isinstance(alone, Exception) and not isinstance(bare, Exception):
            what, mend = _no_model(key, value, alone) or sayable(alone)
            problems.append(sources.problem((*steps, key), what, mend))
        else:
            good[key] = value
    whole, _ = _try(build, good, services)
    if not isinstance(whole, Exception):
        return whole, problems
    return None, [*problems, _cannot_start(use, whole, steps, sources)]


def _no_model(key: str, value: object, error: Exception) -> tuple[str, str] | None:
    """For a model's name that no shipped one has."""
    if key != "model" or not isinstance(value, str) or not isinstance(error, OSError):
        return None
    if "/" in value or value in SHIPPED_MODELS:
        return None
    close = closest(value, [*SHIPPED_MODELS], 0.6)
    own = f"shipped are {' and '.join(SHIPPED_MODELS)}; for your own write its folder, ./{value}"
    what = f"there is no shipped model '{shown(value)}'"
    return what, f"did you mean '{close}'?" if close else own


def _try(
    build: Build, options: Mapping[str, Any], services: Services
) -> tuple[Filter | Exception, set[str]]:
    """The filter or why there is none, and the options that it looked at."""
    asked = Asked(options)
    try:
        return build(asked, services), asked.names
    except BUILD_ERRORS as error:
        return error, asked.names


def _cannot_start(use: FilterUse, error: Exception, steps: Steps, sources: Sources) -> Problem:
    what, mend = sayable(error)
    return sources.problem(steps, f"the filter {use.use} cannot start: {what}", mend)


def _no_option(
    use: FilterUse, key: str, known: Sequence[str], steps: Steps, sources: Sources
) -> Problem:
    close = closest(key, [*OWN_KEYS, *known], 0.6)
    elsewhere = closest(key, [*homes()], 0.8)
    if not close and elsewhere:
        mend = f"'{elsewhere}' belongs to {' or '.join(homes()[elsewhere][:3])}"
        return sources.problem((*steps, key), f"{use.use} has no such option", mend)
    has = f"remove it, or use one it has: {', '.join(known)}" if known else "remove it"
    mend = f"did you mean '{close}'?" if close else has
    return sources.problem((*steps, key), f"{use.use} has no such option", mend)


def _services(settings: Settings) -> Services:
    return Services(
        resolver=Zone({}),
        load_scorer=load_shared,
        hostname=settings.hostname,
        trusted_sealers=settings.trusted_sealers,
        organisational_domain=settings.organisational_domain,
        limits={
            "signatures": settings.limits.signatures,
            "text": settings.limits.text,
            "links": settings.limits.links,
        },
    )


def _words(
    then: Iterable[str], filter_: Filter, steps: Steps, sources: Sources
) -> Iterator[Problem]:
    # Where a result is told apart further (fail-none, fail-reject), it never stands alone.
    finer = {word.partition("-")[0] for word in POLICY_WORDS.get(filter_.name, ())}
    known = [word for word in words(filter_) if word not in finer]
    for word in then:
        if word not in known:
            yield never((*steps, word), f"{filter_.name} never says this", word, known, sources)


def _needs(
    filter_: Filter, built: Mapping[str, Filter], steps: Steps, sources: Sources
) -> Iterator[Problem]:
    for need in filter_.needs:
        if need not in built:
            what = f"{filter_.name} needs the verdict of {need}"
            yield sources.problem(steps, what, f"add '- {{use: {need}}}'")


def _circles(built: Sequence[Filter], sources: Sources) -> Iterator[Problem]:
    names = {filter_.name for filter_ in built}
    if all(need in names for filter_ in built for need in filter_.needs):
        try:
            stages(built)
        except FilterError as error:
            yield sources.problem(("filters",), *sayable(error))
