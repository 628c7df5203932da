"""Run the filters on one message, stage by stage, each within its time limit.

A filter that is slow, raises, or says a word it never announced becomes a temperror or permerror
verdict: the message goes on, tagged with what could not be checked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial

from gateway.filters import Filter
from gateway.filters.loading import stages
from gateway.message import Message
from gateway.verdict import PERMERROR, TEMPERROR, Verdict, Verdicts
from gateway.waiting import at_once

Trouble = Callable[[str, BaseException, str], None]
"""Told of a filter's exception: where, what, queue id."""


class Pipeline:
    def __init__(
        self,
        filters: Sequence[Filter],
        time_limits: Mapping[str, float],
        trouble: Trouble,
        timer: Callable[[], float],
    ) -> None:
        """`time_limits` are seconds by filter name; `timer` is a monotonic clock in seconds."""
        self._stages = stages(filters)
        self._limits = time_limits
        self._trouble = trouble
        self._timer = timer

    async def examine(self, message: Message) -> tuple[Verdicts, dict[str, float]]:
        """One verdict per filter, and the seconds each took."""
        verdicts: dict[str, Verdict] = {}
        seconds: dict[str, float] = {}
        for stage in self._stages:
            found = {f.name: self._glance(f, message, verdicts, seconds) for f in stage}
            waiting = [f for f in stage if found[f.name] is None]
            if waiting:
                asked = (self._ask(f, message, verdicts, seconds) for f in waiting)
                answers = await asyncio.gather(*asked)
                found |= {f.name: answer for f, answer in zip(waiting, answers, strict=True)}
            for f in stage:
                verdicts[f.name] = self._readable(f, found[f.name], message)
        return verdicts, seconds

    def _glance(
        self, filter_: Filter, message: Message, verdicts: Verdicts, seconds: dict[str, float]
    ) -> Verdict | None:
        """The verdict of a filter that answers without waiting; None: it must be waited for."""
        if not getattr(filter_, "instant", False):
            return None
        begin = self._timer()
        try:
            answer = at_once(partial(filter_.examine, message, verdicts))
        except Exception as error:  # whatever a filter does, the letter goes on
            answer = (self._failed(filter_, error, message),)
        seconds[filter_.name] = self._timer() - begin
        return answer[0] if answer else None

    async def _ask(
        self, filter_: Filter, message: Message, verdicts: Verdicts, seconds: dict[str, float]
    ) -> Verdict:
        begin = self._timer()
        try:
            async with asyncio.timeout(self._limits.get(filter_.name)):
                verdict = await filter_.examine(message, verdicts)
        except TimeoutError:
            verdict = Verdict(TEMPERROR, "timeout")
        except Exception as error:  # whatever a filter does, the letter goes on
            verdict = self._failed(filter_, error, message)
        seconds[filter_.name] = self._timer() - begin
        return verdict

    def _failed(self, filter_: Filter, error: Exception, message: Message) -> Verdict:
        self._trouble(f"filter {filter_.name}", error, message.arrival.queue_id)
        return Verdict(TEMPERROR, "failed")

    def _readable(self, filter_: Filter, verdict: object, message: Message) -> Verdict:
        """What a filter said, if it is what it announced; its reasons cannot break anything."""
        if not isinstance(verdict, Verdict):  # a plug-in may be written without types
            return Verdict(PERMERROR, "said nothing that can be read")
        if verdict.result not in filter_.results and not verdict.troubled:
            return Verdict(PERMERROR, "said an unknown word")
        if verdict.reasons is tuple:
            return verdict
        return replace(verdict, reasons=self._guarded(filter_, verdict.reasons, message))

    def _guarded(
        self, filter_: Filter, find: Callable[[], Sequence[str]], message: Message
    ) -> Callable[[], Sequence[str]]:
        @cache
        def reasons() -> Sequence[str]:
            try:
                return [str(one) for one in find()]
            except Exception as error:  # the verdict stands without its reasons
                self._failed(filter_, error, message)
                return ()

        return reasons
