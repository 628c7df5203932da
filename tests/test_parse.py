"""Octets to a Message: fields, addresses, text, attachments; and every kind of damage."""

from __future__ import annotations

import base64
import io
import logging
import mmap
import time
from collections.abc import Callable
from dataclasses import fields as dataclass_fields
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from gateway.message import Address, Arrival, Attachment, Envelope, Message, Session
from gateway.parse import Bounds, parse
from gateway.stamp import is_ours

HEAD = b"From: a@shop.example\r\nMIME-Version: 1.0\r\n"
MIXED = HEAD + b'Content-Type: multipart/mixed; boundary="x"\r\n\r\n'


def read(content: bytes | mmap.mmap, bounds: Bounds | None = None) -> Message:
    session, envelope = Session("192.0.2.1"), Envelope("a@shop.example", ("b@shop.example",))
    return parse(
        Arrival("Q1", datetime(2026, 1, 1, tzinfo=UTC), session, envelope, content), bounds
    )


def letter(*lines: str, body: str = "Hello") -> bytes:
    return ("\r\n".join(lines) + f"\r\n\r\n{body}\r\n").encode()


def test_an_ordinary_letter() -> None:
    content = letter(
        'From: "Doe, Jane" <Jane@Example.org>',
        "To: support@shop.example, Bob <bob@shop.example>",
        "Reply-To: jane.private@example.org",
        "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=",
        "Date: Mon, 23 Nov 2026 10:00:05 +0100",
        "Message-ID: <1@example.org>",
        "In-Reply-To: <0@shop.example>",
        "References: <a@shop.example>",
        " <0@shop.example>",
    )
    message = read(content)
    assert message.author == Address("Doe, Jane", "Jane@Example.org")
    assert message.author.domain == "example.org"
    assert message.to == (
        Address("", "support@shop.example"),
        Address("Bob", "bob@shop.example"),
    )
    assert message.reply_to == (Address("", "jane.private@example.org"),)
    assert message.cc == ()
    assert message.subject == "Grüße"
    assert message.date == datetime(2026, 11, 23, 10, 0, 5, tzinfo=timezone(timedelta(hours=1)))
    assert message.message_id == "<1@example.org>"
    assert message.in_reply_to == ("<0@shop.example>",)
    assert message.references == ("<a@shop.example>", "<0@shop.example>")
    assert message.plain == "Hello\r\n"
    assert message.content_types == ("text/plain",)
    assert (message.defects, message.unread) == ((), ())


def test_fields_are_the_octets_they_stand_for() -> None:
    content = (
        b"Received: by mx\r\n\tfor you;\r\n today\r\nFROM : a@b.example\r\n"
        b"X-Empty:\r\nSubject:no space\r\n\r\nbody"
    )
    message = read(content)
    assert [(field.name, content[field.start : field.end]) for field in message.fields] == [
        ("received", b"Received: by mx\r\n\tfor you;\r\n today\r\n"),
        ("from", b"FROM : a@b.example\r\n"),
        ("x-empty", b"X-Empty:\r\n"),
        ("subject", b"Subject:no space\r\n"),
    ]
    assert message.fields[0].value == b" by mx\r\n\tfor you;\r\n today"
    assert content[message.body_start :] == b"body"
    assert message.first("Received") == "by mx\tfor you; today"
    assert message.first("X-Empty") == ""
    assert message.has("x-empty")
    assert not message.has("x-other")
    assert message.first("x-other") == ""


def test_line_feeds_alone_are_read_too() -> None:
    """Files on disk have them; the wire never does."""
    message = read(b"From: a@b.example\nSubject: one\n two\n\nbody\n")
    assert message.subject == "one two"
    assert message.plain == "body\n"
    assert [field.end - field.start for field in message.fields] == [18, 18]


def test_duplicates_stay_in_order() -> None:
    message = read(letter("Received: 1", "From: a@b.example", "Received: 2", "received: 3"))
    assert message.all("Received") == ("1", "2", "3")


