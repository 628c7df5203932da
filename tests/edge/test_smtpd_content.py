"""Content arrives octet for octet, on both event loops, and nothing but CRLF.CRLF ends it."""

from __future__ import annotations

import asyncio
import hashlib
import mmap
import random
import smtplib
import tracemalloc

import pytest

LETTER = b"From: Ann <ann@client.example>\r\nSubject: where is it\r\n\r\nNo box came.\r\n"


BOTH_LOOPS = True


async def test_the_loop_is_the_one_named(request):
    kind = type(asyncio.get_running_loop()).__module__.partition(".")[0]
    assert kind in request.node.name


@pytest.mark.parametrize(
    ("sent", "content"),
    [
        (b"", b""),
        (b"\r\n", b"\r\n"),
        (b"a\r\n", b"a\r\n"),
        (b"..\r\n", b".\r\n"),
        (b".x\r\n", b"x\r\n"),
        (b"...\r\n", b"..\r\n"),
        (b"\r\n..\r\n", b"\r\n.\r\n"),
        (b"a\r\n..b\r\nc.\r\n", b"a\r\n.b\r\nc.\r\n"),
        (LETTER, LETTER),
        (b"a\0b\0\r\n", b"a\0b\0\r\n"),
        (b"Subject: \xe4\xff\r\n\r\n\x80\r\n", b"Subject: \xe4\xff\r\n\r\n\x80\r\n"),
        (b"x" * 5000 + b"\r\n", b"x" * 5000 + b"\r\n"),
        (b"tab\tbell\x07del\x7f\r\n", b"tab\tbell\x07del\x7f\r\n"),
    ],
)
async def test_what_is_sent_is_what_arrives(open_house, sent, content):
    house = await open_house()
    client = await house.client()
    await client.hello()
    assert (await client.message(sent)).startswith("250 2.0.0 Ok: queued as ")
    assert house.contents() == [content]
    assert await client.say("QUIT") == "221 2.0.0 Bye"
    assert await client.ended()


@pytest.mark.parametrize("cut", range(1, 12))
async def test_the_end_is_found_however_the_octets_are_cut(open_house, cut):
    house = await open_house()
    client = await house.client()
    await client.hello()
    await client.envelope()
    octets = b"a\r\n..\r\nb\r\n.\r\n"
    for start in range(0, len(octets), cut):
        client.send(octets[start : start + cut])
        await asyncio.sleep(0)
    assert (await client.reply()).startswith("250 ")
    assert house.contents() == [b"a\r\n.\r\nb\r\n"]


SMUGGLED = (
    b"MAIL FROM:<evil@client.example>\r\nRCPT TO:<support@shop.example>\r\nDATA\r\nforged\r\n"
)


@pytest.mark.parametrize(
    "almost",
    [
        b"\n.\n",
        b"\n.\r\n",
        b"\r\n.\n",
        b"\r.\r",
        b"\r.\r\n",
        b"\r\n.\r",
        b"\n.\r",
        b"\r\n.\r\r\n",
        b"\r\r\n.\r\r\n",
        b"\n\n.\r\n",
    ],
    ids=repr,
)
async def test_nothing_else_ends_the_data_and_bare_ends_never_pass(open_house, almost):
    """SMTP smuggling: what another server takes for the end is content here, and refused."""
    house = await open_house()
    client = await house.client()
    await client.hello()
    reply = await client.message(b"first" + almost + SMUGGLED)
    assert reply.startswith("554 5.6.0 ")
    assert house.arrivals == []
    assert (await client.message(LETTER)).startswith("250 "), "the session goes on"
    assert house.contents() == [LETTER]


@pytest.mark.parametrize("almost", [b"\r\n.\0\r\n", b"\r\n\0.\r\n", b"\r\n. \r\n", b"\r\n..\r\n"])
async def test_lines_like_the_final_dot_are_content(open_house, almost):
    house = await open_house()
    client = await house.client()
    await client.hello()
    assert (await client.message(b"first" + almost + SMUGGLED)).startswith("250 ")
    assert len(house.arrivals) == 1
    assert house.contents()[0].endswith(b"forged\r\n")


