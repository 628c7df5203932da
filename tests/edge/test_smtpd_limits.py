"""Every limit has its polite answer, and none of them lets one client hurt another."""

from __future__ import annotations

import asyncio
import socket
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.message import Arrival
from gateway.reply import Reply

BOTH_LOOPS = True

LETTER = b"Subject: hello\r\n\r\nhello\r\n"
SOON = timedelta(milliseconds=80)


async def test_more_connections_than_allowed_are_told_so_at_once(open_house):
    house = await open_house(limits={"connections": 3})
    clients = [await house.client() for _ in range(3)]
    for client in clients:
        assert (await client.reply()).startswith("220 ")
    late = await house.client()
    assert (await late.reply()).startswith("421 4.3.2 ")
    assert await late.ended()
    assert await clients[0].say("QUIT") == "221 2.0.0 Bye"
    assert await clients[0].ended()
    again = await house.client()
    assert (await again.reply()).startswith("220 ")
    assert (await clients[1].say("NOOP")).startswith("250 ")


@pytest.mark.parametrize("loopback", [True, False])
async def test_each_client_has_its_share_and_loopback_only_if_asked(open_house, loopback):
    house = await open_house(limits={"connections_per_client": 2, "loopback": loopback})
    first = [await house.client("127.0.0.2") for _ in range(3)]
    replies = [await client.reply() for client in first]
    assert [reply[:3] for reply in replies] == ["220", "220", "421" if loopback else "220"]
    if loopback:
        assert replies[2].startswith("421 4.7.0 ")
    other = await house.client("127.0.0.3")
    assert (await other.reply()).startswith("220 ")


async def test_a_client_that_hangs_up_anyhow_gives_its_place_back(open_house):
    house = await open_house(limits={"connections": 1})
    for _ in range(20):
        client = await house.client()
        await client.hello()
        client.writer.transport.abort()
        service = house.receiver._service
        if service.open:  # until the server has noticed
            service.all_over.clear()
            await asyncio.wait_for(service.all_over.wait(), 5)
    last = await house.client()
    assert (await last.reply()).startswith("220 ")


async def test_who_speaks_before_the_greeting_is_sent_away(open_house):
    house = await open_house()
    sock = socket.create_connection(house.host_port)  # blocking: the loop has not run meanwhile
    sock.sendall(b"EHLO bot.example\r\nMAIL FROM:<bot@bot.example>\r\n")
    reader, writer = await asyncio.open_connection(sock=sock)
    assert (await reader.readline()).startswith(b"554 5.5.1 ")
    assert await reader.read() == b""
    writer.close()
    assert house.refusals() == ["early"]


async def test_connecting_and_hanging_up_at_once_is_no_offence(open_house):
    house = await open_house()
    sock = socket.create_connection(house.host_port)
    sock.close()
    client = await house.client()
    await client.hello()
    assert house.refusals() == []


async def test_too_many_errors_end_the_session(open_house):
    house = await open_house(limits={"errors": 3})
    client = await house.client()
    await client.hello()
    assert await client.say("MAIL FROM:<>", "RCPT TO:<nobody@shop.example>") == (
        "550 5.1.1 No such mailbox here"
    )
    assert (await client.say("XYZZY")).startswith("500 5.5.2 ")
    assert (await client.say("RCPT TO:<nobody@elsewhere.example>")).startswith("550 ")
    assert (await client.reply()).startswith("421 4.7.0 ")
    assert await client.ended()


async def test_commands_without_mail_end_but_not_those_with(open_house):
    house = await open_house(limits={"commands": 20})
    client = await house.client()
    await client.hello()
    for _ in range(20):  # 4 commands each
        assert (await client.message(LETTER)).startswith("250 ")
    for _ in range(20):
        assert (await client.say("NOOP")).startswith("250 ")
    assert (await client.say("NOOP")).startswith("421 4.7.0 ")
    assert await client.ended()


async def test_many_recipients_are_no_idle_commands(open_house):
    house = await open_house(limits={"commands": 20, "recipients": 50})
    client = await house.client()
    await client.hello()
    names = [f"r{number}@any.example" for number in range(50)]
    assert (await client.message(LETTER, *names)).startswith("250 ")
    assert house.arrivals[0].envelope.recipients == tuple(names)


async def test_recipients_beyond_the_limit_are_put_off(open_house):
    house = await open_house(limits={"recipients": 2, "errors": 2})
    client = await house.client()
    await client.hello()
    await client.say("MAIL FROM:<>")
    for number, code in enumerate(("250 2", "250 2", "452 4.5.3", "452 4.5.3", "452 4.5.3")):
        assert (await client.say(f"RCPT TO:<r{number}@any.example>")).startswith(code)
    assert (await client.say("RCPT TO:<R0@any.example>")).startswith("250 "), "known already"
    assert (await client.say("DATA")).startswith("354 ")


async def test_a_session_takes_so_many_messages(open_house):
    house = await open_house(limits={"messages_per_session": 2})
    client = await house.client()
    await client.hello()
    for _ in range(2):
        assert (await client.message(LETTER)).startswith("250 ")
    assert (await client.say("MAIL FROM:<>")).startswith("421 4.7.0 ")
    assert await client.ended()