@pytest.mark.parametrize(
    ("raw", "decoded"),
    [
        (b"=?iso-8859-1?Q?Andr=E9?= Pirard", "André Pirard"),
        (b"=?utf-8?B?SsO2?= =?utf-8?B?cmc=?=", "Jörg"),
        (b"=?utf-8?q?J=C3?= =?UTF-8?q?=B6rg?=", "Jörg"),
        (b"a =?utf-8?q?b?= c =?utf-8?q?d?=\r\n =?utf-8?q?e?=", "a b c de"),
        (b"=?utf-8*en?q?hi_there?=", "hi there"),
        (b"=?no-such-set?q?caf=C3=A9?=", "café"),
        (b"=?iso-2022-jp?B?GyRCJDMkcxsoQg==?=", "こん"),
        (b"=?utf-8?b?!!!?= x", "x"),
        (b"=?utf-8?x?abc?=", "=?utf-8?x?abc?="),
        (b"=?utf-8?q?line=0D=0AX-Forged:_1?=", "line X-Forged: 1"),
        (b"=?utf-7?q?+2AA-?=", "?"),
        (b"=?idna?q?xn--abc?=", "xn--abc"),
        (b"=?rot13?q?nopq?=", "nopq"),
        (b"=?hex?q?41?=", "41"),
        ("Grüße".encode(), "Grüße"),
        (b"Gr\xfc\xdfe", "Grüße"),
        (b"a\x00b\x07c", "a b c"),
    ],
)
def test_values_are_decoded(raw: bytes, decoded: str) -> None:
    assert read(b"Subject: " + raw + b"\r\n\r\n").subject == decoded


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("Mon, 23 Nov 2026 10:00:00 +0000", datetime(2026, 11, 23, 10, tzinfo=UTC)),
        ("23 Nov 2026 10:00 +0000", datetime(2026, 11, 23, 10, tzinfo=UTC)),
        ("Mon, 23 Nov 2026 10:00:00 -0000", datetime(2026, 11, 23, 10, tzinfo=UTC)),
        ("Mon, 23 Nov 2026 10:00:00 GMT", datetime(2026, 11, 23, 10, tzinfo=UTC)),
        ("Mon, 23 Nov 2026 10:00:00 +0000 (UTC)", datetime(2026, 11, 23, 10, tzinfo=UTC)),
        ("Mon, 23 Nov 2026 10:00:60 +0000", datetime(2026, 11, 23, 10, 0, 59, tzinfo=UTC)),
        ("Mon, 99 Nov 2026 10:00:00 +0000", None),
        ("Mon, 23 Nov 2026 10:00:00 +9900", None),
        ("Mon, 23 Xxx 2026 10:00:00 +0000", None),
        ("yesterday", None),
        ("9" * 5000, None),
    ],
)
def test_dates(raw: str, expected: datetime | None) -> None:
    assert read(letter(f"Date: {raw}")).date == expected


def multipart(*parts: bytes, kind: bytes = b"mixed") -> bytes:
    body = b"".join(b"--x\r\n" + part + b"\r\n" for part in parts) + b"--x--\r\n"
    return HEAD + b'Content-Type: multipart/%s; boundary="x"\r\n\r\n' % kind + body


def test_both_alternatives_are_read() -> None:
    message = read(
        multipart(
            b"Content-Type: text/plain; charset=utf-8\r\n\r\nplain \xe2\x82\xac",
            b"Content-Type: text/html\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
            b"<p class=3Da>html</p>",
            kind=b"alternative",
        )
    )
    assert message.plain == "plain €"
    assert message.html == "<p class=a>html</p>"
    assert message.content_types == ("multipart/alternative", "text/plain", "text/html")
    assert message.attachments == ()


