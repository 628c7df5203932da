"""Who is told what of an attempt: the sender by a delivery status notice, or the administrator.

A notice to a sender goes to a proven reverse-path only, never for spam (decisions.md): what the
sender asked for (RFC 3461) is heard within these bounds, and never widens them.
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway import dsn
from gateway.delivery_policy import Attempt, Policy, SitePolicy
from gateway.plan import Letter
from gateway.store import Job, Outcome
from gateway.wishes import decoded, origins, rewritten, wish

_DELAYED = ".delayed"
_RELAYED = ".relayed"


def may_tell(job: Job, site: SitePolicy) -> bool:
    """Whether the sender may hear from us at all."""
    return bool(job.kind == "letter" and job.answerable and job.reverse_path and site.outbound)


def failure(attempt: Attempt, policy: Policy, ended: Sequence[Outcome]) -> Letter:
    """The notice that these recipients are given up."""
    id_ = f"{attempt.job.letter_id}.dsn{attempt.job.attempts}"
    return _dsn(id_, "failed", attempt, policy, ended)


def delay(attempt: Attempt, policy: Policy, late: Sequence[Outcome]) -> tuple[Letter, ...]:
    """The warning that a letter is late, for recipients of whom the sender wants to know."""
    job = attempt.job
    told = [outcome for outcome in late if wish(job, outcome.recipient).delay]
    if not told or attempt.only_hold or not may_tell(job, policy.site(job.site)):
        return ()
    return (_dsn(job.letter_id + _DELAYED, "delayed", attempt, policy, told),)


def is_warning(letter: Letter) -> bool:
    """Whether this only tells a sender that a letter is late."""
    return letter.kind == "dsn" and letter.id.endswith(_DELAYED)


def is_success(letter: Letter) -> bool:
    """Whether this only tells a sender that a letter arrived."""
    return letter.kind == "dsn" and letter.id.rpartition(".")[2].startswith(_RELAYED[1:])


def success(attempt: Attempt, policy: Policy) -> tuple[Letter, ...]:
    """Notices of success that were asked for and that the next hop does not give."""
    job = attempt.job
    taken = [outcome for outcome in attempt.outcomes if outcome.result == "relayed"]
    wanted = [outcome for outcome in taken if wish(job, outcome.recipient).success]
    if not wanted or not may_tell(job, policy.site(job.site)):
        return ()
    action: dsn.Action = "delivered" if attempt.final else "relayed"
    letters = []
    # Behind an alias there may be several mailboxes: the first delivery tells for all of them.
    aliases = [outcome for outcome in wanted if rewritten(job, outcome.recipient)]
    if aliases:
        letters.append(_dsn(job.letter_id + _RELAYED, action, attempt, policy, aliases))
    others = [outcome for outcome in wanted if not rewritten(job, outcome.recipient)]
    if others and not attempt.tells:
        id_ = f"{job.letter_id}{_RELAYED}{job.attempts}"
        letters.append(_dsn(id_, action, attempt, policy, others))
    return tuple(letters)


def _dsn(
    id_: str, action: dsn.Action, attempt: Attempt, policy: Policy, outcomes: Sequence[Outcome]
) -> Letter:
    job = attempt.job
    site = policy.site(job.site)
    fates = [
        dsn.Fate(name, outcome, action, _original(job, outcome.recipient))
        for outcome in outcomes
        for name in public_names(job, site, outcome.recipient)
    ]
    sheet = policy.sheet(id_, job.site, attempt.now)
    content = dsn.report(job, fates, sheet, retry_until=job.accepted + policy.retry.give_up)
    return Letter(
        id=id_,
        kind="dsn",
        site=job.site,
        next_hop=site.outbound,
        reverse_path="",  # RFC 3464, 2: so that no notice answers a notice
        recipients=(job.reverse_path,),
        own=policy.sign(job.site, content),
        smtputf8=not job.reverse_path.isascii(),
    )


def _original(job: Job, recipient: str) -> str:
    """ORCPT as a notice gives it back (RFC 3464, 2.3.1): type and address, no longer in xtext."""
    kind, _, address = wish(job, recipient).orcpt.partition(";")
    return f"{kind};{decoded(address)}" if address else ""


def notice(attempt: Attempt, policy: Policy, ended: Sequence[Outcome]) -> Letter:
    """To the administrator: a letter is held, why, and what to do."""
    job = attempt.job
    id_ = f"{job.letter_id}.notice{job.attempts}"
    content = dsn.notice(
        job,
        ended,
        policy.sheet(id_, job.site, attempt.now),
        administrator=policy.administrator,
        earlier=attempt.untold,
    )
    return Letter(
        id=id_,
        kind="notice",
        site=job.site,
        next_hop=policy.administrator_hop,
        reverse_path="",
        recipients=(policy.administrator,),
        own=policy.sign(job.site, content),
        smtputf8=not policy.administrator.isascii(),
    )


def public_names(job: Job, site: SitePolicy, recipient: str) -> tuple[str, ...]:
    """The addresses the sender wrote to, for one on the next hop's envelope.

    The envelope may name a mailbox that outsiders should not learn of, or carry a tag of ours.
    """
    if job.origin:
        return origins(job, recipient)
    local, _, domain = recipient.rpartition("@")
    if domain.lower() in site.domains:
        return (f"{local.partition('+')[0]}@{domain}",)
    return (site.sender or recipient,)
