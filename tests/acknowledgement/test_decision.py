"""The table of reasons: letters of programs stay unanswered, letters of people are answered."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.acknowledgement.decision import decide
from gateway.acknowledgement.own import OwnIdentity, without_tag
from gateway.acknowledgement.reasons import REASONS
from gateway.acknowledgement.target import declared_form, is_answerable, same_organisation
from gateway.message import Arrival, Envelope, Message, Session
from gateway.parse import parse
from gateway.plan import Acknowledgement, History, ReplyTo
from gateway.settings import FormSender, Route, Site
from gateway.verdict import Action, AuthResult, Decision, Verdict, Verdicts

NOW = datetime(2026, 11, 23, 14, 0, tzinfo=UTC)
HERE = Path(__file__).parent
ROUTE = Route(acknowledge="received")
SITE = Site(
    site="shop",
    domains=("shop.example",),
    next_hop="mailbox",
    routes=(ROUTE,),
    staff=("anna@inside.example",),
)
OWN = OwnIdentity(
    is_ours=lambda address: address.rpartition("@")[2] in ("shop.example", "other-shop.example"),
    is_our_message_id=lambda message_id: message_id.startswith("<OUR-"),
    people=frozenset({"anna@inside.example"}),
)
ALIGNED = Decision(Action.DELIVER, aligned=True)
EMPTY = History()


def letters(name: str) -> list[tuple[str, ...]]:
    """Name, reverse-path, expectation and octets of each letter in a file of letters."""
    blocks = re.split(r"^=== ", (HERE / name).read_text("utf-8"), flags=re.MULTILINE)[1:]
    found = []
    for block in blocks:
        head, _, text = block.partition("\n")
        if "\n\n" in text or text.strip().startswith("From:"):
            found.append((*(part.strip() for part in head.split(" | ")), text.strip("\n") + "\n"))
    return found


AUTOMATIC, PEOPLE = letters("automatic.txt"), letters("people.txt")


def read(text: str, path: str = "kim@cust.example", client_ip: str = "192.0.2.1") -> Message:
    content = text.replace("\n", "\r\n").encode()
    envelope = Envelope("" if path == "<>" else path, ("support@shop.example",))
    return parse(Arrival("Q1", NOW, Session(client_ip), envelope, content))


def letter(*fields: str, body: str = "Text\n", path: str = "kim@cust.example") -> Message:
    """A person's letter with further fields; a field given here replaces the usual one."""
    usual = {"From": "Kim Lee <kim@cust.example>", "To": "support@shop.example", "Subject": "Hi"}
    given_names = {line.partition(":")[0] for line in fields}
    lines = [f"{name}: {value}" for name, value in usual.items() if name not in given_names]
    return read("\n".join([*lines, *fields, "", body]), path)


def judge(
    message: Message,
    decision: Decision = ALIGNED,
    history: History = EMPTY,
    verdicts: Verdicts | None = None,
    site: Site = SITE,
    route: Route = ROUTE,
    recipient: str = "support@shop.example",
    own: OwnIdentity = OWN,
) -> Acknowledgement:
    return decide(
        message,
        verdicts or {},
        decision,
        history,
        site=site,
        route=route,
        recipient=recipient,
        own=own,
        now=NOW,
    )


# --- letters -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "path", "reason", "text"), AUTOMATIC, ids=lambda x: x[:40])
def test_programs_are_not_answered(name: str, path: str, reason: str, text: str) -> None:
    found = judge(read(text, path))
    assert not found.send
    assert found.reason == reason
    assert found.to == ""


@pytest.mark.parametrize(("name", "path", "text"), PEOPLE, ids=lambda x: x[:40])
def test_people_are_answered(name: str, path: str, text: str) -> None:
    found = judge(read(text, path))
    assert found.reasons == ()
    assert found.send
    assert found.reason == "ok"
    assert found.template == "received"


def test_there_are_enough_letters() -> None:
    assert len(AUTOMATIC) >= 120
    assert len(PEOPLE) >= 60


