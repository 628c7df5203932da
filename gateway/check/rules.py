"""A site's rules: those that no letter can reach, and conditions that never hold."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from gateway.check.filters import names_are_certain
from gateway.check.sites import Known, places
from gateway.check.words import LANGUAGE
from gateway.configuration.yaml_values import Sources
from gateway.problems import Problem, Steps, shown
from gateway.routing.recipients import canonical
from gateway.routing.rules import spelled
from gateway.settings import Route, Settings, Site

CONDITIONS = (
    "author",
    "author_domain",
    "vip",
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
NEEDS = {"spam": "spam", "tone": "tone", "urgent": "tone"}
"""Conditions that hear of a filter."""
_FIELD_NAME = re.compile(r"[\x21-\x39\x3b-\x7e]+")  # RFC 5322, 2.2: printable, but no colon


def rules(settings: Settings, sources: Sources, now: datetime) -> Iterator[Problem]:
    known = Known(settings, sources)
    used = {use.use for use in settings.filters}
    missing = set(NEEDS.values()) - used if names_are_certain(settings, sources) else set()
    for site_steps, site in places(settings):
        above = Above(site)
        for number, route in enumerate(site.routes):
            steps = (*site_steps, "routes", number)
            yield from _reach(site, number, steps, known, sources, above)
            above.add(number)
            yield from _conditions(route, steps, missing, settings, sources)
            if route.vip and not site.vip and sources.sound((*steps, "vip")):
                what = "never holds: the site names no 'vip'"
                yield sources.problem((*steps, "vip"), what, "add their addresses", warning=True)
            yield from _effects(route, steps, sources)


# --- rules that no letter reaches ----------------------------------------------------------------


class Above:
    """The rules of a site above one of them, those with a plain address found by it.

    Of ten thousand rules no two with different addresses are compared.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self._plain: dict[str, list[int]] = {}
        self._patterns: list[int] = []
        self._stated: list[Mapping[str, Any]] = []
        self._wider: dict[int, Callable[[str], bool]] = {}

    def add(self, number: int) -> None:
        route = self._site.routes[number]
        self._stated.append(_stated(route))
        to = spelled(route.to)
        if "*" in to:
            self._patterns.append(number)
            self._wider[number] = _wider(to, self._site)
        else:
            self._plain.setdefault(to, []).append(number)

    def covering(self, below: Route) -> Iterator[int]:
        """Those that match every letter that `below` matches, the topmost first."""
        to, wanted = spelled(below.to), _stated(below)
        for number in sorted(self._patterns + self._plain.get(to, [])):
            less = all(wanted.get(key) == value for key, value in self._stated[number].items())
            if less and (number not in self._wider or self._wider[number](to)):
                yield number


def _reach(
    site: Site, number: int, steps: Steps, known: Known, sources: Sources, rules: Above
) -> Iterator[Problem]:
    route = site.routes[number]
    covering = rules.covering(route)
    above = next((index for index in covering if sources.sound((*steps[:-1], index))), None)
    if above is not None and sources.sound(steps):
        name = site.routes[above].name or f"rule {above + 1}"
        what = f"never reached: '{shown(name)}' above takes every such letter"
        yield sources.problem(steps, what, "put it above that one", warning=True)
        return
    to, at = spelled(route.to), (*steps, "to")
    domain = to.rpartition("@")[2]
    if not sources.sound(at) or "*" in domain:
        return
    if domain not in site.domains:
        if sources.sound((*steps[:2], "domains")):
            what = "matches nothing: not one of this site's domains"
            yield sources.problem(at, what, "mend the address", warning=True)
    elif canonical(to) in map(canonical, site.aliases):
        what = "matches nothing: this is an alias, and rules see its mailbox"
        yield sources.problem(at, what, "name the mailbox", warning=True)
    elif to[0] != '"' and "+" in to.partition("@")[0].partition("*")[0][1:]:
        what = "matches nothing: rules see an address without its plus-tag"
        yield sources.problem(at, what, "leave out the + and what follows it", warning=True)
    elif "*" not in to and known.refuses(to):
        what = "matches nothing: mail to this address is refused, for nobody has it"
        yield sources.problem(at, what, "add it to 'recipients', or mend it", warning=True)


def _stated(route: Route) -> Mapping[str, Any]:
    """The conditions besides `to`, patterns as their text."""
    stated = {key: getattr(route, key) for key in CONDITIONS if key in route.model_fields_set}
    if route.subject is not None:
        stated["subject"] = route.subject.pattern
    if route.header:
        stated["header"] = {name: pattern.pattern for name, pattern in route.header.items()}
    return {key: value for key, value in stated.items() if value not in (None, (), "", {})}


def _wider(above: str, site: Site) -> Callable[[str], bool]:
    """`*@shop.example` takes what `info@shop.example` and `a*@shop.example` take."""
    if above in {"*", "*@*"} or (len(site.domains) == 1 and above == f"*@{site.domains[0]}"):
        return lambda below: True
    if above.count("*") >= 4:
        return lambda below: above == below
    parts = re.sub(r"\*+", "*", above).split("*")
    pattern = re.compile(".*".join(map(re.escape, parts)))
    return lambda below: pattern.fullmatch(below) is not None


# --- conditions that never hold ------------------------------------------------------------------


def _conditions(
    route: Route, steps: Steps, missing: set[str], settings: Settings, sources: Sources
) -> Iterator[Problem]:
    for key, need in NEEDS.items():
        at = (*steps, key)
        if need in missing and key in route.model_fields_set and sources.sound(at):
            what, mend = f"never holds: {need} does not run", f"add '- {{use: {need}}}'"
            yield sources.problem(at, what, mend, warning=True)
    large = sources.sound((*steps, "larger_than"), ("limits", "message_size"))
    if large and (route.larger_than or 0) >= settings.limits.message_size:
        what = "never holds: so large a message is refused by limits.message_size"
        yield sources.problem((*steps, "larger_than"), what, "write less", warning=True)
    for at, what, mend in _misspelt(route, steps):
        if sources.sound(at):
            yield sources.problem(at, f"never holds: {what}", mend)


def _misspelt(route: Route, steps: Steps) -> Iterator[tuple[Steps, str, str]]:
    """Conditions that no letter could fulfil, whatever it says."""
    for name in route.header:
        if not _FIELD_NAME.fullmatch(name):
            at = (*steps, "header", name)
            yield at, "no field can have this name", "write it as X-Priority, without a colon"
    for language in route.language:
        if not LANGUAGE.fullmatch(language):
            what = f"'{shown(language)}' is no language"
            yield (*steps, "language"), what, "write a code such as en or de"
    if route.author and "@" not in route.author and "*" not in route.author:
        mend = "write name@customer.example, or use 'author_domain'"
        yield (*steps, "author"), "an author's address has an @", mend
    if "@" in route.author_domain or "*" in route.author_domain:
        mend = "write customer.example; what is below it counts too"
        yield (*steps, "author_domain"), "a domain has no @ and no *", mend


def _effects(route: Route, steps: Steps, sources: Sources) -> Iterator[Problem]:
    """What a rule says and nothing comes of."""
    if not sources.sound(steps):
        return
    if not route.acknowledge:
        for key in ("answer_within", "not_addressed"):
            if getattr(route, key):
                what = "has no effect: this rule acknowledges nothing"
                yield sources.problem(
                    (*steps, key), what, "add 'acknowledge: received', or remove it", warning=True
                )
    elif route.hold:
        what = "has no effect: a letter that is held is not acknowledged"
        yield sources.problem(
            (*steps, "acknowledge"), what, "remove 'hold' or 'acknowledge'", warning=True
        )
