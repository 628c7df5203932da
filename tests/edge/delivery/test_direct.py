"""Straight delivery to a domain's own servers, and what its MTA-STS policy asks for.

A real HTTPS server, real SMTP servers on loopback addresses, a zone that names them.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.edge import lanes, mta_sts, smtp_tls
from gateway.edge.direct import Atlas, Direct
from gateway.edge.mta_sts import StsPolicies, StsPolicy, parse
from gateway.edge.transport import Progress, Sent
from gateway.resolver import DnsError, Zone
from gateway.settings import NextHop
from gateway.store import Job

DOMAIN = "customer.example"
POLICY = "version: STSv1\r\nmode: enforce\r\nmx: mx1.customer.example\r\nmax_age: 86400\r\n"
RECORD = {"_mta-sts.customer.example": {"TXT": ["v=STSv1; id=1"]}}


def job(*recipients: str, **changes: Any) -> Job:
    values: dict[str, Any] = {
        "letter_id": "q1.ack",
        "queue_id": "q1",
        "kind": "acknowledgement",
        "site": "shop",
        "next_hop": "outbound",
        "reverse_path": "",
        "recipients": recipients or ("ann@customer.example",),
        "prefix": b"",
        "cuts": (),
        "content": b"Subject: hello\r\n\r\nA line.\r\n",
        "attempts": 0,
        "accepted": datetime(2026, 11, 24, tzinfo=UTC),
        "lease": "l",
    }
    return Job(**(values | changes))


def told(sent: Sent) -> list[str]:
    return [f"{each.result} {each.reply.code} {each.reply.enhanced}" for each in sent.outcomes]


class Web:
    """A web server that gives one answer, over TLS, and counts how often."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.requests: list[bytes] = []
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            self.requests.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(self.answer)
            await writer.drain()
        writer.close()

    def policy(self, text: str, status: str = "200 OK") -> None:
        self.answer = f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\n\r\n{text}".encode()


@contextlib.asynccontextmanager
async def web_server(context: ssl.SSLContext) -> AsyncIterator[Web]:
    web = Web(b"")
    web.policy(POLICY)
    server = await asyncio.start_server(web.serve, "127.0.0.1", ssl=context)
    web.port = server.sockets[0].getsockname()[1]
    try:
        yield web
    finally:
        server.close()


def zone(*servers: str, **more: Any) -> Zone:
    """`mx1.customer.example`, `mx2…` at these addresses, best first."""
    hosts = {f"mx{n}.customer.example": {"A": [each]} for n, each in enumerate(servers, 1)}
    mx = {"MX": [f"{n}0 mx{n}.customer.example" for n in range(1, len(servers) + 1)]}
    return Zone({DOMAIN: mx, "mta-sts.customer.example": {"A": ["127.0.0.1"]}, **hosts, **more})


@pytest.fixture
async def straight():
    """Makes straight transports for a port and a zone, which may lead to loopback."""
    made: list[Direct] = []

    def make(port: int, resolver: Any, *, web: Web | None = None, **options: Any) -> Direct:
        trust = options.pop("trust", None)
        web_trust = options.pop("web_trust", None)
        settings = {"private": ("127.0.0.0/8",), "mta_sts": web is not None, **options}
        hop = NextHop(address=f"mx:{port}", timeout=timedelta(seconds=5), **settings)
        atlas = Atlas(
            hop, "mx.gateway.example", resolver, trust=trust,
            web_trust=web_trust, web_port=web.port if web else 443,
        )  # fmt: skip
        made.append(Direct(hop, "mx.gateway.example", atlas))
        return made[-1]

    yield make
    for each in made:
        await each.close()


# --- servers -----------------------------------------------------------------------------------


async def test_straight_to_the_domains_server(hops, straight):
    hop = await hops.start()
    direct = straight(hop.port, zone("127.0.0.1"))
    assert told(await direct.send(job(), Progress())) == ["relayed 250 2.0.0"]
    assert told(await direct.send(job(), Progress())) == ["relayed 250 2.0.0"]
    assert hop.taken[0].recipients == ["ann@customer.example"]
    assert hop.sessions == 1, "the connection is kept"


