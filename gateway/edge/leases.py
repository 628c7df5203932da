"""The letters that are leased to this process: their leases are renewed until somebody ends them.

A lease that neither ends nor is renewed runs out: that is a strike for its letter, and the end of
an acknowledgement.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta

from gateway.journal import Journal
from gateway.store import Job, Store

STILL = timedelta(seconds=20)
"""Whoever stood still, or was cut off from the store, for so long may be taken for dead by other
nodes soon, and its letters given to others; that takes them half a minute at least
(`store/nodes.py`)."""


class Leases:
    """By letter id and lease."""

    def __init__(
        self,
        store: Store,
        journal: Journal,
        clock: Callable[[], datetime],
        *,
        renewal: timedelta,
        retry: float,
    ) -> None:
        """`renewal`: between renewals; `retry`: seconds between attempts at giving back."""
        self.patient = True
        """Try again while the store is in trouble; not when the process is to end."""
        self._store = store
        self._journal = journal
        self._clock = clock
        self._renewal = renewal
        self._retry = retry
        self._jobs: dict[tuple[str, str], Job] = {}
        self._renewed = self._heard = clock()
        self._asking = asyncio.Lock()

    def __len__(self) -> int:
        return len(self._jobs)

    def __contains__(self, job: Job) -> bool:
        return (job.letter_id, job.lease) in self._jobs

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(tuple(self._jobs))

    def add(self, job: Job) -> None:
        self._jobs[job.letter_id, job.lease] = job

    def ended(self, job: Job) -> None:
        self._jobs.pop((job.letter_id, job.lease), None)

    @property
    def missed(self) -> bool:
        """The machine stood still, or its clock jumped: a renewal was left out."""
        return abs(self._clock() - self._renewed) > 2 * self._renewal

    async def renew(self) -> bool:
        """Whether that could be done; what is ours no more is not among them any longer."""
        now, jobs = self._clock(), tuple(self._jobs.values())
        if jobs:
            try:
                over = await self._store.extend(jobs, now)
            except Exception as error:
                self._journal.trouble("store", error)
                return False
            for job in over:
                self.ended(job)
        self._renewed = self._heard = now
        return True

    def heard(self) -> None:
        """The store answered; that it did not for long is to be seen until the leases were looked
        at."""
        if not self.doubtful:
            self._heard = self._clock()

    @property
    def doubtful(self) -> bool:
        """We stood still or were cut off: what is in hand may be others' by now."""
        return abs(self._clock() - self._heard) > STILL

    async def ask(self) -> None:
        """Look whose they are, one of us for all; the store may be in trouble, so that whoever must
        know asks again."""
        async with self._asking:
            if self.doubtful and not await self.renew():
                await asyncio.sleep(self._retry)

    async def keep(self) -> None:
        """Renew them again and again, until cancelled."""
        while True:
            await asyncio.sleep(self._renewal.total_seconds())
            await self.renew()

    async def give_back(self, jobs: Sequence[Job], wait: timedelta = timedelta(0)) -> None:
        """They were claimed, but nothing was tried: due again at once, or after a while.

        It is tried until it is done; nothing else could be claimed meanwhile either.
        """
        while jobs:
            try:
                await self._store.give_back(jobs, self._clock() + wait)
                break
            except Exception as error:
                self._journal.trouble("store", error)
            if not self.patient:
                break  # this process ends, and others see that
            await asyncio.sleep(self._retry)
        for job in jobs:
            self.ended(job)