@pytest.mark.parametrize(
    "value",
    [
        "bulk, list",
        '"bulk"',
        "(a newsletter) bulk",
        "normal,JUNK",
        "bulk; q=1",
        "=?us-ascii?q?bulk?=",
    ],
)
@pytest.mark.parametrize("name", ["Precedence", "X-Precedence"])
def test_a_precedence_is_found_however_it_is_written(name: str, value: str) -> None:
    assert judge(letter(f"{name}: {value}")).reasons == ("bulk",)


@pytest.mark.parametrize("value", ["first-class", "special-delivery", "normal", ""])
def test_other_precedences_are_a_persons(value: str) -> None:
    assert judge(letter(f"Precedence: {value}")).send


def test_what_was_not_read_to_its_end_is_not_answered() -> None:
    filler = [f"X-{number}: x" for number in range(1200)]
    assert judge(letter(*filler[:900], "Precedence: bulk")).reasons == ("bulk",)
    assert judge(letter(*filler, "Precedence: bulk")).reason == "unparsable"
    assert judge(letter(*filler, "X-Gateway-Tone: irate")).reason == "unparsable"


# --- what stands around a letter ------------------------------------------------------------------

TEMPERROR = Verdict("temperror", "timeout")
AGO = NOW - timedelta(hours=23)
LONG_AGO = NOW - timedelta(hours=25)

