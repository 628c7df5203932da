"""One SMTP or LMTP session that carries letters one after the other.

RFC 5321 (SMTP), 2033 (LMTP), 2920 (PIPELINING), 6152 (8BITMIME), 6531 (SMTPUTF8), 1870 (SIZE),
3461 (DSN).
"""

from __future__ import annotations

import asyncio
import re

from gateway.domains import canonical_domain
from gateway.edge import content
from gateway.edge.smtp_dialogue import Dialogue, delayed
from gateway.edge.smtp_opening import Extensions
from gateway.edge.smtp_wire import UNINTELLIGIBLE, Answer, Trouble
from gateway.edge.transport import Progress, Result, Sent
from gateway.reply import Reply
from gateway.store import Job, Outcome
from gateway.wishes import mail_words, rcpt_words

SMALL = 256 * 1024
"""Octets up to which a letter is made and written in one piece."""
QUIT_LIMIT = 2.0
"""Seconds that a good-bye may take before the connection is cut."""

NO_UTF8 = Reply(553, "5.6.7", "The next hop takes no internationalised addresses")
BAD_ADDRESS = Reply(553, "5.1.3", "Not an address that SMTP can carry")
LOST_AFTER_DOT = Reply(451, "4.4.2", "The connection ended before the next hop said what it did")

EIGHT_BIT = "8-bit content to a 7-bit next hop"
INTERNATIONAL = "an internationalised message to a next hop without SMTPUTF8"

_PATH = re.compile(
    r'(?:"(?:[^"\\\x00-\x1f\x7f]|\\[\x20-\x7e])*"|[^\x00-\x20\x7f<>"]+)(?:@[^\x00-\x20\x7f<>"]+)?'
)
_RESULTS: dict[int, Result] = {2: "relayed", 4: "delayed", 5: "failed"}


