"""Writes down what attempts at delivery came to: in the store, and a line each in the journal."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from gateway.delivery import Attempt, Policy, after, is_late, is_success, is_warning
from gateway.edge import limiter
from gateway.edge.limiter import AlertLimiter, NoticeLimiter, TellingLimiter
from gateway.edge.transport import Sent
from gateway.journal import Journal
from gateway.store import Job, Outcome, Settlement, Store, StoreError, UnfitError

WAITS = (0.1, 0.5, 1.0, 2.0, 5.0)
"""Seconds between attempts at writing down an outcome; the last one repeats."""
UNWARNED = "its sender is not warned of the delay: too many are"
UNTOLD = "its sender is not told of its arrival: too many are"


@dataclass(frozen=True, slots=True)
class Tried:
    """What one attempt came to, and how it bears on the next."""

    sent: Sent
    not_before: datetime | None = None
    """The next hop is not asked again before this."""
    only_hold: bool = False
    """The failure is ours: no sender hears of it."""


class Book:
    """An outcome that was seen is written down, however often that takes."""

    def __init__(
        self,
        *,
        store: Store,
        policy: Policy,
        journal: Journal,
        alerts: AlertLimiter,
        clock: Callable[[], datetime],
        chance: Callable[[], float],
        processes: int,
    ) -> None:
        """`processes`: how many books share what may be told in all."""
        self.policy = policy
        self.patient = True
        """Try again while the store is in trouble; not when the process is to end."""
        self._store = store
        self._journal = journal
        self._alerts = alerts
        self._clock = clock
        self._chance = chance
        self._notices = NoticeLimiter()
        most = (limiter.WARNINGS_TO_ONE, limiter.WARNINGS)
        self._warnings = TellingLimiter(*most, processes)
        most = (limiter.SUCCESSES_TO_ONE, limiter.SUCCESSES)
        self._successes = TellingLimiter(*most, processes)

    async def enter(self, job: Job, tried: Tried) -> bool:
        """Settle one attempt, and tell the journal when that is on disk; gives whether the store is
        worth asking what became due by it."""
        now = self._clock()
        settlement = self._not_too_many(job, self._conclude(job, tried, now), now)
        ended = _given_up(settlement)
        if ended and settlement.on_failure == "hold":
            told = any(letter.kind == "notice" for letter in settlement.notices)
            self._notices.noted(job.site, now, told=told)
        more = await self._settle(job, settlement, now)
        if more is not None:
            self._tell(job, settlement, ended)
            if settlement.retry_at is not None and is_late(job, now, self.policy.retry):
                self._alerts.alert("letters are late", now, job.next_hop, id=job.letter_id)
        return more is not False

    def _conclude(self, job: Job, tried: Tried, now: datetime) -> Settlement:
        attempt = Attempt(
            job=job,
            outcomes=tried.sent.outcomes,
            now=now,
            chance=self._chance(),
            hop_failed=tried.sent.hop_failed,
            not_before=tried.not_before,
            only_hold=tried.only_hold,
            tell=self._notices.allows(job.site, now),
            untold=self._notices.untold(job.site),
            tells=tried.sent.tells,
            final=tried.sent.final,
        )
        try:
            return after(attempt, self.policy)
        except Exception as error:  # the outcomes must be written down whatever breaks
            self._journal.trouble("relay", error, job.letter_id)
            if now - job.accepted > self.policy.retry.give_up:
                return Settlement(tried.sent.outcomes, None)  # held: a person looks at it
            return Settlement(tried.sent.outcomes, now + self.policy.retry.max)

    def _not_too_many(self, job: Job, settlement: Settlement, now: datetime) -> Settlement:
        """Without the warning of a delay, or of success, where that many were sent as may be."""
        notices = settlement.notices
        if any(map(is_warning, notices)) and not self._warnings.take(job.reverse_path, now):
            notices = tuple(letter for letter in notices if not is_warning(letter))
            self._journal.remarked(job.letter_id, job.next_hop, UNWARNED)
            what = "too many letters are late to warn all their senders"
            self._alerts.alert(what, now, job.next_hop)
        if any(map(is_success, notices)) and not self._successes.take(job.reverse_path, now):
            notices = tuple(letter for letter in notices if not is_success(letter))
            self._journal.remarked(job.letter_id, job.next_hop, UNTOLD)
        return settlement if notices == settlement.notices else replace(settlement, notices=notices)

    async def _settle(self, job: Job, settlement: Settlement, now: datetime) -> bool | None:
        """Whether other letters became due by it.

        None when it could not be done: the letter's lease will run out, and it is repeated.
        """
        waits = iter(WAITS)
        while True:
            try:
                return await self._store.settle(job, settlement, now)
            except StoreError as error:
                self._journal.trouble("store", error, job.letter_id)
                if isinstance(error, UnfitError) and settlement.notices:
                    settlement = replace(settlement, notices=())  # they must not cost the outcome
                    continue
                if not self.patient:
                    return None
                await asyncio.sleep(next(waits, WAITS[-1]))
            except Exception as error:
                self._journal.trouble("store", error, job.letter_id)
                if not settlement.notices:
                    return None
                settlement = replace(settlement, notices=())

    def _tell(self, job: Job, settlement: Settlement, ended: Sequence[Outcome]) -> None:
        """The journal's lines about an attempt."""
        for outcome in settlement.outcomes:
            self._journal.delivered(
                job.letter_id, job.kind, job.next_hop, outcome.result, outcome.reply.code
            )
        if not ended:
            return
        if job.kind != "letter":
            what = f"{job.kind} not delivered"
            self._alerts.alert(what, self._clock(), job.site, id=job.letter_id)
        if settlement.on_failure == "hold":
            self._journal.held(job.letter_id, ended[0].reply.enhanced)


def _given_up(settlement: Settlement) -> Sequence[Outcome]:
    """Outcomes of recipients that are given up."""
    over = settlement.retry_at is None
    return [
        outcome
        for outcome in settlement.outcomes
        if outcome.result == "failed" or (over and outcome.result == "delayed")
    ]
