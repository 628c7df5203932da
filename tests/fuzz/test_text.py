"""Any text is read within bounds: no exception, nothing invented, nothing longer than it was."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
import re2
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway import facts
from gateway.facts import Facts, find
from gateway.message import Arrival, Envelope, Message, Session
from gateway.parse import parse
from gateway.text import Reading, plain_letters, quotes, read
from gateway.text.render import render

LINES = st.one_of(
    st.text(max_size=50),
    st.sampled_from(
        (
            *("", " ", ">", "> ", ">> a", "> On 1 Jan 2026, x wrote:", "On 1 Jan 2026, x wrote:"),
            *("From: a <a@b.example>", "Sent: Monday", "To: b", "Subject: c", "Von: a", "An: b"),
            *("-- ", "--", "________________________________", "-----Original Message-----"),
            *("Kind regards", "Thanks, Jane", "Mit freundlichen Grüßen", "Sent from my iPhone"),
            *("This email is confidential", "Leave a Reply", "PS. more", "Jane Doe", "x wrote:"),
            *("Tel. 212 555 0142", "call me on +44 20 7946 0018 ext. 5", "order 10423, 10424"),
            *(
                "Why?",
                "are you kidding?",
                "\ue000",
                "\ue001x",
                "\ue002y",
                "\x00",
                "\u202e",
                "\u2028",
            ),
            *("1. Is it?", "- can I", "\ud800".encode("utf-8", "replace").decode(), "a" * 500),
        )
    ),
)
TEXTS = st.lists(LINES, max_size=25).map("\n".join)
TAGS = st.sampled_from(
    (
        *(
            "<p>",
            "</p>",
            "<br>",
            "<div>",
            "</div>",
            "<blockquote>",
            "</blockquote>",
            "<pre>",
            "</pre>",
        ),
        *("<a href=x>", "</a>", "<table><tr><td>", "</table>", "<ul><li>", "</ul>", "<hr>", "<!--"),
        *("-->", "<div class=gmail_quote>", "<div class=gmail_signature>", "<div id=appendonsend>"),
        *("<div class=gmail_attr>", "<b style='display:none'>", "</b>", "<style>", "</style>", "<"),
        *("<font style='color:#fff'>", "</font>", "&amp;", "&#0;", "&#xd800;", "\x00", "</html>"),
        *(
            "<svg>",
            "<math>",
            "<template>",
            "</body>",
            "<body class=yahoo_quoted>",
            "<title>",
            "\ue003",
        ),
    )
)
PAGES = st.lists(st.one_of(TAGS, st.text(max_size=12)), max_size=40).map("".join)


def message(plain: str = "", html: str = "", subject: bytes = b"x") -> Message:
    head = b"From: Jane Doe <a@b.example>\r\nSubject: " + subject + b"\r\n"
    if html:
        part = "Content-Type: text/{}; charset=utf-8\r\n\r\n{}\r\n"
        body = f"--xyzzy\r\n{part.format('plain', plain)}--xyzzy\r\n{part.format('html', html)}"
        body = f"Content-Type: multipart/alternative; boundary=xyzzy\r\n\r\n{body}--xyzzy--\r\n"
    else:
        body = f"Content-Type: text/plain; charset=utf-8\r\n\r\n{plain}"
    arrival = Arrival(
        "Q1",
        datetime(2026, 1, 1, tzinfo=UTC),
        Session("192.0.2.1"),
        Envelope("", ("b@shop.example",)),
        head + body.encode("utf-8", "replace"),
    )
    return parse(arrival)


MARKS = re.compile("[\ue000-\ue003]")
ORDER = re2.compile(r"\b(?:order|#)\s*(?P<order>\d{5,10})")


def sound(reading: Reading, found: Facts) -> None:
    """What holds of every letter."""
    for text in (reading.text, reading.new_text, reading.quoted, reading.signature):
        assert not MARKS.search(text)
        assert "\r" not in text
        assert len(text) <= 65_536
        text.encode()
    assert bool(reading.new_text.strip()) or not any(map(str.isalnum, reading.text))
    assert re.fullmatch("[a-z]{2,3}", reading.language)
    assert len(reading.links) <= 200
    assert found.phone is None or re.fullmatch(r"\+[1-9]\d{6,14}", found.phone)
    assert re.fullmatch(r"\d{0,7}", found.extension)
    assert len(found.questions) <= 10
    assert all(len(question) <= 300 and "\n" not in question for question in found.questions)
    assert all(len(order) <= 60 and any(map(str.isalnum, order)) for order in found.orders)
    assert len(found.best_time) <= facts.BEST_TIME_MAX


@settings(max_examples=200)
@given(TEXTS, st.binary(max_size=30))
def test_any_plain_text_is_read(text: str, subject: bytes) -> None:
    one = message(text, subject=re.sub(rb"[\r\n]", b"", subject))
    sound(read(one), find(one, order_patterns=[ORDER]))


@settings(max_examples=200)
@given(TEXTS, PAGES)
def test_any_page_is_read(text: str, page: str) -> None:
    one = message(text, page)
    sound(read(one), find(one))


@settings(max_examples=200)
@given(TEXTS)
def test_every_own_line_comes_from_the_letter(text: str) -> None:
    """Sorting moves no line and changes none: what is read stands in the letter."""
    lines = MARKS.sub("", text.replace("\r", "")).split("\n")
    parts = quotes.sort(lines)
    written = {quotes.bare(line).rstrip() for line in lines}
    written |= {quotes.bare(line).rstrip() for line in written}
    for part in (parts.new, parts.quoted, parts.signature):
        for line in part.split("\n"):
            assert not line.strip() or any(line.strip() in one for one in written)


@settings(max_examples=200)
@given(st.text(max_size=200))
def test_plain_letters_settle(text: str) -> None:
    once = plain_letters(text)
    assert plain_letters(once) == once
    assert not re.search("[\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]", once)


N = 65_536


def fill(piece: str, size: int = N) -> str:
    return (piece * (size // len(piece) + 1))[:size]


PLAIN = {
    piece: fill(piece)
    for piece in (
        *(
            "word ",
            "x",
            "\n",
            " ",
            "> ",
            "> a\n",
            ">",
            "On 1 Jan 2026 x wrote:\n",
            "a:\n",
            "From: a\n",
        ),
        *(
            "From: a\nSent: b\n",
            "-----\n",
            "_____\n",
            "Kind regards\n",
            "Thanks\n",
            "-- \n",
            "PS. \n",
        ),
        *(
            "Sent from my iPhone\n",
            "Jane Doe\n",
            "why? ",
            "?",
            ". ",
            "order 123456, ",
            "order ",
            "#1234 ",
        ),
        *(
            "order no no no ",
            "call ",
            "call between 9 and 11 ",
            "call me on 212 555 0142. ",
            "+1 212 ",
        ),
        *(
            "212 555 0142\n",
            "0123456789",
            "12 34 56 78 90 ",
            "1-",
            "(",
            "+",
            "\u202eabc ",
            "a\u200bb",
        ),
        *(
            "раураl ",
            "订单",
            "😡 ",
            "https://x.example/a ",
            "SGVsbG8=",
            "ABC1",
            "let me know ",
            "e\u0301",
        ),
        *("this email is ", "www.", "a@", "\xa0", "\u2028", "sagen sie mir ", "\t", "1.", "é"),
    )
}
HTML = {
    piece: fill(piece, 4 * N)
    for piece in (
        *(
            "<div>",
            "<b>",
            "<br>",
            "<hr>",
            "<p>a",
            "<li>a",
            "<table><tr><td>",
            "<blockquote>",
            "<i></p>",
        ),
        *(
            "<a href='http://x.example/1'>http://y.example</a>",
            "<img src=cid:a>",
            "&amp;",
            "<",
            "<!--",
        ),
        *(
            "<p style='display:none'>x</p>",
            "<font style='color:#fff'>x</font>",
            "<p hidden>a",
            "a<b ",
        ),
        *(
            "<div class=gmail_signature>a</div>",
            "<div><!--</div>-->",
            '<b a="></b>">',
            "<svg><desc>",
        ),
        *(
            "<b><title></b></title>",
            "<i><object></i></object>",
            "<div><table><td></div></td></table>",
        ),
    )
}
HTML["attributes"] = "<p " + " ".join(f"a{i}" for i in range(50_000)) + ">"
HTML["quoted attributes"] = "<p " + "".join(f"a{i}='>'" for i in range(30_000)) + ">"
HTML["adjacent attributes"] = "<p " + "".join(f"a{i}=''" for i in range(30_000)) + ">"
HTML["a long style"] = "<p style='display" + " " * 200_000 + "'>x"

SECONDS = 2.0
"""Far above what any of these takes (the slowest some 40 ms), far below anything not linear."""


def cost(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


@pytest.mark.parametrize("piece", PLAIN)
def test_hostile_text_costs_little(piece: str) -> None:
    one = message(PLAIN[piece])
    read(message("warm 212 555 0142"))
    find(message("warm 212 555 0142"))
    assert cost(lambda: read(one)) < SECONDS
    assert cost(lambda: find(one)) < SECONDS
    sound(read(one), find(one))


@pytest.mark.parametrize("piece", HTML)
def test_hostile_html_costs_little(piece: str) -> None:
    assert cost(lambda: render(HTML[piece], 200)) < SECONDS
    one = message("", HTML[piece])
    sound(read(one), find(one))


@pytest.mark.parametrize(
    "start", ["opacity:", "opacity", "max-height : 0", "font:0", "display", "left:"]
)
@pytest.mark.parametrize("run", ["0", " ", "0.", "-"])
def test_a_long_style_costs_little(start: str, run: str) -> None:
    """Ten thousand noughts behind `opacity:` once held the loop for three seconds."""
    style = start + run * (20_000 // len(run)) + "x"
    assert cost(lambda: render(f'<p>a</p><p style="{style}">b</p>', 200)) < SECONDS


@pytest.mark.parametrize(
    ("style", "hides"),
    [
        *(("opacity:0", True), ("opacity: 0.00 ;", True), ("max-height:0px!important", True)),
        *(("opacity:.0", True), ("opacity:0.5", False), ("opacity:1", False)),
        *(("max-height:0px; color:red", True), ("max-height:00px", True), ("opacity:0x", False)),
        *(("display : none", True), ("color:rgba(0,0,0, 0 )", True), ("left:-9999px", True)),
    ],
)  # fmt: skip
def test_styles_that_hide(style: str, hides: bool) -> None:
    page = render(f'<p>seen</p><p style="{style}">x</p>', 200)
    assert ("x" not in "".join(page.lines)) is hides


def test_one_line_of_twenty_megabytes() -> None:
    one = message("x" * 20_000_000)
    assert cost(lambda: read(one)) < SECONDS
    assert len(read(one).text) == 65_536
