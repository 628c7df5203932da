"""Delivery status notices and notices to the administrator, read back with the library's parser."""

from __future__ import annotations

import mmap
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import dsn
from gateway.reply import Reply
from gateway.store import Job, Outcome

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
CONTENT = (
    b"From: Jane <jane@customer.example>\r\nSubject: Where is my order\r\n"
    b"Message-ID: <abc.1@customer.example>\r\n\r\nThe body stays here.\r\n"
)
SHEET = dsn.Sheet(
    hostname="mx.gateway.example",
    sender="postmaster@shop.example",
    message_id="<n1@mx.gateway.example>",
    now=NOW,
    site_name="The Shop",
    phone="+1 555 0100",
)
FAILED = Outcome("support@shop.example", "failed", Reply(550, "5.1.1", "no mailbox on host7"))
SILENT = Outcome("support@shop.example", "delayed", Reply(451, "4.4.1", "no connection"))


def job(content: Any = CONTENT, **changes: Any) -> Job:
    values: dict[str, Any] = {
        "letter_id": "q1.1",
        "queue_id": "q1",
        "kind": "letter",
        "site": "shop",
        "next_hop": "mailbox",
        "reverse_path": "jane@customer.example",
        "recipients": ("support@shop.example",),
        "prefix": b"X-Gateway-Tone: irate\r\n",
        "cuts": (),
        "content": content,
        "attempts": 4,
        "accepted": datetime(2026, 11, 23, 9, 0, tzinfo=UTC),
        "lease": "l",
    }
    return Job(**(values | changes))


def report(*failed: tuple[str, Outcome], **changes: Any) -> EmailMessage:
    fates = [dsn.Fate(*each) for each in failed or (("support@shop.example", FAILED),)]
    octets = dsn.report(job(**changes), fates, SHEET)
    assert b"\n" not in octets.replace(b"\r\n", b"")
    return read(octets)


def read(octets: bytes) -> EmailMessage:
    return message_from_bytes(octets, policy=policy.default)  # type: ignore[return-value]


def status(message: EmailMessage) -> list[dict[str, str]]:
    part = message.get_payload()[1]
    return [dict(group.items()) for group in part.get_payload()]


def test_the_frame_of_a_report() -> None:
    message = report()
    assert message.get_content_type() == "multipart/report"
    assert message.get_param("report-type") == "delivery-status"
    assert message["Auto-Submitted"] == "auto-replied"
    assert message["From"] == "Mail delivery <postmaster@shop.example>"
    assert message["To"] == "jane@customer.example"
    assert message["In-Reply-To"] == "<abc.1@customer.example>"
    assert message["Message-ID"] == "<n1@mx.gateway.example>"
    assert not message.defects
    assert [part.get_content_type() for part in message.get_payload()] == [
        "text/plain",
        "message/delivery-status",
        "text/rfc822-headers",
    ]


def test_a_customer_can_understand_it() -> None:
    text = report().get_payload()[0].get_content()
    assert "your message could not be delivered to:\r\n\r\n    support@shop.example\r\n" in text
    assert "of The Shop" in text
    assert "Please call us: +1 555 0100" in text
    assert "q1" in text
    assert "did not accept it" in text


def test_a_long_silence_is_no_refusal() -> None:
    message = report(("support@shop.example", SILENT))
    assert "could not be reached" in message.get_payload()[0].get_content()
    assert status(message)[1]["Status"] == "4.4.7"


def test_fields_for_programs() -> None:
    of_message, of_recipient = status(report())
    assert of_message["Reporting-MTA"] == "dns; mx.gateway.example"
    assert of_recipient["Final-Recipient"] == "rfc822; support@shop.example"
    assert of_recipient["Action"] == "failed"
    assert of_recipient["Status"] == "5.1.1"
    assert of_recipient["Diagnostic-Code"] == "smtp; 550 5.1.1"


def test_each_address_is_named_once() -> None:
    groups = status(report(("a@shop.example", FAILED), ("a@shop.example", SILENT),
                           ("b@shop.example", SILENT)))  # fmt: skip
    assert len(groups) == 3


def test_an_international_address() -> None:
    message = report(("grüße@shop.example", FAILED), reverse_path="jürgen@customer.example")
    assert status(message)[1]["Final-Recipient"] == "utf-8; gr\\x{FC}\\x{DF}e@shop.example"


