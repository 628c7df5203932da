"""What every store remembers of people: contacts, conversations, acknowledgements, calls."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.message import Address
from gateway.plan import Cards, History, ReplyTo, Said
from gateway.settings import Acknowledgements, Rate
from gateway.store import Store

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
FAR = Rate(count=10_000, period=HOUR)


def limits(**given: Any) -> Acknowledgements:
    """No limit but those given."""
    none: dict[str, Any] = {
        "per_author": timedelta(0),
        "per_domain": FAR,
        "per_form": FAR,
        "per_site": FAR,
        "in_all": FAR,
    }
    return Acknowledgements(**(none | given))


async def remember(keeper: Any, mail: SimpleNamespace, queue_id: str, **more: Any) -> None:
    """Keep a message with one memory of its author."""
    options = {name: more.pop(name) for name in ("time",) if name in more}
    await keeper.keep(
        mail.letter(queue_id),
        queue_id=queue_id,
        remember=(mail.memory(queue_id, **more),),
        **options,
    )


async def acknowledge(
    keeper: Any,
    mail: SimpleNamespace,
    queue_id: str,
    contact: str = "ann@customer.example",
    *,
    site: str = "shop",
    large_provider: bool = False,
    form: str = "",
    **more: Any,
) -> bool:
    """Keep a message with an acknowledgement; whether it was kept."""
    taken = mail.claim(queue_id, contact, site=site, large_provider=large_provider, form=form)
    came = mail.arrival(queue_id, time=more.pop("time", mail.NOW))
    remembered = mail.memory(queue_id, contact, site=site, claim=taken, **more)
    receipt = await keeper.store.keep(
        came, [mail.letter(queue_id), mail.acknowledgement(queue_id)], mail.plan(remembered)
    )
    left_out = receipt.left_out
    assert left_out <= {f"{queue_id}.2"}
    states = await keeper.states(queue_id)
    assert (f"{queue_id}.2" in states) is not bool(left_out)
    return not left_out


# --- contacts ----------------------------------------------------------------------------------


async def test_a_stranger(store: Store, mail: SimpleNamespace) -> None:
    assert await store.recall(mail.message(), mail.NOW) == History()
    assert await store.recall(mail.message(author="", message_id=""), mail.NOW) == History()


async def test_letters_are_counted_for_7_and_30_days(
    keeper: Any, store: Store, mail: SimpleNamespace
) -> None:
    for days in (40, 29, 8, 6, 0):
        await remember(keeper, mail, f"D{days}", time=mail.NOW - days * DAY)
    history = await store.recall(mail.message(), mail.NOW)
    assert (history.proven.letters_7_days, history.proven.letters_30_days) == (2, 4)
    assert history.proven.known
    later = await store.recall(mail.message(), mail.NOW + 60 * DAY)
    assert (later.proven.letters_7_days, later.proven.letters_30_days) == (0, 0)
    assert later.proven.known


async def test_proven_and_unproven_stand_apart(
    keeper: Any, store: Store, mail: SimpleNamespace
) -> None:
    await remember(keeper, mail, "F1", proven=False, irate=True, phone="+15550000000")
    history = await store.recall(mail.message(), mail.NOW)
    assert not history.proven.known
    assert history.proven.phones == frozenset()
    assert history.proven.last_irate is None
    assert history.unproven.known
    await remember(keeper, mail, "G1", phone="+15551111111")
    history = await store.recall(mail.message(), mail.NOW)
    assert (history.proven.letters_7_days, history.unproven.letters_7_days) == (1, 1)
    assert history.proven.phones == {"+15551111111"}
    assert history.unproven.phones == {"+15550000000"}


async def test_spam_is_no_contact(keeper: Any, store: Store, mail: SimpleNamespace) -> None:
    await remember(keeper, mail, "S1", counts=False)
    history = await store.recall(mail.message(), mail.NOW)
    assert not history.proven.known
    assert history.proven.letters_7_days == 0


async def test_the_last_irate_letter(keeper: Any, store: Store, mail: SimpleNamespace) -> None:
    await remember(keeper, mail, "I1", irate=True, time=mail.NOW - 3 * DAY)
    await remember(keeper, mail, "I2", time=mail.NOW - DAY)
    history = await store.recall(mail.message(), mail.NOW)
    assert history.proven.last_irate == mail.NOW - 3 * DAY


async def test_the_case_of_an_address_does_not_matter(
    keeper: Any, store: Store, mail: SimpleNamespace
) -> None:
    await remember(keeper, mail, "C1")
    assert (await store.recall(mail.message(author="Ann@Customer.EXAMPLE"), mail.NOW)).proven.known


async def test_one_message_at_two_sites_is_one_letter(
    keeper: Any, store: Store, mail: SimpleNamespace
) -> None:
    await keeper.keep(
        mail.letter("Q1"),
        queue_id="Q1",
        remember=(mail.memory("Q1"), mail.memory("Q1", site="hosting")),
    )
    history = await store.recall(mail.message(), mail.NOW)
    assert history.proven.letters_7_days == 1
    assert not history.copy


async def test_a_flood_is_counted_up_to_a_thousand(
    keeper: Any, store: Store, mail: SimpleNamespace
) -> None:
    many = (remember(keeper, mail, f"N{number:04d}") for number in range(1100))
    await asyncio.gather(*many)
    history = await store.recall(mail.message(), mail.NOW)
    assert history.proven.letters_7_days == 1000


# --- conversations -----------------------------------------------------------------------------


async def test_a_conversation_goes_on(keeper: Any, store: Store, mail: SimpleNamespace) -> None:
    await remember(keeper, mail, "Q1", conversation="parcel")
    for reference in ("in_reply_to", "references"):
        known = ("<other@else.example>", "<Q1@customer.example>")
        history = await store.recall(mail.message(**{reference: known}), mail.NOW)
        assert history.conversation == "parcel"
        assert not history.answers_us
        assert not history.copy
    assert (await store.recall(mail.message(), mail.NOW)).conversation == ""


async def test_what_it_answers_counts_before_what_it_refers_to(
    keeper: Any, store: Store, mail: SimpleNamespace
) -> None:
    for name in ("first", "second", "third"):
        await remember(keeper, mail, name, conversation=name)
    references = ("<first@customer.example>", "<second@customer.example>")
    answer = mail.message(references=references)
    assert (await store.recall(answer, mail.NOW)).conversation == "second"
    answer = mail.message(references=references, in_reply_to=("<third@customer.example>",))
    assert (await store.recall(answer, mail.NOW)).conversation == "third"


async def test_an_answer_to_our_own_mail(keeper: Any, store: Store, mail: SimpleNamespace) -> None:
    assert await acknowledge(keeper, mail, "Q1")
    history = await store.recall(mail.message(in_reply_to=("<Q1.2@gw.example>",)), mail.NOW)
    assert history.answers_us
    assert history.conversation == "c-Q1"
    assert history.conversation_acknowledged
    own_id = await store.recall(mail.message(message_id="<Q1.2@gw.example>"), mail.NOW)
    assert not own_id.answers_us
    assert not own_id.copy


async def test_an_acknowledgement_left_out_is_not_remembered(
    open_store: Any, mail: SimpleNamespace
) -> None:
    keeper = mail.Keeper(await open_store(limits=limits(per_author=DAY)))
    assert await acknowledge(keeper, mail, "Q1")
    assert not await acknowledge(keeper, mail, "Q2")
    answer = mail.message(in_reply_to=("<Q2.2@gw.example>",))
    assert not (await keeper.store.recall(answer, mail.NOW)).answers_us


async def test_a_letter_says_what_became_of_its_acknowledgement(
    open_store: Any, mail: SimpleNamespace
) -> None:
    """The field was written before the store had the last word; in its job as in its row."""
    keeper = mail.Keeper(await open_store(limits=limits(per_author=DAY)))
    for queue_id, says in (("Q1", b"X: yes\r\n"), ("Q2", b"X: no\r\n")):
        said = Said(f"{queue_id}.2", b"X: yes\r\n", b"X: no\r\n")
        letter = mail.letter(queue_id, prefix=b"X: yes\r\n", said=(said,))
        memory = mail.memory(queue_id, claim=mail.claim(queue_id))
        receipt = await keeper.store.keep(
            mail.arrival(queue_id),
            [letter, mail.acknowledgement(queue_id)],
            mail.plan(memory),
            {letter.id},
        )
        assert bool(receipt.left_out) is (queue_id == "Q2")
        (straight,) = receipt.jobs
        await keeper.store.give_back([straight], mail.NOW)
        (claimed,) = await keeper.claim()
        assert (straight.prefix, claimed.prefix) == (says, says)


async def test_an_answer_to_a_notice(keeper: Any, store: Store, mail: SimpleNamespace) -> None:
    queue_id = await keeper.keep()
    (job,) = await keeper.claim()
    told = mail.settlement(job, "failed", on_failure="dsn", notices=(mail.own(queue_id, "dsn"),))
    await store.settle(job, told, mail.NOW)
    answer = mail.message(references=(f"<{queue_id}.3@gw.example>",))
    assert (await store.recall(answer, mail.NOW)).answers_us


async def test_a_copy(keeper: Any, store: Store, mail: SimpleNamespace) -> None:
    await remember(keeper, mail, "Q1", conversation="parcel")
    again = mail.message("Q2", message_id="<Q1@customer.example>")
    history = await store.recall(again, mail.NOW)
    assert history.copy
    assert history.conversation == "parcel"
    other = mail.message("Q3", "eve@else.example", message_id="<Q1@customer.example>")
    assert not (await store.recall(other, mail.NOW)).copy


async def test_two_copies_kept_together_are_one_letter_and_acknowledged_once(
    open_store: Any, mail: SimpleNamespace
) -> None:
    """Neither was in the history of the other: only keep's transaction can tell."""
    keeper = mail.Keeper(await open_store(limits=limits()))
    same = {"message_id": "<1@customer.example>"}
    sent = await asyncio.gather(
        *(acknowledge(keeper, mail, f"Q{number}", **same) for number in range(5))
    )
    assert sum(sent) == 1
    history = await keeper.store.recall(mail.message(), mail.NOW)
    assert history.proven.letters_7_days == 1
    assert (await keeper.store.balance()).queued == 5


