"""One message from arrival to reply, with a real store: 250 only for what is kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from support.planning import FILTERS, LETTER, NOW, arrival, checked

from gateway.app import NoSuspects, digest
from gateway.intake import LARGE, Intake
from gateway.journal import Journal
from gateway.plan import History
from gateway.reply import NO_SPACE, OUR_TROUBLE, TOO_MANY_HOPS
from gateway.store import NoSpaceError, StoreError
from gateway.store.sqlite import SqliteStore


class Room:
    """An intake with everything it needs, and what it told."""

    def __init__(self, store: SqliteStore, **changes) -> None:
        self.store = store
        self.events: list[tuple[str, dict]] = []
        self.woken = self.withdrawn = 0
        journal = Journal(sinks=(lambda event, facts: self.events.append((event, dict(facts))),))
        more = changes.pop("settings", {})
        parts = checked(**more)
        self.intake = Intake(
            **{
                "pipeline": parts.pipeline,
                "router": parts.router,
                "composer": parts.composer,
                "sealer": parts.sealer,
                "store": store,
                "journal": journal,
                "suspects": NoSuspects(),
                "digest": digest,
                "bounds": parts.bounds,
                "hops": 50,
                "recall_limit": timedelta(seconds=5),
                "deliverer": self,
                **changes,
            }
        )

    # --- the deliverer: it finds everything in the store ---

    def offer(self, letters, arrived) -> frozenset[str]:
        return frozenset()

    def kept(self, letters, jobs) -> None:
        assert not jobs
        self.woken += 1

    def withdraw(self, letters) -> None:
        self.withdrawn += 1

    def facts(self, event: str) -> list[dict]:
        return [facts for name, facts in self.events if name == event]

    async def states(self) -> dict[str, str]:
        return {entry.letter_id: entry.state for entry in await self.store.entries()}


@pytest.fixture
async def room() -> AsyncIterator[Callable[..., Room]]:
    store = await SqliteStore.open(Path(":memory:"))
    yield lambda **changes: Room(store, **changes)
    await store.close()


async def test_250_names_the_id_under_which_it_is_kept(room):
    here = room()
    reply = await here.intake.accept(arrival())
    assert str(reply) == "250 2.0.0 Ok: queued as QID1"
    assert await here.states() == {"QID1.1": "queued", "QID1.1.ack": "waiting"}
    assert here.woken == 1
    (kept,) = here.facts("accepted")
    assert (kept["sites"], kept["rules"], kept["action"]) == (["shop"], ["rest"], "deliver")
    assert here.facts("acknowledgement") == [{"id": "QID1", "site": "shop", "reason": "ok"}]
    assert bytes((await here.store.original("QID1")).content) == LETTER


async def test_times_run_from_the_final_dot(room):
    calling = {"routes": [{"to": "*", "acknowledge": "received", "answer_within": "4h",
                           "call": "always"}]}  # fmt: skip
    here = room(settings={"shop": calling})
    await here.intake.accept(arrival())
    (call,) = await here.store.calls()
    assert (call.opened, call.due) == (NOW, NOW + timedelta(minutes=30))
    letter = next(j for j in await here.store.claim(NOW, 10) if j.kind == "letter")
    assert b"promise=2026-11-24T17:00:00Z" in letter.prefix


async def test_a_copy_is_kept_and_not_answered_again(room):
    here = room()
    await here.intake.accept(arrival())
    assert (await here.intake.accept(arrival(queue_id="QID2"))).positive
    assert await here.states() == {
        "QID1.1": "queued", "QID1.1.ack": "waiting", "QID2.1": "queued",
    }  # fmt: skip
    assert here.facts("acknowledgement")[1]["reason"] == "conversation"


async def test_only_the_answer_that_was_left_out_is_told_as_rate(room):
    """Two at once: both plan an answer, the store gives the right to one."""
    here = room()
    both = [
        arrival("support@shop.example", "postmaster@shop.example", queue_id=f"QID{n}")
        for n in (1, 2)
    ]

    here.intake.recall = _nothing_known
    await asyncio.gather(*map(here.intake.accept, both))
    told = {(facts["id"], facts["reason"]) for facts in here.facts("acknowledgement")}
    reasons = {id_: sorted(r for i, r in told if i == id_) for id_ in ("QID1", "QID2")}
    assert sorted(reasons.values()) == [["ok", "policy"], ["policy", "rate"]]
    jobs = {job.letter_id: job.prefix for job in await here.store.claim(NOW, 10)}
    said = {id_: b"X-Gateway-Acknowledged: yes" in prefix for id_, prefix in jobs.items()}
    assert said.pop("QID1.1") is ("ok" in reasons["QID1"]), said
    assert said.pop("QID2.1") is ("ok" in reasons["QID2"]), said
    refused = "QID1.1" if "rate" in reasons["QID1"] else "QID2.1"
    assert b"\r\nX-Gateway-Acknowledged: no; reason=rate\r\n" in jobs[refused]


async def _nothing_known(message) -> History:
    return History()


async def test_what_goes_in_circles_is_refused_and_not_kept(room):
    here = room(hops=2)
    circling = b"Received: from a by b; x\r\n" * 3 + LETTER
    assert await here.intake.accept(arrival(content=circling)) is TOO_MANY_HOPS
    assert await here.states() == {}
    assert here.facts("refused")[0]["why"] == "loop"
    assert (await here.intake.accept(arrival(content=circling[26:]))).positive


async def test_what_policy_refuses_is_not_kept(room):
    refusing = {"filters": [{"use": "spf", "then": {"none": "refuse"}}, *FILTERS[1:]]}
    here = room(settings=refusing)
    reply = await here.intake.accept(arrival(reverse_path="eve@nowhere.example"))
    assert (reply.code, reply.enhanced) == (550, "5.7.1")
    assert "QID1" in reply.text
    assert await here.states() == {}
    assert here.woken == 0
    assert (await here.store.balance()).accepted == 0


class Breaks:
    """A part of the route with a fault."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def plan(self, *_, **__):
        raise self._error

    compose = plan


