"""The relay with a real store, real next hops and a clock that stands still."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from support.deliveries import RETRY, START

from gateway.delivery import Policy
from gateway.edge import relay as relay_module
from gateway.edge.breaker import BreakerPolicy
from gateway.edge.transport import Progress, Sent, everyone
from gateway.plan import Letter
from gateway.reply import Reply
from gateway.resolver import Answer, Zone
from gateway.settings import NextHop
from gateway.store import Job, Settlement, StoreError, claiming
from gateway.store.choosing import Turn
from gateway.store.sql import Transaction, micros
from gateway.store.sqlite import SqliteStore


def fail(queue_id: str) -> Any:
    raise OSError(queue_id)


def answering(reply: str) -> Any:
    async def hook(*_: Any) -> str:
        return reply

    return hook


# --- the way of a letter -----------------------------------------------------------------------


async def test_a_letter_goes_from_the_store_to_its_next_hop(bench, hops):
    hop = await hops.start()
    bench.add_hop("mailbox", hop.address)
    async with bench.running() as relay:
        letter = await bench.keep("mailbox", prefix=b"X-Gateway-Id: q1\r\n", cuts=((0, 24),))
        relay.wake()
        (told,) = await bench.until("delivery")
    assert told == {
        "id": letter, "kind": "letter", "next_hop": "mailbox", "outcome": "relayed", "code": 250,
    }  # fmt: skip
    assert hop.taken[0].content == b"X-Gateway-Id: q1\r\nSubject: hello\r\n\r\n.A line.\r\n"
    balance = await bench.store.balance()
    assert balance.delivered == 1
    assert balance.balanced


async def test_a_letter_goes_into_a_maildir(bench, tmp_path):
    bench.add_hop("mailbox", f"maildir:{tmp_path}/mail")
    async with bench.running() as relay:
        await bench.keep("mailbox")
        relay.wake()
        await bench.until("delivery", outcome="relayed")
    (file,) = (tmp_path / "mail" / "new").iterdir()
    assert file.read_bytes() == (
        b"Return-Path: <jane@customer.example>\n"
        b"Received: from outside\nSubject: hello\n\n.A line.\n"
    )


async def test_large_content_comes_from_the_spool(bench, hops):
    hop = await hops.start()
    bench.add_hop("mailbox", hop.address)
    content = b"Subject: big\r\n\r\n" + b".%070d\r\n" % 5 * 20_000
    async with bench.running():
        await bench.keep("mailbox", content=content)
        await bench.until("delivery", outcome="relayed")
    assert hop.taken[0].content == content


async def test_new_mail_wakes_the_relay_at_once(bench, hops):
    hop = await hops.start()
    bench.add_hop("mailbox", hop.address)
    async with bench.running(poll=3600) as relay:
        for _ in range(3):
            await asyncio.sleep(0)  # it goes to sleep in between
            await bench.keep("mailbox")
            relay.wake()
            await bench.until("delivery", bench.count)
    assert len(hop.taken) == 3


async def test_what_another_process_made_due_is_found(bench, hops):
    hop = await hops.start()
    bench.add_hop("mailbox", hop.address)
    async with bench.running():
        await bench.keep("mailbox")
        await bench.until("delivery", outcome="relayed")


async def test_many_letters_to_several_hops(bench, hops, tmp_path):
    first, second = await hops.start(), await hops.start(lmtp=True)
    bench.add_hop("one", first.address)
    bench.add_hop("two", second.address, connections=2)
    bench.add_hop("three", f"maildir:{tmp_path}/mail")
    for number in range(120):
        await bench.keep(("one", "two", "three")[number % 3])
    async with bench.running():
        await bench.until("delivery", 120, outcome="relayed")
    assert len(first.taken) == len(second.taken) == 40
    assert len(list((tmp_path / "mail" / "new").iterdir())) == 40
    assert first.sessions <= 10
    assert second.sessions <= 2
    balance = await bench.store.balance()
    assert (balance.delivered, balance.queued) == (120, 0)


async def test_each_next_hop_gets_its_number_of_connections_and_no_more(bench, hops):
    gate = asyncio.Event()

    async def wait(*_: Any) -> None:
        await gate.wait()

    hop = await hops.start(on_data=wait)
    bench.add_hop("mailbox", hop.address, connections=3)
    for _ in range(12):
        await bench.keep("mailbox")
    async with bench.running():
        await hop.wait_for(lambda: hop.commands.count("DATA") == 3)
        gate.set()
        await bench.until("delivery", 12, outcome="relayed")
    assert hop.sessions == 3


# --- what comes of refusals --------------------------------------------------------------------


async def test_a_letter_that_is_put_off_is_tried_again_in_its_time(bench, hops):
    hop = await hops.start(on_mail=answering("450 4.7.1 greylisted"))
    bench.add_hop("mailbox", hop.address)
    letter = await bench.keep("mailbox")
    async with bench.running() as relay:
        await bench.until("delivery", outcome="delayed")
        entry = await bench.entry(letter)
        assert entry.state == "deferred"
        assert entry.due == START + timedelta(minutes=1)
        assert entry.why == "450 4.7.1 greylisted"
        hop.on_mail = None
        bench.now += timedelta(seconds=61)
        relay.wake()
        await bench.until("delivery", outcome="relayed")
    assert (await bench.entry(letter)).state == "relayed"


async def test_each_recipient_has_an_end_of_its_own(bench, hops):
    async def by_name(address: str) -> str | None:
        return {"b@shop.example": "452 4.2.2 full", "c@shop.example": "550 5.1.1 no"}.get(address)

    hop = await hops.start(on_rcpt=by_name)
    bench.add_hop("mailbox", hop.address)
    letter = await bench.keep("mailbox", "a@shop.example", "b@shop.example", "c@shop.example")
    async with bench.running() as relay:
        await bench.until("delivery", 3)
        entry = await bench.entry(letter)
        assert dict(entry.recipients) == {
            "a@shop.example": "relayed", "b@shop.example": "deferred", "c@shop.example": "held",
        }  # fmt: skip
        hop.on_rcpt = None
        bench.now += timedelta(seconds=61)
        relay.wake()
        await bench.until("delivery", 4)
    assert [taken.recipients for taken in hop.taken] == [["a@shop.example"], ["b@shop.example"]]
    balance = await bench.store.balance()
    assert (balance.delivered, balance.held, balance.balanced) == (2, 1, True)


async def test_a_refused_letter_is_held_and_the_administrator_told_once(bench, hops):
    """In a storm one notice an hour is enough; the next one says how many there were."""
    hop = await hops.start(on_data=answering("550 5.7.1 we want no mail"))
    office = await hops.start()
    bench.add_hop("mailbox", hop.address)
    bench.add_hop("office", office.address)
    bench.administrator = "admin@inside.example"
    async with bench.running() as relay:
        for _ in range(20):
            await bench.keep("mailbox")
        relay.wake()
        await bench.until("held", 20)
        await bench.until("delivery", kind="notice")
        assert len(office.taken) == 1
        assert office.taken[0].sender in ("", "<>")
        assert office.taken[0].recipients == ["admin@inside.example"]
        assert b"we want no mail" in office.taken[0].content
        bench.now += timedelta(hours=2)
        await bench.keep("mailbox")
        relay.wake()
        await bench.until("delivery", 2, kind="notice")
    assert b"19 more letters were held" in office.taken[1].content
    balance = await bench.store.balance()
    assert (balance.held, balance.balanced) == (21, True)


async def test_a_dsn_goes_to_a_proven_sender_where_the_site_wants_it(bench, hops):
    hop = await hops.start(on_rcpt=answering("550 5.1.1 no such mailbox"))
    outbound = await hops.start()
    bench.add_hop("mailbox", hop.address)
    bench.add_hop("outbound", outbound.address)
    bench.site = {"on_refusal": "dsn"}
    proven = await bench.keep("mailbox", answerable=True)
    forged = await bench.keep("mailbox", answerable=False)
    null = await bench.keep("mailbox", answerable=True, reverse_path="")
    async with bench.running():
        await bench.until("held", 2)
        await bench.until("delivery", kind="dsn", outcome="relayed")
    (report,) = outbound.taken
    assert report.recipients == ["jane@customer.example"]
    assert report.sender in ("", "<>")
    assert b"multipart/report" in report.content
    assert (await bench.entry(proven)).state == "failed"
    assert (await bench.entry(forged)).state == "held"
    assert (await bench.entry(null)).state == "held"
    balance = await bench.store.balance()
    assert (balance.bounced, balance.held, balance.balanced) == (1, 2, True)


async def test_a_letter_is_given_up_after_its_time(bench, hops):
    hop = await hops.start(on_mail=answering("451 4.3.0 never today"))
    bench.add_hop("mailbox", hop.address)
    letter = await bench.keep("mailbox")
    async with bench.running() as relay:
        for day in range(7):
            relay.wake()
            await bench.until("delivery", day + 1)
            bench.now += timedelta(days=1)
            if (await bench.entry(letter)).state == "held":
                break
    entry = await bench.entry(letter)
    assert entry.state == "held"
    assert bench.now - START == timedelta(days=6)
    assert bench.told_of("held", id=letter)


@pytest.mark.parametrize(
    ("kind", "state", "notices"),
    [("acknowledgement", "dropped", 0), ("dsn", "dropped", 0), ("notice", "dropped", 0),
     ("card", "held", 1)],
)  # fmt: skip
async def test_mail_of_our_own_that_is_refused_bounces_to_nobody(bench, hops, kind, state, notices):
    hop = await hops.start(on_rcpt=answering("550 5.1.1 unknown"))
    office = await hops.start()
    bench.add_hop("outbound", hop.address)
    bench.add_hop("office", office.address)
    bench.site = {"on_refusal": "dsn"}
    bench.administrator = "admin@inside.example"
    own = await bench.keep_own("outbound", kind)
    async with bench.running():
        await bench.until("alert", what=f"{kind} not delivered", id=own)
        if notices:
            await bench.until("delivery", kind="notice")
    assert (await bench.entry(own)).state == state
    assert len(office.taken) == notices
    generated = [entry for entry in await bench.store.entries() if entry.kind == "dsn"]
    assert [entry.letter_id for entry in generated if entry.letter_id != own] == []


# --- unknown outcomes --------------------------------------------------------------------------


async def test_a_letter_with_an_unknown_outcome_is_repeated(bench, hops):
    async def take_and_vanish(server: Any, letter: Any) -> str:
        hop.taken.append(letter)
        server.transport.abort()
        return "451 never seen"

    hop = await hops.start(on_data=take_and_vanish)
    bench.add_hop("mailbox", hop.address)
    letter = await bench.keep("mailbox")
    async with bench.running() as relay:
        await bench.until("delivery", outcome="delayed")
        hop.on_data = None
        bench.now += timedelta(minutes=2)
        relay.wake()
        await bench.until("delivery", outcome="relayed")
    assert len(hop.taken) == 2
    assert (await bench.entry(letter)).state == "relayed"


async def test_an_acknowledgement_with_an_unknown_outcome_is_not_repeated(bench, hops):
    async def take_and_vanish(server: Any, letter: Any) -> str:
        hop.taken.append(letter)
        server.transport.abort()
        return "451 never seen"

    hop = await hops.start(on_data=take_and_vanish)
    bench.add_hop("outbound", hop.address)
    own = await bench.keep_own("outbound", "acknowledgement")
    async with bench.running() as relay:
        await bench.until("delivery", outcome="unknown")
        hop.on_data = None
        for _ in range(3):
            bench.now += timedelta(days=1)
            relay.wake()
            await bench.keep("outbound")
            await bench.until("delivery", outcome="relayed", kind="letter", count=bench.count - 1)
    assert (await bench.entry(own)).state == "unknown"
    assert [taken.content.count(b"Hello.") for taken in hop.taken] == [1, 0, 0, 0]


async def test_an_acknowledgement_that_was_only_put_off_is_repeated(bench, hops):
    hop = await hops.start(on_mail=answering("450 4.2.0 later"))
    bench.add_hop("outbound", hop.address)
    own = await bench.keep_own("outbound", "acknowledgement")
    async with bench.running() as relay:
        await bench.until("delivery", outcome="delayed")
        hop.on_mail = None
        bench.now += timedelta(minutes=2)
        relay.wake()
        await bench.until("delivery", outcome="relayed")
    assert (await bench.entry(own)).state == "relayed"


async def test_an_acknowledgement_waits_for_its_letter(bench, hops):
    hop, outbound = await hops.start(), await hops.start()
    bench.add_hop("mailbox", hop.address)
    bench.add_hop("outbound", outbound.address)
    own = Letter(
        id="q1.2",
        kind="acknowledgement",
        site="shop",
        next_hop="outbound",
        reverse_path="",
        recipients=("jane@customer.example",),
        own=b"Subject: it arrived\r\n\r\n",
        waits_for="q1.1",
        delay=timedelta(minutes=15),
    )
    async with bench.running(poll=3600) as relay:
        await bench.keep("mailbox", also=(own,))
        relay.wake()
        await bench.until("delivery", kind="acknowledgement", outcome="relayed")
    kinds = [told["kind"] for told in bench.told_of("delivery")]
    assert kinds == ["letter", "acknowledgement"]


# --- next hops that are out of order -----------------------------------------------------------


async def test_a_hung_next_hop_stops_no_other(bench, hops):
    async def hang(*_: Any) -> None:
        await asyncio.sleep(3600)

    bad, good = await hops.start(on_mail=hang), await hops.start()
    bench.add_hop("bad", bad.address, connections=2, timeout=timedelta(minutes=5))
    bench.add_hop("good", good.address)
    for _ in range(150):
        await bench.keep("bad")
    async with bench.running(0) as relay:
        await bad.wait_for(lambda: bad.sessions == 2)
        for count in range(1, 6):
            await bench.keep("good")
            relay.wake()
            await bench.until("delivery", count, next_hop="good", outcome="relayed")
        assert not bench.told_of("delivery", next_hop="bad")
    assert bad.sessions == 2


async def test_a_hung_next_hop_is_given_time_to_recover(bench, hops):
    """Its letters are put off after the first time-outs; none of the rest waits for one."""

    async def hang(*_: Any) -> None:
        await asyncio.sleep(3600)

    hop = await hops.start(on_mail=hang)
    bench.add_hop("mailbox", hop.address, connections=2, timeout=timedelta(seconds=0.2))
    for _ in range(40):
        await bench.keep("mailbox")
    async with bench.running():
        await bench.until("delivery", 40, outcome="delayed")
    assert hop.sessions <= 4
    assert bench.told_of("alert", what="next hop out of order", about="mailbox")


async def test_a_next_hop_that_is_down_is_asked_seldom_and_recovers_by_itself(
    bench, hops, unused_tcp_port
):
    breaker = BreakerPolicy(failures=3, first=timedelta(seconds=30))
    bench.add_hop("mailbox", f"smtp://127.0.0.1:{unused_tcp_port}", connections=4)
    letters = [await bench.keep("mailbox") for _ in range(20)]
    async with bench.running(breaker=breaker) as relay:
        await bench.until("delivery", 20, outcome="delayed")
        whys = [(await bench.entry(letter)).why for letter in letters]
        asked = sum("No connection" in why for why in whys)
        assert 3 <= asked <= 6  # those under way when the third failed
        assert sum("out of order" in why for why in whys) == 20 - asked

        # New mail while it is down waits too, without a connection being tried.
        late = await bench.keep("mailbox")
        relay.wake()
        await bench.until("delivery", 21)
        assert "out of order" in (await bench.entry(late)).why

        # Half open: one letter finds that it is still down; the breaker opens for longer.
        bench.now += timedelta(minutes=2)
        relay.wake()
        await bench.until("delivery", 42, outcome="delayed")
        whys = [(await bench.entry(letter)).why for letter in letters]
        assert sum("No connection" in why for why in whys) == 1

        hop = await hops.start(port=unused_tcp_port)
        bench.now += timedelta(minutes=10)
        relay.wake()
        await bench.until("delivery", 21, outcome="relayed")
    # While one letter found out, the others waited and lost no attempt.
    assert len(bench.told_of("delivery", outcome="delayed")) == 42
    assert len(hop.taken) == 21
    assert bench.told_of("next hop answers again", next_hop="mailbox")
    assert len(bench.told_of("alert", what="next hop out of order")) == 1


async def test_a_next_hop_that_dies_after_every_final_dot_is_asked_seldom(bench, hops):
    """It may take each of them: every attempt at a letter may make a copy."""

    async def take_and_vanish(server: Any, letter: Any) -> str:
        hop.taken.append(letter)
        server.transport.abort()
        return "451 never seen"

    hop = await hops.start(on_data=take_and_vanish)
    bench.add_hop("mailbox", hop.address, connections=2)
    letters = [await bench.keep("mailbox") for _ in range(20)]
    async with bench.running() as relay:
        await bench.until("delivery", 20, outcome="delayed")
        assert 3 <= len(hop.taken) <= 4  # those under way when the third failed
        assert bench.told_of("alert", what="next hop out of order", about="mailbox")
        hop.on_data = None
        bench.now += timedelta(minutes=10)
        relay.wake()
        await bench.until("delivery", 20, outcome="relayed")
    assert {(await bench.entry(letter)).state for letter in letters} == {"relayed"}


async def test_one_letter_that_a_quiet_next_hop_chokes_on_stops_no_other(bench, hops):
    async def hang(*_: Any) -> None:
        await asyncio.sleep(3600)

    hop = await hops.start(on_mail=hang)
    bench.add_hop("mailbox", hop.address, timeout=timedelta(seconds=0.1))
    breaker = BreakerPolicy(failures=3, first=timedelta(hours=1), max=timedelta(hours=1))
    await bench.keep("mailbox")
    async with bench.running(breaker=breaker) as relay:
        for count in range(1, 6):
            await bench.until("delivery", count, outcome="delayed")
            bench.now += timedelta(hours=1)
            relay.wake()
        hop.on_mail = None
        other = await bench.keep("mailbox")
        relay.wake()
        await bench.until("delivery", id=other, outcome="relayed")
    assert not bench.told_of("alert", what="next hop out of order")


async def test_new_mail_need_not_wait_for_a_backlog(bench, hops):
    """One connection, three hundred letters that lay there, and a customer who writes now."""
    busy = await hops.start(on_mail=answering("450 4.0.0 no"))
    bench.add_hop("mailbox", busy.address, connections=1)
    for _ in range(300):
        await bench.keep("mailbox")
    async with bench.running() as relay:
        await bench.until("delivery", 300, outcome="delayed")
    busy.on_mail = None
    bench.now += timedelta(hours=1)
    new = [await bench.keep("mailbox") for _ in range(5)]
    async with bench.running(batch=8) as relay:
        relay.wake()
        await bench.until("delivery", 305, outcome="relayed")
    order = [told["id"] for told in bench.told_of("delivery", outcome="relayed")]
    assert max(order.index(letter) for letter in new) < 20


async def test_a_backlog_need_not_wait_for_new_mail(bench, hops):
    """As long as new mail keeps coming, what lay there moves too."""
    busy = await hops.start(on_mail=answering("450 4.0.0 no"))
    bench.add_hop("mailbox", busy.address, connections=1)
    old = [await bench.keep("mailbox") for _ in range(5)]
    async with bench.running():
        await bench.until("delivery", 5, outcome="delayed")
    busy.on_mail = None
    bench.now += timedelta(hours=1)
    for _ in range(300):
        await bench.keep("mailbox")
    async with bench.running(batch=8) as relay:
        relay.wake()
        await bench.until("delivery", 305, outcome="relayed")
    order = [told["id"] for told in bench.told_of("delivery", outcome="relayed")]
    assert max(order.index(letter) for letter in old) < 20


async def test_destinations_share_what_is_claimed(bench, hops):
    """A long backlog for one next hop, a short one for another: both move from the start."""
    busy = await hops.start(on_mail=answering("450 4.0.0 no"))
    other = await hops.start(on_mail=answering("450 4.0.0 no"))
    bench.add_hop("busy", busy.address, connections=2)
    bench.add_hop("other", other.address, connections=2)
    for _ in range(300):
        await bench.keep("busy")
    few = [await bench.keep("other") for _ in range(5)]
    async with bench.running():
        await bench.until("delivery", 305, outcome="delayed")
    busy.on_mail = other.on_mail = None
    bench.now += timedelta(hours=1)
    async with bench.running(batch=8) as relay:
        relay.wake()
        await bench.until("delivery", 305, outcome="relayed")
    order = [told["id"] for told in bench.told_of("delivery", outcome="relayed")]
    assert max(order.index(letter) for letter in few) < 30


async def test_a_person_who_says_retry_goes_past_the_breaker(bench, hops, unused_tcp_port):
    bench.add_hop("mailbox", f"smtp://127.0.0.1:{unused_tcp_port}")
    letters = [await bench.keep("mailbox") for _ in range(5)]
    breaker = BreakerPolicy(failures=1, first=timedelta(hours=1), max=timedelta(hours=1))
    async with bench.running(breaker=breaker) as relay:
        await bench.until("delivery", 5, outcome="delayed")
        hop = await hops.start(port=unused_tcp_port)
        assert await bench.store.retry(letters[3], "anna", bench.now) == 1
        relay.wake()
        await bench.until("delivery", id=letters[3], outcome="relayed")
        # It answered: the breaker is closed, and the rest need not be pressed.
        await bench.store.retry("*", "anna", bench.now)
        relay.wake()
        await bench.until("delivery", 5, outcome="relayed")
    assert len(hop.taken) == 5


async def test_pressing_everything_on_a_hung_hop_stops_nobody(bench, hops):
    async def hang(*_: Any) -> None:
        await asyncio.sleep(3600)

    bad, good = await hops.start(on_mail=answering("450 4.0.0 no")), await hops.start()
    bench.add_hop("bad", bad.address, connections=1, timeout=timedelta(minutes=5))
    bench.add_hop("good", good.address)
    for _ in range(30):
        await bench.keep("bad")
    async with bench.running(0, batch=4) as relay:
        await bench.until("delivery", 30, outcome="delayed")
        bad.on_mail = hang
        assert await bench.store.retry("*", "anna", bench.now) == 30
        relay.wake()
        for count in range(1, 4):
            await bench.keep("good")
            relay.wake()
            await bench.until("delivery", count, next_hop="good", outcome="relayed")
        assert len(relay._in_hand) <= 1 + 1 + 4


async def test_leases_are_given_back_even_if_the_store_stumbles(bench, hops, monkeypatch):
    """A lease that stays with nobody is a letter that stands still until it runs out."""

    async def hang(*_: Any) -> None:
        await asyncio.sleep(3600)

    bad, good = await hops.start(on_mail=answering("450 4.0.0 no")), await hops.start()
    bench.add_hop("bad", bad.address, connections=1, timeout=timedelta(minutes=5))
    bench.add_hop("good", good.address)
    for _ in range(30):
        await bench.keep("bad")
    give_back, failures = bench.store.give_back, [StoreError("locked"), OSError("no room")]

    async def stumbling(*arguments: Any) -> None:
        if failures:
            raise failures.pop()
        await give_back(*arguments)

    async with bench.running(0, batch=4) as relay:
        await bench.until("delivery", 30, outcome="delayed")
        bad.on_mail = hang
        await bench.store.retry("*", "anna", bench.now)
        monkeypatch.setattr(bench.store, "give_back", stumbling)
        relay.wake()
        await bench.until("trouble", 2, where="store")
        await bench.keep("good")
        await bench.until("delivery", next_hop="good", outcome="relayed")
        active = await bench.store.entries(states=("active",))
        assert {entry.letter_id for entry in active} == {id_ for id_, _ in relay._in_hand}


async def test_whatever_breaks_the_relay_it_goes_on(bench, hops):
    hop = await hops.start()
    bench.add_hop("mailbox", hop.address)
    broken = [RuntimeError("the configuration is just being changed")]

    def find(name: str) -> NextHop | None:
        if broken:
            raise broken.pop()
        return bench.hops.get(name)

    await bench.keep("mailbox")
    async with bench.running(hops=find):
        await bench.until("trouble", where="relay", error="RuntimeError")
        later = await bench.keep("mailbox")
        await bench.until("delivery", id=later, outcome="relayed")


async def test_a_next_hop_that_is_not_configured_any_more(bench, hops):
    """Its letters wait, one alert is told, at give-up they are held; back, it gets them."""
    letter = await bench.keep("gone", answerable=True)
    bench.site = {"on_refusal": "dsn"}
    async with bench.running() as relay:
        await bench.until("delivery", outcome="delayed")
        await bench.until("alert", what="next hop unknown", about="gone")
        bench.now += timedelta(minutes=2)
        relay.wake()
        await bench.until("delivery", 2, outcome="delayed")
        assert len(bench.told_of("alert")) == 1
        for count in range(3, 6):
            bench.now += timedelta(days=3)
            relay.wake()
            await bench.until("delivery", count)
        assert (await bench.entry(letter)).state == "held"
        hop = await hops.start()
        bench.add_hop("gone", hop.address)
        await bench.store.release(letter, "anna", bench.now)
        relay.wake()
        await bench.until("delivery", outcome="relayed")


async def test_a_next_hop_that_moved_is_found_there(bench, hops):
    old, new = await hops.start(), await hops.start()
    bench.add_hop("mailbox", old.address)
    async with bench.running() as relay:
        await bench.keep("mailbox")
        await bench.until("delivery")
        bench.add_hop("mailbox", new.address)
        await bench.keep("mailbox")
        relay.wake()
        await bench.until("delivery", 2, outcome="relayed")
        await old.wait_for(lambda: not old.live)
    assert (len(old.taken), len(new.taken)) == (1, 1)
    assert old.commands[-1] == "QUIT"


# --- faults of ours ----------------------------------------------------------------------------


class Fragile:
    """A transport that breaks on one letter, as a bug would make it."""

    def __init__(self, breaks_on: str, *, late: bool = False) -> None:
        self._breaks_on = breaks_on
        self._late = late

    async def send(self, job: Job, progress: Progress) -> Sent:
        progress.said = self._late
        if job.letter_id == self._breaks_on:
            raise RuntimeError("a secret path: /etc/gateway")
        return Sent(everyone(job, "relayed", Reply(250, "2.0.0", "taken")))

    async def close(self) -> None:
        pass


async def test_a_letter_that_breaks_us_is_held_and_stops_no_other(bench):
    bench.add_hop("mailbox", "smtp://127.0.0.1:25", connections=1)
    bad = await bench.keep("mailbox")
    good = [await bench.keep("mailbox") for _ in range(3)]
    async with bench.running(transport=lambda _: Fragile(bad)) as relay:
        for letter in good:
            await bench.until("delivery", id=letter, outcome="relayed")
        for count in range(1, 4):
            await bench.until("delivery", count, id=bad)
            entry = await bench.entry(bad)
            assert "secret" not in entry.why
            bench.now += timedelta(hours=1)
            relay.wake()
    assert entry.state == "held"
    assert len(bench.told_of("trouble", where="relay", error="RuntimeError")) == 3


@pytest.mark.parametrize(("late", "state"), [(True, "unknown"), (False, "deferred")])
async def test_an_acknowledgement_that_broke_us_after_its_dot_is_not_repeated(bench, late, state):
    bench.add_hop("outbound", "smtp://127.0.0.1:25")
    own = await bench.keep_own("outbound", "acknowledgement")
    async with bench.running(transport=lambda _: Fragile(own, late=late)):
        await bench.until("delivery")
    assert (await bench.entry(own)).state == state


class Stumbling(SqliteStore):
    """A store that cannot be written for a while."""

    failures = 0

    async def settle(self, job: Job, settlement: Settlement, now: datetime) -> bool:
        if self.failures:
            self.failures -= 1
            raise StoreError("locked")
        return await super().settle(job, settlement, now)

    async def claim(self, *args: Any, **options: Any) -> Any:
        if self.failures:
            self.failures -= 1
            raise StoreError("locked")
        return await super().claim(*args, **options)


async def test_a_store_in_trouble_costs_no_outcome(bench, hops, tmp_path):
    store = await Stumbling.open(tmp_path / "stumbling.db")
    await bench.store.close()
    bench.store = store
    hop = await hops.start()
    bench.add_hop("mailbox", hop.address)
    letter = await bench.keep("mailbox")
    store.failures = 2  # type: ignore[attr-defined]

    async def fail_settling(*_: Any) -> None:
        store.failures = 2  # type: ignore[attr-defined]

    hop.on_data = fail_settling
    async with bench.running():
        await bench.until("delivery", outcome="relayed")
    assert len(hop.taken) == 1
    assert (await bench.entry(letter)).state == "relayed"
    assert len(bench.told_of("trouble", where="store")) == 4


async def test_a_notice_that_breaks_costs_no_outcome(bench, hops):
    hop = await hops.start(on_data=answering("550 5.0.0 no"))
    bench.add_hop("mailbox", hop.address)
    bench.add_hop("office", hop.address)
    bench.administrator = "admin@inside.example"
    letter = await bench.keep("mailbox")
    relay = bench.relay()

    def broken(_site: str, _content: bytes) -> bytes:
        raise ValueError("no key")

    policy = relay.policy
    relay.policy = Policy(
        policy.hostname, RETRY, policy.sites, policy.administrator, "office", sign=broken
    )
    task = asyncio.create_task(relay.run())
    await bench.until("delivery")
    assert bench.told_of("trouble", where="relay", error="ValueError")
    assert (await bench.entry(letter)).state == "held"
    await relay.drain(1)
    await task


async def test_a_notice_that_the_store_never_takes_costs_no_outcome(bench, hops, tmp_path):
    """To wait until it does would hold the letter's lease for ever."""
    hop = await hops.start(on_data=answering("550 5.0.0 no"))
    bench.add_hop("mailbox", hop.address)
    bench.add_hop("office", hop.address)
    bench.administrator = "admin@inside.example"
    await bench.store.close()
    bench.store = await SqliteStore.open(tmp_path / "strict.db")
    with contextlib.closing(sqlite3.connect(tmp_path / "strict.db")) as db:
        db.execute(
            "CREATE TRIGGER no BEFORE INSERT ON letters WHEN NEW.kind = 'notice' "
            "BEGIN SELECT RAISE(ABORT, 'no notices'); END"
        )
        db.commit()
    letter = await bench.keep("mailbox")
    async with bench.running():
        await bench.until("delivery")
    assert bench.told_of("trouble", where="store", error="UnfitError")
    assert (await bench.entry(letter)).state == "held"


