"""A next hop for tests: a real SMTP or LMTP server on loopback that can be told to misbehave."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import ipaddress
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP, AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

EXTENSIONS = ("PIPELINING", "ENHANCEDSTATUSCODES")
FOREVER = 3600
WAIT = 10.0


@dataclass
class Taken:
    """One letter as the server took it."""

    sender: str
    options: list[str]
    recipients: list[str]
    content: bytes
    secure: bool
    user: str | None


@dataclass
class Hop:
    """What the server did, and what it shall do: set a hook to make it misbehave.

    A hook gives the reply; None is the ordinary one.
    """

    lmtp: bool = False
    greeting: bytes = b""
    """Said instead of 220, and then the connection is closed."""
    extensions: tuple[str, ...] = EXTENSIONS
    on_mail: Callable[[str], Awaitable[str | None]] | None = None
    on_rcpt: Callable[[str], Awaitable[str | None]] | None = None
    on_command: Callable[[SMTP, str], Awaitable[bool]] | None = None
    """Called with EHLO, STARTTLS, DATA, RSET or QUIT first; True: the server does nothing more."""
    on_data: Callable[[SMTP, Taken], Awaitable[str | None]] | None = None
    taken: list[Taken] = field(default_factory=list)
    sessions: int = 0
    commands: list[str] = field(default_factory=list)
    live: list[SMTP] = field(default_factory=list)
    address: str = ""
    port: int = 0
    happened: asyncio.Event = field(default_factory=asyncio.Event)

    # --- aiosmtpd's hooks ---

    async def handle_EHLO(
        self, server: SMTP, session: Any, envelope: Any, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        return [*responses[:-1], *(f"250-{name}" for name in self.extensions), responses[-1]]

    async def handle_MAIL(
        self, server: SMTP, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if self.on_mail and (reply := await self.on_mail(address)):
            return reply
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 Ok"

    async def handle_RCPT(
        self, server: SMTP, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if self.on_rcpt and (reply := await self.on_rcpt(address)):
            return reply
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Ok"

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Any) -> str:
        letter = Taken(
            envelope.mail_from,
            envelope.mail_options,
            list(envelope.rcpt_tos),
            envelope.content,
            session.ssl is not None or server.transport.get_extra_info("ssl_object") is not None,
            session.auth_data.decode() if session.auth_data else None,
        )
        reply = await self.on_data(server, letter) if self.on_data else None
        if reply is None or "250" in reply:
            self.taken.append(letter)
            self.happened.set()
        if reply is None:
            lines = len(letter.recipients) if self.lmtp else 1
            reply = "\r\n".join(["250 2.0.0 Ok: taken"] * lines)
        return reply

    def authenticate(
        self, server: SMTP, session: Any, envelope: Any, mechanism: str, data: Any
    ) -> AuthResult:
        good = data.login == b"gateway" and data.password == b"s3cret"
        return AuthResult(success=good, handled=False, auth_data=data.login)

    # --- for the test ---

    async def wait_for(self, what: Callable[[], bool]) -> None:
        """Until something that the server notes is true."""
        async with asyncio.timeout(WAIT):
            while not what():
                self.happened.clear()
                await self.happened.wait()

    async def letters(self, count: int) -> list[Taken]:
        await self.wait_for(lambda: len(self.taken) >= count)
        return self.taken

    def drop_connections(self) -> None:
        for server in self.live:
            if server.transport is not None:
                server.transport.abort()


def _server_class(hop: Hop) -> type[SMTP]:
    base: type[SMTP] = LMTP if hop.lmtp else SMTP

    class Server(base):  # type: ignore[misc, valid-type]
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            if self.transport is None:
                hop.sessions += 1
                hop.live.append(self)
            super().connection_made(transport)

        def connection_lost(self, error: Exception | None) -> None:
            super().connection_lost(error)
            if self in hop.live:
                hop.live.remove(self)
            hop.happened.set()

        async def _handle_client(self) -> None:
            if hop.greeting:
                self._writer.write(hop.greeting)
                await self._writer.drain()
                self.transport.close()
                return
            await super()._handle_client()

        async def _noted(self, command: str) -> bool:
            hop.commands.append(command)
            hop.happened.set()
            return hop.on_command is not None and await hop.on_command(self, command)

        async def smtp_EHLO(self, arg: str) -> None:
            if not await self._noted("EHLO"):
                await super().smtp_EHLO(arg)

        async def smtp_STARTTLS(self, arg: str) -> None:
            if not await self._noted("STARTTLS"):
                await super().smtp_STARTTLS(arg)

        async def smtp_DATA(self, arg: str) -> None:
            if not await self._noted("DATA"):
                await super().smtp_DATA(arg)

        async def smtp_RSET(self, arg: str) -> None:
            if not await self._noted("RSET"):
                await super().smtp_RSET(arg)

        async def smtp_QUIT(self, arg: str) -> None:
            if not await self._noted("QUIT"):
                await super().smtp_QUIT(arg)

    return Server


class Hops:
    """Starts next hops and stops them at the end of the test."""

    def __init__(self) -> None:
        self._servers: list[tuple[asyncio.Server, Hop, list[SMTP]]] = []

    async def start(
        self,
        *,
        tls: ssl.SSLContext | None = None,
        implicit: ssl.SSLContext | None = None,
        auth: bool = False,
        port: int = 0,
        host: str = "127.0.0.1",
        **hooks: Any,
    ) -> Hop:
        """`tls` offers STARTTLS, `implicit` speaks TLS from the start, `auth` wants credentials."""
        hop = Hop(**hooks)
        kind = _server_class(hop)
        loop = asyncio.get_running_loop()
        made: list[SMTP] = []

        def factory() -> SMTP:
            server = kind(
                hop,
                hostname="hop.example",
                data_size_limit=200 << 20,
                enable_SMTPUTF8="SMTPUTF8" in hop.extensions,
                tls_context=tls,
                authenticator=hop.authenticate if auth else None,
                auth_require_tls=bool(auth and not implicit),
                loop=loop,
                timeout=FOREVER,
            )
            made.append(server)
            return server

        server = await loop.create_server(factory, host, port, ssl=implicit)
        hop.port = server.sockets[0].getsockname()[1]
        scheme = "smtps" if implicit else "lmtp" if hop.lmtp else "smtp"
        hop.address = f"{scheme}://{host}:{hop.port}"
        self._servers.append((server, hop, made))
        return hop

    async def stop(self, hop: Hop) -> None:
        """Take no more connections and cut those there are."""
        for entry in [entry for entry in self._servers if entry[1] is hop]:
            self._servers.remove(entry)
            await self._stop(*entry)

    async def close(self) -> None:
        for entry in self._servers:
            await self._stop(*entry)

    async def _stop(self, server: asyncio.Server, hop: Hop, made: list[SMTP]) -> None:
        server.close()
        hop.drop_connections()
        for each in made:
            task = each._handler_coroutine
            if task is not None and not task.done():
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError, Exception):
                    await task


@pytest.fixture
async def hops() -> AsyncIterator[Hops]:
    made = Hops()
    yield made
    await made.close()


@dataclass(frozen=True)
class Certificates:
    """A self-signed certificate: the server's side, and a client that trusts it."""

    server: ssl.SSLContext
    trust: ssl.SSLContext


def _certificate(folder: Any, name: str, address: str | None) -> Certificates:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    names: list[x509.GeneralName] = [x509.DNSName(name)]
    if address:
        names.append(x509.IPAddress(ipaddress.ip_address(address)))
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = folder / f"{name}.pem"
    pem.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(pem)
    return Certificates(server, ssl.create_default_context(cafile=str(pem)))


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return _certificate(tmp_path_factory.mktemp("tls"), "localhost", "127.0.0.1")


@pytest.fixture(scope="session")
def other_certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """For another name than the one that is asked."""
    return _certificate(tmp_path_factory.mktemp("tls"), "elsewhere.example", None)
