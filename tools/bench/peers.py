"""The peers, as Debian packages them, with the configurations of BENCH/peers in a folder of ours.

Nothing of the system's own Postfix, rspamd or Redis is started or changed.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import ClassVar

from tools.bench.kit import APART, Kit
from tools.bench.server import BenchError, Started, free_port, wait_for

PACKAGES = {"postfix": "postfix", "opendkim": "opendkim", "rspamd": "rspamd",
            "redis-server": "redis-server"}  # fmt: skip
"""Which package brings which program."""
TAUGHT = 264
"""Letters of each class that the peers' Bayes filter learns first."""
_PORT = re.compile(r"\b(2600|5355|6399|11332|11334)\b")
"""As the configurations have them: sink, name server, Redis, rspamd's proxy and controller."""
LOG = "postlog   unix-dgram n  -       n       -       1       postlogd\n"


def install() -> None:
    """From Debian where they are missing; RUNLEVEL=1 lets no package start a service."""
    missing = sorted({package for program, package in PACKAGES.items() if not _program(program)})
    if not missing:
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise BenchError(f"as root on Debian: apt install {' '.join(missing)}")
    environment = {**os.environ, "RUNLEVEL": "1", "DEBIAN_FRONTEND": "noninteractive"}
    options = ["-y", "-q", "--no-install-recommends"]
    for command in (["update", "-q"], ["install", *options, *missing]):
        subprocess.run(["apt-get", *command], check=True, env=environment)  # noqa: S603, S607


