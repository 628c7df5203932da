"""Letting held mail go: what follows from it now, and only for what really leaves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from email.parser import BytesParser
from email.policy import default
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest
from support.planning import FILTERS, LETTER, ZONE, arrival, parts, settings, verdicts

from gateway.edge import clock
from gateway.edge.zone_server import serve_zone
from gateway.parse import parse
from gateway.plan import History
from gateway.release import ACKNOWLEDGE_WITHIN, release
from gateway.store.sqlite import SqliteStore
from gateway.verdict import Verdict

SUPPORT, INFO = "support@shop.example", "info@hosting.example"
BOTH = {"then": {"spam": {"spam": "quarantine"}}}
CALLING = {"routes": [{"to": "*", "acknowledge": "received", "call": "always"}], **BOTH}
CALLING_TOO = {**CALLING, "calls": {"notify": ["night@inside.example"]}}
SPAM = Verdict("spam", score=0.99)


class Room:
    """A store and settings whose checks ask a name server on loopback."""

    def __init__(self, store: SqliteStore, dns: str) -> None:
        self.store, self.dns = store, dns
        self.use(CALLING, CALLING_TOO)

    def use(self, shop, hosting, **more) -> None:
        dns = {"nameservers": [self.dns], "timeout": "2s"}
        self.settings = settings(shop, hosting, dns=dns, **{"filters": FILTERS, **more})

    async def keep(self, *recipients: str, age: timedelta = timedelta(0), **found: Verdict) -> None:
        """Keep a letter that these filters took for spam, unless they found something else."""
        letter = parse(arrival(*recipients, time=clock.now() - age))
        built, judged = parts(self.settings), verdicts(**{"spam": SPAM, **found})
        plan = built.router.plan(letter, judged, History(), letter.arrival.time)
        letters, plan = built.composer.compose(letter, judged, plan, History())
        await self.store.keep(letter.arrival, letters, plan)

    async def keep_raw(self, *recipients: str, age: timedelta = timedelta(0)) -> None:
        letter = arrival(*recipients, time=clock.now() - age)
        await self.store.keep_raw(letter, "broke us: ValueError")

    async def release(self, id_: str) -> int:
        return await release(self.settings, self.store, id_, "kim")

    async def states(self) -> dict[str, str]:
        return {entry.letter_id: entry.state for entry in await self.store.entries()}


@pytest.fixture
async def room() -> AsyncIterator[Room]:
    store = await SqliteStore.open(Path(":memory:"))
    async with serve_zone(ZONE) as dns:
        yield Room(store, dns)
    await store.close()


async def test_what_leaves_the_quarantine_is_carded_and_answered_now(room):
    await room.keep(SUPPORT, age=timedelta(hours=3))
    assert await room.states() == {"QID1.1": "held"}
    assert await room.store.calls() == []
    before = clock.now()
    assert await room.release("QID1") == 1
    assert await room.states() == {
        "QID1.1": "queued", "QID1.1.ack": "waiting", "QID1.1.card": "queued",
    }  # fmt: skip
    (call,) = await room.store.calls()
    assert before <= call.opened <= clock.now()
    assert call.due > before
    jobs = {job.kind: job for job in await room.store.claim(clock.now(), 10)}
    card = BytesParser(policy=default).parsebytes(jobs["card"].content)
    assert card["Subject"].startswith("Call now")
    assert parsedate_to_datetime(card["Date"]) >= before.replace(microsecond=0)


async def test_what_follows_is_for_the_letters_that_leave(room):
    await room.keep(SUPPORT, INFO)
    assert await room.states() == {"QID1.1": "held", "QID1.2": "held"}
    assert await room.release("QID1.1") == 1
    assert await room.states() == {
        "QID1.1": "queued", "QID1.1.ack": "waiting", "QID1.1.card": "queued", "QID1.2": "held",
    }  # fmt: skip
    assert [call.site for call in await room.store.calls()] == ["shop"]
    assert await room.release("QID1.2") == 1
    assert await room.states() == {
        "QID1.1": "queued", "QID1.1.ack": "waiting", "QID1.1.card": "queued",
        "QID1.2": "queued", "QID1.2.card": "queued",
    }  # fmt: skip
    assert sorted(call.site for call in await room.store.calls()) == ["hosting", "shop"]
    assert (await room.store.balance()).balanced


async def test_a_letter_released_late_is_called_but_not_answered(room):
    await room.keep(SUPPORT, age=ACKNOWLEDGE_WITHIN + timedelta(minutes=1))
    assert await room.release("QID1") == 1
    assert await room.states() == {"QID1.1": "queued", "QID1.1.card": "queued"}


@pytest.mark.parametrize(
    ("age", "answered"), [(timedelta(0), True), (ACKNOWLEDGE_WITHIN * 2, False)]
)
async def test_what_broke_us_runs_the_route_again(room, age, answered):
    await room.keep_raw(SUPPORT, INFO, age=age)
    assert await room.release("QID1") == 1
    states = await room.states()
    assert {"QID1.1", "QID1.2", "QID1.1.card"} < set(states)
    assert ("QID1.1.ack" in states) == answered
    assert "QID1.0" not in states
    balance = await room.store.balance()
    assert (balance.accepted, balance.queued, balance.balanced) == (2, 2, True)


async def test_what_breaks_us_again_stays_held(room, monkeypatch):
    await room.keep_raw(SUPPORT)
    monkeypatch.setattr("gateway.release.parse", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        await room.release("QID1")
    assert await room.states() == {"QID1.0": "held"}


async def test_what_runs_again_cannot_be_refused_any_more(room):
    room.use({"then": {"spf": {"pass": "refuse"}}}, {"then": {"spf": {"pass": "refuse"}}})
    await room.keep_raw(SUPPORT)
    assert await room.release("QID1") == 1
    assert await room.states() == {"QID1.1": "held"}


async def test_what_a_rule_or_a_person_held_just_goes(room):
    room.use({"routes": [{"to": "*", "hold": True}]}, {}, filters=())
    await room.keep(SUPPORT, spam=Verdict("ham", score=0.0))
    assert await room.release("QID1.1") == 1
    assert await room.states() == {"QID1.1": "queued"}


async def test_nothing_is_released_twice(room):
    assert await room.release("NOPE") == 0
    await room.keep(SUPPORT)
    assert await room.release("QID1") == 1
    assert await room.release("QID1") == 0
    assert len(await room.store.calls()) == 1


async def test_a_copy_leaves_with_its_letter(room):
    room.use({"routes": [{"to": "*", "copy_to": "boss@inside.example"}], **BOTH}, {})
    await room.keep(SUPPORT)
    assert await room.states() == {"QID1.1": "held", "QID1.1.copy": "held"}
    assert await room.release("QID1") == 2
    assert set((await room.states()).values()) == {"queued"}
    assert LETTER in (await room.store.original("QID1")).content