async def test_the_second_server_when_the_first_is_away(hops, straight):
    backup = await hops.start(host="127.0.0.3")
    direct = straight(backup.port, zone("127.0.0.2", "127.0.0.3"))
    assert told(await direct.send(job(), Progress())) == ["relayed 250 2.0.0"]


async def test_no_address_of_ours_is_ever_asked(hops, straight):
    hop = await hops.start()
    mapped = Zone({DOMAIN: {"MX": ["10 m.example"]}, "m.example": {"AAAA": ["::ffff:127.0.0.1"]}})
    for resolver in (zone("127.0.0.1"), mapped):
        sent = await straight(hop.port, resolver, private=()).send(job(), Progress())
        assert told(sent) == ["failed 550 5.4.4"]
    assert hop.sessions == 0


async def test_a_domain_that_takes_no_mail(straight):
    sent = await straight(25, Zone({DOMAIN: {"MX": ["0 ."]}})).send(job(), Progress())
    assert told(sent) == ["failed 556 5.1.10"]
    assert not sent.hop_failed


async def test_dns_trouble_is_no_refusal(straight):
    sent = await straight(25, Zone({DOMAIN: {"MX": DnsError}})).send(job(), Progress())
    assert told(sent) == ["delayed 451 4.4.3"]
    assert sent.hop_failed


async def test_each_domain_has_its_own_end(hops, straight):
    hop = await hops.start()
    resolver = zone("127.0.0.1", **{"closed.example": {"MX": ["0 ."]}})
    letter = job("x@closed.example", "ann@customer.example", kind="report")
    sent = await straight(hop.port, resolver).send(letter, Progress())
    assert told(sent) == ["failed 556 5.1.10", "relayed 250 2.0.0"]
    assert [each.recipient for each in sent.outcomes] == list(letter.recipients)
    assert hop.taken[0].recipients == ["ann@customer.example"]


async def test_verified_tls_is_to_the_servers_name(hops, straight, certified):
    certificates = certified("mx1.customer.example")
    hop = await hops.start(tls=certificates.server)
    good = straight(hop.port, zone("127.0.0.1"), tls="required", trust=certificates.trust)
    assert told(await good.send(job(), Progress())) == ["relayed 250 2.0.0"]
    assert hop.taken[0].secure
    other = Zone({DOMAIN: {"MX": ["10 other.example"]}, "other.example": {"A": ["127.0.0.1"]}})
    bad = straight(hop.port, other, tls="required", trust=certificates.trust)
    assert told(await bad.send(job(), Progress())) == ["delayed 451 4.7.5"]


async def test_a_thousand_domains_need_one_context(hops, straight, certified, monkeypatch):
    """One that verifies holds almost 1 MB: of each domain's own they would fill our memory."""
    made = []
    make = smtp_tls.Contexts._make
    monkeypatch.setattr(
        smtp_tls.Contexts, "_make", lambda self, **how: made.append(1) or make(self, **how)
    )
    theirs = certified("mx1.customer.example")
    hop = await hops.start(tls=theirs.server)
    mx = {"MX": ["10 mx1.customer.example"]}
    resolver = zone("127.0.0.1", **{f"d{n}.example": mx for n in range(20)})
    direct = straight(hop.port, resolver, tls="required", authorities=theirs.pem)
    sent = [direct.send(job(f"ann@d{n}.example"), Progress()) for n in range(20)]
    for each in await asyncio.gather(*sent):
        assert told(each) == ["relayed 250 2.0.0"]
    assert made == [1]


