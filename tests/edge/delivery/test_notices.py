"""Delivery status notices as a client asks for them (RFC 3461), over real sockets."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from email import message_from_bytes
from typing import Any

import pytest
from support.deliveries import Bench

from gateway.edge import limiter
from gateway.edge.book import UNTOLD, UNWARNED
from gateway.message import Wishes

SUPPORT = "support@shop.example"
WISHES = Wishes("HDRS", "QQ+2B1", ((SUPPORT, "SUCCESS,FAILURE", "rfc822;help@shop.example"),))


class Listening:
    """A next hop that knows DSN and notes the commands it hears."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hop.example\r\n")
        while line := await reader.readline():
            command = line.decode().strip()
            self.heard.append(command)
            verb = command.partition(" ")[0]
            if verb == "EHLO":
                writer.write(b"250-hop.example\r\n250-PIPELINING\r\n250 DSN\r\n")
            elif verb == "DATA":
                writer.write(b"354 go on\r\n")
                await reader.readuntil(b"\r\n.\r\n")
                writer.write(b"250 2.0.0 taken\r\n")
            else:
                writer.write(b"250 2.0.0 ok\r\n")


def fields(notice: bytes) -> list[dict[str, str]]:
    """The groups of a notice's fields for programs."""
    part: Any = message_from_bytes(notice).get_payload(1)
    return [dict(group.items()) for group in part.get_payload()]


async def settled(bench: Bench, count: int) -> None:
    """So many deliveries of letters were told, and no notice is left to send."""
    await bench.until("delivery", count, kind="letter")
    async with asyncio.timeout(10):
        bench.told.clear()  # before the store is asked: the last may be told meanwhile
        while await bench.store.entries(states=("queued", "active")):
            await bench.told.wait()
            bench.told.clear()


async def test_a_next_hop_that_knows_dsn_is_told_and_tells(bench, hops):
    listening, outbound = Listening(), await hops.start()
    bench.add_hop("mailbox", await hops.raw(listening))
    bench.add_hop("outbound", outbound.address)
    await bench.keep("mailbox", answerable=True, wishes=WISHES)
    async with bench.running():
        await settled(bench, 1)
    assert [line for line in listening.heard if line.startswith(("MAIL", "RCPT"))] == [
        "MAIL FROM:<jane@customer.example> RET=HDRS ENVID=QQ+2B1",
        f"RCPT TO:<{SUPPORT}> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;help@shop.example",
    ]
    assert outbound.taken == []


async def test_mail_of_our_own_asks_for_nothing(bench, hops):
    listening = Listening()
    bench.add_hop("outbound", await hops.raw(listening))
    await bench.keep_own("outbound", "acknowledgement")
    async with bench.running():
        await bench.until("delivery", outcome="relayed")
    assert "RCPT TO:<x@customer.example>" in listening.heard


@pytest.mark.parametrize(("lmtp", "action"), [(False, "relayed"), (True, "delivered")])
async def test_success_where_the_next_hop_tells_nobody(bench, hops, lmtp, action):
    hop, outbound = await hops.start(lmtp=lmtp), await hops.start()
    bench.add_hop("mailbox", hop.address)
    bench.add_hop("outbound", outbound.address)
    await bench.keep("mailbox", answerable=True, wishes=WISHES)
    async with bench.running():
        (notice,) = await outbound.letters(1)
    assert notice.sender in ("", "<>")
    assert notice.recipients == ["jane@customer.example"]
    of_message, of_recipient = fields(notice.content)
    assert of_message["Original-Envelope-Id"] == "QQ+1"
    assert of_recipient["Action"] == action
    assert of_recipient["Original-Recipient"] == "rfc822; help@shop.example"
    assert of_recipient["Final-Recipient"] == f"rfc822; {SUPPORT}"
    assert of_recipient["Status"] == "2.0.0"
    assert notice.content.count(b"A line.") == 0


async def test_success_in_a_maildir_is_a_delivery(bench, hops, tmp_path):
    outbound = await hops.start()
    bench.add_hop("mailbox", f"maildir:{tmp_path}/mail")
    bench.add_hop("outbound", outbound.address)
    await bench.keep("mailbox", answerable=True, wishes=WISHES)
    async with bench.running():
        (notice,) = await outbound.letters(1)
    assert fields(notice.content)[1]["Action"] == "delivered"


