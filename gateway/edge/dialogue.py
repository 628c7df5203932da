"""One SMTP session with one client (RFC 5321): its commands, its limits, its replies.

aiosmtpd gives the protocol class and the names; what is read, said and when is ours, because its
own class costs three times as much and lets pass what must not (bare LF, slow clients, leaks of
exception texts). Its words `mail_from`, `rcpt_tos`, `host_name` do not leave this file.
"""

from __future__ import annotations

import asyncio
import enum
import re
import select
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, cast

import aiosmtpd.smtp

from gateway.edge.admission import Admission, canonical_ip
from gateway.edge.budget import MemoryBudget
from gateway.edge.data import IN_MEMORY, PIECE, SHARE, Content, Disconnected, Swamped, receive
from gateway.edge.incoming import Incoming
from gateway.edge.paths import parse_mail, parse_rcpt
from gateway.edge.queue_id import QueueIds
from gateway.edge.tls import Certificate
from gateway.journal import Journal
from gateway.message import Arrival, Envelope, Octets, Session
from gateway.reply import (
    BAD_PARAMETER,
    BAD_SEQUENCE,
    NO_SPACE,
    OUR_TROUBLE,
    OVERLOADED,
    TIMED_OUT,
    TLS_FIRST,
    TOO_LARGE,
    TOO_MANY_ERRORS,
    TOO_MANY_RECIPIENTS,
    Reply,
)
from gateway.settings import Limits

OK = Reply(250, "2.0.0", "Ok")
BYE = Reply(221, "2.0.0", "Bye")
UNKNOWN_COMMAND = Reply(500, "5.5.2", "Command not recognised")
NOT_IMPLEMENTED = Reply(502, "5.5.1", "Command not implemented")
BAD_LINE = Reply(500, "5.5.2", "Lines end with CRLF and hold no other control characters")
LINE_TOO_LONG = Reply(500, "5.5.2", "Line too long")
TOO_EARLY = Reply(554, "5.5.1", "You spoke before the greeting (RFC 5321, 4.3.1)")
NO_MAIL_HERE = Reply(421, "4.7.0", "This is SMTP, closing the connection")
HELLO_FIRST = Reply(503, "5.5.1", "Say EHLO first")
NO_RECIPIENTS = Reply(503, "5.5.1", "No valid recipients")
TOO_MANY_COMMANDS = Reply(421, "4.7.0", "Too many commands without mail, closing the connection")
TOO_MANY_MESSAGES = Reply(421, "4.7.0", "Enough for one session, please connect again")
NOTHING_MAY_FOLLOW = Reply(501, "5.5.4", "Nothing may be sent after STARTTLS before TLS")
CANNOT_VERIFY = Reply(252, "2.0.0", "Cannot verify, but will take the message and try")
HELP = Reply(214, "2.0.0", "EHLO HELO MAIL RCPT DATA RSET NOOP VRFY STARTTLS QUIT: RFC 5321")

MAX_LINE = 2048
"""Octets of a command line; RFC 5321, 4.5.3.1.4 with room for parameters."""
MAX_UNREAD = 32 << 10
"""Octets of commands that may wait: a hundred recipients pipelined fit in."""
HANDSHAKE_SECONDS = 30
PARTING_SECONDS = 2
"""How long a client we hang up on may go on talking, so that our last reply reaches it."""
CLOSING_SECONDS = 10

_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_NAME = re.compile(r"[\x21-\x7e]{1,255}")
_OTHER_PROTOCOLS = frozenset((b"GET", b"POST", b"PUT", b"HEAD", b"CONNECT", b"OPTIONS"))
_BEFORE_TLS = frozenset((b"EHLO", b"HELO", b"STARTTLS", b"NOOP", b"RSET", b"QUIT"))

Accept = Callable[[Arrival], Awaitable[Reply]]
Admit = Callable[[str, Session], Reply | None]


class Phase(enum.Enum):
    COMMANDS = enum.auto()
    DATA = enum.auto()
    ACCEPTING = enum.auto()
    """The message is whole and in our hands; nothing the client does can take it back."""
    CLOSING = enum.auto()


