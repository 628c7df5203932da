"""Straight to the mail servers of each recipient's domain, where no smart host is set."""

from __future__ import annotations

import ipaddress
import random
import ssl
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from gateway.domains import canonical_domain
from gateway.edge.mta_sts import PORT, StsPolicies
from gateway.edge.mx import Directory
from gateway.edge.smtp_client import Place, SmtpClient
from gateway.edge.smtp_tls import Contexts
from gateway.edge.smtp_wire import Trouble
from gateway.edge.transport import Progress, Sent
from gateway.reply import Reply
from gateway.resolver import Resolver
from gateway.settings import NextHop
from gateway.store import Job, Outcome

POLICY_UNMET = Reply(451, "4.7.5", "No mail server of the domain is one that its policy names")


class Atlas:
    """What is known of the ways out, shared by all transports of one next hop."""

    def __init__(
        self,
        hop: NextHop,
        hostname: str,
        resolver: Resolver,
        *,
        trust: ssl.SSLContext | None = None,
        web_trust: ssl.SSLContext | None = None,
        web_port: int = PORT,
    ) -> None:
        """`trust` verifies mail servers, `web_trust` those of policies, at `web_port`."""
        self._hop = hop
        self.contexts = Contexts(hop, trust)
        private = [ipaddress.ip_network(network) for network in hop.private]
        self._directory = Directory(resolver, hostname, random.random, private)
        self._policies = None
        if hop.mta_sts and hop.tls != "none":
            addresses = self._directory.addresses
            self._policies = StsPolicies(resolver, addresses, trust=web_trust, port=web_port)

    async def places(self, domain: str) -> Sequence[Place]:
        """Where mail for a domain may be handed over, best first. Raises Trouble, NoWay."""
        hosts = await self._directory.hosts(domain)
        tls = self._hop.tls
        policy = await self._policies.of(domain) if self._policies else None
        if policy is not None and policy.mode == "enforce":
            hosts = [host for host in hosts if policy.names(host.name)]
            tls = "required"
            if not hosts:
                raise Trouble(POLICY_UNMET, hop_failed=True)
        return [
            Place(address, self._hop.port, host.name, tls)
            for host in hosts
            for address in host.addresses
        ]


class Direct:
    """A Transport to the domains of the recipients; mostly there is one."""

    takes_utf8 = False

    def __init__(self, hop: NextHop, hostname: str, atlas: Atlas) -> None:
        self._hop = hop
        self._hostname = hostname
        self._atlas = atlas
        self._clients: dict[str, SmtpClient] = {}

    async def send(self, job: Job, progress: Progress) -> Sent:
        by_domain: dict[str, list[str]] = {}
        for recipient in job.recipients:
            by_domain.setdefault(domain_of(recipient), []).append(recipient)
        sent = [
            await self._client(domain).send(replace(job, recipients=tuple(recipients)), progress)
            for domain, recipients in by_domain.items()
        ]
        outcomes: dict[str, Outcome] = {
            outcome.recipient: outcome for each in sent for outcome in each.outcomes
        }
        return Sent(
            tuple(outcomes[recipient] for recipient in job.recipients),
            hop_failed=all(each.hop_failed for each in sent),
            remarks=tuple(remark for each in sent for remark in each.remarks),
            tells=all(each.tells for each in sent),
        )

    async def close(self) -> None:
        for client in self._clients.values():
            await client.close()

    def _client(self, domain: str) -> SmtpClient:
        client = self._clients.get(domain)
        if client is None:
            find = partial(self._atlas.places, domain)
            shared = self._atlas.contexts
            client = SmtpClient(self._hop, self._hostname, find=find, contexts=shared)
            self._clients[domain] = client
        return client


def domain_of(recipient: str) -> str:
    return canonical_domain(recipient.rpartition("@")[2])