# --- the right to acknowledge ------------------------------------------------------------------


async def test_once_in_a_conversation(open_store: Any, mail: SimpleNamespace) -> None:
    keeper = mail.Keeper(await open_store(limits=limits()))
    for number in range(3):
        queue_id = f"Q{number}"
        taken = mail.claim(queue_id, conversation="parcel")
        receipt = await keeper.store.keep(
            mail.arrival(queue_id),
            [mail.letter(queue_id), mail.acknowledgement(queue_id)],
            mail.plan(mail.memory(queue_id, conversation="parcel", claim=taken)),
        )
        assert receipt.left_out == (frozenset() if number == 0 else {f"{queue_id}.2"})
    assert "not acknowledged" in await keeper.events("Q2")
    (job, *_) = await keeper.claim()
    assert len(await keeper.states(job.queue_id)) == 2


async def test_once_per_author_and_site(open_store: Any, mail: SimpleNamespace) -> None:
    keeper = mail.Keeper(await open_store(limits=limits(per_author=DAY)))
    assert await acknowledge(keeper, mail, "Q1")
    history = await keeper.store.recall(mail.message(), mail.NOW + HOUR)
    assert history.acknowledged == {"shop": mail.NOW}
    assert not await acknowledge(keeper, mail, "Q2", time=mail.NOW + 23 * HOUR)
    assert await acknowledge(keeper, mail, "Q3", site="hosting", time=mail.NOW + 23 * HOUR)
    assert await acknowledge(keeper, mail, "Q4", "bob@customer.example")
    assert await acknowledge(keeper, mail, "Q5", time=mail.NOW + 24 * HOUR)
    history = await keeper.store.recall(mail.message(), mail.NOW + 25 * HOUR)
    assert set(history.acknowledged) == {"shop", "hosting"}


