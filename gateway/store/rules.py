"""What a store must know of the configuration, in its own measures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from gateway.settings import Acknowledgements
from gateway.store.acknowledgements import Limits
from gateway.store.people import Terms
from gateway.store.sql import span


@dataclass(frozen=True, slots=True)
class Rules:
    """`limits`: how many acknowledgements may go out; `terms`: how long people are remembered."""

    limits: Limits
    terms: Terms
    lease: int
    """Microseconds."""

    @classmethod
    def of(
        cls,
        limits: Acknowledgements | None = None,
        call_budget_periods: Mapping[str, timedelta] | None = None,
        sites: Mapping[str, str] | None = None,
        lease: timedelta = timedelta(minutes=5),
    ) -> Rules:
        """`call_budget_periods`: the budget's period by site; `sites`: the site of each domain."""
        limits = limits or Acknowledgements()
        terms = Terms(
            per_author=span(limits.per_author),
            dead_address=span(limits.dead_address),
            pause=span(limits.pause),
            budgets={site: span(time) for site, time in (call_budget_periods or {}).items()},
            sites=dict(sites or {}),
        )
        return cls(Limits.of(limits), terms, span(lease))
