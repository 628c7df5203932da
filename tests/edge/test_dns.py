from __future__ import annotations

import asyncio
import struct
from contextlib import asynccontextmanager

import pytest

from gateway.edge.dns import Cache, NetworkResolver
from gateway.edge.dns_wire import FORMERR, Record, read_question, write_response
from gateway.edge.zone_server import serve_zone
from gateway.resolver import Answer, DnsError, Zone

ZONE = {
    "shop.example": {
        "A": ["192.0.2.1", "192.0.2.2"],
        "AAAA": ["2001:db8::1"],
        "MX": ["10 mx.shop.example", "20 mx2.shop.example"],
        "NS": ["ns.shop.example"],
        "TXT": ["v=spf1 -all", "two\\ strings"],
    },
    "www.shop.example": {"CNAME": ["shop.example"]},
    "1.2.0.192.in-addr.arpa": {"PTR": ["mail.shop.example"]},
    "long.shop.example": {"TXT": ["x" * 700]},
    "huge.shop.example": {"TXT": ["y" * 60_000]},
    "broken.shop.example": {"*": DnsError},
    "loop.shop.example": {"CNAME": ["pool.shop.example"]},
    "pool.shop.example": {"CNAME": ["loop.shop.example"]},
    "jane+news._spf.shop.example": {"A": ["127.0.0.2"]},
    "back\\slash.shop.example": {"A": ["127.0.0.3"]},
    "xn--mller-kva.example": {"TXT": ["grüße"]},
    "huge+odd.shop.example": {"TXT": ["z" * 5000]},
    "odd+alias.shop.example": {"CNAME": ["shop.example"]},
}


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Silent:
    """Takes every question and never answers."""

    async def query(self, name: str, kind: str) -> Answer:
        await asyncio.Event().wait()
        raise AssertionError


@asynccontextmanager
async def resolving(zone=ZONE, seconds=5.0, **options):
    async with serve_zone(zone) as address:
        resolver = NetworkResolver([address], seconds, **options)
        try:
            yield resolver
        finally:
            await resolver.close()


async def test_every_kind_of_record():
    async with resolving() as resolver:
        for name, records in ZONE.items():
            for kind, texts in records.items():
                if kind in ("A", "AAAA", "MX", "NS", "TXT", "PTR"):
                    answer = await resolver.query(name, kind)
                    assert sorted(answer.records) == sorted(texts), (name, kind)
                    assert answer.exists
                    assert answer.ttl == 300


async def test_agrees_with_the_dictionary():
    """Both faces of Resolver say the same, for names that are there and names that are not."""
    names = [
        *ZONE,
        "no.shop.example",
        "example",
        "_spf.shop.example",
        "a..b",
        "x" * 64 + ".example",
    ]
    zone = Zone(ZONE)
    async with resolving() as resolver:
        for name in names:
            for kind in ("A", "AAAA", "MX", "TXT", "PTR", "NS"):
                try:
                    expected = await zone.query(name, kind)
                except DnsError:
                    with pytest.raises(DnsError):
                        await resolver.query(name, kind)
                    continue
                answer = await resolver.query(name, kind)
                assert answer.records == expected.records, (name, kind)
                assert answer.exists == expected.exists, (name, kind)


async def test_aliases_are_followed():
    async with resolving() as resolver:
        assert (await resolver.query("www.shop.example", "MX")).records == (
            "10 mx.shop.example",
            "20 mx2.shop.example",
        )
        assert (await resolver.query("www.shop.example", "CNAME")).records == ("shop.example",)
        assert (await resolver.query("odd+alias.shop.example", "A")).records
        with pytest.raises(DnsError):
            await resolver.query("loop.shop.example", "A")


async def test_an_alias_without_its_target_is_followed():
    """A server that only knows the alias leaves the rest to us."""

    async def answer(query: bytes) -> bytes:
        question = read_question(query)
        if question.name == "www.shop.example":
            records = [Record("www.shop.example", "CNAME", 60, "shop.example")]
        else:
            records = [Record("shop.example", "A", 300, "192.0.2.7")]
        return write_response(question, 0, records, 1232)

    async with raw_server(answer) as address:
        resolver = NetworkResolver([address], 5.0)
        answer = await resolver.query("www.shop.example", "A")
        await resolver.close()
    assert answer == Answer(("192.0.2.7",), ttl=60)