async def test_few_per_domain_but_for_large_providers(
    open_store: Any, mail: SimpleNamespace
) -> None:
    three = Rate(count=3, period=MINUTE)
    keeper = mail.Keeper(await open_store(limits=limits(per_domain=three)))
    many = [f"{name}@victim.example" for name in "abcde"]
    sent = [await acknowledge(keeper, mail, f"V{to[0]}", to) for to in many]
    assert sent == [True] * 3 + [False] * 2
    assert await acknowledge(keeper, mail, "O1", "x@other.example")
    assert await acknowledge(keeper, mail, "V9", "z@victim.example", time=mail.NOW + MINUTE)
    large = [f"{name}@large.example" for name in "abcde"]
    sent = [await acknowledge(keeper, mail, f"L{to[0]}", to, large_provider=True) for to in large]
    assert all(sent)


async def test_few_of_a_form_whoever_they_go_to(open_store: Any, mail: SimpleNamespace) -> None:
    """Whoever fills it in may name anybody, at one provider or at many."""
    few, one = Rate(count=3, period=HOUR), Rate(count=1, period=HOUR)
    keeper = mail.Keeper(await open_store(limits=limits(per_form=few, per_domain=one)))
    form = {"form": "form@shop.example", "large_provider": True}
    names = ["a@large.example", "b@large.example", "c@c.example", "d@d.example"]
    sent = [await acknowledge(keeper, mail, f"F{to[0]}", to, **form) for to in names]
    assert sent == [True] * 3 + [False]
    assert await acknowledge(keeper, mail, "O1", "e@e.example", form="other@shop.example")
    assert await acknowledge(keeper, mail, "O2", "f@c.example")  # the form's are not its domain's
    assert await acknowledge(keeper, mail, "F9", "g@g.example", **form, time=mail.NOW + HOUR)


