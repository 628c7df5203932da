"""Where the receiver listens, and what several of them share."""

from __future__ import annotations

import asyncio
import socket

import pytest

from gateway.edge.admission import Admission

BOTH_LOOPS = True

LETTER = b"Subject: hello\r\n\r\nhello\r\n"


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 loopback here")
async def test_ipv6(open_house):
    house = await open_house(address="[::1]:0")
    assert house.address.startswith("[::1]:")
    client = await house.client()
    await client.hello()
    assert (await client.message(LETTER)).startswith("250 ")
    assert house.arrivals[0].session.client_ip == "::1"


async def test_the_address_bound_is_told(open_house):
    house = await open_house()
    assert house.events[0] == ("listening", {"protocol": "smtp", "address": house.address})


async def test_a_taken_port_is_an_error(open_house):
    house = await open_house()
    with pytest.raises(OSError, match="in use"):
        await open_house(address=house.address)


async def test_workers_share_a_port(open_house):
    first = await open_house(reuse_port=True)
    second = await open_house(address=first.address, reuse_port=True)
    await second.receiver.drain(1)
    client = await first.client()
    await client.hello()
    assert (await client.message(LETTER)).startswith("250 ")


async def test_listeners_of_one_process_share_its_places(open_house):
    admission = Admission(1, 1)
    first = await open_house(admission=admission)
    second = await open_house(admission=admission)
    client = await first.client()
    await client.hello()
    late = await second.client()
    assert (await late.reply()).startswith("421 4.3.2 ")
    assert await client.say("QUIT") == "221 2.0.0 Bye"
    assert await client.ended()
    again = await second.client()
    assert (await again.reply()).startswith("220 ")


async def test_a_crowd_at_once(open_house):
    house = await open_house(limits={"connections": 300})

    async def one(number: int) -> None:
        client = await house.client()
        await client.hello()
        reply = await client.message(b"%d\r\n" % number)
        assert reply.startswith("250 ")
        assert (await client.say("QUIT")).startswith("221 ")
        await client.close()

    await asyncio.gather(*(one(number) for number in range(200)))
    assert sorted(house.contents()) == sorted(b"%d\r\n" % number for number in range(200))
    assert len({arrival.queue_id for arrival in house.arrivals}) == 200


@pytest.mark.parametrize("proxy_from", [(), ("127.0.0.1/32",)])
async def test_small_replies_are_not_held_back(open_house, proxy_from):
    house = await open_house(proxy_from=proxy_from)
    client = await house.client()
    if proxy_from:
        client.send(b"PROXY TCP4 198.51.100.7 192.0.2.1 51234 25\r\n")
    await client.hello()
    (session,) = house.receiver._service.open
    connection = session.transport.get_extra_info("socket")
    assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def test_the_replies_to_a_group_go_out_in_one_write(open_house):
    """RFC 2920, 3.2: a pipelining client waits once."""
    house = await open_house()
    client = await house.client()
    await client.hello()
    (session,) = house.receiver._service.open
    written: list[bytes] = []
    write = session.transport.write

    class Listening:
        def __getattr__(self, name: str) -> object:
            return getattr(transport, name)

        def write(self, octets: bytes) -> None:
            written.append(octets)
            write(octets)

    transport, session.transport = session.transport, Listening()
    await client.envelope("support@shop.example", "orders@shop.example")
    assert [octets.count(b"\r\n") for octets in written] == [4]
