"""The PostgreSQL under a soak: a real one that syncs, of our own, ended in every way it can end."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg

from tools.soak.points import kill_server

sys.path.insert(0, str(Path(__file__).parent.parent.parent / "tests"))
from support.postgres import Cluster, cluster

START_LIMIT = 60.0
_PR_SET_CHILD_SUBREAPER = 36

_WATCH = """
CREATE TABLE soak_ended (id TEXT, lease TEXT);
CREATE FUNCTION soak_note() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN INSERT INTO soak_ended VALUES (OLD.id, OLD.lease); RETURN NULL; END $$;
CREATE TRIGGER soak_note AFTER UPDATE ON letters FOR EACH ROW WHEN (
    OLD.state = 'active' AND OLD.lease <> '' AND NEW.state = 'active' AND NEW.lease <> OLD.lease
) EXECUTE FUNCTION soak_note();
"""
_ENDED = """
WITH ended AS (DELETE FROM soak_ended RETURNING id, lease)
SELECT e.id, e.lease, m.queue_id, r.address FROM ended e JOIN letters l ON l.id = e.id
JOIN messages m ON m.number = l.message JOIN recipients r ON r.letter = l.number
"""


class Server:
    """One database in a cluster that comes and goes."""

    def __init__(self, made: Cluster) -> None:
        self._cluster = made
        self._database = made.database()
        self.leader = self._leader()

    @property
    def url(self) -> str:
        """As nodes elsewhere reach it: by TCP, with a password."""
        return self._cluster.url(self._database, socket=False)

    def connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self._cluster.url(self._database), autocommit=True)

    def watch_leases(self) -> None:
        """From now on the database records each lease that is ended while its letter is under way:
        its owner died, or is taken to have died."""
        with self.connect() as db:
            db.execute(_WATCH)

    def ended_leases(self) -> list[tuple[str, str, str, str]]:
        """Those recorded since this was asked last: letter, lease, queue id, each recipient."""
        with self.connect() as db:
            return db.execute(_ENDED).fetchall()

    # --- its ends ---

    def stop(self) -> None:
        """As for a restart: who is connected is thrown out, what was committed is written."""
        self._end(signal.SIGINT)

    def stop_at_once(self) -> None:
        """An immediate shutdown: no farewell, no checkpoint."""
        self._end(signal.SIGQUIT)

    def kill(self) -> None:
        kill_server(self.leader)
        self.gone()

    def kill_one(self) -> None:
        """One of the processes that serve a gateway. The others are thrown out for it, and
        PostgreSQL recovers by itself."""
        with self.connect() as db:
            rows = db.execute(
                "SELECT pid FROM pg_stat_activity WHERE application_name = 'gateway' "
                "ORDER BY state = 'active' DESC, random() LIMIT 1"
            ).fetchall()
        for (pid,) in rows:
            with suppress(ProcessLookupError, TimeoutError):  # it may be back before we look
                os.kill(pid, signal.SIGKILL)
                self._until(serves=False, limit=1.0)
                time.sleep(0.05)  # for the others to be gone

    def _end(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.leader, number)
        self.gone()

    def gone(self) -> None:
        """Wait until its first process is no more; nobody else buries it (`adopt`)."""
        with suppress(ChildProcessError):
            os.waitpid(self.leader, 0)
        for pid in _children():
            with suppress(OSError, ChildProcessError):
                if Path(f"/proc/{pid}/comm").read_text().strip() == "postgres":
                    os.waitpid(pid, os.WNOHANG)

    # --- its beginnings ---

    def start(self) -> None:
        """It serves when this returns; after a crash it has recovered."""
        self._cluster.start()
        self.leader = self._leader()

    def well(self) -> None:
        """Wait until it serves, having recovered by itself."""
        self._until(serves=True, limit=START_LIMIT)

    def _until(self, *, serves: bool, limit: float) -> None:
        end = time.monotonic() + limit
        while self._serves() != serves:
            if time.monotonic() > end:
                raise TimeoutError(f"PostgreSQL: not {serves=} in {limit:.0f} s")
            time.sleep(0.005)

    def _serves(self) -> bool:
        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def _leader(self) -> int:
        return int((self._cluster.folder / "data/postmaster.pid").read_text().partition("\n")[0])

    def wrong(self) -> str:
        """What pg_amcheck finds wrong in the database; nothing, as is hoped for."""
        checked = subprocess.run(  # noqa: S603 - of our own
            [
                str(self._cluster.programs / "pg_amcheck"), "--install-missing", "-h",
                str(self._cluster.folder), "-p", str(self._cluster.port), "-U", "gateway",
                self._database,
            ],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        return (checked.stdout + checked.stderr)[-500:] if checked.returncode else ""


def _children() -> list[int]:
    found = Path(f"/proc/self/task/{os.getpid()}/children").read_text()
    return [int(pid) for pid in found.split()]


def adopt() -> None:
    """Whose parent has ended, as with a server's first process, is a child of this one."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


@contextmanager
def server() -> Iterator[Server]:
    adopt()
    with cluster(durable=True) as made:
        serving = Server(made)
        try:
            yield serving
        finally:
            serving.kill()
            (made.folder / "data/postmaster.pid").unlink(missing_ok=True)
