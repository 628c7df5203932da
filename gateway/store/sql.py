"""The little that all SQL here shares: a connection's face, times, text that any database takes.

One text serves SQLite and PostgreSQL. It keeps to what both understand (RETURNING, ON CONFLICT),
with `?` for parameters. What only PostgreSQL needs stands in a comment that SQLite passes over:
`/*pg FOR UPDATE */`; what only SQLite needs, such as INDEXED BY, `postgres_text.py` takes out.

SQLite has one writer at a time. PostgreSQL has many, so there whoever changes a letter holds its
row first, and whoever looks for work passes over rows that others hold.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import chain
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

    counts: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    """Changes to the sums of `counts.py`."""
    dmarc: defaultdict[tuple[str, int, str], int] = field(default_factory=lambda: defaultdict(int))
    """Messages for the reports of `reports.py`, by domain, day and facts."""

    def add(self, transaction: Transaction) -> None:
        for name, change in transaction.counts.items():
            self.counts[name] += change
        for found, number in transaction.dmarc.items():
            self.dmarc[found] += number


@dataclass(slots=True)
class Transaction:
    """One piece of work inside a group commit: it stands or falls alone."""

    db: Connection
    reserve: Callable[[str], int]
    """Gives the number of a table's next row, so that an INSERT need not be asked for it."""
    shared: bool = False
    """Others write at the same time."""
    counts: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    dmarc: defaultdict[tuple[str, int, str], int] = field(default_factory=lambda: defaultdict(int))


def micros(time: datetime) -> int:
    """Microseconds since 1970 in UTC; the time must carry its zone."""
    return (time - _EPOCH) // _MICROSECOND


def span(time: timedelta) -> int:
    return time // _MICROSECOND


def moment(value: int) -> datetime:
    return _EPOCH + timedelta(microseconds=value)


def moment_or_none(value: int | None) -> datetime | None:
    return None if value is None else moment(value)


def among(values: Collection[Any]) -> tuple[str, list[Any]]:
    """Marks and values of an IN list, filled up with its last value to a power of two: few texts,
    each prepared once. An empty list matches nothing."""
    filled = list(values)
    if filled:
        filled += filled[-1:] * ((1 << (len(filled) - 1).bit_length()) - len(filled))
    return marks(len(filled)), filled


@lru_cache(maxsize=512)
def marks(count: int) -> str:
    """`?,?,?` for an IN list; an empty list matches nothing."""
    return ",".join("?" * count) or "NULL"


MOST_ROWS = 32
"""Rows that one INSERT takes: a statement that is begun lets go of the interpreter, and whoever has
to wait for it again waits the longest."""


def insert(
    db: Connection, into: str, rows: Sequence[Sequence[Any]], tail: str = ""
) -> list[Cursor]:
    """`INSERT INTO {into} VALUES …`, all rows in a few statements; gives their answers.

    Their numbers of rows are powers of two: few texts, each prepared once.
    """
    answers, start = [], 0
    while start < len(rows):
        count = min(MOST_ROWS, 1 << (len(rows) - start).bit_length() - 1)
        piece = rows[start : start + count]
        text = _insertion(into, count, len(piece[0]), tail)
        answers.append(db.execute(text, list(chain.from_iterable(piece))))
        start += count
    return answers


@lru_cache(maxsize=256)
def _insertion(into: str, rows: int, width: int, tail: str) -> str:
    row = f"({marks(width)})"
    return f"INSERT INTO {into} VALUES {','.join([row] * rows)}{tail}"  # noqa: S608 - names of ours


def safe(text: str) -> str:
    """Text as a database takes it: no NUL, no half of a surrogate pair (lossy)."""
    if text.isascii():
        return text.replace("\x00", "?") if "\x00" in text else text
    return text.encode("utf-8", "replace").decode().replace("\x00", "?")
