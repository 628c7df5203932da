from __future__ import annotations

import contextlib
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.identity.authentication_results import claims, parse, render, unfolded
from gateway.stamp import fold
from gateway.verdict import AuthResult

US = "mx1.site.example"
FOUND = (
    AuthResult("spf", "pass", (("smtp.mailfrom", "jane@shop.example"),), "matches a"),
    AuthResult("dkim", "fail", (("header.d", "shop.example"), ("header.s", "gw")), "bad signature"),
    AuthResult("dmarc", "none", (("header.from", "shop.example"),)),
)


def test_one_line_for_each_thing_checked():
    assert render(US, FOUND) == (
        b"Authentication-Results: mx1.site.example;\r\n"
        b"\tspf=pass smtp.mailfrom=jane@shop.example;\r\n"
        b'\tdkim=fail reason="bad signature" header.d=shop.example header.s=gw;\r\n'
        b"\tdmarc=none header.from=shop.example\r\n"
    )


def test_no_line_is_white_space_only():
    path = '"a' + " " * 200 + 'b"@evil.example'
    value = unfolded(US, [AuthResult("spf", "pass", (("smtp.mailfrom", path),))])
    assert all(line.strip() for line in fold("Authentication-Results", value).splitlines())
    assert "  " not in value


def test_nothing_checked():
    assert render(US, ()) == b"Authentication-Results: mx1.site.example; none\r\n"


def test_long_results_are_folded():
    many = AuthResult("dkim", "pass", tuple((f"header.x{n}", "shop.example") for n in range(9)))
    lines = render(US, (many,)).split(b"\r\n")
    assert len(lines) == 6
    assert max(map(len, lines)) <= 78


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("a b", '"a b"'),
        ('a"b', '"a\\"b"'),
        ("a\\", '"a\\\\"'),
        ("x;dkim=pass", '"x;dkim=pass"'),
        ("(x", '"(x"'),
        ("x\r\nSubject: y", '"x??Subject: y"'),
        ("", '""'),
        ("jürgen@müller.example", '"j?rgen@xn--mller-kva.example"'),
        ("a+b=c@shop.example", "a+b=c@shop.example"),
        ("@shop.example", "@shop.example"),
        ('"a b"@shop.example', '"\\"a b\\"@shop.example"'),
        ("a@b@c", '"a@b@c"'),
        ("x" * 300, "x" * 254),
    ],
)
def test_values_cannot_break_out(value, written):
    field = render(US, (AuthResult("spf", "pass", (("smtp.mailfrom", value),)),)).decode()
    assert f"smtp.mailfrom={written}" in field.replace("\r\n\t", "")


ANY = st.text(st.characters(codec="utf-8") | st.sampled_from('\r\n";\\()= \t@'), max_size=80)


@given(values=st.lists(ANY, min_size=1, max_size=4), reason=ANY)
def test_no_input_adds_a_field_or_a_result(values, reason):
    properties = tuple((f"header.x{n}", value) for n, value in enumerate(values))
    statements = [AuthResult("dkim", "fail", properties, reason), AuthResult("spf", "none")]
    field = render(US, statements)
    assert field.isascii()
    assert field.endswith(b"\r\n")
    # Every line but the first is a continuation, and no bare CR or LF is left.
    assert re.fullmatch(rb"[^\r\n]+(?:\r\n\t[^\r\n]+)*\r\n", field)
    found = parse(field.partition(b":")[2])
    assert found.authserv_id == US
    assert [(one.method, one.result) for one in found.results] == [
        ("dkim", "fail"),
        ("spf", "none"),
    ]
    assert [name for name, _ in found.results[0].properties] == [name for name, _ in properties]


PLAIN = st.text("abcdefghij0123456789.-", min_size=1, max_size=20)


@given(values=st.lists(PLAIN, min_size=1, max_size=4), reason=st.text("abc ", max_size=9))
def test_another_library_reads_the_same(values, reason):
    properties = tuple((f"header.x{n}", value) for n, value in enumerate(values))
    field = render(US, [AuthResult("dkim", "fail", properties, reason)])
    authres = pytest.importorskip("authres")
    (theirs,) = authres.AuthenticationResultsHeader.parse(field.decode()).results
    assert (theirs.method, theirs.result) == ("dkim", "fail")
    assert [one.value for one in theirs.properties] == values