def test_neither_body_nor_inside_words_are_sent_back() -> None:
    octets = dsn.report(job(), [dsn.Fate("support@shop.example", FAILED)], SHEET)
    assert b"Subject: Where is my order\r\n" in octets
    for word in (b"The body stays here", b"irate", b"host7", b"mailbox on"):
        assert word not in octets


@pytest.mark.parametrize(
    "content",
    [b"", b"\r\n", b"\r\nbody", b"no colon at all", b"A: b\n\nbody", b"\xff\xfe: \x00\r\n\r\nx",
     b"Message-ID: <a@b>\r\n <c@d>\r\n\r\n", b"--=_dsn_\r\n\r\n"],
)  # fmt: skip
def test_odd_letters_make_whole_reports(content: bytes) -> None:
    message = report(content=content)
    assert len(message.get_payload()) == 3


def test_a_foreign_message_id_is_copied_only_if_harmless() -> None:
    for bad in (b"<a b@c>", b"<a@b> x", b"<" + b"a" * 300 + b"@b>", b"<a@b", b'<"x"@b>'):
        assert report(content=b"Message-ID: " + bad + b"\r\n\r\n")["In-Reply-To"] is None


@given(st.binary(max_size=400))
def test_no_letter_can_add_to_its_report(content: bytes) -> None:
    octets = dsn.report(job(content), [dsn.Fate("support@shop.example", FAILED)], SHEET)
    head, _, body = octets.partition(b"\r\n\r\n")
    names = [line.partition(b":")[0] for line in head.split(b"\r\n") if line[:1] != b" "]
    assert set(names) <= {
        b"From", b"To", b"Subject", b"Date", b"Message-ID", b"In-Reply-To", b"References",
        b"Auto-Submitted", b"MIME-Version", b"Content-Type",
    }  # fmt: skip
    boundary = head.split(b'boundary="')[1].partition(b'"')[0]
    assert body.count(b"--" + boundary) == 4


def test_a_huge_header_section_is_cut_at_a_line(tmp_path) -> None:
    path = tmp_path / "spool"
    path.write_bytes(b"X-Line: 0123456789\r\n" * 100_000 + b"\r\nbody")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        section = dsn.header_section(mapped)
    assert len(section) <= dsn.HEADER_MAX
    assert section.endswith(b"X-Line: 0123456789\r\n")


def test_a_reverse_path_cannot_end_its_line() -> None:
    message = report(reverse_path="x\r\nBcc: y@z.example")
    assert message["Bcc"] is None


def test_long_lines_are_cut() -> None:
    octets = dsn.report(job(b"X: " + b"y" * 5000), [dsn.Fate("a@shop.example", FAILED)], SHEET)
    assert max(map(len, octets.split(b"\r\n"))) <= 998


# --- the administrator's notice ----------------------------------------------------------------


def notice(*failed: Outcome, earlier: int = 0, **changes: Any) -> EmailMessage:
    octets = dsn.notice(
        job(**changes), failed or (FAILED,), SHEET, administrator="admin@inside.example",
        earlier=earlier,
    )  # fmt: skip
    assert b"\n" not in octets.replace(b"\r\n", b"")
    return read(octets)


def test_the_notice_says_what_happened_and_what_to_do() -> None:
    message = notice(earlier=2)
    text = message.get_content()
    assert message["Auto-Submitted"] == "auto-generated"
    assert "no mailbox on host7" in text
    assert "gateway queue release q1.1" in text
    assert "2 more letters were held" in text
    assert "mailbox" in message["Subject"]
    assert "Where is my order" not in message.as_string()


def test_a_reply_cannot_move_the_reader() -> None:
    evil = Outcome("a@shop.example", "failed", Reply(550, "5.0.0", "\x1b[2J\r\nBcc: x\u202e"))
    text = notice(evil).get_content()
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "\nBcc" not in text


def test_many_recipients_are_counted_not_listed() -> None:
    many = [Outcome(f"r{n}@shop.example", "failed", FAILED.reply) for n in range(50)]
    text = notice(*many).get_content()
    assert "and 30 more" in text
    assert "r20@" not in text
