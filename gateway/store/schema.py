"""Opening the file: connection settings, and the schema brought up to date with a backup first."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from importlib.resources import files
from pathlib import Path

from gateway.store import StoreError
from gateway.store.bodies import sync_folder

BUSY_TIMEOUT = 5.0
"""Seconds to wait for another process's transaction before 451."""
MIGRATION_TIMEOUT = 1800.0
"""Seconds to wait for another process that is at the same: it copies the whole file first."""

_SETTINGS = (
    "PRAGMA page_size = 8192",  # of a new file: a letter of 6 KB fits in a page
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",  # NORMAL may lose the last commits when the power fails
    "PRAGMA wal_autocheckpoint = 0",  # one process does it for all: `sqlite.CHECKPOINT`
    "PRAGMA journal_size_limit = 67108864",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA cache_size = -32768",
)


def connect(path: Path | str) -> sqlite3.Connection:
    """A connection that may write; used by one thread, but not the one that opens it."""
    db = sqlite3.connect(
        path,
        timeout=BUSY_TIMEOUT,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=512,
    )
    try:
        for setting in _SETTINGS:
            _set(db, setting)
    except BaseException:
        db.close()
        raise
    return db


def _set(db: sqlite3.Connection, setting: str, patience: float = BUSY_TIMEOUT) -> None:
    """SQLite does not wait for others by itself while the kind of journal is changed, so that one
    of several processes that open a new file together would be told it is locked."""
    end = time.monotonic() + patience
    while True:
        try:
            db.execute(setting)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
            time.sleep(0.005)
        else:
            return


def open_new(path: Path) -> tuple[sqlite3.Connection, Path | None]:
    """A connection that may write, with the schema brought up to date, and the copy of the file
    as it was before, if it was older."""
    db = connect(path)
    try:
        return db, migrate(db, path)
    except BaseException:
        db.close()
        raise


def connect_reader(path: Path) -> sqlite3.Connection:
    """A connection that cannot write."""
    db = connect(path)
    db.execute("PRAGMA query_only = 1")
    return db


def migrations() -> list[str]:
    """The statements of schema/001.sql, 002.sql …; number n leads to version n."""
    folder = files("gateway.store") / "schema"
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
    return [(folder / name).read_text(encoding="utf-8") for name in names]


def migrate(
    db: sqlite3.Connection, path: Path | None, steps: Sequence[str] | None = None
) -> Path | None:
    """Bring the schema up to date; an existing file is copied first. Gives the copy, if any.

    Several processes may start at once: the first takes the lock, the others find it done. The copy
    is made under the lock, so that it is the file as it was, with all mail that was ever answered.
    Raises StoreError for a file that a later version has written.
    """
    steps = migrations() if steps is None else steps
    if _known_version(db, steps) == len(steps):
        return None
    copy = None
    _set(db, "BEGIN IMMEDIATE", MIGRATION_TIMEOUT)
    try:
        version = _known_version(db, steps)
        if 0 < version < len(steps) and path is not None:
            copy = path.with_name(f"{path.name}.v{version}.backup")
            _back_up(path, copy)
        for number in range(version, len(steps)):
            for statement in statements(steps[number]):
                db.execute(statement)
            db.execute(f"PRAGMA user_version = {number + 1}")
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    return copy


def too_new(version: int, known: int) -> StoreError:
    """There is no way back but the copy: fields of a later version would be lost."""
    return StoreError(
        f"its schema has version {version} and this program knows {known}: "
        "run the version that wrote it, or put the backup of before back in its place"
    )


def _known_version(db: sqlite3.Connection, steps: Sequence[str]) -> int:
    version = int(db.execute("PRAGMA user_version").fetchone()[0])
    if version > len(steps):
        raise too_new(version, len(steps))
    return version


def statements(script: str) -> list[str]:
    """A script in single statements: executescript would commit between them."""
    found, lines = [], list[str]()
    for line in script.splitlines():
        lines.append(line)
        text = "\n".join(lines)
        if sqlite3.complete_statement(text):
            found.append(text)
            lines = []
    return found


def _back_up(path: Path, copy: Path) -> None:
    """Copy the whole file, synced, under its final name only when complete.

    By a connection of its own: the one that writes may not be copied from. Nobody else is at it,
    for we have the lock; what lies there was left by somebody who was stopped.
    """
    unfinished = copy.with_name(f"{copy.name}.unfinished")
    left = (unfinished, unfinished.with_name(f"{unfinished.name}-journal"))
    _remove(left)
    try:
        unfinished.touch(mode=0o600)
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(unfinished)) as to:
            source.backup(to)
        with unfinished.open("rb") as file:
            os.fsync(file.fileno())
        unfinished.replace(copy)
        sync_folder(copy.parent)
    finally:
        _remove(left)  # a full disk needs the room


def _remove(paths: Sequence[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
