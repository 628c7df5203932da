"""The openspf suite for RFC 7208 (tests/vectors, its licence beside it): all cases, both resolvers.

Explanations are not compared: ours is never shown, so it is never fetched.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from gateway.edge.dns import NetworkResolver
from gateway.edge.zone_server import serve_zone
from gateway.identity.spf.check import Client, check_host
from gateway.resolver import DnsError, Zone

SUITE = Path(__file__).parents[1] / "vectors" / "rfc7208-tests.yml"
SECTIONS = [section for section in yaml.safe_load_all(SUITE.read_text("utf-8")) if section]
CASES = 203


def zone_of(data: dict) -> dict:
    """The suite's zone data: SPF-type records stand for TXT where there is no TXT."""
    zone: dict = {}
    for name, records in data.items():
        names = zone.setdefault(name.lower().rstrip("."), {})
        has_txt = any(isinstance(record, dict) and "TXT" in record for record in records)
        for record in records:
            if record == "TIMEOUT":
                names["*"] = DnsError
                continue
            ((kind, value),) = record.items()
            if kind == "SPF":
                if has_txt:
                    continue
                kind = "TXT"
            if value == "NONE":
                continue
            if value == "TIMEOUT":
                names[kind] = DnsError
            elif names.get(kind) is not DnsError:
                names.setdefault(kind, []).append(text_of(kind, value))
    return zone


def text_of(kind: str, value: object) -> str:
    if kind == "TXT":
        # The suite writes octets as Latin-1 letters.
        text = "".join(value) if isinstance(value, list) else str(value)
        return text.encode("latin-1").decode("utf-8", "surrogateescape")
    return f"{value[0]} {value[1]}" if kind == "MX" else str(value)


async def wrong_ones(section: dict, resolver) -> list[str]:
    wrong = []
    for name, case in section["tests"].items():
        expected = case["result"] if isinstance(case["result"], list) else [case["result"]]
        helo = case["helo"] or ""
        sender = case["mailfrom"] or f"postmaster@{helo}"
        client = Client.parse(case["host"])
        found = await check_host(resolver, client, sender.rpartition("@")[2], sender, helo)
        if found.result not in expected:
            wrong.append(f"{name}: {found.result} ({found.reason}), not {expected}")
    return wrong


def test_the_suite_is_whole():
    assert sum(len(section["tests"]) for section in SECTIONS) == CASES


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section["description"])
async def test_with_a_dictionary(section):
    assert await wrong_ones(section, Zone(zone_of(section["zonedata"]))) == []


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section["description"])
async def test_with_a_real_server(section):
    async with serve_zone(zone_of(section["zonedata"])) as address:
        resolver = NetworkResolver([address], 5.0)
        try:
            assert await wrong_ones(section, resolver) == []
        finally:
            await resolver.close()
