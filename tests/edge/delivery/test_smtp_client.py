"""The SMTP and LMTP client against real servers on loopback, well-behaved and not."""

from __future__ import annotations

import asyncio
import fcntl
import mmap
import os
import socket
import ssl
import subprocess
import sys
import termios
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.edge import smtp_tls
from gateway.edge.smtp_client import SmtpClient
from gateway.edge.transport import Progress, Sent
from gateway.settings import NextHop, Tls
from gateway.store import Job

LETTER = b"Subject: hello\r\n\r\nA line.\r\n"
HELLO = b"250-hop.example\r\n250 PIPELINING\r\n"


def job(content: Any = LETTER, *recipients: str, **changes: Any) -> Job:
    values: dict[str, Any] = {
        "letter_id": "q1.1",
        "queue_id": "q1",
        "kind": "letter",
        "site": "shop",
        "next_hop": "mailbox",
        "reverse_path": "jane@customer.example",
        "recipients": recipients or ("support@shop.example",),
        "prefix": b"",
        "cuts": (),
        "content": content,
        "attempts": 0,
        "accepted": datetime(2026, 11, 24, tzinfo=UTC),
        "lease": "l",
    }
    return Job(**(values | changes))


def told(sent: Sent) -> list[str]:
    """Each recipient's outcome with code and enhanced code."""
    return [f"{o.result} {o.reply.code} {o.reply.enhanced}" for o in sent.outcomes]


def answering(reply: str) -> Callable[..., Any]:
    async def hook(*_: Any) -> str:
        return reply

    return hook


class Client(SmtpClient):
    async def send(self, job: Job, progress: Progress | None = None) -> Sent:
        return await super().send(job, progress or Progress())


@pytest.fixture
async def connect():
    """Makes clients and closes them at the end."""
    clients: list[Client] = []

    def make(address: str, *, timeout: float = 5, **options: Any) -> Client:
        names = (
            "tls", "user", "password", "connections", "tls_name", "authorities", "certificate",
        )  # fmt: skip
        settings = {name: options.pop(name) for name in names if name in options}
        hop = NextHop(address=address, timeout=timedelta(seconds=timeout), **settings)
        client = Client(hop, "mx.gateway.example", **options)
        clients.append(client)
        return client

    yield make
    await asyncio.gather(*(client.close() for client in clients))


# --- octets ------------------------------------------------------------------------------------


async def test_a_letter_arrives_with_its_envelope(hops, connect):
    hop = await hops.start()
    sent = await connect(hop.address).send(job())
    assert sent == Sent(sent.outcomes)
    assert sent.outcomes[0].recipient == "support@shop.example"
    assert sent.outcomes[0].result == "relayed"
    assert str(sent.outcomes[0].reply) == "250 2.0.0 Ok: taken"
    (taken,) = hop.taken
    assert taken.content == LETTER
    assert taken.sender == "jane@customer.example"
    assert taken.recipients == ["support@shop.example"]


@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize(
    ("content", "arrives"),
    [
        (b"", b""),
        (b"\r\n", b"\r\n"),
        (b"no end", b"no end\r\n"),
        (b".", b".\r\n"),
        (b".\r\n", b".\r\n"),
        (b"a\r\n.\r\n..\r\n...b\r\n", b"a\r\n.\r\n..\r\n...b\r\n"),
        (b"8 bit: \xff\xfe\x80\x00\r\n", b"8 bit: \xff\xfe\x80\x00\r\n"),
    ],
)
async def test_content_arrives_as_it_is(hops, connect, content, arrives, pipelining):
    hop = await hops.start(extensions=("PIPELINING",) if pipelining else ())
    client = connect(hop.address)
    for _ in range(2):
        assert told(await client.send(job(content))) == ["relayed 250 2.0.0"]
    assert [taken.content for taken in hop.taken] == [arrives, arrives]
    assert hop.sessions == 1


async def test_prefix_goes_first_and_cuts_are_left_out(hops, connect):
    hop = await hops.start()
    letter = job(
        b"A: 1\r\nB: 2\r\nC: 3\r\n\r\n.x\r\n", prefix=b".P: 0\r\n", cuts=((0, 6), (12, 18))
    )
    await connect(hop.address).send(letter)
    assert hop.taken[0].content == b".P: 0\r\nB: 2\r\n\r\n.x\r\n"


async def test_large_content_is_streamed_from_a_mapped_file(hops, connect, tmp_path):
    hop = await hops.start()
    body = b"".join(b"%0*d\r\n.%d\r\n" % (76, line, line) for line in range(120_000))
    path = tmp_path / "spool"
    path.write_bytes(b"X-Old: 1\r\nSubject: big\r\n\r\n" + body)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        letter = job(mapped, prefix=b"X-New: 2\r\n", cuts=((0, 10),))
        sent = await connect(hop.address, timeout=60).send(letter)
    assert told(sent) == ["relayed 250 2.0.0"]
    assert hop.taken[0].content == b"X-New: 2\r\nSubject: big\r\n\r\n" + body


