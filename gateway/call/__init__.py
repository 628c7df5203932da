"""Should somebody phone this customer, by when, and with what in hand? Pure.

Hours move the due time and the budget decides about the card; neither changes `wanted`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal, cast

from gateway.calendar import WorkingHours
from gateway.message import Message
from gateway.plan import CallPlan, Cards, Facts, History
from gateway.settings import Route, Site
from gateway.verdict import Action, Decision, Verdicts

UNPROVEN_SHARE = 4
"""Letters whose sender is not proven may use at most this part of the budget: a quarter."""

Asked = Literal["yes", "no", "refused"]


def plan_call(
    message: Message,
    decision: Decision,
    verdicts: Verdicts,
    history: History,
    facts: Facts,
    *,
    site: Site,
    route: Route,
    now: datetime,
    hours: WorkingHours,
    form: bool = False,
    by_program: bool = False,
    by_us: bool = False,
) -> CallPlan:
    """The call for one letter at one site. Facts can be asked for whatever `wanted` says.

    `form`: one wrote it for somebody, of whom nothing is proven.
    `by_program`: it is a report, or answers by itself; what it quotes may well be irate. `by_us`:
    an agent wrote it, about a customer as likely as not, and nobody phones the agent.
    """
    proven = decision.aligned and not form
    asked, score = read_asked(verdicts)
    wanted, reason = _wanted(decision, asked, site, route)
    if wanted and by_program:
        wanted, reason = False, "a program's report or answer"
    if wanted and by_us:
        wanted, reason = False, "written by one of our own people"
    return CallPlan(
        wanted=wanted,
        asked=asked,
        asked_score=score,
        facts=facts,
        reason=reason,
        due=hours.add_open(now, site.calls.within) if wanted else None,
        over_budget=wanted and is_over_budget(history, site, proven=proven),
        updates=_open_call(history, site, proven=proven) if wanted else "",
    )


def _open_call(history: History, site: Site, *, proven: bool) -> str:
    """The call this letter belongs to; an unproven one never touches a proven customer's."""
    return history.open_calls.get(site.site if proven else f"{site.site}/unproven", "")


def read_asked(verdicts: Verdicts) -> tuple[Asked, float]:
    """The model's own reading of what the customer wants, without any policy."""
    tone = verdicts.get("tone")
    if tone is None:
        return "no", 0.0
    asked, score = tone.details.get("asked"), tone.details.get("asked_score")
    number = float(score) if isinstance(score, int | float) else 0.0
    return cast("Asked", asked) if asked in ("yes", "no", "refused") else "no", number


def _wanted(decision: Decision, asked: Asked, site: Site, route: Route) -> tuple[bool, str]:
    """Whether a call is wanted, and why or why not, in words of our own."""
    if decision.action >= Action.QUARANTINE:
        return False, "quarantined: looked at again on release"
    if asked == "refused":
        return False, "the customer refuses calls"
    if route.call == "never":
        return False, "the route says never"
    taken = "; taken for spam" if decision.spam == "spam" else ""
    if decision.irate:
        line = site.thresholds.irate
        at_least = site.calls.when.at_least if line is None else line
        return True, f"irate {decision.tone_score:.2f}, at least {at_least:.2f}{taken}"
    if route.call == "always":
        return True, f"the route says always{taken}"
    below = decision.tone == "irate"
    return False, "irate, but below the threshold" if below else f"not irate: {decision.tone}"


def cards(site: Site) -> Cards:
    """The site's budget."""
    budget = site.calls.budget
    return Cards(budget.count, budget.count // UNPROVEN_SHARE, budget.period)


def is_over_budget(history: History, site: Site, *, proven: bool) -> bool:
    """Whether the site's budget of cards is used up; unproven letters have a quarter of it."""
    budget, carded = cards(site), history.calls_carded
    if carded.get(site.site, 0) >= budget.in_all:
        return True
    return not proven and carded.get(f"{site.site}/unproven", 0) >= budget.unproven
