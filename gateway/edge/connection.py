"""One client's connection: octets in, replies out, its end, and the one timer that bounds it.

What is said is the business of `dialogue.py`. aiosmtpd gives the protocol class; reading, writing
and time are ours, because its own let pass what must not: bare LF, a client that sends NOOP for
ever, a cancelled handler when the client hangs up after the final dot.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import select
from abc import abstractmethod
from functools import lru_cache
from typing import cast

import aiosmtpd.smtp

from gateway.edge.admission import canonical_ip
from gateway.edge.answers import NO_HANDSHAKE
from gateway.edge.incoming import Disconnected, Incoming
from gateway.edge.service import Service
from gateway.edge.tls import Certificate
from gateway.message import Session
from gateway.reply import OVERLOADED, TIMED_OUT, Reply

HANDSHAKE_SECONDS = 30
MAX_UNREAD = 32 << 10
"""Octets of commands that may wait: a hundred recipients pipelined fit in."""
MAX_REPLY = 512
"""Octets of a reply line (RFC 5321, 4.5.3.1.5)."""
PARTING_SECONDS = 2
PARTING_OCTETS = 1 << 20
"""How long and how much a client we hang up on may still talk, so that our last reply arrives."""
CLOSING_SECONDS = 10
"""How long a client may take to read our last reply."""


class Phase(enum.Enum):
    COMMANDS = enum.auto()
    HANDSHAKE = enum.auto()
    DATA = enum.auto()
    ACCEPTING = enum.auto()
    """The message is whole and in our hands; nothing the client does can take it back."""
    CLOSING = enum.auto()


@lru_cache(maxsize=512)
def wire(reply: Reply) -> bytes:
    """A reply as its line, whatever stands in its text."""
    text = str(reply).encode("ascii", "replace")[: MAX_REPLY - 2]
    return text.replace(b"\r", b" ").replace(b"\n", b" ") + b"\r\n"


def spoke_early(transport: asyncio.BaseTransport) -> bool:
    """Whether octets of the client already wait in the socket (not merely its hanging up)."""
    sock = transport.get_extra_info("socket")
    if sock is None:
        return False
    poll = select.poll()
    poll.register(sock.fileno(), select.POLLIN | getattr(select, "POLLRDHUP", 0))
    return any(event == select.POLLIN for _, event in poll.poll(0))


def _tls_of(transport: asyncio.BaseTransport) -> str:
    """TLS version and cipher, empty without TLS."""
    agreed = transport.get_extra_info("cipher")
    return f"{agreed[1]} {agreed[0]}" if agreed else ""


class Connection(aiosmtpd.smtp.SMTP):
    transport: asyncio.Transport | None

    def __init__(
        self, service: Service, loop: asyncio.AbstractEventLoop, client_ip: str = ""
    ) -> None:
        """`client_ip`: what a balancer in front says; by default the peer's own address."""
        self.__dict__.update(service.template)
        self._service = service
        self._limits = service.limits
        self._incoming = Incoming(loop, MAX_UNREAD)
        self._out: list[bytes] = []
        self._room: asyncio.Future[None] | None = None
        self._phase = Phase.COMMANDS
        self._since = self._heard = self._data_since = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._client_ip = client_ip
        self._who = Session("", protocol="SMTP")

    @abstractmethod
    async def _converse(self) -> None:
        """The session, from the greeting to its end."""

    # --- beginning and end ---------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")
        if not peer:  # gone before we could look
            self.transport.abort()
            return
        client_ip = self._client_ip or canonical_ip(peer[0])
        self._who = Session(client_ip, tls=_tls_of(transport), protocol="SMTP")
        self._since = self._heard = self.loop.time()
        service = self._service
        refusal = OVERLOADED if service.draining else service.admission.enter(client_ip)
        if refusal:
            service.journal.turned_away(self._who, refusal, "connections")
            self._say(refusal)
            self._close()
            return
        self._incoming.attach(self.transport)
        self._timer = self.loop.call_at(self._due(), self._check_time)
        service.begin(self)
        self._handler_coroutine = self.loop.create_task(self._serve())

    async def _serve(self) -> None:
        """The connection's task. Nobody cancels it: it sees the end of the stream by itself."""
        try:
            await self._converse()
        except Disconnected:
            pass
        except Exception as error:
            self._service.journal.trouble("smtp", error)
        finally:
            self._service.end(self, self._who.client_ip)
            self._close()

    def data_received(self, data: bytes) -> None:
        self._incoming.feed(data)

    def eof_received(self) -> bool:
        """The client has finished speaking. Without TLS it may still listen."""
        self._incoming.end()
        return not self._who.tls and self._phase is not Phase.HANDSHAKE

    def connection_lost(self, error: Exception | None) -> None:
        if self._timer:
            self._timer.cancel()
        self.transport = None
        self._incoming.end()
        self.resume_writing()

    def _close(self) -> None:
        """Send what is left and close; a client that does not read is cut off in the end."""
        self._phase = Phase.CLOSING
        transport = self.transport
        if transport is None or transport.is_closing():
            return
        self._flush()
        transport.close()
        if transport.get_write_buffer_size():
            self._set_timer()

    async def _part(self) -> None:
        """Close, but let a client that is still sending read our last reply first.

        Closing with unread octets makes TCP throw away what the client has not read yet.
        """
        self._phase = Phase.CLOSING
        self._flush()
        transport = self.transport
        if transport and not transport.is_closing() and transport.can_write_eof():
            transport.write_eof()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._discard(PARTING_OCTETS), PARTING_SECONDS)
        self._close()

    async def _discard(self, octets: int) -> None:
        while octets > 0 and await self._incoming.more():
            octets -= len(self._incoming.buffer)
            self._incoming.buffer.clear()

    def _hang_up(self, reply: Reply, why: str) -> None:
        """End the session from outside its task, which then sees the end of the stream."""
        self._service.journal.turned_away(self._who, reply, why)
        self._say(reply)
        self._heard = self.loop.time()
        self._close()
        self._incoming.end()

    def drain(self) -> None:
        """End the session now, or after the message that is being taken."""
        if self._phase is Phase.COMMANDS:
            self._hang_up(OVERLOADED, "draining")
        elif self._phase is Phase.HANDSHAKE and self.transport:
            self.transport.abort()

    def cut(self) -> None:
        """End the session whatever it is doing; a message in our hands is still finished."""
        if self._phase is Phase.DATA:
            self._hang_up(OVERLOADED, "draining")
        elif self._phase is not Phase.ACCEPTING and self.transport:
            self.transport.abort()

    async def _start_tls(self, certificate: Certificate) -> None:
        self._phase = Phase.HANDSHAKE
        try:
            transport = await self.loop.start_tls(
                cast("asyncio.WriteTransport", self.transport),
                self,
                certificate.context,
                server_side=True,
                ssl_handshake_timeout=HANDSHAKE_SECONDS,
            )
        except OSError as error:
            self._service.journal.turned_away(self._who, NO_HANDSHAKE, "tls")
            raise Disconnected from error
        tls = _tls_of(transport) if transport else ""
        if transport is None or not tls:  # gone during the handshake
            raise Disconnected
        self.transport = transport
        self._incoming.attach(transport)
        # RFC 3207, 4.2: who it said to be before is forgotten.
        self._who = Session(self._who.client_ip, tls=tls, protocol="SMTP")
        self._phase = Phase.COMMANDS

    # --- time ----------------------------------------------------------------------------------

    def _due(self) -> float:
        """When patience ends, in the loop's time (RFC 5321, 4.5.3.2)."""
        service = self._service
        if self._phase is Phase.ACCEPTING:
            return self.loop.time() + service.idle
        if self._phase is Phase.CLOSING:
            return self._heard + CLOSING_SECONDS
        due = min(self._heard + service.idle, self._since + service.session)
        if self._phase is Phase.DATA:
            due = min(due, self._data_since + service.data_total)
        return due

    def _hear(self) -> None:
        self._heard = self.loop.time()

    def _set_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer = self.loop.call_at(self._due(), self._check_time)

    def _mind_time(self) -> None:
        """Have the timer look earlier if the deadline has come nearer."""
        if self._timer and self._due() < self._timer.when():
            self._set_timer()

    def _check_time(self) -> None:
        """The deadline moves with every command; the timer only looks whether it has come."""
        if self.loop.time() < self._due():
            self._set_timer()
        elif self._phase is not Phase.CLOSING:
            self._hang_up(TIMED_OUT, "timeout")
        elif self.transport:
            self.transport.abort()

    # --- replies -------------------------------------------------------------------------------

    def _say(self, reply: Reply) -> None:
        self._out.append(wire(reply))
        if reply.code == 421:  # RFC 5321, 3.8: that is what it means, whoever says it
            self._phase = Phase.CLOSING

    async def push(self, status: str | bytes) -> None:
        """aiosmtpd's way of saying something: one whole line."""
        self._out.append((status if isinstance(status, bytes) else status.encode()) + b"\r\n")

    def _flush(self) -> None:
        """Write all replies at once: a pipelining client gets one segment (RFC 2920, 3.2)."""
        if self._out and self.transport is not None:
            self.transport.write(b"".join(self._out))
        self._out.clear()

    def pause_writing(self) -> None:
        if self._room is None:
            self._room = self.loop.create_future()

    def resume_writing(self) -> None:
        room, self._room = self._room, None
        if room is not None and not room.done():
            room.set_result(None)
