"""Files, folders and ports of this host that the configuration names: present, sound, protected."""

from __future__ import annotations

import errno
import io
import shutil
import socket
import ssl
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from pydantic import TypeAdapter, ValidationError

from gateway.check import second_opinion
from gateway.configuration.yaml_values import Sources, UnreadableError, read_file
from gateway.edge.tls import server_context
from gateway.identity.signing import Signer
from gateway.problems import Problem, Steps
from gateway.settings import EmailAddress, Settings, Tls, split_host_port
from gateway.store.opening import is_shared, lacking, state_folder, store_path
from gateway.store.sqlite import RESERVE

SOON = timedelta(days=14)
"""A certificate that ends within this is worth a warning."""
MAX_CERTIFICATE = 1 << 20
MAX_RECIPIENTS = 32 << 20
MIN_SECRET = 16

_ADDRESS: TypeAdapter[str] = TypeAdapter(EmailAddress)


# --- certificates and keys -----------------------------------------------------------------------


def certificates(settings: Settings, sources: Sources, now: datetime) -> Iterator[Problem]:
    for index, listener in enumerate(settings.listen):
        if listener.tls is None:
            continue
        steps: Steps = ("listen", index, "tls")
        if not sources.sound(steps):
            continue
        try:
            server_context(listener.tls)
        except (OSError, ssl.SSLError):
            yield sources.problem(
                steps,
                "certificate and key cannot be used together",
                "both must be PEM, the key must be this certificate's and without a password",
            )
            continue
        hostname = settings.hostname if sources.sound(("hostname",)) else ""
        yield from _validity(listener.tls, hostname, steps, sources, now)


def _validity(
    tls: Tls, hostname: str, steps: Steps, sources: Sources, now: datetime
) -> Iterator[Problem]:
    steps = (*steps, "cert")
    try:
        certificate = x509.load_pem_x509_certificates(read_file(tls.cert, MAX_CERTIFICATE))[0]
    except (UnreadableError, ValueError):
        yield sources.problem(steps, "not a PEM certificate", "name the chain, own one first")
        return
    end = certificate.not_valid_after_utc
    if end <= now:
        yield sources.problem(steps, f"expired on {end:%Y-%m-%d}", "renew it")
    elif end <= now + SOON:
        yield sources.problem(steps, f"ends on {end:%Y-%m-%d}", "renew it soon", warning=True)
    if certificate.not_valid_before_utc > now:
        start = certificate.not_valid_before_utc
        yield sources.problem(steps, f"not valid before {start:%Y-%m-%d}", "look at the clock")
    if hostname and not _covers(certificate, hostname):
        what = "the certificate does not name our hostname"
        yield sources.problem(steps, what, f"get one for {hostname}", warning=True)


def _covers(certificate: x509.Certificate, hostname: str) -> bool:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (x509.ExtensionNotFound, ValueError):
        return False
    names = {name.lower() for name in extension.value.get_values_for_type(x509.DNSName)}
    return hostname in names or f"*.{hostname.partition('.')[2]}" in names


def signing_keys(settings: Settings, sources: Sources, now: datetime) -> Iterator[Problem]:
    for index, site in enumerate(settings.sites):
        if site.signing is None:
            continue
        steps: Steps = ("sites", index, "signing")
        if not sources.sound((*steps, "key")):
            continue
        try:
            secret = site.signing.key.get_secret_value()
            signer = Signer(site.signing.domain, site.signing.selector, secret)
        except ValueError as error:
            what, _, mend = str(error).partition("; ")
            if "\n" not in secret.strip() and ("/" in secret or secret.endswith(".pem")):
                what = "this looks like the name of a file, not like a key"
                mend = "let the file be read: key: !file PATH"
            yield sources.problem((*steps, "key"), what, mend or "make one: gateway dkim-key")
            continue
        if not second_opinion.accepts(signer, signer.key.record()):
            what = "dkimpy, an independent verifier, does not accept what is signed with this key"
            yield sources.problem((*steps, "key"), what, "make another: gateway dkim-key")


def secrets(settings: Settings, sources: Sources, now: datetime) -> Iterator[Problem]:
    """Secrets that others on this host can read, or that can be guessed."""
    for steps, path in sources.secret_files.items():
        try:
            mode = path.stat().st_mode
        except OSError:
            continue
        if mode & 0o007:
            what = "anybody on this host can read the file named here"
            yield sources.problem(steps, what, "chmod o= FILE", warning=True)
    given = settings.secret or ()
    several = (
        [(("secret", n), one) for n, one in enumerate(given)]
        if isinstance(given, tuple)
        else [(("secret",), given)]
    )
    for at, secret in several:
        if sources.sound(at) and len(secret.get_secret_value()) < MIN_SECRET:
            what = f"shorter than {MIN_SECRET} characters, so it can be guessed"
            yield sources.problem(at, what, "make one: openssl rand -hex 32")


