"""Any octets parse, within bounds, and what is read in them is sound."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.message import Arrival, Envelope, Message, Session
from gateway.parse import Bounds, parse

NAMES = st.sampled_from(
    (
        *(b"From", b"from ", b"To", b"Cc", b"Subject", b"Date", b"Reply-To", b"Message-ID"),
        *(b"Content-Type", b"Content-Transfer-Encoding", b"Content-Disposition", b"X-Spam-B"),
        *(b"Authentication-Results", b"References", b"", b" ", b"no colon", b"\xe9", b"From\x00"),
        *(b"X-Gateway-A", b"X-C"),
    )
)
VALUES = st.one_of(
    st.binary(max_size=60),
    st.sampled_from(
        (
            *(b"a@b.example", b"A <a@b.example>, <c@d>", b"=?utf-8?q?=0D=0AX: y?=", b"g: a@b.c;"),
            *(b"multipart/mixed; boundary=x", b'multipart/alternative; boundary="y"'),
            *(b"message/rfc822", b"text/html; charset=utf-7", b"text/plain; charset=idna"),
            *(
                b"text/plain; charset=utf-16",
                b"base64",
                b"quoted-printable",
                b"8bit",
                b"x-uuencode",
            ),
            *(b"multipart/mixed", b"/", b";;", b"=?utf-7?q?+2AA-?=", b"=?utf-8?b?7aCA?="),
            *(b"attachment; filename*=utf-8''%00%ED%A0%80", b"<a@b>", b"<<>>"),
            *(b"Mon, 23 Nov 2026 10:00:00 +0000", b"Mon, 0 Feb 0000 99:99:99 +9999"),
        )
    ),
)
ENDS = st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r", b"\r\n ", b"\r\n\t", b""])
FIELDS = st.builds(lambda n, v, e: n + b":" + v + e, NAMES, VALUES, ENDS)
PIECES = st.one_of(
    st.sampled_from(
        [b"--x\r\n", b"--x--\r\n", b"--y\r\n", b"--y--\r\n", b"\r\n", b"\r\n\r\n", b"--"]
    ),
    st.sampled_from(
        [b"SGk=", b"=3D=", b"=XX", b"<p>hi</p>", b"\x00", b"\xff\xfe", b"\xed\xa0\x80"]
    ),
    st.binary(max_size=40),
    FIELDS,
)
LETTERS = st.builds(
    lambda fields, gap, body: b"".join(fields) + gap + b"".join(body),
    st.lists(FIELDS, max_size=12),
    st.sampled_from([b"\r\n", b"\n", b"", b"\r\n\r\n"]),
    st.lists(PIECES, max_size=20),
)
OCTETS = st.one_of(st.binary(max_size=400), LETTERS)
OURS = re.compile(rb"(?im)^(x-gateway-[!-9;-~]*|x-spam-[!-9;-~]*|authentication-results)[ \t]*:")
CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def read(content: bytes, bounds: Bounds | None = None) -> Message:
    session, envelope = Session("192.0.2.1"), Envelope("", ("b@shop.example",))
    return parse(
        Arrival("Q1", datetime(2026, 1, 1, tzinfo=UTC), session, envelope, content), bounds
    )


def texts(message: Message) -> list[str]:
    """All one-line texts of a message."""
    everyone = (*message.authors, *message.reply_to, *message.to, *message.cc)
    return [
        message.subject,
        message.message_id,
        *message.in_reply_to,
        *message.references,
        *(text for one in everyone for text in (one.name, one.address)),
        *(text for one in message.attachments for text in (one.filename, one.content_type)),
        *message.content_types,
        *message.defects,
        *message.unread,
        *(value for values in message.decoded.values() for value in values),
    ]


@settings(max_examples=400)
@given(OCTETS)
def test_any_octets_parse(content: bytes) -> None:
    message = read(content)
    assert not [text for text in texts(message) if CONTROL.search(text)]
    for text in (message.plain, message.html):
        text.encode()  # no lone surrogates
        assert "\x00" not in text
    assert message.date is None or message.date.utcoffset() is not None
    assert message.content_types
    hash(message)


@settings(max_examples=400)
@given(OCTETS)
def test_fields_are_octets_in_order(content: bytes) -> None:
    message = read(content)
    end = 0
    for field in message.fields:
        octets = content[field.start : field.end]
        assert field.start >= end
        assert octets.lower().startswith(field.name.encode())
        assert field.value in octets
        assert octets.endswith(b"\n") or field.end == len(content)
        assert b"\n" not in re.sub(rb"\n[ \t]", b"", field.value)
        end = field.end
    assert end <= message.body_start or not message.fields


@settings(max_examples=200)
@given(st.lists(FIELDS, max_size=30), st.integers(1, 3))
def test_every_field_of_ours_is_found_beyond_any_bound(fields: list[bytes], bound: int) -> None:
    content = b"From: a@b.example\r\n" + b"".join(fields) + b"\r\n\r\nbody"
    message = read(content, Bounds(fields=bound))
    section = content[: message.body_start]
    found = [
        content[field.start : field.end]
        for field in message.fields
        if OURS.match(content[field.start : field.end])
    ]
    assert len(found) == len(OURS.findall(section))


@settings(max_examples=200)
@given(OCTETS, st.integers(0, 3), st.integers(0, 3), st.integers(0, 40))
def test_bounds_hold(content: bytes, parts: int, depth: int, text: int) -> None:
    message = read(content, Bounds(text=text, parts=parts, depth=depth))
    assert len(message.plain) <= text
    assert len(message.html) <= 4 * text
    assert len(message.attachments) <= parts
    assert len(message.content_types) <= parts + 1


@settings(max_examples=200)
@given(st.text(max_size=60), st.text(max_size=60))
def test_a_name_adds_no_mailbox_and_no_field(name: str, local: str) -> None:
    """What RFC 2047 hides stays hidden."""
    encoded = "".join(f"={octet:02X}" for octet in name.encode("utf-8", "replace"))
    message = read(f"From: =?utf-8?q?{encoded}?= <a@b.example>\r\n\r\nhi".encode())
    assert [one.address for one in message.authors] == ["a@b.example"]
    assert [field.name for field in message.fields] == ["from"]
