"""A real receiver on a free loopback port, and a client that speaks to it octet by octet."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.edge.budget import MemoryBudget
from gateway.edge.queue_id import QueueIds
from gateway.edge.smtpd import Receiver
from gateway.journal import Journal
from gateway.message import Arrival, Session
from gateway.reply import UNKNOWN_RECIPIENT, Reply
from gateway.settings import Limits, Listener, Tls


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> Mapping[str, Any]:
    """Modules that say `BOTH_LOOPS = True` run on asyncio's own loop and on uvloop."""
    both = getattr(getattr(item, "module", None), "BOTH_LOOPS", False)
    asyncio_only = {"asyncio": asyncio.new_event_loop}
    return {**asyncio_only, "uvloop": uvloop.new_event_loop} if both else asyncio_only


HOSTNAME = "mx.gateway.example"
WAIT = 10.0
"""Seconds after which a test that waits for a reply has failed."""


class Client:
    """A raw SMTP client: nothing it sends is mended, nothing it gets is hidden."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def line(self) -> str:
        """One line of a reply without its CRLF; empty at the end of the stream."""
        octets = await asyncio.wait_for(self.reader.readline(), WAIT)
        assert not octets or octets.endswith(b"\r\n")
        return octets[:-2].decode()

    async def reply(self) -> str:
        """One whole reply, its lines joined by newlines; empty at the end of the stream."""
        lines = [await self.line()]
        while lines[-1][3:4] == "-":
            lines.append(await self.line())
        return "\n".join(lines)

    async def ended(self) -> bool:
        """Whether the server closes now without another word."""
        try:
            return await asyncio.wait_for(self.reader.read(), WAIT) == b""
        except ConnectionResetError:
            return True
        finally:
            self.writer.close()

    def send(self, octets: bytes) -> None:
        self.writer.write(octets)

    async def say(self, *lines: str) -> str:
        """Send lines, each with CRLF, at once; gives the last of as many replies."""
        self.send("".join(line + "\r\n" for line in lines).encode())
        replies = [await self.reply() for _ in lines]
        return replies[-1]

    async def hello(self) -> str:
        """Greeting and EHLO; gives what was announced."""
        assert (await self.reply()).startswith("220 ")
        return await self.say("EHLO client.example")

    async def envelope(self, *recipients: str, sender: str = "ann@client.example") -> str:
        """MAIL, RCPT and DATA; gives the reply to DATA."""
        paths = [f"RCPT TO:<{recipient}>" for recipient in recipients or ("support@shop.example",)]
        return await self.say(f"MAIL FROM:<{sender}>", *paths, "DATA")

    async def message(self, octets: bytes, *recipients: str) -> str:
        """One transaction with these octets as they are, the final dot's line added."""
        assert (await self.envelope(*recipients)).startswith("354 ")
        self.send(octets + b".\r\n")
        return await self.reply()

    async def start_tls(self, context: ssl.SSLContext | None = None) -> None:
        assert (await self.say("STARTTLS")).startswith("220 2.0.0")
        if context is None:
            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        await self.writer.start_tls(context, server_hostname=HOSTNAME)

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(OSError, ssl.SSLError):
            await self.writer.wait_closed()


@dataclass
class House:
    """A receiver and all that came out of it."""

    receiver: Receiver
    address: str
    budget: MemoryBudget
    arrivals: list[Arrival]
    events: list[tuple[str, Mapping[str, Any]]]
    spool: Path
    clients: list[Client] = field(default_factory=list)

    @property
    def host_port(self) -> tuple[str, int]:
        host, _, port = self.address.rpartition(":")
        return host.strip("[]"), int(port)

    async def client(self, from_ip: str | None = None) -> Client:
        source = (from_ip, 0) if from_ip else None
        host, port = self.host_port
        client = Client(*await asyncio.open_connection(host, port, local_addr=source))
        self.clients.append(client)
        return client

    def contents(self) -> list[bytes]:
        return [bytes(arrival.content[:]) for arrival in self.arrivals]

    def refusals(self) -> list[str]:
        return [str(facts["why"]) for event, facts in self.events if event == "refused"]


KNOWN = frozenset(("support@shop.example", "orders@shop.example", "postmaster"))


def admit_known(recipient: str, session: Session) -> Reply | None:
    """Those of KNOWN in any case, and whatever stands at any.example."""
    if recipient.lower() in KNOWN or recipient.endswith("@any.example"):
        return None
    return UNKNOWN_RECIPIENT


OpenHouse = Callable[..., Awaitable[House]]


@pytest_asyncio.fixture
async def open_house(tmp_path: Path) -> AsyncIterator[OpenHouse]:
    """Makes receivers: `await open_house(accept=…, limits={…}, tls=…)`."""
    houses: list[House] = []

    async def open_(
        *,
        accept: Callable[[Arrival], Awaitable[Reply]] | None = None,
        admit: Callable[[str, Session], Reply | None] = admit_known,
        limits: Mapping[str, Any] | None = None,
        tls: Tls | None = None,
        require_tls: bool = False,
        implicit_tls: bool = False,
        proxy_from: tuple[str, ...] = (),
        smtputf8: bool = False,
        memory: int = 64 << 20,
        address: str = "127.0.0.1:0",
        reuse_port: bool = False,
        **more: Any,
    ) -> House:
        arrivals: list[Arrival] = []
        events: list[tuple[str, Mapping[str, Any]]] = []

        async def keep(arrival: Arrival) -> Reply:
            arrivals.append(arrival)
            return Reply.accepted(arrival.queue_id) if accept is None else await accept(arrival)

        budget = MemoryBudget(memory)
        receiver = Receiver(
            listener=Listener(
                address=address,
                tls=tls,
                require_tls=require_tls,
                implicit_tls=implicit_tls,
                proxy_from=proxy_from,
            ),
            hostname=HOSTNAME,
            limits=Limits(**(limits or {})),
            accept=keep,
            admit=admit,
            budget=budget,
            journal=Journal((lambda event, facts: events.append((event, facts)),)),
            smtputf8=lambda: smtputf8,
            spool=tmp_path / "spool",
            clock=lambda: datetime(2026, 11, 24, 9, 30, tzinfo=UTC),
            ids=QueueIds(7),
            **more,
        )
        bound = await receiver.start(reuse_port=reuse_port)
        house = House(receiver, bound, budget, arrivals, events, tmp_path / "spool")
        houses.append(house)
        return house

    yield open_
    for house in houses:
        for client in house.clients:
            await client.close()
        await house.receiver.drain(5)


def write_certificate(folder: Path, name: str) -> Tls:
    """A self-signed certificate for `name`; written over what was there."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = folder / "cert.pem", folder / "key.pem"
    cert_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return Tls(cert=cert_file, key=key_file)


@pytest.fixture
def certificate(tmp_path: Path) -> Callable[[str], Tls]:
    """Writes (again) the certificate the receiver shows."""
    return lambda name=HOSTNAME: write_certificate(tmp_path, name)
