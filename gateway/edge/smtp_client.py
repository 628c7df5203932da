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
from dataclasses import dataclass

from gateway.edge.mx import NoWay
from gateway.edge.smtp_dialogue import Dialogue
from gateway.edge.smtp_opening import BAD_TLS, Ways, open_session
from gateway.edge.smtp_session import Session
from gateway.edge.smtp_tls import Contexts, TlsMode
from gateway.edge.smtp_wire import TIMED_OUT, Trouble, Wire
from gateway.edge.transport import Progress, Result, Sent, everyone
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


@dataclass(frozen=True, slots=True)
class Place:
    """One address to connect to, and how."""

    address: str
    port: int
    name: str
    """The name that a verified certificate must hold."""
    tls: TlsMode


Find = Callable[[], Awaitable[Sequence[Place]]]
"""Gives the places to try, best first; raises Trouble or NoWay."""


class SmtpClient:
    """A Transport over SMTP or LMTP. It makes as many connections as it is given letters at once.

    `trust` is the TLS context that verifies names (default: the system's authorities);
    `idle` is the time in seconds that an unused connection is kept; `find` says where to connect
    to (default: the addresses of the host that is configured); `contexts` may be shared.
    """

    def __init__(
        self,
        hop: NextHop,
        hostname: str,
        *,
        trust: ssl.SSLContext | None = None,
        resolve: Resolve = system_addresses,
        idle: float = IDLE_LIMIT,
        find: Find | None = None,
        contexts: Contexts | None = None,
    ) -> None:
        self._hop = hop
        self._hostname = hostname
        self._find = find or self._configured
        self._resolve = resolve
        self._idle_limit = idle
        self._timeout = hop.timeout.total_seconds()
        self._contexts = contexts or Contexts(hop, trust)
        self._clear_until: dict[str, float] = {}
        """Addresses that are spoken to in clear for a while."""
        self._idle: list[Session] = []
        self._closing: set[asyncio.Future[None]] = set()
        self._reaper: asyncio.TimerHandle | None = None
        self._looking: asyncio.Future[Sequence[str]] | None = None
        self._closed = False
        """Nobody asks for a connection any more: what comes back is not kept."""
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
        except NoWay as way:
            result: Result = "delayed" if way.reply.temporary else "failed"
            return Sent(everyone(job, result, way.reply), hop_failed=way.reply.temporary)

    async def close(self) -> None:
        """Say good-bye on kept connections and wait the short while that may take; letters under
        way come to their end, and then their connections too."""
        self._closed = True
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
        if session.usable and now - session.since < MAX_AGE and not self._closed:
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
        """A session ready for MAIL, with the first server that gives one.

        Raises Trouble with `hop_failed`, NoWay.
        """
        failure = Trouble(NO_CONNECTION, hop_failed=True)
        for place in await self._find():
            try:
                return await self._open_at(place)
            except Trouble as trouble:  # RFC 5321, 5.1: then the next one
                failure = trouble
        raise failure

    async def _open_at(self, place: Place) -> Session:
        starttls = self._hop.scheme != "smtps" and place.tls != "none"
        now = asyncio.get_running_loop().time()
        optional = place.tls == "opportunistic" and not self._hop.user
        if starttls and optional and now < self._clear_until.get(place.address, 0.0):
            starttls = False
        try:
            return await self._open_with(place, starttls=starttls)
        except Trouble as trouble:
            if not (starttls and optional and trouble.reply is BAD_TLS):
                raise
        # RFC 7435: some TLS is better than none, and mail in clear better than no mail.
        self._clear_until[place.address] = now + WITHOUT_TLS
        return await self._open_with(place, starttls=False)

    async def _open_with(self, place: Place, *, starttls: bool) -> Session:
        implicit = self._hop.scheme == "smtps"
        context = await self._contexts.of(place.tls) if starttls or implicit else None
        wire = await self._connect(place, context if implicit else None)
        ways = Ways(
            hostname=self._hostname,
            lmtp=self._hop.scheme == "lmtp",
            starttls=context if starttls else None,
            tls_required=place.tls in ("encrypted", "required"),
            server_name=place.name,
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

    async def _connect(self, place: Place, context: ssl.SSLContext | None) -> Wire:
        try:
            return await self._connect_to(place, context)
        except ssl.SSLError:
            failure = BAD_TLS
        except TimeoutError:
            failure = TIMED_OUT
        except OSError:
            failure = NO_CONNECTION
        raise Trouble(failure, hop_failed=True)

    async def _connect_to(self, place: Place, context: ssl.SSLContext | None) -> Wire:
        loop = asyncio.get_running_loop()
        limit = min(self._timeout, CONNECT_LIMIT)
        async with asyncio.timeout(limit):
            transport, wire = await loop.create_connection(
                Wire,
                place.address,
                place.port,
                ssl=context,
                server_hostname=place.name if context else None,
            )
        connection = transport.get_extra_info("socket")
        if connection is not None:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return wire

    async def _configured(self) -> Sequence[Place]:
        """The addresses of the one host that is configured."""
        hop = self._hop
        name = hop.tls_name or hop.host
        return [Place(each, hop.port, name, hop.tls) for each in await self._addresses()]

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


def _forget(looking: asyncio.Future[Sequence[str]]) -> None:
    """Take the failure of a look-up that nobody waits for any more."""
    if not looking.cancelled():
        looking.exception()


def _delayed(job: Job, trouble: Trouble) -> Sent:
    return Sent(everyone(job, "delayed", trouble.reply), hop_failed=trouble.hop_failed)
