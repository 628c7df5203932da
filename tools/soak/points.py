"""Named moments in the life of a message at which a gateway can be killed.

The gateway knows nothing of them: `install` wraps its functions before it runs. Which point is
armed stands in a small file that the harness and all processes of the gateway map, so a running
gateway can be armed at any time.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import signal
import sqlite3
import struct
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

POINTS = (
    "after-data",  # the message is whole; nobody has looked at it
    "examining",  # its digest stands in the worker's slot
    "spooled",  # a large body is synced; no row knows it
    "before-commit",  # all rows of a message are written
    "after-commit",  # the message is ours; nobody was told
    "after-reply",  # 250 was said
    "claimed",  # letters are leased to the relay
    "mid-relay",  # half of a letter has gone to the next hop
    "after-dot",  # the final dot has gone; no answer yet
    "after-relay",  # the next hop said 250; not written down
    "ack-after-dot",  # the same two for an acknowledgement
    "ack-after-relay",
    "before-settle",  # the outcome is written, not committed
    "after-settle",
    "drain",  # SIGTERM was heard
    "drained",  # all has ended but the store is open
    "reload",  # SIGHUP, the new parts are built
    "committing",  # PostgreSQL has the COMMIT; it has not answered
    "migration-backup",  # the copy is being made
    "migration-step",  # a step was done
    "migration-commit",  # all steps were done
    "migrated",  # committed
)
MIGRATION = tuple(point for point in POINTS if point.startswith("migrat"))
DRAIN = ("drain", "drained")

_TRAP = struct.Struct("<IIIII")
GROUP, WORKER, SERVER = 0, 1, 2
"""Who dies: the whole gateway, the one process that came by, or PostgreSQL under it."""


class Trap:
    """The armed point: its number (0: none), how often it is passed first, who dies; what fired;
    the first process of PostgreSQL, where that is who dies."""

    def __init__(self, path: Path) -> None:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            os.ftruncate(descriptor, _TRAP.size)
            self._map = mmap.mmap(descriptor, _TRAP.size)
        finally:
            os.close(descriptor)

    def arm(self, point: str, passes: int = 0, scope: int = GROUP, server: int = 0) -> None:
        _TRAP.pack_into(self._map, 0, POINTS.index(point) + 1, passes, scope, 0, server)

    def disarm(self) -> None:
        _TRAP.pack_into(self._map, 0, 0, 0, 0, 0, 0)

    @property
    def fired(self) -> bool:
        return bool(_TRAP.unpack_from(self._map, 0)[3])

    def passed(self, point: str) -> None:
        """Called in the gateway: die here if this point is armed and its time has come."""
        armed, passes, scope, fired, server = _TRAP.unpack_from(self._map, 0)
        if not armed or fired or POINTS[armed - 1] != point:
            return
        if passes:
            _TRAP.pack_into(self._map, 0, armed, passes - 1, scope, 0, server)
            return
        _TRAP.pack_into(self._map, 0, armed, 0, scope, armed, server)
        if scope == SERVER:
            kill_server(server)  # and we go on
            return
        if scope == WORKER:
            os.kill(os.getpid(), signal.SIGKILL)
        os.killpg(os.getpgrp(), signal.SIGKILL)
        signal.pause()


def kill_server(leader: int) -> None:
    """All processes of a PostgreSQL at the same time, as far as that goes: as when the power fails,
    but for what the kernel has not written yet."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(leader, signal.SIGSTOP)  # or it would see its children die, and tidy up
        children = Path(f"/proc/{leader}/task/{leader}/children").read_text().split()
        for pid in [*map(int, children), leader]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def install(trap: Trap) -> None:
    """Wrap the gateway's functions. A name that is gone stops the harness, not a point's effect.

    Those of a store in PostgreSQL: `points_postgres.py`.
    """
    _watch_sqlite(trap)
    _watch_intake(trap)
    _watch_relay(trap)
    _watch_ends(trap)


# --- the store -----------------------------------------------------------------------------------

CHECKPOINT = 64
"""Pages after which the write-ahead log is copied into the database: here, 60 times as often."""


