from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domains import canonical_domain, is_domain, is_same_or_below


@pytest.mark.parametrize(
    ("name", "canonical"),
    [
        ("Shop.Example.", "shop.example"),
        (" shop.example ", "shop.example"),
        ("Müller.Example", "xn--mller-kva.example"),
        ("MÜLLER.example", "xn--mller-kva.example"),
        ("mu\u0308ller.example", "xn--mller-kva.example"),
        ("straße.example", "xn--strae-oqa.example"),
        ("STRAẞE.example", "xn--strae-oqa.example"),
        ("例え。テスト", "xn--r8jz45g.xn--zckzah"),
        ("ｓｈｏｐ．example", "shop.example"),
        ("faß.de", "xn--fa-hia.de"),
        ("sh\u00ado\u200bp.example\ufeff", "shop.example"),
        ("m\ufe0f\u2060üller.example", "xn--mller-kva.example"),
        ("βόλος.com", "xn--nxasmm1c.com"),
        ("a..b", "a..b"),
        ("", ""),
        ("[192.0.2.1]", "[192.0.2.1]"),
        ("x" * 2000 + "Ä", "x" * 2000 + "ä"),
    ],
)
def test_one_spelling(name, canonical):
    assert canonical_domain(name) == canonical


@given(st.text(max_size=80))
def test_any_text(name):
    once = canonical_domain(name)
    assert canonical_domain(once) == once or not once.isascii()
    is_domain(once)


@pytest.mark.parametrize(
    ("name", "possible"),
    [
        ("shop.example", True),
        ("_dmarc.shop.example", True),
        ("x" * 63 + ".example", True),
        ("x" * 64 + ".example", False),
        (".".join(["abcdefgh"] * 28), True),
        (".".join(["abcdefgh"] * 29), False),
        ("a..b", False),
        (".a", False),
        ("", False),
        ("müller.example", False),
    ],
)
def test_what_dns_can_hold(name, possible):
    assert is_domain(name) is possible


def test_same_or_below():
    assert is_same_or_below("shop.example", "shop.example")
    assert is_same_or_below("a.shop.example", "shop.example")
    assert not is_same_or_below("ashop.example", "shop.example")
    assert not is_same_or_below("example", "shop.example")
    assert not is_same_or_below("shop.example", "")
