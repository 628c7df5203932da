"""What judges a message, built from one configuration and replaced whole on reload."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from gateway.acknowledgement.message_ids import MessageIds
from gateway.acknowledgement.own import OwnIdentity, our_people
from gateway.acknowledgement.render import Templates
from gateway.compose import Composer
from gateway.edge.dns import NetworkResolver
from gateway.filters import Services
from gateway.filters.loading import load
from gateway.identity.signing import Signer
from gateway.identity.standing import mute_domains
from gateway.journal import Journal
from gateway.learning.scorer import Pool
from gateway.parse import Bounds
from gateway.pipeline import Pipeline
from gateway.resolver import Resolver
from gateway.routing.recipients import Recipients
from gateway.routing.router import Router
from gateway.sealing import Sealer
from gateway.settings import Limits, Settings
from gateway.stamp import Stamper
from gateway.store import Store


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
    own = OwnIdentity(recipients.is_ours, ids.looks_ours, mute, our_people(settings))
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
        load_scorer=Pool().load,
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
