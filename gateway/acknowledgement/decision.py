"""May we acknowledge this message (RFC 3834)? The table of reasons why not, as data. Pure.

The reasons stand in one order. All that hold are told; the first is the reason. Silence towards
a person costs a little; an answer to a program, a list or a victim costs much more.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import islice

from gateway.acknowledgement import signs, subjects
from gateway.domains import canonical_domain
from gateway.identity.organisation import suffixes
from gateway.message import Address, Message
from gateway.plan import Acknowledgement, History
from gateway.settings import Acknowledgements, FormSender, Route, Settings, Site
from gateway.verdict import TEMPERROR, Action, Decision, Verdicts

OK = "ok"
FORM = "form"
"""The template for letters that a declared form wrote: it names nobody."""
RECEIVED_MAX = 25
"""Received fields of a letter that is still answered; ordinary ones have under ten."""
LIMITS = Acknowledgements()

# RFC 5322, 3.4.1: dot-atom on both sides; letters beyond ASCII by RFC 6532.
_ANSWERABLE = re.compile(
    r"[\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*@[\w-]+(?:\.[\w-]+)+", re.ASCII
)
_ANSWERABLE_UTF8 = re.compile(_ANSWERABLE.pattern)
ADDRESS_MAX = 254
"""RFC 5321, 4.5.3.1.3 less the brackets."""


@dataclass(frozen=True, slots=True)
class OwnIdentity:
    """Who we are, over all sites."""

    is_ours: Callable[[str], bool]
    """Whether an address, in lower case and without a plus-tag, is of our domains."""
    is_our_message_id: Callable[[str], bool]
    """For silence: an own-looking id is enough (`MessageIds.looks_ours`)."""
    mute_domains: frozenset[str] = frozenset()
    """Domains whose DMARC record refuses unsigned mail and for which we hold no key."""
    people: frozenset[str] = frozenset()
    """Addresses elsewhere that are ours: agents' mailboxes, the administrator's. In lower case,
    without a plus-tag."""

    def has(self, address: str) -> bool:
        return self.is_ours(without_tag(address))


def our_people(settings: Settings) -> frozenset[str]:
    """Every address the YAML names as ours, wherever its mailbox is: staff, agents on duty, those
    whom mail is delivered or copied to, the administrator."""
    named = [settings.administrator] if settings.administrator else []
    for site in settings.sites:
        named += [*site.staff, *site.calls.notify]
        for route in site.routes:
            named += [*route.deliver_to, *route.copy_to]
    return frozenset(map(without_tag, named))


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


def decide(
    message: Message,
    verdicts: Verdicts,
    decision: Decision,
    history: History,
    *,
    site: Site,
    route: Route,
    recipient: str,
    own: OwnIdentity,
    now: datetime,
    per_author: timedelta = LIMITS.per_author,
    large_providers: Collection[str] = LIMITS.large_providers,
) -> Acknowledgement:
    """Whether this letter is acknowledged, to whom, with which template, and every reason not to.

    `recipient` is the address of ours that was written to, without a plus-tag. The language and
    the promise are filled in by whoever chooses the words.
    """
    form = declared_form(message, verdicts, site)
    if form:
        history = history.behind_form()
    case = Case(
        message=message,
        verdicts=verdicts,
        decision=decision,
        history=history,
        site=site,
        route=route,
        recipient=recipient,
        own=own,
        now=now,
        per_author=per_author,
        form=form,
        target=find_target(message, form, large_providers),
    )
    reasons = tuple([code for code, holds in TABLE if holds(case)])
    return Acknowledgement(
        send=not reasons,
        reason=reasons[0] if reasons else OK,
        reasons=reasons,
        to=case.target.address if case.target and not reasons else "",
        template=(FORM if form else route.acknowledge) if route.acknowledge else "",
    )


AUTOMATIC = frozenset({"null_sender", "auto_submitted", "auto_reply", "bounce"})
"""Reasons that tell a program's mail."""


def is_programs_answer(
    message: Message, history: History, own: OwnIdentity, reasons: Collection[str]
) -> bool:
    """Whether a program answers or reports here, or we wrote it: nobody is phoned about that.

    Narrower than the reasons for silence. Web forms and forwarders leave the marks of programs on
    the letters of people, and an irate customer whom nobody phones costs more than a silence.
    """
    if _has_report(message) or "auto-replied" in _submitted(message):
        return True
    if own.is_our_message_id(message.message_id) or any(map(own.has, message.all("x-loop"))):
        return True  # a card that an agent's mailbox sends on to us would bring about the next one
    if "bounce" in reasons and "null_sender" in reasons:
        return True
    return not AUTOMATIC.isdisjoint(reasons) and _answers_us(message, history, own)


