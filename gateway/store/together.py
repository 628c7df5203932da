"""A message, its letters and what must be remembered of it: kept together, or not at all."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.message import Arrival
from gateway.plan import Letter, Plan
from gateway.store import StoreError, calls, commands, people, reports
from gateway.store.acknowledgements import Limits, take
from gateway.store.keeping import (
    Kept,
    check_answers,
    find,
    insert_letters,
    insert_message,
    take_raw,
)
from gateway.store.notes import note
from gateway.store.sql import Transaction
from gateway.store.straight import NOT_STRAIGHT, Straight


def keep(
    tx: Transaction,
    arrival: Arrival,
    letters: Sequence[Letter],
    plan: Plan,
    limits: Limits,
    accepted: int,
    straight: Straight = NOT_STRAIGHT,
) -> frozenset[str]:
    """Everything `Store.keep_leased` promises but the jobs; gives the acknowledgements left out.

    `accepted`: the recipients that the letters answer for, by `check_answers`.
    """
    memory = plan.remember[0] if plan.remember else None
    kept = insert_message(
        tx,
        arrival,
        contact=memory.contact if memory else "",
        message_id=memory.message_id if memory else "",
    )
    tx.counts["accepted"] += accepted
    if plan.dmarc is not None:
        reports.record(tx, plan.dmarc, kept.time)
    return _keep_rest(
        tx, kept, arrival.queue_id, letters, plan, kept.time, limits, straight=straight
    )


def release(
    tx: Transaction,
    id_: str,
    who: str,
    now: int,
    letters: Sequence[Letter],
    plan: Plan | None,
    limits: Limits,
) -> int:
    """Let held letters go, and keep what comes with them; gives how many letters went."""
    changed = commands.release(tx, id_, who, now)
    found = find(tx.db, id_) if changed and plan else None
    if found is not None and plan is not None:
        kept, queue_id = found
        _keep_rest(tx, kept, queue_id, letters, plan, now, limits, once=True)
    return changed


def release_raw(
    tx: Transaction,
    queue_id: str,
    letters: Sequence[Letter],
    plan: Plan,
    who: str,
    now: int,
    limits: Limits,
) -> None:
    """Replace a raw hold by these letters. Raises StoreError when there is none."""
    found = commands.original(tx.db, queue_id)
    kept = take_raw(tx, queue_id) if found else None
    if found is None or kept is None:
        raise StoreError(f"{queue_id} is not held raw")
    check_answers(found[0], letters)
    note(tx, queue_id, now, "released", "the whole route again", who)
    _keep_rest(tx, kept, queue_id, letters, plan, now, limits)


def _keep_rest(
    tx: Transaction,
    kept: Kept,
    queue_id: str,
    letters: Sequence[Letter],
    plan: Plan,
    now: int,
    limits: Limits,
    *,
    once: bool = False,
    straight: Straight = NOT_STRAIGHT,
) -> frozenset[str]:
    """Letters and memories of a message whose row stands; gives the letters left out."""
    conversation = people.remember(tx, plan.remember, queue_id, now)
    left_out = _left_out(tx, queue_id, letters, plan, conversation, now, limits)
    staying = [letter for letter in letters if letter.id not in left_out]
    insert_letters(tx, kept, queue_id, staying, now, once=once, straight=straight)
    people.record_own(tx, queue_id, staying, conversation, now)
    for memory in plan.remember:
        if memory.call is not None:
            calls.keep_call(tx, memory.call, now)
    return left_out


def _left_out(
    tx: Transaction,
    queue_id: str,
    letters: Sequence[Letter],
    plan: Plan,
    conversation: str,
    now: int,
    limits: Limits,
) -> frozenset[str]:
    """Acknowledgements that may not be sent: their letter is held, or the right is not had."""
    held = {letter.id for letter in letters if letter.hold}
    left_out = {letter.id for letter in letters if letter.waits_for in held}
    if left_out:
        note(tx, queue_id, now, "not acknowledged", "its letter is held")
    for memory in plan.remember:
        claim = memory.claim
        if claim is None or claim.letter_id in left_out:
            continue
        if not take(tx, claim, conversation, queue_id, now, limits):
            left_out.add(claim.letter_id)
    return frozenset(left_out)
