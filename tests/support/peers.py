"""A real Postfix with a real OpenDKIM, both from Debian, as a peer on loopback.

Both have their configuration, queue, sockets and logs in one folder that goes with them: the
system's own instances and /etc are neither read nor touched. Postfix's master wants to be root.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import random
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.running import until

HOSTNAME = "mx.peer.example"
PACKAGES = ("postfix", "opendkim")
WAIT = 20.0
"""Seconds for a program to listen, or to end."""

MAIN_CF = """\
compatibility_level = 3.6
config_directory = {folder}
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/mail.log
maillog_file_prefixes = {folder}
myhostname = {hostname}
mydestination =
alias_maps =
inet_interfaces = loopback-only
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtpd_peername_lookup = no
smtpd_recipient_restrictions = permit_mynetworks, reject
smtp_dns_support_level = disabled
smtpd_milters = unix:{folder}/milter
milter_default_action = tempfail
relay_domains = {relayed}
relayhost = [{onward[0]}]:{onward[1]}
virtual_mailbox_domains = {kept}
virtual_mailbox_base = {folder}
virtual_mailbox_maps = static:mailbox/
virtual_minimum_uid = 1
virtual_uid_maps = static:{user.pw_uid}
virtual_gid_maps = static:{user.pw_gid}
"""
MASTER_CF = """\
{address}:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
retry unix - - n - - error
error unix - - n - - error
smtp unix - - n - - smtp
relay unix - - n - - smtp
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
proxymap unix - - n - - proxymap
postlog unix-dgram n - n - 1 postlogd
"""
OPENDKIM_CONF = """\
Mode sv
Domain {domain}
Selector {selector}
KeyFile {folder}/key.pem
RequireSafeKeys no
SignatureAlgorithm {algorithm}
Canonicalization relaxed/relaxed
OversignHeaders From
AlwaysAddARHeader yes
AuthservID {hostname}
InternalHosts 127.0.0.0/8
Socket local:{folder}/milter
UMask 000
Syslog no
ResolverConfiguration {folder}/resolver.conf
"""
RESOLVER_CONF = """\
server:
  do-not-query-localhost: no
forward-zone:
  name: "."
  forward-addr: {dns}
"""


def missing() -> str:
    """Why the peers cannot be had on this machine; empty when they can."""
    lacking = [name for name in PACKAGES if shutil.which(name, path=SBIN) is None]
    if lacking:
        return f"not installed: apt-get install {' '.join(PACKAGES)}"
    return "" if os.geteuid() == 0 else "Postfix wants to be started by root"


SBIN = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])


@dataclass(frozen=True)
class Peer:
    """Where the peer listens, and the folder with its mailbox and its log."""

    address: tuple[str, int]
    folder: Path

    async def mails(self, count: int = 1) -> list[bytes]:
        """Wait until so many mails lie in its mailbox; gives their octets, oldest first."""

        async def look() -> list[Path]:
            return sorted((self.folder / "mailbox/new").glob("*"), key=lambda p: p.stat().st_mtime)

        return [path.read_bytes() for path in await until(look, lambda found: len(found) >= count)]

    def story(self) -> str:
        """What it wrote down, for the failure of a test."""
        logs = (self.folder / "mail.log", self.folder / "opendkim.log")
        return "\n".join(log.read_text(errors="replace") for log in logs if log.exists())


def free_address() -> tuple[str, int]:
    """An address of 127/8 that nobody is likely to use, since Postfix takes no port 0."""
    while True:
        host = f"127.{random.randint(1, 250)}.{random.randint(0, 250)}.{random.randint(2, 250)}"
        with socket.socket() as probe:
            probe.bind((host, 0))
            port = probe.getsockname()[1]
        return host, port


@asynccontextmanager
async def peer(
    address: tuple[str, int],
    *,
    dns: str,
    onward: tuple[str, int],
    relayed: str,
    kept: str,
    domain: str,
    selector: str,
    key: bytes,
    algorithm: str,
) -> AsyncIterator[Peer]:
    """Postfix on `address`: mail for `relayed` goes `onward`, mail for `kept` into its mailbox.

    OpenDKIM signs what `domain` sends and verifies all other mail, asking the name server `dns`.
    """
    # Not below pytest's own folder, which only its owner may enter: Postfix's daemons are others.
    folder = Path(tempfile.mkdtemp(prefix="peer-"))
    values = {
        "folder": folder, "hostname": HOSTNAME, "address": address[0], "port": address[1],
        "user": pwd.getpwnam("postfix"), "onward": onward, "relayed": relayed, "kept": kept,
        "domain": domain, "selector": selector, "algorithm": algorithm,
        "dns": dns.replace(":", "@"),
    }  # fmt: skip
    furnish(folder, values, key)
    served = Peer(address, folder)
    command = ("opendkim", "-f", "-x", str(folder / "opendkim.conf"))
    try:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(running(folder / "opendkim.log", *command))
            await until(takes_milters(folder / "milter"), bool, WAIT)
            await finished("postfix", "-c", str(folder), "check")
            master = Path(await finished("postconf", "-c", str(folder), "-h", "daemon_directory"))
            await stack.enter_async_context(
                running(folder / "master.log", str(master / "master"), "-s", "-c", str(folder))
            )
            await until(listens(address), bool, WAIT)
            yield served
    except BaseException as error:
        error.add_note(served.story())
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def furnish(folder: Path, values: Mapping[str, Any], key: bytes) -> None:
    """What both programs want to find in their folder."""
    folder.chmod(0o755)
    (folder / "key.pem").write_bytes(key)
    for name in ("queue", "data", "mailbox"):
        (folder / name).mkdir()
        if name != "queue":
            os.chown(folder / name, values["user"].pw_uid, values["user"].pw_gid)
    for name, text in (
        ("main.cf", MAIN_CF),
        ("master.cf", MASTER_CF),
        ("opendkim.conf", OPENDKIM_CONF),
        ("resolver.conf", RESOLVER_CONF),
    ):
        (folder / name).write_text(text.format(**values))


Look = Callable[[], Awaitable[bool]]


def takes_milters(path: Path) -> Look:
    async def look() -> bool:
        try:
            _, writer = await asyncio.open_unix_connection(path)
        except OSError:
            return False
        writer.close()
        return True

    return look


def listens(address: tuple[str, int]) -> Look:
    async def look() -> bool:
        try:
            _, writer = await asyncio.open_connection(*address)
        except OSError:
            return False
        writer.close()
        return True

    return look


async def finished(*command: str) -> str:
    """Run a command to its end; gives what it printed."""
    process = await asyncio.create_subprocess_exec(
        *command, env=os.environ | {"PATH": SBIN},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode(errors="replace")
    return output.decode().strip()


@asynccontextmanager
async def running(log: Path, *command: str) -> AsyncIterator[None]:
    """A program in the foreground, ended with the block, and by the kernel if we are killed.

    Postfix ends its daemons when it is terminated; OpenDKIM would take five seconds over it, and
    has nothing that could be lost.
    """
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            "setpriv", "--pdeathsig", "TERM", *command,
            env=os.environ | {"PATH": SBIN}, stdin=asyncio.subprocess.DEVNULL,
            stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip
    try:
        yield
    finally:
        if process.returncode is None:
            process.kill() if command[0] == "opendkim" else process.terminate()
        await asyncio.wait_for(process.wait(), WAIT)
