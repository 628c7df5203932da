"""The reasons not to acknowledge a message (RFC 3834), as a table. Pure.

They stand in one order. All that hold are told; the first is the reason. Silence towards a person
costs a little; an answer to a program, a list or a victim costs much more.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from gateway.acknowledgement import signs, subjects
from gateway.acknowledgement.own import OwnIdentity, without_tag
from gateway.acknowledgement.target import is_answerable
from gateway.domains import canonical_domain
from gateway.message import Address, Message
from gateway.plan import History
from gateway.settings import FormSender, Route, Site
from gateway.verdict import TEMPERROR, Action, Decision, Verdicts

RECEIVED_MAX = 25
"""Received fields of a letter that is still answered; ordinary ones have under ten."""


@dataclass(frozen=True, slots=True)
class Case:
    """Everything the table asks about, for one message and one recipient."""

    message: Message
    verdicts: Verdicts
    decision: Decision
    history: History
    site: Site
    route: Route
    recipient: str
    own: OwnIdentity
    now: datetime
    per_author: timedelta
    form: FormSender | None
    target: Address | None
    """Who would get the acknowledgement."""


def _null_sender(case: Case) -> bool:
    # RFC 5321, 4.5.5: no reply to the null path.
    if not case.message.arrival.envelope.reverse_path:
        return True
    return any(value.strip() == "<>" for value in case.message.all("return-path"))


def _auto_submitted(case: Case) -> bool:
    # RFC 3834, 5: anything but `no`; parameters and comments may follow.
    return any(word != "no" for word in submitted(case.message))


def submitted(message: Message) -> list[str]:
    """The word of each Auto-Submitted field, in lower case: `no`, `auto-generated`, ..."""
    return [
        re.split(r"[;(\s]", value.strip().lower(), maxsplit=1)[0]
        for value in message.all("auto-submitted")
    ]


def _bulk(case: Case) -> bool:
    message = case.message
    for name in ("precedence", "x-precedence"):
        for value in message.all(name):
            # One word is meant; lists, quotes and comments are seen all the same.
            if not signs.BULK_WORDS.isdisjoint(re.split(r"[^a-z_-]+", value.lower())):
                return True
    names = message.decoded.keys()
    if not signs.BULK_FIELDS.isdisjoint(names) or any(name[:5] == "list-" for name in names):
        return True
    if signs.BULK_MAILERS.search(message.first("x-mailer")[:200]):
        return True
    return _is_newsletter(message)


def _is_newsletter(message: Message) -> bool:
    """A variable bounce path, and a way to unsubscribe in the text: no field need say more."""
    local = message.arrival.envelope.reverse_path.rpartition("@")[0].lower()
    if not signs.BOUNCE_PATH.match(local):
        return False
    text = message.plain[-signs.REPORT_TEXT_MAX :] + message.html[-4 * signs.REPORT_TEXT_MAX :]
    return bool(signs.UNSUBSCRIBE_TEXT.search(text))


def _asked_silence(case: Case) -> bool:
    return any(
        word.strip().lower() in signs.SILENCE_WORDS
        for value in case.message.all("x-auto-response-suppress")
        for word in re.split(r"[,;\s]+", value)
    )


def _auto_reply(case: Case) -> bool:
    message = case.message
    for name in signs.AUTO_REPLY_FIELDS.intersection(message.decoded):
        if any(value.strip().lower() not in ("no", "false", "0") for value in message.all(name)):
            return True
    # Whoever set X-Loop had a program handle the letter; our own is told as `loop`.
    if any(not case.own.has(value) for value in message.all("x-loop")):
        return True
    mailers = message.first("x-mailer")[:200] + "\n" + message.first("user-agent")[:200]
    if signs.AUTO_REPLY_MAILERS.search(mailers):
        return True
    subject = subjects.fold(message.subject)
    if subjects.AWAY_SUBJECT.match(subject):
        return True
    answering = bool(message.in_reply_to or message.references or case.history.answers_us)
    if answering and subjects.AWAY_ANSWER_SUBJECT.match(subject):
        return True
    return signs.CALENDAR_TYPE in message.content_types and (
        message.content_types[0] == signs.CALENDAR_TYPE
        or bool(subjects.CALENDAR_SUBJECT.match(subject))
        or _is_calendars_answer(message)
    )


def _is_calendars_answer(message: Message) -> bool:
    """Accepted, declined, another time proposed, whatever the subject calls it in any language."""
    content = message.arrival.content
    parts = islice(signs.CALENDAR_PART.finditer(content), signs.CALENDAR_PARTS_MAX)
    return any(
        signs.CALENDAR_ANSWER.match(
            content[part.end() : part.end() + signs.CALENDAR_PARAMETERS_MAX]
        )
        for part in parts
    )


def _bounce(case: Case) -> bool:
    message = case.message
    if has_report(message):
        return True
    subject = subjects.fold(message.subject)
    if subjects.BOUNCE_SUBJECT.match(subject):
        return True
    return bool(
        subjects.BOUNCE_REPORT_SUBJECT.match(subject)
        and signs.REPORT_TEXT.search(message.plain[: signs.REPORT_TEXT_MAX])
    )


def has_report(message: Message) -> bool:
    """Whether a program reports here on the fate of mail, by a field or a part of its own."""
    return any(message.has(name) for name in signs.REPORT_FIELDS) or _is_report(
        message.content_types
    )


def _is_report(types: tuple[str, ...]) -> bool:
    """A report's parts, unless they stand in a letter that somebody attached to her own.

    `content_types` lists containers first, wherever they stand, and does not look for single
    parts within an attached message.
    """
    if any(kind in signs.REPORT_TYPES for kind in types if not kind.startswith("multipart/")):
        return True
    return types[0] == signs.REPORT or (signs.REPORT in types and "message/rfc822" not in types)


def _robot_address(case: Case) -> bool:
    path = case.message.arrival.envelope.reverse_path
    if not case.form and signs.is_robot_path(path.rpartition("@")[0] or path):
        return True
    people = (case.target,) if case.form else (*case.message.authors, case.target)
    return any(person is not None and signs.is_robot(_local(person)) for person in people)


def _local(person: Address) -> str:
    return person.address.rpartition("@")[0] or person.address


def _own_address(case: Case) -> bool:
    people = (case.target,) if case.form else (*case.message.authors, case.target)
    return any(person is not None and _is_ours(person, case) for person in people)


def _is_ours(person: Address, case: Case) -> bool:
    if case.own.has(person.address) or without_tag(person.address) in case.own.people:
        return True
    domain = person.domain
    if domain in ("localhost", "localhost.localdomain") or (domain and "." not in domain):
        return True
    return subjects.fold(_local(person)) in signs.SYSTEM_ACCOUNTS


def _unchecked(case: Case) -> bool:
    if case.history.missing:
        return True
    if case.decision.aligned or case.form:
        return False
    for name in ("spf", "dkim", "dmarc"):
        verdict = case.verdicts.get(name)
        if verdict and (
            verdict.result == TEMPERROR
            or any(statement.result == TEMPERROR for statement in verdict.statements)
        ):
            return True
    return False


def _loop(case: Case) -> bool:
    message = case.message
    if message.message_id and case.own.is_our_message_id(message.message_id):
        return True
    if any(case.own.has(value) for value in message.all("x-loop")):
        return True
    return sum(field.name == "received" for field in message.fields) > RECEIVED_MAX


def _spam(case: Case) -> bool:
    return case.decision.spam in ("spam", "unsure")


def _unauthenticated(case: Case) -> bool:
    """The author is probably a victim: an answer would be ours to blame."""
    if case.form:
        return False
    if case.message.author is None or not case.decision.aligned:
        return True
    dmarc = case.verdicts.get("dmarc")
    return bool(dmarc and dmarc.result == "fail" and not dmarc.details.get("arc_aligned"))


def _malware(case: Case) -> bool:
    verdict = case.verdicts.get("malware") or case.verdicts.get("clamav")
    return bool(verdict and verdict.result in ("infected", "malware", "fail"))


def _unparsable(case: Case) -> bool:
    """No author can be read, or none whose address we could write to as it stands; or we have not
    seen every field, and what asks for silence may stand in the rest."""
    if any(unread.startswith(("fields", "header section")) for unread in case.message.unread):
        return True
    return case.target is None or not is_answerable(case.target.address)


def _conversation(case: Case) -> bool:
    history, message = case.history, case.message
    if history.conversation_acknowledged or history.copy:
        return True
    return answers_us(message, history, case.own)


def answers_us(message: Message, history: History, own: OwnIdentity) -> bool:
    """Whether it answers mail of ours, by what the store knows or the ids that it names."""
    named = (*message.in_reply_to, *message.references)
    return history.answers_us or any(own.is_our_message_id(message_id) for message_id in named)


def _rate(case: Case) -> bool:
    if {case.site.site, "*"} & case.history.silenced:
        return True
    last = case.history.acknowledged.get(case.site.site)
    return last is not None and case.now - last < case.per_author


def _dead_address(case: Case) -> bool:
    """Of whoever would get it: an assistant lives on when her principal's mailbox is gone."""
    history, author = case.history, case.message.author
    if case.form or case.target is None or author is None or case.target.contact == author.contact:
        return history.dead_address
    return history.reply_to.dead_address