AROUND: list[tuple[str, dict[str, object], str]] = [
    ("nobody proven", {"decision": Decision(Action.DELIVER)}, "unauthenticated"),
    ("dmarc fail", {"verdicts": {"dmarc": Verdict("fail")}}, "unauthenticated"),
    (
        "dmarc fail, sealer vouches",
        {"verdicts": {"dmarc": Verdict("fail", details={"arc_aligned": True})}},
        "ok",
    ),
    ("two authors", {"message": letter("From: kim@cust.example, lee@cust.example")},
     "unauthenticated"),
    ("two From fields", {"message": letter("From: kim@cust.example", "From: x@cust.example")},
     "unauthenticated"),
    ("a group", {"message": letter("From: Friends: kim@cust.example;")}, "unauthenticated"),
    ("nobody", {"message": letter("From: undisclosed-recipients:;")}, "unauthenticated"),
    ("no From at all", {"message": read("To: support@shop.example\n\nx")}, "unauthenticated"),
    (
        "spf temperror, not proven",
        {"decision": Decision(Action.DELIVER), "verdicts": {"spf": TEMPERROR}},
        "unchecked",
    ),
    (
        "dkim temperror, not proven",
        {"decision": Decision(Action.DELIVER), "verdicts": {"dkim": TEMPERROR}},
        "unchecked",
    ),
    (
        "one signature temperror",
        {
            "decision": Decision(Action.DELIVER),
            "verdicts": {"dkim": Verdict("fail", statements=(AuthResult("dkim", "temperror"),))},
        },
        "unchecked",
    ),
    ("dmarc temperror but proven", {"verdicts": {"dmarc": TEMPERROR}}, "ok"),
    ("spf temperror but proven", {"verdicts": {"spf": TEMPERROR}}, "ok"),
    ("spam temperror but proven", {"verdicts": {"spam": TEMPERROR}}, "ok"),
    ("no history", {"history": History(missing="timeout")}, "unchecked"),
    ("spam", {"decision": replace(ALIGNED, spam="spam")}, "spam"),
    ("unsure", {"decision": replace(ALIGNED, spam="unsure")}, "spam"),
    ("malware", {"verdicts": {"malware": Verdict("infected")}}, "malware"),
    ("malware not found", {"verdicts": {"malware": Verdict("clean")}}, "ok"),
    ("answer to us", {"history": History(answers_us=True)}, "conversation"),
    ("acknowledged conversation", {"history": History(conversation_acknowledged=True)},
     "conversation"),
    ("known conversation", {"history": History(conversation="C1")}, "ok"),
    ("copy", {"history": History(copy=True)}, "conversation"),
    ("names our id", {"message": letter("In-Reply-To: <OUR-1@mx1.example.net>")}, "conversation"),
    ("references our id", {"message": letter("References: <a@b.c> <OUR-1@mx1.example.net>")},
     "conversation"),
    ("acknowledged today", {"history": History(acknowledged={"shop": AGO})}, "rate"),
    ("acknowledged yesterday", {"history": History(acknowledged={"shop": LONG_AGO})}, "ok"),
    ("acknowledged elsewhere", {"history": History(acknowledged={"hosting": AGO})}, "ok"),
    ("breaker of the site", {"history": History(silenced=frozenset({"shop"}))}, "rate"),
    ("breaker of all", {"history": History(silenced=frozenset({"*"}))}, "rate"),
    ("breaker elsewhere", {"history": History(silenced=frozenset({"hosting"}))}, "ok"),
    ("dead address", {"history": History(dead_address=True)}, "dead_address"),
    (
        "dead address in Reply-To",
        {
            "message": letter("Reply-To: boss@cust.example"),
            "history": History(reply_to=ReplyTo(dead_address=True)),
        },
        "dead_address",
    ),
    (
        "dead address of whom nobody answers",
        {
            "message": letter("Reply-To: boss@cust.example"),
            "history": History(dead_address=True),
        },
        "ok",
    ),
    (
        "dead address elsewhere, which is not answered",
        {
            "message": letter("Reply-To: boss@elsewhere.example"),
            "history": History(reply_to=ReplyTo(dead_address=True)),
        },
        "ok",
    ),
    ("bcc", {"message": letter("To: other@vendor.example")}, "not_addressed"),
    ("no To", {"message": letter("To: undisclosed-recipients:;")}, "not_addressed"),
    (
        "bcc allowed",
        {
            "message": letter("To: other@vendor.example"),
            "route": Route(acknowledge="received", not_addressed=True),
        },
        "ok",
    ),
    ("another address of ours in To", {"message": letter("To: sales@shop.example")}, "ok"),
    ("route silent", {"route": Route()}, "policy"),
    ("route holds", {"route": Route(acknowledge="received", hold=True)}, "policy"),
    ("site silent", {"site": SITE.model_copy(update={"acknowledge": False})}, "policy"),
    ("quarantined", {"decision": replace(ALIGNED, action=Action.QUARANTINE)}, "policy"),
    ("tagged", {"decision": replace(ALIGNED, action=Action.TAG)}, "ok"),
    ("to postmaster", {"recipient": "postmaster@shop.example"}, "policy"),
    (
        "to an address no answer would reach",
        {"recipient": '"a b"@shop.example', "message": letter('To: "a b"@shop.example')},
        "policy",
    ),
    ("to abuse", {"recipient": "abuse@shop.example"}, "policy"),
    ("no key", {"own": replace(OWN, mute_domains=frozenset({"shop.example"}))}, "policy"),
    ("reply-to elsewhere", {"message": letter("Reply-To: kim@private.example")}, "ok"),
    ("reply-to a robot", {"message": letter("Reply-To: noreply@cust.example")}, "robot_address"),
    ("25 hops", {"message": letter(*["Received: by x"] * 25)}, "ok"),
    ("26 hops", {"message": letter(*["Received: by x"] * 26)}, "loop"),
    ("a quoted local part", {"message": letter('From: "kim lee"@cust.example')}, "unparsable"),
    ("a domain literal", {"message": letter("From: kim@[192.0.2.1]")}, "unparsable"),
    ("a very long address", {"message": letter(f"From: {'k' * 250}@cust.example")}, "unparsable"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "changes", "reason"), AROUND, ids=[case[0] for case in AROUND])
def test_what_stands_around(name: str, changes: dict[str, object], reason: str) -> None:
    message = changes.pop("message", None) if "message" in changes else letter()
    assert judge(message, **changes).reason == reason  # type: ignore[arg-type]


def test_every_reason_is_told_in_order() -> None:
    message = letter(
        "Precedence: bulk", "Auto-Submitted: auto-replied", "To: x@y.example", path="<>"
    )
    found = judge(message, Decision(Action.QUARANTINE, spam="spam"), History(dead_address=True))
    assert found.reasons == (
        "null_sender", "auto_submitted", "bulk", "spam", "unauthenticated", "dead_address",
        "not_addressed", "policy",
    )  # fmt: skip
    assert list(found.reasons) == [code for code in REASONS if code in found.reasons]
    assert found.reason == "null_sender"


