from __future__ import annotations

import pytest

from gateway.identity.organisation import TreeWalk
from gateway.identity.published import published_records
from gateway.resolver import DnsError, Zone

GOOD = {
    "mx1.shop.example": {"A": ["192.0.2.1"], "AAAA": ["2001:db8::1"]},
    "1.2.0.192.in-addr.arpa": {"PTR": ["mx1.shop.example."]},
    "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa": {
        "PTR": ["other.example", "MX1.shop.example"]
    },
    "shop.example": {"TXT": ["v=spf1 ip4:192.0.2.1 ip6:2001:db8::/32 -all"]},
    "_dmarc.shop.example": {"TXT": ["v=DMARC1; p=reject"]},
}


@pytest.fixture
def look(identity):
    async def looked(changes: dict, domains=("shop.example",), addresses=(), **signing):
        shop = identity(signing.pop("domain", "shop.example"), **signing)
        zone = Zone(shop.zone | GOOD | changes)
        found = await published_records(
            "mx1.shop.example", domains, [shop.signer], addresses, zone, TreeWalk(zone)
        )
        return [(one.name, one.what, one.wrong) for one in found]

    return looked


async def test_all_is_well(look):
    assert await look({}) == []
    assert await look({}, addresses=["192.0.2.1"], kind="ed25519") == []


@pytest.mark.parametrize(
    ("changes", "what", "wrong"),
    [
        ({"mx1.shop.example": {}}, "has no address", True),
        ({"1.2.0.192.in-addr.arpa": {}}, "192.0.2.1 does not lead back to it", True),
        ({"1.2.0.192.in-addr.arpa": {"PTR": DnsError}}, "no answer from the DNS", False),
        ({"shop.example": {"TXT": []}}, "has no SPF record", False),
        ({"shop.example": {"TXT": ["v=spf1 -all"]}}, "SPF says fail for 192.0.2.1", True),
        (
            {"shop.example": {"TXT": ["v=spf1 x -all"]}},
            "SPF record is not valid: bad term x",
            True,
        ),
        ({"shop.example": {"TXT": DnsError}}, "SPF: no answer", False),
        ({"_dmarc.shop.example": {}}, "has no DMARC record", False),
        ({"_dmarc.shop.example": {"TXT": ["v=DMARC1; p=x"]}}, "is not usable", True),
        ({"_dmarc.shop.example": {"TXT": DnsError}}, "no answer from the DNS", False),
        ({"gw._domainkey.shop.example": {}}, "publishes no key", True),
        ({"gw._domainkey.shop.example": {"TXT": ["v=DKIM1; p="]}}, "key revoked", True),
        ({"gw._domainkey.shop.example": {"TXT": DnsError}}, "no answer from the DNS", False),
    ],
)
async def test_what_is_missing(look, changes, what, wrong):
    found = await look(changes)
    assert any(what in text and wrong == is_wrong for _, text, is_wrong in found), found


async def test_without_an_address_the_spf_record_is_still_looked_at(look):
    nowhere = {"mx1.shop.example": {}}
    for records, expected in (
        (["v=spf1 -all"], []),
        ([], ["has no SPF record"]),
        (["v=spf1 x"], ["the SPF record is not valid: bad term x"]),
    ):
        found = await look(nowhere | {"shop.example": {"TXT": records}})
        assert [what for name, what, _ in found if name == "shop.example"] == expected


async def test_another_key(look, identity):
    other = identity("shop.example", kind="ed25519").zone
    found = await look(other)
    assert found == [("gw._domainkey.shop.example", "publishes another key than ours", True)]


async def test_test_mode(look, identity):
    ((name, records),) = identity("shop.example").zone.items()
    found = await look({name: {"TXT": [records["TXT"][0] + "; t=y"]}})
    assert found == [(name, "says t=y: receivers may treat our mail as unsigned", False)]


async def test_a_signing_domain_that_proves_nothing(look):
    found = await look({}, domain="other.example")
    assert ("shop.example", "no signing domain is aligned with it", False) in found
    assert await look({}, domain="mail.shop.example") == []
