"""The object of `explain`: to the letter of the contract, whoever the letter is for."""

from __future__ import annotations

import json
from dataclasses import replace

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.planning import IRATE, LETTER, NOW, SPAM, arrival, checked, parts, settings

from gateway.examiner import Examiner
from gateway.explain.lines import lines
from gateway.verdict import Verdict

SUPPORT, INFO = "support@shop.example", "info@hosting.example"
TOP = {
    "id", "message", "authentication", "spam", "tone", "call", "routes", "acknowledgement",
    "action", "headers", "timings_ms",
}  # fmt: skip
ROUTE = {"recipient", "site", "rule", "next_hop", "deliver_to", "tags", "action"}
FULL_ROUTE = ROUTE | {"spam", "tone", "call", "acknowledgement", "headers"}


class Saying:
    """A pipeline whose filters found this."""

    def __init__(self, **found: Verdict) -> None:
        self._found = found

    async def examine(self, message):
        return self._found, dict.fromkeys(self._found, 0.001)


def examiner(built, **found) -> Examiner:
    return Examiner(
        replace(built, pipeline=Saying(**found)) if found else built, None, history=False
    )


PLAIN = parts(settings())
CHECKED = checked()


async def explained(*recipients, built=PLAIN, content=LETTER, **found):
    asked = arrival(*recipients, content=content)
    result = await examiner(built, **found).explain(asked)
    assert "\n" not in "".join(lines(result))
    return json.loads(orjson.dumps(result))


async def test_every_key_of_the_contract():
    found = await explained(SUPPORT, built=CHECKED)
    assert set(found) == TOP
    (route,) = found["routes"]
    assert set(route) == FULL_ROUTE
    assert found["message"]["from"] == {"name": "Jo Field", "address": "jo@author.example"}
    assert found["authentication"]["spf"]["result"] == "pass"
    assert found["authentication"]["dkim"] == []
    assert found["authentication"]["aligned"] is True
    assert found["call"]["phone"] == "+12025550143"
    assert found["call"]["orders"] == ["10423"]
    assert found["call"]["questions"]
    assert found["acknowledgement"] == {
        "send": True, "reason": "ok", "reasons": [], "template": "received", "language": "en",
        "promise": None,
    }  # fmt: skip
    assert found["action"] == "deliver"
    assert ["X-Gateway-Rule", "rest"] in found["headers"]


async def test_routes_stand_in_the_order_of_the_recipients():
    asked = [INFO, "nobody@else.example", SUPPORT, "sales@hosting.example", "x@other.example"]
    found = await explained(*asked)
    assert [route["recipient"] for route in found["routes"]] == asked
    assert [route["site"] for route in found["routes"]] == [
        "hosting", None, "shop", "hosting", None,
    ]  # fmt: skip
    assert {route["action"] for route in found["routes"] if route["site"] is None} == {"refuse"}
    assert found["action"] == "deliver"
    assert ["X-Gateway-Site", "hosting"] in found["headers"]


async def test_of_a_letter_to_nobody_all_is_found_and_nothing_follows():
    known = await explained(SUPPORT, dmarc=Verdict("pass", details={"aligned": True}), tone=IRATE)
    found = await explained("x@else.example", tone=IRATE, spam=SPAM)
    assert found["action"] == "refuse"
    assert found["headers"] == []
    assert (found["tone"]["label"], found["spam"]["verdict"]) == ("irate", "spam")
    for fact in ("phone", "orders", "questions"):
        assert found["call"][fact] == known["call"][fact]
    assert (found["call"]["wanted"], found["call"]["due"]) == (False, None)
    assert found["acknowledgement"]["send"] is False
    (route,) = found["routes"]
    assert set(route) == FULL_ROUTE | {"reply"}
    assert route["reply"].startswith("550 5.")


async def test_facts_and_what_is_asked_do_not_hang_on_the_policy():
    asked = Verdict("neutral", details={"asked": "yes", "asked_score": 0.8})
    found = await explained(SUPPORT, tone=asked)
    assert found["call"]["wanted"] is False
    assert (found["call"]["asked"], found["call"]["asked_score"]) == ("yes", 0.8)
    assert found["call"]["phone"] == "+12025550143"


async def test_without_filters_nothing_is_made_up():
    found = await explained(SUPPORT)
    assert found["authentication"]["spf"]["result"] == "none"
    assert found["authentication"]["aligned"] is False
    assert found["spam"] == {"verdict": "ham", "score": 0.0, "reasons": []}
    assert found["tone"]["label"] == "unknown"
    assert set(found["tone"]["probabilities"]) == {"irate", "upset", "neutral", "pleased"}
    assert not any(name.startswith("X-Spam") for name, _ in found["headers"])


@pytest.mark.parametrize(
    ("found", "action", "own"),
    [({"spam": SPAM}, "quarantine", "quarantine"), ({"spam": SPAM, "tone": IRATE}, "tag", "tag")],
)
async def test_actions(found, action, own):
    result = await explained(SUPPORT, **found)
    assert (result["action"], result["routes"][0]["action"]) == (action, own)


async def test_the_session_and_each_recipient_have_their_own_action():
    built = parts(settings({"then": {"spf": {"fail": "refuse"}}}))
    alone = await explained(SUPPORT, built=built, spf=Verdict("fail"))
    assert (alone["action"], alone["routes"][0]["action"]) == ("refuse", "refuse")
    both = await explained(SUPPORT, INFO, built=built, spf=Verdict("fail"))
    assert both["action"] == "quarantine"
    assert [route["action"] for route in both["routes"]] == ["quarantine", "deliver"]


@given(st.binary(max_size=300), st.lists(st.text(max_size=30), max_size=3))
async def test_any_octets_for_anybody_give_an_object(octets, recipients):
    found = await Examiner(PLAIN, None, history=False).explain(
        arrival("support@shop.example", *recipients, content=octets)
    )
    assert set(found) == TOP
    assert len(found["routes"]) == len({"support@shop.example", *recipients})
    for line in lines(found):
        assert line.isprintable()


async def test_the_time_of_the_request_is_the_time_of_the_plan():
    closed = parts(
        settings({"calendar": {"timezone": "UTC", "hours": {"mon-fri": "9:00-17:00"}},
                  "routes": [{"to": "*", "acknowledge": "received", "answer_within": "1h",
                              "call": "always"}]})
    )  # fmt: skip
    aligned = Verdict("pass", details={"aligned": True})
    found = await explained(SUPPORT, built=closed, dmarc=aligned)
    assert found["acknowledgement"]["promise"] == "2026-11-24T14:00:00Z"
    assert found["call"]["due"] == "2026-11-24T13:30:00Z"
    assert NOW.isoformat() == "2026-11-24T13:00:00+00:00"
