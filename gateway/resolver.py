"""The face of DNS as the filters see it: an argument, never a global.

`gateway.edge.dns` implements it over the network with a cache, `Zone` below over a dictionary.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


class DnsError(Exception):
    """No answer could be had: time-out, SERVFAIL, a lame server. Ask again later (temperror)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Records of one name and type. No records and `exists` false is NXDOMAIN (RFC 8020)."""

    records: tuple[str, ...]
    """TXT: strings of a record joined; MX: `10 host`; A, AAAA: address; PTR, CNAME, NS: name."""
    exists: bool = True
    ttl: int = 300
    """Seconds for which the answer, also a negative one, may be kept."""


class Resolver(Protocol):
    async def query(self, name: str, kind: str) -> Answer:
        """Look up one name; `kind` is TXT, A, AAAA, MX, PTR, NS or CNAME.

        CNAMEs are followed. Raises DnsError when there was no usable answer in time; a name
        that does not exist, or cannot exist (label over 63 octets), is an empty Answer.
        """
        ...


class Zone:
    """A Resolver over a dictionary, for tests and the demo.

    `{"shop.example": {"TXT": ["v=spf1 -all"], "MX": ["10 mx.shop.example"]}}`. A record
    `DnsError` under a type or under `"*"` makes that look-up fail.
    """

    def __init__(self, names: Mapping[str, Mapping[str, Sequence[str] | type[DnsError]]]) -> None:
        self._names = {name.lower().rstrip("."): records for name, records in names.items()}
        self.asked: list[tuple[str, str]] = []

    async def query(self, name: str, kind: str) -> Answer:
        name = name.lower().rstrip(".")
        self.asked.append((name, kind))
        for _ in range(8):
            records = self._names.get(name)
            if records is None:
                below = any(known.endswith("." + name) for known in self._names)
                return Answer((), exists=below)
            found = records.get(kind, records.get("*", ()))
            if isinstance(found, type):
                raise DnsError(f"no answer for {name} {kind}")
            alias = records.get("CNAME")
            if found or kind == "CNAME" or not alias or isinstance(alias, type):
                return Answer(tuple(found))
            name = alias[0].lower().rstrip(".")
        raise DnsError("CNAME chain too long")
