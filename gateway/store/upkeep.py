"""Clean-up piece by piece, so that mail never waits for it, and spool files nobody knows."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from gateway.store import cleaning
from gateway.store.bodies import Spool
from gateway.store.sql import Connection, Transaction
from gateway.store.writer import Writer

STRAY_AGE = 3600.0
"""Seconds after which a spool file that no row knows is removed."""
FILES = 500
"""Spool files looked up at a time."""


async def expire_quarantine(writer: Writer, before: int, now: int) -> None:
    await _pieces(writer, lambda tx: cleaning.expire_quarantine(tx, before, now))


async def clean(
    writer: Writer,
    forget: Callable[[Sequence[str]], Awaitable[None]],
    *,
    bodies: int,
    records: int,
    dead_addresses: int,
) -> None:
    """Forget what is older than these moments, and is not owed; `forget` removes large contents."""
    full = True
    while full:
        gone = await writer.do(lambda tx: cleaning.clean_bodies(tx, bodies))
        await forget(gone)
        full = len(gone) == cleaning.PIECE
    await _pieces(writer, lambda tx: cleaning.clean_records(tx, records))
    await writer.do(lambda tx: cleaning.clean_rest(tx, records, dead_addresses))


async def _pieces(writer: Writer, work: Callable[[Transaction], int]) -> None:
    while await writer.do(work) == cleaning.PIECE:
        pass


async def remove_strays(reader: Writer, writer: Writer, spool: Spool) -> None:
    """Remove spool files of messages that were never kept, as a crash in between leaves them.

    They are asked for once more where nobody else writes: the clock may have jumped, and what looks
    old belong to a message that is just being kept. Who keeps it after that finds it gone.
    """
    paths = await asyncio.to_thread(lambda: list(spool.strays(STRAY_AGE)))
    for start in range(0, len(paths), FILES):
        piece = paths[start : start + FILES]
        unknown = await reader.do(partial(_unknown, piece))
        if unknown:
            await writer.do(partial(_remove, unknown))


def _unknown(paths: Sequence[Path], tx: Transaction) -> Sequence[Path]:
    db: Connection = tx.db
    known = cleaning.known_in_spool(db, [path.name for path in paths])
    return [path for path in paths if path.name not in known]


def _remove(paths: Sequence[Path], tx: Transaction) -> None:
    for path in _unknown(paths, tx):
        with suppress(OSError):
            path.unlink()
