"""The next hop of the harness: takes letters, remembers each, and fails in every way it can.

Its faults are drawn by chance until it is healed; then hung connections are cut and all goes well.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

FAULTS = {
    "": 62,
    "slow": 10,
    "hang at MAIL": 2,
    "hang at DATA": 2,
    "hang at dot": 3,  # it was taken, but nobody will ever say so
    "drop at MAIL": 2,
    "drop in content": 4,
    "4yz at RCPT": 4,
    "4yz at dot": 4,
    "5yz at RCPT": 2,
    "5yz at dot": 2,
    "taken, then closed": 3,  # without a reply
}
"""How often each happens, in a hundred letters."""
UNSAID = ("hang at dot", "taken, then closed")


@dataclass(frozen=True, slots=True)
class Arrival:
    """One letter whose final dot was seen, and whether we said so."""

    reverse_path: str
    recipients: tuple[str, ...]
    content: bytes
    fault: str

    @property
    def taken(self) -> bool:
        return self.fault[:3] not in ("4yz", "5yz")

    @property
    def unsaid(self) -> bool:
        return self.fault in UNSAID


@dataclass
class Sink:
    """`took` hears of each arrival, at its final dot."""

    chance: random.Random
    took: Callable[[Arrival], None]
    faulty: bool = True
    port: int = 0
    faults: Counter[str] = field(default_factory=Counter)

    async def start(self) -> None:
        self._open: set[asyncio.StreamWriter] = set()
        self._hung: set[asyncio.StreamWriter] = set()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=1 << 21)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        self._server.close()
        for writer in tuple(self._open):
            writer.transport.abort()

    def heal(self) -> None:
        """From now on all goes well; what hangs is cut off."""
        self.faulty = False
        for writer in self._hung:
            writer.transport.abort()
        self._hung.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            await self._converse(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            self._open.discard(writer)
            self._hung.discard(writer)
            writer.close()

    def _draw(self) -> str:
        if not self.faulty:
            return ""
        (fault,) = self.chance.choices(tuple(FAULTS), tuple(FAULTS.values()))
        return fault

    async def _hang(self, writer: asyncio.StreamWriter, reader: asyncio.StreamReader) -> None:
        """Say nothing until the other side, or `heal`, ends it."""
        self._hung.add(writer)
        if not self.faulty:
            writer.transport.abort()
        while await reader.read(1 << 16):
            pass
        raise ConnectionAbortedError

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 sink.example ESMTP\r\n")
        letter = _Asked()
        while line := await reader.readline():
            verb = line[:4].upper()
            if verb == b"MAIL":
                letter = _Asked(_path(line), [], self._draw())
            elif verb == b"RCPT" and not letter.fault.endswith("RCPT"):
                letter.recipients.append(_path(line))
            if letter.fault.endswith(verb.decode("latin-1").strip()):
                self.faults[letter.fault] += 1
                if letter.fault.startswith("drop"):
                    writer.transport.abort()
                    return
                if letter.fault.startswith("hang"):
                    await self._hang(writer, reader)
                writer.write(f"{letter.fault[0]}50 {letter.fault[0]}.2.0 Not now\r\n".encode())
            elif verb == b"DATA" and letter.recipients:
                writer.write(b"354 Go on\r\n")
                if not await self._take(reader, writer, letter):
                    return
            else:
                writer.write(_ANSWERS.get(verb, b"250 2.0.0 Ok\r\n"))
                if verb == b"QUIT":
                    return

    async def _take(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        letter: _Asked,
    ) -> bool:
        """One content and its reply; whether the connection goes on."""
        fault = letter.fault
        if fault == "drop in content":
            self.faults[fault] += 1
            with contextlib.suppress(asyncio.IncompleteReadError):
                await reader.readexactly(self.chance.randrange(1, 900))
            writer.transport.abort()
            return False
        octets = await reader.readuntil(b"\r\n.\r\n")
        content = octets[:-3].replace(b"\r\n..", b"\r\n.")
        self.took(Arrival(letter.reverse_path, tuple(letter.recipients), content, fault))
        if fault:
            self.faults[fault] += 1
        if fault == "slow":
            await asyncio.sleep(self.chance.uniform(0.01, 0.08))
        elif fault == "hang at dot":
            await self._hang(writer, reader)
        elif fault == "taken, then closed":
            writer.transport.abort()
            return False
        code = fault[0] + "51" if fault in ("4yz at dot", "5yz at dot") else "250"
        writer.write(f"{code} {code[0]}.0.0 That was it\r\n".encode())
        return True


@dataclass
class _Asked:
    """A transaction: what was said of a letter, and what will go wrong with it."""

    reverse_path: str = ""
    recipients: list[str] = field(default_factory=list)
    fault: str = ""


_ANSWERS = {
    b"EHLO": b"250-sink.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE 100000000\r\n",
    b"DATA": b"503 5.5.1 No recipient\r\n",
    b"QUIT": b"221 2.0.0 Bye\r\n",
}


def _path(line: bytes) -> str:
    return line.partition(b"<")[2].partition(b">")[0].decode()