def test_attachments_are_described_and_not_decoded() -> None:
    message = read(
        multipart(
            b"Content-Type: multipart/related; boundary=y\r\n\r\n--y\r\nContent-Type: text/html\r\n"
            b"\r\n<p>see</p>\r\n--y--",
            b"Content-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n"
            b"Content-Disposition: attachment; filename*=utf-8''gr%C3%BC%C3%9Fe.pdf\r\n\r\n"
            b"not base64 at all",
            b"Content-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\ninner text",
            b"Content-Type: text/plain\r\nContent-Disposition: attachment; filename=a.txt\r\n"
            b"\r\nlog",
        )
    )
    assert message.html == "<p>see</p>"
    assert message.plain == ""
    assert message.attachments[0] == Attachment("grüße.pdf", "application/pdf", 17)
    assert [item.content_type for item in message.attachments] == [
        "application/pdf",
        "message/rfc822",
        "text/plain",
    ]
    assert message.content_types[:2] == ("multipart/mixed", "multipart/related")
    assert message.defects == ()


def test_a_report_is_seen_as_one() -> None:
    report = b"Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example"
    message = read(multipart(b"\r\nfailed", report, kind=b"report; report-type=delivery-status"))
    assert message.content_types[0] == "multipart/report"
    assert "message/delivery-status" in message.content_types


@pytest.mark.parametrize(
    ("label", "octets", "expected"),
    [
        ("", "Grüße – 5 €".encode(), "Grüße – 5 €"),
        ("", b"Gr\xfc\xdfe \x80", "Grüße €"),
        ("us-ascii", "Grüße Ýes".encode(), "Grüße Ýes"),
        ("utf-8", "Grüße".encode(), "Grüße"),
        ("iso-8859-15", b"5 \xa4", "5 €"),
        ("koi8-r", b"\xf0\xd2\xc9\xd7\xc5\xd4", "Привет"),
        ("x-unheard-of", b"plain", "plain"),
    ],
)
def test_charsets(label: str, octets: bytes, expected: str) -> None:
    kind = f"Content-Type: text/plain; charset={label}\r\n" if label else ""
    assert read(HEAD + kind.encode() + b"\r\n" + octets).plain == expected


# Damage: every case is read as far as it goes, and says what is wrong with it.


@pytest.mark.parametrize(
    ("content", "defect"),
    [
        (b"", "no empty line after the header section"),
        (b"Subject: x\r\n\r\nhi", "no From field"),
        (b"From: \r\n\r\nhi", "no address in the From field"),
        (b"From: a@b.example\r\nFrom: c@d.example\r\n\r\nhi", "several From fields".lower()),
        (b"From: a@b.example, c@d.example\r\n\r\nhi", "several authors"),
        (b"From: a@b.example\r\nSubject: 1\r\nSubject: 2\r\n\r\nhi", "several subject fields"),
        (b"From: a@b.example", "no empty line after the header section"),
        (b"just some text\r\nand more\r\n", "no header section"),
        (b"From: a@b.example\r\nno colon here\r\n\r\nhi", "line without a field name"),
        (b" folded first\r\nFrom: a@b.example\r\n\r\nhi", "line without a field name"),
        (HEAD + b"\r\nN\x00UL", "NUL octets"),
        (HEAD + b"Content-Type: multipart/mixed\r\n\r\nno boundary", "multipart without parts"),
        (HEAD + b"Content-Type: text/plain; charset=x-unheard-of\r\n\r\n\xe9", "unknown charset"),
    ],
)
def test_defects_are_recorded(content: bytes, defect: str) -> None:
    found = read(content).defects
    assert any(one.lower().startswith(defect.lower()) for one in found), found


def test_two_authors_are_no_author() -> None:
    message = read(letter("From: a@b.example", "From: c@d.example"))
    assert message.author is None
    assert message.authors == (Address("", "a@b.example"), Address("", "c@d.example"))