async def test_messages_may_be_pipelined_one_after_the_other(open_house):
    house = await open_house()
    client = await house.client()
    await client.hello()
    commands = b"MAIL FROM:<>\r\nRCPT TO:<support@shop.example>\r\nDATA\r\n"
    client.send(commands)
    for number in range(3):
        for code in ("250", "250", "354"):
            assert (await client.reply()).startswith(code)
        client.send(b"%d\r\n.\r\n" % number + (commands if number < 2 else b"QUIT\r\n"))
        assert (await client.reply()).startswith("250 2.0.0 Ok: queued as ")
    assert (await client.reply()).startswith("221 ")
    assert house.contents() == [b"0\r\n", b"1\r\n", b"2\r\n"]
    assert len({arrival.queue_id for arrival in house.arrivals}) == 3


async def test_an_ordinary_client_library_is_served(open_house):
    house = await open_house()
    big = LETTER + (b".starts with a dot\r\n" * 100_000)

    def talk() -> None:
        with smtplib.SMTP(*house.host_port, timeout=20) as client:
            for content in (LETTER, big):
                client.sendmail("ann@client.example", ["support@shop.example"], content)

    await asyncio.to_thread(talk)
    assert house.contents() == [LETTER, big]


async def test_large_content_is_mapped_not_held(open_house):
    """Fifty megabytes of dots and line ends arrive whole, and the heap stays small."""
    house = await open_house(memory=64 << 20)
    line = b"." + b"y" * 96 + b"\r\n"
    block, blocks = line * 1000, 520
    sent_hash = hashlib.sha256()
    for _ in range(blocks):
        sent_hash.update(block)
    client = await house.client()
    await client.hello()
    await client.envelope()
    tracemalloc.start()
    try:
        stuffed = block.replace(b"\r\n.", b"\r\n..")
        for _ in range(blocks):
            client.send(b"." + stuffed)
            await client.writer.drain()
        client.send(b".\r\n")
        assert (await client.reply()).startswith("250 ")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    content = house.arrivals[0].content
    assert isinstance(content, mmap.mmap)
    assert len(content) == 99_000 * blocks > 50_000_000
    assert hashlib.sha256(content).digest() == sent_hash.digest()
    assert peak < 6 << 20, "heap of server and client together"
    assert list(house.spool.iterdir()) == [], "the file has no name"
    assert house.budget.used == 0


@pytest.mark.parametrize("size", [(1 << 20) - 1, 1 << 20, (1 << 20) + 1, 262144 * 5 + 3])
async def test_every_offset_of_a_piece_is_unstuffed_alike(open_house, size):
    """Dots and ends fall on the borders of the pieces that are handled at a time."""
    random.seed(size)
    lines = []
    total = 0
    while total < size:
        line = random.choice((b"", b".", b"..", b".a", b"b" * random.randrange(200))) + b"\r\n"
        lines.append(line)
        total += len(line)
    content = b"".join(lines)
    house = await open_house()
    client = await house.client()
    await client.hello()
    stuffed = b"".join((b"." + line if line[:1] == b"." else line) for line in lines)
    assert (await client.message(stuffed)).startswith("250 ")
    assert house.contents() == [content]


async def test_bare_ends_are_seen_on_the_border_of_pieces_too(open_house):
    house = await open_house()
    client = await house.client()
    await client.hello()
    for border in (b"\r", b"\n"):
        letter = b"a" * (256 << 10) + border + b"b" * (256 << 10) + b"\r\n"
        for shift in range(6):
            assert (await client.message(letter[shift:])).startswith("554 5.6.0 ")
    assert house.arrivals == []
    assert (await client.message(b"c" * (256 << 10) + b"\r\n")).startswith("250 ")
