"""The tone filter over the shipped model: letters of our own that it was not trained on."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from gateway import shipped
from gateway.filters import Services
from gateway.filters.tone import RESULTS, ToneFilter, build
from gateway.learning.input import message_of, message_of_text
from gateway.learning.judgement import Chances
from gateway.learning.scorer import load_shared
from gateway.resolver import Zone


@pytest.fixture(scope="module")
def tone() -> ToneFilter:
    return build({}, Services(resolver=Zone({}), load_scorer=load_shared))


LETTERS = [
    (
        "irate",
        "My deposit",
        "You kept my deposit and invented damage that was never there. Nobody answers my letters."
        " I call that dishonest and I will tell everyone who asks me about your agency.",
    ),
    (
        "irate",
        "Beschwerde",
        "Seit fünf Wochen warte ich auf mein Geld, und niemand antwortet. Das ist eine Frechheit."
        " Sie halten Ihre Kunden wohl für dumm.",
    ),
    (
        "pleased",
        "Lovely",
        "Thank you so much, the bicycle is wonderful and your mechanic was so kind and patient.",
    ),
    (
        "pleased",
        "Merci",
        "Un grand merci, tout est arrivé à temps et les enfants sont ravis. Service parfait !",
    ),
    ("neutral", "Opening hours", "Could you please tell me when you are open on Saturday?"),
    (
        "neutral",
        "Frage",
        "Guten Tag, haben Sie die Lampe auch in Weiß, und was kostet der Versand?",
    ),
    (
        "upset",
        "A pity",
        "I'm a bit disappointed, the blanket is much thinner than in the photo. What can I do?",
    ),
]


@pytest.mark.parametrize(("label", "subject", "text"), LETTERS)
async def test_letters_are_read_right(
    tone: ToneFilter, label: str, subject: str, text: str
) -> None:
    verdict = await tone.examine(message_of_text(subject, text), {})
    assert verdict.result == label
    assert verdict.result in RESULTS
    chances = verdict.details["probabilities"]
    assert isinstance(chances, dict)
    assert sum(chances.values()) == pytest.approx(1, abs=1e-3)  # type: ignore[arg-type]
    assert verdict.score == pytest.approx(chances[label], abs=1e-3)


async def test_a_polite_letter_with_a_deadline_is_urgent(tone: ToneFilter) -> None:
    verdict = await tone.examine(
        message_of_text(
            "Costume for tomorrow",
            "Hello, the costume I rented has not arrived and the performance is tomorrow evening."
            " Could you let me know if it will come today? Kind regards, Ida",
        ),
        {},
    )
    assert verdict.details["urgent"] is True
    assert verdict.result != "irate"


async def test_only_new_words_count(tone: ToneFilter) -> None:
    calm = "Thank you very much, everything is solved and works perfectly."
    quoted = "\n\nOn Mon, 1 Jun 2026 at 10:00, Jane wrote:\n" + "\n".join(
        f"> {line}" for line in ["You liars! This is a disgrace!", "I will go to court."] * 5
    )
    verdict = await tone.examine(message_of_text("Re: case", calm + quoted), {})
    assert verdict.result == "pleased"


async def test_phrases_are_the_customers_own_letters_and_spaces(tone: ToneFilter) -> None:
    text = "You lied to me; nobody answers. It's a DISGRACE\r\nX-Evil: yes <b>12345</b>"
    verdict = await tone.examine(message_of_text("Hi", text), {})
    reasons = verdict.reasons()
    assert reasons
    for phrase in reasons:
        assert all(c.isalpha() or c == " " for c in phrase)
        assert len(phrase) <= 60


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   \n",
        "这个产品非常糟糕，我要退款，请尽快联系我。",
        "Я очень недоволен вашей работой и жду ответа.",
    ],
)
async def test_what_was_not_learned_is_unknown(tone: ToneFilter, text: str) -> None:
    verdict = await tone.examine(message_of_text("", text), {})
    assert verdict.result == "unknown"
    assert verdict.details["asked"] == "no"
    assert verdict.details["urgent"] is False


async def test_nothing_at_all_is_unknown(tone: ToneFilter) -> None:
    assert (await tone.examine(message_of(b""), {})).result == "unknown"


SERVICES = Services(resolver=Zone({}), load_scorer=load_shared)
DOUBTFUL = (
    "Kettle",
    "Three weeks for a kettle, and now it is the wrong one. I would like to know what you are"
    " going to do about it.",
)


async def test_what_the_heads_doubt_is_read_again(tone: ToneFilter) -> None:
    again = build({"second_look": True}, SERVICES)
    first, second = [await one.examine(message_of_text(*DOUBTFUL), {}) for one in (tone, again)]
    assert (first.result, second.result) == ("neutral", "upset")
    sure = message_of_text(*LETTERS[2][1:])
    assert (await tone.examine(sure, {})).details == (await again.examine(sure, {})).details
    assert (tone.instant, again.instant) == (True, False)


def test_a_second_look_made_anew_is_loaded_at_a_reload(tmp_path: Path) -> None:
    """As all models are; while nothing changed there is one of it."""
    for path in shipped.find("models", "second_look").iterdir():
        shutil.copy(path, tmp_path)
    options = {"second_look": str(tmp_path)}
    before, same = build(options, SERVICES).second, build(options, SERVICES).second
    assert before is same
    with (tmp_path / "model.json").open("a") as sidecar:
        sidecar.write("\n")
    assert build(options, SERVICES).second is not before


class Broken:
    def read(self, text: str) -> Chances:
        raise RuntimeError("out of memory")


async def test_a_second_look_that_fails_takes_no_letter_its_tone(tone: ToneFilter) -> None:
    doubtful = message_of_text(*DOUBTFUL)
    found = await replace(tone, second=Broken()).examine(doubtful, {})
    assert found.details == (await tone.examine(doubtful, {})).details
    assert found.reason.endswith(", the second look failed")


def test_a_second_look_that_is_nowhere_is_told() -> None:
    with pytest.raises(ValueError, match="no readable model for a second look"):
        build({"second_look": "./nowhere"}, SERVICES)


def test_an_unknown_option_is_told() -> None:
    services = SERVICES
    with pytest.raises(ValueError, match="treshold"):
        build({"treshold": 1}, services)