@pytest.mark.parametrize("said", [b"", b"EHLO a.example\r\n", b"EHLO a.exa", b"NOOP\r\nNOO"])
async def test_silence_ends_with_a_time_out(open_house, said):
    house = await open_house(limits={"idle": SOON})
    client = await house.client()
    client.send(said)
    replies = []
    while line := await client.line():
        replies.append(line)
    assert replies[-1].startswith("421 4.4.2 ")
    assert house.refusals() == ["timeout"]


async def test_octets_trickling_in_a_command_do_not_extend_it(open_house):
    house = await open_house(limits={"idle": SOON})
    client = await house.client()
    assert (await client.reply()).startswith("220 ")

    async def trickle() -> None:
        while not client.writer.is_closing():
            client.send(b"N")
            await asyncio.sleep(0.02)

    trickling = asyncio.create_task(trickle())
    assert (await client.reply()).startswith("421 4.4.2 ")
    trickling.cancel()


async def test_data_is_bounded_in_all_however_steady(open_house):
    house = await open_house(limits={"idle": timedelta(seconds=5), "data_total": SOON})
    client = await house.client()
    await client.hello()
    await client.envelope()

    async def trickle() -> None:
        while not client.writer.is_closing():
            client.send(b"a line\r\n")
            await asyncio.sleep(0.01)

    trickling = asyncio.create_task(trickle())
    assert (await client.reply()).startswith("421 4.4.2 ")
    trickling.cancel()
    assert house.arrivals == []


async def test_steady_data_is_not_idle(open_house):
    house = await open_house(limits={"idle": timedelta(milliseconds=300)})
    client = await house.client()
    await client.hello()
    await client.envelope()
    for _ in range(10):
        client.send(b"a line\r\n")
        await asyncio.sleep(0.06)  # 0.6 s in all
    client.send(b".\r\n")
    assert (await client.reply()).startswith("250 ")


async def test_a_busy_session_ends_in_time_too(open_house):
    house = await open_house(limits={"session": SOON, "commands": 10**6})
    client = await house.client()
    await client.hello()
    reply = ""
    while not reply.startswith("421"):
        client.send(b"NOOP\r\n")
        reply = await client.reply()
    assert reply.startswith("421 4.4.2 ")


async def test_time_does_not_run_while_we_examine(open_house):
    async def accept(arrival: Arrival) -> Reply:
        await asyncio.sleep(0.25)
        return Reply.accepted(arrival.queue_id)

    house = await open_house(accept=accept, limits={"idle": SOON})
    client = await house.client()
    await client.hello()
    assert (await client.message(LETTER)).startswith("250 ")


async def test_too_large_is_told_as_early_as_it_is_known(open_house):
    house = await open_house(limits={"message_size": 1000})
    client = await house.client()
    assert "SIZE 1000" in await client.hello()
    assert (await client.say("MAIL FROM:<> SIZE=1001")).startswith("552 5.3.4 ")
    assert (await client.say("MAIL FROM:<> SIZE=1000")).startswith("250 ")
    await client.say("RSET")
    fits, not_quite = b"x" * 998 + b"\r\n", b"x" * 999 + b"\r\n"
    assert (await client.message(not_quite)).startswith("552 5.3.4 ")
    assert (await client.message(fits)).startswith("250 ")
    assert house.contents() == [fits]
    dots = b"..\r\n" * 333  # 999 octets when the added dots are taken out
    assert (await client.message(dots)).startswith("250 ")


async def test_who_sends_far_too_much_is_hung_up_on(open_house):
    house = await open_house(limits={"message_size": 100_000})
    client = await house.client()
    await client.hello()
    await client.envelope()
    client.send(b"x" * 3_000_000)
    assert (await client.reply()).startswith("552 5.3.4 ")
    client.writer.transport.abort()
    assert house.arrivals == []
    assert house.budget.used == 0


async def test_memory_is_one_budget_for_all(open_house):
    gate = asyncio.Event()
    begun = asyncio.Event()

    async def accept(arrival: Arrival) -> Reply:
        begun.set()
        await gate.wait()
        return Reply.accepted(arrival.queue_id)

    house = await open_house(accept=accept, memory=1_000_000)
    first, second = await house.client(), await house.client()
    await first.hello()
    await second.hello()
    await first.envelope()
    first.send(b"x" * 700_000 + b"\r\n.\r\n")
    await asyncio.wait_for(begun.wait(), 10)
    assert house.budget.used == 700_002
    assert (await second.message(b"y" * 500_000 + b"\r\n")).startswith("452 4.3.1 "), "while read"
    await second.say("MAIL FROM:<> SIZE=500000", "RCPT TO:<support@shop.example>")
    assert (await second.say("DATA")).startswith("452 4.3.1 "), "as declared"
    assert (await second.say("RSET")).startswith("250 ")
    gate.set()
    assert (await second.message(LETTER)).startswith("250 ")
    assert (await first.reply()).startswith("250 ")
    assert (await second.message(b"y" * 500_000 + b"\r\n")).startswith("250 ")
    assert house.budget.used == 0


