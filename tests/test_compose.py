"""From a plan to letters: every recipient answered for once, copies apart, one memory a site."""

from __future__ import annotations

from dataclasses import replace
from email.parser import BytesParser
from email.policy import default

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.planning import (
    IRATE,
    LETTER,
    NOW,
    PROVEN,
    SHOP,
    SPAM,
    UNPROVEN,
    message,
    parts,
    settings,
    verdicts,
)

from gateway.plan import Contact, History, ReplyTo
from gateway.verdict import Verdict

SUPPORT, BILLING, INFO = "support@shop.example", "billing@shop.example", "info@hosting.example"
SPF = Verdict("pass")
PLAIN = parts(settings())


def composed(built=PLAIN, recipients=(SUPPORT,), history=None, content=LETTER, now=NOW, **found):
    """Letters by id, and the plan as it was carried out."""
    history = history or History()
    letter, judged = message(*recipients, content=content, time=now), verdicts(**found)
    planned = built.router.plan(letter, judged, history, now)
    letters, carried_out = built.composer.compose(letter, judged, planned, history)
    by_id = {letter.id: letter for letter in letters}
    assert len(by_id) == len(letters)
    return by_id, carried_out


def mail(octets):
    return BytesParser(policy=default).parsebytes(octets)


def routed(*routes, **more):
    return parts(settings({"routes": list(routes), **more}))


def test_a_letter_and_its_answer():
    letters, plan = composed(spf=SPF)
    assert list(letters) == ["QID1.1", "QID1.1.ack"]
    letter, answer = letters.values()
    assert (letter.recipients, letter.origin) == ((SUPPORT,), (SUPPORT,))
    assert letter.answerable
    assert answer.recipients == ("jo@author.example",)
    assert (answer.reverse_path, answer.waits_for, answer.next_hop) == ("", "QID1.1", "outbound")
    assert answer.origin == ()
    (memory,) = plan.remember
    assert memory.claim.letter_id == "QID1.1.ack"
    assert (memory.contact, memory.proven, memory.counts) == ("jo@author.example", True, True)
    said = mail(answer.own)
    assert said["From"].addresses[0].addr_spec == SUPPORT
    assert "Where is it" not in answer.own.decode()
    assert "yes; template=received" in letter.prefix.decode().replace("\r\n\t", " ")


def test_a_copy_is_a_letter_of_its_own_that_tells_nobody_of_its_failure():
    built = routed({"to": "*", "copy_to": ["boss@x.example", "boss@x.example"]})
    letters, _ = composed(built, spf=SPF)
    assert letters["QID1.1"].recipients == (SUPPORT,)
    copy = letters["QID1.1.copy"]
    assert (copy.recipients, copy.origin) == (("boss@x.example",), ())
    assert (copy.prefix, copy.cuts) == (letters["QID1.1"].prefix, letters["QID1.1"].cuts)
    assert letters["QID1.1"].answerable
    assert not copy.answerable


def test_a_copy_is_held_with_its_letter():
    built = routed({"to": "*", "copy_to": "boss@x.example"})
    letters, _ = composed(built, spam=SPAM)
    assert letters["QID1.1.copy"].hold == letters["QID1.1"].hold == "quarantined: spam=spam"


@pytest.mark.parametrize("recipients", [[SUPPORT, BILLING], [BILLING, SUPPORT]])
def test_the_call_of_one_rule_and_the_answer_of_another_are_both_remembered(recipients):
    built = routed(
        {"to": BILLING, "call": "always"},
        {"to": "*", "call": "never", "acknowledge": "received"},
    )
    letters, plan = composed(built, recipients)
    (memory,) = plan.remember
    calling = next(group for group in plan.groups if group.call.wanted)
    answering = next(group for group in plan.groups if group.acknowledgement.send)
    assert memory.call.id == f"QID1.{calling.suffix}"
    assert memory.claim.letter_id == f"QID1.{answering.suffix}.ack"
    assert {f"{memory.call.id}.card", memory.claim.letter_id} < set(letters)


def test_each_site_remembers_and_only_one_answers():
    letters, plan = composed(PLAIN, (SUPPORT, INFO))
    assert [memory.site for memory in plan.remember] == ["shop", "hosting"]
    assert [memory.claim is None for memory in plan.remember] == [False, True]
    assert [id_ for id_ in letters if id_.endswith(".ack")] == ["QID1.1.ack"]