# --- leases, stops and crashes -----------------------------------------------------------------


async def test_a_long_delivery_keeps_its_lease(bench, hops, tmp_path):
    """Another worker on the same store must not take the letter while the first still has it."""
    await bench.store.close()
    lease = timedelta(seconds=0.4)
    bench.store = await SqliteStore.open(tmp_path / "leases.db", lease=lease)
    gate = asyncio.Event()

    async def slow(*_: Any) -> None:
        await gate.wait()

    hop = await hops.start(on_data=slow)
    bench.add_hop("mailbox", hop.address)
    clock = {"clock": lambda: datetime.now(UTC)}
    bench.now = datetime.now(UTC)
    await bench.keep("mailbox")
    async with bench.running(renewal=0.05, **clock), bench.running(renewal=0.05, **clock):
        await hop.wait_for(lambda: "DATA" in hop.commands)
        await asyncio.sleep(1.2)
        gate.set()
        await bench.until("delivery", outcome="relayed")
    assert hop.commands.count("DATA") == 1
    assert len(hop.taken) == 1


@pytest.mark.parametrize("kind", ["letter", "acknowledgement"])
async def test_a_machine_that_stood_still_takes_nothing_from_itself(bench, hops, kind):
    """Suspended for longer than a lease lasts, and its clock goes on where the world is."""
    gate = asyncio.Event()

    async def slow(*_: Any) -> None:
        await gate.wait()

    hop = await hops.start(on_data=slow)
    bench.add_hop("mailbox", hop.address, connections=1)
    own = [
        await (bench.keep("mailbox") if kind == "letter" else bench.keep_own("mailbox", kind))
        for _ in range(3)
    ]
    async with bench.running() as relay:
        await hop.wait_for(lambda: "DATA" in hop.commands)
        bench.now += timedelta(minutes=10)
        relay.wake()
        other = await hops.start()
        bench.add_hop("other", other.address)
        await bench.keep("other")
        relay.wake()
        await other.letters(1)  # a claim is over
        gate.set()
        await bench.until("delivery", 3, kind=kind, outcome="relayed")
    assert [(await bench.entry(each)).state for each in own] == ["relayed"] * 3
    assert len(hop.taken) == 3


