"""One budget for the content of all messages being received or examined in this process."""

from __future__ import annotations

from types import TracebackType


class MemoryBudget:
    """Counts octets; it never waits. What does not fit is put off with 452 by whoever asked."""

    def __init__(self, octets: int) -> None:
        self.octets = octets
        self.used = 0

    def lease(self) -> Lease:
        return Lease(self)


class Lease:
    """One message's share of the budget, given back at the end of the `with`."""

    __slots__ = ("_budget", "held")

    def __init__(self, budget: MemoryBudget) -> None:
        self._budget = budget
        self.held = 0

    def hold(self, octets: int) -> bool:
        """Hold so many octets from now on; False, and nothing changes, if they do not fit."""
        more = octets - self.held
        if more > 0 and self._budget.used + more > self._budget.octets:
            return False
        self._budget.used += more
        self.held = octets
        return True

    def __enter__(self) -> Lease:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.hold(0)
