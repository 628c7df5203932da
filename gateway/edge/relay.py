"""Delivers what the store holds: claims letters that are due and hands them to their next hops.

Each next hop has a lane of its own with as many workers as it may have connections, so one that
hangs or is down holds up nobody else. All states live in the store; what is in memory here
(breakers, kept connections, the letters in hand) may be lost at any time.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime, timedelta
from functools import partial

from gateway.delivery import Policy
from gateway.edge.book import Book, Tried
from gateway.edge.breaker import BreakerPolicy
from gateway.edge.courier import Courier, Transports
from gateway.edge.lane import Lane
from gateway.edge.lanes import Lanes
from gateway.edge.leases import Leases
from gateway.edge.limiter import AlertLimiter
from gateway.edge.straight_way import StraightWay
from gateway.edge.transport import Progress, Result, Sent, Transport, the_others
from gateway.journal import Journal
from gateway.plan import Letter
from gateway.reply import OUR_TROUBLE, Reply
from gateway.resolver import Resolver
from gateway.settings import NextHop
from gateway.store import Job, Store

BATCH = 128
"""Letters claimed at a time."""
ENDINGS = 32
"""Attempts of one lane whose outcome may be on its way to the disk while the next one begins."""
POLL = 1.0
"""Seconds after which the store is asked even if nobody woke us: other processes change it too."""
OTHERS = 3
"""Poll times in which all who share our clock have seen that it jumped."""
SOON = 0.02
"""Seconds for which the ends of letters are gathered before the store is asked what follows."""
RENEWAL = 60.0
"""Seconds between renewals of the leases in hand."""
LATER = timedelta(minutes=1)
"""How long letters are put off for whose domain enough wait already."""
IN_HAND = 512
"""Letters in hand, beyond which none comes straight from its keeper."""
FAULTS = 3
"""Attempts that may end in a fault of ours before the letter is held."""

TAKEN_OVER = "we were away, and its lease is over: whoever has it now delivers it"
STOPPED = Reply(451, "4.3.2", "The gateway was stopped during delivery")


class Relay:
    """The deliver stop. `policy` may be replaced at any time, as on reload.

    `hops` gives a next hop's present configuration by name, None when there is none any more.
    `transport` makes the way to a next hop; by default SMTP, LMTP or a Maildir by its address, and
    with `resolver` straight to the recipients' domains. `processes` share the store's letters.
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
        resolver: Resolver | None = None,
        breaker: BreakerPolicy | None = None,
        batch: int = BATCH,
        poll: float = POLL,
        renewal: float = RENEWAL,
        processes: int = 1,
    ) -> None:
        self._store = store
        self._hops = hops
        self._journal = journal
        self._clock = clock
        self._batch = batch
        self._poll = poll
        self._renewal = timedelta(seconds=renewal)
        self._lanes = Lanes(breaker or BreakerPolicy(), batch)
        self._in_hand = Leases(store, journal, clock, renewal=self._renewal, retry=poll)
        self._straight = StraightWay(
            self._lanes, hops, room=lambda: IN_HAND - len(self._in_hand), ask=self.wake
        )
        self._workers: set[asyncio.Task[None]] = set()
        self._endings: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self._soon: asyncio.TimerHandle | None = None
        self._draining = False
        self._claiming = asyncio.Lock()
        """Held while letters are leased and not yet handed out: a drain waits for it."""
        alerts = AlertLimiter(journal)
        self._courier = Courier(
            hops=hops,
            transport=transport or Transports(hostname, journal, resolver),
            journal=journal,
            alerts=alerts,
            clock=clock,
            recovered=self._employ,
        )
        self._book = Book(
            store=store,
            policy=policy,
            journal=journal,
            alerts=alerts,
            clock=clock,
            chance=chance,
            processes=processes,
        )

    # --- the face ---

    @property
    def policy(self) -> Policy:
        return self._book.policy

    @policy.setter
    def policy(self, policy: Policy) -> None:
        self._book.policy = policy

    def wake(self) -> None:
        """New mail was kept, or something was made due: look at once."""
        self._changed.set()

    def takes_utf8(self, name: str) -> bool:
        """Whether a next hop was seen to take internationalised addresses; a Maildir always does.

        Before anything was delivered there, nothing was seen: no.
        """
        hop, lane = self._hops(name), self._lanes.find(name)
        return (hop is not None and hop.maildir is not None) or (
            lane is not None and lane.takes_utf8
        )

    # --- letters that come straight ---

    def offer(self, letters: Sequence[Letter], arrived: datetime) -> frozenset[str]:
        """Ids of letters that are to be leased to us as they are kept, for which room is held.

        Whoever asks says `kept` or `withdraw` in any case. Nothing goes straight while we drain, or
        when it took so long to keep that its lease would be half over.
        """
        if self._draining or self._clock() - arrived > self._renewal:
            return frozenset()
        return self._straight.offer(letters)

    def withdraw(self, letters: Sequence[Letter]) -> None:
        """They were not kept, or nobody knows."""
        self._straight.withdraw(letters)

    def kept(self, letters: Sequence[Letter], jobs: Sequence[Job]) -> None:
        """These letters are on disk, and of them these are leased to us."""
        if self._draining:
            self._begin_ending(self._in_hand.give_back(jobs))
            jobs = ()
        straight = set[str]()
        for job in jobs:
            lane = self._straight.lane(job.letter_id)
            if lane is not None:
                straight.add(job.letter_id)
                self._put(lane, job)
        self.withdraw(letters)
        if any(
            letter.id not in straight and not letter.hold and not letter.waits_for
            for letter in letters
        ):
            self._changed.set()

    # --- the way of all letters ---

    async def run(self) -> None:
        """Deliver until cancelled or drained."""
        keeper = asyncio.create_task(self._in_hand.keep(), name="leases")
        try:
            while not self._draining:
                self._changed.clear()
                more = False
                try:
                    async with self._claiming:
                        more = await self._claim()
                except Exception as error:  # whatever it was, the next letters are to go out
                    self._journal.trouble("relay", error)
                if not more:
                    await self._rest()
        finally:
            keeper.cancel()

    async def drain(self, seconds: float) -> None:
        """Claim no more, give back what has not begun, let the rest end within `seconds`."""
        end = asyncio.get_running_loop().time() + seconds
        self._draining = True
        self._book.patient = self._in_hand.patient = False
        self._changed.set()
        async with self._claiming:
            pass  # what a claim under way has leased is given back, not forgotten
        await self._straight.drain(end)  # and so is what is just being kept
        waiting = [job for lane in self._lanes for job in lane.queue]
        for lane in self._lanes:
            lane.queue.clear()
        await self._in_hand.give_back(waiting)
        workers = set(self._workers)
        if workers:
            left = max(0.0, end - asyncio.get_running_loop().time())
            _, late = await asyncio.wait(workers, timeout=left)
            for worker in late:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
        await asyncio.gather(*self._endings, return_exceptions=True)
        if self._soon is not None:
            self._soon.cancel()
        await self._courier.close(self._lanes)

    # --- claiming ---

    async def _claim(self) -> bool:
        """Hand out letters that are due; whether it is worth asking again at once."""
        for lane in self._lanes.take_idle():
            self._courier.part_from(lane)
        if self._in_hand.missed:
            # What is in our hands is still ours, and what is in others' is theirs. Each of them
            # finds it out within its poll time.
            await self._in_hand.renew()
            await asyncio.sleep(OTHERS * self._poll)
        but_not = self._lanes.mark_full()
        self._lanes.asking()
        try:
            jobs = await self._store.claim(self._clock(), self._batch, but_not=but_not)
        except Exception as error:  # the relay must outlive whatever the store does
            self._journal.trouble("store", error)
            await asyncio.sleep(self._poll)
            return False
        self._in_hand.heard()
        if self._draining:
            await self._in_hand.give_back(jobs)
            return False
        excess = [job for job in jobs if not self._hand_out(job)]
        direct = {job.letter_id for job in excess if self._courier.domain(job)}
        await self._in_hand.give_back([job for job in excess if job.letter_id not in direct])
        await self._in_hand.give_back([job for job in excess if job.letter_id in direct], LATER)
        self._lanes.answered(everything=len(jobs) < self._batch and not excess)
        return len(jobs) >= self._batch and not excess

    def _hand_out(self, job: Job) -> bool:
        """Put a letter into its lane; False if that is too full even for one that is pressed."""
        lane = self._lanes.with_room(job.next_hop, self._courier.domain(job))
        if lane is None:
            return False
        self._put(lane, job)
        return True

    def _put(self, lane: Lane, job: Job) -> None:
        self._in_hand.add(job)
        lane.add(job)
        self._employ(lane)

    def _employ(self, lane: Lane) -> None:
        """Start workers for the letters that wait in a lane, as many as may be under way."""
        try:
            self._courier.look_up(lane)
        except Exception as error:  # the attempt meets it too, and holds its letter
            self._journal.trouble("relay", error)
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

    # --- delivering ---

    async def _work(self, lane: Lane) -> None:
        """Hand on one letter after the other as long as some wait and as many may be under way."""
        try:
            while lane.queue and lane.workers <= lane.width(self._clock()):
                if self._in_hand.doubtful:
                    await self._in_hand.ask()
                    continue
                job = lane.queue.popleft()
                if lane.left_out and not self._lanes.is_full(lane):
                    lane.left_out = False
                    self._changed.set()
                if job in self._in_hand:
                    await self._attempt(lane, job)
                else:
                    self._journal.remarked(job.letter_id, lane.name, TAKEN_OVER)
        finally:
            lane.workers -= 1
            if lane.queue and not lane.workers and not self._draining:
                self._employ(lane)

    async def _attempt(self, lane: Lane, job: Job) -> None:
        progress = Progress()
        try:
            tried = await self._courier.carry(lane, job, progress)
        except asyncio.CancelledError:
            result: Result = "unknown" if progress.said else "delayed"
            await self._end(job, Tried(Sent(the_others(job, progress, result, STOPPED))))
            raise
        except Exception as error:  # a letter that breaks us is held, and stops no other
            self._journal.trouble("relay", error, job.letter_id)
            broken: Result = "failed" if job.attempts + 1 >= FAULTS else "delayed"
            result = "unknown" if progress.said and job.kind == "acknowledgement" else broken
            sent = Sent(the_others(job, progress, result, OUR_TROUBLE))
            tried = Tried(sent, only_hold=True)
        # The connection need not wait for the disk; and the more end at once, the fewer syncs.
        lane.endings += 1
        ending = self._begin_ending(self._end(job, tried), lane)
        if lane.endings > ENDINGS:  # a slow store slows deliveries down
            await asyncio.wait([ending])  # and what was seen is written down, whoever is cancelled

    def _begin_ending(
        self, work: Coroutine[None, None, None], lane: Lane | None = None
    ) -> asyncio.Task[None]:
        ending = asyncio.create_task(work)
        self._endings.add(ending)
        ending.add_done_callback(partial(self._ended, lane))
        return ending

    def _ended(self, lane: Lane | None, ending: asyncio.Task[None]) -> None:
        if lane is not None:
            lane.endings -= 1
        self._endings.discard(ending)
        error = None if ending.cancelled() else ending.exception()
        if error is not None:
            self._journal.trouble("relay", error)

    # --- ending ---

    async def _end(self, job: Job, tried: Tried) -> None:
        """Write an attempt down; until that is on disk the lease is kept."""
        try:
            more = await self._book.enter(job, tried)
        finally:
            self._in_hand.ended(job)
        if more:
            self._wake_soon()

    def _wake_soon(self) -> None:
        """What was written down may have made more due: notices, the letter's acknowledgement."""
        if self._soon is None:
            self._soon = asyncio.get_running_loop().call_later(SOON, self._woken)

    def _woken(self) -> None:
        self._soon = None
        self._changed.set()
