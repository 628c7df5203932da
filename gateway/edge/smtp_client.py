"""The SMTP and LMTP client for one next hop: keeps its connections and hands letters over.

A connection that carried a letter is kept for the next one. One that the server closed meanwhile
is replaced without counting as an attempt, but never once the final dot was said.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence

from gateway.edge.smtp_dialogue import Dialogue
from gateway.edge.smtp_opening import BAD_TLS, Ways, open_session
from gateway.edge.smtp_session import Session
from gateway.edge.smtp_wire import TIMED_OUT, Trouble, Wire
from gateway.edge.transport import Progress, Sent, everyone
from gateway.reply import Reply
from gateway.settings import NextHop
from gateway.store import Job

CONNECT_LIMIT = 30.0
"""Seconds for one address to take the connection."""
IDLE_LIMIT = 30.0
"""Seconds a connection is kept without work."""
MAX_AGE = 300.0
"""Seconds after which a connection is not kept any more, so that a moved service is found."""
WITHOUT_TLS = 600.0
"""Seconds for which a next hop whose STARTTLS failed is spoken to in clear, if that is allowed."""

NO_CONNECTION = Reply(451, "4.4.1", "No connection to the next hop could be made")
NO_HOST = Reply(451, "4.4.3", "The next hop's address was not found")

Resolve = Callable[[str], Awaitable[Sequence[str]]]
"""Gives the IP addresses of a host name; raises OSError when there are none."""


async def system_addresses(host: str) -> Sequence[str]:
    """What the system's resolver says, `/etc/hosts` included."""
    found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))