@pytest.mark.parametrize(("limit", "scope"), [("per_site", "shop"), ("in_all", "*")])
async def test_the_breaker(open_store: Any, mail: SimpleNamespace, limit: str, scope: str) -> None:
    few = Rate(count=3, period=HOUR)
    keeper = mail.Keeper(await open_store(limits=limits(**{limit: few}, pause=30 * MINUTE)))
    store = keeper.store

    async def send(number: int, time: Any, site: str = "shop") -> bool:
        contact = f"c{number}@d{number}.example"
        return await acknowledge(keeper, mail, f"Q{number}", contact, site=site, time=time)

    sent = [await send(number, mail.NOW) for number in range(6)]
    assert sent == [True] * 3 + [False] * 3
    assert (await store.recall(mail.message(), mail.NOW)).silenced == {scope}
    assert len(await store.alerts()) == 1  # one for all that were refused
    assert await send(10, mail.NOW, site="hosting") is (scope == "shop")
    assert not await send(11, mail.NOW + 29 * MINUTE)
    after = mail.NOW + 61 * MINUTE
    assert (await store.recall(mail.message(), after)).silenced == frozenset()
    assert await send(12, after)


async def test_a_clock_that_was_ahead_silences_nobody(
    open_store: Any, mail: SimpleNamespace
) -> None:
    few = Rate(count=2, period=HOUR)
    keeper = mail.Keeper(await open_store(limits=limits(per_author=DAY, per_site=few)))
    ahead = mail.NOW + 365 * DAY
    sent = [
        await acknowledge(keeper, mail, f"A{n}", f"{n}@d.example", time=ahead) for n in range(3)
    ]
    assert sent == [True, True, False]
    history = await keeper.store.recall(mail.message(author="0@d.example"), mail.NOW)
    assert (history.silenced, history.acknowledged) == (frozenset(), {})
    assert await acknowledge(keeper, mail, "B0", "0@d.example")
    assert not await acknowledge(keeper, mail, "B1", "0@d.example", time=mail.NOW - MINUTE)


async def test_it_is_not_taken_when_the_message_is_not_kept(
    open_store: Any, mail: SimpleNamespace
) -> None:
    keeper = mail.Keeper(await open_store(limits=limits(per_author=DAY)))
    clash = [mail.letter("Q1"), mail.own("Q1", n=1), mail.acknowledgement("Q1")]
    remembered = mail.plan(mail.memory("Q1", claim=mail.claim("Q1")))
    with pytest.raises(Exception, match=r"UNIQUE|unique"):
        await keeper.store.keep(mail.arrival("Q1"), clash, remembered)
    assert await acknowledge(keeper, mail, "Q2")


