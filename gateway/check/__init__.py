"""What a configuration promises beyond its spelling: that all it names exists, fits and works.

`inspect` looks at this host only; `check_network.py` asks the DNS. Both only look: nothing is
changed, sent or stored. Warnings are for what the gateway can run with, but hardly as meant.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from importlib.metadata import entry_points
from typing import Any, TypeAlias

from gateway.acknowledgement.render import Templates
from gateway.calendar import WorkingHours
from gateway.check import files as check_files
from gateway.configuration import Loaded
from gateway.configuration.schema import closest
from gateway.configuration.yaml_values import Sources
from gateway.filters import Build, Filter, Services
from gateway.filters.loading import GROUP, POLICY_WORDS, FilterError, stages, words
from gateway.learning.scorer import load_shared
from gateway.problems import Problem, Steps
from gateway.reporting import signing_site
from gateway.resolver import Zone
from gateway.settings import Calendar, Route, Settings, Site

MANY_WORKERS = 4
"""Above this, several processes writing one SQLite file hold each other up."""

Check: TypeAlias = Callable[[Settings, Sources, datetime], Iterable[Problem]]


def inspect(loaded: Loaded, now: datetime) -> tuple[Problem, ...]:
    """Every problem, the loader's first. A configuration that does not load is not looked into."""
    settings, sources = loaded.settings, loaded.sources
    if settings is None:
        return loaded.problems
    found = [*loaded.problems]
    for check in CHECKS:
        found += check(settings, sources, now)
    return tuple(dict.fromkeys(found))


def sayable(error: Exception) -> tuple[str, str]:
    """Our own errors say 'what is wrong; how to mend it'."""
    what, _, mend = str(error).partition("; ")
    return what, mend or "mend it"


# --- filters and their words ---------------------------------------------------------------------


def filters(settings: Settings, sources: Sources, now: datetime) -> Iterator[Problem]:
    """That each filter can be built (its options, its model), and says the words used of it."""
    built: dict[str, Filter] = {}
    services = _services(settings)
    for index, use in enumerate(settings.filters):
        steps: Steps = ("filters", index)
        options = Asked(use.options)
        try:
            built[use.use] = builder(use.use)(options, services)
        except (ValueError, TypeError, OSError, LookupError, ImportError) as error:
            what, mend = sayable(error)
            yield sources.problem(steps, f"the filter {use.use} cannot start: {what}", mend)
            continue
        for key in options.unasked():
            yield sources.problem((*steps, key), f"{use.use} has no such option", "remove it")
        yield from _words(use.then, built[use.use], (*steps, "then"), sources)
        yield from _needs(built[use.use], settings, steps, sources)
    for index, site in enumerate(settings.sites):
        for name, then in site.then.items():
            if name in built:
                yield from _words(then, built[name], ("sites", index, "then", name), sources)
    yield from _circles(list(built.values()), sources)


class Asked(Mapping[str, Any]):
    """Options that remember which of them were looked at: the others are mistakes."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._options = options
        self._asked: set[str] = set()

    def __getitem__(self, key: str) -> Any:
        self._asked.add(key)
        return self._options[key]

    def __iter__(self) -> Iterator[str]:
        self._asked.update(self._options)
        return iter(self._options)

    def __len__(self) -> int:
        return len(self._options)

    def unasked(self) -> list[str]:
        return [key for key in self._options if key not in self._asked]


def builder(name: str) -> Build:
    """What builds one filter; other filters that are installed need not be sound."""
    points = entry_points(group=GROUP, name=name)
    if len(points) > 1:
        raise ValueError("it is installed twice; remove one package")
    build: Build = points[name].load()
    return build


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
            close = closest(word, known, 0.6)
            yield sources.problem(
                (*steps, word),
                f"{filter_.name} never says this",
                f"did you mean '{close}'?" if close else f"it says {', '.join(known)}",
            )


def _needs(
    filter_: Filter, settings: Settings, steps: Steps, sources: Sources
) -> Iterator[Problem]:
    used = {use.use for use in settings.filters}
    for need in filter_.needs:
        if need not in used:
            what = f"{filter_.name} needs the verdict of {need}"
            yield sources.problem(steps, what, f"add '- {{use: {need}}}'")


def _circles(built: Sequence[Filter], sources: Sources) -> Iterator[Problem]:
    names = {filter_.name for filter_ in built}
    if all(need in names for filter_ in built for need in filter_.needs):
        try:
            stages(built)
        except FilterError as error:
            yield sources.problem(("filters",), *sayable(error))


# --- sites ---------------------------------------------------------------------------------------


def calendars(settings: Settings, sources: Sources, now: datetime) -> Iterator[Problem]:
    for index, site in enumerate(settings.sites):
        calendar = site.calendar
        for key, part in (
            ("timezone", Calendar(timezone=calendar.timezone)),
            ("hours", Calendar(hours=calendar.hours)),
            ("holidays", Calendar(holidays=calendar.holidays)),
        ):
            try:
                WorkingHours(part)
            except ValueError as error:
                yield sources.problem(("sites", index, "calendar", key), *sayable(error))


def templates(settings: Settings, sources: Sources, now: datetime) -> Iterable[Problem]:
    return Templates.load(settings).problems


def recipients(settings: Settings, sources: Sources, now: datetime) -> Iterator[Problem]:
    """Sites that take mail for addresses nobody has, and addresses outside the site's domains."""
    for index, site in enumerate(settings.sites):
        steps: Steps = ("sites", index)
        known = site.recipients
        if not (known.addresses or known.file or known.any) and _wildcard(site):
            yield sources.problem(
                steps,
                "mail for any address is taken, for nothing says which exist",
                "name them under 'recipients', or say 'recipients: {any: true}'",
                warning=True,
            )
        for number, address in enumerate(known.addresses):
            if not _ours(address, site):
                yield _foreign((*steps, "recipients", "list", number), sources)
        for alias in site.aliases:
            if not _ours(alias, site):
                yield _foreign((*steps, "aliases", alias), sources)


