"""The little that all SQL here shares: a connection's face, times, text that any database takes.

One text serves SQLite and PostgreSQL. It keeps to what both understand (RETURNING, ON CONFLICT),
with `?` for parameters. What only PostgreSQL needs stands in a comment that SQLite passes over:
`/*pg FOR UPDATE */`; what only SQLite needs, such as INDEXED BY, `postgres_text.py` takes out.

SQLite has one writer at a time. PostgreSQL has many, so there whoever changes a letter holds its
row first, and whoever looks for work passes over rows that others hold.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Protocol, TypeVar

T = TypeVar("T")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Cursor(Protocol):
    @property
    def rowcount(self) -> int: ...
    def fetchone(self) -> Any: ...
    def fetchall(self) -> list[Any]: ...
    def __iter__(self) -> Iterator[Any]: ...


class Connection(Protocol):
    def execute(self, sql: str, parameters: Sequence[Any] = ..., /) -> Cursor: ...
    def executemany(self, sql: str, parameters: Iterable[Sequence[Any]], /) -> Cursor: ...


Answer = Callable[[], T]
"""What a question gives that was asked already: calling it waits for the rows and reads them. Who
asks several questions before the first answer is read waits for the database once."""


@dataclass(slots=True)
class Sums:
    """What a group of pieces adds up, written once for all of them, just before the commit: rows
    that every message changes are so held by nobody for long."""

    counts: Counter[str] = field(default_factory=Counter)
    """Changes to the sums of `counts.py`."""
    dmarc: Counter[tuple[str, int, str]] = field(default_factory=Counter)
    """Messages for the reports of `reports.py`, by domain, day and facts."""

    def add(self, transaction: Transaction) -> None:
        if transaction.counts:
            self.counts.update(transaction.counts)
        if transaction.dmarc:
            self.dmarc.update(transaction.dmarc)


def _none_reserved(_table: str) -> None:
    return None


@dataclass(slots=True)
class Transaction:
    """One piece of work inside a group commit: it stands or falls alone."""

    db: Connection
    reserve: Callable[[str], int | None] = _none_reserved
    """The number of a table's next row; None lets the database choose it."""
    shared: bool = False
    """Others write at the same time."""
    counts: Counter[str] = field(default_factory=Counter)
    dmarc: Counter[tuple[str, int, str]] = field(default_factory=Counter)


def micros(time: datetime) -> int:
    """Microseconds since 1970 in UTC; the time must carry its zone."""
    return (time - _EPOCH) // _MICROSECOND


def span(time: timedelta) -> int:
    return time // _MICROSECOND


def moment(value: int) -> datetime:
    return _EPOCH + timedelta(microseconds=value)


def moment_or_none(value: int | None) -> datetime | None:
    return None if value is None else moment(value)


@lru_cache(maxsize=512)
def marks(count: int) -> str:
    """`?,?,?` for an IN list; an empty list matches nothing."""
    return ",".join("?" * count) or "NULL"


def safe(text: str) -> str:
    """Text as a database takes it: no NUL, no half of a surrogate pair (lossy)."""
    if text.isascii():
        return text.replace("\x00", "?") if "\x00" in text else text
    return text.encode("utf-8", "replace").decode().replace("\x00", "?")