# --- what is written, and where ------------------------------------------------------------------


def recipient_files(settings: Settings, sources: Sources, now: datetime) -> Iterator[Problem]:
    for index, site in enumerate(settings.sites):
        path = site.recipients.file
        steps: Steps = ("sites", index, "recipients", "file")
        if path is None or not sources.sound(steps):
            continue
        domains = site.domains if sources.sound(("sites", index, "domains")) else ()
        try:
            text = read_file(path, MAX_RECIPIENTS).decode()
        except (UnreadableError, UnicodeDecodeError) as error:
            why = "it is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else str(error)
            yield sources.problem(steps, f"the file cannot be read: {why}", "mend it")
            continue
        for number, line in enumerate(text.splitlines(), 1):
            address = line.partition("#")[0].strip()
            if address and not _is_address_of(address, domains):
                what = "not an address of this site's domains"
                yield Problem(path, number, "", what, "one address a line, # begins a comment")


def _is_address_of(address: str, domains: tuple[str, ...]) -> bool:
    """Without domains any address will do."""
    try:
        domain = _ADDRESS.validate_python(address).rpartition("@")[2]
        return domain in domains or not domains
    except ValidationError:
        return False


def folders(settings: Settings, sources: Sources, now: datetime) -> Iterator[Problem]:
    """The folders of state and store, and the Maildirs: there, or possible to make."""
    wanted: list[tuple[Steps, Path]] = []
    if not is_shared(settings):
        wanted.append((("store",), store_path(settings).parent))
    if is_shared(settings) or settings.state is not None:
        wanted.append((("state",), state_folder(settings)))
    for name, hop in settings.next_hops.items():
        if hop.maildir is not None:
            wanted.append((("next_hops", name, "address"), hop.maildir))
    for steps, folder in wanted:
        why = _unusable(folder) if sources.sound(steps) else None
        if why:
            yield sources.problem(steps, f"the folder cannot be written: {why[0]}", why[1])


def _unusable(folder: Path) -> tuple[str, str] | None:
    """Why a folder cannot be written or made, and the mend; None when it can."""
    existing = next((path for path in (folder, *folder.parents) if path.exists()), None)
    if existing is None:
        return "nothing of it exists", "mend the path"
    if not existing.is_dir():
        return "a file stands in its place", "mend the path"
    return lacking(existing)


def ports(settings: Settings, sources: Sources, now: datetime) -> Iterator[Problem]:
    for index, listener in enumerate(settings.listen):
        host, port = split_host_port(listener.address)
        steps: Steps = ("listen", index, "address")
        if not sources.sound(steps):
            continue
        match _bind(host, port):
            case 0:
                continue
            case errno.EADDRINUSE:
                what = "in use, by a gateway that is running or by another program"
                yield sources.problem(steps, what, "see: ss -ltnp", warning=True)
            case errno.EACCES:
                what = "this user may not open it"
                mend = "run as a service with CAP_NET_BIND_SERVICE (deploy/gateway.service)"
                yield sources.problem(steps, what, mend, warning=True)
            case _:
                what = "not an address of this host"
                yield sources.problem(steps, what, "see: ip address")


def stores(settings: Settings, sources: Sources, now: datetime) -> Iterator[Problem]:
    """A store file that is something else, or a disk without room for mail."""
    path = store_path(settings)
    if is_shared(settings) or not sources.sound(("store",)):
        return
    try:
        # In use: SQLite has read it, and we may be the one who has it open. To close a file lets go
        # of every lock that this process has on it (fcntl(2)), those of the store too: the next
        # command beside us would take itself for the last user and remove the log we write to.
        in_use = Path(f"{path.resolve()}-shm").exists()
        with path.open("rb") if path.is_file() and not in_use else io.BytesIO() as file:
            head = file.read(16)
    except OSError:
        return  # `folders` tells of rights
    if head and not head.startswith(b"SQLite format 3\0"):
        yield sources.problem(("store",), "the file is no store", "name another file")
    folder = next(parent for parent in path.parents if parent.exists())
    free = shutil.disk_usage(folder).free
    if free < 2 * RESERVE:
        what = f"only {free >> 20} MB are free, of which {RESERVE >> 20} MB are never filled"
        # A store that may hold mail must be opened however little room is left: it is to deliver.
        mend = "make room, or mail is put off with 452"
        yield sources.problem(("store",), what, mend, warning=in_use or bool(head))


def _bind(host: str, port: int) -> int:
    """The error of opening a port for a moment, 0 for none."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            probe.bind((host, port))
    except OSError as error:
        return error.errno or errno.EIO
    return 0
