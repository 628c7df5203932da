"""Whom we take mail for. Everything else is refused at RCPT: we are no open relay."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from gateway.domains import canonical_domain
from gateway.reply import RELAYING_DENIED, UNKNOWN_RECIPIENT, Reply
from gateway.settings import Site

ALWAYS_TAKEN = ("postmaster", "abuse")
"""RFC 5321, 4.5.1 and RFC 2142: never refused, quarantined or acknowledged."""


def canonical(recipient: str) -> str:
    """The address without plus-tag, in lower case: under it a recipient is known and matched.

    A quoted local part has no tag: what is cut off one leaves half a quotation.
    """
    local, _, domain = recipient.lower().rpartition("@")
    base = "" if local.startswith('"') else local.partition("+")[0]
    return f"{base or local}@{_spelled(domain)}"


def _spelled(domain: str) -> str:
    """The YAML names domains in ASCII; an SMTPUTF8 client may write U-labels (RFC 6531, 3.2)."""
    return domain if domain.isascii() else canonical_domain(domain)


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A recipient that was found: whose it is, and the address the rules see."""

    site: Site
    address: str
    """Canonical: lower case, no plus-tag, alias resolved."""

    @property
    def is_role(self) -> bool:
        return self.address.partition("@")[0] in ALWAYS_TAKEN


class Recipients:
    """Every recipient of every site, looked up by address."""

    def __init__(self, sites: Sequence[Site], listed: Mapping[str, Iterable[str]]) -> None:
        """`listed[site]` are the addresses of the site's recipients file."""
        self._sites = {domain: site for site in sites for domain in site.domains}
        self._first = sites[0]
        self._aliases = {
            canonical(alias): canonical(target)
            for site in sites
            for alias, target in site.aliases.items()
        }
        self._known = {
            site.site: _known(site, listed.get(site.site, ()), self._aliases) for site in sites
        }
        self._any = {site.site for site in sites if _takes_any(site, listed)}

    def find(self, recipient: str) -> Mailbox | Reply:
        """The mailbox of a recipient, or the reply that refuses it."""
        if recipient.lower() == "postmaster":
            recipient = f"postmaster@{self._first.domains[0]}"
        address = canonical(recipient)
        address = self._aliases.get(address, address)
        local, _, domain = address.rpartition("@")
        site = self._sites.get(domain)
        if site is None:
            return RELAYING_DENIED
        known = local in ALWAYS_TAKEN or site.site in self._any
        if known or address in self._known[site.site]:
            return Mailbox(site, address)
        return UNKNOWN_RECIPIENT

    def refusal(self, recipient: str) -> Reply | None:
        """The reply at RCPT: None is a welcome."""
        found = self.find(recipient)
        return found if isinstance(found, Reply) else None

    def is_ours(self, address: str) -> bool:
        """Whether an address belongs to a domain of ours."""
        return _spelled(address.rpartition("@")[2].lower()) in self._sites


def _known(site: Site, listed: Iterable[str], aliases: Mapping[str, str]) -> frozenset[str]:
    addresses = [*site.recipients.addresses, *listed]
    if not addresses and not site.recipients.any:
        addresses = [route.to for route in site.routes if "*" not in route.to]
    own = [alias for alias in aliases if alias.rpartition("@")[2] in site.domains]
    return frozenset(canonical(address) for address in [*addresses, *own])


def _takes_any(site: Site, listed: Mapping[str, Iterable[str]]) -> bool:
    if site.recipients.any:
        return True
    if site.recipients.addresses or site.recipients.file or listed.get(site.site):
        return False
    return any("*" in route.to for route in site.routes)
