"""The header fields we prepend (contract.md), and what we cut: nothing else is touched.

The original octets stay as they came, so every signature that was valid stays valid. No input
can add a field of its own: each value is reduced to the characters its field allows.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import format_datetime

from gateway.identity import authentication_results
from gateway.message import Field, Message
from gateway.plan import (
    CallPlan,
    Group,
    History,
    Letter,
    Said,
    acknowledgement_id,
    card_id,
)
from gateway.text import read
from gateway.verdict import Verdicts

OUR_PREFIXES = ("x-gateway-", "x-spam-")
PRIORITY_FIELDS = frozenset({"importance", "x-priority", "x-msmail-priority", "priority"})
MARKS = (("Importance", "high"), ("X-Priority", "1"))
ACKNOWLEDGED = "X-Gateway-Acknowledged"
CALL = "X-Gateway-Call"
SUBJECT_TOKEN = "GW_CALL"  # noqa: S105 - a word for mail filters, no secret
METHODS = ("spf", "dkim", "dmarc", "arc")
FOLD_AT = 78
FOLD_GUARD = b"X-Gateway-Note: the message begins with a folded line\r\n"
"""Stands between our fields and a first line that would continue the last of them."""


@dataclass(frozen=True, slots=True)
class Stamper:
    """Turns a group of a plan into the letter that is kept."""

    hostname: str
    header_tags: Mapping[str, bool]
    """By site: whether our X- fields are written."""
    subject_tags: Mapping[str, bool]
    thresholds: Mapping[str, float]
    """By site: the probability from which a letter is spam."""

    def letter(
        self,
        message: Message,
        verdicts: Verdicts,
        group: Group,
        history: History,
        *,
        call: str = "",
    ) -> Letter:
        """`call`: the id of the call that is kept for the group's site, if one is wanted there."""
        removed = self._removed(message, verdicts, group)
        fields = self._fields(message, verdicts, group, history, removed)
        prefix = b"".join(fold(name, value) for name, value in fields)
        cuts = tuple((field.start, field.end) for field in removed)
        subject = self._subject(message, group)
        if subject:
            prefix += tagged_subject(subject)
            cuts = tuple(sorted((*cuts, (subject.start, subject.end))))
        elif self._tags_subject(group):
            prefix += f"Subject: {SUBJECT_TOKEN}\r\n".encode()
        arrival = message.arrival
        if arrival.content[:1] in (b" ", b"\t"):
            prefix += FOLD_GUARD
        return Letter(
            id=f"{arrival.queue_id}.{group.suffix}",
            kind="letter",
            site=group.site,
            next_hop=group.next_hop,
            reverse_path=arrival.envelope.reverse_path,
            recipients=tuple(dict.fromkeys(group.deliver_to or group.recipients)),
            prefix=prefix,
            cuts=cuts,
            hold=group.hold,
            origin=group.recipients,
            smtputf8=arrival.envelope.smtputf8,
            answerable=_answerable(verdicts, group),
            tone=group.decision.tone,
            said=self._said(arrival.queue_id, group, call),
        )

    def _said(self, queue_id: str, group: Group, call_id: str) -> tuple[Said, ...]:
        """What the store may yet find otherwise."""
        if not self.header_tags.get(group.site, True):
            return ()
        said = []
        if group.acknowledgement.send:
            fields = fold(ACKNOWLEDGED, _acknowledged(group)), fold(ACKNOWLEDGED, "no; reason=rate")
            said.append(Said(acknowledgement_id(queue_id, group), *fields))
        call = group.call
        if call.wanted and not call.over_budget:
            fields = fold(CALL, _call(call)), fold(CALL, _call(replace(call, over_budget=True)))
            said.append(Said(card_id(call_id), *fields))
        return tuple(said)

    def fields(
        self, message: Message, verdicts: Verdicts, group: Group, history: History
    ) -> list[tuple[str, str]]:
        """Name and value of every field we prepend, in order, unfolded."""
        removed = self._removed(message, verdicts, group)
        return self._fields(message, verdicts, group, history, removed)

    def _fields(
        self,
        message: Message,
        verdicts: Verdicts,
        group: Group,
        history: History,
        removed: Sequence[Field],
    ) -> list[tuple[str, str]]:
        result = [
            ("Received", self._received(message, group)),
            ("Authentication-Results", self._results(verdicts)),
        ]
        if self.header_tags.get(group.site, True):
            result += self._spam(verdicts, group)
            result += self._ours(message, verdicts, group, history)
        if removed:
            result.append(("X-Gateway-Removed", _names(removed)))
        if group.call.wanted and not self._kept_priority(message, verdicts):
            # A signature may cover a field that is not there, so that nobody adds one.
            covered = signed_names(verdicts)
            result += [(name, mark) for name, mark in MARKS if name.lower() not in covered]
        return result

    def _results(self, verdicts: Verdicts) -> str:
        """RFC 8601, one resinfo for each thing checked, in the order of contract.md."""
        statements = [
            statement
            for name in METHODS
            if name in verdicts
            for statement in verdicts[name].statements
        ]
        return authentication_results.unfolded(self.hostname, statements)

    def _received(self, message: Message, group: Group) -> str:
        """RFC 5321, 4.4. A lone recipient is named; several are never shown to each other."""
        arrival = message.arrival
        session = arrival.session
        helo = _NO_HELO.sub("?", session.helo)[:255] or "unknown"
        ip = f"IPv6:{session.client_ip}" if ":" in session.client_ip else session.client_ip
        tls = f" ({_plain(session.tls)})" if session.tls else ""
        names = [r for r in group.recipients if r.isascii()]
        lone = f" for <{_token(names[0])}>" if len(group.recipients) == 1 and names else ""
        return (
            f"from {helo} ([{ip}]) by {self.hostname} with {session.protocol}"
            f" id {arrival.queue_id}{tls}{lone}; {format_datetime(arrival.time)}"
        )

    def _spam(self, verdicts: Verdicts, group: Group) -> list[tuple[str, str]]:
        """Nothing when nobody judged: a mail client must not read silence as ham."""
        if "spam" not in verdicts or verdicts["spam"].troubled:
            return []
        decision = group.decision
        points = spam_points(decision.spam_score, self.thresholds.get(group.site, 0.9))
        is_spam = decision.spam == "spam"
        status = f"{'Yes' if is_spam else 'No'}, score={points:.1f} required=5.0"
        fields = [("X-Spam-Flag", "YES")] if is_spam else []
        return [
            *fields,
            ("X-Spam-Score", f"{points:.1f}"),
            ("X-Spam-Status", status),
            ("X-Spam-Level", "*" * max(0, math.floor(points))),
        ]

    def _ours(
        self, message: Message, verdicts: Verdicts, group: Group, history: History
    ) -> list[tuple[str, str]]:
        decision = group.decision
        result = [
            ("X-Gateway-Id", message.arrival.queue_id),
            ("X-Gateway-Site", group.site),
            ("X-Gateway-Rule", _line(group.rule)),
            ("X-Gateway-Tone", _tone(verdicts, group)),
            ("X-Gateway-Urgent", "yes" if decision.urgent else "no"),
            (CALL, _call(group.call)),
            ("X-Gateway-Contact", _contact(group, history)),
            (ACKNOWLEDGED, _acknowledged(group)),
        ]
        unchecked = (*decision.unchecked, *message.unread, *read(message).unread)
        if history.missing:
            unchecked = (*unchecked, f"history ({history.missing})")
        if unchecked:
            result.append(("X-Gateway-Unchecked", _line(", ".join(unchecked))))
        if group.tags:
            result.append(("X-Gateway-Tags", _line(", ".join(group.tags))))
        return result

    def _removed(self, message: Message, verdicts: Verdicts, group: Group) -> list[Field]:
        """Whole fields that are left out: our own names, and a call's foreign priority."""
        drop_priority = group.call.wanted and not self._kept_priority(message, verdicts)
        return [
            field
            for field in message.fields
            if is_ours(field, self.hostname) or (drop_priority and field.name in PRIORITY_FIELDS)
        ]

    def _kept_priority(self, message: Message, verdicts: Verdicts) -> bool:
        """A passing signature covers the sender's priority: removing it would break that."""
        covered = signed_names(verdicts)
        return any(
            field.name in PRIORITY_FIELDS and field.name in covered for field in message.fields
        )

    def _tags_subject(self, group: Group) -> bool:
        return group.call.wanted and bool(self.subject_tags.get(group.site))

    def _subject(self, message: Message, group: Group) -> Field | None:
        if not self._tags_subject(group):
            return None
        return next((field for field in message.fields if field.name == "subject"), None)


