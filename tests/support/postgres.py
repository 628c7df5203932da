"""A real PostgreSQL of our own: made in a new folder, run as a user who is not root, on loopback.

In CI (`CI=true`) the server must be there; elsewhere the tests say loudly that they did not run.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

PASSWORD = "correct-horse-battery"


def programs() -> Path | None:
    """The folder of initdb, pg_ctl and postgres: Debian has them outside the PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    on_path = shutil.which("initdb")
    if found:
        return found[-1].parent
    return Path(on_path).resolve().parent if on_path else None


def needed() -> Path:
    """The programs' folder; without them the test is skipped, or fails in CI."""
    folder = programs()
    if folder is None:
        if os.environ.get("CI") == "true":
            pytest.fail("PostgreSQL must be here in CI: apt-get install postgresql")
        pytest.skip("NOT TRIED against PostgreSQL: apt-get install postgresql")
    return folder


def servant() -> str | None:
    """Who runs it: PostgreSQL refuses to be root. None: we ourselves."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


@dataclass
class Cluster:
    folder: Path
    programs: Path
    port: int
    options: str

    @property
    def admin(self) -> str:
        return f"postgresql://gateway@/postgres?host={self.folder}&port={self.port}"

    def url(self, database: str, *, socket: bool = True) -> str:
        """By the Unix socket, or by TCP with a password."""
        if socket:
            return f"postgresql://gateway@/{database}?host={self.folder}&port={self.port}"
        return f"postgresql://gateway:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        options = f"-k {self.folder} -p {self.port} -c listen_addresses=127.0.0.1 {self.options}"
        log = str(self.folder / "log")
        self._run(
            "pg_ctl", "-D", str(self.folder / "data"), "-w", "-l", log, "-o", options, "start"
        )

    def stop(self, mode: str = "fast") -> None:
        """`immediate` is a crash: no checkpoint, no farewell."""
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-w", "-m", mode, "stop")

    def freeze(self) -> None:
        """All its processes stop where they are, as when its machine hangs."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        leader = int((self.folder / "data/postmaster.pid").read_text().partition("\n")[0])
        children = Path(f"/proc/{leader}/task/{leader}/children").read_text().split()
        for pid in (leader, *map(int, children)):
            os.kill(pid, number)

    def database(self, template: str = "template1") -> str:
        """A new one, empty or a copy."""
        name = f"d{secrets.token_hex(6)}"
        with psycopg.connect(self.admin, autocommit=True) as db:
            db.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def drop(self, name: str) -> None:
        with psycopg.connect(self.admin, autocommit=True) as db:
            db.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self.programs / program), *arguments],
            user=servant(),
            cwd="/",
            stdin=subprocess.DEVNULL,
            # Not a pipe: the server would keep it open for ever.
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )
        log = self.folder / "log"
        assert done.returncode == 0, (program, log.read_text()[-2000:] if log.exists() else "")


@contextmanager
def cluster(*, durable: bool = False) -> Iterator[Cluster]:
    """Made, started, and gone afterwards. `durable`: it syncs, as a real one must."""
    folder = Path(tempfile.mkdtemp(prefix="pg"))
    try:
        user = servant()
        if user:
            shutil.chown(folder, user)
        (folder / "password").write_text(PASSWORD)
        (folder / "password").chmod(0o644)
        options = "" if durable else "-c fsync=off -c full_page_writes=off"
        made = Cluster(folder, needed(), _free_port(), options)
        made._run(
            "initdb", "-D", str(folder / "data"), "-U", "gateway", "--encoding=UTF8",
            "--locale=C.UTF-8", "--auth-local=trust", "--auth-host=scram-sha-256",
            f"--pwfile={folder / 'password'}", *(() if durable else ("--no-sync",)),
        )  # fmt: skip
        made.start()
        try:
            yield made
        finally:
            if (folder / "data/postmaster.pid").exists():
                made.stop("immediate")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
