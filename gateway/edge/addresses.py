"""Which addresses a stranger's DNS may send us to."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_INTERNET = ipaddress.IPv6Network("2000::/3")
"""All that IANA gives out of IPv6; beyond it are site-local addresses, translators and the like."""
_CARRIERS = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("::/96"))
"""NAT64, and the compatible form that nobody should use any more."""


def is_public(text: str, named: Sequence[Network] = ()) -> bool:
    """Whether this is an address of the Internet at large, or in a network that is named.

    Loopback, private, link-local, shared and reserved ones are not, in whatever IPv6 dress they
    come: mapped (RFC 4291), 6to4 (RFC 3056), Teredo (RFC 4380), NAT64 (RFC 6052).
    """
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    inner = _inner(address)
    if any(each in network for each in (inner, address) for network in named):
        return True
    if inner is address and address.version == 6 and address not in _INTERNET:
        return False
    return all(each.is_global and not each.is_multicast for each in (address, inner))


def _inner(address: Address) -> Address:
    """The IPv4 address that an IPv6 address leads to, else the address itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if any(address in carrier for carrier in _CARRIERS):
        return ipaddress.IPv4Address(address.packed[-4:])
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else address)
