"""Letters that go straight from their keeper to their lane, and those that must wait their turn."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from support.deliveries import Bench

from gateway.edge.breaker import BreakerPolicy
from gateway.edge.relay import IN_HAND, Relay
from gateway.plan import Letter, Plan
from gateway.store import Job
from gateway.store.sqlite import SqliteStore
from gateway.verdict import Action


class Counting(SqliteStore):
    """A store that tells when it was asked for what is due, and gives it when it may."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.claims = 0
        self.claimed: list[str] = []
        self.asked = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def claim(self, *args: Any, **options: Any) -> Any:
        await self.may_answer.wait()
        jobs = await super().claim(*args, **options)
        self.claims += 1
        self.claimed += [job.letter_id for job in jobs]
        self.asked.set()
        return jobs

    async def answers(self, relay: Relay) -> None:
        """Until another claim was answered and what it gave is handed out."""
        self.asked.clear()
        relay.wake()
        await self.asked.wait()
        async with relay._claiming:
            pass


@pytest.fixture
async def counted(bench: Bench, tmp_path: Path) -> Counting:
    store = await Counting.open(tmp_path / "counted.db")
    await bench.store.close()
    bench.store = store
    return store


class Gate:
    """A next hop that answers no DATA before it is opened."""

    def __init__(self) -> None:
        self._open = asyncio.Event()

    async def __call__(self, *_: Any) -> None:
        await self._open.wait()

    def open(self) -> None:
        self._open.set()


async def test_a_letter_goes_straight_and_is_never_claimed(bench, hops, counted):
    hop = await hops.start()
    bench.add_hop("mailbox", hop.address)
    async with bench.running(poll=3600) as relay:
        await counted.answers(relay)
        for number in range(1, 4):
            assert await bench.hand(relay, "mailbox", prefix=b"X-Gateway-Id: q\r\n")
            await bench.until("delivery", number, outcome="relayed")
        assert counted.claimed == []
    assert hop.taken[0].content.startswith(b"X-Gateway-Id: q\r\nReceived: from outside\r\n")
    balance = await bench.store.balance()
    assert (balance.delivered, balance.balanced) == (3, True)


async def test_before_the_store_was_asked_nothing_goes_past_it(bench, hops, counted):
    """It may hold older mail for the same next hop."""
    hop = await hops.start()
    bench.add_hop("mailbox", hop.address)
    older = await bench.keep("mailbox")
    counted.may_answer.clear()
    async with bench.running(poll=3600) as relay:
        assert not await bench.hand(relay, "mailbox")
        counted.may_answer.set()
        await counted.answers(relay)
        await counted.answers(relay)
        assert counted.claimed == [older, "q2.1"]
        assert await bench.hand(relay, "mailbox")
        await bench.until("delivery", 3, outcome="relayed")


async def test_whoever_is_refused_is_not_overtaken(bench, hops, counted):
    """A full lane: what comes waits in the store, and so does all that comes after it."""
    gate = Gate()
    hop = await hops.start(on_data=gate)
    bench.add_hop("mailbox", hop.address, connections=1)
    async with bench.running(poll=3600, batch=8) as relay:
        await counted.answers(relay)
        went = [await bench.hand(relay, "mailbox") for _ in range(14)]
        assert went == [True] * 8 + [False] * 6  # as many as a claim gives, and then no more
        await counted.answers(relay)  # it gives none of a lane that is full
        assert counted.claimed == []
        assert not await bench.hand(relay, "mailbox")
        gate.open()
        await bench.until("delivery", 15, outcome="relayed")
        assert counted.claimed == [f"q{number}.1" for number in range(9, 16)]
        await counted.answers(relay)
        assert await bench.hand(relay, "mailbox")
        await bench.until("delivery", 16, outcome="relayed")


async def test_a_busy_lane_is_asked_about_in_time(bench, hops, counted):
    """A steady flow of new mail goes straight for ever, since nothing waits for long unseen."""
    hop = await hops.start()
    bench.add_hop("mailbox", hop.address)
    async with bench.running(poll=3600, batch=8) as relay:
        await counted.answers(relay)
        before = counted.claims
        for number in range(1, 41):
            assert await bench.hand(relay, "mailbox"), number
            await bench.until("delivery", number, outcome="relayed")
        assert counted.claimed == []
        assert counted.claims > before + 4


