"""One acknowledgement, from the decision to its octets. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from gateway.acknowledgement.message_ids import MessageIds
from gateway.acknowledgement.names import plain_name
from gateway.acknowledgement.octets import Sign, compose, needs_smtputf8
from gateway.acknowledgement.render import FORM, Templates, Text
from gateway.acknowledgement.words import Words, name_of
from gateway.calendar import WorkingHours
from gateway.message import Message
from gateway.plan import Acknowledgement
from gateway.settings import Site
from gateway.verdict import Decision

KIND = "ack"


@dataclass(frozen=True, slots=True)
class Written:
    """An acknowledgement ready to be kept."""

    plan: Acknowledgement
    """The plan with the template and the language that were really used."""
    content: bytes
    late: bytes
    """The same without a promise, for when its letter is late (decisions.md)."""
    smtputf8: bool
    """It can only be sent with SMTPUTF8."""


def write(
    message: Message,
    plan: Acknowledgement,
    decision: Decision,
    *,
    site: Site,
    recipient: str,
    language: str,
    hours: WorkingHours,
    templates: Templates,
    ids: MessageIds,
    now: datetime,
    sign: Sign | None = None,
) -> Written | None:
    """Write what `plan` says; None when no template works.

    `recipient` is the address of ours that was written to, without a plus-tag, `language` that of
    the letter, empty when unknown. `sign` makes the DKIM-Signature field.
    """
    is_open = hours.is_open(now)
    queue_id = message.arrival.queue_id
    words = Words(
        site=site,
        calendar=hours,
        recipient=recipient,
        customer_name=_customer_name(message, plan, decision),
        promise=plan.promise,
        opens=None if is_open else hours.next_opening(now),
        reference=queue_id,
    )
    text = templates.write(
        site, plan.template, words, tone=decision.tone, is_open=is_open, language=language
    )
    if text is None:
        return None
    unpromised = templates.write(
        site,
        plan.template,
        replace(words, promise=None),
        tone=decision.tone,
        is_open=is_open,
        language=language,
    )

    def octets(said: Text) -> bytes:
        return compose(
            sender=(name_of(site), site.address or recipient),
            to=plan.to,
            subject=said.subject,
            body=said.body,
            message_id=ids.make(queue_id, KIND),
            at=now,
            in_reply_to=message.message_id,
            references=message.references,
            sign=sign,
        )

    return Written(
        plan=replace(plan, template=text.template, language=text.language),
        content=octets(text),
        late=octets(unpromised or text),
        smtputf8=needs_smtputf8(plan.to),
    )


def _customer_name(message: Message, plan: Acknowledgement, decision: Decision) -> str:
    """Only of a proven author, and never behind a form (decisions.md)."""
    author = message.author
    if author is None or not decision.aligned or plan.template == FORM:
        return ""
    return plain_name(author.name)