def _watch_sqlite(trap: Trap) -> None:
    """All connections notice what a transaction writes, and stop before and after its COMMIT."""

    class Watched(sqlite3.Connection):
        wrote: str = ""

        def execute(self, sql: str, *arguments: Any) -> sqlite3.Cursor:
            if sql == "COMMIT" and self.wrote:
                wrote, self.wrote = self.wrote, ""
                trap.passed(BEFORE[wrote])
                done = super().execute(sql)
                trap.passed(AFTER[wrote])
                return done
            if sql.startswith("PRAGMA wal_autocheckpoint") and not sql.endswith("= 0"):
                sql = f"PRAGMA wal_autocheckpoint = {CHECKPOINT}"
            elif sql.startswith("BEGIN"):
                self.wrote = ""
            elif sql.startswith("PRAGMA user_version ="):
                self.wrote = "migration"
                trap.passed("migration-step")
            else:
                self.wrote = wrote_also(self.wrote, sql)
            return super().execute(sql, *arguments)

        def executemany(self, sql: str, rows: Iterable[Any]) -> sqlite3.Cursor:  # type: ignore[override]
            self.wrote = wrote_also(self.wrote, sql)
            return super().executemany(sql, rows)

        def backup(self, *arguments: Any, **more: Any) -> None:
            super().backup(*arguments, **more)
            trap.passed("migration-backup")

    connect = sqlite3.connect
    sqlite3.connect = lambda *a, **k: connect(*a, **{"factory": Watched, **k})  # type: ignore[assignment]

    from gateway.store.bodies import Spool

    write = Spool.write

    def spool(self: Spool, *arguments: Any) -> None:
        write(self, *arguments)
        trap.passed("spooled")

    Spool.write = spool  # type: ignore[method-assign]


def wrote_also(wrote: str, sql: str) -> str:
    """What a transaction is about that was about `wrote`, with one statement more."""
    if sql.startswith("INSERT INTO messages"):
        return "message"
    if sql.startswith("UPDATE letters SET state = 'active'"):
        return wrote or "claim"
    if sql.startswith("UPDATE recipients SET state") and wrote != "message":
        return "settle"
    return wrote


BEFORE = {
    "message": "before-commit",
    "claim": "",
    "settle": "before-settle",
    "migration": "migration-commit",
}
AFTER = {
    "message": "after-commit",
    "claim": "claimed",
    "settle": "after-settle",
    "migration": "migrated",
}


# --- mail in and out -----------------------------------------------------------------------------


def _watch_intake(trap: Trap) -> None:
    from gateway.edge.connection import Connection
    from gateway.edge.taking import Taker
    from gateway.pipeline import Pipeline

    before(Taker, "_hand_over", lambda *_: trap.passed("after-data"))
    before(Pipeline, "examine", lambda *_: trap.passed("examining"))
    flush = Connection._flush

    def flushed(self: Connection) -> None:
        accepted = any(b"queued as" in line for line in self._out)
        flush(self)
        if accepted:
            trap.passed("after-reply")

    Connection._flush = flushed  # type: ignore[method-assign]


def _watch_relay(trap: Trap) -> None:
    from gateway.edge.smtp_session import Session
    from gateway.edge.smtp_wire import Wire

    write = Wire.write
    half = 400
    """Longer than any command of ours."""

    def written(self: Wire, octets: bytes) -> None:
        if len(octets) > half:
            write(self, octets[:half])
            trap.passed("mid-relay")
            octets = octets[half:]
        write(self, octets)

    Wire.write = written  # type: ignore[method-assign]
    deliver, verdicts = Session.deliver, Session._verdicts

    async def delivering(self: Any, job: Any, progress: Any) -> Any:
        self.soak_kind = "ack-" if job.kind == "acknowledgement" else ""
        sent = await deliver(self, job, progress)
        if any(outcome.result == "relayed" for outcome in sent.outcomes):
            trap.passed(self.soak_kind + "after-relay")
        return sent

    async def listening(self: Any, *arguments: Any) -> None:
        trap.passed(self.soak_kind + "after-dot")
        await verdicts(self, *arguments)

    Session.deliver, Session._verdicts = delivering, listening  # type: ignore[method-assign]


POLL = 0.05
"""Seconds after which the relay finds what a command made due: here, 20 times as often."""


def _watch_ends(trap: Trap) -> None:
    from gateway.app import Gateway
    from gateway.edge.relay import Relay
    from gateway.store.common import CommonStore

    begin = Relay.__init__

    def begun(self: Relay, **more: Any) -> None:
        begin(self, **{"poll": POLL, **more})

    Relay.__init__ = begun  # type: ignore[method-assign]
    before(Relay, "drain", lambda *_: trap.passed("drain"))
    before(CommonStore, "close", lambda *_: trap.passed("drained"))
    before(Gateway, "_build_intake", lambda self, *_: _reloading(trap, self))


def _reloading(trap: Trap, gateway: Any) -> None:
    if hasattr(gateway, "_intake"):  # the first time is the start
        trap.passed("reload")


def before(owner: type, name: str, act: Callable[..., None]) -> None:
    """Do something whenever a method is called; it may be a coroutine."""
    original = getattr(owner, name)

    def wrapped(*arguments: Any, **more: Any) -> Any:
        act(*arguments)
        return original(*arguments, **more)

    setattr(owner, name, wrapped)
