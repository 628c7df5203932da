"""Builds every part from the settings, starts them, stops them, and swaps them on reload.

The only module that knows all the others. A reload builds the new parts first and swaps them in
one assignment; messages under way finish with the parts they began with.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import timedelta

from gateway.acknowledgement.decision import OwnIdentity
from gateway.acknowledgement.message_ids import MessageIds
from gateway.acknowledgement.render import Templates
from gateway.compose import Composer
from gateway.delivery import Policy as DeliveryPolicy
from gateway.edge import clock
from gateway.edge.admission import Admission
from gateway.edge.budget import MemoryBudget
from gateway.edge.dns import NetworkResolver
from gateway.edge.queue_id import PROCESSES, QueueIds
from gateway.edge.relay import Relay
from gateway.edge.smtpd import Receiver
from gateway.facts import dialling
from gateway.filters import Services
from gateway.filters.loading import load
from gateway.identity.signing import Signer
from gateway.identity.standing import mute_domains
from gateway.intake import Intake, Suspects
from gateway.journal import Journal
from gateway.learning.scorer import load_shared
from gateway.message import Arrival, Session
from gateway.parse import Bounds, parse
from gateway.pipeline import Pipeline
from gateway.plan import Acknowledgement, Letter, Plan
from gateway.reply import Reply
from gateway.resolver import Resolver
from gateway.routing.recipients import Recipients
from gateway.routing.router import Router
from gateway.sealing import Sealer
from gateway.settings import Limits, Settings
from gateway.stamp import Stamper
from gateway.store import Store, StoreError
from gateway.store.opening import open_store, store_path
from gateway.text import language

ACKNOWLEDGE_WITHIN = timedelta(hours=4)
"""An acknowledgement of what lay in the quarantine for longer would only puzzle."""
ALERTS_EVERY = 10.0
"""Seconds between two looks for what the store has to tell."""
CLEAN_EVERY = 3600.0
"""Seconds between two clean-ups of what has ended."""


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything that judges a message: built from one configuration, replaced whole."""

    settings: Settings
    bounds: Bounds
    pipeline: Pipeline
    router: Router
    stamper: Stamper
    composer: Composer
    sealer: Sealer
    ids: MessageIds
    signers: Mapping[str, Signer]


class NoSuspects:
    """For a process without a supervisor: nothing is suspect."""

    def suspect(self, digest: bytes) -> bool:
        return False

    def examining(self, digest: bytes) -> AbstractContextManager[None]:
        return nullcontext()


async def build_parts(
    settings: Settings, resolver: Resolver, secrets: Sequence[bytes], journal: Journal
) -> Parts:
    """Build what judges messages. Raises FilterError, ValueError, OSError with the mend."""
    mute = await mute_domains(settings.sites, resolver)
    return assemble(settings, resolver, secrets, journal, mute)


def assemble(
    settings: Settings,
    resolver: Resolver,
    secrets: Sequence[bytes],
    journal: Journal,
    mute: frozenset[str] = frozenset(),
) -> Parts:
    filters = load(settings.filters, _services(settings, resolver))
    ids = MessageIds(secrets, settings.hostname)
    keys = signers(settings)
    recipients = Recipients(settings.sites, listed_recipients(settings))
    own = OwnIdentity(recipients.is_ours, ids.looks_ours, mute)
    stamper = Stamper(
        hostname=settings.hostname,
        header_tags={site.site: site.tags.headers for site in settings.sites},
        subject_tags={site.site: site.tags.subject for site in settings.sites},
        thresholds={site.site: site.thresholds.spam for site in settings.sites},
    )
    return Parts(
        settings=settings,
        bounds=bounds(settings.limits),
        pipeline=Pipeline(
            filters,
            {use.use: use.time_limit.total_seconds() for use in settings.filters},
            journal.trouble,
            time.perf_counter,
        ),
        router=Router(settings, recipients, own),
        stamper=stamper,
        composer=Composer(
            settings=settings,
            stamper=stamper,
            templates=Templates.load(settings),
            ids=ids,
            signers=keys,
        ),
        sealer=Sealer(keys, settings.hostname),
        ids=ids,
        signers=keys,
    )


def bounds(limits: Limits) -> Bounds:
    return Bounds(
        text=limits.text,
        fields=limits.fields,
        parts=limits.parts,
        depth=limits.depth,
        links=limits.links,
    )


def signers(settings: Settings) -> Mapping[str, Signer]:
    """The DKIM signer of each site that has one. Raises ValueError for an unreadable key."""
    return {
        site.site: Signer(
            site.signing.domain, site.signing.selector, site.signing.key.get_secret_value()
        )
        for site in settings.sites
        if site.signing
    }


def listed_recipients(settings: Settings) -> Mapping[str, Iterable[str]]:
    """The addresses of each site's recipients file: one a line, `#` begins a comment."""
    return {
        site.site: tuple(
            line.partition("#")[0].strip()
            for line in site.recipients.file.read_text("utf-8").splitlines()
            if line.partition("#")[0].strip()
        )
        for site in settings.sites
        if site.recipients.file
    }


def _services(settings: Settings, resolver: Resolver) -> Services:
    limits = settings.limits
    return Services(
        resolver=resolver,
        load_scorer=load_shared,
        hostname=settings.hostname,
        trusted_sealers=settings.trusted_sealers,
        organisational_domain=settings.organisational_domain,
        limits={"signatures": limits.signatures, "text": limits.text, "links": limits.links},
    )


def resolver_of(settings: Settings) -> NetworkResolver:
    return NetworkResolver(settings.dns.nameservers, settings.dns.timeout.total_seconds())