async def test_a_domain_in_any_spelling(hops, straight):
    hop = await hops.start()
    resolver = Zone({"xn--grn-ioa.example": {"A": ["127.0.0.1"]}})
    direct = straight(hop.port, resolver)
    letter = job("a@grün.example", "b@GRÜN.example.", "c@xn--grn-ioa.example")
    assert told(await direct.send(letter, Progress())) == ["relayed 250 2.0.0"] * 3
    assert hop.sessions == 1
    assert hop.taken[0].recipients[0] == "a@xn--grn-ioa.example"


@pytest.mark.parametrize(
    "record",
    ["10", "", "x mx1.customer.example", "² a b c", "10 ...", "10 " + "a" * 300, "-5 \\0.example"],
)
async def test_a_record_that_makes_no_sense(straight, record):
    names = {DOMAIN: {"MX": [record]}, "mx1.customer.example": {"A": ["10.0.0.1"]}}
    direct = straight(25, Zone(names))
    sent = await direct.send(job(), Progress())
    assert [outcome.result for outcome in sent.outcomes] == ["failed"]


# --- MTA-STS -----------------------------------------------------------------------------------


@pytest.fixture
async def web(certified):
    certificates = certified("mta-sts.customer.example")
    async with web_server(certificates.server) as web:
        web.trust = certificates.trust
        yield web


async def test_a_policy_makes_tls_verified(hops, straight, certified, web):
    certificates = certified("mx1.customer.example")
    hop = await hops.start(tls=certificates.server)
    resolver = zone("127.0.0.1", **RECORD)
    options = {"web": web, "web_trust": web.trust}
    good = straight(hop.port, resolver, trust=certificates.trust, **options)
    assert told(await good.send(job(), Progress())) == ["relayed 250 2.0.0"]
    assert web.requests == [
        b"GET /.well-known/mta-sts.txt HTTP/1.0\r\nHost: mta-sts.customer.example\r\n\r\n"
    ]
    # A certificate that nobody vouches for is refused, and the letter does not go out in clear.
    bad = straight(hop.port, resolver, trust=ssl.create_default_context(), **options)
    assert told(await bad.send(job(), Progress())) == ["delayed 451 4.7.5"]
    plain = await hops.start()
    clear = straight(plain.port, resolver, trust=certificates.trust, **options)
    assert told(await clear.send(job(), Progress())) == ["delayed 451 4.7.4"]
    assert plain.taken == []


async def test_a_server_that_the_policy_does_not_name_is_not_asked(hops, straight, web):
    hop = await hops.start()
    web.policy(POLICY.replace("mx1", "mx7"))
    direct = straight(hop.port, zone("127.0.0.1", **RECORD), web=web, web_trust=web.trust)
    sent = await direct.send(job(), Progress())
    assert (told(sent), sent.hop_failed) == (["delayed 451 4.7.5"], True)
    assert hop.sessions == 0


@pytest.mark.parametrize("mode", ["testing", "none"])
async def test_a_policy_that_enforces_nothing(hops, straight, web, mode):
    hop = await hops.start()
    web.policy(POLICY.replace("enforce", mode).replace("mx1", "mx7"))
    direct = straight(hop.port, zone("127.0.0.1", **RECORD), web=web, web_trust=web.trust)
    assert told(await direct.send(job(), Progress())) == ["relayed 250 2.0.0"]


async def addresses(_host: str) -> tuple[str, ...]:
    return ("127.0.0.1",)


def policies(web: Web, resolver: Zone | None = None, **options: Any) -> StsPolicies:
    values = {"trust": web.trust, "port": web.port, **options}
    return StsPolicies(resolver or Zone(RECORD), addresses, **values)


async def test_a_policy_is_fetched_once_until_the_dns_tells_of_another(web):
    names = {"_mta-sts.customer.example": {"TXT": ["v=STSv1; id=1"]}}
    known = policies(web, Zone(names))
    for _ in range(3):
        policy = await known.of(DOMAIN)
        assert policy is not None
        assert policy.mode == "enforce"
    assert len(web.requests) == 1
    web.policy(POLICY.replace("enforce", "none"))
    names["_mta-sts.customer.example"]["TXT"] = ["v=STSv1; id=2;"]
    policy = await known.of(DOMAIN)
    assert policy is not None
    assert policy.mode == "none"
    assert len(web.requests) == 2


