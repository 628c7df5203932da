"""The plan for one message: a group for each rule, one answer, one reply for the session."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.planning import (
    IRATE,
    LETTER,
    NOW,
    SPAM,
    UNPROVEN,
    message,
    plan,
    router,
    settings,
    verdicts,
)

from gateway.plan import Contact, History
from gateway.reply import TRY_LATER
from gateway.routing.router import Case
from gateway.verdict import Action, Verdict

SUPPORT, BILLING, INFO = "support@shop.example", "billing@shop.example", "info@hosting.example"
KNOWN = History(proven=Contact(known=True))
SOFTFAIL = Verdict("softfail")


def routed(*routes, **more):
    """Settings whose first site has these routes."""
    return settings({"routes": list(routes), **more})


def told(found):
    """Group by group: recipients, rule, action, next hop."""
    return [(g.recipients, g.rule, g.action.word, g.next_hop) for g in found.groups]


def test_each_rule_and_site_makes_a_group():
    given_ = routed(
        {"name": "bills", "to": BILLING, "next_hop": "third"}, {"name": "rest", "to": "*"}
    )
    found = plan(given_, [SUPPORT, INFO, BILLING, "sales+x@shop.example"])
    assert told(found) == [
        ((SUPPORT, "sales+x@shop.example"), "rest", "deliver", "mailbox"),
        ((INFO,), "all", "deliver", "second"),
        ((BILLING,), "bills", "deliver", "third"),
    ]
    assert [group.suffix for group in found.groups] == [1, 2, 3]
    assert found.reply is None


def test_rules_of_the_same_name_are_still_two():
    given_ = routed(
        {"name": "vip", "to": SUPPORT, "next_hop": "third"}, {"name": "vip", "to": BILLING}
    )
    assert [group.next_hop for group in plan(given_, [SUPPORT, BILLING]).groups] == [
        "third", "mailbox",
    ]  # fmt: skip


def test_without_a_rule_mail_goes_on_in_silence():
    (group,) = plan(routed({"to": BILLING}, recipients={"any": True})).groups
    assert (group.rule, group.next_hop, group.acknowledgement.reason) == (
        "default", "mailbox", "policy",
    )  # fmt: skip


REFUSE = {"then": {"spf": {"fail": "refuse", "softfail": "defer"}}}
FAIL = Verdict("fail")


@pytest.mark.parametrize(
    ("hosting", "recipients", "spf", "action", "code", "groups"),
    [
        (REFUSE, [SUPPORT, INFO], FAIL, Action.REFUSE, 550, ["refuse", "refuse"]),
        (REFUSE, [SUPPORT, INFO], SOFTFAIL, Action.DEFER, 450, ["defer", "defer"]),
        ({}, [SUPPORT, INFO], FAIL, Action.QUARANTINE, None, ["quarantine", "deliver"]),
        ({}, [INFO, SUPPORT], FAIL, Action.QUARANTINE, None, ["deliver", "quarantine"]),
        ({}, [SUPPORT, INFO], SOFTFAIL, Action.TAG, None, ["tag", "deliver"]),
        ({}, [SUPPORT], FAIL, Action.REFUSE, 550, ["refuse"]),
        ({"then": {"spf": {"fail": "defer"}}}, [SUPPORT, INFO], FAIL, Action.QUARANTINE, None,
         ["quarantine", "tag"]),
        # A role address is never refused, so neither is the message.
        ({}, [SUPPORT, "abuse@shop.example"], FAIL, Action.QUARANTINE, None,
         ["quarantine", "tag"]),
    ],
)  # fmt: skip
def test_only_unanimity_turns_a_letter_away(hosting, recipients, spf, action, code, groups):
    found = plan(settings(REFUSE, hosting), recipients, spf=spf)
    assert found.action is action
    assert (found.reply.code if found.reply else None) == code
    assert [group.action.word for group in found.groups] == groups
    for group in found.groups:
        assert bool(group.hold) == (group.action >= Action.QUARANTINE)
        assert group.decision.action is group.action


def test_the_reply_names_the_id_and_a_way_to_a_person():
    found = plan(settings(REFUSE), spf=FAIL)
    assert "QID1" in found.reply.text
    assert "postmaster@shop.example" in found.reply.text
    assert plan(settings(REFUSE), spf=SOFTFAIL).reply == TRY_LATER


def test_a_letter_that_is_ours_already_is_held_instead_of_refused():
    found = plan(settings(REFUSE), accepted=True, spf=FAIL)
    assert found.reply is None
    assert found.groups[0].hold == "quarantined: spf=fail"


def test_deferred_for_one_is_delivered_called_and_answered():
    found = plan(settings(REFUSE), [SUPPORT, INFO], spf=SOFTFAIL, tone=IRATE)
    assert found.groups[0].action is Action.TAG
    assert found.groups[0].call.wanted
    assert found.groups[0].acknowledgement.send


def test_one_answer_over_sites():
    found = plan(settings(), [SUPPORT, INFO])
    assert [group.acknowledgement.reason for group in found.groups] == ["ok", "conversation"]
    silent = plan(routed({"to": "*"}), [SUPPORT, INFO])
    assert [group.acknowledgement.reason for group in silent.groups] == ["policy", "ok"]


@pytest.mark.parametrize("role", ["postmaster@shop.example", "Abuse@shop.example", "postmaster"])
def test_role_addresses_reach_the_administrator_unheld_and_unanswered(role):
    found = plan(settings(), [role], spam=SPAM)
    (group,) = found.groups
    assert group.deliver_to == ("admin@inside.example",)
    assert group.recipients == (role,)
    assert (group.action, group.hold) == (Action.TAG, "")
    assert not group.acknowledgement.send


def test_a_route_of_its_own_wins_over_the_administrator():
    given_ = routed({"to": "abuse@shop.example", "deliver_to": "cert@inside.example"}, {"to": "*"})
    groups = plan(given_, ["abuse@shop.example", "postmaster@shop.example"]).groups
    assert [g.deliver_to for g in groups] == [("cert@inside.example",), ("admin@inside.example",)]


def test_role_addresses_without_an_administrator_stay_as_they_are():
    (group,) = plan(settings(administrator=None), ["postmaster@shop.example"]).groups
    assert group.deliver_to == ()
    (group,) = plan(settings(administrator=None), ["Postmaster"]).groups
    assert group.deliver_to == ("postmaster@shop.example",)


ALIASED = {"aliases": {"help@shop.example": SUPPORT}}


@pytest.mark.parametrize(
    ("recipients", "deliver_to"),
    [
        (["help@shop.example"], (SUPPORT,)),
        (["Help+abc@shop.example", SUPPORT], (SUPPORT,)),
        (["Support+abc@shop.example"], ()),
        (["support@SHOP.example"], ()),
    ],
)
def test_an_alias_is_delivered_to_its_mailbox(recipients, deliver_to):
    (group,) = plan(settings(ALIASED), recipients).groups
    assert group.recipients == tuple(recipients)
    assert group.deliver_to == deliver_to


PLUS = {"tags": {"plus_address": True}}


@pytest.mark.parametrize(
    ("recipient", "found", "deliver_to"),
    [
        (SUPPORT, {}, ()),
        (SUPPORT, {"tone": IRATE}, ("support+call@shop.example",)),
        (SUPPORT, {"tone": Verdict("irate", score=0.5)}, ("support+irate@shop.example",)),
        (SUPPORT, {"tone": Verdict("upset")}, ("support+upset@shop.example",)),
        (SUPPORT, {"tone": Verdict("neutral", details={"urgent": True})},
         ("support+urgent@shop.example",)),
        (SUPPORT, {"spam": SPAM}, ("support+spam@shop.example",)),
        (SUPPORT, {"spam": SPAM, "tone": IRATE}, ("support+call@shop.example",)),
        # The sender's own tag gives way to ours; our words from outside are no tags of ours.
        ("support+k7f3@shop.example", {}, ()),
        ("support+k7f3@shop.example", {"tone": IRATE}, ("support+call@shop.example",)),
        ("Support+CALL@shop.example", {}, ("Support@shop.example",)),
        ("+call@shop.example", {}, ()),
        ('"a b+c d"@shop.example', {"tone": IRATE}, ()),
        ('"a b+call"@shop.example', {}, ()),
    ],
)  # fmt: skip
def test_the_plus_tag_is_ours(recipient, found, deliver_to):
    (group,) = plan(settings(PLUS), [recipient], **found).groups
    assert group.deliver_to == deliver_to


def test_a_mailbox_of_the_yaml_keeps_its_own_plus_tag():
    given_ = routed({"to": "*", "deliver_to": "accounts+gw@inside.example"}, **PLUS)
    (group,) = plan(given_, tone=IRATE).groups
    assert group.deliver_to == ("accounts+gw+call@inside.example",)


def test_a_recipient_that_a_reload_took_away_is_held_for_a_person():
    """Also beside others of the first site; and not as spam, which would expire."""
    given_ = settings({"recipients": {"list": [SUPPORT]}})
    found = plan(given_, ["x@vanished.example", SUPPORT, "gone@shop.example", INFO])
    assert [(g.recipients, g.hold) for g in found.groups] == [
        (("x@vanished.example", "gone@shop.example"), "no longer a recipient here"),
        ((SUPPORT,), ""),
        ((INFO,), ""),
    ]
    assert not found.groups[0].acknowledgement.send
    assert found.reply is None


@pytest.mark.parametrize("released", [False, True])
def test_a_rule_may_hold(released):
    (group,) = plan(routed({"name": "slow", "to": "*", "hold": True}), released=released).groups
    assert group.hold == ("" if released else "held by slow")
    assert group.action is Action.DELIVER


def test_what_a_person_released_is_no_spam_and_is_not_held_again():
    held = plan(settings(), spam=SPAM)
    assert held.groups[0].hold == "quarantined: spam=spam"
    assert not held.groups[0].acknowledgement.send
    (group,) = plan(settings(), released=True, spam=SPAM).groups
    assert (group.hold, group.decision.spam, group.acknowledgement.reason) == ("", "ham", "ok")


def test_an_irate_letter_is_not_lost_to_the_spam_filter():
    (group,) = plan(settings(), spam=SPAM, tone=IRATE).groups
    assert (group.action, group.hold) == (Action.TAG, "")
    assert group.call.wanted
    assert group.call.reason.endswith("taken for spam")
    assert group.acknowledgement.reason == "spam"


REFUSING = {"thresholds": {"refuse_at": 0.99}}


@pytest.mark.parametrize(
    ("history", "dmarc", "action"),
    [
        (History(), None, Action.REFUSE),
        (KNOWN, None, Action.TAG),
        (History(answers_us=True), UNPROVEN, Action.TAG),
        # Known by name only: anybody could say so.
        (KNOWN, UNPROVEN, Action.REFUSE),
        # Who it is could not be looked up: perhaps a customer of many years.
        (History(missing="timeout"), None, Action.QUARANTINE),
    ],
)
def test_a_classifier_never_refuses_a_known_correspondent(history, dmarc, action):
    found = {"dmarc": dmarc} if dmarc else {}
    assert plan(settings(REFUSING), history=history, spam=SPAM, **found).action is action


@pytest.mark.parametrize(
    ("history", "found", "rule"),
    [
        (History(proven=Contact(letters_7_days=1)), {}, "often"),
        (History(unproven=Contact(letters_7_days=9)), {}, "rest"),
        (History(unproven=Contact(letters_7_days=9)), {"dmarc": UNPROVEN}, "often"),
        (History(proven=Contact(letters_7_days=1), copy=True), {}, "rest"),
        (History(proven=Contact(letters_7_days=1)), {"spam": SPAM}, "rest"),
    ],
)
def test_contacts_count_this_letter_unless_it_is_a_copy_or_spam(history, found, rule):
    given_ = routed({"name": "often", "to": "*", "contacts_7_days": 2}, {"name": "rest"})
    assert plan(given_, history=history, **found).groups[0].rule == rule


def test_a_filter_on_trial_moves_no_letter():
    given_ = settings(
        {"routes": [{"name": "angry", "tone": "irate"}, {"name": "rest"}], **PLUS},
        filters=[{"use": "tone", "observe": True}],
    )
    (group,) = plan(given_, tone=IRATE).groups
    assert (group.rule, group.deliver_to, group.call.wanted) == ("rest", (), False)
    assert group.decision.tone_score == 0.95


def test_thresholds_are_each_sites_own():
    found = plan(settings(hosting={"thresholds": {"spam": 0.999}}), [SUPPORT, INFO], spam=SPAM)
    assert [group.decision.spam for group in found.groups] == ["spam", "unsure"]
    assert [group.action.word for group in found.groups] == ["quarantine", "deliver"]


@pytest.mark.parametrize(
    "shop", [{"phone": "+1 202-555-0143"}, {"calls": {"phone": "(202) 555-0143"}}]
)
def test_nobody_is_told_to_phone_the_site_itself(shop):
    (group,) = plan(settings(shop), tone=IRATE).groups
    assert group.call.wanted
    assert group.call.phone is None


@pytest.mark.parametrize(
    "agent",
    ["anna@far.example", "oncall@inside.example", "Accounts+x@inside.example", "boss@x.example",
     "admin@inside.example"],
)  # fmt: skip
@pytest.mark.parametrize("to", [SUPPORT, INFO])
def test_our_own_people_are_not_answered_at_any_site(agent, to):
    given_ = routed(
        {"to": "*", "deliver_to": "accounts@inside.example", "copy_to": "boss@x.example",
         "acknowledge": "received"}, staff=["Anna@far.example"],
    )  # fmt: skip
    content = LETTER.replace(b"jo@author.example", agent.encode())
    (group,) = plan(given_, [to], content=content).groups
    assert group.acknowledgement.reason == "own_address"


@pytest.mark.parametrize(
    ("author", "called"),
    [("Oncall+x@inside.example", False), ("web@shop.example", True), ("a@far.example", True)],
)
def test_an_agent_who_answers_a_card_is_not_phoned(author, called):
    """What an agent writes of an irate customer is irate; a web form's letter is a customer's."""
    given_ = settings({"calls": {"notify": ["oncall@inside.example"]}})
    content = LETTER.replace(b"jo@author.example", author.encode())
    (group,) = plan(given_, content=content, tone=IRATE).groups
    assert group.call.wanted is called


REPORT = b"Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n"


@pytest.mark.parametrize(
    ("fields", "history", "called"),
    [
        (REPORT, History(), False),
        (b"X-Failed-Recipients: jo@author.example\r\n", History(), False),
        (b"Return-Path: <>\r\nSubject: Undelivered Mail Returned to Sender\r\n", History(), False),
        (b"Auto-Submitted: auto-replied (vacation)\r\n", History(), False),
        (b"X-Autoreply: yes\r\n", History(answers_us=True), False),
        (b"X-Autoreply: yes\r\nIn-Reply-To: <Q1.ack.aaaaaaaaaaaaaaaa@mx1.test.example>\r\n",
         History(), False),
        # A call card or an acknowledgement that some mailbox sends on to us.
        (b"Message-ID: <Q1.1.card.aaaaaaaaaaaaaaaa@mx1.test.example>\r\n", History(), False),
        (b"X-Loop: support@shop.example\r\n", History(), False),
        # A parcel, a web form, a forwarder: people all the same.
        (b"Subject: Returned to sender\r\n", History(), True),
        (b"Auto-Submitted: auto-generated\r\n", History(), True),
        (b"Return-Path: <>\r\n", History(), True),
        (b"X-Loop: forward@far.example\r\n", History(), True),
        (b"", History(answers_us=True), True),
    ],
)  # fmt: skip
@pytest.mark.parametrize("to", ["support@shop.example", "postmaster@shop.example"])
def test_a_programs_answer_is_no_reason_to_phone(fields, history, called, to):
    always = routed({"to": "*", "call": "always", "acknowledge": "received"})
    for given_, found in ((settings(), {"tone": IRATE}), (always, {})):
        (group,) = plan(given_, [to], history, content=fields + LETTER, **found).groups
        assert group.call.wanted is called
        assert group.call.phone == "+12025550143"


def test_the_rest_of_a_route_goes_into_the_group():
    given_ = routed(
        {"to": "*", "deliver_to": ["a@x.example", "a@x.example"], "copy_to": "boss@x.example",
         "tags": ["vip"], "acknowledge": "received", "answer_within": "4h"}
    )  # fmt: skip
    (group,) = plan(given_, tone=IRATE).groups
    assert group.deliver_to == ("a@x.example",)
    assert group.copy_to == ("boss@x.example",)
    assert group.tags == ("tone=irate", "vip")
    assert group.acknowledgement.promise is not None


def test_letters_to_nobody_are_still_read():
    case = Case(message("nobody@else.example"), verdicts(tone=IRATE), History(), NOW)
    decision, call = router(settings()).read_for_nobody(case)
    assert decision.tone == "irate"
    assert (call.phone, call.orders) == ("+12025550143", ("10423",))
    assert (call.wanted, call.due) == (False, None)


ACTIONS = st.sampled_from(["deliver", "tag", "quarantine", "defer", "refuse"])
BUILT = {
    (one, two): router(settings({"then": {"spf": {"fail": one}}}, {"then": {"spf": {"fail": two}}}))
    for one in ("deliver", "tag", "quarantine", "defer", "refuse")
    for two in ("deliver", "tag", "quarantine", "defer", "refuse")
}
PEOPLE = [SUPPORT, BILLING, INFO, "sales@hosting.example", "postmaster@shop.example", "x@gone.test"]


@given(ACTIONS, ACTIONS, st.lists(st.sampled_from(PEOPLE), min_size=1, unique=True))
def test_every_recipient_stands_in_one_group_and_refusals_are_unanimous(one, two, recipients):
    found = BUILT[one, two].plan(message(*recipients), verdicts(spf=FAIL), History(), NOW)
    assert sorted(r for group in found.groups for r in group.recipients) == sorted(recipients)
    assert len({group.suffix for group in found.groups}) == len(found.groups)
    assert sum(group.acknowledgement.send for group in found.groups) <= 1
    if found.turns_away:
        assert {group.action for group in found.groups} == {found.action}
    else:
        assert all(group.action <= Action.QUARANTINE for group in found.groups)
        assert all(group.hold for group in found.groups if group.action is Action.QUARANTINE)
    for group in found.groups:
        assert not (group.acknowledgement.send and group.hold)