def _wildcard(site: Site) -> bool:
    return any("*" in route.to for route in site.routes)


def _ours(address: str, site: Site) -> bool:
    return address.rpartition("@")[2] in site.domains


def _foreign(steps: Steps, sources: Sources) -> Problem:
    mend = "mail for other domains is refused; add the domain to 'domains'"
    return sources.problem(steps, "not an address of this site's domains", mend)


def routes(settings: Settings, sources: Sources, now: datetime) -> Iterator[Problem]:
    """Rules that can never match: of another domain, or below one that matches everything."""
    for index, site in enumerate(settings.sites):
        all_above: Route | None = None
        for number, route in enumerate(site.routes):
            steps: Steps = ("sites", index, "routes", number)
            domain = route.to.rpartition("@")[2]
            if all_above is not None:
                what = "never reached: a rule above matches every letter"
                yield sources.problem(steps, what, "put it above", warning=True)
            elif "*" not in domain and domain.lower() not in site.domains:
                what = "matches nothing: not one of this site's domains"
                yield sources.problem((*steps, "to"), what, "mend the address", warning=True)
            if _matches_all(route, site):
                all_above = all_above or route


CONDITIONS = (
    "author",
    "author_domain",
    "subject",
    "header",
    "spam",
    "tone",
    "urgent",
    "language",
    "attachment",
    "larger_than",
    "contacts_7_days",
    "open",
)


def _matches_all(route: Route, site: Site) -> bool:
    everyone = {"*", "*@*"} | ({f"*@{site.domains[0]}"} if len(site.domains) == 1 else set())
    return route.to.lower() in everyone and not (set(CONDITIONS) & route.model_fields_set)


def people(settings: Settings, sources: Sources, now: datetime) -> Iterator[Problem]:
    """Who would never hear of anything."""
    used = {use.use for use in settings.filters}
    if settings.administrator is None:
        what = "nobody is told of trouble, and postmaster@ goes the way of all mail"
        yield sources.problem((), what, "name an 'administrator'", warning=True)
    for index, site in enumerate(settings.sites):
        steps: Steps = ("sites", index)
        if "tone" in used and not site.calls.notify:
            what = "nobody gets the call cards of this site"
            yield sources.problem(steps, what, "name them in 'calls: {notify: […]}'", warning=True)
        if "dmarc" not in used and site.acknowledge and any(r.acknowledge for r in site.routes):
            what = "nothing will be acknowledged: without dmarc no author is proven"
            yield sources.problem(
                steps, what, "add spf, dkim, arc and dmarc under 'filters'", warning=True
            )


def reports(settings: Settings, sources: Sources, now: datetime) -> Iterator[Problem]:
    wish = settings.dmarc_reports
    if wish is None:
        return
    if signing_site(settings, wish.sender) is None:
        what = "no site signs for this domain, and nobody believes an unproven report"
        mend = "name an address of a domain under a site's 'signing'"
        yield sources.problem(("dmarc_reports", "from"), what, mend)
    if "dmarc" not in {use.use for use in settings.filters}:
        mend = "add spf, dkim, arc and dmarc under 'filters'"
        yield sources.problem(("dmarc_reports",), "dmarc does not run", mend)


def workers(settings: Settings, sources: Sources, now: datetime) -> Iterator[Problem]:
    count = (os.cpu_count() or 1) if settings.workers == "auto" else settings.workers
    if count > MANY_WORKERS:
        what = f"{count} workers share one SQLite file, which lets one of them write at a time"
        mend = f"up to {MANY_WORKERS} are well served; more want PostgreSQL, which is to come"
        yield sources.problem(("workers",), what, mend, warning=True)


CHECKS: tuple[Check, ...] = (
    filters,
    calendars,
    templates,
    recipients,
    routes,
    people,
    reports,
    workers,
    check_files.certificates,
    check_files.signing_keys,
    check_files.secrets,
    check_files.recipient_files,
    check_files.folders,
    check_files.stores,
    check_files.ports,
)