async def test_who_is_cut_off_from_the_store_repeats_nothing(bench, hops, monkeypatch):
    """It goes on, but nobody hears its heart beat: others deliver what stands in its lanes."""
    gate, reached = asyncio.Event(), asyncio.Event()
    reached.set()

    async def slow(*_: Any) -> None:
        await gate.wait()

    def cut_off(work: Any) -> Any:
        async def asked(*args: Any, **more: Any) -> Any:
            if not reached.is_set():
                raise StoreError("cut off")
            return await work(*args, **more)

        return asked

    hop = await hops.start(on_data=slow)
    bench.add_hop("mailbox", hop.address, connections=1)
    taken = [await bench.keep("mailbox") for _ in range(3)]
    for name in ("claim", "extend", "settle"):
        monkeypatch.setattr(bench.store, name, cut_off(getattr(bench.store, name)))
    async with bench.running():
        await hop.wait_for(lambda: "DATA" in hop.commands)
        reached.clear()
        for _ in range(4):
            bench.now += timedelta(seconds=10)
            await bench.until("trouble", 1 + len(bench.told_of("trouble")))
        await bench.store._write(partial(take_over, now=bench.now))
        gate.set()
        await bench.until("trouble", 5 + len(bench.told_of("trouble")))
        assert len(hop.taken) == 1, "the one that was under way"
        reached.set()
        await bench.until("remark", 2, what=relay_module.TAKEN_OVER)
    assert len(hop.taken) == 1
    assert [(await bench.entry(each)).state for each in taken] == ["active"] * 3


