"""Letting held mail go, by a person's word: from the quarantine, or once more through the route."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from gateway.edge import clock
from gateway.journal import Journal
from gateway.message import Arrival
from gateway.parse import parse
from gateway.parts import Parts, build_parts, resolver_of, secrets_of
from gateway.plan import Acknowledgement, Letter, Plan
from gateway.settings import Settings
from gateway.store import Store

ACKNOWLEDGE_WITHIN = timedelta(hours=4)
"""An acknowledgement of what was held for longer would only puzzle."""


async def release(settings: Settings, store: Store, id_: str, who: str) -> int:
    """Let held mail go; gives how many letters.

    What was kept raw runs the whole route again. What comes out of the quarantine is delivered as
    it was stamped; whether somebody must be phoned is asked now, and the customer is acknowledged
    if it did not lie there for longer than ACKNOWLEDGE_WITHIN (decisions.md).
    """
    held = [entry for entry in await store.entry(id_) if entry.state == "held"]
    again = {entry.queue_id for entry in held if entry.raw}
    quarantined = {entry.queue_id for entry in held if entry.why.startswith("quarantined")}
    if not (again or quarantined):
        return await store.release(id_, who, clock.now())
    resolver = resolver_of(settings)
    try:
        secrets_ = await secrets_of(settings, store)
        parts = await build_parts(settings, resolver, secrets_, Journal(sinks=()))
        for queue_id in again:
            await _run_again(parts, store, queue_id, who)
        if again:
            return len(again)
        going = {entry.letter_id for entry in held}
        letters, plan = await _what_follows(parts, store, quarantined.pop(), going)
        return await store.release(id_, who, clock.now(), letters=letters, plan=plan)
    finally:
        await resolver.close()


async def _run_again(parts: Parts, store: Store, queue_id: str, who: str) -> None:
    """The route of a new message, with the octets and session facts of the old one."""
    arrival = await store.original(queue_id)
    if arrival is None:
        return
    now = clock.now()
    message = parse(arrival, parts.bounds)
    history = await store.recall(message, now)
    verdicts, _ = await parts.pipeline.examine(message)
    plan = parts.router.plan(message, verdicts, history, now, accepted=True)
    plan = silenced_when_late(plan, arrival, now)
    letters, plan = parts.composer.compose(message, verdicts, plan, history)
    letters = await parts.sealer.seal(message, verdicts, letters)
    await store.release_raw(queue_id, letters, plan, who, now)


async def _what_follows(
    parts: Parts, store: Store, queue_id: str, going: Collection[str]
) -> tuple[Sequence[Letter], Plan | None]:
    """The card and the acknowledgement that a letter's way out of the quarantine brings about.

    `going` are the ids of the letters that leave; what the others bring about waits with them.
    """
    arrival = await store.original(queue_id)
    if arrival is None:
        return (), None
    now = clock.now()
    message = parse(arrival, parts.bounds)
    history = replace(await store.recall(message, now), copy=False)
    verdicts, _ = await parts.pipeline.examine(message)
    plan = parts.router.plan(message, verdicts, history, now, released=True)
    leaving = tuple(group for group in plan.groups if f"{queue_id}.{group.suffix}" in going)
    plan = silenced_when_late(replace(plan, groups=leaving), arrival, now)
    written_now = replace(message, arrival=replace(arrival, time=now))
    letters, plan = parts.composer.compose(written_now, verdicts, plan, history)
    return [letter for letter in letters if letter.own is not None], plan


def silenced_when_late(plan: Plan, arrival: Arrival, now: datetime) -> Plan:
    """The same plan, without an acknowledgement that would come too late to help."""
    if now - arrival.time <= ACKNOWLEDGE_WITHIN:
        return plan
    late = Acknowledgement(reason="policy", reasons=("policy",))
    return replace(plan, groups=tuple(replace(g, acknowledgement=late) for g in plan.groups))
