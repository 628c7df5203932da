"""A balancer in front says who the client is (PROXY protocol); TLS from the first octet."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gateway.edge import door
from gateway.edge.proxy import Malformed, read_client
from gateway.settings import Listener

BOTH_LOOPS = True

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
LETTER = b"Subject: hello\r\n\r\nhello\r\n"
BALANCERS = ("127.0.0.1/32",)
V1 = b"PROXY TCP4 198.51.100.7 192.0.2.1 51234 25\r\n"


def v2(source: str, *, command: int = 0x21, family: int | None = None, more: bytes = b"") -> bytes:
    address = ipaddress.ip_address(source)
    other = ipaddress.ip_address("192.0.2.1" if address.version == 4 else "2001:db8::1")
    body = address.packed + other.packed + struct.pack("!HH", 51234, 25) + more
    kind = family if family is not None else {4: 0x11, 6: 0x21}[address.version]
    return SIGNATURE + struct.pack("!BBH", command, kind, len(body)) + body


def reading(octets: bytes) -> tuple[Any, list[bytes]]:
    rest = [octets]

    async def read(count: int) -> bytes:
        found, rest[0] = rest[0][:count], rest[0][count:]
        if len(found) < count:
            raise EOFError
        return found

    return read, rest


# --- the header --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "client"),
    [
        (V1, "198.51.100.7"),
        (b"PROXY TCP6 2001:DB8:0::7 2001:db8::1 0 65535\r\n", "2001:db8::7"),
        (b"PROXY TCP6 ::ffff:198.51.100.7 ::1 1 2\r\n", "198.51.100.7"),
        (b"PROXY UNKNOWN\r\n", None),
        (b"PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n", None),
        (v2("198.51.100.7"), "198.51.100.7"),
        (v2("2001:db8::7", more=b"\x05\x00\x03abc"), "2001:db8::7"),
        (v2("198.51.100.7", command=0x20), None),
        (SIGNATURE + b"\x20\x00\x00\x00", None),
    ],
)
async def test_a_header_and_not_an_octet_more(header, client):
    read, rest = reading(header + b"EHLO client.example\r\n")
    assert await read_client(read) == client
    assert rest == [b"EHLO client.example\r\n"]


@pytest.mark.parametrize(
    "octets",
    [
        b"EHLO client.example\r\n",
        b"PROXY TCP4 198.51.100.7 192.0.2.1 51234\r\n",
        b"PROXY TCP4 198.51.100.7 192.0.2.1 51234 25\n",
        b"PROXY TCP4  198.51.100.7 192.0.2.1 51234 25\r\n",
        b"PROXY TCP4 198.51.100.7 192.0.2.1 51234 65536\r\n",
        b"PROXY TCP4 198.51.100.7 192.0.2.1 01 25\r\n",
        b"PROXY TCP4 198.51.100.777 192.0.2.1 51234 25\r\n",
        b"PROXY TCP4 2001:db8::7 2001:db8::1 51234 25\r\n",
        b"PROXY TCP6 198.51.100.7 192.0.2.1 51234 25\r\n",
        b"PROXY TCP9 198.51.100.7 192.0.2.1 51234 25\r\n",
        b"proxy TCP4 198.51.100.7 192.0.2.1 51234 25\r\n",
        b"PROXY " + b"x" * 200,
        SIGNATURE + b"\x11\x11\x00\x0c" + bytes(12),
        SIGNATURE + b"\x22\x11\x00\x0c" + bytes(12),
        SIGNATURE + b"\x21\x12\x00\x0c" + bytes(12),
        SIGNATURE + b"\x21\x00\x00\x00",
        SIGNATURE + b"\x21\x11\x00\x0b" + bytes(11),
        SIGNATURE + b"\x21\x21\x00\x0c" + bytes(12),
        SIGNATURE + b"\x21\x11\xff\xff" + bytes(100),
    ],
)
async def test_what_is_no_header(octets):
    read, _ = reading(octets)
    with pytest.raises(Malformed):
        await read_client(read)


@given(st.binary(max_size=150) | st.binary(max_size=150).map(lambda rest: SIGNATURE + rest)
       | st.binary(max_size=150).map(lambda rest: b"PROXY TCP4 " + rest))  # fmt: skip
def test_any_octets_are_an_address_or_no_header(octets):
    read, _ = reading(octets)
    try:
        client = asyncio.run(read_client(read))
    except (Malformed, EOFError):
        return
    assert client is None or ipaddress.ip_address(client)


# --- over sockets ------------------------------------------------------------------------------


@pytest.mark.parametrize("header", [V1, v2("198.51.100.7")], ids=["v1", "v2"])
async def test_the_client_is_whom_the_balancer_names(open_house, header):
    house = await open_house(proxy_from=BALANCERS)
    client = await house.client()
    client.send(header)
    await client.hello()
    assert (await client.message(LETTER)).startswith("250 ")
    assert house.arrivals[0].session.client_ip == "198.51.100.7"
    assert house.contents() == [LETTER]


async def test_a_header_in_small_pieces(open_house):
    house = await open_house(proxy_from=BALANCERS)
    client = await house.client()
    for octet in V1:
        client.send(bytes([octet]))
        await client.writer.drain()
        await asyncio.sleep(0)
    assert (await client.reply()).startswith("220 ")


async def test_a_balancer_that_speaks_for_itself_is_the_client(open_house):
    house = await open_house(proxy_from=BALANCERS)
    client = await house.client()
    client.send(SIGNATURE + b"\x20\x00\x00\x00")
    await client.hello()
    await client.message(LETTER)
    assert house.arrivals[0].session.client_ip == "127.0.0.1"


@pytest.mark.parametrize(
    "octets", [b"EHLO client.example\r\n", b"PROXY TCP4 1 2 3 4\r\n", SIGNATURE + bytes(4), b"PRO"]
)
async def test_without_its_header_a_balancer_is_hung_up_on(open_house, octets):
    house = await open_house(proxy_from=BALANCERS)
    client = await house.client()
    client.send(octets)
    if octets == b"PRO":
        client.writer.write_eof()
    assert await client.ended()
    assert house.refusals() == ["proxy"]
    assert house.arrivals == []


async def test_a_balancer_that_only_looks_is_no_news(open_house):
    """Its health check: every other second, for ever."""
    house = await open_house(proxy_from=BALANCERS)
    client = await house.client()
    client.writer.write_eof()
    assert await client.ended()
    assert house.refusals() == []


async def test_a_balancer_that_looks_and_resets_is_no_news(open_house):
    """HAProxy's check of a port ends with a reset."""
    house = await open_house(proxy_from=BALANCERS)
    client = await house.client()
    sock = client.writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.writer.transport.abort()
    other = await house.client()
    other.send(V1)
    await other.hello()
    await house.receiver.drain(1)
    assert house.refusals() in (["draining"], [])


