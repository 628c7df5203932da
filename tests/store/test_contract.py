"""What every store promises about letters: kept, leased, settled, counted, held, released.

A store is put under this contract in conftest.py. People and acknowledgements: test_people.py.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.message import Arrival, Envelope, Session, Wishes
from gateway.store import Receipt, Settlement, Store, StoreError

MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
LEASE = timedelta(minutes=5)


# --- keep --------------------------------------------------------------------------------------


async def test_what_is_kept_comes_back_octet_for_octet(
    keeper: Any, store: Store, mail: SimpleNamespace
) -> None:
    content = bytes(range(256)) * 40 + b"\r\n"
    came = mail.arrival("Q1", ("a@shop.example", "b@shop.example"), content)
    kept = mail.letter("Q1", came.envelope.recipients, cuts=((3, 9), (20, 44)), smtputf8=True)
    assert await store.keep(came, [kept], mail.plan()) == Receipt()

    (job,) = await keeper.claim()
    assert bytes(job.content) == content
    assert (job.letter_id, job.queue_id, job.kind, job.site) == ("Q1.1", "Q1", "letter", "shop")
    assert (job.next_hop, job.reverse_path) == ("mailbox", mail.CUSTOMER)
    assert job.recipients == job.origin == ("a@shop.example", "b@shop.example")
    assert (job.prefix, job.cuts) == (kept.prefix, kept.cuts)
    assert (job.attempts, job.accepted, job.smtputf8) == (0, mail.NOW, True)

    again = await store.original("Q1")
    assert again is not None
    assert (again.session, again.envelope, again.time) == (came.session, came.envelope, came.time)
    assert bytes(again.content) == content
    assert await store.original("Q2") is None


async def test_what_the_client_wants_to_be_told(
    keeper: Any, store: Store, mail: SimpleNamespace
) -> None:
    wishes = Wishes("HDRS", "QQ+2B1", (("b@shop.example", "NEVER", "rfc822;b@old.example"),))
    came = mail.arrival("Q1", ("a@shop.example", "b@shop.example"))
    came = mail.replace(came, envelope=mail.replace(came.envelope, wishes=wishes))
    await store.keep(came, [mail.letter("Q1", came.envelope.recipients)], mail.plan())
    (job,) = await keeper.claim()
    assert job.wishes == wishes
    assert job.wishes.of("a@shop.example") == ("", "")
    again = await store.original("Q1")
    assert again is not None
    assert again.envelope == came.envelope


async def test_a_failure_the_sender_may_not_hear_of_is_held(
    keeper: Any, store: Store, mail: SimpleNamespace
) -> None:
    await keeper.keep(to=("a@shop.example", "b@shop.example"), queue_id="Q1")
    (job,) = await keeper.claim()
    failed = mail.settlement(job, "failed", on_failure="dsn", held=frozenset({"b@shop.example"}))
    await store.settle(job, failed, mail.NOW)
    (entry,) = await store.entry("Q1")
    assert dict(entry.recipients) == {"a@shop.example": "failed", "b@shop.example": "held"}
    balance = await store.balance()
    assert (balance.bounced, balance.held, balance.balanced) == (1, 1, True)


@pytest.mark.parametrize("size", [0, 64 << 10, (64 << 10) + 1, 3_000_000])
async def test_any_size(keeper: Any, store: Store, size: int) -> None:
    content = b"0123456789abcdef" * (size // 16) + b"x" * (size % 16)
    await keeper.keep(content=content)
    (job,) = await keeper.claim()
    assert len(job.content) == size
    assert bytes(job.content) == content
    original = await store.original(job.queue_id)
    assert original is not None
    assert bytes(original.content) == content


async def test_mail_of_our_own_has_its_own_content(keeper: Any, mail: SimpleNamespace) -> None:
    await keeper.keep(mail.letter("Q1"), mail.own("Q1"), queue_id="Q1")
    jobs = {job.kind: job for job in await keeper.claim()}
    assert bytes(jobs["card"].content) == mail.own("Q1").own
    assert (jobs["card"].prefix, jobs["card"].origin) == (b"", ())


async def test_nobody_may_be_left_unanswered(
    keeper: Any, store: Store, mail: SimpleNamespace
) -> None:
    came = mail.arrival("Q1", ("a@shop.example", "b@shop.example"))
    only_a = mail.letter("Q1", ("a@shop.example",))
    twice = mail.letter("Q1", ("a@shop.example", "b@shop.example"), n=2)
    for letters in ([only_a], [only_a, twice], []):
        with pytest.raises(ValueError, match="answer"):
            await store.keep(came, letters, mail.plan())
    assert (await store.balance()).accepted == 0
    assert await store.entries() == []


async def test_a_queue_id_is_kept_once(store: Store, mail: SimpleNamespace) -> None:
    await store.keep(mail.arrival("Q1"), [mail.letter("Q1")], mail.plan())
    with pytest.raises(StoreError):
        await store.keep(mail.arrival("Q1", content=b"other"), [mail.letter("Q1")], mail.plan())
    original = await store.original("Q1")
    assert original is not None
    assert original.content == mail.CONTENT
    assert (await store.balance()).accepted == 1


async def test_all_of_it_or_nothing(store: Store, mail: SimpleNamespace) -> None:
    """The second letter cannot be kept, so the first is not, nor what was to be remembered."""
    clash = [mail.letter("Q1"), mail.own("Q1", n=1)]
    remembered = mail.plan(mail.memory("Q1", call=mail.call("Q1"), claim=mail.claim("Q1")))
    with pytest.raises(StoreError):
        await store.keep(mail.arrival("Q1"), clash, remembered)
    assert await store.entries() == []
    assert await store.calls() == []
    assert (await store.balance()).accepted == 0
    history = await store.recall(mail.message(), mail.NOW)
    assert not history.proven.known
    assert not history.acknowledged


# --- claim -------------------------------------------------------------------------------------


async def test_a_letter_is_leased_to_one_only(keeper: Any, store: Store) -> None:
    for _ in range(20):
        await keeper.keep()
    claims = await asyncio.gather(*(keeper.claim(limit=3) for _ in range(8)))
    ids = [job.letter_id for jobs in claims for job in jobs]
    assert len(ids) == len(set(ids)) == 20
    assert await keeper.claim() == []
    assert (await store.balance()).queued == 20


async def test_oldest_due_first(keeper: Any, mail: SimpleNamespace) -> None:
    for minutes in (3, 1, 2):
        await keeper.keep(time=mail.NOW + minutes * MINUTE)
    assert await keeper.claim(mail.NOW) == []
    jobs = await keeper.claim(mail.NOW + 5 * MINUTE)
    assert [job.queue_id for job in jobs] == ["Q0002", "Q0003", "Q0001"]


async def test_new_mail_and_backlog_take_turns(
    keeper: Any, store: Store, mail: SimpleNamespace
) -> None:
    for _ in range(50):
        await keeper.keep()
    await keeper.settle_all("delayed", retry_at=mail.NOW + MINUTE)
    for _ in range(50):
        await keeper.keep(time=mail.NOW + 2 * MINUTE)
    later = mail.NOW + 3 * MINUTE
    jobs = await keeper.claim(later, 10)
    assert sorted(job.attempts for job in jobs) == [0] * 5 + [1] * 5
    single = [(await keeper.claim(later, 1))[0].attempts for _ in range(4)]
    assert sorted(single) == [0, 0, 1, 1]


async def test_a_long_backlog_for_one_next_hop_does_not_starve_another(
    keeper: Any, store: Store, mail: SimpleNamespace
) -> None:
    hops = {f"H{n:02d}": "slow" for n in range(30)} | {f"I{n}": f"hop{n}" for n in range(3)}
    for queue_id, hop in hops.items():
        await keeper.keep(mail.letter(queue_id, next_hop=hop), queue_id=queue_id)
    later = mail.NOW + MINUTE
    for job in await keeper.claim():
        retry_at = later if job.next_hop == "slow" else later + MINUTE
        await store.settle(job, mail.settlement(job, "delayed", retry_at=retry_at), mail.NOW)
    jobs = await keeper.claim(later + 2 * MINUTE, 8)
    assert sorted({job.next_hop for job in jobs}) == ["hop0", "hop1", "hop2", "slow"]


async def test_new_mail_is_not_hidden_by_what_waits_for_a_next_hop_left_out(
    keeper: Any, store: Store, mail: SimpleNamespace
) -> None:
    blocked = frozenset({"mailbox"})
    await asyncio.gather(*(keeper.keep() for _ in range(1500)))
    await keeper.keep(
        mail.letter("LAST", next_hop="other"), queue_id="LAST", time=mail.NOW + MINUTE
    )
    later, found = mail.NOW + 2 * MINUTE, []
    for _ in range(4):
        found += await keeper.claim(later, 5, but_not=blocked)
    assert [job.queue_id for job in found] == ["LAST"]
    jobs = await keeper.claim(later, 2000)
    assert len({job.letter_id for job in jobs}) == 1500


async def test_every_one_of_many_next_hops_gets_its_turn(
    keeper: Any, store: Store, mail: SimpleNamespace
) -> None:
    for number in range(100):
        queue_id = f"H{number:02d}"
        letters = [
            mail.letter(queue_id, next_hop=f"hop{number}"),
            *(mail.own(queue_id, n=n, next_hop=f"hop{number}") for n in (2, 3)),
        ]
        await keeper.keep(*letters, queue_id=queue_id)
    await keeper.settle_all("delayed", retry_at=mail.NOW)
    first = set[str]()
    for _ in range(20):
        first |= {job.next_hop for job in await keeper.claim(limit=10)}
    assert len(first) >= 90
    rest = await keeper.claim(limit=1000)
    assert len(rest) == 100


async def test_next_hops_left_out(keeper: Any, store: Store, mail: SimpleNamespace) -> None:
    for number, hop in enumerate(("one", "two", "three"), 1):
        await keeper.keep(mail.letter(f"H{number}", next_hop=hop), queue_id=f"H{number}")
    jobs = await keeper.claim(but_not=frozenset({"one", "three"}))
    assert [job.next_hop for job in jobs] == ["two"]


async def test_what_a_person_presses_goes_past_what_is_left_out(
    keeper: Any, store: Store, mail: SimpleNamespace
) -> None:
    first, second = await keeper.keep(), await keeper.keep()
    await keeper.settle_all("delayed", retry_at=mail.NOW + 60 * MINUTE)
    assert await store.retry(first, "joe", mail.NOW) == 1
    (job,) = await keeper.claim(but_not=frozenset({"mailbox"}))
    assert (job.queue_id, job.pressed) == (first, True)
    await store.settle(job, mail.settlement(job, "delayed", retry_at=mail.NOW + MINUTE), mail.NOW)
    assert await keeper.claim(mail.NOW + 2 * MINUTE, but_not=frozenset({"mailbox"})) == []
    assert await store.retry("*", "joe", mail.NOW + 2 * MINUTE) == 2
    jobs = await keeper.claim(mail.NOW + 2 * MINUTE)
    assert {job.queue_id for job in jobs} == {first, second}
    assert all(job.pressed for job in jobs)


async def test_next_due(keeper: Any, store: Store, mail: SimpleNamespace) -> None:
    assert await store.next_due() is None
    await keeper.keep(time=mail.NOW + MINUTE)
    await keeper.keep()
    assert await store.next_due() == mail.NOW
    retry_at = mail.NOW + 7 * MINUTE
    await keeper.settle_all("delayed", retry_at=retry_at)
    assert await store.next_due() == mail.NOW + MINUTE
    await keeper.settle_all("relayed", now=mail.NOW + MINUTE)
    assert await store.next_due() == retry_at
    await keeper.settle_all("relayed", now=retry_at)
    assert await store.next_due() is None


async def test_a_lease_that_runs_out_gives_the_letter_back(
    keeper: Any, store: Store, mail: SimpleNamespace
) -> None:
    await keeper.keep()
    (lost,) = await keeper.claim()
    assert await keeper.claim(mail.NOW + LEASE - MINUTE) == []
    later = mail.NOW + LEASE
    (job,) = await keeper.claim(later)
    assert job.letter_id == lost.letter_id
    assert job.lease != lost.lease
    await store.settle(lost, mail.settlement(lost, "failed"), later)
    assert await keeper.states(job.queue_id) == {job.letter_id: "active"}
    await store.settle(job, mail.settlement(job, "relayed"), later)
    assert await keeper.states(job.queue_id) == {job.letter_id: "relayed"}
    await store.settle(lost, mail.settlement(lost, "failed"), later)
    assert await keeper.states(job.queue_id) == {job.letter_id: "relayed"}


async def test_a_lost_lease_delivers_nothing(
    keeper: Any, store: Store, mail: SimpleNamespace
) -> None:
    queue_id = await keeper.keep()
    (lost,) = await keeper.claim()
    (job,) = await keeper.claim(mail.NOW + LEASE)
    await store.settle(lost, mail.settlement(lost, "relayed"), mail.NOW + LEASE)
    assert await keeper.states(queue_id) == {job.letter_id: "active"}
    assert (await store.balance()).delivered == 0


@pytest.mark.parametrize(("first", "state"), [("relayed", "relayed"), ("failed", "held")])
async def test_the_last_recipient_owed_is_not_the_only_one(
    keeper: Any, store: Store, mail: SimpleNamespace, first: str, state: str
) -> None:
    queue_id = await keeper.keep(to=("a@shop.example", "b@shop.example"))
    (job,) = await keeper.claim()
    one = mail.settlement(job, first, only=job.recipients[:1]).outcomes
    two = mail.settlement(job, "delayed", only=job.recipients[1:]).outcomes
    again = mail.NOW + MINUTE
    await store.settle(job, Settlement(one + two, again), mail.NOW)
    (job,) = await keeper.claim(again)
    assert job.recipients == ("b@shop.example",)
    await store.settle(job, mail.settlement(job, "relayed"), again)
    (entry,) = await store.entry(queue_id)
    assert (entry.state, entry.attempts, entry.due) == (state, 2, None)
    assert entry.recipients == {"a@shop.example": state, "b@shop.example": "relayed"}
    balance = await store.balance()
    assert (balance.balanced, balance.accepted, balance.queued) == (True, 2, 0)
    assert balance.delivered == (2 if state == "relayed" else 1)


async def test_a_late_settlement_counts_while_nobody_took_over(
    keeper: Any, store: Store, mail: SimpleNamespace
) -> None:
    queue_id = await keeper.keep()
    (job,) = await keeper.claim()
    await store.settle(job, mail.settlement(job, "relayed"), mail.NOW + 3 * LEASE)
    assert await keeper.states(queue_id) == {job.letter_id: "relayed"}


async def test_a_lease_can_be_renewed(keeper: Any, store: Store, mail: SimpleNamespace) -> None:
    await keeper.keep()
    jobs = await keeper.claim()
    assert not await store.extend(jobs, mail.NOW + 4 * MINUTE)
    assert await keeper.claim(mail.NOW + 8 * MINUTE) == []
    (other,) = await keeper.claim(mail.NOW + 9 * MINUTE)
    assert list(await store.extend([*jobs, other], mail.NOW + 9 * MINUTE)) == jobs
    assert len(await keeper.claim(mail.NOW + 14 * MINUTE)) == 1


async def test_a_letter_that_stops_its_worker_three_times_is_held(
    keeper: Any, store: Store, mail: SimpleNamespace
) -> None:
    queue_id, now = await keeper.keep(), mail.NOW
    for _ in range(3):
        assert len(await keeper.claim(now)) == 1
        now += LEASE
    assert await keeper.claim(now) == []
    (entry,) = await store.entry(queue_id)
    assert (entry.state, entry.why) == ("held", "stopped its worker three times")
    assert [alert.who for alert in await store.alerts()] == [queue_id]
    assert await store.alerts() == []
    assert (await store.balance()).held == 1

    assert await store.release(queue_id, "joe", now) == 1
    for _ in range(3):
        assert len(await keeper.claim(now)) == 1
        now += LEASE
    assert await keeper.claim(now) == []


async def test_only_what_stops_its_worker_is_held_and_not_what_was_in_hand_beside_it(
    keeper: Any, store: Store, mail: SimpleNamespace
) -> None:
    ids = [await keeper.keep() for _ in range(5)]
    poison, now = ids[3], mail.NOW
    for _ in range(2):
        assert len(await keeper.claim(now)) == 5
        now += LEASE
    for _ in range(8):
        jobs = await keeper.claim(now)
        assert len(jobs) <= 1, "the next stop would be the last for each"
        assert await keeper.claim(now) == []
        for job in jobs:
            if job.queue_id == poison:
                now += LEASE
            else:
                await store.settle(job, mail.settlement(job, "relayed"), now)
        now += 2 * SECOND
    held = {entry.queue_id: entry.state for id_ in ids for entry in await store.entry(id_)}
    assert held == {id_: "held" if id_ == poison else "relayed" for id_ in ids}


async def test_a_settlement_forgives_earlier_stops(
    keeper: Any, store: Store, mail: SimpleNamespace
) -> None:
    await keeper.keep()
    now = mail.NOW
    for _ in range(4):
        await keeper.claim(now)
        await keeper.claim(now + LEASE)
        (job,) = await keeper.claim(now + 2 * LEASE)
        now += 2 * LEASE
        await store.settle(job, mail.settlement(job, "delayed", retry_at=now), now)
    assert len(await keeper.claim(now)) == 1


async def test_leases_given_back(keeper: Any, store: Store, mail: SimpleNamespace) -> None:
    queue_id = await keeper.keep()
    jobs = await keeper.claim()
    await store.give_back(jobs, mail.NOW)
    (job,) = await keeper.claim()
    assert (job.queue_id, job.attempts) == (queue_id, 0)
    await store.give_back(jobs, mail.NOW)
    assert await keeper.claim() == []
    assert await store.hold(queue_id, "look at it", "joe", mail.NOW) == 1
    await store.give_back([job], mail.NOW)
    assert await keeper.states(queue_id) == {f"{queue_id}.1": "held"}


# --- settle ------------------------------------------------------------------------------------


async def test_each_recipient_has_its_own_outcome(
    keeper: Any, store: Store, mail: SimpleNamespace
) -> None:
    to = tuple(f"{name}@shop.example" for name in "abcd")
    queue_id = await keeper.keep(to=to)
    (job,) = await keeper.claim()
    retry_at = mail.NOW + MINUTE
    outcomes = (
        *mail.settlement(job, "relayed", only=to[:1]).outcomes,
        *mail.settlement(job, "failed", only=to[1:2]).outcomes,
        *mail.settlement(job, "delayed", only=to[2:]).outcomes,
    )
    both = mail.replace(mail.settlement(job, "relayed", retry_at=retry_at), outcomes=outcomes)
    await store.settle(job, both, mail.NOW)

    (entry,) = await store.entry(queue_id)
    assert dict(entry.recipients) == dict(
        zip(to, ("relayed", "held", "deferred", "deferred"), strict=True)
    )
    assert (entry.state, entry.due, entry.attempts) == ("deferred", retry_at, 1)
    assert [held.letter_id for held in await store.entries(states=["held"])] == [entry.letter_id]
    balance = await store.balance()
    assert (balance.delivered, balance.held, balance.queued) == (1, 1, 2)

    (again,) = await keeper.claim(retry_at)
    assert (again.recipients, again.attempts) == (to[2:], 1)
    assert again.origin == to[2:]
    await store.settle(again, mail.settlement(again, "relayed"), retry_at)
    (entry,) = await store.entry(queue_id)
    assert entry.state == "held"
    assert await store.release(queue_id, "joe", retry_at) == 1
    (last,) = await keeper.claim(retry_at)
    assert last.recipients == to[1:2]
    await store.settle(last, mail.settlement(last, "relayed"), retry_at)
    balance = await store.balance()
    assert (balance.delivered, balance.balanced) == (4, True)


@pytest.mark.parametrize(
    ("on_failure", "state", "column"),
    [("hold", "held", "held"), ("dsn", "failed", "bounced"), ("drop", "dropped", "dropped")],
)
@pytest.mark.parametrize("result", ["failed", "delayed", "unknown"])
async def test_the_end_of_a_letter(
    keeper: Any,
    store: Store,
    mail: SimpleNamespace,
    on_failure: str,
    state: str,
    column: str,
    result: str,
) -> None:
    """Failed at once, or not delivered when it is over (no time to try again)."""
    queue_id = await keeper.keep()
    (job,) = await keeper.claim()
    notice = mail.own(queue_id, "dsn", n=9, recipients=(mail.CUSTOMER,))
    await store.settle(
        job, mail.settlement(job, result, on_failure=on_failure, notices=(notice,)), mail.NOW
    )
    assert await keeper.states(queue_id) == {f"{queue_id}.1": state, notice.id: "queued"}
    balance = await store.balance()
    assert getattr(balance, column) == 1
    assert balance.balanced
    (sent,) = await keeper.claim()
    assert (sent.kind, bytes(sent.content)) == ("dsn", notice.own)


async def test_a_notice_is_kept_once(keeper: Any, store: Store, mail: SimpleNamespace) -> None:
    queue_id = await keeper.keep()
    notice = mail.own(queue_id, "notice", n=9)
    for minutes in (0, 1):
        now = mail.NOW + minutes * MINUTE
        (job,) = [job for job in await keeper.claim(now) if job.kind == "letter"]
        await store.settle(
            job,
            mail.settlement(job, "delayed", retry_at=now + MINUTE, notices=(notice,)),
            now,
        )
    assert sorted(await keeper.states(queue_id)) == [f"{queue_id}.1", notice.id]
    assert (await store.balance()).generated == {"queued": 1}


async def test_a_letter_knows_when_it_was_tried_last(
    keeper: Any, store: Store, mail: SimpleNamespace
) -> None:
    await keeper.keep(to=("a@shop.example", "b@shop.example"))
    later = mail.NOW + MINUTE
    (job,) = await keeper.claim()
    assert job.last_tried is None
    await store.settle(job, mail.settlement(job, "delayed", retry_at=later), mail.NOW)
    (job,) = await keeper.claim(later)
    assert job.last_tried == mail.NOW


async def test_a_letter_nobody_reports_on_is_not_bounced(
    keeper: Any, store: Store, mail: SimpleNamespace
) -> None:
    queue_id = await keeper.keep(to=("a@shop.example", "b@shop.example"))
    (job,) = await keeper.claim()
    partly = mail.settlement(job, "failed", only=job.recipients[:1], on_failure="dsn")
    await store.settle(job, partly, mail.NOW)
    (entry,) = await store.entry(queue_id)
    assert dict(entry.recipients) == {"a@shop.example": "failed", "b@shop.example": "held"}


async def test_an_unknown_outcome_of_a_letter_is_tried_again(
    keeper: Any, store: Store, mail: SimpleNamespace
) -> None:
    await keeper.keep()
    await keeper.settle_all("unknown", retry_at=mail.NOW + MINUTE)
    assert len(await keeper.claim(mail.NOW + MINUTE)) == 1


# --- acknowledgements --------------------------------------------------------------------------


async def with_acknowledgement(keeper: Any, mail: SimpleNamespace, **more: Any) -> str:
    keeper.ids += 1
    queue_id = f"A{keeper.ids}"
    await keeper.keep(
        mail.letter(queue_id, **more),
        mail.acknowledgement(queue_id),
        queue_id=queue_id,
        remember=(mail.memory(queue_id, claim=mail.claim(queue_id)),),
    )
    return queue_id


async def test_it_waits_for_the_first_delivery(
    keeper: Any, store: Store, mail: SimpleNamespace
) -> None:
    queue_id = await with_acknowledgement(keeper, mail)
    assert await keeper.states(queue_id) == {f"{queue_id}.1": "queued", f"{queue_id}.2": "waiting"}
    (job,) = await keeper.claim()
    assert job.kind == "letter"
    await store.settle(job, mail.settlement(job, "relayed"), mail.NOW)
    (answer,) = await keeper.claim()
    assert answer.kind == "acknowledgement"
    assert bytes(answer.content) == mail.acknowledgement(queue_id).own


async def test_one_delivered_recipient_is_enough(
    keeper: Any, store: Store, mail: SimpleNamespace
) -> None:
    to = ("a@shop.example", "b@shop.example")
    await keeper.keep(mail.letter("A1", to), mail.acknowledgement("A1"), queue_id="A1", to=to)
    (job,) = await keeper.claim()
    retry_at = mail.NOW + MINUTE
    outcomes = (
        *mail.settlement(job, "delayed", only=to[:1]).outcomes,
        *mail.settlement(job, "relayed", only=to[1:]).outcomes,
    )
    await store.settle(
        job,
        mail.replace(mail.settlement(job, "relayed", retry_at=retry_at), outcomes=outcomes),
        mail.NOW,
    )
    assert [job.kind for job in await keeper.claim()] == ["acknowledgement"]


async def test_after_its_delay_it_goes_without_a_promise(
    keeper: Any, store: Store, mail: SimpleNamespace
) -> None:
    queue_id = await with_acknowledgement(keeper, mail)
    (job,) = await keeper.claim()
    await store.settle(
        job, mail.settlement(job, "delayed", retry_at=mail.NOW + 60 * MINUTE), mail.NOW
    )
    assert await keeper.claim(mail.NOW + 14 * MINUTE) == []
    late = mail.NOW + 15 * MINUTE
    (answer,) = await keeper.claim(late)
    assert bytes(answer.content) == mail.acknowledgement(queue_id).late
    assert len(await store.alerts()) == 1
    await store.settle(answer, mail.settlement(answer, "delayed", retry_at=late + MINUTE), late)
    (again,) = await keeper.claim(late + MINUTE)
    assert bytes(again.content) == mail.acknowledgement(queue_id).late
    await store.settle(again, mail.settlement(again, "relayed"), late + MINUTE)
    (letter,) = await keeper.claim(mail.NOW + 60 * MINUTE)
    await store.settle(letter, mail.settlement(letter, "relayed"), mail.NOW + 60 * MINUTE)
    assert await keeper.claim(mail.NOW + 90 * MINUTE) == []


@pytest.mark.parametrize(("minutes", "promises"), [(30, True), (31, False)])
async def test_tried_again_much_later_it_promises_nothing(
    keeper: Any, store: Store, mail: SimpleNamespace, minutes: int, promises: bool
) -> None:
    """The time it names may be over by then."""
    queue_id = await with_acknowledgement(keeper, mail)
    (job,) = await keeper.claim()
    await store.settle(job, mail.settlement(job, "relayed"), mail.NOW)
    (answer,) = await keeper.claim()
    then = mail.NOW + minutes * MINUTE
    await store.settle(answer, mail.settlement(answer, "delayed", retry_at=then), mail.NOW)
    (again,) = await keeper.claim(then)
    ours = mail.acknowledgement(queue_id)
    assert bytes(again.content) == (ours.own if promises else ours.late)


@pytest.mark.parametrize("end", ["hold", "dsn", "drop", "command", "dropped"])
async def test_none_for_a_letter_that_is_not_delivered(
    keeper: Any, store: Store, mail: SimpleNamespace, end: str
) -> None:
    queue_id = await with_acknowledgement(keeper, mail)
    if end == "command":
        await store.hold(f"{queue_id}.1", "wait", "joe", mail.NOW)
    elif end == "dropped":
        await store.drop(f"{queue_id}.1", "joe", mail.NOW)
    else:
        (job,) = await keeper.claim()
        await store.settle(job, mail.settlement(job, "failed", on_failure=end), mail.NOW)
    assert (await keeper.states(queue_id))[f"{queue_id}.2"] == "dropped"
    assert "not acknowledged" in await keeper.events(queue_id)
    assert await keeper.claim(mail.NOW + 60 * MINUTE) == []
    # Nothing was sent, so the next letter may be acknowledged.
    second = await with_acknowledgement(keeper, mail)
    assert (await keeper.states(second))[f"{second}.2"] == "waiting"


async def test_none_for_a_letter_held_from_the_start(
    keeper: Any, store: Store, mail: SimpleNamespace
) -> None:
    queue_id = await with_acknowledgement(keeper, mail, hold="quarantined: spam=spam")
    assert await keeper.states(queue_id) == {f"{queue_id}.1": "held"}
    assert "not acknowledged" in await keeper.events(queue_id)
    second = await with_acknowledgement(keeper, mail)  # the right to acknowledge was not taken
    assert (await keeper.states(second))[f"{second}.2"] == "waiting"


async def test_what_a_release_brings_with_it(
    keeper: Any, store: Store, mail: SimpleNamespace
) -> None:
    """A letter wrongly held is acknowledged, carded and counted when a person lets it go."""
    await keeper.keep(
        mail.letter("Q1", hold="quarantined: spam=spam"),
        queue_id="Q1",
        remember=(mail.memory("Q1", counts=False),),
    )
    later = mail.NOW + 60 * MINUTE
    letters = [mail.acknowledgement("Q1"), mail.own("Q1")]
    remembered = mail.plan(mail.memory("Q1", claim=mail.claim("Q1"), call=mail.call("Q1")))
    for changed in (1, 0):
        done = await store.release("Q1", "joe", later, letters=letters, plan=remembered)
        assert done == changed
    states = {"Q1.1": "queued", "Q1.2": "waiting", "Q1.3": "queued"}
    assert await keeper.states("Q1") == states
    assert [call.id for call in await store.calls()] == ["KQ1"]
    history = await store.recall(mail.message(), later)
    assert (history.proven.letters_7_days, set(history.acknowledged)) == (1, {"shop"})
    assert (await store.balance()).accepted == 1
    with pytest.raises(ValueError, match="answered"):
        await store.release("Q1", "joe", later, letters=[mail.letter("Q1")], plan=remembered)


async def test_at_most_once(keeper: Any, store: Store, mail: SimpleNamespace) -> None:
    """A worker that stopped while sending it: it may have gone out, so it never goes again."""
    queue_id = await with_acknowledgement(keeper, mail)
    await keeper.settle_all()
    (lost,) = await keeper.claim()
    assert await keeper.claim(mail.NOW + LEASE) == []
    assert (await keeper.states(queue_id))[lost.letter_id] == "unknown"
    assert (await store.balance()).generated == {"unknown": 1}
    await store.settle(lost, mail.settlement(lost, "delayed", retry_at=mail.NOW), mail.NOW)
    assert (await keeper.states(queue_id))[lost.letter_id] == "unknown"
    assert "unknown" in await keeper.events(queue_id)


async def test_an_unknown_outcome_is_not_repeated(
    keeper: Any, store: Store, mail: SimpleNamespace
) -> None:
    queue_id = await with_acknowledgement(keeper, mail)
    await keeper.settle_all()
    (job,) = await keeper.claim()
    await store.settle(job, mail.settlement(job, "unknown", retry_at=mail.NOW), mail.NOW)
    assert (await keeper.states(queue_id))[job.letter_id] == "unknown"
    assert await keeper.claim(mail.NOW + LEASE) == []


# --- commands ----------------------------------------------------------------------------------


async def test_hold_and_release(keeper: Any, store: Store, mail: SimpleNamespace) -> None:
    queue_id = await keeper.keep()
    assert await store.hold(queue_id, "look at it", "joe", mail.NOW) == 1
    assert await store.hold(queue_id, "again", "joe", mail.NOW) == 0
    assert await keeper.claim() == []
    (entry,) = await store.entries(states=["held"])
    assert (entry.why, entry.due) == ("look at it", None)
    assert await store.release(f"{queue_id}.1", "ann", mail.NOW) == 1
    assert await store.release(queue_id, "ann", mail.NOW) == 0
    assert await keeper.settle_all() == 1
    told = [(note.event, note.who) for note in await store.notes(queue_id)]
    assert told == [("accepted", ""), ("held", "joe"), ("released", "ann"), ("delivered", "")]


async def test_kept_as_held(keeper: Any, store: Store, mail: SimpleNamespace) -> None:
    await keeper.keep(mail.letter("Q1", hold="quarantined: spam=spam"), queue_id="Q1")
    assert await keeper.claim() == []
    (entry,) = await store.entries(states=["held"])
    assert (entry.state, entry.why, entry.raw) == ("held", "quarantined: spam=spam", False)
    assert (await store.balance()).held == 1
    await store.release("Q1", "joe", mail.NOW)
    assert await keeper.settle_all() == 1
    assert (await store.balance()).delivered == 1


async def test_a_hold_while_it_is_being_delivered(
    keeper: Any, store: Store, mail: SimpleNamespace
) -> None:
    """The attempt ends first; what it did not deliver is held then, whatever it asks for."""
    queue_id = await keeper.keep(to=("a@shop.example", "b@shop.example"))
    (job,) = await keeper.claim()
    assert await store.hold(queue_id, "look at it", "joe", mail.NOW) == 1
    assert await keeper.states(queue_id) == {job.letter_id: "active"}
    outcomes = (
        *mail.settlement(job, "relayed", only=job.recipients[:1]).outcomes,
        *mail.settlement(job, "delayed", only=job.recipients[1:]).outcomes,
    )
    await store.settle(
        job,
        mail.replace(mail.settlement(job, "relayed", retry_at=mail.NOW), outcomes=outcomes),
        mail.NOW,
    )
    (entry,) = await store.entry(queue_id)
    assert dict(entry.recipients) == {"a@shop.example": "relayed", "b@shop.example": "held"}
    assert entry.why == "look at it"


async def test_a_hold_taken_back_in_time(keeper: Any, store: Store, mail: SimpleNamespace) -> None:
    queue_id = await keeper.keep()
    (job,) = await keeper.claim()
    await store.hold(queue_id, "look at it", "joe", mail.NOW)
    assert await store.release(queue_id, "joe", mail.NOW) == 1
    await store.settle(job, mail.settlement(job, "delayed", retry_at=mail.NOW), mail.NOW)
    assert len(await keeper.claim()) == 1


async def test_a_hold_on_a_letter_whose_worker_stopped(
    keeper: Any, store: Store, mail: SimpleNamespace
) -> None:
    queue_id = await keeper.keep()
    await keeper.claim()
    await store.hold(queue_id, "look at it", "joe", mail.NOW)
    assert await keeper.claim(mail.NOW + LEASE) == []
    assert await keeper.states(queue_id) == {f"{queue_id}.1": "held"}


async def test_drop(keeper: Any, store: Store, mail: SimpleNamespace) -> None:
    held, waiting, active = [await keeper.keep() for _ in range(3)]
    await store.hold(held, "", "joe", mail.NOW)
    (job,) = [job for job in await keeper.claim() if job.queue_id == active]
    for queue_id in (held, active):
        assert await store.drop(queue_id, "joe", mail.NOW) == 1
    await store.settle(job, mail.settlement(job, "delayed", retry_at=mail.NOW), mail.NOW)
    assert await keeper.states(active) == {job.letter_id: "dropped"}
    balance = await store.balance()
    assert (balance.dropped, balance.queued, balance.balanced) == (2, 1, True)
    assert await store.drop(held, "joe", mail.NOW) == 0
    assert await keeper.states(waiting) == {f"{waiting}.1": "active"}
    assert ("dropped", "joe") in [(note.event, note.who) for note in await store.notes(held)]


async def test_retry(keeper: Any, store: Store, mail: SimpleNamespace) -> None:
    queue_id = await keeper.keep()
    assert await store.retry(queue_id, "joe", mail.NOW) == 0
    await keeper.settle_all("delayed", retry_at=mail.NOW + 60 * MINUTE)
    assert await keeper.claim() == []
    assert await store.retry(queue_id, "joe", mail.NOW) == 1
    assert len(await keeper.claim()) == 1
    assert await store.retry("*", "joe", mail.NOW) == 0


async def test_a_clock_that_was_ahead_leaves_nothing_lying(
    keeper: Any, store: Store, mail: SimpleNamespace
) -> None:
    ahead = mail.NOW + timedelta(days=365)
    await keeper.keep(queue_id="TRIED", time=ahead)
    await keeper.settle_all("delayed", ahead, retry_at=ahead + MINUTE)
    await keeper.keep(mail.letter("FRESH"), mail.acknowledgement("FRESH"), queue_id="FRESH",
                      time=ahead)  # fmt: skip
    await keeper.keep(queue_id="USUAL")
    assert await keeper.settle_all("delayed", mail.NOW, retry_at=mail.NOW + 4 * HOUR) == 1
    assert await keeper.claim() == []
    assert await store.hasten(mail.NOW, 15 * MINUTE, 5 * HOUR) == 3
    assert await store.hasten(mail.NOW, 15 * MINUTE, 5 * HOUR) == 0
    assert {job.letter_id for job in await keeper.claim()} == {"TRIED.1", "FRESH.1"}
    assert await keeper.states("USUAL") == {"USUAL.1": "deferred"}
    (late,) = await keeper.claim(mail.NOW + 21 * MINUTE, but_not=frozenset({"mailbox"}))
    assert late.letter_id == "FRESH.2"
    assert (await store.balance()).balanced


async def test_a_lease_is_never_hastened(keeper: Any, store: Store, mail: SimpleNamespace) -> None:
    ahead = mail.NOW + timedelta(days=365)
    await keeper.keep(time=ahead)
    (job,) = await keeper.claim(ahead)
    assert await store.hasten(mail.NOW, 15 * MINUTE, 5 * HOUR) == 0
    await store.settle(job, mail.settlement(job, "relayed"), mail.NOW)
    assert await keeper.states("Q0001") == {"Q0001.1": "relayed"}


async def test_entries(keeper: Any, store: Store, mail: SimpleNamespace) -> None:
    ids = [await keeper.keep(time=mail.NOW + n * MINUTE) for n in range(5)]
    await store.hold(ids[3], "", "joe", mail.NOW)
    await keeper.settle_all()
    assert [entry.queue_id for entry in await store.entries()] == ids
    assert [entry.queue_id for entry in await store.entries(limit=2)] == ids[-2:]

    async def listed(*states: str) -> list[str]:
        return [entry.queue_id for entry in await store.entries(states=states)]  # type: ignore[arg-type]

    assert await listed("relayed") == [ids[0]]
    assert await listed("queued") == [ids[1], ids[2], ids[4]]
    assert await listed("held", "relayed") == [ids[0], ids[3]]
    assert await listed("failed") == []
    (entry,) = await store.entry(ids[0])
    assert entry.size == len(mail.CONTENT) + len(mail.letter(ids[0]).prefix)
    assert entry.tone == ""
    assert await store.entry("nothing") == []


async def test_the_reason_of_a_delay_is_shown(
    keeper: Any, store: Store, mail: SimpleNamespace
) -> None:
    queue_id = await keeper.keep()
    await keeper.settle_all("delayed", retry_at=mail.NOW)
    (entry,) = await store.entry(queue_id)
    assert entry.why == str(mail.LATER)
    await keeper.settle_all()
    (entry,) = await store.entry(queue_id)
    assert entry.why == ""
    assert await keeper.events(queue_id) == ["accepted", "deferred", "delivered"]


# --- raw holds ---------------------------------------------------------------------------------


async def test_what_broke_us_is_kept_as_it_came(
    keeper: Any, store: Store, mail: SimpleNamespace
) -> None:
    came = mail.arrival("Q1", ("a@shop.example", "b@shop.example"), b"\x00\xff" * 50_000)
    await store.keep_raw(came, "broke us: ValueError")
    (entry,) = await store.entries(states=["held"])
    assert (entry.raw, entry.queue_id, entry.why) == (True, "Q1", "broke us: ValueError")
    assert await store.release("Q1", "joe", mail.NOW) == 0
    assert await keeper.claim() == []
    original = await store.original("Q1")
    assert original is not None
    assert (bytes(original.content), original.session) == (came.content, came.session)
    balance = await store.balance()
    assert (balance.accepted, balance.held) == (2, 2)


async def test_a_raw_hold_runs_the_whole_route_again(
    keeper: Any, store: Store, mail: SimpleNamespace
) -> None:
    to = ("a@shop.example", "b@shop.example")
    await store.keep_raw(mail.arrival("Q1", to), "broke us")
    later = mail.NOW + 60 * MINUTE
    with pytest.raises(ValueError, match="answer"):
        await store.release_raw("Q1", [mail.letter("Q1", to[:1])], mail.plan(), "joe", later)
    remembered = mail.plan(mail.memory("Q1"))
    await store.release_raw("Q1", [mail.letter("Q1", to)], remembered, "joe", later)
    assert await keeper.states("Q1") == {"Q1.1": "queued"}
    assert await keeper.claim(later - MINUTE) == []
    (job,) = await keeper.claim(later)
    assert (bytes(job.content), job.accepted) == (mail.CONTENT, mail.NOW)
    await store.settle(job, mail.settlement(job, "relayed"), later)
    balance = await store.balance()
    assert (balance.accepted, balance.delivered, balance.balanced) == (2, 2, True)
    assert (await store.recall(mail.message(), later)).proven.known
    with pytest.raises(StoreError):
        await store.release_raw("Q1", [mail.letter("Q1", to)], remembered, "joe", later)


async def test_a_raw_hold_can_be_dropped(keeper: Any, store: Store, mail: SimpleNamespace) -> None:
    await store.keep_raw(mail.arrival("Q1"), "broke us")
    assert await store.drop("Q1", "joe", mail.NOW) == 1
    assert (await store.balance()).dropped == 1
    with pytest.raises(StoreError):
        await store.release_raw("Q1", [mail.letter("Q1")], mail.plan(), "joe", mail.NOW)


async def test_raw_holds_take_what_no_route_would(store: Store, mail: SimpleNamespace) -> None:
    """Octets that are no text, everywhere a client may put them."""
    odd = b"\xff\x00\xfe".decode("utf-8", "surrogateescape")
    came = Arrival(
        "Q1",
        mail.NOW,
        Session("192.0.2.1", odd),
        Envelope(f"{odd}@x.example", (f"{odd}@shop.example",)),
        b"",
    )
    await store.keep_raw(came, odd)
    original = await store.original("Q1")
    assert original is not None
    assert original.envelope == came.envelope
    assert (await store.balance()).held == 1


# --- the balance -------------------------------------------------------------------------------


async def test_fan_out_counts_the_accepted_recipient_once(
    keeper: Any, store: Store, mail: SimpleNamespace
) -> None:
    inside = ("x@inside.example", "y@inside.example")
    await keeper.keep(mail.letter("Q1", deliver_to=inside), queue_id="Q1")
    (job,) = await keeper.claim()
    assert (job.recipients, job.origin) == (inside, (mail.SUPPORT,))
    assert (await store.balance()).generated == {"queued": 2}
    outcomes = (
        *mail.settlement(job, "relayed", only=inside[:1]).outcomes,
        *mail.settlement(job, "delayed", only=inside[1:]).outcomes,
    )
    await store.settle(
        job,
        mail.replace(mail.settlement(job, "relayed", retry_at=mail.NOW), outcomes=outcomes),
        mail.NOW,
    )
    balance = await store.balance()
    assert (balance.accepted, balance.queued, balance.delivered) == (1, 1, 0)
    assert balance.generated == {"relayed": 1, "queued": 1}
    await keeper.settle_all()
    balance = await store.balance()
    assert (balance.accepted, balance.queued, balance.delivered) == (1, 0, 1)
    assert balance.generated == {"relayed": 2}


async def test_copies_and_own_mail_stand_apart(
    keeper: Any, store: Store, mail: SimpleNamespace
) -> None:
    copy = mail.letter("Q1", ("boss@inside.example",), n=4, origin=())
    await keeper.keep(mail.letter("Q1"), copy, mail.own("Q1"), queue_id="Q1")
    balance = await store.balance()
    assert (balance.accepted, balance.queued, balance.generated) == (1, 1, {"queued": 2})
    await keeper.settle_all()
    balance = await store.balance()
    assert (balance.delivered, balance.generated, balance.balanced) == (1, {"relayed": 2}, True)


async def test_a_recipient_named_twice_counts_once(keeper: Any, store: Store) -> None:
    await keeper.keep(to=("a@shop.example", "a@shop.example"))
    assert (await store.balance()).accepted == 1
    (job,) = await keeper.claim()
    assert job.recipients == ("a@shop.example",)


# --- the rest ----------------------------------------------------------------------------------


async def test_the_secret_is_made_once(open_store: Any, store: Store) -> None:
    first = await store.secret()
    assert len(first) == 32
    assert await store.secret() == first


async def test_a_closed_store_says_so(open_store: Any, mail: SimpleNamespace) -> None:
    store = await open_store()
    await store.close()
    with pytest.raises(StoreError):
        await store.keep(mail.arrival("Q1"), [mail.letter("Q1")], mail.plan())
