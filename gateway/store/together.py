"""A message, its letters and what must be remembered of it: kept together, or not at all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway.message import Arrival
from gateway.plan import Call, Letter, Plan, card_id
from gateway.store import StoreError, calls, commands, reports
from gateway.store.acknowledgements import Limits, take
from gateway.store.keeping import (
    Kept,
    Rows,
    add_letters,
    add_message,
    check_answers,
    find,
    take_raw,
)
from gateway.store.notes import note
from gateway.store.remembering import Ours, Remembered, record_own, remember
from gateway.store.sql import Transaction
from gateway.store.straight import NOT_STRAIGHT, Straight
from gateway.store.turns import be_alone


@dataclass(frozen=True, slots=True)
class Keep:
    """One message to be kept, unless `check` raises in the transaction; `accepted`: the recipients
    its letters answer for."""

    check: Callable[[], None]
    arrival: Arrival
    letters: Sequence[Letter]
    plan: Plan
    limits: Limits
    accepted: int
    straight: Straight = NOT_STRAIGHT

    def __call__(self, tx: Transaction) -> frozenset[str]:
        return keep(tx, (self,))[0]


def keep(tx: Transaction, keeps: Sequence[Keep]) -> list[frozenset[str]]:
    """Everything `Store.keep` promises but the jobs, for several messages; gives the
    acknowledgements and cards left out of each."""
    rows, each_rest = Rows(), []
    for each in keeps:
        each.check()
        arrival, plan = each.arrival, each.plan
        memory = plan.remember[0] if plan.remember else None
        kept = add_message(
            tx,
            rows,
            arrival,
            contact=memory.contact if memory else "",
            message_id=memory.message_id if memory else "",
        )
        tx.counts["accepted"] += each.accepted
        if plan.dmarc is not None:
            reports.record(tx, plan.dmarc, kept.time)
        each_rest.append(
            _Rest(kept, arrival.queue_id, each.letters, plan, kept.time, each.limits, each.straight)
        )
    return _keep_rest(tx, rows, each_rest)


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
        _keep_rest(tx, Rows(), [_Rest(kept, queue_id, letters, plan, now, limits)], once=True)
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
    _keep_rest(tx, Rows(), [_Rest(kept, queue_id, letters, plan, now, limits)])


@dataclass(frozen=True, slots=True)
class _Rest:
    """Letters and memories of a message whose row stands, or is about to."""

    kept: Kept
    queue_id: str
    letters: Sequence[Letter]
    plan: Plan
    now: int
    limits: Limits
    straight: Straight = NOT_STRAIGHT


def _keep_rest(
    tx: Transaction, rows: Rows, rests: Sequence[_Rest], *, once: bool = False
) -> list[frozenset[str]]:
    """Write all that belongs to these messages; gives the letters left out of each."""
    conversations = remember(
        tx, [Remembered(each.plan.remember, each.queue_id, each.now) for each in rests]
    )
    left_outs = [
        _left_out(tx, each.queue_id, each.letters, each.plan, conversation, each.now, each.limits)
        for each, conversation in zip(rests, conversations, strict=True)
    ]
    left_outs = _and_cards(tx, rests, left_outs)
    ours = []
    for each, conversation, left_out in zip(rests, conversations, left_outs, strict=True):
        staying = [
            letter if letter.hold else letter.without(left_out)
            for letter in each.letters
            if letter.id not in left_out
        ]
        add_letters(tx, rows, each.kept, each.queue_id, staying, each.now, each.straight)
        ours.append(Ours(each.queue_id, staying, conversation, each.now))
    rows.write(tx, once=once)
    record_own(tx, ours)
    return left_outs


def _and_cards(
    tx: Transaction, rests: Sequence[_Rest], left_outs: Sequence[frozenset[str]]
) -> list[frozenset[str]]:
    """Keep the calls; gives what is left out with the cards that the budget has no room for."""
    calls_ = [[memory.call for memory in each.plan.remember if memory.call] for each in rests]
    if any(call.budget and not call.over_budget for each in calls_ for call in each):
        be_alone(tx)
    return [
        left_out.union(*(_cards_left_out(tx, rest, call) for call in each))
        for rest, each, left_out in zip(rests, calls_, left_outs, strict=True)
    ]


def _cards_left_out(tx: Transaction, rest: _Rest, call: Call) -> frozenset[str]:
    card = card_id(call.id)
    ready = any(letter.id == card for letter in rest.letters)
    why = calls.keep_call(tx, call, rest.now, card=ready)
    if not why or call.over_budget:
        return frozenset()
    note(tx, rest.queue_id, rest.now, "call", f"{call.id} without a card: {why}")
    return frozenset({card})


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