async def test_a_known_policy_outlives_trouble(web):
    """An attacker who can stop the fetch or the record must not turn it off (RFC 8461, 10.2)."""
    names: dict[str, Any] = {"_mta-sts.customer.example": {"TXT": ["v=STSv1; id=1"]}}
    known = policies(web, Zone(names))
    assert await known.of(DOMAIN) is not None
    for record in (["v=STSv1; id=2"], ["v=STSv1; id=3"], [], DnsError):
        names["_mta-sts.customer.example"]["TXT"] = record
        web.policy("gone", "500 Internal Server Error")
        policy = await known.of(DOMAIN)
        assert policy is not None
        assert policy.mode == "enforce"
    assert len(web.requests) == 2, "after a failure it is not asked at once again"


async def test_a_policy_ends_with_its_age(web):
    web.policy(POLICY.replace("86400", "0"))
    known = policies(web)
    assert await known.of(DOMAIN) is not None
    web.policy("", "404 Not Found")
    assert await known.of(DOMAIN) is None


async def test_no_record_no_question(web):
    for records in ([], ["v=spf1 -all"], ["v=STSv1; id=1", "v=STSv1; id=2"], ["v=STSv1"],
                    ["v=STSv1; id=!"]):  # fmt: skip
        known = policies(web, Zone({"_mta-sts.customer.example": {"TXT": records}}))
        assert await known.of(DOMAIN) is None
    assert web.requests == []


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 301 Moved\r\nLocation: https://127.0.0.1/\r\n\r\n" + POLICY.encode(),
        b"HTTP/1.1 200 OK\r\n" + POLICY.encode(),
        b"HTTP/1.1 200 OK\r\n\r\n" + POLICY.encode() + b"x" * mta_sts.MAX_BODY,
        b"HTTP/1.1 200 OK\r\n\r\n\xff\xfe",
        b"HTTP/1.1 200 OK\r\n\r\n<html>hello</html>",
        b"SSH-2.0-OpenSSH\r\n",
        b"",
    ],
)
async def test_what_is_no_policy(web, answer):
    web.answer = answer
    assert await policies(web).of(DOMAIN) is None
    assert len(web.requests) == 1


async def test_the_web_servers_certificate_is_verified(web):
    assert await policies(web, trust=ssl.create_default_context()).of(DOMAIN) is None
    assert web.requests == []


async def test_a_web_server_that_hangs_costs_its_time_only(web, monkeypatch):
    monkeypatch.setattr(mta_sts, "FETCH_LIMIT", 0.2)
    gate = asyncio.Event()

    async def hang(_reader: Any, writer: asyncio.StreamWriter) -> None:
        await gate.wait()
        writer.close()

    server = await asyncio.start_server(hang, "127.0.0.1")
    port = server.sockets[0].getsockname()[1]
    assert await policies(web, port=port).of(DOMAIN) is None
    gate.set()
    server.close()


async def test_a_web_server_at_a_private_address_is_not_asked(straight, hops, web):
    hop = await hops.start(host="127.0.0.9")
    options = {"web": web, "web_trust": web.trust, "private": ("127.0.0.9/32",)}
    direct = straight(hop.port, zone("127.0.0.9", **RECORD), **options)
    assert told(await direct.send(job(), Progress())) == ["relayed 250 2.0.0"]
    assert web.requests == []


@pytest.mark.parametrize(
    ("host", "named"),
    [("mx.customer.example", True), ("MX.customer.example.", True), ("a.mail.example", True),
     ("a.b.mail.example", False), ("mail.example", False), ("x.customer.example", False)],
)  # fmt: skip
def test_names_in_a_policy(host, named):
    assert StsPolicy("enforce", ("mx.customer.example", "*.mail.example"), 1).names(host) == named


