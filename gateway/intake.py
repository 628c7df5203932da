"""One message from arrival to reply: the route, readable as a paragraph.

250 means it is ours to lose (RFC 5321, 6.1). Whatever breaks half way, the original is kept as
held and answered 250; only if the store fails too, 451: a bug of ours never bounces a letter.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol

from gateway.journal import Journal
from gateway.message import Arrival, Message, let_go
from gateway.parse import Bounds, parse
from gateway.pipeline import Pipeline
from gateway.plan import DmarcRow, History, Letter, Plan, acknowledgement_id
from gateway.reply import NO_SPACE, OUR_TROUBLE, TOO_MANY_HOPS, Reply
from gateway.routing.router import Router
from gateway.sealing import Sealer
from gateway.store import Job, NoSpaceError, Store, StoreError, UnfitError
from gateway.verdict import Action, Verdicts

TURN = 30.0
"""Seconds that doubtful content waits for its turn at most, before its client is put off."""
LARGE = 1 << 20
"""Octets from which hashing would hold the loop: it lets go of the interpreter in a thread."""


class Composer(Protocol):
    """Turns a plan into letters; see `compose.py`."""

    def compose(
        self, message: Message, verdicts: Verdicts, plan: Plan, history: History
    ) -> tuple[Sequence[Letter], Plan]: ...


class Suspects(Protocol):
    """Content that stood under examination when workers died; see `edge/supervisor.py`."""

    @property
    def turn(self) -> asyncio.Lock:
        """Doubtful content is examined one at a time: only who is to blame is counted twice."""
        ...

    def suspect(self, digest: bytes) -> bool: ...

    def doubtful(self, digest: bytes) -> bool: ...

    def examining(self, digest: bytes) -> AbstractContextManager[None]: ...


class Deliverer(Protocol):
    """Who brings letters to their next hops; see `edge/relay.py`."""

    def offer(self, letters: Sequence[Letter], arrived: datetime) -> frozenset[str]:
        """Which of them it takes at once, leased as they are kept. One of these must follow:"""
        ...

    def kept(self, letters: Sequence[Letter], jobs: Sequence[Job]) -> None: ...

    def withdraw(self, letters: Sequence[Letter]) -> None: ...


Digest = Callable[[Arrival], bytes]
Count = Callable[[Message, Verdicts, Action], DmarcRow | None]
"""What a message adds to a DMARC report."""


class Intake:
    """The nine stops, with everything they need handed in."""

    def __init__(
        self,
        *,
        pipeline: Pipeline,
        router: Router,
        composer: Composer,
        sealer: Sealer,
        store: Store,
        journal: Journal,
        suspects: Suspects,
        digest: Digest,
        bounds: Bounds,
        hops: int,
        recall_limit: timedelta,
        deliverer: Deliverer,
        count: Count | None = None,
    ) -> None:
        """`hops`: Received fields allowed; `deliverer` hears of mail to deliver."""
        self._pipeline = pipeline
        self._router = router
        self._composer = composer
        self._sealer = sealer
        self._store = store
        self._journal = journal
        self._suspects = suspects
        self._digest = digest
        self._bounds = bounds
        self._hops = hops
        self._recall_limit = recall_limit.total_seconds()
        self._deliverer = deliverer
        self._count = count

    async def accept(self, arrival: Arrival) -> Reply:
        """Take one message as far as the disk."""
        if len(arrival.content) > LARGE:
            digest = await asyncio.to_thread(self._digest, arrival)
        else:
            digest = self._digest(arrival)
        arrival = replace(arrival, digest=digest)
        if not self._suspects.doubtful(digest):
            return await self._examine(arrival, digest)
        try:
            async with asyncio.timeout(TURN):
                await self._suspects.turn.acquire()
        except TimeoutError:
            return self._turn_away(arrival, OUR_TROUBLE, "doubtful")
        try:
            return await self._examine(arrival, digest)
        finally:
            self._suspects.turn.release()

    async def _examine(self, arrival: Arrival, digest: bytes) -> Reply:
        if self._suspects.suspect(digest):
            return await self._keep_raw(arrival, "stopped its worker twice")
        try:
            with self._suspects.examining(digest):
                return await self._take(arrival)
        except NoSpaceError:
            return self._turn_away(arrival, NO_SPACE, "no space")
        except UnfitError as error:  # it would be no other the next time: 451 would end in a bounce
            self._journal.trouble("store", error, arrival.queue_id)
            return await self._keep_raw(arrival, "the store does not take what was made of it")
        except StoreError as error:
            self._journal.trouble("store", error, arrival.queue_id)
            return OUR_TROUBLE
        except Exception as error:  # whatever broke, the customer's letter must not bounce
            self._journal.trouble("intake", error, arrival.queue_id)
            return await self._keep_raw(arrival, f"broke us: {type(error).__name__}")

    async def _take(self, arrival: Arrival) -> Reply:
        message = parse(arrival, self._bounds)
        let_go(arrival.content)  # the filters may wait long for others
        if sum(field.name == "received" for field in message.fields) > self._hops:
            return self._turn_away(arrival, TOO_MANY_HOPS, "loop")
        self._store.expect(1)
        try:
            letters, plan = await self.judge(message)
        finally:
            self._store.expect(-1)
        if plan.reply is not None:
            await self._count_refused(arrival, plan)
            return self._turn_away(arrival, plan.reply, "policy")
        left_out = await self._keep(arrival, letters, plan)
        self._tell(arrival, plan, left_out)
        return Reply.accepted(arrival.queue_id)

    async def _keep(
        self, arrival: Arrival, letters: Sequence[Letter], plan: Plan
    ) -> frozenset[str]:
        """Keep a message and hand its letters on; gives the acknowledgements left out."""
        straight = self._deliverer.offer(letters, arrival.time)
        try:
            receipt = await self._store.keep(arrival, letters, plan, straight)
        except BaseException:  # also when cancelled: the store itself ends what it has leased then
            self._deliverer.withdraw(letters)
            raise
        self._deliverer.kept(letters, receipt.jobs)
        return receipt.left_out

    async def judge(self, message: Message) -> tuple[Sequence[Letter], Plan]:
        """Everything between parse and keep; `release.py` takes the same steps with a raw hold.

        All of it as of the final dot, so that `explain` comes to the same times.
        """
        history = await self.recall(message)
        verdicts, seconds = await self._pipeline.examine(message)
        self._journal.examined(message.arrival, verdicts, seconds)
        plan = self._router.plan(message, verdicts, history, message.arrival.time)
        if self._count is not None:
            plan = replace(plan, dmarc=self._count(message, verdicts, plan.action))
        if plan.turns_away:
            return (), plan
        letters, plan = self._composer.compose(message, verdicts, plan, history)
        return await self._sealer.seal(message, verdicts, letters), plan

    async def _count_refused(self, arrival: Arrival, plan: Plan) -> None:
        """A report also tells what was turned away; a count is worth no trouble."""
        if plan.dmarc is not None:
            try:
                await self._store.record_dmarc(plan.dmarc, arrival.time)
            except StoreError as error:
                self._journal.trouble("store", error)

    async def recall(self, message: Message) -> History:
        """Who this is; a slow or silent store leaves the history empty and says so."""
        try:
            async with asyncio.timeout(self._recall_limit):
                return await self._store.recall(message, message.arrival.time)
        except TimeoutError:
            return History(missing="timeout")
        except StoreError as error:
            self._journal.trouble("recall", error, message.arrival.queue_id)
            return History(missing="store")

    async def _keep_raw(self, arrival: Arrival, why: str) -> Reply:
        try:
            await self._store.keep_raw(arrival, why)
        except NoSpaceError:
            return NO_SPACE
        except Exception as error:  # the store failed as well: nothing is promised
            self._journal.trouble("store", error, arrival.queue_id)
            return OUR_TROUBLE
        self._journal.held(arrival.queue_id, why)
        return Reply.accepted(arrival.queue_id)

    def _turn_away(self, arrival: Arrival, reply: Reply, why: str) -> Reply:
        self._journal.turned_away(arrival.session, reply, why, arrival.queue_id)
        return reply

    def _tell(self, arrival: Arrival, plan: Plan, left_out: frozenset[str]) -> None:
        self._journal.kept(
            arrival,
            sites=[*sorted({group.site for group in plan.groups})],
            rules=[*sorted({group.rule for group in plan.groups})],
            action=plan.action.word,
            call=any(group.call.wanted for group in plan.groups),
        )
        for group in plan.groups:
            lost = acknowledgement_id(arrival.queue_id, group) in left_out
            reason = "rate" if lost else group.acknowledgement.reason
            self._journal.acknowledged(arrival.queue_id, group.site, reason)
