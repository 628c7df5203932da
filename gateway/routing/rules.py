"""One rule of a site, compiled: does it match this letter? All its conditions must hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

import re2

from gateway.calendar import WorkingHours
from gateway.domains import canonical_domain, is_same_or_below
from gateway.message import Message
from gateway.settings import Route, Site
from gateway.text import read
from gateway.verdict import Decision


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What the conditions of a rule look at."""

    message: Message
    recipient: str
    """Canonical."""
    decision: Decision
    letters_7_days: int
    """Of this author, the one at hand included if it counts."""
    now: datetime
    hours: WorkingHours


Condition: TypeAlias = Callable[[Circumstances], bool]


@dataclass(frozen=True, slots=True)
class Rule:
    """A route of the YAML with its conditions ready to ask."""

    number: int
    """Its place among the site's routes, from 1: names may be given twice."""
    name: str
    route: Route
    conditions: tuple[Condition, ...] = field(repr=False)

    def matches(self, circumstances: Circumstances) -> bool:
        return all(condition(circumstances) for condition in self.conditions)


DEFAULT = Rule(0, "default", Route(), ())
"""No rule matched: to the site's own next hop, in silence."""


def compile_rules(site: Site) -> tuple[Rule, ...]:
    return tuple(
        Rule(number, route.name or f"rule {number}", route, tuple(_conditions(route, site)))
        for number, route in enumerate(site.routes, 1)
    )


def spelled(pattern: str) -> str:
    """An address, or a pattern of some, in lower case and with its domain in A-labels."""
    local, at, domain = pattern.lower().rpartition("@")
    return f"{local}{at}{canonical_domain(domain)}" if at else local + domain


def _wildcard(pattern: str) -> Callable[[str], bool]:
    """`*@shop.example`: `*` stands for any run of characters; case does not matter, and a domain
    is the same in A-labels."""
    pattern = spelled(pattern)
    if pattern == "*":
        return lambda value: True
    if "*" not in pattern:
        return lambda value: value.lower() == pattern
    compiled = re2.compile("(?s)" + ".*".join(re2.escape(part) for part in pattern.split("*")))
    return lambda value: compiled.fullmatch(value.lower()) is not None


def _conditions(route: Route, site: Site) -> list[Condition]:
    """The conditions a route states, cheapest first."""
    found: list[Condition] = []
    if route.to != "*":
        to = _wildcard(route.to)
        found.append(lambda c: to(c.recipient))
    for wanted, judge in _JUDGEMENTS.items():
        value = getattr(route, wanted)
        if value not in (None, ()):
            found.append(_bind(judge, value))
    if route.author:
        author = _wildcard(route.author)
        found.append(lambda c: any(author(a.contact) for a in c.message.authors))
    if route.author_domain:
        domain = canonical_domain(route.author_domain)
        found.append(
            lambda c: any(
                is_same_or_below(canonical_domain(a.domain), domain) for a in c.message.authors
            )
        )
    if route.vip is not None:
        matter = frozenset(map(spelled, site.vip))
        found.append(lambda c: _is_one_of(c, matter) is route.vip)
    if route.subject is not None:
        found.append(lambda c: route.subject.search(c.message.subject) is not None)
    for name, pattern in route.header.items():
        found.append(_header(name, pattern))
    return found


def _is_one_of(circumstances: Circumstances, contacts: frozenset[str]) -> bool:
    """Only a proven author: anybody may write a great customer's name."""
    author = circumstances.message.author
    return circumstances.decision.aligned and author is not None and author.contact in contacts


def _bind(judge: Callable[[Circumstances, Any], bool], value: Any) -> Condition:
    return lambda circumstances: judge(circumstances, value)


def _header(name: str, pattern: Any) -> Condition:
    return lambda c: any(pattern.search(value) for value in c.message.all(name))


_JUDGEMENTS: dict[str, Callable[[Circumstances, Any], bool]] = {
    "spam": lambda c, words: c.decision.spam in words,
    "tone": lambda c, words: c.decision.tone in words,
    "urgent": lambda c, wanted: c.decision.urgent is wanted,
    "language": lambda c, codes: read(c.message).language in codes,
    "attachment": lambda c, wanted: bool(c.message.attachments) is wanted,
    "larger_than": lambda c, size: len(c.message.arrival.content) > size,
    "contacts_7_days": lambda c, least: c.letters_7_days >= least,
    "open": lambda c, wanted: c.hours.is_open(c.now) is wanted,
}
