"""Writing down what an attempt came to."""

# ruff: noqa: S608 - only names of our own and question marks are put into statements
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.store import Job, Outcome, Settlement
from gateway.store.counts import OWED, change
from gateway.store.keeping import Kept, insert_letters
from gateway.store.letters import end_waiting, set_states, wake_waiting, write_letter
from gateway.store.notes import note
from gateway.store.people import record_dead_address, record_own
from gateway.store.sql import Transaction, marks, micros, safe

_ENDS = {"hold": "held", "dsn": "failed", "drop": "dropped"}


@dataclass(frozen=True, slots=True)
class _Leased:
    number: int
    message: int
    wish: str
    why: str
    answers: int
    one_to_one: int
    waited_for: int


@dataclass(frozen=True, slots=True)
class _Recipient:
    position: int
    before: str
    after: str
    outcome: Outcome | None


def settle(tx: Transaction, job: Job, settlement: Settlement, now: int) -> bool:
    """Write the outcomes of one attempt, nothing if the lease was lost; tells whether other
    letters became due by it."""
    outcomes = settlement.outcomes
    delivered = len(outcomes) == 1 and outcomes[0].result == "relayed"
    if delivered and job.recipients == (outcomes[0].recipient,) and not settlement.notices:
        more = _deliver(tx, job, outcomes[0], now)
        if more is not None:
            return more
    return _settle(tx, job, settlement, now)


_DELIVERED = (
    "UPDATE letters SET state = 'relayed', due = NULL, some_held = 0, why = '', lease = '', "
    "wish = '', pressed = 0, attempts = attempts + 1, strikes = 0, backlog = 1 "
    "WHERE id = ? AND lease = ? AND state = 'active' AND NOT EXISTS "
    "(SELECT 1 FROM recipients r WHERE r.letter = letters.number AND r.position > 0) "
    "RETURNING number, answers, one_to_one, "
    "EXISTS (SELECT 1 FROM letters w WHERE w.waits_for = ? AND w.state = 'waiting')"
)


def _deliver(tx: Transaction, job: Job, outcome: Outcome, now: int) -> bool | None:
    """The common case: the only recipient was delivered to; tells whether other letters became due.
    None, and nothing changed, if it is not the only one, or the lease was lost."""
    row = tx.db.execute(_DELIVERED, (job.letter_id, job.lease, job.letter_id)).fetchone()
    if row is None:
        return None
    number, answers, one_to_one, waited_for = row
    tx.db.execute(
        "UPDATE recipients SET state = 'relayed', attempts = attempts + 1, at = ?, code = ?, "
        "enhanced = ?, reply = ? WHERE letter = ?",
        (now, *_reply(outcome), number),
    )
    change(tx.counts, answers, bool(one_to_one), ("active",), ("relayed",))
    if waited_for:
        wake_waiting(tx, job.letter_id, now)
    return bool(waited_for)


def _settle(tx: Transaction, job: Job, settlement: Settlement, now: int) -> bool:
    rows = tx.db.execute(
        "SELECT l.number, l.message, l.wish, l.why, l.answers, l.one_to_one, "
        "EXISTS (SELECT 1 FROM letters w WHERE w.waits_for = l.id AND w.state = 'waiting'), "
        "r.position, r.address, r.state "
        "FROM letters l JOIN recipients r ON r.letter = l.number "
        "WHERE l.id = ? AND l.lease = ? AND l.state = 'active' ORDER BY r.position"
        "/*pg FOR UPDATE OF l*/",
        (job.letter_id, job.lease),
    ).fetchall()
    if not rows:
        return False
    leased = _Leased(*rows[0][:7])
    recipients = _after(job, settlement, leased, [row[7:] for row in rows])
    after = [recipient.after for recipient in recipients]
    state = write_letter(
        tx,
        leased.number,
        [recipient.before for recipient in recipients],
        after,
        due=now if settlement.retry_at is None else micros(settlement.retry_at),
        why=_why(settlement, leased, after),
        attempted=(leased.answers, bool(leased.one_to_one)),
    )
    _write_recipients(tx, leased, recipients, now)
    _tell(tx, job, settlement, now)
    more = bool(settlement.notices)
    if job.kind == "letter" and leased.waited_for:
        if any(outcome.result == "relayed" for outcome in settlement.outcomes):
            wake_waiting(tx, job.letter_id, now)
            more = True
        elif state not in OWED:
            end_waiting(tx, job.letter_id, job.queue_id, now)
    if settlement.notices:
        _keep_notices(tx, job, settlement, leased, now)
    return more


