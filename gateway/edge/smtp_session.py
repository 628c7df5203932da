"""One SMTP or LMTP session with a next hop: greeting, EHLO, TLS, AUTH, then one letter at a time.

RFC 5321 (SMTP), 2033 (LMTP), 2920 (PIPELINING), 3207 (STARTTLS), 4954 (AUTH), 6152 (8BITMIME),
6531 (SMTPUTF8), 1870 (SIZE).
"""

from __future__ import annotations

import asyncio
import re
import ssl
from base64 import b64encode
from dataclasses import dataclass, field

from gateway.edge import content
from gateway.edge.smtp_wire import UNINTELLIGIBLE, Answer, Trouble, Wire
from gateway.edge.transport import Progress, Result, Sent, everyone
from gateway.reply import Reply
from gateway.store import Job, Outcome

SMALL = 256 * 1024
"""Octets up to which a letter is made and written in one piece."""
QUIT_LIMIT = 2.0
"""Seconds that a good-bye may take before the connection is cut."""

NO_TLS = Reply(451, "4.7.4", "The next hop does not offer TLS, which is required")
BAD_TLS = Reply(451, "4.7.5", "No secure connection to the next hop could be made")
NO_CREDENTIALS = Reply(451, "4.7.8", "The next hop did not take our credentials")
NO_SAFE_AUTH = Reply(451, "4.7.4", "The next hop wants credentials, which we give over TLS only")
NO_UTF8 = Reply(553, "5.6.7", "The next hop takes no internationalised addresses")
BAD_ADDRESS = Reply(553, "5.1.3", "Not an address that SMTP can carry")
LOST_AFTER_DOT = Reply(451, "4.4.2", "The connection ended before the next hop said what it did")

NUL = "\0"
EIGHT_BIT = "8-bit content to a 7-bit next hop"

_PATH = re.compile(
    r'(?:"(?:[^"\\\x00-\x1f\x7f]|\\[\x20-\x7e])*"|[^\x00-\x20\x7f<>"]+)(?:@[^\x00-\x20\x7f<>"]+)?'
)
_OUTCOMES: dict[int, Result] = {2: "relayed", 4: "delayed", 5: "failed"}


@dataclass(frozen=True, slots=True)
class Ways:
    """How sessions with one next hop are led."""

    hostname: str
    lmtp: bool = False
    starttls: ssl.SSLContext | None = None
    """Use STARTTLS when it is offered."""
    tls_required: bool = False
    server_name: str = ""
    user: str = ""
    password: str = field(default="", repr=False)
    timeout: float = 300.0
    """Seconds for each reply and each piece of content; twice that after the final dot."""