def take_over(tx: Transaction, now: datetime) -> Sequence[Job]:
    """As another node does while we sleep: in one piece, since we are awake in truth."""
    claiming.end_orphans(tx, lambda _owner: False)
    until, lease = micros(now + timedelta(minutes=9)), claiming.new_lease("other")
    jobs, _ = claiming.claim(
        tx, micros(now), until, 10, frozenset(), fail, lease=lease, turn=Turn()
    )
    return jobs


@pytest.mark.parametrize("away", [0, 2])
async def test_who_stood_still_and_was_taken_for_dead_repeats_nothing(
    bench, hops, monkeypatch, away
):
    """Others deliver by now what stood in our lanes; `away`: so often the store cannot tell yet."""
    gate = asyncio.Event()

    async def slow(*_: Any) -> None:
        await gate.wait()

    hop = await hops.start(on_data=slow)
    bench.add_hop("mailbox", hop.address, connections=1)
    taken = [await bench.keep("mailbox") for _ in range(3)]
    async with bench.running() as relay:
        await hop.wait_for(lambda: "DATA" in hop.commands)

        jobs = await bench.store._write(partial(take_over, now=bench.now))
        assert {job.letter_id for job in jobs} == set(taken)
        tries, extend = iter(range(away)), bench.store.extend

        async def later(*args: Any) -> Any:
            if next(tries, None) is not None:
                raise StoreError("not yet")
            return await extend(*args)

        monkeypatch.setattr(bench.store, "extend", later)
        bench.now += timedelta(minutes=1)
        gate.set()
        await bench.until("remark", 2, what=relay_module.TAKEN_OVER)
        mine = await bench.keep("mailbox")
        relay.wake()
        await bench.until("delivery", id=mine, outcome="relayed")
    assert len(hop.taken) == 2, "the one that was under way, and the new one"
    assert len(bench.told_of("trouble", where="store")) == away
    assert [(await bench.entry(each)).state for each in taken] == ["active"] * 3


