"""What a client asked to be told, as each recipient's wish and as words for the next hop."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.message import Wishes
from gateway.store import Job
from gateway.wishes import decoded, mail_words, origins, rcpt_words, wish

A, B = "a@shop.example", "b@shop.example"
INSIDE = "team@inside.example"


def job(*asked: tuple[str, str, str], **changes: Any) -> Job:
    values: dict[str, Any] = {
        "letter_id": "q1.1",
        "queue_id": "q1",
        "kind": "letter",
        "site": "shop",
        "next_hop": "mailbox",
        "reverse_path": "jane@customer.example",
        "recipients": (A, B),
        "prefix": b"",
        "cuts": (),
        "content": b"",
        "attempts": 0,
        "accepted": datetime(2026, 11, 24, tzinfo=UTC),
        "lease": "l",
        "answerable": True,
        "origin": (A, B),
        "wishes": Wishes(recipients=asked),
    }
    return Job(**(values | changes))


@pytest.mark.parametrize(
    ("xtext", "text"),
    [("abc", "abc"), ("a+2Bb+3D", "a+b="), ("a+20b", "a b"), ("", ""), ("a+", ""), ("a+2b", ""),
     ("a=b", ""), ("+0D+0A", ""), ("+FC", ""), ("a b", "")],
)  # fmt: skip
def test_xtext(xtext: str, text: str) -> None:
    assert decoded(xtext) == text


@given(st.text(max_size=60))
def test_xtext_is_printable_or_nothing(text: str) -> None:
    assert decoded(text).isprintable()
    assert decoded(text).isascii()


def test_for_whom_an_address_stands() -> None:
    assert origins(job(), B) == (B,)
    assert origins(job(), "B+irate@Shop.example") == (B,)
    assert origins(job(), INSIDE) == (A, B)
    assert origins(job(origin=()), INSIDE) == ()


def test_nothing_was_said() -> None:
    nothing = wish(job(), A)
    assert (nothing.failure, nothing.delay, nothing.success) == (True, True, False)
    assert rcpt_words(job(), A) == mail_words(job()) == ""


def test_several_that_became_one() -> None:
    """Nobody's wish to hear is lost, and NEVER holds only if all say so."""

    def together(one: str, other: str) -> set[str]:
        return set(wish(job((A, one, ""), (B, other, "")), INSIDE).notify)

    assert together("NEVER", "NEVER") == {"NEVER"}
    assert together("NEVER", "SUCCESS") == {"SUCCESS"}
    assert together("SUCCESS", "") == {"SUCCESS", "FAILURE", "DELAY"}
    assert together("", "") == set()


@pytest.mark.parametrize(
    ("notify", "proven", "forged"),
    [
        ("", "", ""),
        ("NEVER", " NOTIFY=NEVER", " NOTIFY=NEVER"),
        ("SUCCESS", " NOTIFY=SUCCESS", " NOTIFY=NEVER"),
        ("DELAY", " NOTIFY=DELAY", " NOTIFY=NEVER"),
        ("SUCCESS,FAILURE,DELAY", " NOTIFY=SUCCESS,FAILURE,DELAY", " NOTIFY=FAILURE"),
    ],
)
def test_a_forger_asks_the_next_hop_for_nothing(notify: str, proven: str, forged: str) -> None:
    asked = (A, notify, "")
    assert rcpt_words(job(asked), A) == proven
    assert rcpt_words(job(asked, answerable=False), A) == forged


def test_what_is_passed_on() -> None:
    asked = (A, "SUCCESS,FAILURE", "rfc822;a+2Bb@old.example")
    assert rcpt_words(job(asked), A) == " NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;a+2Bb@old.example"
    alias = job(asked, origin=(A,), recipients=(INSIDE,))
    assert rcpt_words(alias, INSIDE) == " NOTIFY=FAILURE ORCPT=rfc822;a+2Bb@old.example"
    assert rcpt_words(job(asked), INSIDE) == " NOTIFY=FAILURE,DELAY"
    assert mail_words(job(wishes=Wishes("FULL", "QQ+2B1"))) == " RET=FULL ENVID=QQ+2B1"