def is_ours(field: Field, hostname: str) -> bool:
    """Whether a field stands under a name only we may use: such a copy is removed on entry."""
    return field.name.startswith(OUR_PREFIXES) or (
        field.name == "authentication-results"
        and authentication_results.claims(field.value, hostname)
    )


def spam_points(score: float, threshold: float) -> float:
    """SpamAssassin's scale: 5 points at the site's threshold, log-odds around it, within 25."""
    p, t = (min(max(value, 1e-15), 1 - 1e-15) for value in (score, threshold))
    points = 5 + math.log(p / (1 - p)) - math.log(t / (1 - t))
    return min(25.0, max(-25.0, points))


def signed_names(verdicts: Verdicts) -> frozenset[str]:
    """Lower-cased names of the fields that passing DKIM signatures cover."""
    dkim = verdicts.get("dkim")
    covered = dkim.details.get("covered") if dkim else None
    return frozenset(str(name).lower() for name in _list(covered))


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _tone(verdicts: Verdicts, group: Group) -> str:
    tone = verdicts.get("tone")
    value = f"{group.decision.tone}; score={group.decision.tone_score:.2f}"
    reasons = tone.reasons() if tone and tone.result == "irate" else ()
    phrases = ", ".join(phrase for phrase in map(_letters, reasons) if phrase)
    return f'{value}; reasons="{phrases}"' if phrases else value


