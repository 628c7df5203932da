"""Rules: every condition, met and not met; all that are given must hold."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.planning import NOW, SHOP, message

from gateway.calendar import WorkingHours
from gateway.routing.rules import Circumstances, Rule, compile_rules
from gateway.settings import Calendar, Site
from gateway.verdict import Action, Decision

CONTENT = (
    b"From: Jo <jo@mail.author.example>\r\n"
    b"To: support@shop.example\r\n"
    b"Subject: My Invoice 5\r\n"
    b"X-Shop: first\r\nX-Shop: second one\r\n"
    b"MIME-Version: 1.0\r\n"
    b"Content-Type: multipart/mixed; boundary=b\r\n"
    b"\r\n"
    b"--b\r\nContent-Type: text/plain\r\n\r\n"
    b"Hello, please send me the invoice of the last month once more, thank you very much.\r\n"
    b"--b\r\nContent-Type: image/png; name=a.png\r\nContent-Disposition: attachment\r\n\r\nx\r\n"
    b"--b--\r\n"
)
CASE = Circumstances(
    message=message(content=CONTENT),
    recipient="support@shop.example",
    decision=Decision(Action.DELIVER, spam="unsure", tone="upset", urgent=True),
    letters_7_days=3,
    now=NOW,
    hours=WorkingHours(Calendar(timezone="UTC", hours={"mon-fri": "9:00-17:00"})),
)
NIGHT = replace(CASE, now=datetime(2026, 11, 24, 3, 0, tzinfo=UTC))


def test_a_domain_is_the_same_in_u_labels_and_in_a_labels():
    """The customer's program and the administrator may each write either."""
    for written in ("bücher.example", "xn--bcher-kva.example"):
        content = CONTENT.replace(b"mail.author.example", written.encode())
        case = replace(
            CASE,
            message=message(content=content),
            recipient="support@xn--mnchen-3ya.example",
            decision=replace(CASE.decision, aligned=True),
        )
        for held in (
            {"to": "*@münchen.example"},
            {"to": "support@münchen.example"},
            {"author": "jo@bücher.example"},
            {"author": "*@xn--bcher-kva.example"},
            {"author_domain": "bücher.example"},
            {"author_domain": "xn--bcher-kva.example"},
        ):
            assert rule(**held).matches(case), (written, held)
        big = {**SHOP, "vip": ["Jo@Bücher.example"], "routes": [{"vip": True}]}
        (matter,) = compile_rules(Site.model_validate(big))
        assert matter.matches(case)


def rule(**route) -> Rule:
    (compiled,) = compile_rules(Site.model_validate({**SHOP, "routes": [route]}))
    return compiled


@pytest.mark.parametrize(
    ("held", "broken"),
    [
        ({"to": "*"}, {"to": "*@hosting.example"}),
        ({"to": "Support@SHOP.example"}, {"to": "billing@shop.example"}),
        ({"to": "*@shop.example"}, {"to": "*@op.example"}),
        ({"to": "s*t@*.example"}, {"to": "s*t@*.test"}),
        ({"author": "JO@mail.author.example"}, {"author": "jo@author.example"}),
        ({"author": "*@mail.author.example"}, {"author": "*@other.example"}),
        ({"author_domain": "Author.example"}, {"author_domain": "thor.example"}),
        ({"author_domain": "mail.author.example"}, {"author_domain": "x.mail.author.example"}),
        ({"subject": "invoice"}, {"subject": "^invoice"}),
        ({"header": {"X-SHOP": "second"}}, {"header": {"x-shop": "third"}}),
        ({"header": {"x-shop": "^first$", "to": "support"}}, {"header": {"x-none": ""}}),
        ({"spam": "unsure"}, {"spam": ["ham", "spam"]}),
        ({"tone": ["irate", "upset"]}, {"tone": "irate"}),
        ({"urgent": True}, {"urgent": False}),
        ({"language": ["de", "en"]}, {"language": "de"}),
        ({"attachment": True}, {"attachment": False}),
        ({"larger_than": 100}, {"larger_than": "1MB"}),
        ({"larger_than": len(CONTENT) - 1}, {"larger_than": len(CONTENT)}),
        ({"contacts_7_days": 3}, {"contacts_7_days": 4}),
        ({"open": True}, {"open": False}),
    ],
)
def test_a_condition_holds_or_not(held, broken):
    assert rule(**held).matches(CASE)
    assert not rule(**broken).matches(CASE)


