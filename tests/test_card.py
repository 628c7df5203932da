"""The call card: right for the agent, and closed to whatever a customer writes."""

import email
import email.policy
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from types import MappingProxyType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.acknowledgement.message_ids import MessageIds
from gateway.calendar import WorkingHours
from gateway.call import card
from gateway.call.card_text import defang, number, shown
from gateway.message import Arrival, Envelope, Message, Session
from gateway.parse import parse
from gateway.plan import Call, Contact, History
from gateway.settings import Calendar, Calls, Route, Site

NOW = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
SITE = Site(
    site="shop",
    domains=("shop.example",),
    name="The Shop",
    next_hop="mailbox",
    region="US",
    routes=(Route(),),
    calendar=Calendar(timezone="America/New_York", hours={"mon-fri": "9:00-17:30"}),
    calls=Calls(notify=("oncall@inside.example", "lead@inside.example")),
)
HOURS = WorkingHours(SITE.calendar)
IDS = MessageIds([b"secret"], "mx1.example.net")
LETTER = """\
From: Kim Lee <kim@cust.example>
To: support@shop.example
Subject: Bait and switch
Message-ID: <2@cust.example>
References: <1@cust.example>

I chose two-day shipping for order 10423 and you sent it by ground.
See https://evil.example/x?y=1 and www.review.example, or write to kim@other.example.

Why did you change it?
Call me after 6 pm.

Kim Lee
+1 212 555 0123
"""
CALL = Call(
    id="Q1.1",
    site="shop",
    queue_id="Q1",
    contact="kim@cust.example",
    name="Kim Lee",
    phone="+12125550123",
    extension="4",
    orders=("10423",),
    questions=("Why did you change it?",),
    phrases=("bait and switch", "tell everyone"),
    reason="irate 0.97, at least 0.80",
    due=NOW + timedelta(minutes=30),
    opened=NOW,
    proven=True,
)
KNOWN = History(
    proven=Contact(
        letters_7_days=5,
        letters_30_days=8,
        last_irate=datetime(2026, 11, 2, 15, 0, tzinfo=UTC),
        phones=frozenset({"+12125550123"}),
        known=True,
    )
)


def letter(text: str = LETTER) -> Message:
    content = text.replace("\n", "\r\n").encode("utf-8", "replace")
    envelope = Envelope("kim@cust.example", ("support@shop.example",))
    return parse(Arrival("Q1", NOW, Session("192.0.2.1"), envelope, content))


def octets(
    call: Call = CALL, history: History = KNOWN, text: str = LETTER, site: Site = SITE
) -> bytes:
    return card.compose(
        letter(text), call, history, site=site, hours=HOURS, message_id=IDS.make(call.id, "card")
    )


def read(made: bytes) -> EmailMessage:
    message = email.message_from_bytes(made, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    assert [part.defects for part in message.walk()] == [[], [], []]
    return message


def part(made: bytes, kind: str) -> str:
    body = read(made).get_body((kind,))
    assert body is not None
    text = body.get_content()
    assert isinstance(text, str)
    return text.replace("\r\n", "\n")


# --- the mail -------------------------------------------------------------------------------------


def test_it_stands_in_the_customers_conversation() -> None:
    message = read(octets())
    assert message["From"] == "The Shop <postmaster@shop.example>"
    assert [a.addr_spec for a in message["To"].addresses] == list(SITE.calls.notify)
    assert message["Subject"] == "Call now: Kim Lee, +1 212-555-0123 ext. 4"
    assert message["In-Reply-To"] == "<2@cust.example>"
    assert message["References"].split() == ["<1@cust.example>", "<2@cust.example>"]
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["X-Gateway-Id"] == "Q1"
    assert message["Importance"] == "high"
    assert message["X-Priority"] == "1"
    assert IDS.ours(message["Message-ID"])
    assert message.get_content_type() == "multipart/alternative"


def test_from_is_the_canonical_address() -> None:
    site = SITE.model_copy(update={"address": "support@shop.example"})
    assert read(octets(site=site))["From"] == "The Shop <support@shop.example>"


@pytest.mark.parametrize(
    ("change", "subject"),
    [
        ({"phone": None}, "Call now: Kim Lee, no number"),
        ({"extension": ""}, "Call now: Kim Lee, +1 212-555-0123"),
        ({"proven": False}, "Call now: Kim Lee, +1 212-555-0123 ext. 4 (sender not proven)"),
        ({"name": ""}, "Call now: a customer at cust[.]example, +1 212-555-0123 ext. 4"),
        ({"name": "Kim\r\nBcc: x"}, "Call now: Kim Bcc: x, +1 212-555-0123 ext. 4"),
        (
            {"due": NOW + timedelta(hours=23)},
            "Call by Tuesday, November 24, 9:00 am EST: Kim Lee, +1 212-555-0123 ext. 4",
        ),
    ],
)
def test_subjects(change: dict[str, object], subject: str) -> None:
    assert read(octets(replace(CALL, **change)))["Subject"] == subject  # type: ignore[arg-type]


# --- what it says ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("proven", "phone", "history", "beginning"),
    [
        (True, "+12125550123", KNOWN, "SENDER PROVEN, NUMBER KNOWN: "),
        (True, "+12125550199", KNOWN, "SENDER PROVEN, NUMBER NEW: "),
        (True, None, KNOWN, "SENDER PROVEN, NO NUMBER: "),
        (False, "+12125550123", KNOWN, "SENDER NOT PROVEN, NUMBER KNOWN: "),
        (False, "+12125550123", History(), "SENDER NOT PROVEN, NUMBER NEW: "),
        (False, None, History(), "SENDER NOT PROVEN, NO NUMBER: "),
        (
            False,
            "+12125550123",
            History(unproven=Contact(phones=frozenset({"+12125550123"}))),
            "SENDER NOT PROVEN, NUMBER NEW: ",  # who forges once forges twice
        ),
    ],
)
def test_first_line(proven: bool, phone: str | None, history: History, beginning: str) -> None:
    made = octets(replace(CALL, proven=proven, phone=phone), history)
    first = part(made, "plain").partition("\n")[0]
    assert first.startswith(beginning)
    new = "NUMBER NEW" in beginning and not proven
    assert ("Ask for proof before you speak of the order" in first) is new
    assert first.partition(":")[0] in part(made, "html").partition("</p>")[0]


