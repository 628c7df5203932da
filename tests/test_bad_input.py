"""What an enemy may send or publish: bounded time and the right word, from all checks together.

Over a real DNS server on loopback. The parts have sharper tests of their own; these are the whole.
"""

from __future__ import annotations

import time

import pytest

from gateway.edge.dns import NetworkResolver
from gateway.edge.zone_server import serve_zone
from gateway.filters import Services, arc, dkim, dmarc, spf
from gateway.pipeline import Pipeline
from gateway.resolver import Zone

SECONDS = 3.0
"""Processor time for one message, many times what it takes: a busy machine is no bug."""
HEAD = (
    b"From: Jane <jane@shop.example>\r\nTo: us@site.example\r\nSubject: My order\r\n"
    b"Date: Mon, 23 Nov 2026 09:30:00 +0000\r\nMessage-ID: <1@shop.example>\r\n"
)
LETTER = HEAD + b"\r\nWhere is it?\r\n"
ZONE = {
    "shop.example": {"TXT": ["v=spf1 ip4:192.0.2.1 -all"], "A": ["192.0.2.1"]},
    "_dmarc.shop.example": {"TXT": ["v=DMARC1; p=reject"]},
}
LOOP = {"one.loop.example": {"CNAME": ["two.loop.example"]},
        "two.loop.example": {"CNAME": ["one.loop.example"]}}  # fmt: skip
GOOD = {"spf": "pass", "dkim": "pass", "arc": "none", "dmarc": "pass"}


@pytest.fixture
def judge(identity, arrive):
    """`judge(content, zone, reverse_path=…)`: the word of each check, and what was asked for."""

    async def judged(content: bytes, zone: dict | None = None, **facts: str):
        known = Zone(identity("shop.example").zone | ZONE | (zone or {}))
        async with serve_zone(known) as address:
            resolver = NetworkResolver([address], 5.0)
            services = Services(resolver, None)
            filters = [module.build({}, services) for module in (spf, dkim, arc, dmarc)]

            def trouble(where: str, error: BaseException, id_: str) -> None:
                raise AssertionError(where) from error

            pipeline = Pipeline(filters, {}, trouble, time.perf_counter)
            begin = time.process_time()
            verdicts, _ = await pipeline.examine(arrive(content, **facts))
            assert time.process_time() - begin < SECONDS
            await resolver.close()
        assert len(known.asked) < 60
        assert all(len(verdict.reason) < 300 for verdict in verdicts.values())
        return verdicts

    return judged


def words(verdicts) -> dict[str, str]:
    return {name: verdict.result for name, verdict in verdicts.items()}


@pytest.fixture
def signed(identity):
    return lambda content, domain="shop.example": identity(domain).sign(content)


# --- messages ------------------------------------------------------------------------------------


async def test_ten_thousand_signatures(judge, signed):
    field = signed(LETTER).removesuffix(LETTER)
    below = HEAD + field * 1_000 + LETTER.removeprefix(HEAD)
    assert words(await judge(below)) == GOOD
    assert len((await judge(below))["dkim"].details["signatures"]) == 5
    # Beyond a megabyte another Subject might stand below them.
    below = HEAD + field * 10_000 + LETTER.removeprefix(HEAD)
    assert words(await judge(below)) == GOOD | {"dkim": "policy"}
    # Above the letter's own fields they push those out of what is read, but for From.
    above = await judge(field * 10_000 + LETTER)
    assert words(above) == GOOD | {"dkim": "fail"}


async def test_a_signature_with_ten_thousand_tags(judge):
    field = b"DKIM-Signature: " + b"; ".join(b"t%d=x" % n for n in range(10_000)) + b"\r\n"
    verdicts = await judge(field + LETTER, reverse_path="x@other.example")
    assert words(verdicts) == {"spf": "none", "dkim": "permerror", "arc": "none", "dmarc": "fail"}


@pytest.mark.parametrize(
    "fields",
    [
        b"Subject-Too: " + b"x" * 100_000 + b"\r\n",
        b"References: " + b"\r\n ".join([b"<a@b.example>"] * 7_000) + b"\r\n",
        b"X-Note: a hundred octets or so of nothing in particular, again and again and again\r\n"
        * 900,
        b"Cc: " + b",\r\n ".join([b"x@y.example"] * 7_000) + b"\r\n",
    ],
    ids=["one line", "folded", "many", "addresses"],
)
async def test_a_header_of_100_kilobytes(judge, signed, fields):
    assert words(await judge(signed(fields + LETTER))) == GOOD


