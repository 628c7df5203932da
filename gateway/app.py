"""Starts the running gateway, stops it, and swaps its parts on reload.

A reload builds the new parts first and swaps them in one assignment; messages under way finish
with the parts they began with.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
from contextlib import AbstractContextManager, nullcontext, suppress
from datetime import datetime

from gateway.delivery import Policy as DeliveryPolicy
from gateway.delivery import longest_wait
from gateway.edge import clock
from gateway.edge.admission import Admission
from gateway.edge.budget import MemoryBudget
from gateway.edge.queue_id import PROCESSES, QueueIds
from gateway.edge.relay import Relay
from gateway.edge.share import share
from gateway.edge.smtpd import Receiver
from gateway.facts import dialling
from gateway.identity.dmarc_rows import counted
from gateway.intake import Intake, Suspects
from gateway.journal import Journal
from gateway.message import Arrival, Session, slices
from gateway.node import describe
from gateway.parts import Parts, build_parts, resolver_of, secrets_of
from gateway.reply import Reply
from gateway.reporting import Reporting
from gateway.settings import Settings
from gateway.store import StoreError
from gateway.store.opening import follow, open_store, state_folder
from gateway.text import language

BEAT = 5.0
"""Seconds between two heart beats; who misses several is taken for dead."""
ALERTS_EVERY = 10.0
"""Seconds between two looks for what the store has to tell."""
REPORTS_EVERY = 60.0
"""Seconds between two looks for DMARC reports that are due."""
CLEAN_EVERY = 3600.0
"""Seconds between two clean-ups of what has ended."""


class NoSuspects:
    """For a process without a supervisor: nothing is suspect."""

    def __init__(self) -> None:
        self.turn = asyncio.Lock()

    def suspect(self, digest: bytes) -> bool:
        return False

    def doubtful(self, digest: bytes) -> bool:
        return False

    def examining(self, digest: bytes) -> AbstractContextManager[None]:
        return nullcontext()


def digest(arrival: Arrival) -> bytes:
    found = hashlib.sha256()
    for octets in slices(arrival.content):
        found.update(octets)
    return found.digest()


def warm_up() -> None:
    """Load now what would hold the loop at the first message that needs it."""
    language.warm()
    dialling.read("+12125550142", ("US",), named=True)


def site_hops(settings: Settings) -> frozenset[str]:
    """The different next hops of all sites: asked for each message, and sites may be thousands."""
    return frozenset(site.next_hop for site in settings.sites)


class Gateway:
    """One running process: receivers, intake, relay, store."""

    def __init__(
        self,
        settings: Settings,
        journal: Journal,
        *,
        suspects: Suspects | None = None,
        configuration: str = "",
        workers: int = 1,
    ) -> None:
        """`configuration` is the digest of its files, for those who share the store.

        `workers`: how many processes share the limits of this machine, this one included.
        """
        self._workers = workers
        self._settings = settings
        self._site_hops = site_hops(settings)
        self._journal = journal
        self._suspects = suspects or NoSuspects()
        self._node = describe(settings, configuration, clock.now())
        self._tasks: list[asyncio.Task[None]] = []
        self._ids = QueueIds(secrets.randbelow(PROCESSES))
        self.addresses: list[str] = []

    async def start(self, *, reuse_port: bool = False) -> None:
        """Open the store, build the parts, serve. Raises what `gateway check` would tell."""
        settings = self._settings
        self.store = await open_store(settings)
        for remark in self.store.remarks:
            self._journal.lifecycle("store", text=remark)
        await self.store.reclaim()
        await self.store.beat(self._node, clock.now())
        self._resolver = resolver_of(settings)
        await asyncio.to_thread(warm_up)
        self._secrets = await secrets_of(settings, self.store)
        self._parts = await build_parts(settings, self._resolver, self._secrets, self._journal)
        self.relay = Relay(
            store=self.store,
            hops=lambda name: self._settings.next_hops.get(name),
            resolver=self._resolver,
            hostname=settings.hostname,
            policy=self._delivery(self._parts),
            journal=self._journal,
            clock=clock.now,
            processes=self._workers,
        )
        self._intake = self._build_intake(self._parts)
        self._receivers = self._build_receivers()
        # First the ports: who cannot have them must have nothing in hand when it ends.
        for receiver in self._receivers:
            self.addresses.append(await receiver.start(reuse_port=reuse_port))
        self._tasks.append(asyncio.create_task(self._beat(), name="heart beat"))
        self._tasks.append(asyncio.create_task(self.relay.run(), name="relay"))
        self._tasks.append(asyncio.create_task(self._clean(), name="clean-up"))
        self._tasks.append(asyncio.create_task(self._tell_alerts(), name="alerts"))
        self._tasks.append(asyncio.create_task(self._report(), name="reports"))
        self._journal.lifecycle("started", process=os.getpid())

    def _build_intake(self, parts: Parts) -> Intake:
        return Intake(
            pipeline=parts.pipeline,
            router=parts.router,
            composer=parts.composer,
            sealer=parts.sealer,
            store=self.store,
            journal=self._journal,
            suspects=self._suspects,
            digest=digest,
            bounds=parts.bounds,
            hops=parts.settings.limits.received,
            recall_limit=parts.settings.limits.recall,
            deliverer=self.relay,
            count=counted if parts.settings.dmarc_reports else None,
        )

    def _delivery(self, parts: Parts) -> DeliveryPolicy:
        """What follows from failure; reports of ours are signed like all our mail."""

        def sign(site: str, content: bytes) -> bytes:
            signer = parts.signers.get(site)
            return signer.sign(content, clock.now()) + content if signer else content

        return DeliveryPolicy.of(
            parts.settings, message_id=lambda id_: parts.ids.make(id_, "dsn"), sign=sign
        )

    def _build_receivers(self) -> list[Receiver]:
        settings = self._settings
        limits = share(settings.limits, self._workers)
        budget = MemoryBudget(limits.memory)
        admission = Admission(
            limits.connections, limits.connections_per_client, loopback=limits.loopback
        )
        spool = state_folder(settings) / "incoming"
        return [
            Receiver(
                listener=listener,
                hostname=settings.hostname,
                limits=limits,
                accept=self._accept,
                admit=self._admit,
                budget=budget,
                journal=self._journal,
                smtputf8=self._takes_utf8,
                spool=spool,
                clock=clock.now,
                admission=admission,
                ids=self._ids,
            )
            for listener in settings.listen
        ]

    def _takes_utf8(self) -> bool:
        """Announced only if every site's next hop was seen to offer it (decisions.md)."""
        return all(map(self.relay.takes_utf8, self._site_hops))

    async def _accept(self, arrival: Arrival) -> Reply:
        return await self._intake.accept(arrival)

    def _admit(self, recipient: str, session: Session) -> Reply | None:
        reply = self._parts.router.recipients.refusal(recipient)
        if reply is not None:
            self._journal.turned_away(session, reply, "recipient")
        return reply

    async def reload(self, settings: Settings, configuration: str = "") -> None:
        """Judge new mail by new settings; listeners, store and limits stay until a restart."""
        parts = await build_parts(settings, self._resolver, self._secrets, self._journal)
        for receiver in self._receivers:
            receiver.reload_tls()  # may fail, and then nothing is changed
        self._settings, self._parts = settings, parts
        self._site_hops = site_hops(settings)
        follow(self.store, settings)
        self._node = describe(settings, configuration, self._node.started)
        self._intake = self._build_intake(parts)
        self.relay.policy = self._delivery(parts)
        self._journal.lifecycle("reloaded")

    async def _beat(self) -> None:
        """Say that we live; take over what those had in hand who do not."""
        while True:
            await asyncio.sleep(BEAT)
            try:
                ended = await self.store.beat(self._node, clock.now())
            except Exception as error:  # whoever beats no more is taken for dead
                self._journal.trouble("heart beat", error)
                continue
            if ended:
                self._journal.alert("node died", leases=ended)
                self.relay.wake()
            await self._mind_the_clock()

    async def _mind_the_clock(self) -> None:
        """Mail kept while the clock was ahead must not lie until it is there again."""
        settings = self._settings
        try:
            hastened = await self.store.hasten(
                clock.now(), settings.acknowledgements.delay, longest_wait(settings.retry)
            )
        except Exception as error:  # the next look may go well
            self._journal.trouble("store", error)
            return
        if hastened:
            text = "the clock was set back, or retry.max made shorter: they are due now"
            self._journal.alert("letters waited too long", letters=hastened, text=text)
            self.relay.wake()

    async def _tell_alerts(self) -> None:
        """What the store found out and a person should know, each told once."""
        while True:
            await asyncio.sleep(ALERTS_EVERY)
            try:
                for note in await self.store.alerts():
                    self._journal.alert(note.event, id=note.who, text=note.text)
            except Exception as error:  # the next look may go well
                self._journal.trouble("store", error)

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(REPORTS_EVERY)
            try:
                await self.report(clock.now())
            except Exception as error:  # whatever broke one report, the others are not lost
                self._journal.trouble("reports", error)

    async def report(self, now: datetime) -> int:
        """Send the DMARC reports that are due, if the configuration wants any; gives how many."""
        wish = self._settings.dmarc_reports
        if wish is None:
            return 0
        reporting = Reporting(
            settings=self._settings,
            wish=wish,
            resolver=self._resolver,
            store=self.store,
            signers=self._parts.signers,
            ids=self._parts.ids,
            journal=self._journal,
            clock=clock.now,
            new_id=self._ids.next,
        )
        sent = await reporting.send_due(now)
        if sent:
            self.relay.wake()
        return sent

    async def _clean(self) -> None:
        while True:
            await asyncio.sleep(CLEAN_EVERY)
            try:
                await self.store.clean(clock.now(), quarantine=self._settings.quarantine.expire)
            except Exception as error:  # a file that cannot be removed ends no clean-up but this
                self._journal.trouble("clean-up", error)

    async def drain(self, seconds: float = 30.0) -> None:
        """Take no more, let what is under way finish, close. Safe to call once."""
        self._journal.lifecycle("draining")
        await asyncio.gather(*(receiver.drain(seconds) for receiver in self._receivers))
        await self.relay.drain(seconds)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with suppress(StoreError):
            await self.store.farewell()
        await self.store.close()
        await self._resolver.close()
        self._journal.lifecycle("stopped")
