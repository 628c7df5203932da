"""Mail in another store of this host: after `store` was changed nobody would deliver it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from itertools import islice
from pathlib import Path

from gateway.configuration.yaml_values import Sources
from gateway.problems import Problem, shown
from gateway.settings import Settings
from gateway.store import counts
from gateway.store.opening import STATE, is_shared, state_folder, store_path

MOST = 10
"""Files of a folder that are looked at."""
LONGEST = 4096
"""Characters of a path."""


def other_stores(settings: Settings, sources: Sources, now: datetime) -> Iterator[Problem]:
    """Only SQLite files beside ours, or where they stand by default, can be known of."""
    if not sources.sound(("store",), ("state",)):
        return
    own = None if is_shared(settings) else store_path(settings)
    folders = {STATE, state_folder(settings), *([own.parent] if own else [])}
    for path in (path for folder in sorted(folders) for path in _files(folder)):
        waiting = 0 if own and path.resolve() == own.resolve() else _waiting(path)
        if waiting:
            name = shown(str(path), LONGEST)
            what = f"another store, {name}, still holds mail for {waiting} recipients"
            mend = "let a gateway with it as its store deliver that, or remove the file"
            yield sources.problem(("store",), what, mend, warning=True)


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(islice(folder.glob("*.db"), MOST))
    except OSError:
        return []


def _waiting(path: Path) -> int:
    """Recipients that mail waits for; 0 for what is no store, may not be read or is in use.

    A file with a log is open somewhere, maybe here: to close it would let go of the locks that this
    process has on it. What was closed cleanly has none, and is read as it stands, unlocked.
    """
    if any(Path(f"{path.resolve()}{end}").exists() for end in ("-wal", "-shm")):
        return 0
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)) as db:
            found = counts.balance(db)
    except (OSError, ValueError, sqlite3.Error):
        return 0
    return found.queued + found.held