@dataclass(eq=False)
class Service:
    """What all dialogues of one listener share."""

    hostname: str
    limits: Limits
    accept: Accept
    admit: Admit
    budget: MemoryBudget
    admission: Admission
    journal: Journal
    smtputf8: Callable[[], bool]
    spool: Path
    clock: Callable[[], datetime]
    ids: QueueIds
    certificate: Certificate | None = None
    require_tls: bool = False
    draining: bool = False
    dialogues: set[Dialogue] = field(default_factory=set)
    idle_over: asyncio.Event = field(default_factory=asyncio.Event)
    """Set whenever no dialogue is left."""

    def __post_init__(self) -> None:
        self.idle = self.limits.idle.total_seconds()
        self.data_total = self.limits.data_total.total_seconds()
        self.session = self.limits.session.total_seconds()
        self.greeting = f"220 {self.hostname} ESMTP\r\n".encode()
        self.hello = f"250 {self.hostname}\r\n".encode()
        self.extended = {
            (tls, utf8): self._extended_hello(tls=tls, utf8=utf8)
            for tls in (False, True)
            for utf8 in (False, True)
        }

    def _extended_hello(self, *, tls: bool, utf8: bool) -> bytes:
        """The reply to EHLO: only what is built is announced."""
        words = [self.hostname, "PIPELINING", f"SIZE {self.limits.message_size}"]
        words += ["STARTTLS"] if tls else []
        words += ["SMTPUTF8"] if utf8 else []
        words += ["8BITMIME", "ENHANCEDSTATUSCODES"]
        lines = [f"250-{word}\r\n" for word in words[:-1]] + [f"250 {words[-1]}\r\n"]
        return "".join(lines).encode()


def _spoke_early(transport: asyncio.BaseTransport) -> bool:
    """Whether octets of the client wait in the socket before we have greeted it."""
    sock = transport.get_extra_info("socket")
    if sock is None:
        return False
    poll = select.poll()
    poll.register(sock.fileno(), select.POLLIN)
    return bool(poll.poll(0))


