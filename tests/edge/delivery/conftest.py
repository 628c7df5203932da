"""A next hop for tests: a real SMTP or LMTP server on loopback that can be told to misbehave."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import ipaddress
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import uvloop
from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP, AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from support.deliveries import Bench

from gateway.store.sqlite import SqliteStore

EXTENSIONS = ("PIPELINING", "ENHANCEDSTATUSCODES")
FOREVER = 3600
WAIT = 10.0


Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


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
    mechanism: str = ""
    """The only one that is offered for AUTH."""
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

    async def handle_EHLO(  # noqa: N802
        self, server: SMTP, session: Any, envelope: Any, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        if self.mechanism:
            responses = [
                f"250-AUTH {self.mechanism}" if line.startswith("250-AUTH ") else line
                for line in responses
            ]
        return [*responses[:-1], *(f"250-{name}" for name in self.extensions), responses[-1]]

    async def handle_MAIL(  # noqa: N802
        self, server: SMTP, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if self.on_mail and (reply := await self.on_mail(address)):
            return reply
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 Ok"

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if self.on_rcpt and (reply := await self.on_rcpt(address)):
            return reply
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Ok"

    async def handle_DATA(  # noqa: N802
        self, server: SMTP, session: Any, envelope: Any
    ) -> str:
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


class Misbehaving:
    """Goes before aiosmtpd's session class and asks the Hop, its handler, first."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        hop: Hop = self.event_handler  # type: ignore[attr-defined]
        if self.transport is None:  # type: ignore[has-type]
            hop.sessions += 1
            hop.live.append(self)  # type: ignore[arg-type]
        super().connection_made(transport)  # type: ignore[misc]

    def connection_lost(self, error: Exception | None) -> None:
        hop: Hop = self.event_handler  # type: ignore[attr-defined]
        super().connection_lost(error)  # type: ignore[misc]
        if self in hop.live:
            hop.live.remove(self)  # type: ignore[arg-type]
        hop.happened.set()

    async def _handle_client(self) -> None:
        hop: Hop = self.event_handler  # type: ignore[attr-defined]
        if hop.greeting:
            self.transport.write(hop.greeting)  # type: ignore[has-type]
            self.transport.close()  # type: ignore[has-type]
            return
        await super()._handle_client()  # type: ignore[misc]


def _asking_first(base: type[SMTP], verb: str) -> Callable[[Any, str], Awaitable[None]]:
    async def command(self: Any, arg: str) -> None:
        hop: Hop = self.event_handler
        hop.commands.append(verb)
        hop.happened.set()
        if hop.on_command is None or not await hop.on_command(self, verb):
            await getattr(base, f"smtp_{verb}")(self, arg)

    return command


def _session_class(base: type[SMTP]) -> type[SMTP]:
    verbs = ("EHLO", "STARTTLS", "DATA", "RSET", "QUIT")
    methods = {f"smtp_{verb}": _asking_first(base, verb) for verb in verbs}
    for verb in verbs:  # what aiosmtpd's decorators noted about its own methods
        vars(methods[f"smtp_{verb}"]).update(vars(getattr(base, f"smtp_{verb}")))
    return type("Session", (Misbehaving, base), methods)


SESSIONS = {False: _session_class(SMTP), True: _session_class(LMTP)}


class Hops:
    """Starts next hops and stops them at the end of the test."""

    def __init__(self) -> None:
        self._servers: list[tuple[asyncio.Server, Hop, list[SMTP]]] = []
        self._raw: list[tuple[asyncio.Server, set[asyncio.StreamWriter]]] = []

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
        loop = asyncio.get_running_loop()
        made: list[SMTP] = []

        def factory() -> SMTP:
            server = SESSIONS[hop.lmtp](
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

    async def raw(self, script: Script) -> str:
        """A server that says what `script` says; gives its address."""
        connections: set[asyncio.StreamWriter] = set()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connections.add(writer)
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                await script(reader, writer)
                while await reader.readline() not in (b"", b"QUIT\r\n"):
                    pass
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1")
        self._raw.append((server, connections))
        return f"smtp://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    async def stop(self, hop: Hop) -> None:
        """Take no more connections and cut those there are."""
        for entry in [entry for entry in self._servers if entry[1] is hop]:
            self._servers.remove(entry)
            await self._stop(*entry)

    async def close(self) -> None:
        for entry in self._servers:
            await self._stop(*entry)
        for server, connections in self._raw:
            server.close()
            for writer in connections:
                writer.transport.abort()

    async def _stop(self, server: asyncio.Server, hop: Hop, made: list[SMTP]) -> None:
        server.close()
        hop.drop_connections()
        for each in made:
            task = each._handler_coroutine
            if task is not None and not task.done():
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError, Exception):
                    await task


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Everything here must hold on both loops."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


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
    pem: Path
    """Certificate and key."""


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
    return Certificates(server, ssl.create_default_context(cafile=str(pem)), pem)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return _certificate(tmp_path_factory.mktemp("tls"), "localhost", "127.0.0.1")


@pytest.fixture(scope="session")
def other_certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """For another name than the one that is asked."""
    return _certificate(tmp_path_factory.mktemp("tls"), "elsewhere.example", None)


@pytest.fixture
def certified(tmp_path: Path) -> Callable[[str], Certificates]:
    """Makes a certificate for a name."""
    return lambda name: _certificate(tmp_path, name, None)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    store = await SqliteStore.open(tmp_path / "store.db")
    yield Bench(store)
    await store.close()