async def test_a_backlog_is_served_beside_a_steady_flow(bench, hops, counted):
    hop = await hops.start()
    bench.add_hop("mailbox", hop.address, connections=2)
    async with bench.running(poll=3600, batch=8) as relay:
        await counted.answers(relay)
        old = [await bench.keep("mailbox") for _ in range(30)]
        for number in range(60):
            await bench.hand(relay, "mailbox")
            await bench.until("delivery", (number + 1) // 2)
        relay.wake()
        await bench.until("delivery", 90, outcome="relayed")
    order = [told["id"] for told in bench.told_of("delivery")]
    assert set(old[:10]) <= set(order[:60])


async def test_out_of_order_unknown_or_far_away(bench, hops, counted, unused_tcp_port):
    bench.add_hop("down", f"smtp://127.0.0.1:{unused_tcp_port}")
    bench.add_hop("direct", "mx:")
    breaker = BreakerPolicy(failures=1, first=timedelta(hours=1), max=timedelta(hours=1))
    async with bench.running(poll=3600, breaker=breaker) as relay:
        await counted.answers(relay)
        assert await bench.hand(relay, "down")
        await bench.until("alert")
        await counted.answers(relay)
        for name in ("down", "direct", "nowhere"):
            arrival, letters = bench.letters(name)
            assert relay.offer(letters, arrival.time) == frozenset(), name
        bench.add_hop("fine", "maildir:/nonexistent")
        held = bench.letters("fine", hold="quarantined")
        waits = bench.letters("fine", waits_for="q9.1")
        ours = bench.letters("fine", kind="acknowledgement")
        for arrival, letters in (held, waits, ours):
            assert relay.offer(letters, arrival.time) == frozenset()
        arrival, letters = bench.letters("fine")
        stale = arrival.time - timedelta(minutes=2)  # its lease would be half over
        assert relay.offer(letters, stale) == frozenset()
        assert relay.offer(letters, arrival.time) == {letters[0].id}
        relay.withdraw(letters)


async def test_room_is_held_and_let_go(bench, hops, counted):
    gate = Gate()
    hop = await hops.start(on_data=gate)
    bench.add_hop("mailbox", hop.address, connections=1)
    async with bench.running(poll=3600, batch=8) as relay:
        await counted.answers(relay)
        offered = [bench.letters("mailbox") for _ in range(9)]
        taken = [bool(relay.offer(letters, arrival.time)) for arrival, letters in offered]
        assert taken == [True] * 8 + [False]
        for _, letters in offered:
            relay.withdraw(letters)
            relay.withdraw(letters)  # once is enough, twice does no harm
        await counted.answers(relay)
        assert [await bench.hand(relay, "mailbox") for _ in range(9)] == [True] * 8 + [False]
        gate.open()
        await bench.until("delivery", 9, outcome="relayed")


async def test_only_so_many_are_in_hand_at_all(bench, hops, counted):
    async with bench.running(poll=3600) as relay:
        await counted.answers(relay)
        taken = 0
        for number in range(IN_HAND + 20):
            bench.add_hop(f"hop{number}", "maildir:/nonexistent")
            arrival, letters = bench.letters(f"hop{number}")
            taken += len(relay.offer(letters, arrival.time))
        assert taken == IN_HAND


async def test_asked_to_drain_between_keep_and_hand_out(bench, hops, counted):
    """What was kept for us goes back, at once due for whoever comes next, with no strike."""
    hop = await hops.start()
    bench.add_hop("mailbox", hop.address)
    relay = bench.relay(poll=3600)
    task = asyncio.create_task(relay.run())
    await counted.answers(relay)
    arrival, letters = bench.letters("mailbox")
    straight = relay.offer(letters, arrival.time)
    receipt = await _keep(bench, arrival, letters, straight)
    draining = asyncio.create_task(relay.drain(5))
    await task
    assert not draining.done()  # it waits for what was offered
    assert relay.offer(bench.letters("mailbox")[1], bench.now) == frozenset()
    relay.kept(letters, receipt.jobs)
    await draining
    assert hop.taken == []
    (job,) = await bench.store.claim(bench.now, 10)
    assert job.letter_id == letters[0].id
    assert [note.event for note in await bench.store.notes("q1")] == ["accepted"]


async def test_a_drain_does_not_wait_for_ever(bench, hops, counted):
    bench.add_hop("mailbox", "maildir:/nonexistent")
    relay = bench.relay(poll=3600)
    task = asyncio.create_task(relay.run())
    await counted.answers(relay)
    arrival, letters = bench.letters("mailbox")
    assert relay.offer(letters, arrival.time)
    await asyncio.wait_for(relay.drain(0.05), 5)
    await task


async def test_two_processes_share_a_store(bench, hops, tmp_path):
    """What one has leased as it was kept the other does not find."""
    gate = Gate()
    hop = await hops.start(on_data=gate)
    bench.add_hop("mailbox", hop.address)
    await bench.store.close()
    bench.store = await Counting.open(tmp_path / "shared.db")
    other = await Counting.open(tmp_path / "shared.db")
    async with bench.running() as relay, bench.running(store=other) as second:
        await bench.store.answers(relay)
        assert [await bench.hand(relay, "mailbox") for _ in range(20)] == [True] * 20
        await other.answers(second)
        await other.answers(second)
        gate.open()
        await bench.until("delivery", 20, outcome="relayed")
        assert other.claimed == bench.store.claimed == []
    await other.close()
    assert len(hop.taken) == 20


async def test_the_store_is_not_asked_when_nothing_became_due(bench, hops, counted):
    """Each end of a letter was followed by a claim; only some make others due."""
    hop = await hops.start()
    bench.add_hop("mailbox", hop.address)
    async with bench.running(poll=3600) as relay:
        await counted.answers(relay)
        before = counted.claims
        assert await bench.hand(relay, "mailbox")
        await bench.until("delivery", 1)
        answer = _acknowledgement("q2")
        assert await bench.hand(relay, "mailbox", also=(answer,))
        await bench.until("delivery", 3, outcome="relayed")
        assert counted.claimed == [answer.id]
        assert counted.claims == before + 1


def _acknowledgement(queue_id: str) -> Any:
    return Letter(
        id=f"{queue_id}.ack",
        kind="acknowledgement",
        site="shop",
        next_hop="mailbox",
        reverse_path="",
        recipients=("jane@customer.example",),
        own=b"Subject: ours\r\n\r\nThank you.\r\n",
        waits_for=f"{queue_id}.1",
    )


async def _keep(bench: Bench, arrival: Any, letters: Any, straight: frozenset[str]) -> Any:
    receipt = await bench.store.keep(arrival, letters, Plan(Action.DELIVER), straight)
    assert all(isinstance(job, Job) for job in receipt.jobs)
    return receipt