def test_every_reason_has_a_case() -> None:
    told = {case[2] for case in AROUND} | {case[2] for case in AUTOMATIC}
    assert told >= set(REASONS)


# --- whom -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("author", "reply_to", "to"),
    [
        ("kim@cust.example", "", "kim@cust.example"),
        ("kim@mail.cust.example", "help@cust.example", "help@cust.example"),
        ("kim@cust.example", "kim@private.example", "kim@cust.example"),
        ("kim@cust.example", "a@cust.example, b@cust.example", "kim@cust.example"),
        ("kim@one.co.uk", "kim@two.co.uk", "kim@one.co.uk"),
        ("kim@one.github.io", "kim@two.github.io", "kim@one.github.io"),
        ("Kim@Cust.Example", "", "Kim@Cust.Example"),
        ("kim@gmail.com", "victim@gmail.com", "kim@gmail.com"),
        ("kim@GMail.com", "victim@Gmail.COM", "kim@GMail.com"),
    ],
)
def test_goes_to_the_author_alone(author: str, reply_to: str, to: str) -> None:
    fields = [f"From: {author}"] + ([f"Reply-To: {reply_to}"] if reply_to else [])
    assert judge(letter(*fields)).to == to


FORM = FormSender(address="form@shop.example", ip=("192.0.2.0/24",), dkim="shop.example")
FORM_SITE = SITE.model_copy(update={"form_senders": (FORM,)})
FORM_LETTER = (
    "From: The Shop <form@shop.example>\nReply-To: kim@cust.example\n"
    "To: support@shop.example\nSubject: Contact form\n\nText\n"
)
SIGNED = {
    "dkim": Verdict(
        "pass", statements=(AuthResult("dkim", "pass", (("header.d", "shop.example"),)),)
    )
}


@pytest.mark.parametrize("path", ["www-data@web.shop.example", "noreply@shop.example"])
def test_declared_form_answers_its_customer(path: str) -> None:
    message = read(FORM_LETTER, path)
    found = judge(message, Decision(Action.DELIVER), site=FORM_SITE)
    assert (found.send, found.to, found.template) == (True, "kim@cust.example", "form")


def test_form_may_be_pinned_by_its_signature() -> None:
    message = read(FORM_LETTER, "form@shop.example", client_ip="198.51.100.9")
    assert declared_form(message, SIGNED, FORM_SITE) == FORM
    assert declared_form(message, {}, FORM_SITE) is None
    assert judge(message, Decision(Action.DELIVER), site=FORM_SITE).reason == "own_address"


@pytest.mark.parametrize(
    ("reply_to", "reason"),
    [
        ("", "unparsable"),
        ("noreply@cust.example", "robot_address"),
        ("support@shop.example", "own_address"),
        ("a@cust.example, b@cust.example", "unparsable"),
    ],
)
def test_form_target_is_looked_at_like_an_author(reply_to: str, reason: str) -> None:
    text = FORM_LETTER.replace("kim@cust.example", reply_to)
    assert judge(read(text), Decision(Action.DELIVER), site=FORM_SITE).reason == reason


def test_organisations() -> None:
    assert same_organisation("a.shop.co.uk", "shop.co.uk")
    assert not same_organisation("shop.co.uk", "other.co.uk")
    assert not same_organisation("co.uk", "co.uk")
    assert not same_organisation("", "")


def test_tags_are_taken_off() -> None:
    assert without_tag(" Support+Irate@Shop.Example ") == "support@shop.example"
    assert without_tag("nobody") == "nobody@" or without_tag("nobody") == "@nobody"