async def test_a_silent_balancer_is_hung_up_on(open_house, monkeypatch):
    monkeypatch.setattr(door, "HEADER_SECONDS", 0.05)
    house = await open_house(proxy_from=BALANCERS)
    assert await (await house.client()).ended()
    assert house.refusals() == ["proxy"]


async def test_others_cannot_say_who_they_are(open_house):
    """A header from an address that is no balancer's is an early word, or no command."""
    house = await open_house(proxy_from=("192.0.2.0/24",))
    early, late, plain = [await house.client() for _ in range(3)]
    early.send(V1)
    assert (await early.reply()).startswith(("554 5.5.1 ", "220 "))
    await early.ended()
    assert (await late.reply()).startswith("220 ")
    assert (await late.say(V1.decode().strip())).startswith("421 4.7.0 ")
    assert await late.ended()
    await plain.hello()
    await plain.message(LETTER)
    assert [arrival.session.client_ip for arrival in house.arrivals] == ["127.0.0.1"]


async def test_limits_count_the_clients_behind_the_balancer(open_house):
    house = await open_house(proxy_from=BALANCERS, limits={"connections_per_client": 1})
    clients = [await house.client() for _ in range(3)]
    for client, last in zip(clients, ("7", "7", "8"), strict=True):
        client.send(V1.replace(b"100.7", b"100." + last.encode()))
        reply = await client.reply()
        assert reply.startswith("421 4.7.0 " if client is clients[1] else "220 ")