def _call(call: CallPlan) -> str:
    if not call.wanted:
        return "no"
    parts = ["wanted"]
    if call.phone:
        parts.append(f'phone="{_token(call.phone)}"')
    if call.extension:
        parts.append(f'ext="{_token(call.extension)}"')
    if call.orders:
        parts.append(f'order="{", ".join(_token(order) for order in call.orders)}"')
    if call.due:
        parts.append(f"due={stamp_time(call.due)}")
    if call.over_budget:
        parts.append("over_budget")
    return "; ".join(parts)


def _contact(group: Group, history: History) -> str:
    contact = history.contact(proven=group.decision.aligned)
    this = int(history.counts(group.decision))
    parts = [
        f"{contact.letters_7_days + this} in 7 days",
        f"{contact.letters_30_days + this} in 30 days",
    ]
    if contact.last_irate:
        parts.append(f"last irate {contact.last_irate:%Y-%m-%d}")
    return "; ".join(parts)


def _acknowledged(group: Group) -> str:
    acknowledgement = group.acknowledgement
    if not acknowledgement.send:
        return f"no; reason={acknowledgement.reason}"
    promise = acknowledgement.promise
    value = f"yes; template={_token(acknowledgement.template)}"
    return f"{value}; promise={stamp_time(promise)}" if promise else value


def _answerable(verdicts: Verdicts, group: Group) -> bool:
    """A DSN after 250 goes only to a proven reverse-path, never for spam (decisions.md)."""
    spf = verdicts.get("spf")
    return bool(spf and spf.result == "pass") and group.decision.spam == "ham"


def tagged_subject(subject: Field) -> bytes:
    """The subject's own octets behind the token; folding and encoding stay as they were."""
    return b"Subject: " + SUBJECT_TOKEN.encode() + b" " + subject.value.lstrip() + b"\r\n"


def _names(fields: Iterable[Field]) -> str:
    names = dict.fromkeys(re.sub(r"[^a-z0-9-]", "?", field.name)[:60] for field in fields)
    shown = list(names)[:20]
    return ", ".join(shown) + (", ..." if len(names) > 20 else "")


def stamp_time(at: datetime) -> str:
    """`2026-11-23T14:30:00Z`: an aware time, told in UTC."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _letters(phrase: str) -> str:
    """Letters and single spaces only: a customer's words that cannot break out of a field.

    Accents are dropped, since a field is ASCII and filters of mail clients search it as text.
    """
    plain = unicodedata.normalize("NFKD", phrase[:200].replace("ß", "ss"))
    bare = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return " ".join(re.sub(r"[^A-Za-z]+", " ", bare).split())[:60]


_NO_LINE = re.compile(r"[^ -~]")
_NO_PLAIN = re.compile(r"[^ !#-'*-\[\]-~]")
_NO_TOKEN = re.compile(r"[^A-Za-z0-9._@+/#-]")
_NO_HELO = re.compile(r"[^A-Za-z0-9._:\[\]-]")


def _line(value: str) -> str:
    """Printable ASCII: what an unstructured field may hold."""
    return _NO_LINE.sub("?", value)[:500]


def _plain(value: str) -> str:
    """The same without what opens or ends a comment or a quote."""
    return _NO_PLAIN.sub("?", value)[:500]


def _token(value: str) -> str:
    return _NO_TOKEN.sub("?", value)[:100]


def fold(name: str, value: str) -> bytes:
    """One field with its CRLF, folded at spaces (RFC 5322, 2.2.3)."""
    if len(name) + len(value) + 2 <= FOLD_AT:
        return f"{name}: {value}\r\n".encode("ascii", "replace")
    lines, line, first = [], f"{name}: {value}", len(name) + 2
    while len(line) > FOLD_AT:
        cut = line.rfind(" ", first, FOLD_AT + 1)
        if cut < 0:
            cut = line.find(" ", max(first, FOLD_AT))  # a word longer than a line stays whole
        if cut < 0:
            break
        lines.append(line[:cut])
        line, first = "\t" + line[cut + 1 :], 1
    lines.append(line)
    return ("\r\n".join(lines) + "\r\n").encode("ascii", "replace")