@pytest.mark.parametrize("kind", ["letter", "acknowledgement"])
async def test_nor_does_one_worker_from_another(bench, hops, kind):
    """Both wake up with the machine; whoever looks first finds the other's leases over."""
    gate = asyncio.Event()

    async def slow(*_: Any) -> None:
        await gate.wait()

    hop = await hops.start(on_data=slow)
    bench.add_hop("mailbox", hop.address, connections=1)
    keep = bench.keep("mailbox") if kind == "letter" else bench.keep_own("mailbox", kind)
    letter = await keep
    async with bench.running():
        await hop.wait_for(lambda: "DATA" in hop.commands)
        async with bench.running() as other:
            elsewhere = await hops.start()
            bench.add_hop("elsewhere", elsewhere.address)
            bench.now += timedelta(minutes=10)
            await bench.keep("elsewhere")
            other.wake()
            await elsewhere.letters(1)  # a claim is over
            gate.set()
            await bench.until("delivery", 2, outcome="relayed")
    assert (await bench.entry(letter)).state == "relayed"
    assert len(hop.taken) == 1
    assert hop.commands.count("DATA") == 1


async def test_what_a_dead_worker_had_is_delivered_by_another(bench, hops):
    reached = asyncio.Event()

    async def hang(*_: Any) -> None:
        reached.set()
        await asyncio.sleep(3600)

    hop = await hops.start(on_data=hang)
    bench.add_hop("mailbox", hop.address)
    letter = await bench.keep("mailbox")
    dead = bench.relay()
    task = asyncio.create_task(dead.run())
    await reached.wait()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    hop.on_data = None
    async with bench.running() as relay:
        bench.now += timedelta(minutes=6)
        relay.wake()
        await bench.until("delivery", outcome="relayed", id=letter)
    assert len(hop.taken) == 1
    await dead.drain(0)


