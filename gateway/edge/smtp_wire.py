"""The wire of an SMTP client: commands out, replies in order in, nothing else.

Replies are parsed as they come, so that a pipelined group costs one wait; every wait has a limit.
What the other side says is data: bounded, and stripped of control characters before it is shown.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from typing import NamedTuple, cast

from gateway.reply import Reply

MAX_LINE = 4096
"""Octets of a reply line; RFC 5321, 4.5.3.1.5 allows 512, real servers say more."""
MAX_LINES = 200
MAX_TEXT = 400
"""Characters of a reply's text that are kept."""
MAX_UNREAD = 2000
"""Replies nobody asked for yet: more than any pipelined group of ours has."""
MAX_UNREAD_OCTETS = 1 << 20
"""All of them together: nobody fills our memory by talking on."""

TIMED_OUT = Reply(451, "4.4.2", "The next hop did not answer in time")
CLOSED = Reply(451, "4.4.2", "The next hop closed the connection")
UNINTELLIGIBLE = Reply(451, "4.5.0", "The next hop's answer was not SMTP")

_CODE = re.compile(rb"[2-5]\d\d")
_AFTER_CODE = (b" ", b"-", b"")
_ENHANCED = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?:\s+|$)")


class Trouble(Exception):  # noqa: N818 - it is no error of ours
    """The connection cannot go on. `reply` says so in words for the queue."""

    def __init__(self, reply: Reply, *, hop_failed: bool = False, lost: bool = False) -> None:
        super().__init__(str(reply))
        self.reply = reply
        self.hop_failed = hop_failed
        """The next hop is out of order, which says nothing about the letter."""
        self.lost = lost
        """The connection ended or is about to (421): on a kept one, a fresh one may do."""


class Answer(NamedTuple):
    """One reply of the next hop: code, and its lines without code and line end."""

    code: int
    lines: tuple[bytes, ...]

    @property
    def reply(self) -> Reply:
        """The answer as a value to keep and show."""
        lines = [_printable(line.decode("utf-8", "replace")) for line in self.lines]
        match = _ENHANCED.match(lines[0])
        wanted = str(self.code)[0]
        if match is None or match[1][0] != wanted:
            return Reply(self.code, f"{wanted}.0.0", " ".join(lines)[:MAX_TEXT])
        code = match[1]
        texts = (line.removeprefix(code).strip() for line in lines)
        return Reply(self.code, code, " ".join(texts)[:MAX_TEXT])


def _printable(text: str) -> str:
    """Control, bidirectional and other invisible characters become spaces."""
    if not text.isprintable():
        text = "".join(char if char.isprintable() else " " for char in text)
    return text.strip()


class Wire(asyncio.Protocol):
    """One connection. Only one coroutine at a time may wait on it."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._lines: list[bytes] = []
        self._answers: deque[Answer] = deque()
        self._unread = 0
        """Octets of the answers, and of the lines of one that is not whole yet."""
        self._waiter: asyncio.Future[None] | None = None
        self._trouble: Trouble | None = None
        self._paused = False
        self.gone = self._loop.create_future()
        """Done when the connection has ended."""

    # --- what asyncio calls ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self._buffer:
            data = self._buffer + data
        start = 0
        while (end := data.find(b"\n", start)) >= 0:
            self._take_line(data[start:end].rstrip(b"\r"))
            start = end + 1
        self._buffer = data[start:]
        much = len(self._answers) > MAX_UNREAD or self._unread > MAX_UNREAD_OCTETS
        if much or len(self._buffer) > MAX_LINE:
            self._fail(Trouble(UNINTELLIGIBLE))
        elif self._answers:
            self._wake()

    def eof_received(self) -> None:
        return None  # which closes the transport

    def connection_lost(self, _exception: Exception | None) -> None:
        if self._trouble is None:
            self._trouble = Trouble(CLOSED, lost=True)
        self._paused = False
        self._wake()
        if not self.gone.done():
            self.gone.set_result(None)

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._wake()

    # --- what the session calls ---

    @property
    def usable(self) -> bool:
        """Open, and silent as it should be between two transactions."""
        return self._trouble is None and not self._answers and not self._buffer

    @property
    def answered(self) -> bool:
        """A reply lies here that was not read yet."""
        return bool(self._answers)

    @property
    def transport(self) -> asyncio.Transport:
        return cast("asyncio.Transport", self._transport)

    def write(self, octets: bytes) -> None:
        """Raises Trouble when the connection has ended already."""
        if self._trouble is not None:
            raise self._trouble
        self.transport.write(octets)

    async def answer(self, limit: float) -> Answer:
        """The next reply in order. Raises Trouble when none comes in `limit` seconds."""
        while not self._answers:
            await self._wait(limit)
        answer = self._answers.popleft()
        self._unread -= sum(map(len, answer.lines))
        return answer

    async def drained(self, limit: float) -> None:
        """Wait until what was written has mostly gone out, or a reply comes first."""
        while self._paused and not self._answers:
            await self._wait(limit)

    def secured(self, transport: asyncio.Transport) -> None:
        """From here on the connection speaks through `transport`, with TLS."""
        self._transport = transport

    def abort(self) -> None:
        if self._trouble is None:
            self._trouble = Trouble(CLOSED, lost=True)
        if self._transport is not None:
            self._transport.abort()

    # --- inside ---

    def _take_line(self, line: bytes) -> None:
        code = line[:3]
        if len(line) > MAX_LINE or not _CODE.fullmatch(code) or line[3:4] not in _AFTER_CODE:
            self._fail(Trouble(UNINTELLIGIBLE))
            return
        self._unread += len(line) - len(line[:4])
        if line[3:4] == b"-":
            self._lines.append(line[4:])
            if len(self._lines) > MAX_LINES:
                self._fail(Trouble(UNINTELLIGIBLE))
        elif self._lines:
            self._answers.append(Answer(int(code), (*self._lines, line[4:])))
            self._lines.clear()
        else:
            self._answers.append(Answer(int(code), (line[4:],)))

    def _fail(self, trouble: Trouble) -> None:
        if self._trouble is None:
            self._trouble = trouble
        self._buffer = b""
        self._lines.clear()
        if self._transport is not None:
            self._transport.abort()
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _expire(self) -> None:
        self._fail(Trouble(TIMED_OUT, hop_failed=True))

    async def _wait(self, limit: float) -> None:
        """Until something happens; raises the connection's Trouble unless a reply came first."""
        if self._trouble is None:
            self._waiter = self._loop.create_future()
            timer = self._loop.call_later(limit, self._expire)
            try:
                await self._waiter
            finally:
                timer.cancel()
                self._waiter = None
        if self._trouble is not None and not self._answers:
            raise self._trouble