def _program(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def versions() -> dict[str, str]:
    """As Debian counts them."""
    form = "-f=${Package} ${Version}\n"
    query = ["dpkg-query", "-W", form, *PACKAGES.values()]
    done = subprocess.run(query, capture_output=True, text=True, check=False)  # noqa: S603
    return dict(line.split() for line in done.stdout.splitlines())


class Peer:
    """Postfix in front of the sink, with the milter and its helpers that `kind` says."""

    MAIN: ClassVar = {"postfix": "pf_plain", "opendkim": "pf_dkim", "rspamd": "pf_rspamd_u",
            "rspamd light": "pf_rspamd_nb"}  # fmt: skip
    """Which of the BENCH/peers/postfix/*.main.cf each kind uses; also the folder it names."""

    def __init__(self, kit: Kit, folder: Path, kind: str) -> None:
        self.name = kind
        self.folder = folder / kind.replace(" ", "-")
        self.port = free_port()
        self._kit = kit
        self._ports = {
            "2600": str(kit.sink_port), "5355": str(kit.dns_port), "6399": str(free_port()),
            "11332": str(free_port()), "11334": str(free_port()),
        }  # fmt: skip
        self._started = Started(self.folder, [kit.cores.server])
        self._taught = False

    @property
    def roots(self) -> list[int]:
        return self._started.roots

    @property
    def whole(self) -> bool:
        return self._started.whole

    def start(self) -> None:
        """Its folder is kept between two starts: what was learned stays learned."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.name == "opendkim":
            self._start_opendkim()
        if self.name.startswith("rspamd"):
            self._start_rspamd()
        self._start_postfix()

    def stop(self) -> None:
        self._started.stop()

    def _text(self, source: Path) -> str:
        """A configuration of BENCH/peers with our folder and ports in it."""
        text = _PORT.sub(lambda found: self._ports[found[0]], source.read_text())
        return text.replace("@DIR@", str(self.folder))

    # --- Postfix ---

    def _start_postfix(self) -> None:
        name = self.MAIN[self.name]
        config = self.folder / name / "etc"
        if not config.exists():
            for part in ("etc", "spool", "data"):
                (self.folder / name / part).mkdir(parents=True)
            shutil.chown(self.folder / name / "data", "postfix")
            main = self._text(self._kit.source / "peers" / "postfix" / f"{name}.main.cf")
            main = main.replace(
                "maillog_file_prefixes = /tmp", f"maillog_file_prefixes = {self.folder}"
            )
            (config / "main.cf").write_text(main)
            (config / "master.cf").write_text(self._master())
        check = ["/usr/sbin/postfix", "-c", str(config), "check"]
        subprocess.run(check, check=True, stderr=subprocess.DEVNULL)  # noqa: S603
        self._started.run(["/usr/lib/postfix/sbin/master", "-c", str(config), "-s"])
        self._started.ready(self.port)

    def _master(self) -> str:
        """The package's services, none in a chroot, ours the only listener."""
        dist = Path("/usr/share/postfix/master.cf.dist").read_text()
        lines = []
        for line in dist.splitlines():
            fields = line.split()
            if line.startswith("#") or not fields:
                continue
            if line[0].isspace():
                lines.append(line)
                continue
            if fields[0] == "smtp" and fields[1] == "inet":
                fields[0] = f"127.0.0.1:{self.port}"
            fields[4] = "n"
            lines.append(" ".join(fields))
        text = "\n".join(lines) + "\n"
        return text if "postlogd" in text else text + LOG

    # --- OpenDKIM ---

    def _start_opendkim(self) -> None:
        folder = self.folder / "opendkim"
        if not folder.exists():
            folder.mkdir()
            folder.chmod(0o777)
            for source in (self._kit.source / "peers" / "opendkim").iterdir():
                (folder / source.name).write_text(self._text(source))
        (folder / "od.sock").unlink(missing_ok=True)
        self._started.run(["/usr/sbin/opendkim", "-f", "-x", str(folder / "opendkim.conf")])
        wait_for(folder / "od.sock")

    # --- rspamd ---

    def _start_rspamd(self) -> None:
        light = self.name == "rspamd light"
        folder = self.folder / ("rspamd_nobayes" if light else "rspamd")
        if not folder.exists():
            self._lay_out_rspamd(folder, "rspamd_light" if light else "rspamd")
        if not light:
            self._start_redis()
        (folder / "run" / "milter.sock").unlink(missing_ok=True)
        variables = {"LOCAL_CONFDIR": folder, "DBDIR": folder / "db", "RUNDIR": folder / "run",
                     "LOGDIR": folder / "log"}  # fmt: skip
        options = [f"--var={name}={path}" for name, path in variables.items()]
        self._started.run(["/usr/bin/rspamd", "-f", "-u", "_rspamd", "-g", "_rspamd", *options])
        wait_for(folder / "run" / "milter.sock")
        if not light and not self._taught:
            self._teach()

    def _lay_out_rspamd(self, folder: Path, source: str) -> None:
        for part in ("local.d", "db", "run", "log"):
            (folder / part).mkdir(parents=True)
            shutil.chown(folder / part, "_rspamd", "_rspamd")
        for file in (self._kit.source / "peers" / source / "local.d").iterdir():
            (folder / "local.d" / file.name).write_text(self._text(file))

    def _start_redis(self) -> None:
        (self.folder / "redis").mkdir(exist_ok=True)
        config = self.folder / "redis.conf"
        config.write_text(self._text(self._kit.source / "peers" / "redis" / "redis.conf"))
        self._started.run(["/usr/bin/redis-server", str(config)])

    def _teach(self) -> None:
        """Bayes decides nothing before it knows 200 letters of each class."""
        for label in ("spam", "ham"):
            files = [str(self._kit.apart / entry["file"]) for entry in self._kit.labels()[:APART]
                     if entry["label"] == label and entry["size"] < 50_000]  # fmt: skip
            address = f"127.0.0.1:{self._ports['11334']}"
            command = ["/usr/bin/rspamc", "-h", address, f"learn_{label}", *files[:TAUGHT]]
            done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
            if "success = true" not in done.stdout:
                raise BenchError(
                    f"rspamd learned nothing: {done.stdout[-500:]} {done.stderr[-500:]}"
                )
        self._taught = True