async def test_draining_lets_letters_under_way_end(bench, hops):
    gate = asyncio.Event()

    async def slow(*_: Any) -> None:
        gate.set()
        await asyncio.sleep(0.2)

    hop = await hops.start(on_data=slow)
    bench.add_hop("mailbox", hop.address, connections=1)
    first = await bench.keep("mailbox")
    second = await bench.keep("mailbox")
    async with bench.running(5):
        await gate.wait()
    assert (await bench.entry(first)).state == "relayed"
    entry = await bench.entry(second)
    assert (entry.state, entry.attempts, entry.due) == ("queued", 0, START)
    assert hop.commands[-1] == "QUIT"


async def test_draining_forgets_no_claim_that_is_under_way(bench, hops, monkeypatch):
    """Found by the soak: what was leased too late was delivered after its store had closed."""
    hop = await hops.start()
    bench.add_hop("mailbox", hop.address)
    letter = await bench.keep("mailbox")
    leased, go_on = asyncio.Event(), asyncio.Event()
    claim = bench.store.claim

    async def slow(*arguments: Any, **more: Any) -> Any:
        jobs = await claim(*arguments, **more)
        leased.set()
        await go_on.wait()
        return jobs

    monkeypatch.setattr(bench.store, "claim", slow)
    relay = bench.relay()
    running = asyncio.create_task(relay.run())
    await leased.wait()
    draining = asyncio.create_task(relay.drain(1))
    await asyncio.sleep(0)
    go_on.set()
    await draining
    entry = await bench.entry(letter)
    assert (entry.state, entry.attempts, entry.due) == ("queued", 0, START)
    assert not hop.taken
    await running