@pytest.mark.parametrize(
    "value",
    [
        b" mx1.site.example; spf=pass",
        b"mx1.site.example",
        b" MX1.Site.EXAMPLE ; none",
        b"\r\n\tmx1.site.example;\r\n\tspf=pass",
        b" (a (nested) \\) comment) mx1.site.example (more) 1; spf=pass",
        b' "mx1.site.example" 1; spf=pass',
        b" mx1.site.example. ; spf=pass",
        b" mx1.site.example 1; spf=pass",
        b" mx1.site.example/1; spf=pass",
        b" mx1.site.example / 1; spf=pass",
        b" mx1.site.example\x00; spf=pass",
        b" (unfinished mx1.site.example; spf=pass",
        b' "mx1.site.example; spf=pass',
        b" ; mx1.site.example",
        b" mx1.site.\r\n example; spf=pass",
        b" mx1 . site . example; spf=pass",
        b" mx1.(a comment)site.example 1; spf=pass",
        b' "mx1".site.example; spf=pass',
        b' mx1."site".example; spf=pass',
        b" mx1.site.example:25; spf=pass",
        "\uff4dx1.site\uff0eexample; spf=pass".encode(),
        b" =?utf-8?b?bXgxLnNpdGUuZXhhbXBsZQ==?=; spf=pass",
        b" =?utf-8?q?x?= mx1.site.example; spf=pass",
        b" (" + b"a" * 70_000 + b") mx1.site.example; spf=pass",
        b" " * 5_000 + b"mx1.site.example; spf=pass",
    ],
)
def test_fields_that_claim_to_be_ours(value):
    assert claims(value, US)


@pytest.mark.parametrize(
    "value",
    [
        b" mx.other.example; spf=pass",
        b" (mx1.site.example) mx.other.example; spf=pass",
        b' mx.other.example; spf=pass reason="mx1.site.example"',
        b" xmx1.site.example; spf=pass",
        b" mx1.site.example.evil; spf=pass",
        b" mx1.site.example.evil/1; spf=pass",
        b" mx1.site.examples; spf=pass",
        b" mx1.site.example1; spf=pass",
        b" mx1. site.example.evil; spf=pass",
        b" mx.other.example 1; mx1.site.example; spf=pass",
        b"",
        b" \xff\xfe",
    ],
)
def test_fields_that_do_not(value):
    assert not claims(value, US)


def test_reading_foreign_results():
    found = parse(
        b" mx.list.example (yes) 1; spf=pass (why) smtp.mailfrom=a@b.example;\r\n"
        b' dkim=PASS reason="fine; really" header.d=b.example header.b="a/b=";'
        b" ;broken; dkim/1=fail; dmarc=pass (p=none dis=none) header.from=b.example; none"
    )
    assert found.authserv_id == "mx.list.example"
    assert found.results == (
        AuthResult("spf", "pass", (("smtp.mailfrom", "a@b.example"),)),
        AuthResult(
            "dkim", "pass", (("header.d", "b.example"), ("header.b", "a/b=")), "fine; really"
        ),
        AuthResult("dkim", "fail"),
        AuthResult("dmarc", "pass", (("header.from", "b.example"),)),
    )


@given(st.binary(max_size=120) | ANY.map(lambda text: text.encode()))
def test_any_octets(value):
    claims(value, US)
    with contextlib.suppress(ValueError):
        parse(value)


@pytest.mark.parametrize("piece", [b"(", b"\\", b'"', b";", b"a=b ", b"(a)", b" ", b"a;", b"\xc3"])
def test_hostile_values_take_linear_time(piece):
    begin = time.process_time()
    value = b" mx1.site.example; " + piece * (100_000 // len(piece))
    assert claims(value, US)
    with contextlib.suppress(ValueError):
        parse(value)
    claims(value[18:], US)
    assert time.process_time() - begin < 2.0