async def secrets_of(settings: Settings, store: Store) -> tuple[bytes, ...]:
    """The secrets of the YAML, the signing one first, or the store's own."""
    given = settings.secret
    if given is None:
        return (await store.secret(),)
    several = given if isinstance(given, tuple) else (given,)
    return tuple(secret.get_secret_value().encode() for secret in several)


def digest(arrival: Arrival) -> bytes:
    return hashlib.sha256(arrival.content).digest()


def warm_up() -> None:
    """Load now what would hold the loop at the first message that needs it."""
    language.warm()
    dialling.read("+12125550142", ("US",), named=True)


class Gateway:
    """One running process: receivers, intake, relay, store."""

    def __init__(
        self, settings: Settings, journal: Journal, *, suspects: Suspects | None = None
    ) -> None:
        self._settings = settings
        self._journal = journal
        self._suspects = suspects or NoSuspects()
        self._tasks: list[asyncio.Task[None]] = []
        self.addresses: list[str] = []

    async def start(self, *, reuse_port: bool = False) -> None:
        """Open the store, build the parts, serve. Raises what `gateway check` would tell."""
        settings = self._settings
        self.store = await open_store(settings)
        await self.store.reclaim()
        self._resolver = resolver_of(settings)
        await asyncio.to_thread(warm_up)
        self._secrets = await secrets_of(settings, self.store)
        self._parts = await build_parts(settings, self._resolver, self._secrets, self._journal)
        self.relay = Relay(
            store=self.store,
            hops=lambda name: self._settings.next_hops.get(name),
            hostname=settings.hostname,
            policy=self._delivery(self._parts),
            journal=self._journal,
            clock=clock.now,
        )
        self._intake = self._build_intake(self._parts)
        self._receivers = self._build_receivers()
        self._tasks.append(asyncio.create_task(self.relay.run(), name="relay"))
        self._tasks.append(asyncio.create_task(self._clean(), name="clean-up"))
        self._tasks.append(asyncio.create_task(self._tell_alerts(), name="alerts"))
        for receiver in self._receivers:
            self.addresses.append(await receiver.start(reuse_port=reuse_port))
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
            clock=clock.now,
            kept=self.relay.wake,
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
        limits = settings.limits
        budget = MemoryBudget(limits.memory)
        admission = Admission(
            limits.connections, limits.connections_per_client, loopback=limits.loopback
        )
        ids = QueueIds(secrets.randbelow(PROCESSES))
        spool = store_path(settings).parent / "incoming"
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
                ids=ids,
            )
            for listener in settings.listen
        ]

    def _takes_utf8(self) -> bool:
        """Announced only if every site's next hop was seen to offer it (decisions.md)."""
        return all(self.relay.takes_utf8(site.next_hop) for site in self._settings.sites)

    async def _accept(self, arrival: Arrival) -> Reply:
        return await self._intake.accept(arrival)

    def _admit(self, recipient: str, session: Session) -> Reply | None:
        reply = self._parts.router.recipients.refusal(recipient)
        if reply is not None:
            self._journal.turned_away(session, reply, "recipient")
        return reply

    async def reload(self, settings: Settings) -> None:
        """Judge new mail by new settings; listeners, store and limits stay until a restart."""
        parts = await build_parts(settings, self._resolver, self._secrets, self._journal)
        self._settings, self._parts = settings, parts
        self._intake = self._build_intake(parts)
        self.relay.policy = self._delivery(parts)
        for receiver in self._receivers:
            receiver.reload_tls()
        self._journal.lifecycle("reloaded")

    async def _tell_alerts(self) -> None:
        """What the store found out and a person should know, each told once."""
        while True:
            await asyncio.sleep(ALERTS_EVERY)
            try:
                for note in await self.store.alerts():
                    self._journal.alert(note.event, id=note.who, text=note.text)
            except StoreError as error:
                self._journal.trouble("store", error)

    async def _clean(self) -> None:
        while True:
            await asyncio.sleep(CLEAN_EVERY)
            try:
                await self.store.clean(clock.now(), quarantine=self._settings.quarantine.expire)
            except StoreError as error:
                self._journal.trouble("clean-up", error)

    async def drain(self, seconds: float = 30.0) -> None:
        """Take no more, let what is under way finish, close. Safe to call once."""
        self._journal.lifecycle("draining")
        await asyncio.gather(*(receiver.drain(seconds) for receiver in self._receivers))
        await self.relay.drain(seconds)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.store.close()
        await self._resolver.close()
        self._journal.lifecycle("stopped")


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
        letters, plan = await _what_follows(parts, store, quarantined.pop())
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
    letters, plan = parts.composer.compose(message, verdicts, plan, history)
    letters = await parts.sealer.seal(message, verdicts, letters)
    await store.release_raw(queue_id, letters, plan, who, now)


async def _what_follows(
    parts: Parts, store: Store, queue_id: str
) -> tuple[Sequence[Letter], Plan | None]:
    """The card and the acknowledgement that a letter's way out of the quarantine brings about."""
    arrival = await store.original(queue_id)
    if arrival is None:
        return (), None
    now = clock.now()
    message = parse(arrival, parts.bounds)
    history = replace(await store.recall(message, now), copy=False)
    verdicts, _ = await parts.pipeline.examine(message)
    plan = parts.router.plan(message, verdicts, history, now, released=True)
    if now - arrival.time > ACKNOWLEDGE_WITHIN:
        plan = silenced(plan)
    letters, plan = parts.composer.compose(message, verdicts, plan, history)
    return [letter for letter in letters if letter.own is not None], plan


def silenced(plan: Plan) -> Plan:
    """The same plan without an acknowledgement: it would come too late to help."""
    late = Acknowledgement(reason="policy", reasons=("policy",))
    return replace(plan, groups=tuple(replace(g, acknowledgement=late) for g in plan.groups))