async def test_draining_does_not_wait_for_a_hung_hop(bench, hops):
    async def hang(*_: Any) -> None:
        await asyncio.sleep(3600)

    hop = await hops.start(on_data=hang)
    bench.add_hop("mailbox", hop.address)
    bench.add_hop("outbound", hop.address)
    letter = await bench.keep("mailbox")
    acknowledgement = await bench.keep_own("outbound", "acknowledgement")
    async with asyncio.timeout(5):
        async with bench.running(0.1):
            await hop.wait_for(lambda: hop.commands.count("DATA") == 2)
    entry = await bench.entry(letter)
    assert entry.state == "deferred"
    assert entry.due == START + timedelta(minutes=1)
    # The final dot was said: it may have gone out.
    assert (await bench.entry(acknowledgement)).state == "unknown"


async def test_draining_repeats_no_recipient_that_lmtp_has_answered_for(bench, hops):
    """RFC 2033, 4.2: one has its reply, the next one's mailbox hangs."""
    dots = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hello\r\n")
        for reply in (b"250 hello", b"250 ok", b"250 ok", b"250 ok", b"354 go on"):
            await reader.readline()
            writer.write(reply + b"\r\n")
        await reader.readuntil(b"\r\n.\r\n")
        writer.write(b"250 2.0.0 it is yours\r\n")
        dots.set()

    address = (await hops.raw(script)).replace("smtp:", "lmtp:")
    bench.add_hop("mailbox", address)
    letter = await bench.keep("mailbox", "a@shop.example", "b@shop.example")
    async with bench.running(0.1):
        await dots.wait()
        await asyncio.sleep(0.1)  # for the reply to arrive
    entry = await bench.entry(letter)
    assert entry.recipients == {"a@shop.example": "relayed", "b@shop.example": "deferred"}