async def test_a_dead_address(keeper: Any, store: Store, mail: SimpleNamespace) -> None:
    assert await acknowledge(keeper, mail, "Q1")
    await keeper.settle_all()
    assert not (await store.recall(mail.message(), mail.NOW)).dead_address
    (job,) = await keeper.claim()
    await store.settle(job, mail.settlement(job, "failed", on_failure="drop"), mail.NOW)
    assert (await store.recall(mail.message(), mail.NOW + 59 * DAY)).dead_address
    assert not (await store.recall(mail.message(), mail.NOW + 61 * DAY)).dead_address


async def test_a_dead_address_in_u_labels(keeper: Any, store: Store, mail: SimpleNamespace) -> None:
    """She is known by her A-labels, whichever way her address is written."""
    assert await acknowledge(keeper, mail, "Q1")
    await keeper.settle_all()
    (job,) = await keeper.claim()
    refused = replace(job, recipients=("Jo@Bücher.example",))
    await store.settle(refused, mail.settlement(refused, "failed", on_failure="drop"), mail.NOW)
    for domain in ("bücher.example", "xn--bcher-kva.example"):
        asked = mail.message(author=f"jo@{domain}")
        assert (await store.recall(asked, mail.NOW)).dead_address


async def test_who_stands_in_reply_to(keeper: Any, store: Store, mail: SimpleNamespace) -> None:
    """A form's customer is known by it, and her dead mailbox is not written to again."""
    assert await acknowledge(keeper, mail, "Q1")
    await keeper.settle_all()
    (job,) = await keeper.claim()
    await store.settle(job, mail.settlement(job, "failed", on_failure="drop"), mail.NOW)
    call = mail.call("Q2", proven=False)
    await remember(keeper, mail, "Q2", proven=False, call=call)
    named = (Address("", mail.CUSTOMER.upper()),)
    for author, found in (("form@shop.example", True), (mail.CUSTOMER, False)):
        asked = mail.message(author=author, reply_to=named)
        history = (await store.recall(asked, mail.NOW + DAY)).reply_to
        assert history.dead_address is found
        assert bool(history.open_calls) is found
        assert history.contact.letters_7_days == found
    two = (*named, Address("", "b@b.example"))
    asked = mail.message(author="form@shop.example", reply_to=two)
    assert (await store.recall(asked, mail.NOW)).reply_to == ReplyTo()


async def test_an_address_that_is_full_is_not_dead(
    keeper: Any, store: Store, mail: SimpleNamespace
) -> None:
    assert await acknowledge(keeper, mail, "Q1")
    await keeper.settle_all()
    (job,) = await keeper.claim()
    over = mail.settlement(job, "failed", reply=mail.LATER, on_failure="drop")
    await store.settle(job, over, mail.NOW)
    assert not (await store.recall(mail.message(), mail.NOW)).dead_address


async def test_a_customers_letter_that_is_refused_makes_no_address_dead(
    keeper: Any, store: Store, mail: SimpleNamespace
) -> None:
    await keeper.keep(to=(mail.CUSTOMER,))
    await keeper.settle_all("failed", on_failure="dsn")
    assert not (await store.recall(mail.message(), mail.NOW)).dead_address


# --- calls -------------------------------------------------------------------------------------


async def test_a_call_is_kept_and_closed(keeper: Any, store: Store, mail: SimpleNamespace) -> None:
    wanted = mail.call("Q1")
    await remember(keeper, mail, "Q1", call=wanted)
    assert await store.calls() == [wanted]
    assert await store.calls(site="hosting") == []
    assert (await store.recall(mail.message(), mail.NOW)).open_calls == {"shop": "KQ1"}
    assert await store.close_call("KQ1", "reached", "joe", mail.NOW)
    assert not await store.close_call("KQ1", "reached", "joe", mail.NOW)
    assert not await store.close_call("nothing", "reached", "joe", mail.NOW)
    assert await store.calls() == []
    (done,) = await store.calls(all_=True)
    assert (done.state, done.outcome) == ("done", "reached")
    assert (await store.recall(mail.message(), mail.NOW)).open_calls == {}


