"""What arrived, octet for octet, and what was read in it. Only values: nothing here does I/O.

The original octets are the truth. A `Message` is a reading of them for our own use; what is
delivered is always the original with fields prepended (see `stamp.py`).
"""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar
from weakref import WeakKeyDictionary

from gateway.domains import canonical_domain

Octets = bytes | mmap.mmap
"""Content as received, CRLF line ends: in memory, or a memory-mapped spool file when large.

Both kinds can be sliced (giving `bytes`), searched with `find` and matched with `re`.
"""


def let_go(content: Octets, start: int = 0, length: int | None = None) -> None:
    """Hold no memory for what was read of a large content: it is read from its file again.

    `start` is a multiple of the page size.
    """
    if isinstance(content, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        content.madvise(
            mmap.MADV_DONTNEED, start, len(content) - start if length is None else length
        )


def slices(content: Octets, length: int = 1 << 20) -> Iterator[bytes]:
    """All of it in order, `length` octets at a time; of a large content none is held when read.

    For a mapped file `length` is a multiple of the page size.
    """
    for start in range(0, len(content), length):
        yield content[start : start + length]
        let_go(content, start, min(length, len(content) - start))


@dataclass(frozen=True, slots=True)
class Session:
    """The SMTP session a message came in (RFC 5321, 3.1)."""

    client_ip: str
    helo: str = ""
    tls: str = ""
    """The TLS version and cipher, empty without TLS."""
    user: str = ""
    """Who authenticated (RFC 4954), empty if nobody."""
    protocol: str = "ESMTP"
    """The 'with' word of Received (RFC 3848): SMTP, ESMTP, ESMTPS, ESMTPSA, LMTP …"""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the client wants to be told of the delivery (RFC 3461, 4); empty: it said nothing."""

    ret: str = ""
    """FULL or HDRS: how much of the message a report of failure brings back."""
    envid: str = ""
    """The client's own name for this transaction, in xtext as it came."""
    recipients: tuple[tuple[str, str, str], ...] = ()
    """Recipient as the client named it, NOTIFY (`NEVER` or words of `SUCCESS,FAILURE,DELAY`),
    ORCPT (`rfc822;` and xtext): for those that have either."""

    def of(self, recipient: str) -> tuple[str, str]:
        """NOTIFY and ORCPT of one recipient."""
        for address, notify, orcpt in self.recipients:
            if address == recipient:
                return notify, orcpt
        return "", ""


NO_WISHES = Wishes()


@dataclass(frozen=True, slots=True)
class Envelope:
    """Whom to tell of failure, and who it is for (RFC 5321, 2.3.1)."""

    reverse_path: str
    """`""` is the null path `<>`."""
    recipients: tuple[str, ...]
    smtputf8: bool = False
    body: str = "7BIT"
    """7BIT or 8BITMIME as the client declared (RFC 6152)."""
    wishes: Wishes = NO_WISHES


@dataclass(frozen=True, slots=True, eq=False)
class Arrival:
    """One message as the edge took it, before anybody looked inside."""

    queue_id: str
    time: datetime
    """When the final dot came; always in UTC."""
    session: Session
    envelope: Envelope
    content: Octets
    digest: bytes = b""
    """SHA-256 of the content, where it was made already."""


def contact_key(address: str) -> str:
    """Whom we remember: the address in lower case, its domain in A-labels, as the YAML has it."""
    address = address.lower()
    if address.isascii():
        return address
    local, at, domain = address.rpartition("@")
    return f"{local}{at}{canonical_domain(domain)}"


@dataclass(frozen=True, slots=True)
class Address:
    """One mailbox of a header field (RFC 5322, 3.4): decoded display name and addr-spec."""

    name: str
    address: str

    @property
    def domain(self) -> str:
        """The lower-cased domain, empty when there is none."""
        return self.address.rpartition("@")[2].lower() if "@" in self.address else ""

    @property
    def contact(self) -> str:
        """The key under which we remember this person."""
        return contact_key(self.address)


@dataclass(frozen=True, slots=True)
class Field:
    """One header field as it came: `content[start:end]` are its octets, CRLF included."""

    name: str
    """Lower-cased."""
    value: bytes
    """What follows the colon, folding kept, without the final CRLF."""
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Attachment:
    filename: str
    content_type: str
    size: int
    """Octets as encoded in the message."""


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Message:
    """What `parse` read in an Arrival. Never trusted, always bounded."""

    arrival: Arrival
    fields: tuple[Field, ...]
    body_start: int
    """Offset of the body in the content, after the empty line."""
    authors: tuple[Address, ...] = ()
    """Every mailbox of every From field: more or fewer than one is suspicious. None at all if
    there was more than is read, since what stood there might be the one a reader is shown."""
    reply_to: tuple[Address, ...] = ()
    to: tuple[Address, ...] = ()
    cc: tuple[Address, ...] = ()
    subject: str = ""
    date: datetime | None = None
    message_id: str = ""
    """With its angle brackets, empty when missing or malformed."""
    in_reply_to: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    plain: str = ""
    """The text/plain parts shown to a reader, decoded, cut at the bound."""
    html: str = ""
    """The text/html parts shown to a reader, decoded, cut at the bound."""
    content_types: tuple[str, ...] = ()
    """The lower-cased type of every MIME part, the whole message's first."""
    attachments: tuple[Attachment, ...] = ()
    defects: tuple[str, ...] = ()
    """What is malformed, in words of our own."""
    unread: tuple[str, ...] = ()
    """What the bounds left unread, for X-Gateway-Unchecked: `text (over 64 KB)`."""
    decoded: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Unfolded and decoded values by lower-cased field name; decoded when first asked for."""
    whole: bool = True
    """Whether `fields` are all fields: else a field that is not there may still be."""

    @property
    def author(self) -> Address | None:
        """The author, if there is exactly one."""
        return self.authors[0] if len(self.authors) == 1 else None

    def all(self, name: str) -> tuple[str, ...]:
        """Every decoded value of a field, in the order they stand."""
        return self.decoded.get(name.lower(), ())

    def first(self, name: str) -> str:
        """The first decoded value of a field, or an empty string."""
        values = self.decoded.get(name.lower(), ())
        return values[0] if values else ""

    def has(self, name: str) -> bool:
        return name.lower() in self.decoded


T = TypeVar("T")


def once_per_message(reading: Callable[[Message], T]) -> Callable[[Message], T]:
    """Let a pure reading of a Message be made once and shared by everyone who asks for it."""
    known: WeakKeyDictionary[Message, T] = WeakKeyDictionary()

    def read(message: Message) -> T:
        try:
            return known[message]
        except KeyError:
            known[message] = result = reading(message)
            return result

    read.__doc__ = reading.__doc__
    read.__name__ = reading.__name__
    return read
