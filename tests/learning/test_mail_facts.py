"""Facts about a message beside its words: which hold, that they travel, and that they are cheap."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.learning import mail_facts
from gateway.learning.features import MAIL_ROOM
from gateway.learning.hosts import authority, host_of, owner
from gateway.learning.input import message_of, read_input


def facts(raw: str) -> set[str]:
    message = message_of(raw.encode())
    found = mail_facts.columns(message, read_input(message))
    return {mail_facts.MAIL[number] for number in found.tolist()}


HONEST = """From: The Copper Pan <hello@news.copperpan.example>
To: Ida Lund <ida.lund@site.example>
Subject: =?utf-8?q?=F0=9F=8D=8B?= Lemons
Content-Type: text/html; charset=utf-8

<p>Hello Ida, your order 10423 over $31.00 has left The Copper Pan.</p>
<img src="https://cdn.copperpan.example/a.png">
<a href="https://www.copperpan.example/orders">Your order</a>
<a href="https://www.copperpan.example/shop">Shop</a>
<p>You are receiving this because you bought something. Privacy policy.
<a href="https://news.copperpan.example/u">Unsubscribe</a></p>
"""
PRIZE = """From: "Costco* Rewards" <x7-win-91@kq3-rewards.click>
To: info@site.example
Reply-To: agent@gmail.com
Subject: =?utf-8?q?Your_=D1=80rize?=
Content-Type: text/html; charset=utf-8

<a href="http://go.elsewhere.top/c"><img src="http://go.elsewhere.top/1.jpg"></a>
"""
CUSTOMER = """From: Jo Brandt <jo.brandt@gmail.com>
To: support@site.example
Subject: My order

