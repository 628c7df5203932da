"""Who is phoned, by when, and what the budget and the hours may change."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

import pytest

from gateway.calendar import WorkingHours
from gateway.call import is_over_budget, plan_call, read_asked
from gateway.message import Arrival, Envelope, Session
from gateway.parse import parse
from gateway.plan import CallPlan, History
from gateway.settings import Calendar, Calls, Rate, Route, Site
from gateway.verdict import Action, Decision, Verdict

NOW = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)  # a Monday
ROUTE = Route(acknowledge="received")
SITE = Site(
    site="shop",
    domains=("shop.example",),
    next_hop="mailbox",
    routes=(ROUTE,),
    calendar=Calendar(timezone="UTC", hours={"mon-fri": "9:00-17:00"}),
    calls=Calls(budget=Rate(count=8, period=timedelta(days=1))),
)
HOURS = WorkingHours(SITE.calendar)
CONTENT = b"From: kim@cust.example\r\nTo: support@shop.example\r\n\r\nBait and switch!\r\n"
MESSAGE = parse(Arrival("Q1", NOW, Session("192.0.2.1"), Envelope("kim@cust.example", ()), CONTENT))
IRATE = Decision(Action.TAG, tone="irate", tone_score=0.93, irate=True, aligned=True)
CALM = Decision(Action.DELIVER, tone="neutral", tone_score=0.9, aligned=True)


@dataclass(frozen=True)
class Found:
    phone: str | None = "+12125550123"
    extension: str = "4"
    orders: tuple[str, ...] = ("10423",)
    questions: tuple[str, ...] = ("Why?",)


def plan(
    decision: Decision = IRATE,
    asked: str = "no",
    history: History | None = None,
    route: Route = ROUTE,
    now: datetime = NOW,
) -> CallPlan:
    verdicts = {"tone": Verdict("irate", details={"asked": asked, "asked_score": 0.7})}
    return plan_call(
        MESSAGE,
        decision,
        verdicts,
        history or History(),
        Found(),
        site=SITE,
        route=route,
        now=now,
        hours=HOURS,
    )


@pytest.mark.parametrize(
    ("decision", "asked", "call", "wanted", "reason"),
    [
        (IRATE, "no", "policy", True, "irate 0.93, at least 0.80"),
        (IRATE, "yes", "policy", True, "irate 0.93, at least 0.80"),
        (IRATE, "refused", "policy", False, "the customer refuses calls"),
        (IRATE, "refused", "always", False, "the customer refuses calls"),
        (IRATE, "yes", "never", False, "the route says never"),
        (CALM, "no", "policy", False, "not irate: neutral"),
        (CALM, "yes", "policy", False, "not irate: neutral"),
        (CALM, "no", "always", True, "the route says always"),
        (replace(IRATE, irate=False), "no", "policy", False, "irate, but below the threshold"),
        (replace(IRATE, spam="spam"), "no", "policy", True,
         "irate 0.93, at least 0.80; taken for spam"),
        (replace(IRATE, spam="unsure"), "no", "policy", True, "irate 0.93, at least 0.80"),
        (replace(IRATE, action=Action.QUARANTINE), "no", "always", False,
         "quarantined: looked at again on release"),
        (replace(IRATE, action=Action.REFUSE), "no", "policy", False,
         "quarantined: looked at again on release"),
        (replace(IRATE, aligned=False), "no", "policy", True, "irate 0.93, at least 0.80"),
    ],
)  # fmt: skip
def test_wanted(decision: Decision, asked: str, call: str, wanted: bool, reason: str) -> None:
    found = plan(decision, asked, route=Route.model_validate({"call": call}))
    assert (found.wanted, found.reason) == (wanted, reason)
    assert (found.due is not None) is wanted


@pytest.mark.parametrize("score", [0.4, 0.49, 0.5, 0.9])
@pytest.mark.parametrize("phone", ["+12125550123", None])
@pytest.mark.parametrize("decision", [IRATE, CALM])
@pytest.mark.parametrize("call", ["policy", "always"])
def test_a_refusal_beats_everything(
    score: float, phone: str | None, decision: Decision, call: str
) -> None:
    """Also one that is read with little certainty, in an irate letter that gives a number."""
    verdicts = {"tone": Verdict("irate", details={"asked": "refused", "asked_score": score})}
    found = plan_call(
        MESSAGE, decision, verdicts, History(), Found(phone),
        site=SITE, route=Route.model_validate({"call": call}), now=NOW, hours=HOURS,
    )  # fmt: skip
    assert (found.wanted, found.asked, found.due) == (False, "refused", None)
    assert found.reason == "the customer refuses calls"


def test_facts_are_filled_whatever_is_wanted() -> None:
    for found in (plan(), plan(CALM)):
        assert (found.phone, found.extension) == ("+12125550123", "4")
        assert (found.orders, found.questions) == (("10423",), ("Why?",))


@pytest.mark.parametrize(
    ("now", "due"),
    [
        ("2026-11-23T15:00", "2026-11-23T15:30"),
        ("2026-11-23T16:50", "2026-11-24T09:20"),
        ("2026-11-23T17:00", "2026-11-24T09:30"),
        ("2026-11-23T03:00", "2026-11-23T09:30"),
        ("2026-11-27T18:00", "2026-11-30T09:30"),
    ],
)
def test_hours_move_due_and_nothing_else(now: str, due: str) -> None:
    at, until = (datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (now, due))
    found = plan(now=at)
    assert (found.wanted, found.due, found.over_budget) == (True, until, False)


@pytest.mark.parametrize(
    ("carded", "proven", "over"),
    [
        ({}, True, False),
        ({"shop": 7}, True, False),
        ({"shop": 8}, True, True),
        ({"hosting": 80}, True, False),
        ({"shop": 5, "shop/unproven": 1}, False, False),
        ({"shop": 5, "shop/unproven": 2}, False, True),  # a quarter of eight
        ({"shop": 5, "shop/unproven": 2}, True, False),
        ({"shop": 8, "shop/unproven": 0}, False, True),
    ],
)
def test_budget(carded: dict[str, int], proven: bool, over: bool) -> None:
    history = History(calls_carded=MappingProxyType(carded))
    assert is_over_budget(history, SITE, proven=proven) is over
    found = plan(replace(IRATE, aligned=proven), history=history)
    assert (found.wanted, found.over_budget) == (True, over)
    assert not plan(CALM, history=history).over_budget


def test_later_letters_update_the_open_call() -> None:
    history = History(open_calls={"shop": "C7", "hosting": "C8"})
    assert plan(history=history).updates == "C7"
    assert plan(CALM, history=history).updates == ""


@pytest.mark.parametrize(
    ("details", "read"),
    [
        ({"asked": "yes", "asked_score": 0.9}, ("yes", 0.9)),
        ({"asked": "refused", "asked_score": 1}, ("refused", 1.0)),
        ({"asked": "perhaps", "asked_score": "high"}, ("no", 0.0)),
        ({}, ("no", 0.0)),
    ],
)
def test_asked_is_read_and_not_trusted(details: dict[str, object], read: tuple[str, float]) -> None:
    assert read_asked({"tone": Verdict("irate", details=details)}) == read  # type: ignore[arg-type]


def test_without_a_tone_filter_nobody_asked() -> None:
    assert read_asked({}) == ("no", 0.0)
