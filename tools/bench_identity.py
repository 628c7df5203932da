"""What knowing the sender costs, on one core with the DNS answers cached.

    python tools/bench_identity.py

Each figure is the median of many calls, in CPU time of this process.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from gateway.edge.dns import NetworkResolver
from gateway.edge.zone_server import serve_zone
from gateway.filters import Services, arc, dkim, dmarc, spf
from gateway.identity.dkim.verifier import verify
from gateway.identity.signing import Signer, make_key
from gateway.message import Arrival, Envelope, Message, Session
from gateway.parse import parse
from gateway.resolver import Zone

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
HEAD = (
    b"From: Jane <jane@shop.example>\r\nTo: us@site.example\r\nSubject: My order\r\n"
    b"Date: Mon, 23 Nov 2026 09:30:00 +0000\r\nMessage-ID: <1@shop.example>\r\n"
    b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
)
LINE = b"I chose free two-day shipping and got ground; where is  my order now? \r\n"
SPF = "v=spf1 include:a.example include:b.example include:c.example -all"
NETWORKS = " ".join(f"ip4:10.{n}.0.0/16" for n in range(12))
LIMITS = {"dkim rsa 6 KB": 250, "dkim rsa 1 MB": 6000, "sign rsa 6 KB": 500}
"""Microseconds that were asked for."""
HOLD = 50_000
"""Microseconds that nothing may hold the loop."""


def letter(size: int) -> bytes:
    return HEAD + LINE * (size // len(LINE))


def arrive(content: bytes) -> Message:
    session, envelope = Session("192.0.2.1", "mail.shop.example"), Envelope("jane@shop.example", ())
    return parse(Arrival("Q", NOW, session, envelope, content))


async def clock(name: str, call: Callable[[], Awaitable[object]], times: int) -> None:
    spent = []
    for _ in range(times):
        begin = time.process_time_ns()
        await call()
        spent.append((time.process_time_ns() - begin) / 1000)
    limit = f"  (limit {LIMITS[name]})" if name in LIMITS else ""
    print(f"{name:28} {statistics.median(spent):10.1f} us{limit}")


async def longest_hold(work: Awaitable[object]) -> float:
    """How long the loop stood still for everybody else meanwhile, in microseconds."""
    held = 0.0
    task = asyncio.ensure_future(work)
    while not task.done():
        begin = time.perf_counter()
        await asyncio.sleep(0)
        held = max(held, time.perf_counter() - begin)
    await task
    return held * 1e6


async def main() -> None:
    zone = {
        "shop.example": {"TXT": [SPF], "A": ["192.0.2.1"]},
        "a.example": {"TXT": [f"v=spf1 {NETWORKS} -all"]},
        "b.example": {"TXT": [f"v=spf1 {NETWORKS} -all"]},
        "c.example": {"TXT": [f"v=spf1 {NETWORKS} ip4:192.0.2.0/24 -all"]},
        "_dmarc.shop.example": {"TXT": ["v=DMARC1; p=reject"]},
    }
    signers = {}
    for kind in ("rsa", "ed25519"):
        key = make_key("shop.example", kind, kind)
        signers[kind] = Signer("shop.example", kind, key.pem)
        zone[key.name] = {"TXT": [key.record]}
    resolver = Zone(zone)
    for kind, signer in signers.items():
        for size, label in ((2_000, "2 KB"), (6_000, "6 KB"), (60_000, "60 KB"), (1 << 20, "1 MB")):
            content = letter(size)
            signed = signer.sign(content, NOW) + content
            # A new Message each time: what is canonicalised once must be paid once.
            messages = iter([arrive(signed) for _ in range(50)])
            await clock(f"dkim {kind} {label}", lambda m=messages: verify(next(m), resolver, 5), 50)
        plain = letter(6_000)

        async def sign(signer: Signer = signer, plain: bytes = plain) -> bytes:
            return signer.sign(plain, NOW)

        await clock(f"sign {kind} 6 KB", sign, 200)
    large = letter(50 << 20)
    message = arrive(signers["rsa"].sign(large, NOW) + large)
    held = await longest_hold(verify(message, resolver, 5))
    print(f"{'dkim rsa 50 MB, longest hold':28} {held:10.1f} us  (limit {HOLD})")
    signed = signers["rsa"].sign(letter(6_000), NOW) + letter(6_000)
    message = arrive(signed)

    async def anew(module: object, verdicts: dict[str, object]) -> object:
        filter_ = module.build({}, Services(resolver, None))  # type: ignore[attr-defined]
        return await filter_.examine(message, verdicts)

    await clock("spf, 3 includes, anew", lambda: anew(spf, {}), 500)
    remembering = spf.build({}, Services(resolver, None))
    await clock("spf, remembered", lambda: remembering.examine(message, {}), 500)
    verdicts = {"spf": await anew(spf, {}), "dkim": await anew(dkim, {})}
    await clock("dmarc, tree walk", lambda: anew(dmarc, verdicts), 500)
    await clock("arc, no chain", lambda: anew(arc, {}), 500)
    async with serve_zone(zone) as address:
        network = NetworkResolver([address], 5.0)
        names = iter(f"{n}.shop.example" for n in range(2000))
        await clock("dns, new name (with server)", lambda: network.query(next(names), "A"), 500)
        await clock("dns, cached", lambda: network.query("shop.example", "TXT"), 2000)
        await network.close()


if __name__ == "__main__":
    asyncio.run(main())
