"""Whatever octets a client sends, it gets SMTP replies, and only whole messages come out."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.edge.budget import MemoryBudget
from gateway.edge.smtpd import Receiver
from gateway.journal import Journal
from gateway.message import Arrival
from gateway.reply import Reply
from gateway.settings import Limits, Listener

FRAGMENTS = [
    b"EHLO a.example\r\n",
    b"HELO a.example\r\n",
    b"MAIL FROM:<>\r\n",
    b"MAIL FROM:<ann@client.example> SIZE=5\r\n",
    b"RCPT TO:<support@shop.example>\r\n",
    b"RCPT TO:<nobody@shop.example>\r\n",
    b"DATA\r\n",
    b"RSET\r\n",
    b"NOOP\r\n",
    b"VRFY x\r\n",
    b"STARTTLS\r\n",
    b"QUIT\r\n",
    b".\r\n",
    b"..\r\n",
    b"\r\n",
    b"\n",
    b"\r",
    b".",
    b"\0",
    b"Subject: x\r\n",
    b"\xff\xfe",
    b" ",
    b"<",
    b">",
    b"x" * 3000,
]
START = b"EHLO a.example\r\nMAIL FROM:<>\r\nRCPT TO:<support@shop.example>\r\nDATA\r\n"
STREAMS = st.lists(st.one_of(st.sampled_from(FRAGMENTS), st.binary(max_size=12)), max_size=25)
REPLY_LINE = re.compile(rb"[2-5]\d\d[ -](?:[245]\.\d\.\d{1,2} )?[ -~]*\r\n")


class Background:
    """A receiver on a loop of its own, for tests that must be synchronous."""

    def __init__(self, spool) -> None:
        self.arrivals: list[Arrival] = []
        self.troubles: list[object] = []
        self.loop = asyncio.new_event_loop()
        self.budget = MemoryBudget(1 << 24)
        self.receiver = Receiver(
            listener=Listener(address="127.0.0.1:0"),
            hostname="mx.gateway.example",
            limits=Limits(errors=10_000, message_size=20_000),
            accept=self.accept,
            admit=lambda recipient, _: (
                Reply(550, "5.1.1", "Nobody") if recipient.startswith("nobody") else None
            ),
            budget=self.budget,
            journal=Journal((self.tell,)),
            smtputf8=lambda: False,
            spool=spool,
            clock=lambda: datetime.now(UTC),
        )
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()
        bound = self.run(self.receiver.start())
        self.address = (bound.rpartition(":")[0], int(bound.rpartition(":")[2]))

    async def accept(self, arrival: Arrival) -> Reply:
        self.arrivals.append(arrival)
        return Reply.accepted(arrival.queue_id)

    def tell(self, event, facts) -> None:
        if event == "trouble":
            self.troubles.append(facts)

    def run(self, work):
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(10)

    def stop(self) -> None:
        self.run(self.receiver.drain(5))
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()


@pytest.fixture(scope="module")
def background(tmp_path_factory) -> Iterator[Background]:
    running = Background(tmp_path_factory.mktemp("spool"))
    yield running
    running.stop()


def converse(address: tuple[str, int], pieces: list[bytes]) -> bytes:
    """Send all, finish speaking, and give all that was answered."""
    with socket.create_connection(address, timeout=10) as sock:
        answer = sock.recv(1000)
        for piece in pieces:
            sock.sendall(piece)
        sock.shutdown(socket.SHUT_WR)
        while octets := sock.recv(65536):
            answer += octets
    return answer


def check(background: Background, stream: list[bytes]) -> None:
    background.arrivals.clear()
    answer = converse(background.address, stream)
    lines = answer.splitlines(keepends=True)
    assert lines[0].startswith(b"220 ")
    for line in lines:
        assert REPLY_LINE.fullmatch(line), line
    assert b"".join(lines) == answer
    assert background.troubles == []
    assert background.budget.used == 0
    assert answer.count(b" queued as ") == len(background.arrivals)
    for arrival in background.arrivals:
        content = bytes(arrival.content)
        rest = content.replace(b"\r\n", b"")
        assert b"\r" not in rest
        assert b"\n" not in rest
        assert content == b"" or content.endswith(b"\r\n")


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(STREAMS)
def test_any_stream_of_octets(background, stream):
    check(background, [b"".join(stream)])


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(STREAMS, st.integers(1, 50))
def test_any_octets_as_content(background, stream, step):
    """What comes out is what a reading of RFC 5321, 4.5.2 in three lines says."""
    # A client that sends on after QUIT may lose replies to a reset, by its own doing.
    sent = b"".join(fragment for fragment in stream if fragment != b"QUIT\r\n")
    octets = START + sent + b"\r\n.\r\n"
    check(background, [octets[at : at + step] for at in range(0, len(octets), step)])
    first = (b"\r\n" + sent + b"\r\n.\r\n").partition(b"\r\n.\r\n")[0] + b"\r\n"
    content = first.replace(b"\r\n.", b"\r\n")[2:]
    bare = first.replace(b"\r\n", b"")
    expected = None if b"\r" in bare or b"\n" in bare else content
    if expected is None or len(expected) > 20_000:
        assert expected not in [bytes(arrival.content) for arrival in background.arrivals]
    else:
        assert bytes(background.arrivals[0].content) == expected