@pytest.mark.parametrize(
    ("address", "fine"),
    [
        ("kim@cust.example", True),
        ("o'neil+x@cust.example", True),
        ("josé@cust.example", True),
        ("kim@cust", False),
        ("kim@cust.example\r\nBcc: x@y.example", False),
        ("kim lee@cust.example", False),
        ("<kim@cust.example>", False),
        ("kim@cust.example,x@y.example", False),
        ("a..b@cust.example", False),
        ("", False),
    ],
)
def test_answerable(address: str, fine: bool) -> None:
    assert is_answerable(address) is fine


# --- measured -------------------------------------------------------------------------------------

PREFIXES = [
    "Automatic reply: ", "Out of Office AutoReply: ", "Automatische Antwort: ",
    "Abwesenheitsnotiz: ", "Réponse automatique : ", "Respuesta automática: ",
    "Risposta automatica: ", "Resposta automática: ", "Automatisch antwoord: ",
    "Undeliverable: ", "Unzustellbar: ", "Non remis : ", "No se puede entregar: ",
    "Non recapitabile: ", "Não é possível entregar: ", "Onbestelbaar: ",
    "Mail delivery failed: returning message to sender", "failure notice",
    "Undelivered Mail Returned to Sender", "Delivery Status Notification (Failure)",
]  # fmt: skip


@given(
    prefix=st.sampled_from(PREFIXES),
    rest=st.text(st.characters(blacklist_categories=["Cs", "Cc"]), max_size=60),
    upper=st.booleans(),
)
def test_any_subject_behind_such_a_beginning_is_silent(prefix: str, rest: str, upper: bool) -> None:
    ends = prefix[-1] in ": )"
    subject = prefix + (rest if ends else "")
    message = letter(f"Subject: {subject.upper() if upper else subject}")
    assert judge(message).reason in ("auto_reply", "bounce")


@given(st.binary(max_size=2000))
def test_no_octets_break_it(octets: bytes) -> None:
    arrival = Arrival("Q1", NOW, Session("192.0.2.1"), Envelope("a@b.example", ()), octets)
    found = judge(parse(arrival))
    assert found.send == (found.reason == "ok") == (not found.reasons)


def test_rate_of_silence(capsys: pytest.CaptureFixture[str]) -> None:
    """The goal of product.md: 99.5 % silent, 97 % with a path; people keep their answers."""
    as_they_came = [judge(read(text, path)).send for _, path, _, text in AUTOMATIC]
    paths = [path.replace("<>", "kim@cust.example") for _, path, _, _ in AUTOMATIC]
    with_a_path = [
        judge(read(text, path)).send for (_, _, _, text), path in zip(AUTOMATIC, paths, strict=True)
    ]
    answered = [judge(read(text, path)).send for _, path, text in PEOPLE]
    silent = 1 - sum(as_they_came) / len(as_they_came)
    silent_with_path = 1 - sum(with_a_path) / len(with_a_path)
    with capsys.disabled():
        print(  # noqa: T201 - the figure is wanted in the test's output
            f"\nsilent on {silent:.1%} of {len(as_they_came)} automatic letters, "
            f"{silent_with_path:.1%} none of them with the null path; "
            f"{sum(answered)} of {len(answered)} people answered"
        )
    assert silent >= 0.995
    assert silent_with_path >= 0.97
    assert all(answered)


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ("method=REPLY; charset=utf-8", "auto_reply"),
        ('charset=utf-8;\n\tmethod="Counter"', "auto_reply"),
        ("method=REQUEST; charset=utf-8", "ok"),  # a customer who invites us is answered
        ("charset=utf-8\nX-Other: method=REPLY", "ok"),
    ],
)
def test_a_calendars_answer_is_told_by_its_part_whatever_the_subject(parameters, reason):
    body = (
        f"--b\nContent-Type: text/plain\n\nHello\n--b\n"
        f"Content-Type: text/calendar; {parameters}\n\n"
        "BEGIN:VCALENDAR\nEND:VCALENDAR\n--b--\n"
    )
    found = judge(
        letter(
            "MIME-Version: 1.0",
            "Content-Type: multipart/alternative; boundary=b",
            "Subject: Nouvelle heure proposée : visite",
            body=body,
        )
    )
    assert found.reason == reason