@pytest.mark.parametrize(
    ("listed", "aligned", "is_one"),
    [
        (["Jo@mail.author.example"], True, True),
        (["jo@mail.author.example"], False, False),
        (["jo@author.example"], True, False),
        ([], True, False),
    ],
)
def test_who_matters_is_proven(listed, aligned, is_one):
    case = replace(CASE, decision=replace(CASE.decision, aligned=aligned))
    for wanted in (True, False):
        site = Site.model_validate({**SHOP, "vip": listed, "routes": [{"vip": wanted}]})
        assert compile_rules(site)[0].matches(case) is (wanted is is_one)


def test_all_conditions_must_hold():
    assert rule(to="support@shop.example", tone="upset", subject="invoice").matches(CASE)
    assert not rule(to="support@shop.example", tone="upset", subject="refund").matches(CASE)


def test_outside_the_hours():
    assert rule(open=False).matches(NIGHT)
    assert not rule(open=True).matches(NIGHT)


@pytest.mark.parametrize("route", [{"urgent": False}, {"attachment": False}, {"open": False}])
def test_false_is_a_condition_and_not_a_missing_one(route):
    assert not rule(**route).matches(CASE)


def test_rules_are_numbered_as_they_stand():
    site = Site.model_validate({**SHOP, "routes": [{"name": "vip"}, {}, {"name": "vip"}]})
    assert [(r.number, r.name) for r in compile_rules(site)] == [
        (1, "vip"), (2, "rule 2"), (3, "vip"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "subject", [b"\xff\xfe odd", b"=?utf-8?q?=ED=A0=80?=", b"=?x-none?b?gICA?=", b"\x00\x1b["]
)
def test_any_octets_can_be_asked_about(subject):
    odd = b"From: <\xed\xa0\x80@x.example>\r\nSubject: " + subject + b"\r\n\r\nx\r\n"
    asked = replace(CASE, message=message(content=odd))
    for route in ({"subject": "x"}, {"header": {"from": "y"}}, {"author": "a*@b.example"}):
        rule(**route).matches(asked)


# An address as the edge lets it pass: what stands in the SMTP envelope.
_LOCAL = st.text(
    st.characters(exclude_characters="*@", exclude_categories=("Cs", "Cc")), max_size=9
)


def addressed(recipient: str) -> Circumstances:
    return replace(CASE, recipient=recipient)


@given(_LOCAL, _LOCAL)
def test_a_star_stands_for_anything(before, between):
    pattern = f"{before}*@shop.example"
    assert rule(to=pattern).matches(addressed(f"{before}{between}@shop.example"))
    assert not rule(to=pattern).matches(addressed(f"{before}{between}@shop.example.org"))


@given(_LOCAL, _LOCAL)
def test_without_a_star_only_the_same_address_matches(one, other):
    matched = rule(to=f"{one}@shop.example").matches(addressed(f"{other}@shop.example"))
    assert matched == (one.lower() == other.lower())


@given(st.text("ab.+[]()|^$\\?{}*", max_size=12), st.text("ab.+[](", max_size=8))
def test_nothing_but_a_star_means_more_than_itself(pattern, value):
    """Against a matcher that knows nothing of patterns."""

    def fits(pattern: str, value: str) -> bool:
        if not pattern:
            return not value
        if pattern[0] == "*":
            return fits(pattern[1:], value) or (bool(value) and fits(pattern, value[1:]))
        return bool(value) and pattern[0] == value[0] and fits(pattern[1:], value[1:])

    matched = rule(to=f"x{pattern}").matches(addressed(f"x{value}"))
    assert matched == fits(pattern, value)