class SmtpClient:
    """A Transport over SMTP or LMTP. It makes as many connections as it is given letters at once.

    `trust` is the TLS context that verifies names (default: the system's authorities);
    `idle` is the time in seconds that an unused connection is kept.
    """

    def __init__(
        self,
        hop: NextHop,
        hostname: str,
        *,
        trust: ssl.SSLContext | None = None,
        resolve: Resolve = system_addresses,
        idle: float = IDLE_LIMIT,
    ) -> None:
        self._hop = hop
        self._hostname = hostname
        self._trust = trust
        self._resolve = resolve
        self._idle_limit = idle
        self._timeout = hop.timeout.total_seconds()
        self._context: ssl.SSLContext | None = None
        self._clear_until = 0.0
        self._idle: list[Session] = []
        self._closing: set[asyncio.Future[None]] = set()
        self._reaper: asyncio.TimerHandle | None = None
        self._looking: asyncio.Future[Sequence[str]] | None = None
        self.takes_utf8 = False

    # --- the Transport ---

    async def send(self, job: Job, progress: Progress) -> Sent:
        """Hand over one letter; every trouble becomes an outcome."""
        session = self._kept()
        if session is not None:
            try:
                return await self._deliver(session, job, progress)
            except Trouble as trouble:
                if not trouble.lost:
                    return _delayed(job, trouble)
        try:
            return await self._deliver(await self._open(), job, progress)
        except Trouble as trouble:
            return _delayed(job, trouble)

    async def close(self) -> None:
        """Say good-bye on kept connections and wait the short while that may take."""
        if self._reaper is not None:
            self._reaper.cancel()
        while self._idle:
            self._part(self._idle.pop())
        if self._closing:
            await asyncio.wait(self._closing)

    # --- connections ---

    def _kept(self) -> Session | None:
        """The connection used last, if one is kept and was not closed by the server."""
        while self._idle:
            session = self._idle.pop()
            if session.usable:
                return session
            self._part(session)
        return None

    async def _deliver(self, session: Session, job: Job, progress: Progress) -> Sent:
        try:
            sent = await session.deliver(job, progress)
        except BaseException:
            session.abort()
            raise
        now = asyncio.get_running_loop().time()
        if session.usable and now - session.since < MAX_AGE:
            session.used = now
            self._idle.append(session)
            if self._reaper is None:
                self._set_reaper()
        else:
            self._part(session)
        return sent

    def _part(self, session: Session) -> None:
        session.close()
        if not session.gone.done():
            self._closing.add(session.gone)
            session.gone.add_done_callback(self._closing.discard)

    def _set_reaper(self) -> None:
        loop = asyncio.get_running_loop()
        self._reaper = loop.call_later(self._idle_limit, self._reap)

    def _reap(self) -> None:
        oldest = asyncio.get_running_loop().time() - self._idle_limit
        for session in [session for session in self._idle if session.used <= oldest]:
            self._idle.remove(session)
            self._part(session)
        self._reaper = None
        if self._idle:
            self._set_reaper()

    # --- opening ---

    async def _open(self) -> Session:
        """A session ready for MAIL. Raises Trouble with `hop_failed`."""
        starttls = self._hop.scheme != "smtps" and self._hop.tls != "none"
        now = asyncio.get_running_loop().time()
        optional = self._hop.tls == "opportunistic" and not self._hop.user
        if starttls and optional and now < self._clear_until:
            starttls = False
        try:
            return await self._open_with(starttls=starttls)
        except Trouble as trouble:
            if not (starttls and optional and trouble.reply is BAD_TLS):
                raise
        # RFC 7435: some TLS is better than none, and mail in clear better than no mail.
        self._clear_until = now + WITHOUT_TLS
        return await self._open_with(starttls=False)

    async def _open_with(self, *, starttls: bool) -> Session:
        implicit = self._hop.scheme == "smtps"
        context = await self._tls_context() if starttls or implicit else None
        wire = await self._connect(context if implicit else None)
        ways = Ways(
            hostname=self._hostname,
            lmtp=self._hop.scheme == "lmtp",
            starttls=context if starttls else None,
            tls_required=self._hop.tls == "required",
            server_name=self._hop.host,
            user=self._hop.user,
            password=self._hop.password.get_secret_value(),
        )
        dialogue = Dialogue(wire, self._timeout)
        try:
            extensions = await open_session(dialogue, ways, secure=implicit)
        except BaseException:
            wire.abort()
            raise
        self.takes_utf8 = "SMTPUTF8" in extensions
        return Session(dialogue, extensions, lmtp=ways.lmtp)

    async def _connect(self, context: ssl.SSLContext | None) -> Wire:
        """The first address that takes the connection."""
        failure = NO_CONNECTION
        for address in await self._addresses():
            try:
                return await self._connect_to(address, context)
            except ssl.SSLError:
                failure = BAD_TLS
            except TimeoutError:
                failure = TIMED_OUT
            except OSError:
                failure = NO_CONNECTION
        raise Trouble(failure, hop_failed=True)

    async def _connect_to(self, address: str, context: ssl.SSLContext | None) -> Wire:
        loop = asyncio.get_running_loop()
        limit = min(self._timeout, CONNECT_LIMIT)
        async with asyncio.timeout(limit):
            transport, wire = await loop.create_connection(
                Wire,
                address,
                self._hop.port,
                ssl=context,
                server_hostname=self._hop.host if context else None,
            )
        connection = transport.get_extra_info("socket")
        if connection is not None:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return wire

    async def _addresses(self) -> Sequence[str]:
        host = self._hop.host
        try:
            return (str(ipaddress.ip_address(host)),)
        except ValueError:
            pass
        try:
            async with asyncio.timeout(min(self._timeout, CONNECT_LIMIT)):
                return await self._look_up(host)
        except (OSError, UnicodeError):
            raise Trouble(NO_HOST, hop_failed=True) from None

    async def _look_up(self, host: str) -> Sequence[str]:
        """One look-up at a time: a resolver that hangs must not take a thread for each letter."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.ensure_future(self._resolve(host))
            self._looking.add_done_callback(_forget)
        return await asyncio.shield(self._looking)

    async def _tls_context(self) -> ssl.SSLContext:
        """Verifying if TLS is required, else only against listeners."""
        if self._context is not None:
            return self._context
        if self._hop.tls != "required":
            context = _unverified()
        elif self._trust is not None:
            context = self._trust
        else:
            # Reading the system's authorities takes some 20 ms.
            context = await asyncio.to_thread(ssl.create_default_context)
        self._context = context
        return context


def _forget(looking: asyncio.Future[Sequence[str]]) -> None:
    """Take the failure of a look-up that nobody waits for any more."""
    if not looking.cancelled():
        looking.exception()


def _unverified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _delayed(job: Job, trouble: Trouble) -> Sent:
    return Sent(everyone(job, "delayed", trouble.reply), hop_failed=trouble.hop_failed)