async def test_the_envelope_goes_out_in_one_write(hops, connect):
    heard: list[bytes] = []

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hop.example\r\n")
        await reader.readline()
        writer.write(HELLO)
        heard.append(await reader.read(4096))
        writer.write(b"250 ok\r\n250 ok\r\n250 ok\r\n354 go on\r\n")
        heard.append(await reader.read(4096))
        writer.write(b"250 2.0.0 taken\r\n")

    address = await hops.raw(script)
    sent = await connect(address).send(job(LETTER, "a@shop.example", "b@shop.example"))
    assert told(sent) == ["relayed 250 2.0.0"] * 2
    assert heard == [
        b"MAIL FROM:<jane@customer.example>\r\nRCPT TO:<a@shop.example>\r\n"
        b"RCPT TO:<b@shop.example>\r\nDATA\r\n",
        LETTER + b".\r\n",
    ]


async def test_small_packets_are_not_held_back(hops, connect):
    hop = await hops.start()
    client = connect(hop.address)
    await client.send(job())
    connection = client._idle[0]._wire.transport.get_extra_info("socket")
    assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


# --- refusals ----------------------------------------------------------------------------------

REFUSALS = [
    ("450 4.2.1 come again", "delayed 450 4.2.1"),
    ("550 5.1.1 no such mailbox", "failed 550 5.1.1"),
    ("452 full", "delayed 452 4.0.0"),
    ("554 5.7.1", "failed 554 5.7.1"),
    # The class of the code decides when the enhanced code contradicts it.
    ("550 4.1.1 confused", "failed 550 5.0.0"),
]


@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize(("reply", "outcome"), REFUSALS)
@pytest.mark.parametrize("stage", ["on_mail", "on_rcpt", "on_data"])
async def test_a_refusal_at_any_stage(hops, connect, stage, reply, outcome, pipelining):
    hop = await hops.start(extensions=("PIPELINING",) if pipelining else ())
    setattr(hop, stage, answering(reply))
    client = connect(hop.address)
    sent = await client.send(job(LETTER, "a@shop.example", "b@shop.example"))
    assert told(sent) == [outcome, outcome]
    assert not sent.hop_failed
    # The connection is still good for the next letter.
    setattr(hop, stage, None)
    assert told(await client.send(job())) == ["relayed 250 2.0.0"]
    assert hop.sessions == 1
    assert len(hop.taken) == 1


@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize(
    ("reply", "outcome"),
    [("451 4.3.0 later", "delayed 451 4.3.0"), ("554 5.6.0 no", "failed 554 5.6.0")],
)
async def test_data_itself_is_refused(hops, connect, reply, outcome, pipelining):
    async def refuse_data(server: Any, command: str) -> bool:
        if command != "DATA":
            return False
        await server.push(reply)
        return True

    hop = await hops.start(extensions=("PIPELINING",) if pipelining else ())
    hop.on_command = refuse_data
    client = connect(hop.address)
    assert told(await client.send(job())) == [outcome]
    hop.on_command = None
    assert told(await client.send(job())) == ["relayed 250 2.0.0"]
    assert hop.sessions == 1
    assert "RSET" in hop.commands


@pytest.mark.parametrize("pipelining", [True, False])
async def test_some_recipients_are_refused(hops, connect, pipelining):
    async def by_name(address: str) -> str | None:
        return {"b@shop.example": "550 5.1.1 unknown", "c@shop.example": "452 4.2.2 full"}.get(
            address
        )

    hop = await hops.start(extensions=("PIPELINING",) if pipelining else (), on_rcpt=by_name)
    names = [f"{letter}@shop.example" for letter in "abcd"]
    sent = await connect(hop.address).send(job(LETTER, *names))
    assert told(sent) == [
        "relayed 250 2.0.0", "failed 550 5.1.1", "delayed 452 4.2.2", "relayed 250 2.0.0",
    ]  # fmt: skip
    assert [outcome.recipient for outcome in sent.outcomes] == names
    assert hop.taken[0].recipients == ["a@shop.example", "d@shop.example"]


async def test_no_empty_letter_for_a_server_that_asks_for_content_without_recipients(hops, connect):
    ended = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hop.example\r\n")
        await reader.readline()
        writer.write(HELLO)
        for reply in (b"250 ok\r\n", b"550 5.1.1 no\r\n", b"354 go on\r\n"):
            await reader.readline()
            writer.write(reply)
        heard.append(await reader.read())
        ended.set()

    heard: list[bytes] = []
    sent = await connect(await hops.raw(script)).send(job())
    await asyncio.wait_for(ended.wait(), 5)
    assert told(sent) == ["failed 550 5.1.1"]
    assert heard == [b""]


async def test_demanded_tls_or_credentials_are_no_fault_of_the_letter(hops, connect):
    hop = await hops.start(on_mail=answering("530 5.7.0 Must issue STARTTLS first"))
    sent = await connect(hop.address).send(job())
    assert told(sent) == ["delayed 451 4.7.0"]
    assert sent.hop_failed


async def test_recipients_named_twice_are_one(hops, connect):
    hop = await hops.start()
    sent = await connect(hop.address).send(job(LETTER, "a@shop.example", "a@shop.example"))
    assert told(sent) == ["relayed 250 2.0.0", "relayed 250 2.0.0"]


# --- LMTP --------------------------------------------------------------------------------------


