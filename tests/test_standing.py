"""Domains in whose name nothing of ours can be sent: their own record forbids what we sign."""

from __future__ import annotations

import pytest
from support.planning import SHOP

from gateway.identity.standing import mute_domains
from gateway.resolver import Zone
from gateway.settings import Site

STRICT = "v=DMARC1; p=reject"


@pytest.mark.parametrize(
    ("domain", "signer", "record", "mute"),
    [
        ("shop.example", "", STRICT, True),
        ("shop.example", "", "v=DMARC1; p=none", False),
        ("shop.example", "shop.example", STRICT, False),
        # The key of the site's other domain is none for this one.
        ("shop.test", "shop.example", STRICT, True),
        ("shop.test", "shop.example", "v=DMARC1; p=none", False),
        ("mail.shop.example", "shop.example", STRICT, False),
        ("mail.shop.example", "shop.example", f"{STRICT}; adkim=s", True),
    ],
)
async def test_what_may_be_sent_in_a_domains_name(domain, signer, record, mute):
    signing = {"signing": {"domain": signer, "selector": "gw", "key": "x"}} if signer else {}
    site = Site.model_validate({**SHOP, "domains": [domain], **signing})
    above = domain.removeprefix("mail.")
    found = await mute_domains([site], Zone({f"_dmarc.{above}": {"TXT": [record]}}))
    assert found == (frozenset({domain}) if mute else frozenset())
