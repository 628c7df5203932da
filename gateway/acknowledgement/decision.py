"""May we acknowledge this message (RFC 3834), to whom and with which template? Pure."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from gateway.acknowledgement.own import OwnIdentity
from gateway.acknowledgement.reasons import TABLE, Case, answers_us, has_report, submitted
from gateway.acknowledgement.target import declared_form, find_target
from gateway.message import Message
from gateway.plan import Acknowledgement, History
from gateway.settings import Acknowledgements, Route, Site
from gateway.verdict import Decision, Verdicts

OK = "ok"
FORM = "form"
"""The template for letters that a declared form wrote: it names nobody."""
LIMITS = Acknowledgements()


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
    if has_report(message) or "auto-replied" in submitted(message):
        return True
    if own.is_our_message_id(message.message_id) or any(map(own.has, message.all("x-loop"))):
        return True  # a card that an agent's mailbox sends on to us would bring about the next one
    if "bounce" in reasons and "null_sender" in reasons:
        return True
    return not AUTOMATIC.isdisjoint(reasons) and answers_us(message, history, own)