def test_a_card_goes_to_the_agents_on_duty():
    letters, plan = composed(tone=IRATE)
    card = letters["QID1.1.card"]
    assert (card.recipients, card.next_hop) == (("oncall@inside.example",), "mailbox")
    assert plan.remember[0].call.phone == "+12025550143"
    assert plan.remember[0].irate
    read = mail(card.own)
    assert read["Importance"] == "high"
    assert read["In-Reply-To"] == "<1@author.example>"
    assert b"Importance: high\r\n" in letters["QID1.1"].prefix


OVER = History(calls_carded={"shop": 20})
OPEN = History(open_calls={"shop": "Q0.1", "shop/unproven": "Q0.2"})


@pytest.mark.parametrize(
    ("history", "dmarc", "carded", "updates"),
    [
        (History(), PROVEN, True, ""),
        (History(), UNPROVEN, True, ""),
        (OVER, PROVEN, False, ""),
        # One letter to two sites comes twice; the agents of the second know nothing of it yet.
        (History(copy=True, open_calls={"hosting": "Q0.1"}), PROVEN, True, ""),
        (History(copy=True, open_calls={"shop": "Q0.1"}), PROVEN, False, "Q0.1"),
        (OPEN, PROVEN, True, "Q0.1"),
        # Who cannot be told from a forger would otherwise have no budget at all.
        (OPEN, UNPROVEN, False, "Q0.2"),
    ],
)
def test_which_calls_are_carded_and_all_are_recorded(history, dmarc, carded, updates):
    letters, plan = composed(history=history, dmarc=dmarc, tone=IRATE)
    (memory,) = plan.remember
    assert ("QID1.1.card" in letters) == carded
    assert memory.call.updates == updates
    assert memory.call.over_budget == (history is OVER)
    assert plan.groups[0].call.wanted
    tag = letters["QID1.1"].prefix.decode().replace("\r\n\t", " ")
    assert ("over_budget" in tag) == (history is OVER)


def test_a_letter_says_that_its_card_was_left_out():
    """The store may find the budget used up when the letter was planned already."""
    letters, _ = composed(dmarc=PROVEN, tone=IRATE)
    letter = letters["QID1.1"]
    for left_out, over in ((set(), False), ({"QID1.1.ack"}, False), ({"QID1.1.card"}, True)):
        tag = mail(letter.without(left_out).prefix)["X-Gateway-Call"]
        assert tag.startswith("wanted; ")
        assert ("; over_budget" in tag) == over
    letters, _ = composed(history=OVER, dmarc=PROVEN, tone=IRATE)
    assert letters["QID1.1"].without({"QID1.1.card"}).prefix == letters["QID1.1"].prefix


def test_all_letters_of_a_site_say_that_its_one_card_was_left_out():
    built = routed({"to": SUPPORT, "name": "first"}, {"to": "*@shop.example"})
    recipients = (SUPPORT, "sales@shop.example")
    letters, _ = composed(built, recipients, dmarc=PROVEN, tone=IRATE)
    assert list(letters) == ["QID1.1", "QID1.2", "QID1.1.card"]
    for id_ in ("QID1.1", "QID1.2"):
        said = mail(letters[id_].without({"QID1.1.card"}).prefix)["X-Gateway-Call"]
        assert said.endswith("; over_budget")


@pytest.mark.parametrize(
    ("history", "found", "counts"),
    [(History(), {}, True), (History(copy=True), {}, False), (History(), {"spam": SPAM}, False)],
)
def test_spam_and_copies_are_no_contacts(history, found, counts):
    _, plan = composed(history=history, **found)
    assert plan.remember[0].counts is counts


def test_a_letter_for_which_there_are_no_words_is_told_as_silence(tmp_path):
    """Also in its own tag. `check` calls this a mistake; a reload may still race with a file."""
    built = parts(settings({"routes": [{"to": "*", "acknowledge": "none-such"}]}))
    letters, plan = composed(built)
    assert list(letters) == ["QID1.1"]
    assert plan.remember[0].claim is None
    assert b"X-Gateway-Acknowledged: no; reason=policy\r\n" in letters["QID1.1"].prefix


def test_an_alias_answers_in_its_own_name():
    built = routed(
        {"to": SUPPORT, "acknowledge": "received"}, aliases={"help@shop.example": SUPPORT}
    )
    content = LETTER.replace(b"support@", b"Help+x@")
    letters, _ = composed(built, ("Help+x@shop.example",), content=content)
    assert letters["QID1.1"].recipients == (SUPPORT,)
    assert letters["QID1.1"].origin == ("Help+x@shop.example",)
    assert mail(letters["QID1.1.ack"].own)["From"].addresses[0].addr_spec == "help@shop.example"


