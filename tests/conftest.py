"""For every test: hypothesis without deadlines, since CI machines are noisy; bounds are counted.

Also what many tests need: signing identities with their DNS records, and messages as they arrive.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

import pytest
from hypothesis import HealthCheck, settings

from gateway.identity.signing import Signer, make_key
from gateway.message import Arrival, Envelope, Message, Session
from gateway.parse import parse

settings.register_profile(
    "gateway", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("gateway")

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)


@dataclass(frozen=True)
class Identity:
    """A domain's signer, and the zone that publishes its key."""

    signer: Signer
    zone: dict[str, dict[str, list[str]]]

    def sign(self, content: bytes, now: datetime = NOW) -> bytes:
        return self.signer.sign(content, now) + content


@pytest.fixture(scope="session")
def key_pems() -> dict[str, bytes]:
    """One key of each kind for the whole run: making an RSA key is slow."""
    return {kind: make_key("shop.example", "gw", kind).pem for kind in ("rsa", "ed25519")}


@pytest.fixture(scope="session")
def identity(key_pems: dict[str, bytes]) -> Callable[..., Identity]:
    """`identity("shop.example", selector="gw", kind="rsa")` can sign for a domain."""

    @lru_cache
    def make(domain: str, selector: str = "gw", kind: str = "rsa") -> Identity:
        signer = Signer(domain, selector, key_pems[kind])
        return Identity(signer, {signer.record_name: {"TXT": [signer.key.record()]}})

    return make


@pytest.fixture(scope="session")
def arrive() -> Callable[..., Message]:
    """`arrive(content, client_ip=…, helo=…, reverse_path=…)`: a Message read from its octets."""

    def make(
        content: bytes,
        client_ip: str = "192.0.2.1",
        helo: str = "mail.shop.example",
        reverse_path: str = "jane@shop.example",
        time: datetime = NOW,
    ) -> Message:
        session, envelope = Session(client_ip, helo), Envelope(reverse_path, ("us@site.example",))
        return parse(Arrival("Q1", time, session, envelope, content))

    return make
