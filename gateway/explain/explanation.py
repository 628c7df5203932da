"""What the pipeline found in one message and what follows, as the object of contract.md. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway.message import Address, Message
from gateway.plan import Acknowledgement, CallPlan, Group, History, Plan
from gateway.reply import Reply
from gateway.stamp import Stamper, stamp_time
from gateway.text import read
from gateway.verdict import JSON, Decision, Verdict, Verdicts

NO_ANSWER = Verdict("none", "not checked")
MAX_UNREAD = 5
TONES = ("irate", "upset", "neutral", "pleased")


@dataclass(frozen=True, slots=True)
class Explained:
    """Everything known about one message after the plan was made."""

    message: Message
    verdicts: Verdicts
    plan: Plan
    decision: Decision
    """The first known recipient's, or the first site's when there is none."""
    call: CallPlan
    """The same."""
    recipients: Sequence[str]
    """Everyone that was asked about, in that order."""
    unknown: Mapping[str, Reply]
    """Those of them that are refused at RCPT, and how."""
    history: History
    seconds: Mapping[str, float]


def explain(explained: Explained, stamper: Stamper) -> dict[str, JSON]:
    """One object; the top-level findings are those of the first recipient."""
    groups, decision = explained.plan.groups, explained.decision
    first = groups[0] if groups else None
    return {
        "id": explained.message.arrival.queue_id,
        "message": _message(explained.message),
        "authentication": _authentication(explained, decision),
        "spam": _spam(explained.verdicts, decision),
        "tone": _tone(explained.verdicts, decision),
        "call": _call(explained.call),
        "routes": _routes(explained, stamper),
        "acknowledgement": _acknowledgement(first.acknowledgement if first else Acknowledgement()),
        "action": explained.plan.action.word,
        "headers": _headers(explained, first, stamper),
        "timings_ms": {name: round(value * 1000, 3) for name, value in explained.seconds.items()},
    }


def _people(people: Sequence[Address]) -> list[JSON]:
    return [{"name": person.name, "address": person.address} for person in people]


def _time(at: datetime | None) -> str | None:
    return stamp_time(at) if at else None


def _message(message: Message) -> JSON:
    reading = read(message)
    author = message.authors[0] if message.authors else Address("", "")
    return {
        "message_id": message.message_id,
        "from": {"name": author.name, "address": author.address},
        "reply_to": _people(message.reply_to),
        "to": _people(message.to),
        "cc": _people(message.cc),
        "subject": message.subject,
        "date": message.date.isoformat() if message.date else None,
        "text": reading.text,
        "new_text": reading.new_text,
        "language": reading.language,
        "attachments": [
            {"filename": a.filename, "content_type": a.content_type, "size": a.size}
            for a in message.attachments
        ],
        "defects": [*message.defects, *(f"unread: {what}" for what in message.unread)],
    }


def _authentication(explained: Explained, decision: Decision) -> JSON:
    verdicts = explained.verdicts
    spf, dmarc, arc = (verdicts.get(name, NO_ANSWER) for name in ("spf", "dmarc", "arc"))
    found: dict[str, JSON] = {
        "spf": {
            "result": spf.result,
            "domain": spf.details.get("domain", ""),
            "reason": spf.reason,
        },
        "dkim": _signatures(explained.message, verdicts.get("dkim", NO_ANSWER)),
        "dmarc": {
            "result": dmarc.result,
            "domain": dmarc.details.get("domain", ""),
            "policy": dmarc.details.get("policy"),
            "reason": dmarc.reason,
        },
        "arc": _arc(arc),
        "aligned": decision.aligned,
    }
    if "helo" in spf.details:
        found["helo"] = spf.details["helo"]
    return found


def _signatures(message: Message, dkim: Verdict) -> JSON:
    """One entry for each signature found; if dkim gave no answer, all of them say so."""
    signatures = dkim.details.get("signatures")
    if isinstance(signatures, list):
        return signatures
    found = sum(field.name == "dkim-signature" for field in message.fields)
    blank: dict[str, JSON] = {"domain": "", "selector": "", "algorithm": ""}
    unread: list[JSON] = [
        {"result": dkim.result, **blank, "reason": dkim.reason} for _ in range(found)
    ]
    return unread[:MAX_UNREAD] if dkim.troubled else []


def _arc(arc: Verdict) -> JSON:
    """In the contract's three words: a chain that could not be checked proves nothing."""
    result, reason = arc.result, arc.reason
    if arc.troubled:
        result, reason = "none", f"{arc.result}: {reason}"
    return {"result": result, "instance": arc.details.get("instance", 0), "reason": reason}