def test_the_sites_own_address_answers_if_it_has_one():
    letters, _ = composed(parts(settings({"address": "hello@shop.example"})))
    assert mail(letters["QID1.1.ack"].own)["From"].addresses[0].addr_spec == "hello@shop.example"


def test_an_address_beyond_ascii_needs_smtputf8_on_either_side():
    content = LETTER.replace(b"support@", "büro@".encode())
    letters, _ = composed(PLAIN, ("büro@shop.example",), content=content)
    assert letters["QID1.1.ack"].smtputf8
    letters, _ = composed()
    assert not letters["QID1.1.ack"].smtputf8


@pytest.mark.parametrize(
    ("name", "dmarc", "greeted"),
    [(b"Jo Field", PROVEN, True), (b"Click http://x.example now", PROVEN, False)],
)
def test_only_a_plain_proven_name_is_greeted(name, dmarc, greeted):
    content = LETTER.replace(b"Jo Field", b'"' + name + b'"')
    letters, _ = composed(content=content, dmarc=dmarc)
    body = mail(letters["QID1.1.ack"].own).get_content()
    assert (name.decode() in body) == greeted


@pytest.mark.parametrize(
    ("asked", "number", "said", "never"),
    [
        ("yes", True, "We have your telephone number", "reply with your number"),
        ("yes", False, "reply with your number", "We have your telephone number"),
        ("refused", True, "", "number"),
        ("refused", False, "", "call you"),
    ],
)
def test_who_is_irate_is_not_asked_for_what_was_written(asked, number, said, never):
    """Nor offered a call by whom they were forbidden."""
    content = LETTER if number else LETTER.replace(b" My number is +1 202 555 0143.", b"")
    tone = replace(IRATE, details={"asked": asked, "asked_score": 0.9})
    built = parts(settings({"languages": ["en"]}))
    letters, _ = composed(built, content=content.replace(b"Hello", LIED), tone=tone)
    body = mail(letters["QID1.1.ack"].own).get_content()
    assert "every word" in body
    assert said in body
    assert never not in body


LIED = b"You lied to me and I want my money back from you people. Hello"


def test_a_name_is_told_to_nobody_but_its_owner():
    content = b"Reply-To: all@author.example\r\n" + LETTER
    letters, plan = composed(content=content)
    assert plan.groups[0].acknowledgement.to == "all@author.example"
    assert "Jo Field" not in mail(letters["QID1.1.ack"].own).get_content()


FORM = parts(settings({"form_senders": [{"address": "form@shop.example", "ip": ["192.0.2.7"]}]}))


@pytest.mark.parametrize("history", [History(), History(open_calls={"shop/unproven": "Q0.1"})])
@pytest.mark.parametrize("dmarc", [PROVEN, UNPROVEN])
def test_each_customer_behind_a_form_has_a_call_of_her_own(history, dmarc):
    content = LETTER.replace(b"Jo Field <jo@author.example>", b"The Shop <form@shop.example>")
    content = content.replace(b"Hello", b"Name: Kim Lee\r\n\r\nHello")
    for reply_to, contact in (("Kim@one.example", "kim@one.example"), ("", "form@shop.example")):
        fields = f"Reply-To: {reply_to}\r\n".encode() if reply_to else b""
        letters, plan = composed(
            FORM, history=history, content=fields + content, tone=IRATE, dmarc=dmarc
        )
        (memory,) = plan.remember
        assert (memory.contact, memory.call.contact) == (contact, contact)
        assert (memory.proven, memory.call.proven) == (False, False)
        assert memory.call.name == "Kim Lee"
        answered = plan.groups[0].acknowledgement.send
        assert answered is bool(reply_to)
        assert not answered or memory.claim.form == "form@shop.example"
        assert "SENDER NOT PROVEN" in mail(letters["QID1.1.card"].own).get_body().get_content()


FILLED_IN = b"Reply-To: Kim Lee <Kim@one.example>\r\n" + LETTER.replace(
    b"Jo Field <jo@author.example>", b"Shop Form <form@shop.example>"
)


@pytest.mark.parametrize("built", [PLAIN, FORM])
@pytest.mark.parametrize("dmarc", [PROVEN, UNPROVEN])
def test_a_form_is_nobodys_name_and_proves_nobody_whether_it_is_declared_or_not(built, dmarc):
    """The site signs what its form writes; who filled it in may have named anybody."""
    known = History(proven=Contact(known=True, phones=frozenset({"+12025550143"})))
    letters, plan = composed(built, history=known, content=FILLED_IN, tone=IRATE, dmarc=dmarc)
    (memory,) = plan.remember
    assert (memory.contact, memory.proven) == ("kim@one.example", False)
    assert (memory.call.contact, memory.call.name) == ("kim@one.example", "Kim Lee")
    assert not memory.call.proven
    written = mail(letters["QID1.1.card"].own).get_body().get_content()
    assert "SENDER NOT PROVEN, NUMBER NEW" in written


