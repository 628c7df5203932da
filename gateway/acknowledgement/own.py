"""Who we are, over all sites: our domains, our people, our message ids."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from gateway.message import Message
from gateway.settings import Settings

ADDRESS_MAX = 254
"""RFC 5321, 4.5.3.1.3 less the brackets."""


@dataclass(frozen=True, slots=True)
class OwnIdentity:
    """Who we are, over all sites."""

    is_ours: Callable[[str], bool]
    """Whether an address, in lower case and without a plus-tag, is of our domains."""
    is_our_message_id: Callable[[str], bool]
    """For silence: an own-looking id is enough (`MessageIds.looks_ours`)."""
    mute_domains: frozenset[str] = frozenset()
    """Domains whose DMARC record refuses unsigned mail and for which we hold no key."""
    people: frozenset[str] = frozenset()
    """Addresses elsewhere that are ours: agents' mailboxes, the administrator's. In lower case,
    without a plus-tag."""

    def has(self, address: str) -> bool:
        return self.is_ours(without_tag(address))


def our_people(settings: Settings) -> frozenset[str]:
    """Every address the YAML names as ours, wherever its mailbox is: staff, agents on duty, those
    whom mail is delivered or copied to, the administrator."""
    named = [settings.administrator] if settings.administrator else []
    for site in settings.sites:
        named += [*site.staff, *site.calls.notify]
        for route in site.routes:
            named += [*route.deliver_to, *route.copy_to]
    return frozenset(map(without_tag, named))


def is_by_our_people(message: Message, own: OwnIdentity) -> bool:
    """Whether somebody wrote it whom the YAML names as ours: an agent on duty who answers a card.

    An address of our domains alone says little: web forms write from such ones.
    """
    return any(without_tag(author.contact) in own.people for author in message.authors)


def without_tag(address: str) -> str:
    """`support@shop.example` of `Support+irate@Shop.Example`."""
    return (_kept_without_tag if len(address) <= ADDRESS_MAX else _without_tag)(address)


def _without_tag(address: str) -> str:
    local, _, domain = address.strip().lower().rpartition("@")
    return f"{local.partition('+')[0]}@{domain}"


_kept_without_tag = lru_cache(maxsize=4096)(_without_tag)
"""Asked for eight times in a letter, mostly about the same two addresses."""
