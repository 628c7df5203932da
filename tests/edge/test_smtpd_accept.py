"""250 means that `accept` said so; nothing the client does, and nothing that breaks, undoes it."""

from __future__ import annotations

import asyncio
import socket
import struct

import pytest

from gateway.message import Arrival, Envelope, Session
from gateway.reply import Reply

BOTH_LOOPS = True

LETTER = b"Subject: hello\r\n\r\nhello\r\n"


class Gate:
    """An `accept` that tells when it has begun and ends when it is let."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.may_end = asyncio.Event()
        self.ended = asyncio.Event()

    async def __call__(self, arrival: Arrival) -> Reply:
        self.begun.set()
        await self.may_end.wait()
        self.ended.set()
        return Reply.accepted(arrival.queue_id)


async def within(event: asyncio.Event) -> None:
    await asyncio.wait_for(event.wait(), 10)


async def test_an_arrival_says_all_that_is_known(open_house):
    house = await open_house()
    client = await house.client("127.0.0.3")
    await client.hello()
    assert (
        await client.say(
            "MAIL FROM:<ann@client.example> SIZE=30 BODY=8BITMIME AUTH=<>",
            "RCPT TO:<Support@shop.example>",
            "RCPT TO:<support@SHOP.example>",
            "RCPT TO:<postMaster>",
            "DATA",
        )
    ).startswith("354 ")
    client.send(LETTER + b".\r\n")
    reply = await client.reply()
    arrival = house.arrivals[0]
    assert reply == f"250 2.0.0 Ok: queued as {arrival.queue_id}"
    assert arrival.time.isoformat() == "2026-11-24T09:30:00+00:00"
    assert arrival.session == Session("127.0.0.3", "client.example", protocol="ESMTP")
    assert arrival.envelope == Envelope(
        "ann@client.example", ("Support@shop.example", "postmaster"), body="8BITMIME"
    )


async def test_no_reply_before_accept_has_given_it(open_house):
    gate = Gate()
    house = await open_house(accept=gate)
    client = await house.client()
    await client.hello()
    await client.envelope()
    client.send(LETTER + b".\r\n")
    await within(gate.begun)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(client.reader.readline(), 0.05)
    gate.may_end.set()
    assert (await client.reply()).startswith("250 2.0.0 ")


@pytest.mark.parametrize("how", ["close", "reset", "half-close"])
async def test_hanging_up_after_the_final_dot_cancels_nothing(open_house, how):
    gate = Gate()
    house = await open_house(accept=gate)
    client = await house.client()
    await client.hello()
    await client.envelope()
    client.send(LETTER + b".\r\n")
    await within(gate.begun)
    if how == "half-close":
        client.writer.write_eof()
    else:
        if how == "reset":
            sock = client.writer.get_extra_info("socket")
            linger = struct.pack("ii", 1, 0)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        client.writer.transport.abort()
    other = await house.client()
    await other.hello()  # by now the hanging up has been seen
    await other.say("NOOP")
    gate.may_end.set()
    await within(gate.ended)
    if how == "half-close":
        assert (await client.reply()).startswith("250 "), "it may still listen"
        assert await client.ended()
    assert house.contents() == [LETTER]


async def test_hanging_up_before_the_final_dot_leaves_nothing(open_house):
    house = await open_house()
    for _ in range(2):
        client = await house.client()
        await client.hello()
        await client.envelope()
        client.send(LETTER * 100_000)
        await client.writer.drain()
        await client.close()
    await house.receiver.drain(5)
    assert house.arrivals == []
    assert house.budget.used == 0
    assert [event for event, _ in house.events if event == "trouble"] == []


async def test_what_breaks_is_451_without_a_word_about_it(open_house):
    calls = 0

    async def accept(arrival: Arrival) -> Reply:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise ConnectionRefusedError("/var/secret/path is on fire")
        return Reply.accepted(arrival.queue_id)

    house = await open_house(accept=accept)
    client = await house.client()
    await client.hello()
    assert await client.message(LETTER) == "451 4.3.0 Please try again later"
    assert ("trouble", "accept") in [(event, facts["where"]) for event, facts in house.events[1:2]]
    assert (await client.say("RCPT TO:<support@shop.example>")).startswith("503 5.5.1")
    assert (await client.message(LETTER)).startswith("250 ")


async def test_a_recipient_check_that_breaks_is_451_too(open_house):
    def admit(recipient: str, session: Session) -> Reply | None:
        if recipient.startswith("bad"):
            raise ConnectionResetError("database on db7.inside.example went away")
        return None

    house = await open_house(admit=admit)
    client = await house.client()
    await client.hello()
    reply = await client.say("MAIL FROM:<>", "RCPT TO:<bad@shop.example>")
    assert reply == "451 4.3.0 Please try again later"
    assert (await client.message(LETTER)).startswith("250 ")


@pytest.mark.parametrize(
    ("reply", "line"),
    [
        (Reply(550, "5.7.1", "Refused"), "550 5.7.1 Refused"),
        (Reply(451, "4.3.0", "No\r\n250 2.0.0 Ok"), "451 4.3.0 No  250 2.0.0 Ok"),
        (Reply(550, "5.7.1", "caf\xe9"), "550 5.7.1 caf?"),
    ],
)
async def test_the_reply_is_what_accept_gave_on_one_line(open_house, reply, line):
    async def accept(arrival: Arrival) -> Reply:
        return reply

    house = await open_house(accept=accept)
    client = await house.client()
    await client.hello()
    assert await client.message(LETTER) == line
    assert (await client.say("NOOP")).startswith("250 ")


async def test_a_421_of_accept_ends_the_session(open_house):
    async def accept(arrival: Arrival) -> Reply:
        return Reply(421, "4.3.2", "Later")

    house = await open_house(accept=accept)
    client = await house.client()
    await client.hello()
    assert await client.message(LETTER) == "421 4.3.2 Later"
    assert await client.ended()


async def test_drain_ends_the_idle_and_lets_the_busy_finish(open_house):
    gate = Gate()
    house = await open_house(accept=gate)
    idle, ready, writing, waiting = [await house.client() for _ in range(4)]
    assert (await idle.reply()).startswith("220 ")
    for client in (ready, writing, waiting):
        await client.hello()
    await ready.say("MAIL FROM:<>", "RCPT TO:<support@shop.example>")
    await writing.envelope()
    writing.send(LETTER)
    await waiting.envelope()
    waiting.send(LETTER + b".\r\n")
    await within(gate.begun)
    draining = asyncio.create_task(house.receiver.drain(10))
    for client in (idle, ready):
        assert (await client.reply()).startswith("421 4.3.2 ")
        assert await client.ended()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(*house.host_port)
    writing.send(b".\r\n")
    gate.may_end.set()
    for client in (writing, waiting):
        assert (await client.reply()).startswith("250 2.0.0 ")
        assert (await client.reply()).startswith("421 4.3.2 ")
        assert await client.ended()
    await asyncio.wait_for(draining, 10)
    assert house.contents() == [LETTER, LETTER]


async def test_drain_cuts_the_slow_when_its_time_is_over(open_house):
    house = await open_house()
    client = await house.client()
    await client.hello()
    await client.envelope()
    client.send(LETTER)
    await asyncio.wait_for(house.receiver.drain(0.05), 5)
    assert (await client.reply()).startswith("421 4.3.2 ")
    assert await client.ended()
    assert house.arrivals == []