def test_everything_is_at_hand() -> None:
    text = part(octets(), "plain")
    for wanted in (
        "Kim Lee",
        "+1 212-555-0123 ext. 4",
        "best time, in the customer's words: after 6 pm",
        "due Monday, November 23, 10:30 am EST",
        "irate 0.97, at least 0.80",
        "1. Why did you change it?",
        "10423",
        "bait and switch",
        "6 letters in 7 days, 9 in 30 days",
        "last irate on 02 November 2026",
        "> I chose two-day shipping for order 10423",
        "Do not argue",
        "> Hello Kim Lee,",
        "> I have read your message about 10423",
        "> [your name], The Shop",
    ):
        assert wanted in text


def test_html_says_the_same_and_dials() -> None:
    made = octets()
    html = part(made, "html")
    assert re.findall(r'href="([^"]*)"', html) == ["tel:+12125550123"]
    for line in ("10423", "6 letters in 7 days", "two-day shipping"):
        assert line in html


def test_unproven_gives_no_fact_of_the_order_away() -> None:
    text = part(octets(replace(CALL, proven=False)), "plain")
    draft = text.partition("DRAFT OF A FIRST REPLY")[2]
    assert "10423" not in draft
    assert "555" not in draft
    assert "ASK FOR PROOF FIRST" in text


def test_unproven_letter_of_a_known_address_says_so() -> None:
    text = part(octets(replace(CALL, proven=False)), "plain")
    assert "was proven then; this letter is not" in text
    assert "1 letter in 7 days" in text


def test_remarks() -> None:
    text = part(octets(replace(CALL, reason="irate 0.97; taken for spam", updates="Q0.1")), "plain")
    assert "The letter was taken for spam." in text
    assert "open already" in text
    assert "could not be looked up" in part(octets(history=History(missing="timeout")), "plain")


def test_draft_speaks_the_customers_language() -> None:
    german = LETTER.replace(
        "I chose two-day shipping for order 10423 and you sent it by ground.",
        "Ich habe den schnellen Versand bestellt und bezahlt, und Sie haben ihn nicht geschickt.",
    ).replace("Why did you change it?\nCall me after 6 pm.", "Warum haben Sie das geändert?")
    assert "> Guten Tag Kim Lee," in part(octets(text=german), "plain")


def test_long_letters_are_cut_on_the_card_only() -> None:
    text = part(octets(text=LETTER.replace("Why", "Line\n" * 300 + "Why")), "plain")
    assert "[the rest stands in the letter itself]" in text
    assert len(text) < 12_000


# --- numbers --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("phone", "region", "link", "warning"),
    [
        ("+12125550123", "US", "tel:+12125550123", ""),
        ("+442079460123", "US", "tel:+442079460123", "CAREFUL: a number in another country (GB)"),
        ("+442079460123", "GB", "tel:+442079460123", ""),
        ("+19005550123", "US", "tel:+19005550123", "CAREFUL: a premium rate number"),
        ("+33899123456", "FR", "tel:+33899123456", "CAREFUL: a premium rate number"),
        ("+33899123456", "US", "tel:+33899123456",
         "CAREFUL: a premium rate number and a number in another country (FR)"),
    ],
)  # fmt: skip
def test_numbers(phone: str, region: str, link: str, warning: str) -> None:
    found = number(phone, region)
    assert found is not None
    assert (found.link, found.warning) == (link, warning)


