"""One mail transaction (RFC 5321, 3.3): from DATA to the reply, which `accept` alone gives."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace

from gateway.edge.connection import MAX_UNREAD, Connection, Phase
from gateway.edge.data import IN_MEMORY, PIECE, SHARE, Content, Swamped, receive
from gateway.edge.paths import MailCommand
from gateway.edge.service import Service
from gateway.message import NO_WISHES, Arrival, Envelope, Octets, Wishes
from gateway.reply import (
    NO_SPACE,
    OUR_TROUBLE,
    OVERLOADED,
    TOO_LARGE,
    TOO_MANY_ERRORS,
    Reply,
)


@dataclass(slots=True)
class Transaction:
    """What MAIL and RCPT said."""

    mail: MailCommand
    recipients: dict[str, str] = field(default_factory=dict)
    """As the client named them, by their lower-cased form: nobody gets a message twice."""
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    """Recipient, NOTIFY and ORCPT of those that came with either."""

    @property
    def wishes(self) -> Wishes:
        mail = self.mail
        if not (self.asked or mail.ret or mail.envid):
            return NO_WISHES
        return Wishes(mail.ret, mail.envid, tuple(self.asked))


class Taker(Connection):
    """A connection that can take messages, and that loses patience."""

    def __init__(
        self, service: Service, loop: asyncio.AbstractEventLoop, client_ip: str = ""
    ) -> None:
        super().__init__(service, loop, client_ip)
        self._errors = self._commands = self._messages = 0
        self._transaction: Transaction | None = None

    def _wrong(self, reply: Reply) -> None:
        """Answer a mistake; too many end the session."""
        self._say(reply)
        self._errors += 1
        if self._errors >= self._limits.errors:
            self._farewell(TOO_MANY_ERRORS, "errors")

    def _refuse(self, reply: Reply, why: str) -> None:
        """Answer a mistake that the administrator may want to know of."""
        self._service.journal.turned_away(self._who, reply, why)
        self._wrong(reply)

    def _farewell(self, reply: Reply, why: str) -> None:
        """End the session from within a command."""
        self._service.journal.turned_away(self._who, reply, why)
        self._say(reply)
        self._phase = Phase.CLOSING

    async def handle_exception(self, error: Exception) -> str:
        """What aiosmtpd asks for when something of ours broke: never a word about what."""
        self._service.journal.trouble("smtp", error)
        return str(OUR_TROUBLE)

    async def _take_message(self, transaction: Transaction) -> None:
        service = self._service
        with service.budget.lease() as lease:
            if not lease.hold(min(max(transaction.mail.size, SHARE), IN_MEMORY)):
                service.journal.turned_away(self._who, NO_SPACE, "memory")
                self._say(NO_SPACE)
                return
            content = Content(self._limits.message_size, lease, service.spool)
            try:
                await self._read(content)
                if content.refusal:
                    self._refuse(content.refusal, "content")
                else:
                    self._say(await self._hand_over(transaction, content.release()))
            except Swamped:
                self._farewell(TOO_LARGE, "size")
            finally:
                content.close()
        self._transaction = None
        if service.draining and self._phase is Phase.COMMANDS:
            self._farewell(OVERLOADED, "draining")

    async def _read(self, content: Content) -> None:
        self._out.append(b"354 End data with <CR><LF>.<CR><LF>\r\n")
        self._flush()
        self._phase = Phase.DATA
        self._hear()
        self._data_since = self._heard
        self._mind_time()
        self._incoming.limit = 2 * PIECE
        try:
            await receive(self._incoming, content, self._hear)
        finally:
            self._incoming.limit = MAX_UNREAD
            if self._phase is Phase.DATA:
                self._phase = Phase.COMMANDS

    async def _hand_over(self, transaction: Transaction, octets: Octets) -> Reply:
        """The message is whole: only what `accept` says answers it, and nothing cancels that."""
        service, mail, who = self._service, transaction.mail, self._who
        if mail.smtputf8:  # RFC 6531, 4.3
            who = replace(who, protocol="UTF8SMTPS" if who.tls else "UTF8SMTP")
        now = service.clock()
        arrival = Arrival(
            service.ids.next(now),
            now,
            who,
            Envelope(
                mail.reverse_path,
                tuple(transaction.recipients.values()),
                mail.smtputf8,
                mail.body,
                transaction.wishes,
            ),
            octets,
        )
        self._phase = Phase.ACCEPTING
        try:
            return await service.accept(arrival)
        except Exception as error:
            service.journal.trouble("accept", error, arrival.queue_id)
            return OUR_TROUBLE
        finally:
            self._phase = Phase.COMMANDS
            self._hear()
            self._messages += 1
            self._commands = 0