@pytest.mark.parametrize(
    "text",
    ["", "version: STSv2\nmode: none\nmax_age: 1", "version: STSv1\nmode: none",
     "version: STSv1\nmode: enforce\nmax_age: 1", "version: STSv1\nmode: x\nmx: a\nmax_age: 1",
     "version: STSv1\nmode: none\nmax_age: -1", "version: STSv1\nmode: none\nmax_age: ٣"],
)  # fmt: skip
def test_bad_policies(text):
    with pytest.raises(ValueError, match="policy"):
        parse(text.encode())


# --- many domains in the relay -----------------------------------------------------------------


async def test_a_domain_that_hangs_stops_no_other(bench, hops, unused_tcp_port):
    """Forty letters to a server that never answers, one connection for each domain."""
    gate = asyncio.Event()

    async def hang(*_: Any) -> None:
        await gate.wait()

    hung = await hops.start(host="127.0.0.5", port=unused_tcp_port, on_mail=hang)
    good = await hops.start(host="127.0.0.6", port=unused_tcp_port)
    resolver = Zone(
        {
            "hung.example": {"A": ["127.0.0.5"]},
            **{f"good{n}.example": {"A": ["127.0.0.6"]} for n in range(5)},
        }
    )
    bench.add_hop(
        "outbound", f"mx:{unused_tcp_port}", connections=1, mta_sts=False, private=("127.0.0.0/8",)
    )
    for _ in range(40):
        await bench.keep_own("outbound", "notice", "x@hung.example")
    for n in range(5):
        await bench.keep_own("outbound", "notice", f"x@good{n}.example")
    async with bench.running(resolver=resolver, batch=8) as relay:
        await bench.until("delivery", 5, outcome="relayed")
        assert hung.sessions == 1
        assert len(good.taken) == 5
        waiting = [lane for lane in relay._lanes if lane.domain == "hung.example"]
        assert len(waiting[0].queue) <= 1 + lanes.QUEUE
        gate.set()
    assert not bench.told_of("alert")


async def test_a_foreign_domain_sees_few_connections_of_ours(bench, hops, unused_tcp_port):
    gate = asyncio.Event()

    async def wait(*_: Any) -> None:
        await gate.wait()

    busy = await hops.start(host="127.0.0.6", port=unused_tcp_port, on_data=wait)
    bench.add_hop("outbound", f"mx:{unused_tcp_port}", mta_sts=False, private=("127.0.0.0/8",))
    for _ in range(12):
        await bench.keep_own("outbound", "notice", "x@busy.example")
    async with bench.running(resolver=Zone({"busy.example": {"A": ["127.0.0.6"]}})):
        await busy.wait_for(lambda: busy.commands.count("DATA") == 3)
        gate.set()
        await bench.until("delivery", 12, outcome="relayed")
    assert busy.sessions == 3


async def test_a_domain_out_of_order_is_nobodys_alert(bench, unused_tcp_port):
    resolver = Zone({"dead.example": {"A": ["127.0.0.7"]}})
    bench.add_hop(
        "outbound", f"mx:{unused_tcp_port}", connections=1, mta_sts=False, private=("127.0.0.0/8",)
    )
    for _ in range(8):
        await bench.keep_own("outbound", "notice", "x@dead.example")
    async with bench.running(resolver=resolver):
        await bench.until("delivery", 8, outcome="delayed")
    assert not bench.told_of("alert")
    whys = [entry.why for entry in await bench.store.entries() if entry.kind == "notice"]
    assert any("out of order" in why for why in whys)