class Dialogue(aiosmtpd.smtp.SMTP):
    _verbs: ClassVar[dict[bytes, Callable[[Dialogue, str], Awaitable[None]]]] = {}

    def __init__(self, service: Service, template: dict[str, Any], loop: Any) -> None:
        # aiosmtpd's own __init__ looks through all methods each time: it ran once, for `template`.
        self.__dict__.update(template)
        asyncio.StreamReaderProtocol.__init__(self, cast("Any", None), loop=loop)
        self._service = service
        self._limits = service.limits
        self._incoming = Incoming(loop, MAX_UNREAD)
        self._out: list[bytes] = []
        self._phase = Phase.COMMANDS
        self._since = self._heard = self._data_since = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._errors = self._commands = self._messages = 0
        self._who = Session("")
        self._mail_given = False
        self._known: set[str] = set()

    # --- the connection ------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        loop, service = self.loop, self._service
        peer = transport.get_extra_info("peername")
        if not peer:  # gone before we could look
            cast("asyncio.Transport", transport).abort()
            return
        client_ip = canonical_ip(peer[0])
        self._who = Session(client_ip, protocol="SMTP")
        refusal = OVERLOADED if service.draining else service.admission.enter(client_ip)
        if refusal:
            service.journal.turned_away(self._who, refusal, "connections")
            self._say(refusal)
            self._close()
            return
        self._incoming.attach(cast("asyncio.ReadTransport", transport))
        self.session = self._create_session()
        self._set_rset_state()
        self._since = self._heard = loop.time()
        self._timer = loop.call_at(self._due(), self._check_time)
        service.dialogues.add(self)
        self._handler_coroutine = loop.create_task(self._handle_client())

    def data_received(self, data: bytes) -> None:
        self._incoming.feed(data)

    def eof_received(self) -> bool:
        """The client has finished speaking; it may still listen (not over TLS)."""
        self._incoming.end()
        return not self._who.tls

    def connection_lost(self, error: Exception | None) -> None:
        """Our task is never cancelled: it sees the end of the stream, or finishes `accept`."""
        if self._timer:
            self._timer.cancel()
        self._phase = Phase.CLOSING if self._phase is not Phase.ACCEPTING else self._phase
        self._incoming.end()
        asyncio.StreamReaderProtocol.connection_lost(self, error)
        self.transport = None

    def _close(self) -> None:
        """Send what is left and close; a client that does not read is cut off in the end."""
        self._phase = Phase.CLOSING
        if self.transport is None:
            return
        self._flush()
        self.transport.close()

    async def _part(self) -> None:
        """Close, but let a client that is still sending read our last reply first.

        Closing with unread octets makes TCP throw away what the client has not read yet.
        """
        self._phase = Phase.CLOSING
        self._flush()
        transport = cast("asyncio.Transport | None", self.transport)
        if transport and not transport.is_closing() and transport.can_write_eof():
            transport.write_eof()
            try:
                async with asyncio.timeout(PARTING_SECONDS):
                    while await self._incoming.more():
                        self._incoming.buffer.clear()
            except TimeoutError:
                pass
        self._close()

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

    def _check_time(self) -> None:
        due = self._due()
        if self.loop.time() < due:
            self._timer = self.loop.call_at(due, self._check_time)
        elif self._phase is Phase.CLOSING:
            if self.transport:
                cast("asyncio.Transport", self.transport).abort()
        else:
            self._hang_up(TIMED_OUT, "timeout")

    def _hang_up(self, reply: Reply, why: str) -> None:
        """End the session from outside its task, which then sees the end of the stream."""
        self._service.journal.turned_away(self._who, reply, why)
        self._say(reply)
        self._hear()
        self._close()
        self._incoming.end()
        self._timer = self.loop.call_at(self._due(), self._check_time)

    def drain(self) -> None:
        """End the session now, or after the message that is being taken."""
        if self._phase is Phase.COMMANDS:
            self._hang_up(OVERLOADED, "draining")

    def cut(self) -> None:
        """End the session at once, whatever it is doing, but for a message in our hands."""
        if self._phase is Phase.DATA:
            self._hang_up(OVERLOADED, "draining")
        elif self.transport:
            cast("asyncio.Transport", self.transport).abort()

    # --- replies -------------------------------------------------------------------------------

    def _say(self, reply: Reply) -> None:
        text = str(reply).encode("ascii", "replace")[:510]
        self._out.append(text.replace(b"\r", b" ").replace(b"\n", b" ") + b"\r\n")

    def _flush(self) -> None:
        """Write all replies at once: a pipelining client gets one segment (RFC 2920, 3.2)."""
        if self._out and self.transport is not None:
            cast("asyncio.Transport", self.transport).write(b"".join(self._out))
        self._out.clear()

    async def push(self, status: str | bytes) -> None:
        self._out.append((status if isinstance(status, bytes) else status.encode()) + b"\r\n")

    def _wrong(self, reply: Reply) -> None:
        """Answer a mistake; too many end the session."""
        self._say(reply)
        self._errors += 1
        if self._errors >= self._limits.errors:
            self._farewell(TOO_MANY_ERRORS, "errors")

    def _farewell(self, reply: Reply, why: str) -> None:
        """End the session from within a command."""
        self._service.journal.turned_away(self._who, reply, why)
        self._say(reply)
        self._phase = Phase.CLOSING

    async def handle_exception(self, error: Exception) -> str:
        self._service.journal.trouble("smtp", error)
        return str(OUR_TROUBLE)

    # --- reading commands ----------------------------------------------------------------------

    async def _handle_client(self) -> None:
        service = self._service
        try:
            await self._converse()
        except (ConnectionError, Disconnected):
            pass
        except Exception as error:
            service.journal.trouble("smtp", error)
        finally:
            service.admission.leave(self._who.client_ip)
            service.dialogues.discard(self)
            if not service.dialogues:
                service.idle_over.set()
            self._close()

    async def _converse(self) -> None:
        if _spoke_early(cast("asyncio.BaseTransport", self.transport)):
            self._farewell(TOO_EARLY, "early")
            await self._part()
            return
        self._out.append(self._service.greeting)
        while self._phase is Phase.COMMANDS:
            line = self._incoming.line()
            if line is not None:
                await self._obey(line)
            elif len(self._incoming.buffer) > MAX_UNREAD:
                self._wrong(LINE_TOO_LONG)
                self._farewell(TOO_MANY_ERRORS, "errors")
            else:
                self._flush()
                await self._drain_helper()  # type: ignore[attr-defined]
                if not await self._incoming.more():
                    return
        if self.transport is not None:
            await self._part()

    async def _obey(self, line: bytes) -> None:
        """Do what one line asks for. Whatever goes wrong, the session stays usable."""
        self._hear()
        self._commands += 1
        if self._commands > self._limits.commands:
            self._farewell(TOO_MANY_COMMANDS, "commands")
            return
        if len(line) > MAX_LINE:
            self._wrong(LINE_TOO_LONG)
            return
        if not line.endswith(b"\r\n") or _CONTROL.search(line, 0, len(line) - 2):
            self._wrong(BAD_LINE)
            return
        verb, _, argument = line[:-2].partition(b" ")
        verb = verb.upper()
        method = self._verbs.get(verb)
        if method is None:
            self._unknown(verb)
        elif self._service.require_tls and not self._who.tls and verb not in _BEFORE_TLS:
            self._wrong(TLS_FIRST)
        else:
            try:
                await method(self, argument.strip(b" ").decode("utf-8", "surrogateescape"))
            except (ConnectionError, Disconnected):
                raise
            except Exception as error:
                self._set_rset_state()
                self._phase = Phase.COMMANDS if self._phase is not Phase.CLOSING else self._phase
                await self.push(await self.handle_exception(error))

    def _unknown(self, verb: bytes) -> None:
        if verb in _OTHER_PROTOCOLS:  # a browser was made to talk to us: nothing more is read
            self._farewell(NO_MAIL_HERE, "protocol")
        else:
            self._wrong(UNKNOWN_COMMAND)

    # --- commands ------------------------------------------------------------------------------

    def _set_rset_state(self) -> None:
        """Forget the transaction."""
        self.envelope = self._create_envelope()
        self._mail_given = False
        self._known.clear()

    def _greeted(self, name: str, *, extended: bool) -> bool:
        if not _NAME.fullmatch(name):
            self._wrong(BAD_PARAMETER)
            return False
        self._set_rset_state()
        assert self.session is not None
        self.session.host_name = name
        self.session.extended_smtp = extended
        protocol = ("ESMTPS" if self._who.tls else "ESMTP") if extended else "SMTP"  # RFC 3848
        self._who = replace(self._who, helo=name, protocol=protocol)
        return True

    async def smtp_HELO(self, hostname: str) -> None:  # noqa: N802 (aiosmtpd's name, as all below)
        if self._greeted(hostname, extended=False):
            self._out.append(self._service.hello)

    async def smtp_EHLO(self, hostname: str) -> None:  # noqa: N802
        if self._greeted(hostname, extended=True):
            service = self._service
            offer_tls = service.certificate is not None and not self._who.tls
            self._out.append(service.extended[offer_tls, service.smtputf8()])

    async def smtp_MAIL(self, arg: str | None) -> None:  # noqa: N802
        assert self.session is not None
        assert self.envelope is not None
        if not self.session.host_name:
            self._wrong(HELLO_FIRST)
            return
        if self._mail_given:
            self._wrong(BAD_SEQUENCE)
            return
        if self._messages >= self._limits.messages_per_session:
            self._farewell(TOO_MANY_MESSAGES, "messages")
            return
        command = parse_mail(
            arg or "",
            extended=self.session.extended_smtp,
            smtputf8=self._service.smtputf8(),
            limit=self._limits.message_size,
        )
        if isinstance(command, Reply):
            self._wrong(command)
            return
        self._mail_given = True
        self.envelope.mail_from = command.reverse_path
        self.envelope.smtp_utf8 = command.smtputf8
        self._declared = command
        self._say(OK)

    async def smtp_RCPT(self, arg: str | None) -> None:  # noqa: N802
        assert self.envelope is not None
        if not self._mail_given:
            self._wrong(BAD_SEQUENCE)
            return
        recipient = parse_rcpt(arg or "", smtputf8=self.envelope.smtp_utf8)
        if isinstance(recipient, Reply):
            self._refuse_recipient(recipient, "recipient")
            return
        if recipient.lower() in self._known:
            self._say(OK)
            return
        if len(self._known) >= self._limits.recipients:
            self._say(TOO_MANY_RECIPIENTS)
            return
        refusal = self._service.admit(recipient, self._who)
        if refusal:
            self._refuse_recipient(refusal, "recipient")
            return
        self._known.add(recipient.lower())
        self.envelope.rcpt_tos.append(recipient)
        self._commands -= 1  # as many as there are recipients, that is bounded already
        self._say(OK)

    def _refuse_recipient(self, reply: Reply, why: str) -> None:
        self._service.journal.turned_away(self._who, reply, why)
        self._wrong(reply)

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802
        assert self.envelope is not None
        if arg:
            self._wrong(BAD_PARAMETER)
        elif not self._mail_given:
            self._wrong(BAD_SEQUENCE)
        elif not self.envelope.rcpt_tos:
            self._wrong(NO_RECIPIENTS)
        else:
            await self._take_message()

    async def _take_message(self) -> None:
        service = self._service
        with service.budget.lease() as lease:
            if not lease.hold(min(max(self._declared.size, SHARE), IN_MEMORY)):
                service.journal.turned_away(self._who, NO_SPACE, "memory")
                self._say(NO_SPACE)
                return
            content = Content(self._limits.message_size, lease, service.spool)
            try:
                await self._read(content)
                reply = content.refusal
                if reply:
                    service.journal.turned_away(self._who, reply, "content")
                    self._wrong(reply)
                else:
                    await self._hand_over(content.octets())
            except Swamped:
                self._farewell(TOO_LARGE, "size")
            finally:
                content.close()
        self._set_rset_state()
        if service.draining and self._phase is Phase.COMMANDS:
            self._farewell(OVERLOADED, "draining")

    async def _read(self, content: Content) -> None:
        self._out.append(b"354 End data with <CR><LF>.<CR><LF>\r\n")
        self._flush()
        self._phase = Phase.DATA
        self._hear()
        self._data_since = self._heard
        self._incoming.limit = 2 * PIECE
        try:
            await receive(self._incoming, content, self._hear)
        finally:
            self._incoming.limit = MAX_UNREAD
        self._phase = Phase.COMMANDS

    async def _hand_over(self, octets: Octets) -> None:
        """The message is whole: from here on it is answered by what `accept` says, and only so."""
        service, envelope = self._service, self.envelope
        assert envelope is not None
        now = service.clock()
        who = self._who
        if envelope.smtp_utf8:  # RFC 6531, 4.3
            who = replace(who, protocol="UTF8SMTPS" if who.tls else "UTF8SMTP")
        arrival = Arrival(
            service.ids.next(now),
            now,
            who,
            Envelope(
                envelope.mail_from or "",
                tuple(envelope.rcpt_tos),
                smtputf8=envelope.smtp_utf8,
                body=self._declared.body,
            ),
            octets,
        )
        self._phase = Phase.ACCEPTING
        try:
            reply = await service.accept(arrival)
        except Exception as error:
            service.journal.trouble("accept", error, arrival.queue_id)
            reply = OUR_TROUBLE
        self._phase = Phase.COMMANDS
        self._hear()
        self._messages += 1
        self._commands = 0
        self._say(reply)

    async def smtp_STARTTLS(self, arg: str) -> None:  # noqa: N802
        certificate = self._service.certificate
        if arg:
            self._wrong(BAD_PARAMETER)
        elif certificate is None:
            self._wrong(NOT_IMPLEMENTED)
        elif self._who.tls:
            self._wrong(BAD_SEQUENCE)
        elif self._incoming.buffer:  # RFC 3207, 4.2: it could come from somebody in between
            self._say(NOTHING_MAY_FOLLOW)
            self._farewell(TOO_MANY_ERRORS, "starttls")
        else:
            await self._start_tls(certificate)

    async def _start_tls(self, certificate: Certificate) -> None:
        self._say(Reply(220, "2.0.0", "Ready to start TLS"))
        self._flush()
        transport = await self.loop.start_tls(
            cast("asyncio.WriteTransport", self.transport),
            self,
            certificate.context,
            server_side=True,
            ssl_handshake_timeout=HANDSHAKE_SECONDS,
        )
        if transport is None:
            raise Disconnected
        self.transport = transport
        self._incoming.attach(cast("asyncio.ReadTransport", transport))
        version, cipher = transport.get_extra_info("cipher")[1::-1]
        # RFC 3207, 4.2: all that was said before TLS is forgotten.
        self._who = Session(self._who.client_ip, tls=f"{version} {cipher}", protocol="SMTP")
        self.session = self._create_session()
        self._set_rset_state()

    async def smtp_RSET(self, arg: str) -> None:  # noqa: N802
        if arg:
            self._wrong(BAD_PARAMETER)
            return
        self._set_rset_state()
        self._say(OK)

    async def smtp_NOOP(self, arg: str) -> None:  # noqa: N802
        self._say(OK)

    async def smtp_VRFY(self, arg: str) -> None:  # noqa: N802
        if arg:
            self._say(CANNOT_VERIFY)
        else:
            self._wrong(BAD_PARAMETER)

    async def smtp_HELP(self, arg: str) -> None:  # noqa: N802
        self._say(HELP)

    async def smtp_EXPN(self, arg: str) -> None:  # noqa: N802
        self._wrong(NOT_IMPLEMENTED)

    async def smtp_AUTH(self, arg: str) -> None:  # noqa: N802
        self._wrong(NOT_IMPLEMENTED)

    async def smtp_QUIT(self, arg: str) -> None:  # noqa: N802
        if arg:
            self._wrong(BAD_PARAMETER)
            return
        self._say(BYE)
        self._close()


Dialogue._verbs = {
    name.removeprefix("smtp_").encode(): getattr(Dialogue, name)
    for name in dir(Dialogue)
    if name.startswith("smtp_")
}
