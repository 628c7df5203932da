"""What needs no waiting gets no task; what has to wait waits together."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from gateway.waiting import at_once, together


async def give(value: str, ready: asyncio.Event | None = None) -> str:
    if ready is not None:
        await ready.wait()
    return value


async def test_an_answer_at_hand_comes_without_a_task() -> None:
    before = asyncio.all_tasks()
    assert at_once(partial(give, "a")) == ("a",)
    assert await together([partial(give, "a"), partial(give, "b")]) == ["a", "b"]
    assert asyncio.all_tasks() == before


async def test_what_has_to_wait_is_told_and_leaves_nothing_behind() -> None:
    assert at_once(partial(give, "a", asyncio.Event())) is None


async def test_answers_stand_in_the_order_asked_and_wait_together() -> None:
    one, two = asyncio.Event(), asyncio.Event()

    async def first() -> str:
        two.set()
        await one.wait()
        return "first"

    async def second() -> str:
        await two.wait()
        one.set()
        return "second"

    async with asyncio.timeout(5):
        assert await together([first, partial(give, "x"), second]) == ["first", "x", "second"]


async def test_the_first_exception_ends_it() -> None:
    async def fail() -> str:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await together([fail, partial(give, "a", asyncio.Event())])
