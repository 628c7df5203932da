"""Letters leased to their keeper as they are kept, with a job made from what is in hand."""

from __future__ import annotations

import asyncio
import threading
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.message import Wishes
from gateway.store import Job, Store, StoreError

HOUR = timedelta(hours=1)


def several(mail: SimpleNamespace) -> list[tuple[Any, list[Any]]]:
    """Messages with letters of every shape that may go straight."""
    two = ("a@shop.example", "b@shop.example")
    wished = mail.arrival("Q5", two)
    wishes = Wishes("HDRS", "QQ+2B1", (("b@shop.example", "NEVER", "rfc822;b@old.example"),))
    wished = mail.replace(wished, envelope=mail.replace(wished.envelope, wishes=wishes))
    return [
        (mail.arrival("Q1"), [mail.letter("Q1", cuts=((3, 9), (20, 44)), smtputf8=True)]),
        (mail.arrival("Q2", two), [mail.letter("Q2", two, answerable=True)]),
        (mail.arrival("Q3", two), [mail.letter("Q3", two, deliver_to=("c@x.example",) * 2)]),
        (mail.arrival("Q4"), [mail.letter("Q4"), mail.own("Q4")]),
        (wished, [mail.letter("Q5", two)]),
        (mail.arrival("Q6", content=bytes(range(256)) * 256), [mail.letter("Q6", prefix=b"")]),
    ]


async def keep_straight(store: Store, came: Any, letters: Any, mail: Any) -> list[Job]:
    receipt = await store.keep(came, letters, mail.plan(), {each.id for each in letters})
    return list(receipt.jobs)


async def test_the_job_is_the_one_a_claim_would_give(
    keeper: Any, store: Store, mail: SimpleNamespace
) -> None:
    for came, letters in several(mail):
        straight = await keep_straight(store, came, letters, mail)
        assert [job.letter_id for job in straight] == [each.id for each in letters]
        assert await keeper.claim() == []  # they are leased
        await store.give_back(straight, mail.NOW)
        claimed = await keeper.claim()
        assert len(claimed) == len(straight)
        for one, other in zip(straight, claimed, strict=True):
            assert one.lease != other.lease
            assert mail.replace(one, lease="") == mail.replace(other, lease="")
            await store.settle(other, mail.settlement(other, "relayed"), mail.NOW)
    assert (await store.balance()).balanced


async def test_it_is_settled_like_any_other(
    keeper: Any, store: Store, mail: SimpleNamespace
) -> None:
    letters = [mail.letter("Q1"), mail.acknowledgement("Q1")]
    (job,) = await keep_straight(store, mail.arrival("Q1"), letters, mail)
    assert await keeper.states("Q1") == {"Q1.1": "active", "Q1.2": "waiting"}
    assert await store.settle(job, mail.settlement(job, "relayed"), mail.NOW)  # more became due
    assert await keeper.states("Q1") == {"Q1.1": "relayed", "Q1.2": "queued"}
    balance = await store.balance()
    assert (balance.accepted, balance.delivered, balance.balanced) == (1, 1, True)

    (job,) = await keep_straight(store, mail.arrival("Q2"), [mail.letter("Q2")], mail)
    assert not await store.settle(job, mail.settlement(job, "relayed"), mail.NOW)
    (job,) = await keep_straight(store, mail.arrival("Q3"), [mail.letter("Q3")], mail)
    later = mail.settlement(job, "delayed", retry_at=mail.NOW + HOUR)
    assert not await store.settle(job, later, mail.NOW)
    attempts = {each.letter_id: each.attempts for each in await keeper.claim(mail.NOW + HOUR)}
    assert attempts == {"Q1.2": 0, "Q3.1": 1}


async def test_only_what_is_asked_for_and_may_go(
    keeper: Any, store: Store, mail: SimpleNamespace
) -> None:
    """What is held or waits stays; an acknowledgement would be lost with its worker; a large
    content is not read from the memory of whoever took it."""
    letters = [mail.letter("Q1"), mail.own("Q1"), mail.acknowledgement("Q1", waits_for="")]
    receipt = await store.keep(mail.arrival("Q1"), letters, mail.plan(), {"Q1.1", "Q1.2", "Q7.1"})
    assert [job.letter_id for job in receipt.jobs] == ["Q1.1"]
    held = [mail.letter("Q2", hold="quarantined"), mail.acknowledgement("Q2")]
    assert await keep_straight(store, mail.arrival("Q2"), held, mail) == []
    large = mail.arrival("Q3", content=b"x" * 70_000)
    assert await keep_straight(store, large, [mail.letter("Q3")], mail) == []
    assert {job.letter_id for job in await keeper.claim()} == {"Q1.2", "Q1.3", "Q3.1"}
    assert await keeper.states("Q2") == {"Q2.1": "held"}


