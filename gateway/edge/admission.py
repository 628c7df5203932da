"""Who may connect: so many clients in all, so many from one address."""

from __future__ import annotations

import ipaddress
from functools import lru_cache

from gateway.reply import OVERLOADED, Reply

TOO_MANY_FROM_YOU = Reply(421, "4.7.0", "Too many connections from your address")


@lru_cache(maxsize=4096)
def canonical_ip(peer: str) -> str:
    """An address in one spelling: no zone, and IPv4 as IPv4 even on an IPv6 socket."""
    address = ipaddress.ip_address(peer.partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


@lru_cache(maxsize=4096)
def client_key(client_ip: str) -> str:
    """What counts as one client: an IPv4 address, or the /64 that one IPv6 customer is given."""
    address = ipaddress.ip_address(client_ip)
    if address.version == 4:
        return client_ip
    return str(ipaddress.ip_network((address, 64), strict=False))


@lru_cache(maxsize=4096)
def is_loopback(client_ip: str) -> bool:
    return ipaddress.ip_address(client_ip).is_loopback


class Admission:
    """Counts open connections; share one among all listeners of a process."""

    def __init__(self, connections: int, per_client: int, *, loopback: bool = False) -> None:
        """`loopback`: whether the limit for each client binds loopback clients too."""
        self._most = connections
        self._most_per_client = per_client
        self._loopback = loopback
        self._clients: dict[str, int] = {}
        self.open = 0

    def enter(self, client_ip: str) -> Reply | None:
        """Count one connection in. A Reply says why it may not; then it is not counted."""
        if self.open >= self._most:
            return OVERLOADED
        key = client_key(client_ip)
        count = self._clients.get(key, 0)
        if count >= self._most_per_client and (self._loopback or not is_loopback(client_ip)):
            return TOO_MANY_FROM_YOU
        self._clients[key] = count + 1
        self.open += 1
        return None

    def leave(self, client_ip: str) -> None:
        key = client_key(client_ip)
        left = self._clients[key] - 1
        if left:
            self._clients[key] = left
        else:
            del self._clients[key]
        self.open -= 1
