"""The fields we prepend: to the letter of the contract, and nothing from outside gets in."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from email.parser import BytesHeaderParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.message import Arrival, Envelope, Session
from gateway.parse import parse
from gateway.plan import Acknowledgement, CallPlan, Contact, Found, Group, History
from gateway.stamp import Stamper, fold, spam_points
from gateway.verdict import Action, AuthResult, Decision, Verdict

NOW = datetime(2026, 11, 23, 13, 0, tzinfo=UTC)
STAMPER = Stamper("mx1.example.net", {}, {}, {"shop": 0.9})
LETTER = (
    b"X-Gateway-Tone: pleased\r\n"
    b"x-spam-flag: NO\r\n"
    b"Authentication-Results: (mine) MX1.example.NET; dkim=pass header.d=bank.example\r\n"
    b"Authentication-Results: mx.other.example; spf=pass\r\n"
    b"Importance: low\r\n"
    b"From: Jo <jo@author.example>\r\n"
    b"Subject: =?utf-8?q?Caf=C3=A9?=\r\n"
    b" and more\r\n"
    b"\r\n"
    b"Hello\r\n"
)


def arrival(content=LETTER, **changes):
    session = Session("192.0.2.7", helo="mail.author.example")
    envelope = Envelope("jo@author.example", ("support@shop.example",))
    return replace(Arrival("QID1", NOW, session, envelope, content), **changes)


def group(**changes):
    plain = Group(
        suffix=1,
        site="shop",
        rule="rule 1",
        recipients=("support@shop.example",),
        next_hop="mailbox",
        deliver_to=(),
        copy_to=(),
        tags=(),
        action=Action.DELIVER,
        decision=Decision(Action.DELIVER, tone="neutral", tone_score=0.9, aligned=True),
        call=CallPlan(),
        acknowledgement=Acknowledgement(True, "ok", (), "jo@author.example", "received", "en"),
    )
    return replace(plain, **changes)


def stamped(content=LETTER, verdicts=None, history=None, **changes):
    message = parse(arrival(content))
    judged = {"spam": Verdict("ham", score=0.0), **(verdicts or {})}
    letter = STAMPER.letter(message, judged, group(**changes), history or History())
    kept, at = b"", 0
    for start, end in letter.cuts:
        kept += content[at:start]
        at = end
    return letter, letter.prefix + kept + content[at:]


def names(octets):
    return [name for name, _ in BytesHeaderParser().parsebytes(octets).raw_items()]


def value(letter, name):
    found = BytesHeaderParser().parsebytes(letter.prefix)[name]
    return None if found is None else " ".join(found.split())


def test_fields_stand_in_the_order_of_the_contract():
    letter, _ = stamped(
        decision=Decision(Action.TAG, spam="spam", spam_score=0.99, unchecked=("dkim (timeout)",)),
        call=CallPlan(wanted=True),
    )
    assert names(letter.prefix) == [
        "Received", "Authentication-Results", "X-Spam-Flag", "X-Spam-Score", "X-Spam-Status",
        "X-Spam-Level", "X-Gateway-Id", "X-Gateway-Site", "X-Gateway-Rule", "X-Gateway-Tone",
        "X-Gateway-Urgent", "X-Gateway-Call", "X-Gateway-Contact", "X-Gateway-Acknowledged",
        "X-Gateway-Unchecked", "X-Gateway-Removed", "Importance", "X-Priority",
    ]  # fmt: skip


def test_only_our_own_names_are_cut_and_they_are_listed():
    letter, octets = stamped()
    assert octets[len(letter.prefix) :] == LETTER.split(b"dkim=pass header.d=bank.example\r\n")[1]
    assert value(letter, "X-Gateway-Removed") == (
        "x-gateway-tone, x-spam-flag, authentication-results"
    )


def test_a_call_replaces_the_senders_priority():
    letter, octets = stamped(call=CallPlan(wanted=True))
    assert value(letter, "Importance") == "high"
    assert b"Importance: low" not in octets


def test_a_priority_under_a_passing_signature_stays():
    verdicts = {"dkim": Verdict("pass", details={"covered": ["importance", "from"]})}
    letter, octets = stamped(verdicts=verdicts, call=CallPlan(wanted=True))
    assert value(letter, "Importance") is None
    assert b"Importance: low" in octets


def test_no_mark_is_added_where_a_signature_says_that_there_is_none():
    """Signers name a field more often than it stands there, against additions (RFC 6376, 8.15)."""
    bare = LETTER.replace(b"Importance: low\r\n", b"")
    verdicts = {"dkim": Verdict("pass", details={"covered": ["from", "x-priority"]})}
    letter, _ = stamped(bare, verdicts=verdicts, call=CallPlan(wanted=True))
    assert value(letter, "Importance") == "high"
    assert value(letter, "X-Priority") is None


def test_the_values_of_the_contract():
    call = CallPlan(
        wanted=True,
        facts=Found(phone="+15551234567", orders=("10423",)),
        due=datetime(2026, 11, 23, 14, 30, tzinfo=UTC),
    )
    acknowledgement = Acknowledgement(
        True, "ok", (), "jo@author.example", "received", "en",
        promise=datetime(2026, 11, 24, 22, 30, tzinfo=UTC),
    )  # fmt: skip
    decision = Decision(Action.TAG, tone="irate", tone_score=0.974, urgent=True, aligned=True)
    tone = Verdict("irate", reasons=lambda: ["snake oil!", "tell everyone", "Größe"])
    contact = Contact(5, 8, last_irate=datetime(2026, 11, 2, tzinfo=UTC))
    letter, _ = stamped(
        verdicts={"tone": tone},
        history=History(proven=contact),
        call=call,
        acknowledgement=acknowledgement,
        decision=decision,
    )
    assert value(letter, "X-Gateway-Tone") == (
        'irate; score=0.97; reasons="snake oil, tell everyone, Grosse"'
    )
    assert value(letter, "X-Gateway-Call") == (
        'wanted; phone="+15551234567"; order="10423"; due=2026-11-23T14:30:00Z'
    )
    assert value(letter, "X-Gateway-Contact") == (
        "6 in 7 days; 9 in 30 days; last irate 2026-11-02"
    )
    assert value(letter, "X-Gateway-Acknowledged") == (
        "yes; template=received; promise=2026-11-24T22:30:00Z"
    )
    assert value(letter, "X-Gateway-Urgent") == "yes"


def test_silence_names_its_reason():
    letter, _ = stamped(acknowledgement=Acknowledgement(False, "bulk", ("bulk",)))
    assert value(letter, "X-Gateway-Acknowledged") == "no; reason=bulk"


def test_received_names_a_lone_recipient_only():
    alone, _ = stamped()
    assert "for <support@shop.example>" in value(alone, "Received")
    two = ("support@shop.example", "billing@shop.example")
    together, _ = stamped(recipients=two)
    assert "shop.example>" not in value(together, "Received")


@pytest.mark.parametrize(
    ("score", "points"), [(0.9, 5.0), (1.0, 25.0), (0.0, -25.0), (0.5, 2.8), (0.99, 7.4)]
)
def test_spam_points_are_five_at_the_threshold(score, points):
    assert spam_points(score, 0.9) == pytest.approx(points, abs=0.05)


@pytest.mark.parametrize("verdicts", [{}, {"spam": Verdict("temperror", "timeout")}])
def test_no_spam_fields_when_nobody_judged(verdicts):
    letter = STAMPER.letter(parse(arrival()), verdicts, group(), History())
    assert not any(name.startswith("X-Spam") for name in names(letter.prefix))


def test_spamassassins_form():
    letter, _ = stamped(decision=Decision(Action.TAG, spam="spam", spam_score=0.99))
    assert value(letter, "X-Spam-Flag") == "YES"
    assert value(letter, "X-Spam-Status") == "Yes, score=7.4 required=5.0"
    assert value(letter, "X-Spam-Level") == "*******"


@given(st.text(max_size=300), st.text(max_size=80), st.text(max_size=80), st.text(max_size=80))
def test_no_value_adds_or_ends_a_field(helo, phrase, order, rule):
    message = parse(arrival(session=Session("192.0.2.7", helo=helo, tls=phrase)))
    verdicts = {
        "tone": Verdict("irate", reasons=lambda: [phrase]),
        "spf": Verdict("pass", statements=(AuthResult("spf", "pass", (("a", phrase),), order),)),
    }
    decision = Decision(Action.TAG, unchecked=(phrase,))
    call = CallPlan(wanted=True, facts=Found(orders=(order,), phone=phrase))
    wild = group(rule=rule, call=call, decision=decision, tags=(order,), recipients=(phrase,))
    letter = STAMPER.letter(message, verdicts, wild, History(missing=phrase))
    known = {
        "received", "authentication-results", "x-spam-score", "x-spam-status", "x-spam-level",
        "importance", "x-priority",
    }  # fmt: skip
    for name in names(letter.prefix):
        assert name.lower() in known or name.startswith("X-Gateway-")
    assert letter.prefix.isascii()
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)|\x00|\x1b", letter.prefix)
    assert b"\r\n\r\n" not in letter.prefix
    assert all(len(line) < 998 for line in letter.prefix.split(b"\r\n"))


@given(st.lists(st.text("abcdefgh;=", min_size=1, max_size=90), min_size=1, max_size=40))
def test_folding_loses_nothing(words):
    text = " ".join(words)
    assert re.sub(rb"\r\n\t", b" ", fold("X-Test", text)) == f"X-Test: {text}\r\n".encode()


@given(st.binary(max_size=400))
def test_whatever_comes_only_our_names_are_cut(noise):
    content = noise.replace(b"\r", b"").replace(b"\n", b"\r\n")
    letter, octets = stamped(content)
    cut = b"".join(content[start:end] for start, end in letter.cuts)
    assert len(octets) == len(letter.prefix) + len(content) - len(cut)
    for start, end in letter.cuts:
        assert re.match(rb"(?i)x-gateway-|x-spam-|authentication-results", content[start:end])
