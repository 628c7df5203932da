"""What `explain` is asked: stated, or taken from the message's own fields."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.planning import LETTER, NOW

from gateway.cli.explain import _answer, _batch_requests, _print
from gateway.examiner import read_requests, with_crlf
from gateway.explain.mbox import letters

TRACED = (
    b"Return-Path: <bounce@author.example>\r\n"
    b"Delivered-To: box@shop.example\r\n"
    b"Received: from mail.author.example (mail.author.example [IPv6:2001:db8::7])\r\n"
    b"\tby mx.shop.example; Tue, 24 Nov 2026 13:00:00 +0000\r\n"
    b"Received: from inner ([10.0.0.1]) by mail.author.example; x\r\n"
)


def request(folder, content, **asked):
    (folder / "a.eml").write_bytes(content)
    found = read_requests({"path": "a.eml", **asked}, folder, NOW)
    assert not isinstance(found, str)
    (letter,) = found
    return letter


def test_what_is_not_stated_is_read(tmp_path):
    found = request(tmp_path, TRACED + LETTER)
    assert found.session.client_ip == "2001:db8::7"
    assert found.session.helo == "mail.author.example"
    assert found.envelope.reverse_path == "bounce@author.example"
    assert found.envelope.recipients == (
        "box@shop.example", "support@shop.example", "info@hosting.example",
    )  # fmt: skip
    assert found.time == NOW


def test_what_is_stated_wins(tmp_path):
    found = request(
        tmp_path, TRACED + LETTER, client_ip="192.0.2.9", helo="h", mail_from="<a@b.example>",
        rcpt_to=["c@d.example", "c@d.example"], now="2026-01-02T03:04:05+01:00",
    )  # fmt: skip
    assert (found.session.client_ip, found.session.helo) == ("192.0.2.9", "h")
    assert found.envelope.reverse_path == "a@b.example"
    assert found.envelope.recipients == ("c@d.example",)
    assert found.time == datetime(2026, 1, 2, 2, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize("null", ["", "<>", " <> "])
def test_the_null_path_can_be_stated(tmp_path, null):
    assert request(tmp_path, TRACED + LETTER, mail_from=null).envelope.reverse_path == ""


def test_the_null_path_can_be_read(tmp_path):
    content = b"Return-Path: <>\r\n" + LETTER
    assert request(tmp_path, content).envelope.reverse_path == ""
    assert request(tmp_path, LETTER).envelope.reverse_path == "jo@author.example"


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ({}, "names no path"),
        ({"path": 5}, "names no path"),
        ({"path": "missing.eml"}, "cannot be read"),
        ({"path": "."}, "cannot be read"),
        ({"path": "nul\0"}, "cannot be read"),
        ({"path": "a.eml", "now": "yesterday"}, "now: not an ISO 8601 time"),
        ({"path": "a.eml", "now": 5}, "now: not an ISO 8601 time"),
        ({"path": "a.eml", "client_ip": "192.0.2"}, "client_ip: not an IP address"),
        ({"path": "a.eml", "client_ip": 7}, "client_ip: not an IP address"),
    ],
)
def test_what_cannot_be_read_is_told(tmp_path, asked, error):
    (tmp_path / "a.eml").write_bytes(LETTER)
    assert error in read_requests(asked, tmp_path, NOW)


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        (b"A: b\n\nc\n", b"A: b\r\n\r\nc\r\n"),
        (b"A: b\r\n\r\nc\n", b"A: b\r\n\r\nc\r\n"),
        (b"A: b\r\n\r\nc\r\n", b"A: b\r\n\r\nc\r\n"),
        (b"From a@b Mon Jan 1\nA: b\n", b"A: b\r\n"),
        (b"", b""),
    ],
)
def test_line_ends_are_those_of_smtp(octets, expected):
    assert with_crlf(octets) == expected


@given(st.binary(max_size=200))
def test_line_ends_once_mended_stay(octets):
    mended = with_crlf(octets)
    assert b"\n" not in mended.replace(b"\r\n", b"")
    if not mended.startswith(b"From "):
        assert with_crlf(mended) == mended


def test_a_batch_reads_every_line(tmp_path):
    (tmp_path / "a.eml").write_bytes(LETTER)
    lines = [b'{"path": "a.eml", "id": [1]}', b"", b"[1]", b"\xff", b'{"path": "b.eml", "id": 0}']
    (tmp_path / "r.jsonl").write_bytes(b"\n".join(lines))
    found = list(_batch_requests(tmp_path / "r.jsonl"))
    assert [added for added, _ in found] == [{"id": [1]}, {}, {}, {"id": 0}]
    assert [isinstance(request, str) for _, request in found] == [False, True, True, True]


class Breaking:
    async def explain(self, arrival):
        raise OverflowError("secret words")


async def test_a_message_that_breaks_us_stops_no_batch(tmp_path):
    found = await _answer(Breaking(), {"id": 7}, request(tmp_path, LETTER))
    assert found == {"error": "cannot be explained: OverflowError", "id": 7}


def test_what_is_no_utf_8_is_still_printed(capfdbinary):
    _print({"helo": "\udcff"})
    assert json.loads(capfdbinary.readouterr().out) == {"helo": "\udcff"}


MBOX = b"""\
From a@b.example Mon Jan  5 09:30:00 2026
Subject: one

>From here on
From now on nothing is as it was.

From here to there 2026

From c@d.example Tue Jan  6 09:30:00 2026
Subject: two

b
"""


def test_every_letter_of_an_mbox_is_found():
    first, second = letters(MBOX)
    assert first.startswith(b"Subject: one\n\nFrom here on\nFrom now on")
    assert first.endswith(b"From here to there 2026\n")
    assert second == b"Subject: two\n\nb\n"
    assert letters(MBOX.replace(b"\n", b"\r\n"))[1] == b"Subject: two\r\n\r\nb\r\n"


@given(st.binary(max_size=300))
def test_any_other_file_is_one_letter_as_it_is(octets):
    if not octets.startswith(b"From "):
        assert letters(octets) == [octets]


def test_a_batch_says_which_letter_of_an_mbox_it_shows(tmp_path):
    (tmp_path / "m").write_bytes(MBOX)
    (tmp_path / "r.jsonl").write_text(
        '{"path": "m"}\n{"path": "m", "letter": 2, "id": 5}\n{"path": "m", "letter": 3}\n'
    )
    first, second, third = _batch_requests(tmp_path / "r.jsonl")
    assert first[0] == {"letter": {"number": 1, "of": 2}}
    assert second[0] == {"id": 5, "letter": {"number": 2, "of": 2}}
    assert second[1].content.startswith(b"Subject: two\r\n")
    assert third == ({}, "letter: the file has 2")
