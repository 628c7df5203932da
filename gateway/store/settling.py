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
from gateway.store.people import record_dead_address
from gateway.store.remembering import Ours, record_own
from gateway.store.sql import Transaction, among, marks, micros, safe

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


@dataclass(frozen=True, slots=True)
class Settle:
    """One attempt to be written down, nothing if the lease was lost; tells whether other letters
    became due by it."""

    job: Job
    settlement: Settlement
    now: int

    @property
    def delivered(self) -> bool:
        """The common case: the only recipient that was owed, and nothing else to write."""
        outcomes = self.settlement.outcomes
        return (
            len(outcomes) == 1
            and outcomes[0].result == "relayed"
            and self.job.recipients == (outcomes[0].recipient,)
            and not self.settlement.notices
        )

    def __call__(self, tx: Transaction) -> bool:
        return settle(tx, (self,))[0]


def settle(tx: Transaction, settles: Sequence[Settle]) -> list[bool]:
    """Write down several attempts."""
    simple = [each for each in settles if each.delivered]
    done = _deliver(tx, simple) if simple else {}
    return [
        done[each.job.lease, each.job.letter_id]
        if (each.job.lease, each.job.letter_id) in done
        else _settle(tx, each.job, each.settlement, each.now)
        for each in settles
    ]


_LEASED_ALONE = (
    "SELECT l.number, l.id, l.lease, l.answers, l.one_to_one, "
    "EXISTS (SELECT 1 FROM letters w WHERE w.waits_for = l.id AND w.state = 'waiting') "
    "FROM letters l WHERE l.id IN ({}) AND l.state = 'active' AND NOT EXISTS "
    "(SELECT 1 FROM recipients r WHERE r.letter = l.number AND r.position > 0)"
    "/*pg FOR UPDATE OF l*/"
)
_DELIVERED = (
    "UPDATE letters SET state = 'relayed', due = NULL, some_held = 0, why = '', lease = '', "
    "wish = '', pressed = 0, attempts = attempts + 1, strikes = 0, backlog = 1 "
    "WHERE number IN ({})"
)


def _deliver(tx: Transaction, settles: Sequence[Settle]) -> dict[tuple[str, str], bool]:
    """Those whose only recipient was delivered to, by lease and letter; tells of each whether other
    letters became due. One that has other recipients, or whose lease was lost, is passed over."""
    asked = {(each.job.lease, each.job.letter_id): each for each in settles}
    in_, ids = among([each.job.letter_id for each in settles])
    found, replies, woken = [], [], []
    done: dict[tuple[str, str], bool] = {}
    for number, id_, lease, answers, one_to_one, waited_for in tx.db.execute(
        _LEASED_ALONE.format(in_), ids
    ).fetchall():
        each = asked.get((lease, id_))
        if each is None:
            continue
        found.append(number)
        replies.append((each.now, *_reply(each.settlement.outcomes[0]), number))
        change(tx.counts, answers, bool(one_to_one), ("active",), ("relayed",))
        done[lease, id_] = bool(waited_for)
        if waited_for:
            woken.append(each)
    if found:
        in_, numbers = among(found)
        tx.db.execute(_DELIVERED.format(in_), numbers)
        tx.db.executemany(
            "UPDATE recipients SET state = 'relayed', attempts = attempts + 1, at = ?, code = ?, "
            "enhanced = ?, reply = ? WHERE letter = ?",
            replies,
        )
    for each in woken:
        wake_waiting(tx, each.job.letter_id, each.now)
    return done


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
    record_own(tx, [Ours(job.queue_id, settlement.notices, "", now)])