class Session:
    """One transaction at a time. After a Trouble it must be aborted."""

    def __init__(self, dialogue: Dialogue, extensions: Extensions, *, lmtp: bool) -> None:
        self._dialogue = dialogue
        self._wire = dialogue.wire
        self._extensions = extensions
        self._pipelining = "PIPELINING" in extensions
        self._lmtp = lmtp
        self._reset_first = False
        """A transaction was left half way: RSET before the next."""
        self.gone = self._wire.gone
        """Done when the connection has ended."""
        self.since = self.used = asyncio.get_running_loop().time()

    @property
    def usable(self) -> bool:
        return self._wire.usable

    def close(self) -> None:
        """Say QUIT without waiting; the connection is cut when no good-bye comes."""
        if self._wire.usable:
            self._wire.write(b"QUIT\r\n")
            asyncio.get_running_loop().call_later(QUIT_LIMIT, self._wire.abort)
        else:
            self._wire.abort()

    def abort(self) -> None:
        self._wire.abort()

    # --- one letter ---

    async def deliver(self, job: Job, progress: Progress) -> Sent:
        """Hand over one letter.

        Raises Trouble when the connection fails before the final dot: nothing was delivered then.
        After the final dot every recipient without a reply has the outcome `unknown`.
        """
        outcomes: dict[str, Outcome] = {}
        remarks: tuple[str, ...] = ()
        sender, asked = self._paths(job, outcomes)
        if asked:
            small = content.whole(job) if content.size(job) <= SMALL else None
            seven_bit = small is not None and small.isascii()
            mail = self._mail(job, sender, asked, seven_bit=seven_bit)
            accepted = await self._envelope(job, mail, asked, outcomes)
            if accepted:
                await self._hand_over(job, small, accepted, outcomes, progress)
                remarks = self._remarks(job, seven_bit=small is None or seven_bit)
        return Sent(
            tuple(outcomes[recipient] for recipient in job.recipients),
            remarks=remarks,
            tells=self._passes_on(job),
            final=self._lmtp,
        )

    def _remarks(self, job: Job, *, seven_bit: bool) -> tuple[str, ...]:
        """What went out as it is though the next hop did not say that it can take it."""
        if seven_bit:
            return ()
        if job.smtputf8 and "SMTPUTF8" not in self._extensions:
            return (INTERNATIONAL,)
        return () if "8BITMIME" in self._extensions else (EIGHT_BIT,)

    # --- the envelope ---

    def _paths(self, job: Job, outcomes: dict[str, Outcome]) -> tuple[str, dict[str, str]]:
        """The reverse-path and, by recipient, the paths to ask for.

        Addresses that cannot be put into a command get their outcome; all, if the sender's cannot.
        """
        utf8 = "SMTPUTF8" in self._extensions
        sender = _path(job.reverse_path, utf8=utf8) if job.reverse_path else ""
        asked: dict[str, str] = {}
        for recipient in job.recipients:
            path = sender if isinstance(sender, Reply) else _path(recipient, utf8=utf8)
            if isinstance(path, Reply):
                outcomes[recipient] = Outcome(recipient, "failed", path)
            else:
                asked[recipient] = path
        return "" if isinstance(sender, Reply) else sender, asked

    def _mail(self, job: Job, sender: str, asked: dict[str, str], *, seven_bit: bool) -> bytes:
        command = f"MAIL FROM:<{sender}>"
        extensions = self._extensions
        if "SIZE" in extensions:
            command += f" SIZE={content.size(job)}"
        if "8BITMIME" in extensions and not seven_bit:
            command += " BODY=8BITMIME"
        if "SMTPUTF8" in extensions and (
            job.smtputf8 or not all(path.isascii() for path in (sender, *asked.values()))
        ):
            command += " SMTPUTF8"
        if self._passes_on(job):
            command += mail_words(job)
        return f"{command}\r\n".encode()

    def _passes_on(self, job: Job) -> bool:
        """Whether the next hop takes over what the client asked to be told (RFC 3461, 5.2.2)."""
        return "DSN" in self._extensions and job.kind == "letter"

    def _recipient(self, job: Job, recipient: str, path: str) -> bytes:
        words = rcpt_words(job, recipient) if self._passes_on(job) else ""
        return f"RCPT TO:<{path}>{words}\r\n".encode()

    async def _envelope(
        self, job: Job, mail: bytes, asked: dict[str, str], outcomes: dict[str, Outcome]
    ) -> list[str]:
        """MAIL, RCPT and DATA. Gives the recipients that the content now goes to."""
        recipients = [self._recipient(job, *named) for named in asked.items()]
        if self._reset_first:
            await self._dialogue.say(b"RSET\r\n")
        self._reset_first = True
        if self._pipelining:
            # RFC 2920, 3.1: DATA ends a group; the content waits for its 354.
            self._wire.write(b"".join((mail, *recipients, b"DATA\r\n")))
        mail_answer = await self._reply_to(mail)
        if mail_answer.code == 530:
            # TLS or credentials are wanted (RFC 3207, 4954): that is no fault of this letter.
            raise Trouble(delayed(mail_answer.reply), hop_failed=True)
        accepted = []
        for recipient, command in zip(asked, recipients, strict=True):
            answer = mail_answer
            if self._pipelining or mail_answer.code < 300:
                own_answer = await self._reply_to(command)
                answer = own_answer if mail_answer.code < 300 else mail_answer
            if answer.code < 300:
                accepted.append(recipient)
            else:
                outcomes[recipient] = _outcome(recipient, answer)
        if self._pipelining or accepted:
            accepted = await self._data(accepted, outcomes)
        return accepted

    async def _reply_to(self, command: bytes) -> Answer:
        """The reply to a command, which in a pipelined group was sent already."""
        return await (self._dialogue.answer() if self._pipelining else self._dialogue.say(command))

    async def _data(self, accepted: list[str], outcomes: dict[str, Outcome]) -> list[str]:
        """DATA's reply; without an accepted recipient no content follows (RFC 2920, 3.1)."""
        answer = await self._reply_to(b"DATA\r\n")
        if answer.code == 354:
            if not accepted:
                self._wire.abort()  # an end-of-data now might be taken for an empty letter
            return accepted
        if answer.code < 400 and accepted:
            raise Trouble(UNINTELLIGIBLE)
        outcomes.update({recipient: _outcome(recipient, answer) for recipient in accepted})
        return []

    # --- the content ---

    async def _hand_over(
        self,
        job: Job,
        small: bytes | None,
        accepted: list[str],
        outcomes: dict[str, Outcome],
        progress: Progress,
    ) -> None:
        cut_short = await self._content(job, small, progress)
        if cut_short is not None:
            outcomes.update({recipient: _outcome(recipient, cut_short) for recipient in accepted})
            return
        await self._verdicts(accepted, outcomes, progress)

    async def _content(self, job: Job, small: bytes | None, progress: Progress) -> Answer | None:
        """All content with its final dot; gives the reply of a server that cut it short.

        Raises Trouble as long as the dot has not been said.
        """
        if small is not None:
            if self._wire.answered:
                return await self._cut_short()
            self._wire.write(content.dot_stuffed_whole(small))
            progress.said = True
            return None
        for piece in content.dot_stuffed(content.pieces(job)):
            await asyncio.sleep(0)  # a fast reader must not keep the loop from others
            await self._wire.drained(self._dialogue.limit)
            if self._wire.answered:
                return await self._cut_short()
            self._wire.write(piece)
        progress.said = True
        return None

    async def _cut_short(self) -> Answer:
        """A reply before the final dot: it may refuse the letter, but not have taken it."""
        answer = await self._dialogue.answer()
        self._wire.abort()
        if answer.code < 400:
            raise Trouble(UNINTELLIGIBLE)
        return answer

    async def _verdicts(
        self, accepted: list[str], outcomes: dict[str, Outcome], progress: Progress
    ) -> None:
        """The reply after the final dot; in LMTP one for each recipient (RFC 2033, 4.2)."""
        answer: Answer | None = None
        lost = False
        for recipient in accepted:
            if not lost and (answer is None or self._lmtp):
                # RFC 5321, 4.5.3.2.6: this one takes longest, and to give up here makes copies.
                answer = await self._answer_or_none(2 * self._dialogue.limit)
                lost = answer is None
            if answer is None or answer.code // 100 not in _RESULTS:
                outcomes[recipient] = Outcome(recipient, "unknown", LOST_AFTER_DOT)
                self._wire.abort()
            else:
                outcomes[recipient] = progress.told[recipient] = _outcome(recipient, answer)
        if answer is not None and answer.code == 421:
            self._wire.abort()
        self._reset_first = answer is None or answer.code >= 300

    async def _answer_or_none(self, limit: float) -> Answer | None:
        try:
            return await self._wire.answer(limit)
        except Trouble:
            return None


def _path(address: str, *, utf8: bool) -> str | Reply:
    """An address as it stands in a command, or why it cannot."""
    if not _PATH.fullmatch(address):
        return BAD_ADDRESS
    if utf8 or address.isascii():
        return address
    local, at, domain = address.rpartition("@")
    path = f"{local}{at}{canonical_domain(domain)}"  # RFC 5890: the domain has an ASCII form
    return path if path.isascii() else NO_UTF8


def _outcome(recipient: str, answer: Answer) -> Outcome:
    result = _RESULTS.get(answer.code // 100)
    if result is None:
        raise Trouble(UNINTELLIGIBLE)
    return Outcome(recipient, result, answer.reply)