@pytest.mark.parametrize(
    "body",
    [b"", b"\r\n", b"\r\n\r\n\r\n", b"\r\nno line end", b"\r\nends in CR\r", b"\r\n \t\r\n\t"],
    ids=repr,
)
async def test_bodies_without_an_end(judge, signed, body):
    assert words(await judge(signed(HEAD + body))) == GOOD


# --- the DNS -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("terms", "word"), [(1_900, "pass"), (2_100, "permerror")])
async def test_a_record_of_many_strings(judge, signed, terms, word):
    """The server cuts it into strings of 255 and sends it over TCP."""
    networks = " ".join(f"ip4:10.{n >> 8}.{n & 255}.0/24" for n in range(terms - 1))
    zone = {"shop.example": {"TXT": [f"v=spf1 {networks} ip4:192.0.2.1 -all"]}}
    assert words(await judge(signed(LETTER), zone)) == GOOD | {"spf": word}


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("shop.example", "v=spf1 " + "x" * 60_000, {"spf": "permerror"}),
        ("gw._domainkey.shop.example", "v=DKIM1; p=" + "A" * 60_000, {"dkim": "permerror"}),
        ("_dmarc.shop.example", "v=DMARC1; p=reject; x=" + "y" * 60_000, {}),
        ("_dmarc.shop.example", "v=DMARC1; " + "p;" * 30_000, {"dmarc": "none"}),
    ],
    ids=["spf", "dkim", "dmarc", "dmarc of tags"],
)
async def test_answers_of_64_kilobytes(judge, signed, name, text, expected):
    assert words(await judge(signed(LETTER), {name: {"TXT": [text]}})) == GOOD | expected


async def test_aliases_in_a_circle(judge, signed):
    to_loop = {"CNAME": ["one.loop.example"]}
    for name, expected in (
        ("shop.example", {"spf": "temperror"}),
        ("gw._domainkey.shop.example", {"dkim": "temperror"}),
        ("_dmarc.shop.example", {"dmarc": "temperror"}),
    ):
        verdicts = await judge(signed(LETTER), LOOP | {name: to_loop})
        assert words(verdicts) == GOOD | expected
    spf_loop = {"shop.example": {"TXT": ["v=spf1 include:one.loop.example -all"]}}
    assert words(await judge(signed(LETTER), LOOP | spf_loop)) == GOOD | {"spf": "temperror"}


LONG = ".".join(["a" * 60] * 5) + ".example"
NEARLY = ".".join(["a" * 60] * 4) + ".example"


async def test_names_over_255_octets(judge, signed):
    assert len(LONG) > 255 > len(NEARLY)
    from_long = LETTER.replace(b"jane@shop.example>", f"jane@{LONG}>".encode())
    verdicts = await judge(from_long, reverse_path=f"jane@{LONG}")
    assert words(verdicts) == {"spf": "none", "dkim": "none", "arc": "none", "dmarc": "none"}
    # Each part is well-formed, the name they make together is not: there is no such key.
    field = signed(LETTER).replace(b"d=shop.example", f"d={NEARLY}".encode()).removesuffix(LETTER)
    verdicts = await judge(field + LETTER)
    assert words(verdicts) == GOOD | {"dkim": "permerror"}
    # A macro that grows beyond it is cut from the left (RFC 7208, 7.3), and matches nothing here.
    grown = {"shop.example": {"TXT": [f"v=spf1 exists:%{{i}}.{NEARLY} ~all"]}}
    assert words(await judge(signed(LETTER), grown)) == GOOD | {"spf": "softfail"}


@pytest.mark.parametrize("author", ["jane@müller.example", "jane@xn--mller-kva.example"])
@pytest.mark.parametrize("path", ["jane@müller.example", "jane@xn--mller-kva.example"])
async def test_domains_beyond_ascii(judge, signed, identity, author, path):
    ascii_ = "xn--mller-kva.example"
    zone = identity(ascii_).zone | {
        ascii_: {"TXT": ["v=spf1 ip4:192.0.2.1 -all"]},
        f"_dmarc.{ascii_}": {"TXT": ["v=DMARC1; p=reject; adkim=s; aspf=s"]},
    }
    content = LETTER.replace(b"jane@shop.example>", f"{author}>".encode())
    verdicts = await judge(signed(content, ascii_), zone, reverse_path=path)
    assert words(verdicts) == GOOD
    assert verdicts["dmarc"].details["domain"] == ascii_
