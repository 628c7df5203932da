"""Run the filters on one message, stage by stage, each within its time limit.

A filter that is slow, raises, or says a word it never announced becomes a temperror or permerror
verdict: the message goes on, tagged with what could not be checked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

from gateway.filters import Filter
from gateway.filters.loading import stages
from gateway.message import Message
from gateway.verdict import PERMERROR, TEMPERROR, Verdict, Verdicts

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
            if len(stage) == 1:
                verdicts[stage[0].name] = await self._ask(stage[0], message, verdicts, seconds)
                continue
            found = await asyncio.gather(
                *(self._ask(filter_, message, verdicts, seconds) for filter_ in stage)
            )
            verdicts.update(zip((filter_.name for filter_ in stage), found, strict=True))
        return verdicts, seconds

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
            self._trouble(f"filter {filter_.name}", error, message.arrival.queue_id)
            verdict = Verdict(TEMPERROR, "failed")
        seconds[filter_.name] = self._timer() - begin
        if not isinstance(verdict, Verdict):  # a plug-in may be written without types
            return Verdict(PERMERROR, "said nothing that can be read")
        if verdict.result not in filter_.results and not verdict.troubled:
            return Verdict(PERMERROR, "said an unknown word")
        return verdict