def _not_addressed(case: Case) -> bool:
    if case.route.not_addressed or case.form:
        return False
    return not any(
        without_tag(person.address) == without_tag(case.recipient) or case.own.has(person.address)
        for person in (*case.message.to, *case.message.cc)
    )


def _policy(case: Case) -> bool:
    if not (case.site.acknowledge and case.route.acknowledge) or case.route.hold:
        return True
    if case.decision.action >= Action.QUARANTINE:  # a letter that is held is not answered
        return True
    if without_tag(case.recipient).partition("@")[0] in ("postmaster", "abuse"):
        return True
    sender = case.site.address or case.recipient
    if not is_answerable(sender):  # an answer to our answer would go somewhere else
        return True
    return canonical_domain(sender.rpartition("@")[2]) in case.own.mute_domains


TABLE: tuple[tuple[str, Callable[[Case], bool]], ...] = (
    ("null_sender", _null_sender),
    ("auto_submitted", _auto_submitted),
    ("bulk", _bulk),
    ("asked_silence", _asked_silence),
    ("auto_reply", _auto_reply),
    ("bounce", _bounce),
    ("robot_address", _robot_address),
    ("own_address", _own_address),
    ("unchecked", _unchecked),
    ("loop", _loop),
    ("spam", _spam),
    ("unauthenticated", _unauthenticated),
    ("malware", _malware),
    ("unparsable", _unparsable),
    ("conversation", _conversation),
    ("rate", _rate),
    ("dead_address", _dead_address),
    ("not_addressed", _not_addressed),
    ("policy", _policy),
)
"""product.md, section 7, in its order."""
REASONS = tuple(code for code, _ in TABLE)
