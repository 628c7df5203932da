"""What a client has sent and we have not read yet, held back by flow control when it is much."""

from __future__ import annotations

import asyncio


class Disconnected(Exception):  # noqa: N818 (nobody's error)
    """The client went away in the middle of something."""


class Incoming:
    """One connection's unread octets. One reader only; `buffer` is read and cut by that reader."""

    def __init__(self, loop: asyncio.AbstractEventLoop, limit: int) -> None:
        """`limit`: with more octets than these unread, the client is made to wait."""
        self.buffer = bytearray()
        self.ended = False
        self.limit = limit
        self._loop = loop
        self._transport: asyncio.ReadTransport | None = None
        self._paused = False
        self._waiter: asyncio.Future[None] | None = None

    def attach(self, transport: asyncio.ReadTransport) -> None:
        """Control this transport from now on: the first one, or the one of TLS."""
        self._transport = transport
        self._paused = False

    def feed(self, octets: bytes) -> None:
        self.buffer += octets
        if len(self.buffer) > self.limit and not self._paused and self._transport:
            self._transport.pause_reading()
            self._paused = True
        self._wake()

    def end(self) -> None:
        """Nothing more will come: the client has closed its side, or the connection is lost."""
        self.ended = True
        self._wake()

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None:
            self._waiter = None
            if not waiter.done():
                waiter.set_result(None)

    async def more(self) -> bool:
        """Wait for further octets; False if there will be none."""
        if self.ended:
            return False
        if self._paused and self._transport:
            self._paused = False
            if not self._transport.is_closing():
                self._transport.resume_reading()
        before = len(self.buffer)
        self._waiter = self._loop.create_future()
        await self._waiter
        return len(self.buffer) > before

    def line(self) -> bytes | None:
        """The next line with its LF, None if it is not wholly here."""
        end = self.buffer.find(b"\n") + 1
        if not end:
            return None
        line = bytes(self.buffer[:end])
        del self.buffer[:end]
        return line