async def test_a_forged_sender_is_told_nothing_whatever_is_asked_for(bench, hops):
    """Success, delay and failure of letters whose reverse-path is not proven: no backscatter."""
    good, outbound = await hops.start(), await hops.start()
    bad = await hops.start(on_rcpt=refusing)
    for name, hop in (("good", good), ("bad", bad), ("outbound", outbound)):
        bench.add_hop(name, hop.address)
    bench.add_hop("silent", "smtp://127.0.0.1:1")
    bench.site = {"on_refusal": "dsn"}
    asked = Wishes("FULL", "x", ((SUPPORT, "SUCCESS,FAILURE,DELAY", ""),))
    for name in ("good", "bad", "silent"):
        await bench.keep(name, wishes=asked)
    async with bench.running() as relay:
        await settled(bench, 3)
        bench.now += timedelta(hours=5)
        relay.wake()
        await settled(bench, 4)
    assert outbound.taken == []
    assert [entry.kind for entry in await bench.store.entries() if entry.kind == "dsn"] == []


async def refusing(_address: str) -> str:
    return "550 5.1.1 no such mailbox"


async def test_who_wants_no_notice_gets_none_and_the_letter_is_held(bench, hops):
    bad, outbound = await hops.start(on_rcpt=refusing), await hops.start()
    bench.add_hop("bad", bad.address)
    bench.add_hop("outbound", outbound.address)
    bench.site = {"on_refusal": "dsn"}
    others = ("a@shop.example", "b@shop.example")
    never = Wishes(recipients=(("a@shop.example", "NEVER", ""),))
    letter = await bench.keep("bad", *others, answerable=True, wishes=never)
    async with bench.running():
        (notice,) = await outbound.letters(1)
    assert dict((await bench.entry(letter)).recipients) == {
        "a@shop.example": "held", "b@shop.example": "failed",
    }  # fmt: skip
    assert [group["Final-Recipient"] for group in fields(notice.content)[1:]] == [
        "rfc822; b@shop.example"
    ]
    balance = await bench.store.balance()
    assert (balance.bounced, balance.held, balance.balanced) == (1, 1, True)


async def test_a_late_letter_is_told_of_once(bench, hops):
    busy = await hops.start(on_mail=busy_now)
    outbound = await hops.start()
    bench.add_hop("mailbox", busy.address)
    bench.add_hop("outbound", outbound.address)
    await bench.keep("mailbox", answerable=True)
    async with bench.running() as relay:
        for count in range(1, 8):
            await settled(bench, count)
            bench.now += timedelta(hours=2)
            relay.wake()
        await settled(bench, 8)
    (notice,) = outbound.taken
    of_recipient = fields(notice.content)[1]
    assert of_recipient["Action"] == "delayed"
    assert of_recipient["Status"] == "4.7.1"
    assert of_recipient["Will-Retry-Until"] == "Sun, 29 Nov 2026 08:00:00 +0000"
    assert len(bench.told_of("alert", what="letters are late", about="mailbox")) == 1


async def test_an_outage_makes_no_flood_of_warnings(bench, hops, monkeypatch):
    """Nobody is told of each of their letters, nor everybody of one; each is written down."""
    monkeypatch.setattr(limiter, "WARNINGS", 4)
    monkeypatch.setattr(limiter, "WARNINGS_TO_ONE", 2)
    busy = await hops.start(on_mail=busy_now)
    outbound = await hops.start()
    bench.add_hop("mailbox", busy.address)
    bench.add_hop("outbound", outbound.address)
    senders = ["jane@customer.example", "JANE@customer.example"] * 3
    senders += [f"c{n}@customer.example" for n in range(5)]
    for sender in senders:
        await bench.keep("mailbox", answerable=True, reverse_path=sender)
    async with bench.running() as relay:
        await settled(bench, 11)
        bench.now += timedelta(hours=5)
        relay.wake()
        await settled(bench, 22)
    assert len(outbound.taken) == 4
    told = [letter.recipients[0].lower() for letter in outbound.taken]
    assert told.count("jane@customer.example") <= 2
    assert len(bench.told_of("remark", what=UNWARNED)) == 7
    assert len(bench.told_of("alert", about="mailbox")) == 2


async def test_nobody_is_told_of_success_without_end(bench, hops, monkeypatch):
    monkeypatch.setattr(limiter, "SUCCESSES", 3)
    monkeypatch.setattr(limiter, "SUCCESSES_TO_ONE", 2)
    hop, outbound = await hops.start(), await hops.start()
    bench.add_hop("mailbox", hop.address)
    bench.add_hop("outbound", outbound.address)
    for sender in ["jane@customer.example"] * 4 + ["c1@customer.example", "c2@customer.example"]:
        await bench.keep("mailbox", answerable=True, reverse_path=sender, wishes=WISHES)
    async with bench.running():
        await settled(bench, 6)
    told = [letter.recipients[0] for letter in outbound.taken]
    assert len(told) == 3
    assert told.count("jane@customer.example") <= 2
    assert len(bench.told_of("remark", what=UNTOLD)) == 3
    assert len(bench.told_of("delivery", kind="letter", outcome="relayed")) == 6


async def busy_now(_address: str) -> str:
    return "450 4.7.1 greylisted"