async def test_a_later_letter_updates_the_open_call(
    keeper: Any, store: Store, mail: SimpleNamespace
) -> None:
    await remember(keeper, mail, "Q1", call=mail.call("Q1"))
    second = mail.call(
        "Q2",
        phone=None,
        orders=("10424", "10423"),
        questions=("And now?",),
        due=mail.NOW + 3 * HOUR,
        updates="KQ1",
    )
    await remember(keeper, mail, "Q2", call=second)
    (open_,) = await store.calls()
    assert (open_.id, open_.queue_id) == ("KQ1", "Q2")
    assert open_.orders == ("10423", "10424")
    assert open_.questions == ("Where is it?", "And now?")
    assert (open_.phone, open_.extension) == ("+15551234567", "12")
    assert open_.due == mail.call("Q1").due
    await store.close_call("KQ1", "reached", "joe", mail.NOW)
    await remember(keeper, mail, "Q3", call=mail.call("Q3"))
    assert [each.id for each in await store.calls()] == ["KQ3"]


async def test_one_open_call_for_each_contact_and_site(
    keeper: Any, store: Store, mail: SimpleNamespace
) -> None:
    """Also when both letters were planned before either was kept."""
    await asyncio.gather(
        remember(keeper, mail, "Q1", call=mail.call("Q1")),
        remember(keeper, mail, "Q2", call=mail.call("Q2")),
        remember(keeper, mail, "Q3", call=mail.call("Q3", site="hosting")),
        remember(keeper, mail, "Q4", call=mail.call("Q4", contact="bob@customer.example")),
    )
    assert len(await store.calls()) == 3


async def test_an_unproven_letter_does_not_touch_a_proven_call(
    keeper: Any, store: Store, mail: SimpleNamespace
) -> None:
    await remember(keeper, mail, "Q1", call=mail.call("Q1"))
    forged = mail.call("Q2", proven=False, phone="+15559999999", updates="KQ1")
    await remember(keeper, mail, "Q2", proven=False, call=forged)
    by_id = {each.id: each for each in await store.calls()}
    assert by_id["KQ1"] == mail.call("Q1")
    assert by_id["KQ2"].phone == "+15559999999"
    history = await store.recall(mail.message(), mail.NOW)
    assert history.open_calls == {"shop": "KQ1", "shop/unproven": "KQ2"}


async def test_the_budget_of_cards(open_store: Any, mail: SimpleNamespace) -> None:
    keeper = mail.Keeper(
        await open_store(
            call_budget_periods={"hosting": HOUR},
            sites={
                "shop.example": "shop",
                "xn--bcher-kva.example": "shop",
                "hosting.example": "hosting",
            },
        )
    )
    for number, (site, proven, over) in enumerate(
        [
            ("shop", True, False),
            ("shop", False, False),
            ("shop", True, True),
            ("hosting", True, False),
        ]
    ):
        contact = f"c{number}@customer.example"
        wanted = mail.call(f"Q{number}", contact, site=site, proven=proven, over_budget=over)
        await remember(keeper, mail, f"Q{number}", contact=contact, call=wanted)

    async def carded(to: str, after: timedelta = timedelta(0)) -> dict[str, int]:
        history = await keeper.store.recall(mail.message(to=(to,)), mail.NOW + after)
        return dict(history.calls_carded)

    assert await carded("a@shop.example") == {"shop": 2, "shop/unproven": 1}
    assert await carded("a@hosting.example") == {"hosting": 1}
    assert await carded("a@Bücher.example") == {"shop": 2, "shop/unproven": 1}
    assert await carded("a@hosting.example", HOUR) == {}
    assert await carded("a@shop.example", 23 * HOUR) == {"shop": 2, "shop/unproven": 1}
    assert await carded("a@shop.example", 24 * HOUR) == {}


async def wants(
    keeper: Any, mail: SimpleNamespace, queue_id: str, time: datetime | None = None, **more: Any
) -> list[str]:
    """Keep a letter whose call has a card ready; gives the ids of what was left out."""
    contact = more.pop("contact", f"{queue_id}@customer.example")
    at = time or mail.NOW
    values = {"budget": Cards(5, 1, DAY), "opened": at, "id": f"{queue_id}.1"}
    wanted = mail.call(queue_id, contact, **(values | more))
    memory = mail.memory(queue_id, contact, proven=wanted.proven, call=wanted)
    letters = [
        mail.letter(queue_id),
        mail.replace(mail.own(queue_id), id=f"{wanted.id}.card"),
    ]
    receipt = await keeper.store.keep(
        mail.arrival(queue_id, time=at),
        letters,
        mail.plan(memory),
        [letter.id for letter in letters],
    )
    straight = {job.letter_id for job in receipt.jobs}
    assert straight == {letter.id for letter in letters} - receipt.left_out
    return sorted(receipt.left_out)


