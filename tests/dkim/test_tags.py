from __future__ import annotations

import contextlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.identity.dkim.tags import MalformedError, parse_base64, parse_number, parse_tags


def test_a_list_with_folding_and_a_last_semicolon():
    assert parse_tags(b" v=1 ;\r\n\ta = rsa-sha256; h=from:\r\n to ; n=;") == {
        "v": "1",
        "a": "rsa-sha256",
        "h": "from:\r\n to",
        "n": "",
    }


def test_values_may_hold_equal_signs_and_utf8():
    assert parse_tags("b=abc==; i=jürgen@x.example".encode()) == {
        "b": "abc==",
        "i": "jürgen@x.example",
    }


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (b"v=1; v=1", "twice"),
        (b"v=1; ; a=2", "not a tag list"),
        (b"v=1; a", "not a tag list"),
        (b"v=1; =2", "not a tag list"),
        (b"1v=1", "not a tag list"),
        (b"v=1; a=\x00", "control"),
        (b"v=1; a=\xff", "UTF-8"),
    ],
)
def test_what_is_no_list(octets, reason):
    with pytest.raises(MalformedError, match=reason):
        parse_tags(octets)


def test_base64_folded_padded_or_not():
    assert parse_base64("aGk\r\n =", "b") == parse_base64("aGk", "b") == b"hi"
    for wrong in ("aGk*", "a", "aG=k", "aGk=="):
        with pytest.raises(MalformedError):
            parse_base64(wrong, "b")


def test_numbers():
    assert parse_number("042", "t", 12) == 42
    for wrong in ("", "-1", "1.5", "1" * 13, "١"):
        with pytest.raises(MalformedError):
            parse_number(wrong, "t", 12)


def test_ten_thousand_tags():
    octets = b"; ".join(b"t%d=x" % number for number in range(10_000))
    begin = time.process_time()
    assert len(parse_tags(octets)) == 10_000
    assert time.process_time() - begin < 2.0


@given(st.binary(max_size=200))
def test_any_octets(octets):
    with contextlib.suppress(MalformedError):
        parse_tags(octets)