async def test_lmtp_answers_for_each_recipient(hops, connect):
    hop = await hops.start(lmtp=True)
    hop.on_rcpt = by_b = _refusing("b@shop.example", "550 5.1.1 unknown")
    hop.on_data = answering("250 2.0.0 a\r\n452 4.2.2 c full\r\n550 5.2.0 d no")
    names = [f"{letter}@shop.example" for letter in "abcd"]
    client = connect(hop.address)
    assert told(await client.send(job(LETTER, *names))) == [
        "relayed 250 2.0.0", "failed 550 5.1.1", "delayed 452 4.2.2", "failed 550 5.2.0",
    ]  # fmt: skip
    assert by_b is hop.on_rcpt
    hop.on_data = None
    hop.on_rcpt = None
    assert told(await client.send(job(LETTER, *names))) == ["relayed 250 2.0.0"] * 4
    assert hop.sessions == 1


async def test_lmtp_connection_ends_between_the_replies(hops, connect):
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hop.example\r\n")
        assert (await reader.readline()).startswith(b"LHLO ")
        writer.write(HELLO)
        await reader.readuntil(b"DATA\r\n")
        writer.write(b"250 ok\r\n250 ok\r\n250 ok\r\n354 go on\r\n")
        await reader.readuntil(b"\r\n.\r\n")
        writer.write(b"250 2.0.0 taken\r\n")
        await writer.drain()
        writer.close()

    address = (await hops.raw(script)).replace("smtp://", "lmtp://")
    sent = await connect(address).send(job(LETTER, "a@shop.example", "b@shop.example"))
    assert told(sent) == ["relayed 250 2.0.0", "unknown 451 4.4.2"]


def _refusing(address: str, reply: str) -> Callable[[str], Any]:
    async def hook(asked: str) -> str | None:
        return reply if asked == address else None

    return hook


# --- connections that fail ---------------------------------------------------------------------


async def test_nobody_listens(connect, unused_tcp_port):
    sent = await connect(f"smtp://127.0.0.1:{unused_tcp_port}").send(job())
    assert told(sent) == ["delayed 451 4.4.1"]
    assert sent.hop_failed


async def test_unknown_host(connect):
    async def nowhere(_host: str) -> tuple[str, ...]:
        raise socket.gaierror("unknown")

    sent = await connect("smtp://nowhere.example:25", resolve=nowhere).send(job())
    assert told(sent) == ["delayed 451 4.4.3"]
    assert sent.hop_failed


async def test_a_resolver_that_hangs_is_asked_once(connect):
    asked = 0
    go_on = asyncio.Event()

    async def hang(_host: str) -> tuple[str, ...]:
        nonlocal asked
        asked += 1
        await go_on.wait()
        raise socket.gaierror("at last")

    client = connect("smtp://slow.example:25", resolve=hang, timeout=0.1)
    for _ in range(2):
        results = await asyncio.gather(*(client.send(job()) for _ in range(3)))
        assert [told(sent) for sent in results] == [["delayed 451 4.4.3"]] * 3
    assert asked == 1
    go_on.set()


async def test_the_second_address_is_used_when_the_first_is_dead(hops, connect):
    hop = await hops.start()

    async def two(_host: str) -> tuple[str, ...]:
        return "127.0.0.9", "127.0.0.1"

    sent = await connect(f"smtp://two.example:{hop.port}", resolve=two).send(job())
    assert told(sent) == ["relayed 250 2.0.0"]


@pytest.mark.parametrize(
    ("greeting", "outcome"),
    [
        (b"421 4.3.2 too busy\r\n", "delayed 421 4.3.2"),
        (b"554 5.7.1 go away\r\n", "delayed 451 4.7.1"),
        (b"220-hello\r\n421 but no\r\n", "delayed 421 4.0.0"),
        (b"HTTP/1.1 400 Bad Request\r\n", "delayed 451 4.5.0"),
        (b"\x00" * 9000, "delayed 451 4.5.0"),
        (b"25\r\n", "delayed 451 4.5.0"),
        (b"220-x\r\n" * 300, "delayed 451 4.5.0"),
        (b"\xff", "delayed 451 4.4.2"),
    ],
)
async def test_a_greeting_that_is_none(hops, connect, greeting, outcome):
    hop = await hops.start(greeting=greeting)
    sent = await connect(hop.address).send(job())
    assert told(sent) == [outcome]
    assert sent.hop_failed


@pytest.mark.parametrize("verb", ["EHLO", "MAIL", "RCPT", "DATA", "content"])
@pytest.mark.parametrize("what", ["hang", "drop", "421"])
async def test_trouble_before_the_final_dot(hops, connect, verb, what):
    """However it fails, the letter is delayed: nothing was delivered."""
    answers = {"MAIL": b"250 ok\r\n", "RCPT": b"250 ok\r\n", "DATA": b"354 go on\r\n"}

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hop.example\r\n")
        answers["EHLO"] = b"250 hop.example\r\n"
        while line := await reader.readline():
            command = line[:4].decode().upper()
            if command == verb:
                break
            writer.write(answers[command])
            if command == "DATA":
                await reader.readexactly(100_000)
                break
        if what == "421":
            writer.write(b"421 4.3.2 going down\r\n")
        if what == "hang":
            await asyncio.Event().wait()
        writer.close()

    big = b"Subject: big\r\n\r\n" + b"x" * 70 + b"\r\n" * 20_000_000
    sent = await connect(await hops.raw(script), timeout=0.5).send(job(big))
    assert [outcome.result for outcome in sent.outcomes] == ["delayed"]
    assert sent.outcomes[0].reply.code == (421 if what == "421" else 451)
    assert sent.hop_failed == (what != "drop" or verb == "EHLO")