@pytest.mark.parametrize(("proven", "most"), [(True, 5), (False, 1)])
async def test_the_budget_holds_for_letters_planned_at_once(
    keeper: Any, store: Store, mail: SimpleNamespace, proven: bool, most: int
) -> None:
    ids = [f"Q{number}" for number in range(20)]
    left_out = await asyncio.gather(*(wants(keeper, mail, id_, proven=proven) for id_ in ids))
    assert sum(not each for each in left_out) == most
    states = [state for id_ in ids for state in await keeper.states(id_)]
    assert sum(id_.endswith(".card") for id_ in states) == most
    calls = await store.calls()
    assert len(calls) == 20
    assert sum(not call.over_budget for call in calls) == most


async def test_one_card_a_call_for_an_unproven_author_also_at_once(
    keeper: Any, store: Store, mail: SimpleNamespace
) -> None:
    """Else whoever names somebody in twenty letters at once has twenty cards made."""
    who: dict[str, Any] = {"contact": "forged@customer.example", "proven": False}
    ids = [f"Q{number}" for number in range(20)]
    left_out = await asyncio.gather(*(wants(keeper, mail, id_, **who) for id_ in ids))
    assert sum(not each for each in left_out) == 1
    (call,) = await store.calls()
    assert not call.over_budget


async def test_what_a_person_lets_go_late_counts_from_then_on(
    keeper: Any, store: Store, mail: SimpleNamespace
) -> None:
    """Else all that was held raw for longer than the budget's time has a card."""
    for id_ in ("Q0", "Q1"):
        await store.keep_raw(mail.arrival(id_), "a person looks at it")
        call = mail.call(
            id_,
            f"{id_}@customer.example",
            id=f"{id_}.1",
            opened=mail.NOW,
            budget=Cards(1, 0, DAY),
        )
        letters = [mail.letter(id_), mail.replace(mail.own(id_), id=f"{call.id}.card")]
        plan = mail.plan(mail.memory(id_, call.contact, call=call))
        await store.release_raw(id_, letters, plan, "agent", mail.NOW + 2 * DAY)
    assert [call.over_budget for call in await store.calls()] == [False, True]


async def test_a_call_over_budget_is_carded_later_and_counts_then(
    keeper: Any, store: Store, mail: SimpleNamespace
) -> None:
    """Else all calls that are over it could have a card on the day after."""
    ids = [f"Q{number}" for number in range(20)]
    for id_ in ids:
        await wants(keeper, mail, id_)
    later = mail.NOW + DAY
    again = [
        await wants(keeper, mail, f"{id_}b", later, contact=f"{id_}@customer.example")
        for id_ in ids[5:]
    ]
    assert [not each for each in again] == [True] * 5 + [False] * 10
    assert sum(call.over_budget for call in await store.calls()) == 10
    # The first five had theirs: what they write belongs to it, and is no other call.
    assert not await wants(keeper, mail, "Q0b", later, contact="Q0@customer.example")


async def test_without_known_domains_all_sites_are_told(
    keeper: Any, store: Store, mail: SimpleNamespace
) -> None:
    await remember(keeper, mail, "Q1", call=mail.call("Q1"))
    assert (await store.recall(mail.message(), mail.NOW)).calls_carded == {"shop": 1}


@pytest.mark.parametrize("odd", ["nul\x00", "half\udc80", "ümläut"])
async def test_odd_text_is_taken(
    keeper: Any, store: Store, mail: SimpleNamespace, odd: str
) -> None:
    contact = f"{odd}@customer.example"
    wanted = mail.call("Q1", contact, name=odd, orders=(odd,), questions=(odd,), reason=odd)
    await remember(
        keeper, mail, "Q1", contact=contact, message_id=f"<{odd}>", call=wanted, conversation=odd
    )
    history = await store.recall(mail.message(author=contact, in_reply_to=(f"<{odd}>",)), mail.NOW)
    assert history.proven.known
    assert history.conversation
    assert history.open_calls == {"shop": "KQ1"}
    assert len(await store.calls()) == 1
