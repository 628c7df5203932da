"""Delivers what the store holds: claims letters that are due, hands them on, writes down the end.

Each next hop has a lane of its own with as many workers as it may have connections, so one that
hangs or is down holds up nobody else. All states live in the store; what is in memory here
(breakers, kept connections, the letters in hand) may be lost at any time.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from gateway.delivery import Attempt, Policy, after
from gateway.edge.breaker import BreakerPolicy
from gateway.edge.lane import Lane
from gateway.edge.limiter import AlertLimiter, NoticeLimiter
from gateway.edge.maildir import Maildir
from gateway.edge.smtp_client import SmtpClient
from gateway.edge.transport import Progress, Result, Sent, Transport, everyone
from gateway.journal import Journal
from gateway.reply import OUR_TROUBLE, Reply
from gateway.settings import NextHop
from gateway.store import Job, Outcome, Settlement, Store, StoreError

BATCH = 128
"""Letters claimed at a time."""
ENDINGS = 32
"""Attempts of one lane whose outcome may be on its way to the disk while the next one begins."""
POLL = 1.0
"""Seconds after which the store is asked even if nobody woke us: other processes change it too."""
SOON = 0.02
"""Seconds for which the ends of letters are gathered before the store is asked what follows."""
RENEWAL = 60.0
"""Seconds between renewals of the leases in hand."""
SETTLE_WAITS = (0.1, 0.5, 1.0, 2.0, 5.0)
"""Seconds between attempts at writing down an outcome; the last one repeats."""
FAULTS = 3
"""Attempts that may end in a fault of ours before the letter is held."""

NO_SUCH_HOP = Reply(451, "4.3.5", "This next hop is not configured any more")
SUSPENDED = Reply(451, "4.4.1", "The next hop is out of order and is not asked for a while")
STOPPED = Reply(451, "4.3.2", "The gateway was stopped during delivery")


@dataclass(frozen=True, slots=True)
class _Tried:
    """What one attempt came to, and how it bears on the next."""

    sent: Sent
    not_before: datetime | None = None
    only_hold: bool = False


class Relay:
    """The deliver stop. `policy` may be replaced at any time, as on reload.

    `hops` gives a next hop's present configuration by name, None when there is none any more.
    `transport` makes the way to a next hop; by default SMTP, LMTP or a Maildir by its address.
    """

    def __init__(
        self,
        *,
        store: Store,
        hops: Callable[[str], NextHop | None],
        hostname: str,
        policy: Policy,
        journal: Journal,
        clock: Callable[[], datetime],
        chance: Callable[[], float] = random.random,
        transport: Callable[[NextHop], Transport] | None = None,
        breaker: BreakerPolicy | None = None,
        batch: int = BATCH,
        poll: float = POLL,
        renewal: float = RENEWAL,
    ) -> None:
        self.policy = policy
        self._store = store
        self._hops = hops
        self._hostname = hostname
        self._journal = journal
        self._clock = clock
        self._chance = chance
        self._make_transport = transport or self._default_transport
        self._breaker = breaker or BreakerPolicy()
        self._batch = batch
        self._poll = poll
        self._renewal = renewal
        self._lanes: dict[str, Lane] = {}
        self._in_hand: dict[str, Job] = {}
        self._workers: set[asyncio.Task[None]] = set()
        self._endings: set[asyncio.Task[None]] = set()
        self._farewells: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self._soon: asyncio.TimerHandle | None = None
        self._draining = False
        self._alerts = AlertLimiter(journal)
        self._notices = NoticeLimiter()

    # --- the face ---

    def wake(self) -> None:
        """New mail was kept, or something was made due: look at once."""
        self._changed.set()

    async def run(self) -> None:
        """Deliver until cancelled or drained."""
        keeper = asyncio.create_task(self._keep_leases(), name="leases")
        try:
            while not self._draining:
                self._changed.clear()
                if not await self._claim():
                    await self._rest()
        finally:
            keeper.cancel()

    async def drain(self, seconds: float) -> None:
        """Claim no more, give back what has not begun, let the rest end within `seconds`."""
        self._draining = True
        self._changed.set()
        waiting = [job for lane in self._lanes.values() for job in lane.queue]
        for lane in self._lanes.values():
            lane.queue.clear()
        await self._give_back(waiting)
        workers = set(self._workers)
        if workers:
            _, late = await asyncio.wait(workers, timeout=seconds)
            for worker in late:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
        await asyncio.gather(*self._endings, return_exceptions=True)
        if self._soon is not None:
            self._soon.cancel()
        transports = [lane.take_transport() for lane in self._lanes.values()]
        await asyncio.gather(*(each.close() for each in transports if each is not None))
        await asyncio.gather(*self._farewells)

    # --- claiming ---

    async def _claim(self) -> bool:
        """Hand out letters that are due; whether it is worth asking again at once."""
        for lane in self._lanes.values():
            lane.left_out = lane.full
        but_not = frozenset(name for name, lane in self._lanes.items() if lane.left_out)
        try:
            jobs = await self._store.claim(self._clock(), self._batch, but_not=but_not)
        except StoreError as error:
            self._journal.trouble("store", error)
            return False
        excess = [job for job in jobs if not self._hand_out(job)]
        await self._give_back(excess)
        return len(jobs) >= self._batch and not excess

    def _hand_out(self, job: Job) -> bool:
        """Put a letter into its lane; False if that is too full even for one that is pressed."""
        lane = self._lanes.get(job.next_hop)
        if lane is None:
            lane = self._lanes[job.next_hop] = Lane(job.next_hop, self._breaker)
        if len(lane.queue) >= lane.connections + self._batch:
            return False
        self._in_hand[job.letter_id] = job
        lane.add(job)
        self._employ(lane)
        return True

    def _employ(self, lane: Lane) -> None:
        """Start workers for the letters that wait in a lane, as many as may be under way."""
        hop = self._hops(lane.name)
        if hop is not None:
            self._transport(lane, hop)
        wanted = min(lane.width(self._clock()), lane.workers + len(lane.queue))
        while lane.workers < wanted:
            lane.workers += 1
            worker = asyncio.create_task(self._work(lane))
            self._workers.add(worker)
            worker.add_done_callback(self._workers.discard)

    async def _rest(self) -> None:
        """Until somebody wakes us, a lane has room again, or the poll time is over."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._poll):
                await self._changed.wait()

    async def _keep_leases(self) -> None:
        while True:
            await asyncio.sleep(self._renewal)
            jobs = tuple(self._in_hand.values())
            if jobs:
                try:
                    await self._store.extend(jobs, self._clock())
                except StoreError as error:
                    self._journal.trouble("store", error)

    # --- delivering ---

    async def _work(self, lane: Lane) -> None:
        """Hand on one letter after the other as long as some wait and as many may be under way."""
        try:
            while lane.queue and lane.workers <= lane.width(self._clock()):
                job = lane.queue.popleft()
                if lane.left_out and not lane.full:
                    lane.left_out = False
                    self._changed.set()
                await self._attempt(lane, job)
        finally:
            lane.workers -= 1
            if lane.queue and not lane.workers and not self._draining:
                self._employ(lane)

    async def _attempt(self, lane: Lane, job: Job) -> None:
        progress = Progress()
        try:
            tried = await self._try(lane, job, progress)
        except asyncio.CancelledError:
            result: Result = "unknown" if progress.said else "delayed"
            await self._end(job, _Tried(Sent(everyone(job, result, STOPPED))))
            raise
        except Exception as error:  # a letter that breaks us is held, and stops no other
            self._journal.trouble("relay", error, job.letter_id)
            broken: Result = "failed" if job.attempts + 1 >= FAULTS else "delayed"
            result = "unknown" if progress.said and job.kind == "acknowledgement" else broken
            tried = _Tried(Sent(everyone(job, result, OUR_TROUBLE)), only_hold=True)
        if lane.endings >= ENDINGS:
            await self._end(job, tried)  # a slow store slows deliveries down
            return
        # The connection need not wait for the disk; and the more end at once, the fewer syncs.
        lane.endings += 1
        ending = asyncio.create_task(self._end(job, tried))
        self._endings.add(ending)
        ending.add_done_callback(partial(self._ended, lane))

    def _ended(self, lane: Lane, ending: asyncio.Task[None]) -> None:
        lane.endings -= 1
        self._endings.discard(ending)
        error = None if ending.cancelled() else ending.exception()
        if error is not None:
            self._journal.trouble("relay", error)

    async def _try(self, lane: Lane, job: Job, progress: Progress) -> _Tried:
        hop = self._hops(job.next_hop)
        if hop is None:
            self._alert("next hop unknown", job.next_hop)
            return _Tried(Sent(everyone(job, "delayed", NO_SUCH_HOP)), only_hold=True)
        breaker = lane.breaker
        if not job.pressed and not breaker.lets_through(self._clock()):
            suspended = Sent(everyone(job, "delayed", SUSPENDED), hop_failed=True)
            return _Tried(suspended, breaker.until)
        transport = self._transport(lane, hop)
        try:
            sent = await transport.send(job, progress)
        except BaseException:
            breaker.abandoned()
            raise
        for remark in sent.remarks:
            self._journal.remarked(job.letter_id, job.next_hop, remark)
        self._judge(lane, sent)
        return _Tried(sent, breaker.until if sent.hop_failed else None)

    def _judge(self, lane: Lane, sent: Sent) -> None:
        """What an attempt says about the next hop."""
        if sent.hop_failed:
            if lane.breaker.failed(self._clock()):
                self._alert("next hop out of order", lane.name)
        elif lane.breaker.succeeded():
            self._journal.lifecycle("next hop answers again", next_hop=lane.name)
        else:
            return
        self._employ(lane)

    def _transport(self, lane: Lane, hop: NextHop) -> Transport:
        transport, old = lane.transport(hop, self._make_transport)
        if old is not None:
            farewell = asyncio.create_task(old.close())
            self._farewells.add(farewell)
            farewell.add_done_callback(self._farewells.discard)
        return transport

    def _default_transport(self, hop: NextHop) -> Transport:
        path = hop.maildir
        if path is None:
            return SmtpClient(hop, self._hostname)
        return Maildir(
            path,
            self._hostname,
            trouble=lambda error: self._journal.trouble("maildir", error),
            limit=hop.timeout.total_seconds(),
            threads=hop.connections,
        )

    # --- writing down ---

    async def _end(self, job: Job, tried: _Tried) -> None:
        """Settle an attempt; until that is on disk the lease is kept."""
        now = self._clock()
        settlement = self._conclude(job, tried, now)
        ended = _given_up(settlement)
        if ended and settlement.on_failure == "hold":
            told = any(letter.kind == "notice" for letter in settlement.notices)
            self._notices.noted(job.site, now, told=told)
        try:
            if await self._settle(job, settlement):
                self._tell(job, settlement, ended)
        finally:
            self._in_hand.pop(job.letter_id, None)

    def _conclude(self, job: Job, tried: _Tried, now: datetime) -> Settlement:
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
        )
        try:
            return after(attempt, self.policy)
        except Exception as error:  # the outcomes must be written down whatever breaks
            self._journal.trouble("relay", error, job.letter_id)
            return Settlement(tried.sent.outcomes, now + self.policy.retry.max)

    async def _settle(self, job: Job, settlement: Settlement) -> bool:
        """Write it down, however often that takes; False when it could not be done."""
        waits = iter(SETTLE_WAITS)
        while True:
            try:
                await self._store.settle(job, settlement, self._clock())
            except StoreError as error:
                self._journal.trouble("store", error, job.letter_id)
                if self._draining:
                    return False
                await asyncio.sleep(next(waits, SETTLE_WAITS[-1]))
            except Exception as error:  # a notice the store cannot keep must not cost the outcome
                self._journal.trouble("store", error, job.letter_id)
                if not settlement.notices:
                    return False
                settlement = replace(settlement, notices=())
            else:
                if settlement.notices or job.kind == "letter":
                    self._wake_soon()
                return True

    def _wake_soon(self) -> None:
        """What was written down may have made more due: notices, the letter's acknowledgement."""
        if self._soon is None:
            self._soon = asyncio.get_running_loop().call_later(SOON, self._woken)

    def _woken(self) -> None:
        self._soon = None
        self._changed.set()

    async def _give_back(self, jobs: Sequence[Job]) -> None:
        """They were claimed, but nothing was tried: due again at once."""
        if not jobs:
            return
        try:
            await self._store.give_back(jobs, self._clock())
        except StoreError as error:
            self._journal.trouble("store", error)
        for job in jobs:
            self._in_hand.pop(job.letter_id, None)

    def _tell(self, job: Job, settlement: Settlement, ended: Sequence[Outcome]) -> None:
        """The journal's lines about an attempt."""
        for outcome in settlement.outcomes:
            self._journal.delivered(
                job.letter_id, job.kind, job.next_hop, outcome.result, outcome.reply.code
            )
        if not ended:
            return
        if job.kind != "letter":
            self._alert(f"{job.kind} not delivered", job.site, id=job.letter_id)
        if settlement.on_failure == "hold":
            self._journal.held(job.letter_id, ended[0].reply.enhanced)

    def _alert(self, what: str, about: str, **facts: str | int) -> None:
        self._alerts.alert(what, self._clock(), about, **facts)


def _given_up(settlement: Settlement) -> Sequence[Outcome]:
    """Outcomes of recipients that are given up."""
    over = settlement.retry_at is None
    return [
        outcome
        for outcome in settlement.outcomes
        if outcome.result == "failed" or (over and outcome.result == "delayed")
    ]