@asynccontextmanager
async def raw_server(answer):
    class Protocol(asyncio.DatagramProtocol):
        def connection_made(self, transport):
            self.transport = transport

        def datagram_received(self, data, addr):
            task = asyncio.ensure_future(answer(data))
            task.add_done_callback(lambda done: self.transport.sendto(done.result(), addr))

    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Protocol, local_addr=("127.0.0.1", 0))
    try:
        yield f"127.0.0.1:{transport.get_extra_info('sockname')[1]}"
    finally:
        transport.close()


async def test_cut_answers_come_over_tcp():
    async with resolving() as resolver:
        assert (await resolver.query("long.shop.example", "TXT")).records == ("x" * 700,)
        assert (await resolver.query("huge.shop.example", "TXT")).records == ("y" * 60_000,)
        assert (await resolver.query("huge+odd.shop.example", "TXT")).records == ("z" * 5000,)


async def test_ipv6_server():
    async with serve_zone(ZONE, "::1") as address:
        assert address.startswith("[::1]:")
        resolver = NetworkResolver([address], 5.0)
        assert (await resolver.query("shop.example", "AAAA")).records == ("2001:db8::1",)
        assert (await resolver.query("jane+news._spf.shop.example", "A")).records == ("127.0.0.2",)
        await resolver.close()


async def test_names_that_cannot_be():
    async with resolving() as resolver:
        for name in (
            "",
            ".",
            "a..b",
            "x" * 64 + ".example",
            ".".join(["abcdefg"] * 40),
            "\ud800.x",
        ):
            assert await resolver.query(name, "A") == Answer((), exists=False, ttl=60)


async def test_u_labels_are_asked_for_as_a_labels():
    async with resolving() as resolver:
        assert (await resolver.query("Müller.example", "TXT")).records == ("grüße",)


async def test_failure_is_not_absence():
    async with resolving() as resolver:
        with pytest.raises(DnsError, match="server failure"):
            await resolver.query("broken.shop.example", "TXT")
        assert not (await resolver.query("nobody.shop.example", "TXT")).exists
        assert (await resolver.query("shop.example", "PTR")).exists


@pytest.mark.parametrize("name", ["shop.example", "odd+name.shop.example"])
async def test_a_silent_server_costs_the_time_limit_and_no_more(name):
    async with resolving(Silent(), seconds=0.3) as resolver:
        begin = asyncio.get_running_loop().time()
        with pytest.raises(DnsError, match="timeout"):
            await resolver.query(name, "TXT")
        assert asyncio.get_running_loop().time() - begin < 0.6


async def test_a_dead_server_is_known_for_a_while():
    clock = Clock()
    async with serve_zone(ZONE) as address:
        pass
    resolver = NetworkResolver([address], 1.0, clock=clock)
    for _ in range(50):
        with pytest.raises(DnsError):
            await resolver.query("shop.example", "TXT")
    async with serve_zone(ZONE, port=int(address.rpartition(":")[2])):
        with pytest.raises(DnsError):
            await resolver.query("shop.example", "TXT")
        clock.now += 6
        assert (await resolver.query("shop.example", "TXT")).records
    await resolver.close()


async def test_a_hundred_askers_make_one_query():
    zone = Zone(ZONE)
    async with resolving(zone) as resolver:
        answers = await asyncio.gather(*(resolver.query("SHOP.example", "TXT") for _ in range(100)))
    assert len(set(answers)) == 1
    assert zone.asked.count(("shop.example", "TXT")) == 1


async def test_who_gives_up_waiting_takes_nothing_from_the_others():
    gate = asyncio.Event()

    class Slow(Zone):
        async def query(self, name: str, kind: str) -> Answer:
            await gate.wait()
            return await super().query(name, kind)

    async with resolving(Slow(ZONE)) as resolver:
        patient = asyncio.ensure_future(resolver.query("shop.example", "A"))
        hasty = asyncio.ensure_future(resolver.query("shop.example", "A"))
        await asyncio.sleep(0)
        hasty.cancel()
        gate.set()
        assert (await patient).records == ("192.0.2.1", "192.0.2.2")
        assert hasty.cancelled()


