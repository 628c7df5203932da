"""A real gateway on loopback: its own DNS server, real SMTP in, real Maildirs out."""

from __future__ import annotations

import asyncio
import smtplib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from email.parser import BytesHeaderParser
from pathlib import Path

import pytest

from gateway.app import Gateway
from gateway.configuration import load
from gateway.settings import Settings, split_host_port

MAIN = """
hostname: mx1.test.example
listen: [{{protocol: smtp, address: "127.0.0.1:{port}"}}]
store: sqlite:gateway.db
dns: {{nameservers: ["{dns}"], timeout: 2s}}
administrator: admin@inside.example
{filters}
next_hops:
  mailbox: {{address: "maildir:mailbox"}}
  second: {{address: "maildir:second"}}
  outbound: {{address: "maildir:outbound"}}
{hops}sites: [shop.yaml, hosting.yaml]
{more}
"""
FILTERS = """
filters:
  - {use: spf}
  - {use: dkim}
  - {use: arc}
  - {use: dmarc}
  - {use: spam, model: spam, then: {spam: quarantine, unsure: tag}}
  - {use: tone, model: tone, then: {irate: tag}}
"""
SHOP = """
site: shop
domains: [shop.example]
name: The Shop
calendar: {timezone: UTC, hours: {mon-sun: "0:00-24:00"}}
next_hop: mailbox
signing: {domain: shop.example, selector: gw, key: !file shop.pem}
routes:
  - {name: billing, to: billing@shop.example, deliver_to: [accounts@inside.example],
     acknowledge: received, answer_within: 4h}
  - {name: silent, to: silent@shop.example}
  - {name: rest, to: "*@shop.example", acknowledge: received}
calls: {when: {tone: irate, at_least: 0.6}, notify: [oncall@inside.example]}
"""
HOSTING = """
site: hosting
domains: [hosting.example]
next_hop: second
routes: [{name: all, to: "*@hosting.example", acknowledge: received}]
"""
ANGRY = (
    "You lied to me. I was promised a refund twice and you people stole my money. This is the third"
    " time I write and nobody answers. I am disgusted, I will tell everyone and my lawyer will"
    " write to you next. Never again!\r\nJo Field\r\n+1 202 555 0143\r\n"
)
ZONE = {
    "author.example": {"TXT": ["v=spf1 ip4:127.0.0.1 -all"]},
    "_dmarc.author.example": {"TXT": ["v=DMARC1; p=none"]},
}


@dataclass
class Running:
    """A gateway that runs in this process, and ways to look at it."""

    gateway: Gateway
    folder: Path
    config: Path
    events: list[tuple[str, dict[str, object]]] = field(default_factory=list)

    @property
    def address(self) -> tuple[str, int]:
        return split_host_port(self.gateway.addresses[0])

    async def send(
        self,
        content: bytes,
        recipients: str | list[str] = "support@shop.example",
        sender: str = "jo@author.example",
        helo: str = "mail.author.example",
    ) -> tuple[int, str]:
        """One message over a connection of its own; gives the last reply."""
        return await asyncio.to_thread(
            send_blocking, self.address, content, recipients, sender, helo
        )

    async def delivered(self, name: str = "mailbox", count: int = 1) -> list[bytes]:
        """Wait until a Maildir holds so many files; gives their octets, oldest first."""
        new = self.folder / name / "new"

        async def look() -> list[bytes]:
            paths = sorted(new.glob("*"), key=lambda path: path.stat().st_mtime_ns)
            return [path.read_bytes() for path in paths]

        return await until(look, lambda found: len(found) >= count)

    async def settled(self) -> None:
        """Wait until nothing is owed."""
        states = ("queued", "active", "deferred", "waiting")
        await until(lambda: self.gateway.store.entries(states=states), lambda owed: not owed)


async def until(look: Callable[[], Awaitable[object]], good: Callable, seconds: float = 20.0):
    """Ask again until the answer is good; the last answer is in the failure."""
    found = None
    try:
        async with asyncio.timeout(seconds):
            while not good(found := await look()):  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.01)
    except TimeoutError:
        pytest.fail(f"still {found!r:.500} after {seconds} s")
    return found


def send_blocking(address, content, recipients, sender, helo="mail.author.example"):
    with smtplib.SMTP(*address, local_hostname=helo, timeout=30) as client:
        client.ehlo()
        code, answer = client.mail(sender)
        for recipient in [recipients] if isinstance(recipients, str) else recipients:
            if code == 250:
                code, answer = client.rcpt(recipient)
        if code == 250:
            code, answer = client.data(content)
        return code, answer.decode()


def header(octets: bytes, name: str) -> str | None:
    value = BytesHeaderParser().parsebytes(octets)[name]
    return None if value is None else " ".join(value.split())


def write_configuration(
    folder: Path, dns: str, key: bytes, *, filters: str = FILTERS, more: str = "",
    shop: str = SHOP, port: int = 0, hops: str = "",
) -> Path:  # fmt: skip
    (folder / "shop.pem").write_bytes(key)
    (folder / "shop.yaml").write_text(shop)
    (folder / "hosting.yaml").write_text(HOSTING)
    main = folder / "gateway.yaml"
    main.write_text(MAIN.format(dns=dns, filters=filters, more=more, port=port, hops=hops))
    return main


def settings_of(config: Path) -> Settings:
    loaded = load(config, {})
    assert loaded.settings is not None, [str(problem) for problem in loaded.problems]
    return loaded.settings