class Session:
    """A connection that has been greeted and may carry letters one after the other."""

    def __init__(self, wire: Wire, ways: Ways, *, secure: bool) -> None:
        self._wire = wire
        self._ways = ways
        self._extensions: dict[str, str] = {}
        self._secure = secure
        self._reset_first = False
        """A transaction was left half way: RSET before the next."""
        self.since = asyncio.get_running_loop().time()
        self.used = self.since

    @property
    def usable(self) -> bool:
        return self._wire.usable

    # --- opening ---

    async def greet(self) -> None:
        """From the greeting to the point where MAIL may be said. Raises Trouble."""
        try:
            await self._greet()
        except Trouble as trouble:
            trouble.hop_failed = True
            raise

    async def _greet(self) -> None:
        greeting = await self._answer()
        if greeting.code != 220:
            raise Trouble(_delayed(greeting.reply))
        await self._hello()
        context = self._ways.starttls
        if not self._secure and context is not None:
            if "STARTTLS" in self._extensions:
                await self._start_tls(context)
                await self._hello()
            elif self._ways.tls_required:
                raise Trouble(NO_TLS)
        if self._ways.user:
            await self._authenticate()

    async def _hello(self) -> None:
        verb = "LHLO" if self._ways.lmtp else "EHLO"
        answer = await self._command(f"{verb} {self._ways.hostname}")
        if answer.code == 250:
            words = [line.decode("latin-1").upper().partition(" ") for line in answer.lines[1:]]
            self._extensions = {name: parameters for name, _, parameters in words}
            return
        self._extensions = {}
        if answer.code < 500 or self._ways.lmtp:
            raise Trouble(_delayed(answer.reply))
        answer = await self._command(f"HELO {self._ways.hostname}")
        if answer.code != 250:
            raise Trouble(_delayed(answer.reply))

    async def _start_tls(self, context: ssl.SSLContext) -> None:
        answer = await self._command("STARTTLS")
        if answer.code != 220 or not self._wire.usable:
            # Octets behind the 220 came in clear and must not be read as if secured.
            raise Trouble(BAD_TLS)
        loop = asyncio.get_running_loop()
        try:
            transport = await loop.start_tls(
                self._wire.transport,
                self._wire,
                context,
                server_hostname=self._ways.server_name,
                ssl_handshake_timeout=min(self._ways.timeout, 60.0),
            )
        except (OSError, ssl.SSLError):
            raise Trouble(BAD_TLS) from None
        if transport is None:
            raise Trouble(BAD_TLS)
        self._wire.secured(transport)
        self._secure = True

    async def _authenticate(self) -> None:
        """RFC 4954. Refused credentials are a fault of the configuration, never of a letter."""
        if not self._secure:
            raise Trouble(NO_SAFE_AUTH)
        mechanisms = self._extensions.get("AUTH", "").split()
        user, password = self._ways.user, self._ways.password
        if "PLAIN" in mechanisms or "LOGIN" not in mechanisms:
            answer = await self._command(f"AUTH PLAIN {_base64(f'{NUL}{user}{NUL}{password}')}")
        else:
            answer = await self._command("AUTH LOGIN")
            for secret in (user, password):
                if answer.code == 334:
                    answer = await self._command(_base64(secret))
        if answer.code != 235:
            raise Trouble(NO_CREDENTIALS)

    # --- one letter ---

    async def deliver(self, job: Job, progress: Progress) -> Sent:
        """Hand over one letter.

        Raises Trouble when the connection fails before the final dot: nothing was delivered then.
        After the final dot every recipient without a reply has the outcome `unknown`.
        """
        refusal = self._unsendable(job)
        if refusal is not None:
            return Sent(everyone(job, "failed", refusal))
        small = content.whole(job) if content.size(job) <= SMALL else None
        seven_bit = small is not None and small.isascii()
        outcomes: list[Outcome | None] = [None] * len(job.recipients)
        accepted = await self._envelope(job, outcomes, seven_bit=seven_bit)
        if accepted:
            cut_short = await self._content(job, small)
            if cut_short is None:
                progress.said = True
                await self._verdicts(job, accepted, outcomes)
            else:
                for index in accepted:
                    outcomes[index] = _outcome(job.recipients[index], cut_short)
        warn = not seven_bit and small is not None and "8BITMIME" not in self._extensions
        done = tuple(outcome for outcome in outcomes if outcome is not None)
        return Sent(done, remarks=(EIGHT_BIT,) if warn and accepted else ())

    def _unsendable(self, job: Job) -> Reply | None:
        """Why this envelope cannot be put into commands at all, for no recipient of it."""
        paths = (job.reverse_path, *job.recipients) if job.reverse_path else job.recipients
        if not all(_PATH.fullmatch(path) for path in paths):
            return BAD_ADDRESS
        if "SMTPUTF8" not in self._extensions and not all(path.isascii() for path in paths):
            return NO_UTF8
        return None

    def _mail(self, job: Job, *, seven_bit: bool) -> bytes:
        command = f"MAIL FROM:<{job.reverse_path}>"
        extensions = self._extensions
        if "SIZE" in extensions:
            command += f" SIZE={content.size(job)}"
        if "8BITMIME" in extensions and not seven_bit:
            command += " BODY=8BITMIME"
        if "SMTPUTF8" in extensions and (job.smtputf8 or not _all_ascii(job)):
            command += " SMTPUTF8"
        return f"{command}\r\n".encode()

    async def _envelope(
        self, job: Job, outcomes: list[Outcome | None], *, seven_bit: bool
    ) -> list[int]:
        """MAIL, RCPT and DATA. Gives the indexes of the recipients the content now goes to."""
        commands = [self._mail(job, seven_bit=seven_bit)]
        commands += [f"RCPT TO:<{recipient}>\r\n".encode() for recipient in job.recipients]
        pipelining = "PIPELINING" in self._extensions
        if self._reset_first:
            await self._reset()
        if pipelining:
            # RFC 2920, 3.1: DATA ends a group; the content waits for its 354.
            self._wire.write(b"".join((*commands, b"DATA\r\n")))
        accepted: list[int] = []
        self._reset_first = True
        mail = await (self._answer() if pipelining else self._say(commands[0]))
        if mail.code == 530:
            # TLS or credentials are wanted (RFC 3207, 4954): that is no fault of this letter.
            raise Trouble(_delayed(mail.reply), hop_failed=True)
        for index, recipient in enumerate(job.recipients):
            refusal: Answer | None = mail if mail.code >= 300 else None
            if pipelining or refusal is None:
                answer = await (self._answer() if pipelining else self._say(commands[index + 1]))
                refusal = refusal or (answer if answer.code >= 300 else None)
            if refusal is None:
                accepted.append(index)
            else:
                outcomes[index] = _outcome(recipient, refusal)
        if pipelining or accepted:
            accepted = await self._data(job, accepted, outcomes, sent=pipelining)
        return accepted

    async def _data(
        self, job: Job, accepted: list[int], outcomes: list[Outcome | None], *, sent: bool
    ) -> list[int]:
        """DATA's reply; without an accepted recipient no content follows (RFC 2920, 3.1)."""
        answer = await (self._answer() if sent else self._say(b"DATA\r\n"))
        if answer.code == 354:
            if not accepted:
                self._wire.abort()  # an end-of-data now might be taken for an empty letter
            return accepted
        if answer.code < 400 and accepted:
            raise Trouble(UNINTELLIGIBLE)
        for index in accepted:
            outcomes[index] = _outcome(job.recipients[index], answer)
        return []

    async def _content(self, job: Job, small: bytes | None) -> Answer | None:
        """All content with its final dot; gives the reply of a server that cut it short.

        Raises Trouble as long as the dot has not been said.
        """
        if small is not None:
            self._wire.write(content.dot_stuffed_whole(small))
            return None
        for piece in content.dot_stuffed(content.pieces(job)):
            await self._wire.drained(self._ways.timeout)
            if self._wire.answered:
                answer = await self._answer()
                self._wire.abort()
                return answer
            self._wire.write(piece)
        return None

    async def _verdicts(
        self, job: Job, accepted: list[int], outcomes: list[Outcome | None]
    ) -> None:
        """The reply after the final dot; in LMTP one for each recipient (RFC 2033, 4.2)."""
        answer: Answer | None = None
        trouble: Trouble | None = None
        for index in accepted:
            if trouble is None and (answer is None or self._ways.lmtp):
                try:
                    answer = await self._wire.answer(2 * self._ways.timeout)
                except Trouble as end:
                    answer, trouble = None, end
            recipient = job.recipients[index]
            if answer is None or answer.code // 100 not in _OUTCOMES:
                outcomes[index] = Outcome(recipient, "unknown", LOST_AFTER_DOT)
                self._wire.abort()
            else:
                outcomes[index] = _outcome(recipient, answer)
        if answer is not None and answer.code == 421:
            self._wire.abort()
        self._reset_first = answer is None or answer.code >= 300

    async def _reset(self) -> None:
        await self._say(b"RSET\r\n")
        self._reset_first = False

    # --- closing ---

    def close(self) -> None:
        """Say QUIT without waiting; the connection is cut when no good-bye comes."""
        if self._wire.usable:
            self._wire.write(b"QUIT\r\n")
            asyncio.get_running_loop().call_later(QUIT_LIMIT, self._wire.abort)
        else:
            self._wire.abort()

    def abort(self) -> None:
        self._wire.abort()

    @property
    def gone(self) -> asyncio.Future[None]:
        return self._wire.gone

    # --- inside ---

    async def _answer(self) -> Answer:
        answer = await self._wire.answer(self._ways.timeout)
        if answer.code == 421:
            # RFC 5321, 3.8: the server closes, whatever the command was.
            self._wire.abort()
            raise Trouble(_delayed(answer.reply), hop_failed=True, lost=True)
        return answer

    async def _say(self, command: bytes) -> Answer:
        self._wire.write(command)
        return await self._answer()

    async def _command(self, line: str) -> Answer:
        return await self._say(f"{line}\r\n".encode())


def _base64(text: str) -> str:
    return b64encode(text.encode()).decode()


def _all_ascii(job: Job) -> bool:
    return job.reverse_path.isascii() and all(path.isascii() for path in job.recipients)


def _delayed(reply: Reply) -> Reply:
    """A refusal of the whole session, told as what it is for a letter: come again later."""
    if reply.temporary:
        return reply
    return Reply(451, "4" + reply.enhanced[1:], f"{reply.code} {reply.text}".strip())


def _outcome(recipient: str, answer: Answer) -> Outcome:
    result = _OUTCOMES.get(answer.code // 100)
    if result is None:
        raise Trouble(UNINTELLIGIBLE)
    return Outcome(recipient, result, answer.reply)