Where is order 10423? I paid $80 and nobody at PayPal can tell me. Unsubscribe me from nothing.
"""


def test_an_honest_mailing_fits_itself() -> None:
    found = facts(HONEST)
    assert {
        "mailing", "mailing: name fits the domain", "mailing: everything fits",
        "mailing: names its author", "mailing: links to its author", "mailing: notices below",
        "mailing: number and amount", "end of mailing at the author's", "recipient's name in text",
        "author at a mailing host", "pictograph in the subject", "links to the author's domain",
    } <= found  # fmt: skip
    assert "mailing: nothing fits" not in found


def test_a_prize_fits_nothing() -> None:
    found = facts(PRIZE)
    assert {
        "mailing", "mailing: nothing fits", "mailing: pictures instead of text",
        "mailing: one picture", "few links, all on one foreign host", "links without TLS only",
        "rare ending of a link's host", "rare ending of the author's domain", "hardly any text",
        "odd signs in the author name", "author name names a brand of another domain",
        "reply-to at a free mail domain", "odd letters in the subject",
    } <= found  # fmt: skip


def test_a_customer_is_no_mailing() -> None:
    found = facts(CUSTOMER)
    assert found == {"no link", "author at a free mail domain", "author name is in the local part"}


@pytest.mark.parametrize(
    ("author", "malformed"),
    [
        ("Lidl <gewinn@lidl.example>", False),
        ("MAILER-DAEMON", False),
        ("Zoë <zoe@bücher.example>", False),
        ('Lidl <gewinn@lidl"example>', True),
        ("Lidl <gewinn@lidl,example>", True),
        ("Lidl <gewinn@{lidl}.example>", True),
        ("Lidl <gewinn@lidl>", True),
        ("Lidl", False),
        ("Lidl Gewinne", True),
    ],
)
def test_an_author_at_no_possible_host_is_malformed(author: str, *, malformed: bool) -> None:
    found = facts(f"From: {author}\nSubject: x\n\nhello")
    assert ("author address is malformed" in found) == malformed


def test_a_text_without_a_header_is_not_malformed() -> None:
    assert "author address is malformed" not in facts("Subject: x\n\nhello")


def test_a_lure_leads_to_one_place_however_often() -> None:
    token = "7f-oyDnCXwcGujt23aBNBFkuJJ"
    link = f'<a href="http://win.example/{token}"><img src="http://win.example/1.jpg"></a>'
    found = facts(f"From: A <a@win.example>\nSubject: x\nContent-Type: text/html\n\n{link * 7}")
    assert {
        "mailing: few link targets", "mailing: many links, few targets",
        "mailing: links are one long token", "mailing: links without TLS only",
    } <= found  # fmt: skip
    assert not {name for name in facts(HONEST) if "target" in name or "token" in name}


def test_who_sends_a_mailing_stands_below_it() -> None:
    below = "<p>© 2025 The Copper Pan Inc, PO Box 118, Burlington, VT 05401, tel. 802-555-0119</p>"
    sender = {
        "mailing: postal address below", "mailing: telephone number below",
        "mailing: company form below", "mailing: © of its author",
    }  # fmt: skip
    assert sender <= facts(HONEST + below)
    assert not sender & facts(HONEST)
    assert not sender & facts(CUSTOMER + below)


def test_a_newsletter_may_hide_its_first_line_and_a_letter_may_not() -> None:
    hidden = '<div style="display:none">Look inside</div>'
    assert "hidden text" not in facts(HONEST + hidden)
    letter = "From: A <a@b.example>\nSubject: x\nContent-Type: text/html\n\n<p>Hello there</p>"
    assert "hidden text" in facts(letter + hidden)


def test_letters_that_hide_or_imitate_are_noticed() -> None:
    head = "From: a@b.example\nSubject: x\nContent-Type: text/plain; charset=utf-8\n\n"
    assert "invisible letters" in facts(head + "via\u200bgra")
    assert "letters of mixed alphabets in a word" in facts(head + "p\u0430ypal")
    assert not {"invisible letters", "letters of mixed alphabets in a word"} & facts(
        head + "Größe, naïve, Привет, 10 °C"
    )


@pytest.mark.parametrize(
    ("link", "fact"),
    [
        ("http://bit.ly/x", "link shortener"),
        ("https://a.web.app/", "link on a free hosting domain"),
        ("http://198.51.100.7/", "link to a bare address"),
        ("http://paypal.com@shop.example/", "link with a user part"),
        ("http://shop.example:8099/", "link to an odd port"),
        ("https://xn--pypal-4ve.example/", "punycode link"),
    ],
)
def test_odd_links_are_noticed(link: str, fact: str) -> None:
    assert fact in facts(f"From: a@b.example\nSubject: x\n\nsee {link} now")


def test_hosts_are_read_without_being_fooled() -> None:
    assert authority("HTTPS://user@Shop.example:443/a?b#c") == "user@Shop.example:443"
    assert host_of("user@Shop.example:443") == ("shop.example", ("link with a user part",))
    assert authority("//shop.example\\@evil.example/") == "shop.example"
    assert owner("a.b.shop.co.uk") == "shop.co.uk"
    assert owner("a.b.shop.example") == "shop.example"


def test_fields_that_other_systems_add_and_dates_change_nothing() -> None:
    noise = "X-MS-Exchange: x\nList-Id: <a.b>\nDate: Mon, 1 Jan 2001 00:00:00 +0000\n"
    assert facts(HONEST) == facts(noise + HONEST)


def test_there_is_room() -> None:
    assert len(set(mail_facts.MAIL)) == len(mail_facts.MAIL) <= MAIL_ROOM


@given(st.text(max_size=400), st.text(max_size=80), st.text(max_size=400))
def test_any_message_has_facts(author: str, subject: str, body: str) -> None:
    raw = f"From: {author}\nSubject: {subject}\nContent-Type: text/html\n\n{body}"
    message = message_of(raw.encode("utf-8", "replace"))
    found = mail_facts.columns(message, read_input(message))
    assert (np.diff(found) > 0).all()


@pytest.mark.parametrize(
    "body",
    [
        '<a href="https://a.example/x">b.example</a>' * 5000,
        "order " * 20_000 + "$1",
        "1.00" * 20_000,
        "\u200b" * 30_000,
        "<img>" * 12_000 + '<a href="http://x.example">x</a>',
    ],
)
def test_hostile_messages_are_cheap(body: str) -> None:
    raw = f"From: A B <a@b.example>\nSubject: x\nContent-Type: text/html\n\n{body}"
    message = message_of(raw.encode())
    read = read_input(message)
    start = time.process_time()
    for _ in range(5):
        mail_facts.columns(message, read)
    assert time.process_time() - start < 0.1