def test_answers_are_kept_as_long_as_they_may_be():
    clock = Clock()
    cache = Cache(clock, entries=10, weight=10_000)
    cache.put(("a", "A"), Answer(("a",), ttl=300))
    cache.put(("b", "A"), Answer((), exists=False, ttl=60))
    cache.put(("c", "A"), DnsError("timeout"))
    clock.now += 4
    assert [bool(cache.get((name, "A"))) for name in "abc"] == [True, True, True]
    clock.now += 55
    assert [bool(cache.get((name, "A"))) for name in "abc"] == [True, True, False]
    clock.now += 240
    assert [bool(cache.get((name, "A"))) for name in "abc"] == [True, False, False]
    clock.now += 2
    assert cache.get(("a", "A")) is None
    assert len(cache) == 0


async def test_c_ares_is_renewed_before_its_own_cache_grows_large():
    class Wide:
        async def query(self, name: str, kind: str) -> Answer:
            return Answer((name[0] * 50_000,) if kind == "TXT" else ())

    async with resolving(Wide()) as resolver:
        await resolver.query("first.example", "TXT")
        first = resolver._ares
        answers = await asyncio.gather(
            *(resolver.query(f"{number}.example", "TXT") for number in range(200))
        )
        await resolver.query("last.example", "TXT")
        assert resolver._ares is not first
        assert first not in resolver._asking
    assert all(len(answer.records[0]) == 50_000 for answer in answers)


def test_the_cache_is_bounded_in_entries_and_weight():
    cache = Cache(Clock(), entries=10, weight=5000)
    for number in range(100):
        cache.put((f"{number}.example", "A"), Answer(("x",)))
    assert len(cache) == 10
    assert cache.get(("99.example", "A"))
    cache.put(("big.example", "TXT"), Answer(("y" * 4000,)))
    assert len(cache) <= 3
    cache.put(("bigger.example", "TXT"), Answer(("y" * 6000,)))
    assert len(cache) == 0


def test_the_least_recently_used_goes_first():
    cache = Cache(Clock(), entries=2, weight=10_000)
    for name in ("a", "b"):
        cache.put((name, "A"), Answer((name,)))
    cache.get(("a", "A"))
    cache.put(("c", "A"), Answer(("c",)))
    assert cache.get(("a", "A"))
    assert cache.get(("b", "A")) is None


def test_a_zero_ttl_is_not_kept():
    cache = Cache(Clock(), entries=2, weight=10_000)
    cache.put(("a", "A"), Answer(("a",), ttl=0))
    assert cache.get(("a", "A")) is None


async def test_the_server_survives_noise():
    async with serve_zone(ZONE) as address:
        host, _, port = address.partition(":")
        _, writer = await asyncio.open_connection(host, int(port))
        for noise in (b"", b"\0", b"\xff" * 40, b"\0" * 12, struct.pack("!6H", 1, 0, 1, 0, 0, 1)):
            writer.write(struct.pack("!H", len(noise)) + noise)
        await writer.drain()
        writer.close()
        resolver = NetworkResolver([address], 5.0)
        assert (await resolver.query("shop.example", "A")).records
        await resolver.close()


async def test_forged_answers_to_an_odd_name_are_ignored():
    """Only the answer with our number and our question counts."""

    async def answer(query: bytes) -> bytes:
        question = read_question(query)
        good = write_response(question, 0, [Record(question.name, "A", 1, "192.0.2.9")], 1232)
        return bytes([good[0] ^ 1]) + good[1:]

    async with raw_server(answer) as address:
        resolver = NetworkResolver([address], 0.3)
        with pytest.raises(DnsError, match="timeout"):
            await resolver.query("a+b.example", "A")
        await resolver.close()


async def test_a_server_without_edns():
    async def answer(query: bytes) -> bytes:
        question = read_question(query)
        if question.room:
            return write_response(question, FORMERR, [], 1232)
        return write_response(question, 0, [Record(question.name, "A", 9, "192.0.2.9")], 512)

    async with raw_server(answer) as address:
        resolver = NetworkResolver([address], 2.0)
        for name in ("a.example", "a+b.example"):
            assert (await resolver.query(name, "A")).records == ("192.0.2.9",)
        await resolver.close()


async def test_a_second_server_helps_out():
    async with serve_zone(ZONE) as good, serve_zone(Silent()) as silent:
        resolver = NetworkResolver([silent, good], 1.0)
        assert (await resolver.query("jane+news._spf.shop.example", "A")).records
        assert (await resolver.query("shop.example", "A")).records
        await resolver.close()