async def test_domains_that_nothing_is_sent_to_are_forgotten(
    bench, hops, unused_tcp_port, monkeypatch
):
    monkeypatch.setattr(lanes, "IDLE", 0.0)
    good = await hops.start(host="127.0.0.6", port=unused_tcp_port)
    resolver = Zone({f"good{n}.example": {"A": ["127.0.0.6"]} for n in range(5)})
    bench.add_hop("outbound", f"mx:{unused_tcp_port}", mta_sts=False, private=("127.0.0.0/8",))
    for n in range(5):
        await bench.keep_own("outbound", "notice", f"x@good{n}.example")
    async with bench.running(resolver=resolver) as relay:
        await bench.until("delivery", 5, outcome="relayed")
        await good.wait_for(lambda: not good.live)
        assert not list(relay._lanes)
    assert good.commands.count("QUIT") == 5


async def test_domains_out_of_order_are_forgotten_too(bench, unused_tcp_port, monkeypatch):
    """Or whoever makes up domains would fill the memory."""
    monkeypatch.setattr(lanes, "REMEMBER", 0.0)
    resolver = Zone({"dead.example": {"A": ["127.0.0.7"]}})
    bench.add_hop("outbound", f"mx:{unused_tcp_port}", mta_sts=False, private=("127.0.0.0/8",))
    for _ in range(3):
        await bench.keep_own("outbound", "notice", "x@dead.example")
    async with bench.running(resolver=resolver) as relay:
        await bench.until("delivery", 3, outcome="delayed")
        async with asyncio.timeout(10):
            while list(relay._lanes):
                relay.wake()
                await asyncio.sleep(0.01)


async def test_domains_beyond_a_number_are_forgotten_at_once(bench, unused_tcp_port, monkeypatch):
    """In order or not: nobody keeps us busy with domains made up for it."""
    monkeypatch.setattr(lanes, "MOST", 2)
    resolver = Zone({f"d{n}.example": {"A": ["127.0.0.7"]} for n in range(6)})
    bench.add_hop("outbound", f"mx:{unused_tcp_port}", mta_sts=False, private=("127.0.0.0/8",))
    for n in range(6):
        await bench.keep_own("outbound", "notice", f"x@d{n}.example")
    async with bench.running(resolver=resolver) as relay:
        await bench.until("delivery", 6, outcome="delayed")
        async with asyncio.timeout(10):
            while len(list(relay._lanes)) > 2:
                relay.wake()
                await asyncio.sleep(0.01)


async def test_servers_that_hang_take_only_so_many_connections(bench, hops, monkeypatch):
    """Domains are cheap: whoever has a thousand must not have all our sockets."""
    monkeypatch.setattr(lanes, "CROWD", 12)
    hung: list[asyncio.StreamWriter] = []
    heard = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hung.append(writer)
        heard.set()
        await reader.read()

    address = await hops.raw(silent)
    resolver = Zone({f"d{n}.example": {"A": ["127.0.0.1"]} for n in range(60)})
    bench.add_hop(
        "outbound", f"mx:{address.rpartition(':')[2]}", mta_sts=False, private=("127.0.0.0/8",)
    )
    mailbox = await hops.start()
    bench.add_hop("mailbox", mailbox.address)
    for n in range(60):
        await bench.keep_own("outbound", "notice", f"x@d{n}.example")
    async with bench.running(resolver=resolver, batch=4, poll=0.01):
        async with asyncio.timeout(10):
            while len(hung) < 12:
                heard.clear()
                await heard.wait()
        for _ in range(3):
            await bench.keep("mailbox")
        await mailbox.letters(3)
        assert len(hung) <= 12 + 4, "those of the claim that went beyond"


async def test_a_way_out_that_cannot_be_made_stops_no_other(bench, hops):
    """Here one that nobody can look names up for: its letters are delayed, the relay goes on."""
    good = await hops.start()
    bench.add_hop("outbound", "mx:")
    bench.add_hop("mailbox", good.address)
    own = await bench.keep_own("outbound", "notice")
    await bench.keep("mailbox")
    async with bench.running(resolver=None):
        await good.letters(1)
        await bench.until("delivery", outcome="delayed", next_hop="outbound")
    assert (await bench.entry(own)).state == "deferred"