def test_a_form_signed_by_the_site_does_not_pass_the_quarantine_as_an_old_friend():
    known = History(proven=Contact(known=True))
    _, plan = composed(history=known, content=FILLED_IN, dmarc=PROVEN, spam=SPAM)
    assert plan.groups[0].hold


def test_an_author_in_u_labels_is_greeted_by_name_and_claimed_as_she_is_remembered():
    content = LETTER.replace(b"jo@author.example", "jo@bücher.example".encode())
    letters, plan = composed(spf=SPF, dmarc=PROVEN, content=content)
    (memory,) = plan.remember
    assert memory.contact == memory.claim.contact == "jo@xn--bcher-kva.example"
    assert "Jo Field" in mail(letters["QID1.1.ack"].own).get_content()


def test_who_fills_in_a_form_again_is_known_again():
    """One card a call, her own count of letters, and the budget of those who are not proven."""
    before = ReplyTo(Contact(letters_7_days=2), open_calls={"shop/unproven": "Q0.1"})
    letters, plan = composed(
        FORM, history=History(reply_to=before), content=FILLED_IN, tone=IRATE, dmarc=PROVEN
    )
    assert "QID1.1.card" not in letters
    assert plan.remember[0].call.updates == "Q0.1"
    assert b"X-Gateway-Contact: 3 in 7 days" in letters["QID1.1"].prefix
    used_up = History(calls_carded={"shop/unproven": 5, "shop": 5})
    letters, plan = composed(FORM, history=used_up, content=FILLED_IN, tone=IRATE, dmarc=PROVEN)
    assert "QID1.1.card" not in letters
    assert plan.remember[0].call.over_budget


@pytest.mark.parametrize(
    ("headers", "contact"),
    [
        (b"From: Jo@Author.example\r\n", "jo@author.example"),
        (b"From: a@x.example, b@x.example\r\n", "bounce@path.example"),
        (b"", "bounce@path.example"),
    ],
)
def test_under_whom_a_letter_is_remembered(headers, contact):
    letter = message(content=headers + b"\r\nx\r\n", reverse_path="Bounce@path.example")
    judged = verdicts(dmarc=UNPROVEN)
    plan = PLAIN.router.plan(letter, judged, History(), NOW)
    _, carried_out = PLAIN.composer.compose(letter, judged, plan, History())
    assert carried_out.remember[0].contact == contact


PEOPLE = [SUPPORT, BILLING, INFO, "postmaster@shop.example", "abuse@hosting.example", "x@gone.test"]
FINDINGS = st.fixed_dictionaries(
    {},
    optional={
        "spam": st.sampled_from([SPAM, Verdict("ham", score=0.6)]),
        "tone": st.sampled_from([IRATE, replace(IRATE, score=0.5)]),
        "dmarc": st.just(UNPROVEN),
    },
)
BUSY = parts(
    settings(
        {"routes": [
            {"to": BILLING, "deliver_to": ["a@x.example", "b@x.example"], "copy_to": "c@x.example",
             "call": "always"},
            {"to": "*", "acknowledge": "received", "tone": "irate", "hold": True},
            *SHOP["routes"],
        ]}
    )
)  # fmt: skip


@given(
    st.lists(st.sampled_from(PEOPLE), min_size=1, unique=True),
    FINDINGS,
    st.sampled_from([History(), OPEN, OVER, History(proven=Contact(known=True), copy=True)]),
)
def test_each_accepted_recipient_is_answered_for_once(recipients, found, history):
    letters, plan = composed(BUSY, tuple(recipients), history, **found)
    origins = [address for letter in letters.values() for address in letter.origin]
    assert sorted(origins) == sorted(recipients)
    assert all(letter.recipients for letter in letters.values())
    answers = [letter for letter in letters.values() if letter.kind == "acknowledgement"]
    claims = [memory.claim for memory in plan.remember if memory.claim]
    assert [answer.id for answer in answers] == [claim.letter_id for claim in claims]
    assert len(answers) <= 1
    for answer in answers:
        assert not letters[answer.waits_for].hold
    for letter in letters.values():
        if letter.own is not None:
            assert letter.reverse_path == ""
            assert mail(letter.own)["Auto-Submitted"]