async def test_content_is_refused_in_its_midst(hops, connect):
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hop.example\r\n")
        await reader.readline()
        writer.write(HELLO)
        await reader.readuntil(b"DATA\r\n")
        writer.write(b"250 ok\r\n250 ok\r\n354 go on\r\n")
        await reader.readexactly(1_000_000)
        writer.write(b"552 5.3.4 too large\r\n")
        await writer.drain()
        await asyncio.sleep(60)

    sent = await connect(await hops.raw(script)).send(job(b"x" * 70 + b"\r\n" * 40_000_000))
    assert told(sent) == ["failed 552 5.3.4"]


@pytest.mark.parametrize("lines", [1, 1 << 20], ids=["small", "large"])
async def test_content_is_not_taken_before_its_end(hops, connect, lines):
    """Whoever says 250 in its midst has not got the letter."""

    async def hasty(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hop.example\r\n")
        for reply in (b"250 ok", b"250 ok", b"250 ok", b"354 go on\r\n250 2.0.0 taken"):
            await reader.readline()
            writer.write(reply + b"\r\n")
        while await reader.read(1 << 16):
            pass

    client = connect(await hops.raw(hasty))
    sent = await client.send(job(b"Subject: x\r\n\r\n" + b"A line.\r\n" * lines))
    assert told(sent) == ["delayed 451 4.5.0"]


@pytest.mark.parametrize("what", ["hang", "drop", "garbage"])
@pytest.mark.parametrize("kept", [False, True])
async def test_an_end_after_the_final_dot_is_unknown_and_not_repeated(hops, connect, what, kept):
    """Also on a kept connection: the letter may have been taken."""

    async def misbehave(server: Any, _letter: Any) -> str | None:
        if what == "hang":
            await asyncio.sleep(60)
        if what == "garbage":
            return "xyzzy"
        server.transport.abort()
        return "451 never sent"

    hop = await hops.start()
    client = connect(hop.address, timeout=1 if what == "hang" else 10)
    if kept:
        await client.send(job())
    hop.on_data = misbehave
    sent = await client.send(job())
    assert told(sent) == ["unknown 451 4.4.2"]
    assert hop.commands.count("DATA") == (2 if kept else 1)


async def test_421_after_the_final_dot_is_an_answer(hops, connect):
    hop = await hops.start(on_data=answering("421 4.3.2 shutting down"))
    client = connect(hop.address)
    assert told(await client.send(job())) == ["delayed 421 4.3.2"]
    hop.on_data = None
    assert told(await client.send(job())) == ["relayed 250 2.0.0"]
    assert hop.sessions == 2


async def test_slow_is_not_dead(hops, connect):
    async def slowly(*_: Any) -> None:
        await asyncio.sleep(0.15)

    hop = await hops.start(on_mail=slowly, on_rcpt=slowly, on_data=slowly, extensions=())
    assert told(await connect(hop.address, timeout=0.4).send(job())) == ["relayed 250 2.0.0"]


# --- kept connections --------------------------------------------------------------------------


async def test_connections_are_kept_and_ehlo_is_said_once(hops, connect):
    hop = await hops.start()
    client = connect(hop.address)
    for _ in range(5):
        await client.send(job())
    assert hop.sessions == 1
    assert hop.commands.count("EHLO") == 1


async def test_letters_at_once_have_connections_of_their_own(hops, connect):
    hop = await hops.start()
    client = connect(hop.address)
    await asyncio.gather(*(client.send(job()) for _ in range(4)))
    assert hop.sessions == 4
    await asyncio.gather(*(client.send(job()) for _ in range(4)))
    assert hop.sessions == 4
    assert len(hop.taken) == 8


async def test_a_connection_the_server_closed_is_replaced(hops, connect):
    hop = await hops.start()
    client = connect(hop.address)
    await client.send(job())
    hop.drop_connections()
    assert told(await client.send(job())) == ["relayed 250 2.0.0"]
    assert hop.sessions == 2


@pytest.mark.parametrize("end", ["421 4.4.2 idle too long", ""])
async def test_a_connection_that_ends_while_it_is_used_is_replaced(hops, connect, end):
    hop = await hops.start()
    client = connect(hop.address)
    await client.send(job())

    async def stale(address: str) -> str:
        hop.on_mail = None
        server = hop.live[0]
        if end:
            await server.push(end)
        server.transport.close()
        return "250 never seen"

    hop.on_mail = stale
    assert told(await client.send(job())) == ["relayed 250 2.0.0"]
    assert hop.sessions == 2
    assert len(hop.taken) == 2


async def test_replacing_happens_once(hops, connect):
    hop = await hops.start()
    client = connect(hop.address)
    await client.send(job())

    async def always(address: str) -> str:
        hop.drop_connections()
        return "250 never seen"

    hop.on_mail = always
    assert told(await client.send(job())) == ["delayed 451 4.4.2"]
    assert hop.sessions == 2


async def test_an_unused_connection_is_closed_with_quit(hops, connect):
    hop = await hops.start()
    client = connect(hop.address, idle=0.05)
    await client.send(job())
    await hop.wait_for(lambda: not hop.live)
    assert hop.commands[-1] == "QUIT"
    assert told(await client.send(job())) == ["relayed 250 2.0.0"]


async def test_a_connection_that_outlives_its_client_is_not_kept(hops, connect):
    """A reload that changes a next hop closes the client; a letter under way still ends well."""
    reached, go_on = asyncio.Event(), asyncio.Event()

    async def slow(*_: Any) -> None:
        reached.set()
        await go_on.wait()

    hop = await hops.start()
    client = connect(hop.address)
    await client.send(job())  # there is a kept connection, and a timer for it
    hop.on_data = slow
    sending = [asyncio.create_task(client.send(job())) for _ in range(2)]
    await reached.wait()
    await client.close()
    go_on.set()
    for sent in await asyncio.gather(*sending):
        assert told(sent) == ["relayed 250 2.0.0"]
    await hop.wait_for(lambda: not hop.live)
    assert hop.commands[-1] == "QUIT"


async def test_a_server_that_talks_on_does_not_fill_our_memory(hops, connect):
    """A stranger's server, on the connection that is kept for the next letter."""
    begin, cut_off = asyncio.Event(), asyncio.Event()
    sent = 0

    async def talkative(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"220 hop.example\r\n")
        for code in (b"250", b"250", b"250", b"354"):
            await reader.readline()
            writer.write(code + b" ok\r\n")
        await reader.readuntil(b"\r\n.\r\n")
        writer.write(b"250 taken\r\n")
        await begin.wait()
        try:
            while sent < 100:
                writer.write((b"250-" + b"x" * 4000 + b"\r\n") * 190 + b"250 x\r\n")
                await writer.drain()
                sent += 1
        except ConnectionError:
            cut_off.set()

    client = connect(await hops.raw(talkative))
    assert told(await client.send(job())) == ["relayed 250 2.0.0"]
    begin.set()
    await asyncio.wait_for(cut_off.wait(), 10)
    assert sent < 50


async def test_a_good_bye_without_answer_does_not_hang(hops, connect):
    async def silent(_server: Any, command: str) -> bool:
        return command == "QUIT"

    hop = await hops.start(on_command=silent)
    client = connect(hop.address)
    await client.send(job())
    async with asyncio.timeout(4):
        await client.close()
    await hop.wait_for(lambda: not hop.live)
    assert hop.commands[-1] == "QUIT"


@pytest.mark.parametrize(("stage", "said"), [("on_mail", False), ("on_data", True)])
@pytest.mark.parametrize("size", [100, 400_000])
async def test_whoever_cuts_it_short_knows_whether_the_final_dot_was_said(
    hops, connect, stage, said, size
):
    reached = asyncio.Event()

    async def hang(*_: Any) -> None:
        reached.set()
        await asyncio.sleep(60)

    hop = await hops.start(**{stage: hang})
    progress = Progress()
    task = asyncio.create_task(connect(hop.address).send(job(b"x\r\n" * size), progress))
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert progress.said == said


async def test_a_cancelled_letter_takes_its_connection_with_it(hops, connect):
    reached = asyncio.Event()

    async def hang(*_: Any) -> None:
        reached.set()
        await asyncio.sleep(60)

    hop = await hops.start(on_data=hang)
    client = connect(hop.address)
    task = asyncio.create_task(client.send(job()))
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    hop.on_data = None
    assert told(await client.send(job())) == ["relayed 250 2.0.0"]
    assert hop.sessions == 2


# --- TLS and AUTH ------------------------------------------------------------------------------


@pytest.mark.parametrize("tls", ["opportunistic", "required", "none"])
async def test_starttls_when_offered(hops, connect, certificates, tls):
    hop = await hops.start(tls=certificates.server)
    sent = await connect(hop.address, tls=tls, trust=certificates.trust).send(job())
    assert told(sent) == ["relayed 250 2.0.0"]
    assert hop.taken[0].secure == (tls != "none")
    assert hop.taken[0].content == LETTER


async def test_an_unknown_certificate_is_good_enough_only_if_tls_is_optional(
    hops, connect, certificates, other_certificates
):
    hop = await hops.start(tls=certificates.server)
    sent = await connect(hop.address, tls="required", trust=other_certificates.trust).send(job())
    assert told(sent) == ["delayed 451 4.7.5"]
    assert sent.hop_failed
    assert not hop.taken
    sent = await connect(hop.address, trust=other_certificates.trust).send(job())
    assert hop.taken[0].secure


async def test_the_name_in_the_certificate_counts(hops, connect, other_certificates):
    hop = await hops.start(tls=other_certificates.server)
    sent = await connect(hop.address, tls="required", trust=other_certificates.trust).send(job())
    assert told(sent) == ["delayed 451 4.7.5"]
    assert not hop.taken


async def test_required_tls_that_is_not_offered(hops, connect):
    hop = await hops.start()
    sent = await connect(hop.address, tls="required").send(job())
    assert told(sent) == ["delayed 451 4.7.4"]
    assert sent.hop_failed
    assert not hop.taken


async def test_encrypted_is_never_in_clear_whoever_answers(hops, connect, certificates):
    """Between `opportunistic` and `required`: the certificate does not count, TLS does."""
    hop = await hops.start(tls=certificates.server)
    assert told(await connect(hop.address, tls="encrypted").send(job())) == ["relayed 250 2.0.0"]
    assert hop.taken[0].secure
    plain = await hops.start()
    sent = await connect(plain.address, tls="encrypted").send(job())
    assert (told(sent), sent.hop_failed) == (["delayed 451 4.7.4"], True)


async def test_a_name_and_authorities_of_its_own(hops, connect, certified):
    elsewhere = certified("elsewhere.example")
    hop = await hops.start(tls=elsewhere.server)
    sent = await connect(
        hop.address, tls="required", authorities=elsewhere.pem, tls_name="elsewhere.example"
    ).send(job())
    assert told(sent) == ["relayed 250 2.0.0"]
    sent = await connect(hop.address, tls="required", authorities=elsewhere.pem).send(job())
    assert told(sent) == ["delayed 451 4.7.5"]


@pytest.mark.parametrize("tls", ["opportunistic", "required"])
async def test_a_certificate_of_ours(hops, connect, certified, tls):
    theirs, ours = certified("hop.example"), certified("gateway.example")
    theirs.server.verify_mode = ssl.CERT_REQUIRED
    theirs.server.load_verify_locations(ours.pem)
    hop = await hops.start(tls=theirs.server)
    options = {"tls": tls, "authorities": theirs.pem, "tls_name": "hop.example"}
    files = Tls(cert=ours.pem, key=ours.pem)
    sent = await connect(hop.address, **options, certificate=files).send(job())
    assert told(sent) == ["relayed 250 2.0.0"]
    assert hop.taken[0].secure
    if tls == "required":
        sent = await connect(hop.address, **options).send(job())
        assert [outcome.result for outcome in sent.outcomes] == ["delayed"]
        assert len(hop.taken) == 1


async def test_certificate_files_that_cannot_be_read_are_no_fault_of_the_letter(
    hops, connect, certificates, tmp_path
):
    hop = await hops.start(tls=certificates.server)
    files = Tls(cert=tmp_path / "none", key=tmp_path / "none")
    sent = await connect(hop.address, certificate=files).send(job())
    assert (told(sent), sent.hop_failed) == (["delayed 451 4.3.5"], True)


async def test_certificate_files_that_are_just_replaced_stop_nothing(
    hops, connect, certified, tmp_path, monkeypatch
):
    """Certificate and key are written one after the other; until both are there the old ones do."""
    monkeypatch.setattr(smtp_tls, "CONTEXT_AGE", 0.0)
    monkeypatch.setattr(smtp_tls, "AGAIN", 0.0)
    theirs, ours, renewed = map(certified, ("hop.example", "gateway.example", "renewed.example"))
    theirs.server.verify_mode = ssl.CERT_REQUIRED
    for each in (ours, renewed):
        theirs.server.load_verify_locations(each.pem)
    shown: list[str] = []

    async def look(server: Any, _letter: Any) -> None:
        cert = server.transport.get_extra_info("peercert")
        shown.append(dict(entry[0] for entry in cert["subject"])["commonName"])

    hop = await hops.start(tls=theirs.server, on_data=look)
    files = Tls(cert=tmp_path / "cert", key=tmp_path / "key")
    files.cert.write_bytes(ours.pem.read_bytes())
    files.key.write_bytes(ours.pem.read_bytes())
    client = connect(hop.address, certificate=files, tls="encrypted")
    for replaced in (None, files.cert, files.key):
        if replaced:
            replaced.write_bytes(renewed.pem.read_bytes())
        assert told(await client.send(job())) == ["relayed 250 2.0.0"]
        hop.drop_connections()
        await hop.wait_for(lambda: not hop.live)
        await asyncio.sleep(0)
    assert shown == ["gateway.example", "gateway.example", "renewed.example"]


async def test_certificate_files_that_hang_hold_no_letter_for_ever(
    hops, connect, certificates, tmp_path, monkeypatch
):
    monkeypatch.setattr(smtp_tls, "FILES_LIMIT", 0.1)
    hop = await hops.start(tls=certificates.server)
    hanging = tmp_path / "pipe"
    os.mkfifo(hanging)
    client = connect(hop.address, certificate=Tls(cert=hanging, key=hanging))
    async with asyncio.timeout(5):
        sent = await client.send(job())
    assert (told(sent), sent.hop_failed) == (["delayed 451 4.3.5"], True)
    os.close(os.open(hanging, os.O_WRONLY))  # lets the thread go


@pytest.mark.parametrize("use", ["server_context(files)", "Contexts(hop)._make(verified=False)"])
def test_nobody_is_asked_for_the_password_of_a_key(tmp_path, certified, use):
    """A terminal is there when an administrator starts us by hand; the question would stop all."""
    key = ec.generate_private_key(ec.SECP256R1())
    (tmp_path / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    code = f"""
import ssl
from gateway.edge.smtp_tls import Contexts
from gateway.edge.tls import server_context
from gateway.settings import NextHop, Tls
files = Tls(cert="{certified("hop.example").pem}", key="{tmp_path}/key.pem")
hop = NextHop(address="smtp://127.0.0.1", certificate=files)
try:
    {use}
except ssl.SSLError:
    print("refused")
"""
    terminal, theirs = os.openpty()
    done = subprocess.run(
        [sys.executable, "-c", code], stdin=theirs, stdout=subprocess.PIPE, stderr=theirs,
        start_new_session=True, timeout=20, check=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )  # fmt: skip
    os.close(theirs)
    os.close(terminal)
    assert done.stdout == b"refused\n"


@pytest.mark.parametrize("greeting", [b"421 4.3.2 busy\r\n", b"554 5.7.1 go away\r\n"])
async def test_a_server_that_turns_us_away_is_passed_over(hops, connect, greeting):
    """RFC 5321, 5.1: of several addresses the next one is tried."""
    away = await hops.start(greeting=greeting, host="127.0.0.2")
    good = await hops.start(port=away.port)

    async def both(_name: str) -> list[str]:
        return ["127.0.0.2", "127.0.0.1"]

    address = f"smtp://hop.example:{away.port}"
    assert told(await connect(address, resolve=both).send(job())) == ["relayed 250 2.0.0"]
    assert (away.sessions, len(good.taken)) == (1, 1)


@pytest.mark.parametrize(("tls", "taken"), [("opportunistic", 2), ("required", 0)])
async def test_starttls_that_fails(hops, connect, certificates, tls, taken):
    """Mail in clear is better than no mail, unless TLS is required; tried once in a while only."""

    async def broken(server: Any, command: str) -> bool:
        if command == "STARTTLS":
            await server.push("454 4.7.0 TLS not available")
        return command == "STARTTLS"

    hop = await hops.start(tls=certificates.server, on_command=broken)
    client = connect(hop.address, tls=tls, trust=certificates.trust)
    await client.send(job())
    hop.drop_connections()
    await client.send(job())
    assert [letter.secure for letter in hop.taken] == [False] * taken
    assert hop.commands.count("STARTTLS") == (1 if taken else 2)


async def test_octets_slipped_in_before_tls_are_not_believed(hops, connect, certificates):
    """The server itself goes on to TLS: only the client can notice."""

    async def slip_in(server: Any, command: str) -> bool:
        if command == "STARTTLS":
            server.transport.write(b"220 go\r\n250-hop.example\r\n250 AUTH PLAIN\r\n")
            push = server.push

            async def not_again(_reply: str) -> None:
                server.push = push

            server.push = not_again
        return False

    hop = await hops.start(tls=certificates.server, on_command=slip_in)
    sent = await connect(hop.address, tls="required", trust=certificates.trust).send(job())
    assert told(sent) == ["delayed 451 4.7.5"]


@pytest.mark.parametrize("tls", ["opportunistic", "required"])
async def test_smtps(hops, connect, certificates, tls):
    hop = await hops.start(implicit=certificates.server)
    client = connect(hop.address, tls=tls, trust=certificates.trust)
    assert told(await client.send(job())) == ["relayed 250 2.0.0"]
    assert told(await client.send(job())) == ["relayed 250 2.0.0"]
    assert hop.taken[0].secure
    assert hop.sessions == 1


async def test_smtps_with_an_untrusted_certificate(hops, connect, certificates, other_certificates):
    hop = await hops.start(implicit=certificates.server)
    client = connect(hop.address, tls="required", trust=other_certificates.trust)
    assert told(await client.send(job())) == ["delayed 451 4.7.5"]
    assert not hop.taken


async def test_large_content_over_tls(hops, connect, certificates):
    hop = await hops.start(tls=certificates.server)
    content = b"Subject: x\r\n\r\n" + b".%070d\r\n" % 7 * 50_000
    sent = await connect(hop.address, timeout=60).send(job(content))
    assert told(sent) == ["relayed 250 2.0.0"]
    assert hop.taken[0].content == content
    assert hop.taken[0].secure


CREDENTIALS = {"user": "gateway", "password": "s3cret"}


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
async def test_credentials(hops, connect, certificates, mechanism):
    hop = await hops.start(tls=certificates.server, auth=True, mechanism=mechanism)
    client = connect(hop.address, tls="required", trust=certificates.trust, **CREDENTIALS)
    assert told(await client.send(job())) == ["relayed 250 2.0.0"]
    assert hop.taken[0].user == "gateway"


async def test_wrong_credentials_are_no_fault_of_the_letter(hops, connect, certificates):
    hop = await hops.start(tls=certificates.server, auth=True)
    client = connect(hop.address, user="gateway", password="wrong")
    sent = await client.send(job())
    assert told(sent) == ["delayed 451 4.7.8"]
    assert sent.hop_failed
    assert "wrong" not in str(sent)


async def test_credentials_never_go_in_clear(hops, connect):
    heard: list[bytes] = []

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hop.example\r\n")
        heard.append(await reader.readline())
        writer.write(b"250-hop.example\r\n250 AUTH PLAIN LOGIN\r\n")
        heard.append(await reader.read())

    sent = await connect(await hops.raw(script), **CREDENTIALS).send(job())
    assert told(sent) == ["delayed 451 4.7.4"]
    assert heard[0].startswith(b"EHLO mx.gateway.example")
    assert b"AUTH" not in b"".join(heard)


# --- what the extensions allow -----------------------------------------------------------------


async def test_parameters_of_mail_when_offered(hops, connect):
    hop = await hops.start(extensions=("PIPELINING", "SMTPUTF8"))
    client = connect(hop.address)
    await client.send(job(b"\xc3\xa4\r\n"))
    await client.send(job(b"a\r\n"))
    await client.send(job(b"\xc3\xa4\r\n", smtputf8=True))
    assert [set(taken.options) for taken in hop.taken] == [
        {"SIZE=4", "BODY=8BITMIME"},
        {"SIZE=3"},
        {"SIZE=4", "BODY=8BITMIME", "SMTPUTF8"},
    ]


@pytest.mark.parametrize(("extensions", "seen"), [(("SMTPUTF8",), True), ((), False)])
async def test_what_was_seen_of_smtputf8(hops, connect, extensions, seen):
    client = connect((await hops.start(extensions=extensions)).address)
    assert not client.takes_utf8, "nothing was seen yet"
    await client.send(job(LETTER))
    assert client.takes_utf8 is seen


async def test_international_addresses(hops, connect):
    hop = await hops.start(extensions=("PIPELINING", "SMTPUTF8"))
    letter = job(LETTER, "grüße@läden.example")
    assert told(await connect(hop.address).send(letter)) == ["relayed 250 2.0.0"]
    assert hop.taken[0].recipients == ["grüße@läden.example"]
    hop = await hops.start()
    assert told(await connect(hop.address).send(letter)) == ["failed 553 5.6.7"]


async def test_an_international_domain_alone_needs_no_extension(hops, connect):
    hop = await hops.start()
    letter = job(LETTER, "jane@läden.example", reverse_path="info@läden.example")
    assert told(await connect(hop.address).send(letter)) == ["relayed 250 2.0.0"]
    assert hop.taken[0].recipients == ["jane@xn--lden-loa.example"]
    assert hop.taken[0].sender == "info@xn--lden-loa.example"


async def test_eight_bits_to_a_seven_bit_hop_go_as_they_are_and_are_remarked(hops, connect):
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hop.example\r\n")
        await reader.readline()
        writer.write(HELLO)
        for _ in range(3):
            await reader.readuntil(b"DATA\r\n")
            writer.write(b"250 ok\r\n250 ok\r\n354 go on\r\n")
            heard.append(await reader.readuntil(b"\r\n.\r\n"))
            writer.write(b"250 2.0.0 taken\r\n")

    heard: list[bytes] = []
    client = connect(await hops.raw(script))
    assert (await client.send(job(b"\xe4\r\n"))).remarks == ("8-bit content to a 7-bit next hop",)
    letter = job("Subject: grüße\r\n\r\n".encode(), smtputf8=True)
    (remark,) = (await client.send(letter)).remarks
    assert remark == "an internationalised message to a next hop without SMTPUTF8"
    assert (await client.send(job(b"a\r\n"))).remarks == ()
    assert heard == [b"\xe4\r\n.\r\n", bytes(letter.content[:]) + b".\r\n", b"a\r\n.\r\n"]


async def test_a_server_without_ehlo(hops, connect):
    async def old(server: Any, command: str) -> bool:
        if command == "EHLO":
            await server.push("502 5.5.1 what?")
        return command == "EHLO"

    hop = await hops.start(on_command=old)
    assert told(await connect(hop.address).send(job())) == ["relayed 250 2.0.0"]


@pytest.mark.parametrize(
    "address",
    [
        "a@shop.example>\r\nRSET\r\n",
        "a@shop.example\n",
        "a@shop.example> SIZE=1",
        "a b@shop.example",
        "<a@shop.example",
        "",
    ],
)
async def test_no_command_can_be_slipped_in_with_an_address(hops, connect, address):
    hop = await hops.start()
    client = connect(hop.address)
    assert told(await client.send(job(LETTER, address))) == ["failed 553 5.1.3"]
    assert not hop.taken
    assert "RSET" not in hop.commands


async def test_an_impossible_recipient_stops_no_other(hops, connect):
    hop = await hops.start()
    sent = await connect(hop.address).send(job(LETTER, "a@b@c>", "b@shop.example"))
    assert told(sent) == ["failed 553 5.1.3", "relayed 250 2.0.0"]
    assert hop.taken[0].recipients == ["b@shop.example"]


@pytest.mark.parametrize("address", ['"a b"@shop.example', "postmaster", "o'neil+x=y@shop.example"])
async def test_odd_addresses_that_are_allowed(hops, connect, address):
    hop = await hops.start()
    assert told(await connect(hop.address).send(job(LETTER, address))) == ["relayed 250 2.0.0"]
    assert hop.taken[0].recipients == [address]


async def test_the_null_reverse_path(hops, connect):
    hop = await hops.start()
    await connect(hop.address).send(job(LETTER, reverse_path=""))
    assert hop.taken[0].sender in ("", "<>")


async def test_reply_texts_are_data(hops, connect):
    text = "550-5.1.1 line \x1b[31m one\r\n550-5.1.1 tw\u202eo\xff\r\n550 5.1.1 " + "x" * 3000

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hop.example\r\n")
        await reader.readline()
        writer.write(HELLO)
        await reader.readuntil(b"DATA\r\n")
        writer.write(b"250 ok\r\n" + text.encode() + b"\r\n503 5.5.1 none\r\n")

    sent = await connect(await hops.raw(script)).send(job())
    reply = sent.outcomes[0].reply
    assert reply.enhanced == "5.1.1"
    assert reply.text.startswith("line  [31m one tw oÿ xxx")
    assert len(reply.text) == 400
    assert reply.text.isprintable()
