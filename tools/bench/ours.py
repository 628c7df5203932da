"""Our own gateway under test, with everything on that a site may ask for."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tools.bench.kit import DOMAIN, Kit
from tools.bench.server import Started, free_port

MACHINE = """\
hostname: mx1.bench.example
listen: [{{address: "127.0.0.1:{port}", tls: {{cert: cert.pem, key: key.pem}}}}]
workers: {workers}
store: sqlite:gateway.db
administrator: administrator@inside.example
dns: {{nameservers: ["127.0.0.1:{dns}"], timeout: 3s}}
limits: {{connections: 1000, messages_per_session: 1000000, commands: 1000000}}
filters:
  - {{use: spf}}
  - {{use: dkim}}
  - {{use: arc}}
  - {{use: dmarc}}
  - {{use: spam, model: spam, then: {{spam: tag, unsure: tag}}}}
  - {{use: tone, model: tone, then: {{irate: tag}}}}
next_hops:
  mailbox: {{address: "smtp://127.0.0.1:{sink}", tls: none, connections: 20}}
acknowledgements:
  {{per_site: 100000000 per hour, in_all: 100000000 per hour, per_domain: 100000000 per minute}}
sites:
"""
SITE = """\
  - site: {name}
    name: The Shop
    domains: [{domain}]
    next_hop: mailbox
    recipients: {{any: true}}
    calls: {{notify: [oncall@inside.example]}}
    routes:
"""
ROUTE = '      - {to: "*", acknowledge: received}\n'


def site(name: str = "bench", domain: str = DOMAIN, routes: Iterable[str] = (ROUTE,)) -> str:
    return SITE.format(name=name, domain=domain) + "".join(routes)


class Ours:
    """`gateway run` with one worker, SQLite, a sync before each 250."""

    name = "ours"

    def __init__(
        self,
        kit: Kit,
        folder: Path,
        sites: str | None = None,
        *,
        workers: int = 1,
        cores: Sequence[int] = (),
    ) -> None:
        """`sites`: the YAML of the sites, if not the usual one; `cores`: not the server's only."""
        self.folder = folder / self.name
        self.port = free_port()
        self._kit = kit
        self._started = Started(self.folder, cores or [kit.cores.server])
        self._sites = sites or site()
        self._workers = workers

    def prepare(self) -> Path:
        """An empty folder with the configuration; gives the store's file to be."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        write_certificate(self.folder)
        machine = MACHINE.format(
            port=self.port,
            dns=self._kit.dns_port,
            sink=self._kit.sink_port,
            workers=self._workers,
        )
        (self.folder / "gateway.yaml").write_text(machine + self._sites)
        return self.folder / "gateway.db"

    def start(self) -> None:
        self.prepare()
        self.run()

    def run(self, *launcher: str) -> None:
        """Start what was prepared."""
        config = str(self.folder / "gateway.yaml")
        command = launcher or (sys.executable, "-m", "gateway")
        self._started.run([*command, "run", "--config", config])
        self._started.ready(self.port)

    @property
    def roots(self) -> list[int]:
        return self._started.roots

    @property
    def whole(self) -> bool:
        return self._started.whole

    def tail(self) -> str:
        """The end of its log."""
        return self._started.tail()

    def stop(self) -> None:
        self._started.stop()


def write_certificate(folder: Path) -> None:
    """An ECDSA P-256 certificate of our own making, good for a day."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mx1.bench.example")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), False
        )
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    (folder / "key.pem").chmod(0o600)