def _spam(verdicts: Verdicts, decision: Decision) -> JSON:
    spam = verdicts.get("spam", NO_ANSWER)
    return {
        "verdict": decision.spam,
        "score": decision.spam_score,
        "reasons": list(spam.reasons()),
    }


def _tone(verdicts: Verdicts, decision: Decision) -> JSON:
    tone = verdicts.get("tone", NO_ANSWER)
    return {
        "label": decision.tone,
        "score": decision.tone_score,
        "probabilities": tone.details.get("probabilities", dict.fromkeys(TONES, 0.0)),
        "urgent": decision.urgent,
        "urgency": tone.details.get("urgency", 0.0),
        "reasons": list(tone.reasons()),
    }


def _call(call: CallPlan) -> JSON:
    found: dict[str, JSON] = {
        "wanted": call.wanted,
        "asked": call.asked,
        "asked_score": call.asked_score,
        "phone": call.phone,
        "orders": list(call.orders),
        "questions": list(call.questions),
        "reason": call.reason,
        "due": _time(call.due),
    }
    if call.extension:
        found["extension"] = call.extension
    return found


def _routes(explained: Explained, stamper: Stamper) -> list[JSON]:
    """In the order of the recipients."""
    found: dict[str, JSON] = {
        name: _unknown(name, reply, explained) for name, reply in explained.unknown.items()
    }
    for group in explained.plan.groups:
        for recipient in group.recipients:
            found[recipient] = _route(group, recipient, explained, stamper)
    return [found[recipient] for recipient in dict.fromkeys(explained.recipients)]


def _route(group: Group, recipient: str, explained: Explained, stamper: Stamper) -> JSON:
    return {
        "recipient": recipient,
        "site": group.site,
        "rule": group.rule,
        "next_hop": group.next_hop,
        "deliver_to": list(group.deliver_to or group.recipients),
        "tags": list(group.tags),
        "action": group.action.word,
        "spam": group.decision.spam,
        "tone": group.decision.tone,
        "call": _call(group.call),
        "acknowledgement": _acknowledgement(group.acknowledgement),
        "headers": _headers(explained, group, stamper),
    }


def _unknown(recipient: str, reply: Reply, explained: Explained) -> JSON:
    """Whom we take no mail for; what was found in the letter is told all the same."""
    return {
        "recipient": recipient,
        "site": None,
        "rule": "",
        "next_hop": None,
        "deliver_to": [],
        "tags": [],
        "action": "refuse",
        "reply": str(reply),
        "spam": explained.decision.spam,
        "tone": explained.decision.tone,
        "call": _call(explained.call),
        "acknowledgement": _acknowledgement(Acknowledgement()),
        "headers": [],
    }


def _acknowledgement(found: Acknowledgement) -> JSON:
    return {
        "send": found.send,
        "reason": found.reason,
        "reasons": list(found.reasons),
        "template": found.template,
        "language": found.language,
        "promise": _time(found.promise),
    }


def _headers(explained: Explained, group: Group | None, stamper: Stamper) -> list[JSON]:
    if group is None:
        return []
    fields = stamper.fields(explained.message, explained.verdicts, group, explained.history)
    return [[name, value] for name, value in fields]