async def test_a_fault_of_ours_at_one_domain_repeats_nothing_at_another(bench, hops):
    hop = await hops.start()
    port = int(hop.address.rpartition(":")[2])

    class Broken(Zone):
        async def query(self, name: str, kind: str) -> Answer:
            if name == "b.example":
                raise RuntimeError("a fault of ours")
            return await super().query(name, kind)

    bench.add_hop("outbound", f"mx:{port}", private=("127.0.0.0/8",), mta_sts=False)
    letter = await bench.keep("outbound", "x@a.example", "y@b.example")
    async with bench.running(resolver=Broken({"a.example": {"A": ["127.0.0.1"]}})):
        await bench.until("delivery", 2)
    assert (await bench.entry(letter)).recipients == {
        "x@a.example": "relayed",
        "y@b.example": "deferred",
    }
    assert len(hop.taken) == 1


async def test_draining_forgets_no_outcome_while_the_store_stumbles(bench, hops, monkeypatch):
    hop = await hops.start()
    bench.add_hop("mailbox", hop.address)
    letter = await bench.keep("mailbox")
    stumbled = asyncio.Event()
    settle = bench.store.settle

    async def stumble(*arguments: Any) -> bool:
        if not stumbled.is_set():
            stumbled.set()
            raise StoreError("not now")
        return await settle(*arguments)

    monkeypatch.setattr(bench.store, "settle", stumble)
    monkeypatch.setattr(relay_module, "ENDINGS", 0)  # as when many are waiting for the disk
    async with bench.running(0):
        await stumbled.wait()
    assert (await bench.entry(letter)).state == "relayed"


async def test_draining_has_one_time_for_all_that_hangs(bench, hops):
    """A store that keeps on and on and a next hop that hangs: else the supervisor kills us."""

    async def hang(*_: Any) -> None:
        await asyncio.sleep(3600)

    hop = await hops.start(on_data=hang)
    bench.add_hop("mailbox", hop.address)
    await bench.keep("mailbox")
    loop = asyncio.get_running_loop()
    async with bench.running(1, poll=0.02) as relay:
        await hop.wait_for(lambda: hop.commands.count("DATA") == 1)
        arrival, letters = bench.letters("mailbox")
        async with asyncio.timeout(5):
            # Neither `kept` nor `withdraw` follows.
            while not relay.offer(letters, arrival.time):  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.02)
        begin = loop.time()
    assert 1 <= loop.time() - begin < 1.8


async def test_draining_before_the_final_dot_loses_no_acknowledgement(bench, hops):
    async def hang(*_: Any) -> None:
        await asyncio.sleep(3600)

    hop = await hops.start(on_command=hang)
    bench.add_hop("outbound", hop.address)
    own = await bench.keep_own("outbound", "acknowledgement")
    async with bench.running(0.05):
        await hop.wait_for(lambda: "EHLO" in hop.commands)
    assert (await bench.entry(own)).state == "deferred"


async def test_remarks_are_journalled(bench, hops):
    async def seven_bit(server: Any, command: str) -> bool:
        if command == "EHLO":
            await server.push("502 5.5.1 no")
        return command == "EHLO"

    hop = await hops.start(on_command=seven_bit)
    bench.add_hop("mailbox", hop.address)
    letter = await bench.keep("mailbox", content=b"Subject: \xe4\r\n\r\n")
    async with bench.running():
        (remark,) = await bench.until("remark")
    assert remark["id"] == letter
    assert remark["what"] == "8-bit content to a 7-bit next hop"
    assert hop.taken[0].content == b"Subject: \xe4\r\n\r\n"
