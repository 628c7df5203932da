"""Whom we take mail for: we are no open relay, and nobody is refused by accident."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.reply import RELAYING_DENIED, UNKNOWN_RECIPIENT
from gateway.routing.recipients import Recipients, canonical
from gateway.settings import Site


def site(name="shop", **changes):
    known = {
        "site": name,
        "domains": [f"{name}.example"],
        "next_hop": "mailbox",
        "routes": [{"to": f"support@{name}.example"}, {"to": f"billing@{name}.example"}],
    }
    return Site.model_validate({**known, **changes})


ROUTES = site()
WILD = site("wild", routes=[{"to": "*@wild.example"}])
LISTED = site("listed", routes=[{"to": "*"}], recipients={"list": ["jo@listed.example"]})
ANY = site("any", recipients={"any": True})
ALIAS = site("alias", aliases={"help@alias.example": "support@alias.example"})
FILED = site("filed", routes=[{"to": "*"}])
BOOKS = site("books", domains=["xn--bcher-kva.example"], recipients={"any": True})
ALL = Recipients([ROUTES, WILD, LISTED, ANY, ALIAS, FILED, BOOKS], {"filed": ["kim@filed.example"]})


@pytest.mark.parametrize(
    ("recipient", "address"),
    [
        ("support@shop.example", "support@shop.example"),
        ("Support@SHOP.example", "support@shop.example"),
        ("support+abc@shop.example", "support@shop.example"),
        ("postmaster@shop.example", "postmaster@shop.example"),
        ("ABUSE@listed.example", "abuse@listed.example"),
        ("postmaster", "postmaster@shop.example"),
        ("whoever@wild.example", "whoever@wild.example"),
        ("jo+x@listed.example", "jo@listed.example"),
        ("anyone@any.example", "anyone@any.example"),
        ("help@alias.example", "support@alias.example"),
        ("kim@filed.example", "kim@filed.example"),
        # RFC 6531, 3.2: U-labels are the same domain as the A-labels of the YAML.
        ("jo@Bücher.example", "jo@xn--bcher-kva.example"),
        # Nothing stands before the plus: it is no tag.
        ("+call@any.example", "+call@any.example"),
        ('"A b+c"@any.example', '"a b+c"@any.example'),
    ],
)
def test_welcome(recipient, address):
    assert ALL.refusal(recipient) is None
    assert ALL.find(recipient).address == address


@pytest.mark.parametrize(
    ("recipient", "reply"),
    [
        ("nobody@shop.example", UNKNOWN_RECIPIENT),
        ("eve@listed.example", UNKNOWN_RECIPIENT),
        ("eve@filed.example", UNKNOWN_RECIPIENT),
        ("x@elsewhere.example", RELAYING_DENIED),
        ("x@sub.shop.example", RELAYING_DENIED),
        ("support", RELAYING_DENIED),
        ("", RELAYING_DENIED),
    ],
)
def test_refused(recipient, reply):
    assert ALL.refusal(recipient) is reply


@given(st.text(max_size=60))
def test_nobody_outside_our_domains_is_ever_taken(recipient):
    domain = recipient.rpartition("@")[2].lower()
    if ALL.refusal(recipient) is None:
        assert recipient.lower() == "postmaster" or ALL.is_ours(f"x@{domain}")


@given(st.emails())
def test_canonical_is_stable(address):
    assert canonical(canonical(address)) == canonical(address)