async def test_starttls_behind_a_balancer(open_house, certificate):
    house = await open_house(proxy_from=BALANCERS, tls=certificate())
    client = await house.client()
    client.send(V1)
    await client.hello()
    await client.start_tls()
    await client.say("EHLO client.example")
    await client.message(LETTER)
    session = house.arrivals[0].session
    assert (session.client_ip, session.protocol) == ("198.51.100.7", "ESMTPS")


async def talk_tls(
    host_port: tuple[str, int], certificate: Any, header: bytes, source: str = "127.0.0.1"
) -> list[bytes]:
    """A client that sends its header and its first octets of TLS in one segment."""
    context = ssl.create_default_context(cafile=str(certificate.cert))
    coming, going = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(coming, going, server_hostname="mx.gateway.example")
    reader, writer = await asyncio.open_connection(*host_port, local_addr=(source, 0))
    said = [
        b"EHLO client.example\r\n",
        b"MAIL FROM:<a@client.example>\r\n",
        b"RCPT TO:<support@shop.example>\r\n",
        b"DATA\r\n",
        LETTER + b".\r\n",
        b"QUIT\r\n",
    ]
    replies: list[bytes] = []
    first = header

    async def step(work: Any) -> Any:
        nonlocal first
        while True:
            try:
                result = work()
            except ssl.SSLWantReadError:
                result = None
            writer.write(first + going.read())
            first = b""
            if result is not None:
                return result
            octets = await asyncio.wait_for(reader.read(65536), 10)
            assert octets
            coming.write(octets)

    await step(lambda: tls.do_handshake() or True)
    replies.append(await step(lambda: tls.read(65536)))
    for line in said:
        tls.write(line)
        replies.append(await step(lambda: tls.read(65536)))
    writer.close()
    return replies


@pytest.mark.parametrize("header", [b"", V1, v2("198.51.100.7")], ids=["none", "v1", "v2"])
async def test_tls_from_the_first_octet(open_house, certificate, header):
    house = await open_house(
        proxy_from=BALANCERS if header else (), tls=certificate(), implicit_tls=True
    )
    new = certificate()
    house.receiver.reload_tls()
    replies = await talk_tls(house.host_port, new, header)
    assert replies[0].startswith(b"220 ")
    assert b"STARTTLS" not in replies[1]
    assert [reply[:3] for reply in replies[2:]] == [b"250", b"250", b"354", b"250", b"221"]
    session = house.arrivals[0].session
    assert session.client_ip == ("198.51.100.7" if header else "127.0.0.1")
    assert session.protocol == "ESMTPS"
    assert session.tls.startswith("TLSv1.3 ")


async def test_no_tls_no_session(open_house, certificate):
    house = await open_house(tls=certificate(), implicit_tls=True)
    client = await house.client()
    client.send(b"EHLO client.example\r\n")
    await client.ended()
    assert house.refusals() == ["tls"]


async def test_a_client_without_handshakes_keeps_nobody_out(open_house, certificate):
    """The limit for each client holds before it is inside, or one client would be enough."""
    limits = {"connections": 8, "connections_per_client": 3, "loopback": True}
    shown = certificate()
    house = await open_house(tls=shown, implicit_tls=True, limits=limits)
    silent = [await house.client("127.0.0.9") for _ in range(8)]
    for client in silent[3:]:
        assert await client.ended()
    replies = await talk_tls(house.host_port, shown, b"", "127.0.0.2")
    assert replies[0].startswith(b"220 ")
    assert house.refusals() == ["connections"] * 5


async def test_drained_it_takes_nobody(open_house):
    house = await open_house(proxy_from=BALANCERS)
    waiting, inside = await house.client(), await house.client()
    inside.send(V1)
    await inside.hello()
    await house.receiver.drain(1)
    assert (await inside.reply()).startswith("421 4.3.2 ")
    assert await inside.ended()
    assert await waiting.ended()
    with pytest.raises(OSError, match=r"refused|Connect call failed"):
        await house.client()


def test_settings():
    with pytest.raises(ValidationError, match="certificate"):
        Listener(address="127.0.0.1:0", implicit_tls=True)
    with pytest.raises(ValidationError, match="network"):
        Listener(address="127.0.0.1:0", proxy_from=("192.0.2.1/24",))
    assert Listener(address="127.0.0.1:0", proxy_from=("192.0.2.1",)).proxy_from == (
        "192.0.2.1/32",
    )