def is_by_our_people(message: Message, own: OwnIdentity) -> bool:
    """Whether somebody wrote it whom the YAML names as ours: an agent on duty who answers a card.

    An address of our domains alone says little: web forms write from such ones.
    """
    return any(without_tag(author.contact) in own.people for author in message.authors)


# --- who would be answered -----------------------------------------------------------------------


def declared_form(message: Message, verdicts: Verdicts, site: Site) -> FormSender | None:
    """The site's own form that wrote this letter, proven by its client's IP or its signature."""
    author = message.author
    if author is None:
        return None
    for form in site.form_senders:
        if author.contact == form.address.lower() and (
            _from_network(message.arrival.session.client_ip, form.ip)
            or (form.dkim and _signed_by(verdicts, form.dkim))
        ):
            return form
    return None


def writes_for_others(message: Message, verdicts: Verdicts, site: Site, own: OwnIdentity) -> bool:
    """A form of the site: a declared one, or one that nobody declared, which shows by an author at
    our own domain who has the answer sent elsewhere."""
    author, reply_to = message.author, message.reply_to
    if author is None:
        return False
    elsewhere = len(reply_to) == 1 and not own.has(reply_to[0].address)
    ours = own.has(author.address) and elsewhere and not is_by_our_people(message, own)
    return ours or declared_form(message, verdicts, site) is not None


def _from_network(client: str, networks: tuple[str, ...]) -> bool:
    try:
        ip = ipaddress.ip_address(client)
        return any(ip in ipaddress.ip_network(network, strict=False) for network in networks)
    except ValueError:
        return False


def _signed_by(verdicts: Verdicts, domain: str) -> bool:
    dkim = verdicts.get("dkim")
    return dkim is not None and any(
        statement.result == "pass"
        and any(
            name == "header.d" and canonical_domain(value) == domain
            for name, value in statement.properties
        )
        for statement in dkim.statements
    )


def find_target(
    message: Message, form: FormSender | None, large_providers: Collection[str] = ()
) -> Address | None:
    """The author; her Reply-To only within the proven organisation; a form's Reply-To.

    At a large provider everybody has an address: there a Reply-To may name a stranger.
    """
    reply_to = message.reply_to[0] if len(message.reply_to) == 1 else None
    if form:
        return reply_to
    author = message.author
    if author and reply_to and same_organisation(author.domain, reply_to.domain):
        return author if canonical_domain(reply_to.domain) in large_providers else reply_to
    return author


def same_organisation(first: str, second: str) -> bool:
    """By the public suffix list, which needs no DNS; two names under a bare suffix are strangers.

    The proven domain's own tree may be narrower (RFC 9989), which only costs a look at Reply-To.
    """
    mine, theirs = (suffixes().privatesuffix(canonical_domain(d)) for d in (first, second))
    return bool(mine) and mine == theirs


def without_tag(address: str) -> str:
    """`support@shop.example` of `Support+irate@Shop.Example`."""
    return (_kept_without_tag if len(address) <= ADDRESS_MAX else _without_tag)(address)


def _without_tag(address: str) -> str:
    local, _, domain = address.strip().lower().rpartition("@")
    return f"{local.partition('+')[0]}@{domain}"


_kept_without_tag = lru_cache(maxsize=4096)(_without_tag)
"""Asked for eight times in a letter, mostly about the same two addresses."""


def is_answerable(address: str) -> bool:
    """Whether an address can stand in an envelope and a header field of ours as it is."""
    pattern = _ANSWERABLE if address.isascii() else _ANSWERABLE_UTF8
    return len(address.encode("utf-8", "replace")) <= ADDRESS_MAX and bool(
        pattern.fullmatch(address)
    )


# --- the reasons ---------------------------------------------------------------------------------


def _null_sender(case: Case) -> bool:
    # RFC 5321, 4.5.5: no reply to the null path.
    if not case.message.arrival.envelope.reverse_path:
        return True
    return any(value.strip() == "<>" for value in case.message.all("return-path"))


def _auto_submitted(case: Case) -> bool:
    # RFC 3834, 5: anything but `no`; parameters and comments may follow.
    return any(word != "no" for word in _submitted(case.message))


def _submitted(message: Message) -> list[str]:
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
    if _has_report(message):
        return True
    subject = subjects.fold(message.subject)
    if subjects.BOUNCE_SUBJECT.match(subject):
        return True
    return bool(
        subjects.BOUNCE_REPORT_SUBJECT.match(subject)
        and signs.REPORT_TEXT.search(message.plain[: signs.REPORT_TEXT_MAX])
    )


def _has_report(message: Message) -> bool:
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
    return _answers_us(message, history, case.own)


def _answers_us(message: Message, history: History, own: OwnIdentity) -> bool:
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
