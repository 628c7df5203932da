"""What follows from an attempt: when to try again, when to give up, and who hears of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.delivery import (
    ACKNOWLEDGEMENT_LIFE,
    MIN_ATTEMPTS,
    OUT_OF_ORDER_WAIT,
    Attempt,
    Policy,
    SitePolicy,
    after,
    next_attempt,
)
from gateway.message import Wishes
from gateway.plan import Letter
from gateway.reply import Reply
from gateway.settings import NextHop, Retry, Route, Settings, Site
from gateway.store import Job, Outcome
from gateway.telling import public_names

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
RETRY = Retry(first=timedelta(minutes=1), max=timedelta(hours=4), give_up=timedelta(days=5))
LATER = Reply(450, "4.2.1", "later")
NEVER = Reply(550, "5.1.1", "unknown")
TAKEN = Reply(250, "2.0.0", "taken")
LOST = Reply(451, "4.4.2", "lost")
A, B, C = "a@shop.example", "b@shop.example", "c@shop.example"


def job(**changes: Any) -> Job:
    values: dict[str, Any] = {
        "letter_id": "q1.1",
        "queue_id": "q1",
        "kind": "letter",
        "site": "shop",
        "next_hop": "mailbox",
        "reverse_path": "jane@customer.example",
        "recipients": (A,),
        "prefix": b"",
        "cuts": (),
        "content": b"Subject: hello\r\nMessage-ID: <1@customer.example>\r\n\r\nSecret.\r\n",
        "attempts": 0,
        "accepted": NOW,
        "lease": "l",
        "answerable": True,
    }
    return Job(**(values | changes))


def policy(**changes: Any) -> Policy:
    site = SitePolicy(
        on_refusal=changes.pop("on_refusal", "hold"),
        sender="postmaster@shop.example",
        domains=frozenset({"shop.example"}),
        name="The Shop",
        phone="+1 555 0100",
        outbound="outbound",
    )
    values: dict[str, Any] = {
        "hostname": "mx.gateway.example",
        "retry": RETRY,
        "sites": {"shop": site},
        "administrator": "admin@inside.example",
        "administrator_hop": "mailbox",
    }
    return Policy(**(values | changes))


def attempt(*outcomes: Outcome, **changes: Any) -> Attempt:
    of_job = {name: changes.pop(name) for name in list(changes) if name in Job.__slots__}
    values = {"job": job(**of_job), "outcomes": outcomes, "now": NOW, "chance": 0.5}
    return Attempt(**(values | changes))


delayed = Outcome(A, "delayed", LATER)
failed = Outcome(B, "failed", NEVER)
relayed = Outcome(C, "relayed", TAKEN)
unknown = Outcome(A, "unknown", LOST)
OLD = NOW - timedelta(days=6)

# --- when to try again -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attempts", "minutes"),
    [(0, 1), (1, 2), (2, 4), (5, 32), (7, 128), (8, 240), (9, 240), (5000, 240)],
)
def test_each_wait_is_twice_the_last(attempts: int, minutes: int) -> None:
    tried = attempt(delayed, attempts=attempts)
    assert next_attempt(tried, RETRY) == NOW + timedelta(minutes=minutes)


def test_chance_spreads_the_waits() -> None:
    early = next_attempt(attempt(delayed, chance=0.0), RETRY)
    late = next_attempt(attempt(delayed, chance=1.0), RETRY)
    assert (early, late) == (NOW + timedelta(seconds=48), NOW + timedelta(seconds=72))


def test_a_next_hop_out_of_order_is_not_asked_before_its_time() -> None:
    until = NOW + timedelta(minutes=7)
    assert next_attempt(attempt(delayed, not_before=until, chance=0.0), RETRY) == until
    late = next_attempt(attempt(delayed, not_before=until, chance=1.0), RETRY)
    assert late == until + timedelta(minutes=1.4), "they do not come in herds"


def test_an_outage_makes_no_letter_lie_for_hours_after_it() -> None:
    tried = attempt(delayed, hop_failed=True, attempts=9)
    assert next_attempt(tried, RETRY) == NOW + OUT_OF_ORDER_WAIT


def test_the_last_attempt_is_at_the_end_not_beyond() -> None:
    tried = attempt(delayed, attempts=9, accepted=NOW - timedelta(days=5) + timedelta(minutes=3))
    assert next_attempt(tried, RETRY) == NOW + timedelta(minutes=3)


def test_giving_up_needs_time_and_attempts() -> None:
    """A letter released after a long hold gets its attempts too."""
    assert next_attempt(attempt(delayed, accepted=OLD, attempts=MIN_ATTEMPTS - 1), RETRY) is None
    still = next_attempt(attempt(delayed, accepted=OLD, attempts=MIN_ATTEMPTS - 2), RETRY)
    assert still == NOW + timedelta(minutes=8)


def test_an_acknowledgement_is_given_up_early() -> None:
    late = attempt(delayed, kind="acknowledgement", accepted=NOW - ACKNOWLEDGEMENT_LIFE)
    assert after(late, policy()).retry_at is None
    assert after(late, policy()).on_failure == "drop"


@given(
    st.integers(0, 100_000),
    st.floats(0, 1),
    st.timedeltas(timedelta(0), timedelta(days=4)),
)
def test_the_next_attempt_is_always_ahead_and_within_bounds(
    attempts: int, chance: float, age: timedelta
) -> None:
    at = next_attempt(attempt(delayed, attempts=attempts, chance=chance, accepted=NOW - age), RETRY)
    assert at is not None
    assert NOW < at <= NOW + RETRY.max * 1.2


# --- what becomes of the recipients ------------------------------------------------------------


def test_all_relayed() -> None:
    settlement = after(attempt(relayed), policy())
    assert settlement.outcomes == (relayed,)
    assert settlement.retry_at is None
    assert not settlement.notices


def test_one_of_each() -> None:
    settlement = after(attempt(delayed, failed, relayed, recipients=(A, B, C)), policy())
    assert settlement.outcomes == (delayed, failed, relayed)
    assert settlement.retry_at == NOW + timedelta(minutes=1)
    assert settlement.on_failure == "hold"
    assert [notice.kind for notice in settlement.notices] == ["notice"]


def test_an_unknown_outcome_repeats_letters_but_never_acknowledgements() -> None:
    for kind in ("letter", "card", "notice", "dsn"):
        settlement = after(attempt(unknown, kind=kind), policy())
        assert settlement.outcomes == (Outcome(A, "delayed", LOST),)
        assert settlement.retry_at == NOW + timedelta(minutes=1)
    settlement = after(attempt(unknown, kind="acknowledgement"), policy())
    assert settlement.outcomes == (unknown,)
    assert settlement.retry_at is None
    assert not settlement.notices


def test_an_acknowledgement_that_was_put_off_is_tried_again() -> None:
    settlement = after(attempt(delayed, kind="acknowledgement"), policy())
    assert settlement.retry_at == NOW + timedelta(minutes=1)


# --- who hears of it ---------------------------------------------------------------------------

REFUSED = {"recipients": (B,)}
GIVEN_UP = {"accepted": OLD, "attempts": 30}


@pytest.mark.parametrize(("outcome", "how"), [(failed, REFUSED), (delayed, GIVEN_UP)])
@pytest.mark.parametrize(
    ("kind", "on_refusal", "changes", "then", "kinds"),
    [
        ("letter", "hold", {}, "hold", ["notice"]),
        ("letter", "dsn", {}, "dsn", ["dsn"]),
        ("letter", "dsn", {"answerable": False}, "hold", ["notice"]),
        ("letter", "dsn", {"reverse_path": ""}, "hold", ["notice"]),
        ("letter", "dsn", {"only_hold": True}, "hold", ["notice"]),
        ("letter", "dsn", {"site": "gone"}, "hold", ["notice"]),
        ("letter", "hold", {"tell": False}, "hold", []),
        ("card", "dsn", {}, "hold", ["notice"]),
        ("acknowledgement", "dsn", {}, "drop", []),
        ("notice", "dsn", {}, "drop", []),
        ("dsn", "dsn", {}, "drop", []),
    ],
)
def test_what_failure_leads_to(outcome, how, kind, on_refusal, changes, then, kinds) -> None:
    tried = attempt(outcome, kind=kind, **(how | changes))
    settlement = after(tried, policy(on_refusal=on_refusal))
    assert settlement.retry_at is None
    assert settlement.on_failure == then
    assert [notice.kind for notice in settlement.notices] == kinds


def test_nobody_to_tell() -> None:
    settlement = after(attempt(failed), policy(administrator=""))
    assert settlement.on_failure == "hold"
    assert not settlement.notices


def test_the_notice_goes_to_the_administrator() -> None:
    (letter,) = after(attempt(failed, untold=3, recipients=(B,)), policy()).notices
    assert letter.kind == "notice"
    assert letter.recipients == ("admin@inside.example",)
    assert letter.next_hop == "mailbox"
    assert letter.reverse_path == ""
    assert letter.origin == ()
    assert letter.own is not None
    assert b"3 more letters were held" in letter.own
    assert b"Secret." not in letter.own


def test_the_dsn_goes_to_the_sender() -> None:
    (letter,) = after(attempt(failed, recipients=(B,)), policy(on_refusal="dsn")).notices
    assert letter.kind == "dsn"
    assert letter.recipients == ("jane@customer.example",)
    assert letter.next_hop == "outbound"
    assert letter.reverse_path == ""
    assert letter.id == "q1.1.dsn0"
    assert not letter.answerable
    assert letter.own is not None
    assert b"Secret." not in letter.own


def test_notices_of_two_attempts_have_different_ids() -> None:
    first, second = (
        after(attempt(failed, attempts=attempts), policy(on_refusal="dsn")).notices[0].id
        for attempts in (0, 1)
    )
    assert first != second


def test_mail_of_our_own_is_signed_and_named() -> None:
    signing = policy(
        on_refusal="dsn",
        sign=lambda site, content: b"Signed-By: " + site.encode() + b"\r\n" + content,
        message_id=lambda id_: f"<made-of-{id_}@shop.example>",
    )
    (letter,) = after(attempt(failed), signing).notices
    assert letter.own is not None
    assert letter.own.startswith(b"Signed-By: shop\r\n")
    assert b"Message-ID: <made-of-q1.1.dsn0@shop.example>" in letter.own


# --- names that outsiders may learn ------------------------------------------------------------


@pytest.mark.parametrize(
    ("origin", "recipient", "names"),
    [
        (("b@shop.example",), "b@shop.example", ("b@shop.example",)),
        (("support@shop.example",), "accounts@inside.example", ("support@shop.example",)),
        (("support@shop.example", "b@shop.example"), "b@shop.example", ("b@shop.example",)),
        ((), "support+irate@shop.example", ("support@shop.example",)),
        ((), "accounts@inside.example", ("postmaster@shop.example",)),
    ],
)
def test_the_sender_learns_only_what_they_wrote(origin, recipient, names) -> None:
    assert public_names(job(origin=origin), policy().site("shop"), recipient) == names


def test_no_inside_address_and_no_reply_text_in_a_dsn() -> None:
    outcome = Outcome("accounts@inside.example", "failed", Reply(550, "5.1.1", "on vault7.inside"))
    tried = attempt(outcome, recipients=("accounts@inside.example",), origin=(A,))
    (letter,) = after(tried, policy(on_refusal="dsn")).notices
    assert letter.own is not None
    assert b"inside" not in letter.own
    assert A.encode() in letter.own


# --- from the settings -------------------------------------------------------------------------


def settings(**changes: Any) -> Settings:
    shop = Site(
        site="shop", domains=("shop.example",), next_hop="mailbox", routes=(Route(),),
        on_refusal="dsn", name="The Shop",
    )  # fmt: skip
    values: dict[str, Any] = {
        "hostname": "mx.gateway.example",
        "listen": ({"protocol": "smtp", "address": "127.0.0.1:0"},),
        "store": "sqlite:///x.db",
        "next_hops": {
            "mailbox": NextHop(address="lmtp://127.0.0.1:24"),
            "outbound": NextHop(address="smtp://smarthost.example:587"),
        },
        "sites": (shop,),
    }
    return Settings(**(values | changes))


def test_a_policy_is_a_slice_of_the_settings() -> None:
    made = Policy.of(settings(administrator="admin@shop.example"))
    assert made.site("shop").on_refusal == "dsn"
    assert made.site("shop").sender == "postmaster@shop.example"
    assert made.site("shop").outbound == "outbound"
    assert made.administrator_hop == "mailbox"
    assert made.site("gone") == SitePolicy()


def test_an_administrator_elsewhere_is_reached_through_the_outbound_hop() -> None:
    assert Policy.of(settings(administrator="me@home.example")).administrator_hop == "outbound"
    assert Policy.of(settings()).administrator == ""


# --- what the sender asked for (RFC 3461) ------------------------------------------------------


def wishes(*recipients: tuple[str, str, str], ret: str = "", envid: str = "") -> dict[str, Any]:
    return {"wishes": Wishes(ret, envid, recipients), "origin": tuple(to for to, *_ in recipients)}


def text(letter: Letter) -> str:
    assert letter.own is not None
    return letter.own.decode()


@pytest.mark.parametrize(
    ("notify", "then"),
    [("", "dsn"), ("FAILURE", "dsn"), ("SUCCESS,FAILURE", "dsn"), ("NEVER", "hold"),
     ("SUCCESS", "hold"), ("DELAY", "hold")],
)  # fmt: skip
def test_no_notice_of_failure_against_a_wish_and_the_letter_is_not_lost(notify, then) -> None:
    tried = attempt(failed, recipients=(B,), **wishes((B, notify, "")))
    settlement = after(tried, policy(on_refusal="dsn"))
    assert settlement.on_failure == then
    kinds = [letter.kind for letter in settlement.notices]
    assert kinds == (["dsn"] if then == "dsn" else ["notice"])


def test_each_recipient_has_a_wish_of_its_own() -> None:
    gone = replace(failed, recipient=A)
    tried = attempt(gone, failed, recipients=(A, B), **wishes((A, "NEVER", ""), (B, "FAILURE", "")))
    settlement = after(tried, policy(on_refusal="dsn"))
    assert settlement.on_failure == "dsn"
    assert settlement.held == frozenset({A})
    report, notice = settlement.notices
    assert (report.kind, notice.kind) == ("dsn", "notice")
    assert B in text(report)
    assert A not in text(report)
    assert A in text(notice)
    assert B not in text(notice)


def test_names_that_the_client_gave_come_back() -> None:
    given = wishes((B, "", "rfc822;old+2Bname@old.example"), envid="QQ+2B1")
    (report,) = after(attempt(failed, recipients=(B,), **given), policy(on_refusal="dsn")).notices
    assert "Original-Envelope-Id: QQ+1\r\n" in text(report)
    assert "Original-Recipient: rfc822; old+name@old.example\r\n" in text(report)


@pytest.mark.parametrize(("ret", "whole"), [("FULL", True), ("HDRS", False), ("", False)])
def test_how_much_comes_back(ret, whole) -> None:
    given = wishes((B, "", ""), ret=ret)
    (report,) = after(attempt(failed, recipients=(B,), **given), policy(on_refusal="dsn")).notices
    assert ("Secret." in text(report)) == whole
    assert ("message/rfc822\r\n" in text(report)) == whole


SUCCESS = (C, "SUCCESS,FAILURE", "")


@pytest.mark.parametrize(
    ("changes", "count"),
    [
        ({}, 1),
        ({"tells": True}, 0),
        ({"answerable": False}, 0),
        ({"reverse_path": ""}, 0),
        ({"kind": "card"}, 0),
        ({"site": "gone"}, 0),
    ],
)
def test_success_is_told_if_nobody_else_does(changes, count) -> None:
    settlement = after(attempt(relayed, recipients=(C,), **wishes(SUCCESS), **changes), policy())
    assert len(settlement.notices) == count
    for letter in settlement.notices:
        assert letter.reverse_path == ""
        assert letter.recipients == ("jane@customer.example",)
        assert f"Final-Recipient: rfc822; {C}\r\nAction: relayed\r\nStatus: 2.0.0\r\n" in text(
            letter
        )


def test_success_is_not_told_unasked() -> None:
    for notify in ("", "NEVER", "FAILURE", "DELAY"):
        tried = attempt(relayed, recipients=(C,), **wishes((C, notify, "")))
        assert not after(tried, policy()).notices


def test_a_mailbox_is_the_end_of_the_way() -> None:
    tried = attempt(relayed, recipients=(C,), final=True, **wishes(SUCCESS))
    (letter,) = after(tried, policy()).notices
    assert "Action: delivered\r\n" in text(letter)


def test_behind_an_alias_success_is_told_once_and_in_the_senders_words() -> None:
    """Even if the next hop knows DSN: it would name an address the sender does not know."""
    behind = [replace(relayed, recipient=f"{name}@inside.example") for name in "xy"]
    ids = []
    for number, outcome in enumerate(behind):
        tried = attempt(
            outcome, attempts=number, recipients=(outcome.recipient,), tells=True,
            **wishes(SUCCESS),
        )  # fmt: skip
        (letter,) = after(tried, policy()).notices
        assert "inside.example" not in text(letter)
        ids.append(letter.id)
    assert len(set(ids)) == 1  # the store keeps it once


WARN = timedelta(hours=4)


@pytest.mark.parametrize(
    ("age", "tried", "count"),
    [
        (WARN - timedelta(seconds=1), None, 0),
        (WARN, None, 1),
        (WARN, WARN - timedelta(minutes=9), 1),
        (WARN + timedelta(hours=2), WARN, 0),
        (WARN + timedelta(hours=2), WARN + timedelta(hours=1), 0),
    ],
)
def test_a_delay_is_told_once(age, tried, count) -> None:
    accepted = NOW - age
    last = None if tried is None else accepted + tried
    settlement = after(attempt(delayed, accepted=accepted, last_tried=last), policy())
    assert len(settlement.notices) == count
    for letter in settlement.notices:
        assert "Action: delayed\r\nStatus: 4.2.1\r\n" in text(letter)
        assert "Will-Retry-Until: " in text(letter)
        assert letter.recipients == ("jane@customer.example",)


@pytest.mark.parametrize(
    "changes",
    [
        {"answerable": False},
        {"reverse_path": ""},
        {"kind": "acknowledgement"},
        {"kind": "card"},
        {"only_hold": True},
        wishes((A, "NEVER", "")),
        wishes((A, "SUCCESS,FAILURE", "")),
    ],
)
def test_who_hears_of_no_delay(changes) -> None:
    tried = attempt(delayed, accepted=NOW - WARN, **changes)
    assert not after(tried, policy()).notices


def test_no_warnings_where_none_are_wanted() -> None:
    quiet = RETRY.model_copy(update={"warn": None})
    assert not after(attempt(delayed, accepted=NOW - WARN), policy(retry=quiet)).notices
