"""Where the links of a message go, told against whom it says it is from."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gateway.learning.hosts import authority, host_of, owner
from gateway.text import Link

LINKS_READ = 40
FEW = 3
_TOKEN = re.compile(r"https?://[^/]{1,255}/(?:[\w=-]{24,}/?|[\w-]{1,12}\?[\w=%-]{24,})")
LEAVE = (
    "unsubscri", "opt-out", "opt out", "optout", "abmelden", "abbestell", "austragen", "désabonn",
    "désinscri", "desinscri", "desuscri", "de baja", "cancelar", "disiscri", "uitschrij", "afmeld",
    "preferences", "einstellungen", "préférences", "preferencias", "preferências", "preferenze",
    "voorkeuren",
)  # fmt: skip
"""What the link says, or is called, that ends a mailing."""


@dataclass(frozen=True, slots=True)
class Links:
    """The links of a message that a reader may follow on the web."""

    count: int
    owners: frozenset[str]
    """Registered domains they lead to."""
    facts: frozenset[str]
    leave: str = ""
    """The registered domain of the link that ends the mailing."""
    links: tuple[Link, ...] = ()


def read_links(found: tuple[Link, ...], author: str) -> Links:
    """`author` is the registered domain of the author, empty when there is none."""
    links = [link for link in found[:LINKS_READ] if link.href[:7] != "mailto:"]
    if not links:
        return Links(0, frozenset(), frozenset(("no link",)))
    hosts: set[str] = set()
    facts: set[str] = {_number(len(links))}
    for link in links:
        host, odd = host_of(authority(link.href))
        hosts.add(host)
        facts.update(odd)
        if link.text and link.text != link.href and _shows_another(link.text, host):
            facts.add("link text names another host")
    owners = frozenset(owner(host) for host in hosts if host)
    facts.update(_whose(owners, author, len(links)))
    if all(link.href[:5].lower() == "http:" for link in links):
        facts.add("links without TLS only")
    leave = _leave(links[-10:])
    if leave:
        facts.add(
            "end of mailing at the author's" if leave == author else "end of mailing elsewhere"
        )
    return Links(len(links), owners, frozenset(facts), leave, tuple(links))


def of_mailing(links: Sequence[Link]) -> Iterator[str]:
    """A newsletter leads to many pages, a lure to one, however often it names it."""
    targets = {link.href for link in links}
    if len(targets) < FEW:
        yield "mailing: few link targets"
    if len(links) > 5 and len(targets) <= FEW:
        yield "mailing: many links, few targets"
    if all(link.href[:5].lower() == "http:" for link in links):
        yield "mailing: links without TLS only"
    if 2 * sum(bool(_TOKEN.fullmatch(link.href)) for link in links) >= len(links):
        yield "mailing: links are one long token"


def _number(count: int) -> str:
    return (
        "one link" if count == 1 else "2-3 links" if count < 4 else
        "4-10 links" if count <= 10 else "over 10 links"
    )  # fmt: skip


def _whose(owners: frozenset[str], author: str, count: int) -> Iterator[str]:
    if author and author in owners:
        yield "links to the author's domain"
    elif len(owners) == 1:
        yield "all links on one foreign host"
        if count <= FEW:
            yield "few links, all on one foreign host"
    if len(owners) > FEW:
        yield "links to many domains"


def _shows_another(text: str, host: str) -> bool:
    """Whether a link's text claims a host, and another one than it leads to."""
    text = text.strip().lower()
    if "." not in text or " " in text or "@" in text or len(text) > 200:
        return False
    shown = host_of(authority(text))[0]
    labels = shown.split(".")
    named = len(labels) > 1 and labels[-1].isalpha() and len(labels[-1]) > 1
    return named and bool(host) and owner(shown) != owner(host)


def _leave(links: Sequence[Link]) -> str:
    shown = [f"{link.text} {link.href[:120]}".lower() for link in links]
    together = "\n".join(shown)
    for word in LEAVE:
        if word in together:
            found = next(number for number, one in enumerate(shown) if word in one)
            return owner(host_of(authority(links[found].href))[0])
    return ""
