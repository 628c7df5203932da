"""Mail servers that send to the gateway as real ones do: what got no 250 is sent again, unchanged.

Each letter has an id of its own in its header. A lost connection and 4yz mean: again, later.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

TIMEOUT = 20.0
"""Seconds for a step of the dialogue, as long as the gateway lives."""


class Refused(Exception):  # noqa: N818
    """A reply that ends this attempt."""


@dataclass(eq=False)
class Letter:
    """One letter and what its sender knows of it."""

    id: str
    author: str
    recipients: tuple[str, ...]
    content: bytes
    queue_id: str = ""
    """What 250 named; empty as long as nobody said 250."""
    dots: int = 0
    """Attempts that got as far as the final dot and have no reply: each may have been kept."""
    attempts: int = 0
    refused: str = ""
    """A 5yz, which nobody of ours should ever say here."""
    asked: bool = False
    """One of its recipients sends acknowledgements."""


@dataclass
class Senders:
    """`make` writes the next letter; letters wait here until they are answered."""

    make: Callable[[], Letter]
    chance: random.Random
    addresses: Sequence[tuple[str, int]] = ()
    """Any of them will do."""
    waiting: deque[Letter] = field(default_factory=deque)
    in_flight: set[Letter] = field(default_factory=set)
    """The final dot was said, or may have been, and no reply has come."""
    doubtful: set[Letter] = field(default_factory=set)
    """PostgreSQL ended between their final dot and its reply: put off, they may still be kept."""
    making: bool = False
    """New letters are written; otherwise only what waits is sent."""
    put_off: Counter[str] = field(default_factory=Counter)
    """How often each reply that is not what was hoped for came."""
    lost_connections: int = 0
    unanswered: int = 0
    """Final dots that got no reply, the connection being lost, or a doubtful one."""

    _busy: int = 0
    doubting: bool = False
    _stopped: bool = False

    def doubt(self) -> None:
        """PostgreSQL is about to end. Until `trust` no 4yz says for certain: not kept."""
        self.doubting = True
        self.doubtful |= self.in_flight

    def trust(self) -> None:
        """It has ended: nothing that begins now can be kept before it is back."""
        self.doubting = False

    def start(self, count: int) -> None:
        self._tasks = [asyncio.create_task(self._send_on()) for _ in range(count)]

    async def stop(self) -> None:
        self._stopped = True  # `wait_for` may swallow that a task is cancelled
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def all_answered(self) -> None:
        """Once no new letters are written: wait until each of the old has its 250."""
        while self.waiting or self._busy:  # noqa: ASYNC110 - looked at seldom, set often
            await asyncio.sleep(0.005)

    async def _send_on(self) -> None:
        while not self._stopped:
            if not self.making and not self.waiting:
                await asyncio.sleep(0.005)
                continue
            try:
                await self._session()
            except (OSError, EOFError, TimeoutError, Refused):
                self.lost_connections += 1
                await asyncio.sleep(self.chance.uniform(0.01, 0.05))

    async def _session(self) -> None:
        address = self.chance.choice(self.addresses)
        reader, writer = await asyncio.wait_for(asyncio.open_connection(*address), TIMEOUT)
        try:
            await _reply(reader, 220)
            writer.write(b"EHLO mail.author.example\r\n")
            await _reply(reader, 250)
            for _ in range(self.chance.randrange(1, 12)):
                letter = self._next()
                if letter is None:
                    break
                await self._send(reader, writer, letter)
                if self.making:
                    await asyncio.sleep(self.chance.expovariate(1 / PAUSE))
            writer.write(b"QUIT\r\n")
        finally:
            writer.close()

    def _next(self) -> Letter | None:
        if self.waiting:
            return self.waiting.popleft()
        return self.make() if self.making else None

    async def _send(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, letter: Letter
    ) -> None:
        letter.attempts += 1
        self._busy += 1
        try:
            paths = "".join(f"RCPT TO:<{to}>\r\n" for to in letter.recipients)
            writer.write(f"MAIL FROM:<{letter.author}>\r\n{paths}DATA\r\n".encode())
            for code in (*(250 for _ in letter.recipients), 250, 354):
                await _reply(reader, code)
            letter.dots += 1
            self.in_flight.add(letter)
            if self.doubting:
                self.doubtful.add(letter)
            writer.write(letter.content.replace(b"\r\n.", b"\r\n..") + b".\r\n")
            answer = await _reply(reader, 250)
            letter.dots -= 1
            letter.queue_id = answer.rpartition(" ")[2]
        except Refused as refusal:
            if letter in self.doubtful:
                self.unanswered += 1
            else:
                letter.dots -= letter in self.in_flight
            if str(refusal).startswith("5"):
                letter.refused = str(refusal)
            self.put_off[str(refusal)] += 1
            raise
        except BaseException:
            self.unanswered += letter in self.in_flight
            raise
        finally:
            self._busy -= 1
            self.in_flight.discard(letter)
            self.doubtful.discard(letter)
            if not letter.queue_id and not letter.refused:
                self.waiting.append(letter)


PAUSE = 0.02
"""Seconds between two letters of one connection, on average."""


async def _reply(reader: asyncio.StreamReader, wanted: int) -> str:
    """One whole reply; its last line. Raises EOFError, Refused."""
    while True:
        line = (await asyncio.wait_for(reader.readline(), TIMEOUT)).decode()
        if not line.endswith("\n"):
            raise EOFError
        if line[3:4] != "-":
            break
    if not line.startswith(str(wanted)):
        raise Refused(line.strip())
    return line.strip()