async def test_spooled_content_counts_while_it_is_examined(open_house):
    held = []

    async def accept(arrival: Arrival) -> Reply:
        held.append(house.budget.used)
        return Reply.accepted(arrival.queue_id)

    house = await open_house(accept=accept, memory=4_000_000)
    client = await house.client()
    await client.hello()
    assert (await client.message(b"x" * 2_999_998 + b"\r\n")).startswith("250 ")
    assert held == [3_000_000]
    assert (await client.message(b"x" * 5_000_000 + b"\r\n")).startswith("452 4.3.1 ")
    assert house.budget.used == 0


async def test_a_full_disk_is_temporary(open_house):
    house = await open_house()
    house.spool.rmdir()  # every new file fails from now on, as on a full disk
    client = await house.client()
    await client.hello()
    assert (await client.message(b"x" * 3_000_000 + b"\r\n")).startswith("452 4.3.1 ")
    assert (await client.message(LETTER)).startswith("250 ")


async def test_a_crowd_of_slow_clients_does_not_hold_up_one_in_a_hurry(open_house):
    house = await open_house(limits={"connections": 200})
    crowd = [await house.client() for _ in range(100)]
    for number, client in enumerate(crowd):
        await client.hello()
        if number % 2:
            await client.envelope()
            client.send(b"half a li")
        else:
            client.send(b"MAIL FR")
    quick = await house.client()
    await quick.hello()
    began = asyncio.get_running_loop().time()
    for _ in range(20):
        assert (await quick.message(LETTER)).startswith("250 ")
    assert asyncio.get_running_loop().time() - began < 2.0


async def test_who_does_not_read_is_made_to_wait_and_then_cut(open_house, monkeypatch):
    """Replies nobody reads must not pile up in memory, nor the session stay for ever."""
    monkeypatch.setattr("gateway.edge.connection.CLOSING_SECONDS", 0.1)
    limits = {"idle": timedelta(milliseconds=300), "commands": 10**9, "errors": 10**9}
    house = await open_house(limits=limits)
    host, port = house.host_port
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.connect((host, port))
    sock.setblocking(False)
    loop = asyncio.get_running_loop()
    assert (await loop.sock_recv(sock, 1000)).startswith(b"220 ")
    sent = 0

    async def send_for_ever() -> None:
        nonlocal sent
        while sent < 1 << 30:
            await asyncio.wait_for(loop.sock_sendall(sock, b"HELP\r\n" * 1000), 5)
            sent += 6000

    with pytest.raises((ConnectionResetError, BrokenPipeError)):
        await send_for_ever()
    sock.close()
    assert sent < 40 << 20
    assert house.refusals() == ["timeout"]


async def test_who_sends_on_while_we_examine_is_held_back(open_house):
    """Commands that come early wait in the network, not in our memory; none is lost."""
    gate, begun = asyncio.Event(), asyncio.Event()

    async def accept(arrival: Arrival) -> Reply:
        begun.set()
        await gate.wait()
        return Reply.accepted(arrival.queue_id)

    house = await open_house(accept=accept, limits={"commands": 10**9})
    client = await house.client()
    await client.hello()
    await client.envelope()
    client.send(LETTER + b".\r\n")
    await asyncio.wait_for(begun.wait(), 5)
    count = 3000
    for _ in range(count):
        client.send(b"NOOP " + b"x" * 2000 + b"\r\n")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(client.writer.drain(), 0.1)
    (session,) = house.receiver._service.open
    assert len(session._incoming.buffer) < 300_000
    gate.set()
    assert (await client.reply()).startswith("250 2.0.0 Ok: queued as ")
    for _ in range(count):
        assert await client.reply() == "250 2.0.0 Ok"


OPEN_FILES = Path("/proc/self/fd")


def open_files() -> int:
    return len(list(OPEN_FILES.iterdir()))


@pytest.mark.skipif(not OPEN_FILES.exists(), reason="counts open files in /proc")
async def test_nothing_leaks_over_many_sessions(open_house):
    house = await open_house()

    async def once() -> None:
        client = await house.client()
        await client.hello()
        assert (await client.message(b"x" * 1_500_000 + b"\r\n")).startswith("250 ")
        await client.say("QUIT")
        assert await client.ended()
        house.clients.clear()
        house.arrivals.clear()

    await once()
    before = open_files()
    for _ in range(20):
        await once()
    assert open_files() <= before
    assert house.budget.used == 0


async def test_no_space_is_told_before_the_content(open_house):
    """RFC 1870, 6.1: at MAIL, for a size that would not fit on the disk."""
    house = await open_house(reserve=1 << 60)
    client = await house.client()
    await client.hello()
    assert (await client.say("MAIL FROM:<ann@client.example> SIZE=2000000")).startswith("452 4.3.1")
    assert house.refusals() == ["no space"]
    small = await client.say("MAIL FROM:<ann@client.example> SIZE=2000")
    assert small.startswith("250 "), "what stays in memory is the store's to judge"
    room = await open_house()
    client = await room.client()
    await client.hello()
    assert (await client.say("MAIL FROM:<ann@client.example> SIZE=2000000")).startswith("250 ")