def give_back(tx: Transaction, letter_id: str, lease: str, now: int) -> None:
    """Undo a lease whose work was not begun."""
    row = tx.db.execute(
        "UPDATE letters SET state = 'queued', due = ?, lease = '' "
        "WHERE id = ? AND lease = ? AND state = 'active' RETURNING number, wish, why",
        (now, letter_id, lease),
    ).fetchone()
    if row is not None and row[1]:
        number, wish, why = row
        set_states(tx, number, OWED, "held" if wish == "hold" else "dropped", now, why)
        end_waiting(tx, letter_id, letter_id.partition(".")[0], now)


def give_back_jobs(jobs: Sequence[Job], now: int | None, tx: Transaction) -> None:
    """The same for several; due then, or as soon as they were accepted."""
    for job in jobs:
        give_back(tx, job.letter_id, job.lease, micros(job.accepted) if now is None else now)


def give_back_all(tx: Transaction, leases: Sequence[str], now: int) -> None:
    """Undo what was leased under these names."""
    if leases:
        rows = tx.db.execute(
            "SELECT id, lease FROM letters INDEXED BY letters_due "
            f"WHERE due IS NOT NULL AND state = 'active' AND lease IN ({marks(len(leases))})",
            leases,
        ).fetchall()
        for letter_id, lease in rows:
            give_back(tx, letter_id, lease, now)


def _after(
    job: Job, settlement: Settlement, leased: _Leased, rows: Sequence[tuple[int, str, str]]
) -> list[_Recipient]:
    """All recipients of the letter, with what they are after this attempt."""
    told = {outcome.recipient: outcome for outcome in settlement.outcomes}
    found = []
    for position, address, state in rows:
        outcome = told.get(address)
        after = _state_after(job, outcome, settlement, leased.wish) if state in OWED else state
        found.append(_Recipient(position, state, after, outcome))
    return found


def _write_recipients(
    tx: Transaction, leased: _Leased, recipients: Sequence[_Recipient], now: int
) -> None:
    tx.db.executemany(
        "UPDATE recipients SET state = ?, attempts = attempts + 1, at = ?, code = ?, "
        "enhanced = ?, reply = ? WHERE letter = ? AND position = ?",
        [
            (each.after, now, *_reply(each.outcome), leased.number, each.position)
            for each in recipients
            if each.before in OWED
        ],
    )


def _state_after(job: Job, outcome: Outcome | None, settlement: Settlement, wish: str) -> str:
    result = "delayed" if outcome is None else outcome.result
    if result == "relayed":
        return "relayed"
    if result == "unknown" and job.kind == "acknowledgement":
        return "unknown"  # at most once: it may have arrived
    if wish:
        return "held" if wish == "hold" else "dropped"
    if result != "failed" and settlement.retry_at is not None:
        return "deferred"
    if outcome is None:
        return "held"  # nobody tried: no reason to tell the sender of a failure
    if outcome.recipient in settlement.held:
        return "held"
    return _ENDS[settlement.on_failure]


def _reply(outcome: Outcome | None) -> tuple[int, str, str]:
    if outcome is None:
        return 0, "", ""
    return outcome.reply.code, safe(outcome.reply.enhanced), safe(outcome.reply.text)[:500]


def _why(settlement: Settlement, leased: _Leased, after: Sequence[str]) -> str:
    """The reason beside a letter that is not delivered yet."""
    if all(state == "relayed" for state in after):
        return ""
    if leased.wish:
        return leased.why
    troubles = [outcome for outcome in settlement.outcomes if outcome.result != "relayed"]
    return safe(str(troubles[0].reply))[:500] if troubles else "no outcome was told"


def _tell(tx: Transaction, job: Job, settlement: Settlement, now: int) -> None:
    """Notes for what the rows will not show later, and addresses that are dead."""
    for outcome in settlement.outcomes:
        if outcome.result == "relayed":
            continue
        ends: Mapping[str, str] = {"delayed": "deferred", "failed": "failed", "unknown": "unknown"}
        text = f"{job.letter_id} to {outcome.recipient}: {outcome.reply}"
        note(tx, job.queue_id, now, ends[outcome.result], text)
        if outcome.result == "failed" and outcome.reply.permanent and job.kind != "letter":
            record_dead_address(tx, outcome.recipient, now, str(outcome.reply))


def _keep_notices(
    tx: Transaction, job: Job, settlement: Settlement, leased: _Leased, now: int
) -> None:
    kept = Kept(leased.message, now, 0)
    insert_letters(tx, kept, job.queue_id, settlement.notices, now, once=True)
    record_own(tx, job.queue_id, settlement.notices, "", now)