@pytest.mark.parametrize(
    "phone",
    [None, "", "2125550123", "+1 212 555 0123", "+0123456789", '+1"><script>', "+1212555012345678"],
)
def test_only_e164_is_dialled(phone: str | None) -> None:
    assert number(phone, "US") is None
    made = octets(replace(CALL, phone=phone))
    assert "tel:" not in part(made, "html")
    assert "NUMBER KNOWN" not in part(made, "plain")


# --- what comes from outside ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("https://evil.example/x", "hxxps://evil[.]example/x"),
        ("HTTP://EVIL.EXAMPLE", "hxxp://EVIL[.]EXAMPLE"),
        ("ftp://evil.example", "ftp[:]//evil[.]example"),
        ("javascript:alert(1)", "javascript[:]alert(1)"),
        ("mailto:x@evil.example", "mailto[:]x@evil[.]example"),
        ("tel:+19005550123", "tel[:]+19005550123"),
        ("www.evil.example.", "www[.]evil[.]example."),
        ("müller.example", "müller[.]example"),
        ("http://192.0.2.1/x", "hxxp://192[.]0[.]2[.]1/x"),
        ("paid 12.50 on 1.12.2026.", "paid 12.50 on 1.12.2026."),
        ("Note: this. And that...", "Note: this. And that..."),
        ("at 10:30, ratio 1:2", "at 10:30, ratio 1:2"),
    ],
)
def test_links_are_defanged(text: str, safe: str) -> None:
    assert defang(text) == safe


def test_no_link_of_the_customer_survives() -> None:
    made = octets()
    for kind in ("plain", "html"):
        text = part(made, kind)
        assert "https://" not in text
        assert "evil.example" not in text
        assert "www.review" not in text


def test_shown_is_one_line_without_tricks() -> None:
    assert shown("a\r\nb\u202ec\x1b[31m[x] \\") == "a b\\u202ec\\x1b[31m[x] \\"
    assert len(shown("x" * 1000)) == 300


NASTY = st.one_of(
    st.text(max_size=200),
    st.text("\r\n\0\t :<>@\"'&\\,;()[]=?éBcc./htp", max_size=120),
    st.sampled_from(
        [
            "x\r\nBcc: v@h.example",
            "<script>alert(1)</script>",
            '"><a href="https://evil.example">x</a>',
            "--=_0\r\nContent-Type: text/html\r\n\r\n<b>x</b>",
            "\u202egnp.exe",
            "\x1b]0;x\x07",
        ]
    ),
)
NAMES = {
    "from", "to", "subject", "date", "message-id", "in-reply-to", "references", "auto-submitted",
    "x-auto-response-suppress", "x-gateway-id", "importance", "x-priority", "mime-version",
    "content-type",
}  # fmt: skip


@settings(max_examples=60)
@given(
    st.lists(NASTY, min_size=8, max_size=8),
    st.booleans(),
    st.sampled_from([None, "+12125550123", "+1\r\nX: y"]),
)
def test_nothing_from_outside_breaks_out(
    values: list[str], proven: bool, phone: str | None
) -> None:
    name, extension, order, question, phrase, subject, body, author = values
    call = replace(
        CALL,
        name=name,
        extension=extension,
        orders=(order,),
        questions=(question,),
        phrases=(phrase,),
        reason=phrase,
        proven=proven,
        phone=phone,
    )
    one_line = subject.replace("\r", " ").replace("\n", " ")
    text = f"From: {author}\nTo: support@shop.example\nSubject: {one_line}\n\n{body}\n"
    made = octets(call, KNOWN, text)
    assert b"\n" not in made.replace(b"\r\n", b"")
    assert b"\r" not in made.replace(b"\r\n", b"")
    head = made.partition(b"\r\n\r\n")[0]
    found = [f.split(b":", 1)[0].decode().lower() for f in re.split(rb"\r\n(?![ \t])", head)]
    assert len(found) == len(set(found))
    assert set(found) <= NAMES
    assert all(len(line) <= 998 for line in made.split(b"\r\n"))
    assert head.isascii()
    html, plain = part(made, "html"), part(made, "plain")
    tags = set(re.findall(r"<[^>]*>", html))
    link = {'<a href="tel:+12125550123">'} if phone == "+12125550123" else set()
    assert tags <= link | MARKS
    for told in (html, plain):
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]", told)
        assert not re.search(r"https?://", told, re.IGNORECASE)


MARKS = {
    f"<{slash}{tag}>"
    for tag in ("html", "body", "p", "strong", "a", "h3", "ul", "ol", "li", "blockquote")
    for slash in ("", "/")
} | {"<br>", "<!DOCTYPE html>"}


def test_budget_and_missing_history_are_no_trouble() -> None:
    history = History(calls_carded=MappingProxyType({"shop": 99}), missing="timeout")
    assert b"Subject: Call now" in octets(history=history)
