"""What `explain` is asked: stated, or taken from the message's own fields."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.planning import LETTER, NOW

from gateway.cli.explain import _answer, _batch_requests, _print
from gateway.examiner import read_request, with_crlf

TRACED = (
    b"Return-Path: <bounce@author.example>\r\n"
    b"Delivered-To: box@shop.example\r\n"
    b"Received: from mail.author.example (mail.author.example [IPv6:2001:db8::7])\r\n"
    b"\tby mx.shop.example; Tue, 24 Nov 2026 13:00:00 +0000\r\n"
    b"Received: from inner ([10.0.0.1]) by mail.author.example; x\r\n"
)


def request(folder, content, **asked):
    (folder / "a.eml").write_bytes(content)
    return read_request({"path": "a.eml", **asked}, folder, NOW)


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
    ],
)
def test_what_cannot_be_read_is_told(tmp_path, asked, error):
    (tmp_path / "a.eml").write_bytes(LETTER)
    assert error in read_request(asked, tmp_path, NOW)


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
    assert [id_ for id_, _ in found] == [[1], None, None, 0]
    assert [isinstance(request, str) for _, request in found] == [False, True, True, True]


class Breaking:
    async def explain(self, arrival):
        raise OverflowError("secret words")


async def test_a_message_that_breaks_us_stops_no_batch(tmp_path):
    found = await _answer(Breaking(), 7, request(tmp_path, LETTER))
    assert found == {"error": "cannot be explained: OverflowError", "id": 7}


def test_what_is_no_utf_8_is_still_printed(capfdbinary):
    _print({"helo": "\udcff"})
    assert json.loads(capfdbinary.readouterr().out) == {"helo": "\udcff"}