def test_octets_without_a_header_section_are_the_body() -> None:
    message = read(b"just some text\r\n\r\nmore")
    assert message.body_start == 0
    assert message.plain == "just some text\r\n\r\nmore"


def test_broken_base64_is_read_by_the_patient_parser() -> None:
    part = b"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    message = read(multipart(part + b"SGVsbG8gd29ybGQ=\r\n-- \r\na list's footer"))
    assert message.plain.startswith("Hello world")
    assert message.defects


def test_a_multipart_without_boundary_is_still_read() -> None:
    message = read(HEAD + b"Content-Type: multipart/mixed\r\n\r\nPlease call me.\r\n")
    assert message.plain == "Please call me."


def test_a_part_with_a_broken_header_section_is_read() -> None:
    assert "inner" in read(multipart(b" broken: x\r\n\r\ninner")).plain


# Bounds: what is beyond them is unread, and said to be.


def test_deep_nesting_is_cut() -> None:
    inner = b"Content-Type: text/plain\r\n\r\ndeep"
    for number in range(150):
        inner = (
            b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (number, number)
            + inner
            + b"\r\n--b%d--\r\n" % number
        )
    message = read(HEAD + inner)
    assert "depth (over 50)" in message.unread
    assert "deep" not in message.plain
    assert len(message.content_types) <= 60
    shallow = read(HEAD + inner, Bounds(depth=200))
    assert shallow.plain.strip() == "deep"
    assert shallow.unread == ()


def test_many_parts_are_cut() -> None:
    part = b"--x\r\nContent-Type: text/plain\r\n\r\nhi\r\n"
    message = read(MIXED + part * 20_000 + b"--x--\r\n")
    assert message.unread == ("parts (over 500)",)
    assert message.plain.count("hi") <= 501
    assert len(message.content_types) <= 501


def test_lines_of_dashes_are_no_parts() -> None:
    body = b"\r\n".join([b"--------", b"--", b"-- table --"] * 1000)
    message = read(HEAD + b"\r\n" + body)
    assert message.unread == ()
    assert message.plain.count("table") == 1000


def test_fields_over_the_bound_are_cut_out_but_not_decoded() -> None:
    head = b"From: a@b.example\r\n" + b"X-Filler: 1\r\n" * 9_998 + b"Subject: late\r\n\r\n"
    message = read(head + b"hi")
    assert message.unread == ("fields (over 1000)",)
    assert len(message.fields) == 10_000
    assert message.subject == "late"  # a reader is shown it
    assert len(message.all("x-filler")) == 999
    assert message.plain == "hi"


@pytest.mark.parametrize("filler", [b"X-F: 1\r\n" * 30_000, b"X-F: " + b"y" * 2_000_000 + b"\r\n"])
def test_our_own_names_are_cut_out_wherever_they_stand(filler: bytes) -> None:
    """They have to be removed whatever comes (RFC 8601, 5)."""
    ours = [
        b"X-Gateway-Tone: pleased\r\n",
        b"x-spam-FLAG : NO\r\n folded\r\n",
        b"Authentication-Results: mx1.example.net; dkim=pass\r\n",
        b"X-Gateway-Last: yes\r\n",
    ]
    content = b"From: a@b.example\r\n" + filler + b"".join(ours) + b"Subject: x\r\n\r\nhi"
    message = read(content)
    names = ("x-gateway-", "x-spam-", "authentication-results")
    found = [
        content[field.start : field.end] for field in message.fields if field.name.startswith(names)
    ]
    assert found == ours
    assert message.unread
    assert content[message.body_start :] == b"hi"


def test_long_text_is_cut_at_the_bound() -> None:
    message = read(HEAD + b"\r\n" + b"word " * 100_000)
    assert len(message.plain) == 65_536
    assert message.unread == ("text (over 64 KB)",)
    small = read(HEAD + b"\r\n" + b"word " * 100, Bounds(text=100))
    assert len(small.plain) == 100


