"""Filters run in stages; a filter in trouble becomes a verdict, never a lost letter."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime

import pytest

from gateway.filters.loading import FilterError, stages
from gateway.message import Arrival, Envelope, Message, Session
from gateway.pipeline import Pipeline
from gateway.verdict import Verdict

ARRIVAL = Arrival("Q1", datetime(2026, 1, 5, tzinfo=UTC), Session("192.0.2.1"),
                  Envelope("a@b.example", ("c@d.example",)), b"\r\n")  # fmt: skip
MESSAGE = Message(ARRIVAL, (), 2)


class Sample:
    """A filter for tests: it answers what it is told to."""

    def __init__(self, name, answer, needs=(), results=("pass",)):
        self.name, self.needs, self.results = name, needs, results
        self._answer = answer

    async def examine(self, message, verdicts):
        return await self._answer(verdicts)


def saying(word):
    async def answer(verdicts):
        return Verdict(word)

    return answer


async def examine(*filters, limits=None):
    troubles = []
    pipeline = Pipeline(
        filters, limits or {}, lambda where, error, id_: troubles.append((where, error)),
        time.perf_counter,
    )  # fmt: skip
    verdicts, seconds = await pipeline.examine(MESSAGE)
    return verdicts, seconds, troubles


async def test_a_filter_sees_the_verdicts_it_needs():
    async def last(verdicts):
        return Verdict("pass", reason=verdicts["first"].result)

    verdicts, seconds, _ = await examine(
        Sample("last", last, needs=("first",)), Sample("first", saying("pass"))
    )
    assert verdicts["last"].reason == "pass"
    assert set(seconds) == {"first", "last"}


async def test_filters_of_one_stage_wait_together():
    together = asyncio.Barrier(2)

    async def meet(verdicts):
        await together.wait()
        return Verdict("pass")

    verdicts, _, _ = await examine(
        Sample("one", meet), Sample("two", meet), limits={"one": 5.0, "two": 5.0}
    )
    assert {verdict.result for verdict in verdicts.values()} == {"pass"}


async def test_a_slow_filter_is_a_temperror_and_the_others_still_speak():
    async def never(verdicts):
        await asyncio.Event().wait()

    verdicts, _, troubles = await examine(
        Sample("slow", never), Sample("fine", saying("pass")), limits={"slow": 0.01}
    )
    assert verdicts["slow"] == Verdict("temperror", "timeout")
    assert verdicts["fine"].result == "pass"
    assert troubles == []


async def test_a_filter_that_raises_is_a_temperror_and_the_error_is_told():
    async def broken(verdicts):
        raise RuntimeError("boom")

    verdicts, _, troubles = await examine(Sample("broken", broken))
    assert verdicts["broken"] == Verdict("temperror", "failed")
    assert troubles[0][0] == "filter broken"


async def test_a_word_never_announced_is_a_permerror():
    verdicts, _, _ = await examine(Sample("odd", saying("perhaps")))
    assert verdicts["odd"].result == "permerror"


async def test_a_filter_that_says_nothing_is_a_permerror():
    async def nothing(verdicts):
        return None

    verdicts, _, _ = await examine(Sample("mute", nothing))
    assert verdicts["mute"].result == "permerror"


def test_stages_follow_the_needs():
    filters = [Sample("dmarc", None, ("spf", "dkim")), Sample("dkim", None), Sample("spf", None)]
    assert [[f.name for f in stage] for stage in stages(filters)] == [["dkim", "spf"], ["dmarc"]]


def test_a_missing_need_names_the_mend():
    with pytest.raises(FilterError, match=r"needs 'spf'; add '- \{use: spf\}'"):
        stages([Sample("dmarc", None, ("spf",))])


def test_a_circle_is_refused():
    with pytest.raises(FilterError, match="circle"):
        stages([Sample("a", None, ("b",)), Sample("b", None, ("a",))])


async def test_an_instant_filter_that_has_to_wait_is_asked_as_a_task():
    asked = []

    async def answer(verdicts):
        asked.append(asyncio.current_task())
        await asyncio.sleep(0)
        return Verdict("pass")

    quick = Sample("quick", answer)
    quick.instant = True
    verdicts, seconds, troubles = await examine(quick)
    assert verdicts["quick"].result == "pass"
    assert len(asked) == 2
    assert asked[0] is not asked[1]
    assert not troubles
    assert set(seconds) == {"quick"}


async def test_an_instant_filter_may_fail_or_hang_as_any_other():
    async def broken(verdicts):
        raise RuntimeError("of mine")

    async def hanging(verdicts):
        await asyncio.Event().wait()

    filters = [Sample("broken", broken), Sample("hanging", hanging)]
    for one in filters:
        one.instant = True
    verdicts, _, troubles = await examine(*filters, limits={"hanging": 0.01})
    assert verdicts["broken"] == Verdict("temperror", "failed")
    assert verdicts["hanging"] == Verdict("temperror", "timeout")
    assert [where for where, _ in troubles] == ["filter broken"]


async def test_reasons_are_found_when_shown_and_once():
    asked = []

    async def answer(verdicts):
        return Verdict("pass", reasons=lambda: asked.append(1) or ["one"])

    verdicts, _, _ = await examine(Sample("a", answer))
    assert not asked
    assert verdicts["a"].reasons() == verdicts["a"].reasons() == ["one"]
    assert len(asked) == 1


async def test_reasons_that_break_leave_the_verdict_standing():
    async def answer(verdicts):
        return Verdict("pass", reasons=lambda: 1 / 0)

    verdicts, _, troubles = await examine(Sample("a", answer))
    assert verdicts["a"].result == "pass"
    assert verdicts["a"].reasons() == ()
    assert [where for where, _ in troubles] == ["filter a"]