async def test_nothing_is_handed_out_that_was_not_kept(
    keeper: Any, store: Store, mail: SimpleNamespace
) -> None:
    (first,) = await keep_straight(store, mail.arrival("Q1"), [mail.letter("Q1")], mail)
    with pytest.raises(StoreError):
        await keep_straight(store, mail.arrival("Q1"), [mail.letter("Q1")], mail)
    with pytest.raises(ValueError, match="answer"):
        await keep_straight(store, mail.arrival("Q2"), [], mail)
    await keeper.claim()  # a store that doubts a lease ends it here
    await store.settle(first, mail.settlement(first, "relayed"), mail.NOW)
    assert await keeper.states("Q1") == {"Q1.1": "relayed"}
    assert (await store.balance()).accepted == 1


async def test_many_at_once_each_with_a_lease_of_its_own(
    store: Store, mail: SimpleNamespace
) -> None:
    found = await asyncio.gather(
        *(
            keep_straight(store, mail.arrival(f"Q{n}"), [mail.letter(f"Q{n}")], mail)
            for n in range(100)
        )
    )
    jobs = [job for jobs in found for job in jobs]
    assert len({job.lease for job in jobs}) == len({job.letter_id for job in jobs}) == 100
    await asyncio.gather(
        *(store.settle(job, mail.settlement(job, "relayed"), mail.NOW) for job in jobs)
    )
    balance = await store.balance()
    assert (balance.accepted, balance.delivered, balance.balanced) == (100, 100, True)


class Slow(list[Any]):
    """Letters that whoever writes them gets only after a while."""

    begun = threading.Event()
    go_on = threading.Event()

    def __iter__(self) -> Any:
        if threading.current_thread() is not threading.main_thread():
            self.begun.set()
            assert self.go_on.wait(10)
        return super().__iter__()


async def test_a_lease_whose_caller_went_away_is_ended(store: Store, mail: SimpleNamespace) -> None:
    """Cancelled while its transaction was under way: the letter is kept, and due; no strike."""
    letters = Slow([mail.letter("Q1")])
    letters.begun, letters.go_on = threading.Event(), threading.Event()
    keeping = asyncio.ensure_future(keep_straight(store, mail.arrival("Q1"), letters, mail))
    assert await asyncio.to_thread(letters.begun.wait, 10)
    keeping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await keeping
    letters.go_on.set()
    jobs: list[Job] = []
    async with asyncio.timeout(10):
        while not jobs:
            jobs = list(await store.claim(mail.NOW, 10))
    assert [job.letter_id for job in jobs] == ["Q1.1"]
    assert [note.event for note in await store.notes("Q1")] == ["accepted"]


async def test_cancelled_before_it_began_nothing_is_kept(
    store: Store, mail: SimpleNamespace
) -> None:
    keeping = asyncio.ensure_future(
        keep_straight(store, mail.arrival("Q1"), [mail.letter("Q1")], mail)
    )
    keeping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await keeping
    assert await store.entries() == []


async def test_a_worker_that_died_with_it_in_hand(open_store: Any, mail: SimpleNamespace) -> None:
    """Its lease runs out like any other: a strike, and it is tried again."""
    store = await open_store(lease=timedelta(minutes=5))
    (lost,) = await keep_straight(store, mail.arrival("Q1"), [mail.letter("Q1")], mail)
    assert not await store.claim(mail.NOW + timedelta(minutes=4), 10)
    (job,) = await store.claim(mail.NOW + timedelta(minutes=6), 10)
    assert job.letter_id == lost.letter_id
    await store.settle(lost, mail.settlement(lost, "failed"), mail.NOW)  # its lease is lost
    await store.settle(job, mail.settlement(job, "relayed"), mail.NOW)
    assert (await store.balance()).delivered == 1
    assert [note.event for note in await store.notes("Q1")] == [
        "accepted", "delivered", "lease over",
    ]  # fmt: skip
