"""One SMTP session with one client (RFC 5321): its commands, its limits, its replies.

The methods keep aiosmtpd's names, one for each command.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import ClassVar

from gateway.edge.answers import (
    BAD_LINE,
    BYE,
    CANNOT_VERIFY,
    HELLO_FIRST,
    HELP,
    HELP_WITH_TLS,
    LINE_TOO_LONG,
    NO_MAIL_HERE,
    NO_RECIPIENTS,
    NOT_IMPLEMENTED,
    NOTHING_MAY_FOLLOW,
    OK,
    READY_FOR_TLS,
    TOO_EARLY,
    TOO_MANY_COMMANDS,
    TOO_MANY_MESSAGES,
    UNKNOWN_COMMAND,
)
from gateway.edge.connection import MAX_UNREAD, Phase, spoke_early
from gateway.edge.data import IN_MEMORY
from gateway.edge.incoming import Disconnected
from gateway.edge.paths import parse_mail, parse_rcpt
from gateway.edge.taking import Taker, Transaction
from gateway.message import Session
from gateway.reply import (
    BAD_PARAMETER,
    BAD_SEQUENCE,
    NO_SPACE,
    TLS_FIRST,
    TOO_MANY_ERRORS,
    TOO_MANY_RECIPIENTS,
    Reply,
)

MAX_LINE = 2048
"""Octets of a command line; RFC 5321, 4.5.3.1.4 with room for parameters."""

_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_NAME = re.compile(r"[\x21-\x7e]{1,255}")
_OTHER_PROTOCOLS = frozenset((b"GET", b"POST", b"PUT", b"HEAD", b"CONNECT", b"OPTIONS", b"PROXY"))
_BEFORE_TLS = frozenset((b"EHLO", b"HELO", b"STARTTLS", b"NOOP", b"RSET", b"QUIT"))


class Dialogue(Taker):
    _verbs: ClassVar[dict[bytes, Callable[[Dialogue, str], Awaitable[None]]]] = {}

    # --- reading commands ----------------------------------------------------------------------

    async def _converse(self) -> None:
        if self._incoming.buffer or (self.transport and spoke_early(self.transport)):
            self._farewell(TOO_EARLY, "early")
        else:
            self._out.append(self._service.greeting)
        while self._phase is Phase.COMMANDS and self.transport is not None:
            line = self._incoming.line()
            if line is not None:
                await self._obey(line)
            elif len(self._incoming.buffer) > MAX_UNREAD:
                self._say(LINE_TOO_LONG)
                self._farewell(TOO_MANY_ERRORS, "line")
            elif not await self._listen():
                return
        await self._part()

    async def _listen(self) -> bool:
        """Send what there is to say, then wait for the client; False if it is gone."""
        self._flush()
        if self._room is not None:
            await self._room
        return await self._incoming.more()

    async def _obey(self, line: bytes) -> None:
        """Do what one line asks for. Whatever goes wrong, the session stays usable."""
        self._hear()
        self._commands += 1
        if self._commands > self._limits.commands:
            self._farewell(TOO_MANY_COMMANDS, "commands")
        elif len(line) > MAX_LINE:
            self._wrong(LINE_TOO_LONG)
        elif not line.endswith(b"\r\n") or _CONTROL.search(line, 0, len(line) - 2):
            self._wrong(BAD_LINE)
        else:
            verb, _, argument = line[:-2].partition(b" ")
            await self._do(verb.upper(), argument.strip(b" ").decode("utf-8", "surrogateescape"))

    async def _do(self, verb: bytes, argument: str) -> None:
        method = self._verbs.get(verb)
        if verb in _OTHER_PROTOCOLS:  # a browser was made to talk to us: no more of this
            self._farewell(NO_MAIL_HERE, "protocol")
        elif method is None:
            self._wrong(UNKNOWN_COMMAND)
        elif self._service.require_tls and not self._who.tls and verb not in _BEFORE_TLS:
            self._wrong(TLS_FIRST)
        else:
            try:
                await method(self, argument)
            except Disconnected:
                raise
            except Exception as error:
                self._transaction = None
                await self.push(await self.handle_exception(error))

    # --- commands ------------------------------------------------------------------------------

    def _greeted(self, name: str, *, extended: bool) -> bool:
        if not _NAME.fullmatch(name):
            self._wrong(BAD_PARAMETER)
            return False
        self._transaction = None
        protocol = ("ESMTPS" if self._who.tls else "ESMTP") if extended else "SMTP"  # RFC 3848
        self._who = Session(self._who.client_ip, name, self._who.tls, protocol=protocol)
        return True

    async def smtp_HELO(self, hostname: str) -> None:  # noqa: N802 (aiosmtpd's names, here and below)
        if self._greeted(hostname, extended=False):
            self._out.append(self._service.hello)

    async def smtp_EHLO(self, hostname: str) -> None:  # noqa: N802
        if self._greeted(hostname, extended=True):
            service = self._service
            offer_tls = service.certificate is not None and not self._who.tls
            self._out.append(service.extended_hello[offer_tls, service.smtputf8()])

    async def smtp_MAIL(self, arg: str | None) -> None:  # noqa: N802
        if not self._who.helo:
            self._wrong(HELLO_FIRST)
        elif self._transaction:
            self._wrong(BAD_SEQUENCE)
        elif self._messages >= self._limits.messages_per_session:
            self._farewell(TOO_MANY_MESSAGES, "messages")
        else:
            command = parse_mail(
                arg or "",
                extended=self._who.protocol != "SMTP",
                smtputf8=self._service.smtputf8(),
                limit=self._limits.message_size,
            )
            if isinstance(command, Reply):
                self._refuse(command, "sender")
            elif command.size > IN_MEMORY and not self._service.has_room(command.size):
                self._service.journal.turned_away(self._who, NO_SPACE, "no space")
                self._say(NO_SPACE)
            else:
                self._transaction = Transaction(command)
                self._say(OK)

    async def smtp_RCPT(self, arg: str | None) -> None:  # noqa: N802
        transaction = self._transaction
        if transaction is None:
            self._wrong(BAD_SEQUENCE)
            return
        command = parse_rcpt(
            arg or "",
            extended=self._who.protocol != "SMTP",
            smtputf8=transaction.mail.smtputf8,
        )
        if isinstance(command, Reply):
            self._refuse(command, "recipient")
            return
        recipient = command.address
        if recipient.lower() in transaction.recipients:
            self._say(OK)
        elif len(transaction.recipients) >= self._limits.recipients:
            self._say(TOO_MANY_RECIPIENTS)
        elif refusal := self._service.admit(recipient, self._who):
            self._refuse(refusal, "recipient")
        else:
            transaction.recipients[recipient.lower()] = recipient
            if command.notify or command.orcpt:
                transaction.asked.append((recipient, command.notify, command.orcpt))
            self._commands -= 1  # their number has a limit of its own
            self._say(OK)

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802
        if arg:
            self._wrong(BAD_PARAMETER)
        elif self._transaction is None:
            self._wrong(BAD_SEQUENCE)
        elif not self._transaction.recipients:
            self._wrong(NO_RECIPIENTS)
        else:
            await self._take_message(self._transaction)

    async def smtp_STARTTLS(self, arg: str) -> None:  # noqa: N802
        certificate = self._service.certificate
        if arg:
            self._wrong(BAD_PARAMETER)
        elif certificate is None:
            self._wrong(NOT_IMPLEMENTED)
        elif self._who.tls:
            self._wrong(BAD_SEQUENCE)
        elif self._incoming.buffer:  # RFC 3207, 4.2: somebody in between may have put it there
            self._farewell(NOTHING_MAY_FOLLOW, "starttls")
        else:
            self._say(READY_FOR_TLS)
            self._flush()
            self._transaction = None
            await self._start_tls(certificate)

    async def smtp_RSET(self, arg: str) -> None:  # noqa: N802
        if arg:
            self._wrong(BAD_PARAMETER)
        else:
            self._transaction = None
            self._say(OK)

    async def smtp_NOOP(self, arg: str) -> None:  # noqa: N802
        self._say(OK)

    async def smtp_VRFY(self, arg: str) -> None:  # noqa: N802
        if arg:
            self._say(CANNOT_VERIFY)  # RFC 5321, 7.3: nobody learns who is here
        else:
            self._wrong(BAD_PARAMETER)

    async def smtp_HELP(self, arg: str) -> None:  # noqa: N802
        offered = self._service.certificate is not None and not self._who.tls
        self._say(HELP_WITH_TLS if offered else HELP)

    async def smtp_EXPN(self, arg: str) -> None:  # noqa: N802
        self._wrong(NOT_IMPLEMENTED)

    async def smtp_AUTH(self, arg: str) -> None:  # noqa: N802
        self._wrong(NOT_IMPLEMENTED)

    async def smtp_QUIT(self, arg: str) -> None:  # noqa: N802
        if arg:
            self._wrong(BAD_PARAMETER)
        else:
            self._say(BYE)
            self._close()


Dialogue._verbs = {
    name.removeprefix("smtp_").encode(): getattr(Dialogue, name)
    for name in dir(Dialogue)
    if name.startswith("smtp_")
}
