"""Who would be answered: the author, or whom a Reply-To names that may be believed. Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection

from gateway.acknowledgement.own import ADDRESS_MAX, OwnIdentity, is_by_our_people
from gateway.domains import canonical_domain
from gateway.identity.organisation import suffixes
from gateway.message import Address, Message
from gateway.settings import FormSender, Site
from gateway.verdict import Verdicts

# RFC 5322, 3.4.1: dot-atom on both sides; letters beyond ASCII by RFC 6532.
_ANSWERABLE = re.compile(
    r"[\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*@[\w-]+(?:\.[\w-]+)+", re.ASCII
)
_ANSWERABLE_UTF8 = re.compile(_ANSWERABLE.pattern)


def declared_form(message: Message, verdicts: Verdicts, site: Site) -> FormSender | None:
    """The site's own form that wrote this letter, proven by its client's IP or its signature."""
    author = message.author
    if author is None:
        return None
    for form in site.form_senders:
        if author.contact == form.address.lower() and (
            _from_network(message.arrival.session.client_ip, form.ip)
            or (form.dkim and _signed_by(verdicts, form.dkim))
        ):
            return form
    return None


def writes_for_others(message: Message, verdicts: Verdicts, site: Site, own: OwnIdentity) -> bool:
    """A form of the site: a declared one, or one that nobody declared, which shows by an author at
    our own domain who has the answer sent elsewhere."""
    author, reply_to = message.author, message.reply_to
    if author is None:
        return False
    elsewhere = len(reply_to) == 1 and not own.has(reply_to[0].address)
    ours = own.has(author.address) and elsewhere and not is_by_our_people(message, own)
    return ours or declared_form(message, verdicts, site) is not None


def _from_network(client: str, networks: tuple[str, ...]) -> bool:
    try:
        ip = ipaddress.ip_address(client)
        return any(ip in ipaddress.ip_network(network, strict=False) for network in networks)
    except ValueError:
        return False


def _signed_by(verdicts: Verdicts, domain: str) -> bool:
    dkim = verdicts.get("dkim")
    return dkim is not None and any(
        statement.result == "pass"
        and any(
            name == "header.d" and canonical_domain(value) == domain
            for name, value in statement.properties
        )
        for statement in dkim.statements
    )


def find_target(
    message: Message, form: FormSender | None, large_providers: Collection[str] = ()
) -> Address | None:
    """The author; her Reply-To only within the proven organisation; a form's Reply-To.

    At a large provider everybody has an address: there a Reply-To may name a stranger.
    """
    reply_to = message.reply_to[0] if len(message.reply_to) == 1 else None
    if form:
        return reply_to
    author = message.author
    if author and reply_to and same_organisation(author.domain, reply_to.domain):
        return author if canonical_domain(reply_to.domain) in large_providers else reply_to
    return author


def same_organisation(first: str, second: str) -> bool:
    """By the public suffix list, which needs no DNS; two names under a bare suffix are strangers.

    The proven domain's own tree may be narrower (RFC 9989), which only costs a look at Reply-To.
    """
    mine, theirs = (suffixes().privatesuffix(canonical_domain(d)) for d in (first, second))
    return bool(mine) and mine == theirs


def is_answerable(address: str) -> bool:
    """Whether an address can stand in an envelope and a header field of ours as it is."""
    pattern = _ANSWERABLE if address.isascii() else _ANSWERABLE_UTF8
    return len(address.encode("utf-8", "replace")) <= ADDRESS_MAX and bool(
        pattern.fullmatch(address)
    )