@pytest.mark.parametrize("part", ["router", "composer"])
@pytest.mark.parametrize("error", [ZeroDivisionError("secret"), RecursionError(), TimeoutError()])
async def test_whatever_breaks_the_letter_is_held_as_it_came(room, part, error):
    here = room(**{part: Breaks(error)})
    reply = await here.intake.accept(arrival())
    assert str(reply) == "250 2.0.0 Ok: queued as QID1"
    (entry,) = await here.store.entries()
    assert (entry.state, entry.raw, entry.why) == (
        "held",
        True,
        f"broke us: {type(error).__name__}",
    )
    balance = await here.store.balance()
    assert (balance.accepted, balance.held) == (1, 1)
    assert bytes((await here.store.original("QID1")).content) == LETTER


async def test_what_the_store_will_never_take_is_held_as_it_came(room):
    """451 would have the sender try the same for days, and bounce it in the end."""
    here = room()
    compose = here.intake._composer.compose

    class OneId:
        def compose(self, *facts):
            letters, plan = compose(*facts)
            return tuple(replace(letter, id=letters[0].id) for letter in letters), plan

    here.intake._composer = OneId()
    assert (await here.intake.accept(arrival())).positive
    assert await here.states() == {"QID1.0": "held"}
    assert here.facts("trouble")[0]["error"] == "UnfitError"


async def test_being_cancelled_is_no_fault(room):
    here = room(router=Breaks(asyncio.CancelledError()))
    with pytest.raises(asyncio.CancelledError):
        await here.intake.accept(arrival())
    assert await here.states() == {}


class Store:
    """The real store, but for one method."""

    def __init__(self, store: SqliteStore, **methods) -> None:
        self._store = store
        self.__dict__.update(methods)

    def __getattr__(self, name):
        return getattr(self._store, name)


def raising(error: Exception):
    async def method(*_, **__):
        raise error

    return method


@pytest.mark.parametrize(
    ("error", "reply"), [(StoreError("disk"), OUR_TROUBLE), (NoSpaceError("full"), NO_SPACE)]
)
async def test_without_a_store_nothing_is_promised(room, error, reply):
    here = room()
    here.intake._store = Store(here.store, keep=raising(error))
    assert await here.intake.accept(arrival()) is reply
    assert await here.states() == {}
    assert (here.woken, here.withdrawn) == (0, 1)


