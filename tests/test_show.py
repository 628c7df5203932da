"""No outside text can move a cursor, colour a line, turn round or open a tag."""

from __future__ import annotations

import html
import io
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from gateway import show

NASTY = st.text(
    alphabet=st.one_of(
        st.characters(),
        st.sampled_from(
            "\x1b\x9b\x00\r\n\t\x7f\u202e\u2066\u200f\u061c\u2028\u200b\ufeff[]\\<>&\"'/a"
        ),
    ),
    max_size=300,
)
UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


@given(NASTY)
def test_terminal_lets_nothing_unseen_through(text: str) -> None:
    shown = show.terminal(text)
    assert not [char for char in shown if unicodedata.category(char) in UNSEEN]


@given(NASTY)
def test_html_lets_nothing_unseen_and_no_markup_through(text: str) -> None:
    shown = show.html(text)
    assert not [char for char in shown if unicodedata.category(char) in UNSEEN]
    inner = shown.replace("<br>", "")
    assert not set(inner) & set("<>\"'")
    assert "&" not in html.unescape(inner) or "&amp;" in inner


@given(NASTY)
def test_rich_reads_no_style_in_it(text: str) -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, color_system="truecolor", width=4000)
    console.print(show.terminal(text) + "[bold]|[/bold]", highlight=False, emoji=False)
    assert out.getvalue().count("\x1b[") == 2  # bold and its end: both ours


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Jörg", "Jörg"),
        ("a\r\nX-Forged: 1", "a X-Forged: 1"),
        ("\x1b[31mred", r"\x1b\[31mred".replace(r"\[", "[")),
        ("pay\u202egpj.exe", r"pay\u202egpj.exe"),
        ("[red]x[/red]", r"\[red]x\[/red]"),
        (r"\x1b", r"\\x1b"),
        ("a" * 300, "a" * 199 + "…"),
        ("\U000e0041", r"\U000e0041"),
        ("", ""),
    ],
)
def test_terminal(text: str, shown: str) -> None:
    assert show.terminal(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<b onclick='x'>\"&", "&lt;b onclick=&#x27;x&#x27;&gt;&quot;&amp;"),
        ("one\r\ntwo\n\nfour", "one<br>two<br><br>four"),
        ("a\x1b[0m", "a\\x1b[0m"),
        ("x" * 2001, "x" * 1999 + "…"),
    ],
)
def test_html(text: str, shown: str) -> None:
    assert show.html(text) == shown


def test_limits_bound_the_work() -> None:
    assert len(show.terminal("\u202e" * 10_000_000)) <= 200 * 6
    assert len(show.html("<" * 10_000_000, limit=10)) <= 10 * 6