def test_an_attachment_keeps_its_size_whatever_it_is() -> None:
    data = b"QUJD" * 19 + b"\r\n"
    message = read(
        multipart(
            b"\r\nsee attached",
            b"Content-Type: application/zip\r\nContent-Transfer-Encoding: base64\r\n\r\n"
            + data * 100_000,
        )
    )
    assert message.plain == "see attached"
    assert message.attachments[0].size == pytest.approx(len(data) * 100_000, abs=2)
    assert message.unread == ()


def test_text_behind_a_long_text_is_still_found() -> None:
    long = b"Content-Type: text/plain\r\n\r\n" + b"lorem ipsum\r\n" * 200_000
    message = read(multipart(long, b"Content-Type: text/html\r\n\r\n<p>the end</p>"))
    assert message.html == "<p>the end</p>"
    assert "text (over 64 KB)" in message.unread


def rfc822(depth: int, size: int) -> bytes:
    nested = b"Content-Type: message/rfc822\r\n\r\n" * depth
    return b"From: a@b.example\r\n" + nested + b"\r\n" + b"hello\r\n" * (size // 7)


HOSTILE: dict[str, Callable[[int], bytes]] = {
    "one line": lambda n: HEAD + b"\r\n" + b"x" * n,
    "one line of HTML": lambda n: HEAD + b"Content-Type: text/html\r\n\r\n<p>" + b"x" * n,
    "no colon": lambda n: b"x" * n,
    "colons": lambda n: b"a:\r\n" * (n // 4),
    "short fields": lambda n: b"From: a@b.example\r\n" + b"a: b\r\n" * (n // 6) + b"\r\nhi",
    "one field": lambda n: b"From: a@b.example\r\nX: " + b"y" * n + b"\r\n\r\nhi",
    "authors": lambda n: b"From: " + b"a@b.example, " * (n // 13) + b"\r\n\r\nhi",
    "angles": lambda n: b"From: " + b"<" * n + b"\r\n\r\nhi",
    "comments": lambda n: b"From: " + b"(" * n + b"\r\n\r\nhi",
    "quotes": lambda n: b"From: " + b'"\\' * (n // 2) + b"\r\n\r\nhi",
    "encoded words": lambda n: b"Subject: " + b"=?utf-8?q?a?= " * (n // 14) + b"\r\n\r\nhi",
    "half encoded words": lambda n: b"Subject: " + b"=?utf-8?q?" * (n // 10) + b"\r\n\r\nhi",
    "references": lambda n: b"References: " + b"<a@b> " * (n // 6) + b"\r\n\r\nhi",
    "folds": lambda n: b"Subject: a" + b"\r\n b" * (n // 4) + b"\r\n\r\nhi",
    "NULs": lambda n: HEAD + b"\r\n" + b"\x00" * n,
    "empty parts": lambda n: MIXED + b"--x\r\n\r\n" * (n // 7),
    "undeclared dashes": lambda n: MIXED + b"--y\r\n\r\n" * (n // 7),
    "opened only": lambda n: (
        MIXED + b"--x\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n" * (n // 56)
    ),
    "nested messages": lambda n: rfc822(200, n),
    "broken base64": lambda n: (
        HEAD + b"Content-Transfer-Encoding: base64\r\n\r\n" + b"QUJD!\r\n" * (n // 7)
    ),
    "base64 of base64": lambda n: (
        HEAD + b"Content-Transfer-Encoding: base64\r\n\r\n" + b"VVVKRFJBPT0K" * (n // 12)
    ),
    "quoted-printable": lambda n: (
        HEAD + b"Content-Transfer-Encoding: quoted-printable\r\n\r\n" + b"=3D" * (n // 3)
    ),
    "boundaries": lambda n: MIXED + b"boundary=a boundary=b \r\n--a\r\n" * (n // 31),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_input_is_read_within_bounds(kind: str) -> None:
    message = read(HOSTILE[kind](300_000))
    assert len(message.fields) <= 10_000
    assert len(message.content_types) <= 501
    assert len(message.plain) <= 65_536
    assert len(message.html) <= 4 * 65_536
    assert len(message.authors) <= 1_000
    assert len(message.subject) <= 2_000
    assert len(message.references) <= 100
    assert len(message.defects) <= 20


@pytest.mark.parametrize("kind", HOSTILE)
def test_time_grows_no_faster_than_the_input(kind: str) -> None:
    """Eight times the octets, at most sixteen times the work (or less than a second of it)."""

    def cost(size: int) -> float:
        content = HOSTILE[kind](size)
        best = 1e9
        for _ in range(3):
            start = time.process_time()
            read(content)
            best = min(best, time.process_time() - start)
        return best

    small, large = cost(250_000), cost(2_000_000)
    assert large < max(16 * small, 1.0)


def test_a_mapped_file_is_read_like_octets(tmp_path: Path) -> None:
    data = b"QUJD" * 19 + b"\r\n"
    content = b"X-Gateway-Tone: x\r\n" + multipart(
        b"\r\nsee attached",
        b"Content-Type: application/zip\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + data * 20_000,
    )
    path = tmp_path / "spooled"
    path.write_bytes(content)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        one, other = read(content), read(mapped)
        for field in dataclass_fields(Message):
            if field.name not in ("arrival", "decoded"):
                assert getattr(one, field.name) == getattr(other, field.name)
    # Leaving the block closes the map: nothing of it was kept open.


LONG = b"\r\n " + b"\r\n ".join([b"a" * 900] * 1300)
US = "mx1.site.example"


@pytest.mark.parametrize("name", ["X-Gateway-Call", "Authentication-Results", "X-Spam-Flag"])
@pytest.mark.parametrize("value", [LONG, b" " + b"a" * (1 << 20)], ids=["folded", "one line"])
@pytest.mark.parametrize("above", [b"", b"To: x@y.example\r\n", b"X: 1\r\n" * 10_000])
def test_a_field_of_ours_of_any_length_is_cut_whole(name, value, above) -> None:
    """What stayed of it would stand below our own fields, or continue the last of them."""
    ours = f"{name}: {US};".encode() + value + b"\r\n"
    content = above + ours + b"From: a@b.example\r\n\r\nhi\r\n"
    (found,) = [field for field in read(content).fields if is_ours(field, US)]
    assert content[found.start : found.end] == ours


def test_a_million_fields_of_ours_are_few_cuts() -> None:
    """A letter carries its cuts: they, and the time to find them, have a bound."""
    content = b"From: a@b.example\r\n" + b"X-Spam-A:\r\nB: 1\r\n" * 1_000_000 + b"\r\nhi\r\n"
    begin = time.process_time()
    message = read(content)
    assert time.process_time() - begin < 1.0
    assert len(message.fields) < 25_000
    assert message.fields[-1].end == message.body_start - 2
    assert is_ours(message.fields[-1], US)
    assert not message.whole


@pytest.mark.parametrize(
    "top",
    [
        "Content-Type:",
        "Content-Type: text",
        "Content-Type: text; charset=utf-8",
        "Content-Type: ;x",
    ],
)
def test_a_type_that_is_none_is_text(top: str) -> None:
    """RFC 2045, 5.2: readers are shown it, so it is read."""
    assert read(letter("From: a@b.example", top)).plain == "Hello\r\n"
    parts = f"--x\r\n{top}\r\n\r\nHello\r\n--x--"
    assert "Hello" in read(MIXED + parts.encode()).plain


@pytest.mark.parametrize(
    "body",
    [
        b"\xff\xfeYou stole my money.\r\n",
        b"\xfe\xffYou stole my money!\r\n",
        b"You stole my money.\r\n",
    ],
)
@pytest.mark.parametrize(
    "charset", ["utf-8", "us-ascii", "utf-16", "utf-16be", "iso-2022-kr", "hz-gb-2312"]
)
@pytest.mark.parametrize("kind", ["plain", "html"])
def test_a_charset_that_lies_hides_no_text(body: bytes, charset: str, kind: str) -> None:
    """Two octets, or a label, must not blind what reads for spam and anger."""
    head = f"Content-Type: text/{kind}; charset={charset}\r\n\r\n".encode()
    message = read(b"From: a@b.example\r\n" + head + body)
    assert "stole my money" in message.plain + message.html


@pytest.mark.parametrize("charset", ["utf-16", "utf-16le", "utf-16be"])
def test_what_is_utf_16_is_read_so(charset: str) -> None:
    text = "您好，我的订单在哪里？已经两个星期了。 Where is it? "
    encoded = base64.b64encode(text.encode(charset)).decode()
    head = [f"Content-Type: text/plain; charset={charset}", "Content-Transfer-Encoding: base64"]
    assert read(letter("From: a@b.example", *head, body=encoded)).plain == text


def test_what_breaks_two_parsers_is_read_by_a_third() -> None:
    broken = b'Content-Type: multipart/mixed; boundary="x\r\n y"\r\n\r\n--x \r\nHello there\r\n'
    head = b'Content-Type: multipart/mixed; boundary="x"; boundary=y\r\n\r\n--x\r\n'
    message = read(b"From: a@b.example\r\n" + head + broken)
    assert "Hello there" in message.plain
    assert "broken MIME structure" in message.defects
    deep = b"".join(
        b'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d\r\n\r\nHi %d\r\n--b%d\r\n'
        % (i, i, i, i)
        for i in range(60)
    )
    message = read(b"From: a@b.example\r\n" + deep)
    assert "Hi 1\n" in message.plain
    assert message.unread == ("depth (over 50)",)


def test_what_strangers_wrote_is_not_logged() -> None:
    """Loggers below one that is disabled still speak to those above."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    logging.getLogger().addHandler(handler)
    try:
        head = b'Content-Type: multipart/mixed; boundary="x"\r\n\r\n'
        read(b"From: a@b.example\r\n" + head + b"--y\r\n" * 600)
    finally:
        logging.getLogger().removeHandler(handler)
    assert written.getvalue() == ""


@pytest.mark.parametrize("name", ["From", "To", "Cc", "Reply-To"])
def test_many_long_address_fields_cost_as_much_as_one(name: str) -> None:
    """Each of them holds the loop while it is read."""
    field = f"{name}: {'<' * 60_000}\r\n".encode()

    def cost(content: bytes) -> float:
        begin = time.process_time()
        read(content)
        return time.process_time() - begin

    one, many = field + b"\r\nhi", field * 17 + b"\r\nhi"
    cost(one)
    assert min(cost(many) for _ in range(3)) < 5 * min(cost(one) for _ in range(3)) + 0.05


def test_addresses_of_several_fields_are_read() -> None:
    message = read(b"To: a@b.example\r\nTo: c@d.example\r\nFrom: e@f.example\r\n\r\nhi")
    assert [one.address for one in message.to] == ["a@b.example", "c@d.example"]


@pytest.mark.parametrize(
    "junk", [b"X: 1\r\n" * 1000, b"X: 1\r\n" * 10_000, b"X: " + b"1" * (1 << 20) + b"\r\n"]
)
def test_junk_above_hides_no_text(junk: bytes) -> None:
    """A mail client shows what stands below it, so it is read."""
    below = b"From: a@b.example\r\nSubject: Hi\r\nContent-Type: text/html\r\n"
    below += b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.b64encode(b"<p>You stole it</p>")
    message = read(junk + below)
    assert (message.subject, message.html) == ("Hi", "<p>You stole it</p>")
    assert [one.address for one in message.authors] == ["a@b.example"]
    assert message.unread