@pytest.mark.parametrize(
    ("error", "reply"),
    [(StoreError("disk"), OUR_TROUBLE), (NoSpaceError("full"), NO_SPACE), (OSError(), OUR_TROUBLE)],
)
async def test_if_holding_fails_too_the_client_keeps_it(room, error, reply):
    here = room(router=Breaks(ValueError()))
    here.intake._store = Store(here.store, keep_raw=raising(error))
    assert await here.intake.accept(arrival()) is reply
    assert await here.states() == {}


async def _never(*_, **__):
    await asyncio.Event().wait()


@pytest.mark.parametrize(
    ("recall", "missing"), [(_never, "timeout"), (raising(StoreError("busy")), "store")]
)
async def test_without_history_the_letter_goes_on_unanswered_and_says_so(room, recall, missing):
    here = room(recall_limit=timedelta(milliseconds=10))
    here.intake._store = Store(here.store, recall=recall)
    assert (await here.intake.accept(arrival())).positive
    assert await here.states() == {"QID1.1": "queued"}
    assert here.facts("acknowledgement")[0]["reason"] == "unchecked"
    (job,) = await here.store.claim(NOW, 10)
    assert f"X-Gateway-Unchecked: history ({missing})\r\n".encode() in job.prefix


class Watch:
    """Notes what is under examination; suspects what it is told to."""

    def __init__(self, *suspects: bytes) -> None:
        self.suspects, self.seen, self.now = suspects, [], []
        self.doubtful_ones: set[bytes] = set()
        self.most = 0
        self.turn = asyncio.Lock()

    def suspect(self, digest: bytes) -> bool:
        return digest in self.suspects

    def doubtful(self, digest: bytes) -> bool:
        return digest in self.doubtful_ones or self.suspect(digest)

    @contextmanager
    def examining(self, digest: bytes):
        self.seen.append(digest)
        self.now.append(digest)
        self.most = max(self.most, len(self.now))
        try:
            yield
        finally:
            self.now.remove(digest)


@pytest.mark.parametrize("size", [0, LARGE])
async def test_a_suspect_is_held_unexamined(room, size):
    letter = arrival(content=LETTER + b"x" * size + b"\r\n")
    watch = Watch(digest(letter))
    here = room(suspects=watch)
    assert (await here.intake.accept(letter)).positive
    assert watch.seen == []
    (entry,) = await here.store.entries()
    assert (entry.raw, entry.why) == (True, "stopped its worker twice")
    assert not here.facts("examined")


@pytest.mark.parametrize("changes", [{}, {"router": Breaks(ValueError())}])
async def test_what_is_examined_is_marked_until_it_is_kept_or_broke_us(room, changes):
    watch = Watch()
    here = room(suspects=watch, **changes)
    letter = arrival()
    await here.intake.accept(letter)
    assert watch.seen == [digest(letter)]
    assert watch.now == []


@pytest.mark.parametrize("doubtful", [False, True])
async def test_what_stood_there_when_a_worker_died_is_examined_one_at_a_time(room, doubtful):
    """Else all that is examined beside a poison is counted, and held, with it."""
    letters = [arrival(queue_id=f"QID{n}", content=LETTER + b"%d\r\n" % n) for n in range(5)]
    watch = Watch()
    if doubtful:
        watch.doubtful_ones = {digest(letter) for letter in letters}
    here = room(suspects=watch)
    replies = await asyncio.gather(*(here.intake.accept(letter) for letter in letters))
    assert all(reply.positive for reply in replies)
    assert (watch.most == 1) == doubtful
    assert not watch.turn.locked()


async def test_the_journal_holds_no_words_of_the_letter(room):
    here = room()
    await here.intake.accept(arrival())
    for word in ("Jo Field", "Where is it", "10423", "0143", "jo@"):
        assert word not in repr(here.events)


async def test_the_store_hears_what_is_about_to_come(room):
    """While others are examined, what is to be kept may wait for them; when they are done, not."""
    here, told = room(), []
    here.intake._store = Store(here.store, expect=told.append)
    await here.intake.accept(arrival())
    assert told == [1, -1]
    here.intake._router = Breaks(ValueError())
    await here.intake.accept(arrival(queue_id="QID2"))
    assert told == [1, -1, 1, -1]
