"""What scores mean in words: a refusal beats every wish, and who feels how decides who is asked."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pytest

from gateway.learning.input import message_of_text, read_input
from gateway.learning.judgement import (
    BARE,
    DOUBT,
    LEAST,
    LONG,
    SAID,
    SHORT,
    TONES,
    Judgement,
    judge,
)
from gateway.learning.scorer import Scores

SURE = 20.0


def judged(
    tone: str,
    logits: Mapping[str, float],
    words: int = LONG,
    subject: str = "Letter",
    text: str = "text",
) -> Judgement:
    """A text that sounds like `tone`, for sure; heads that are not named say no, for sure."""
    tones = np.array([SURE if one == tone else 0.0 for one in TONES], np.float32)
    heads = {"tone": tones, "tone_short": tones[::-1]}
    heads["mood_short"] = np.array([-SURE, -SURE, SURE], np.float32)
    heads["anger_short"] = np.array([0.0], np.float32)
    for head in ("urgent", "cause", "wish", "refused"):
        heads[head] = np.array([logits.get(head, -SURE)], np.float32)
    return judge(Scores(read_input(message_of_text(subject, text)), heads, words), {})


@pytest.mark.parametrize(
    ("tone", "head", "asked"),
    [
        ("irate", "", "yes"),
        ("upset", "", "no"),
        ("upset", "wish", "no"),
        ("upset", "cause", "yes"),
        ("neutral", "cause", "no"),
        ("neutral", "wish", "yes"),
        ("pleased", "wish", "yes"),
        ("pleased", "", "no"),
    ],
)
def test_the_tone_says_what_a_call_hangs_on(tone: str, head: str, asked: str) -> None:
    found = judged(tone, {head: SURE} if head else {})
    assert (found.tone, found.asked) == (tone, asked)


@pytest.mark.parametrize("tone", TONES)
def test_a_refusal_beats_every_wish(tone: str) -> None:
    found = judged(tone, {"refused": 1.0, "cause": SURE, "wish": SURE})
    assert found.asked == "refused"
    assert found.asked_score == pytest.approx(0.731, abs=0.001)


def test_a_sentence_that_forbids_beats_a_wish_however_sure_the_model_is() -> None:
    said = "The lamp is broken. You lied to me. Please do not ring me about this, ever."
    for refused in (-SURE, 0.0):
        found = judged("irate", {"refused": refused - 1}, text=said)
        assert (found.asked, found.asked_score) == ("refused", SAID)
    assert judged("neutral", {"wish": SURE}, text=said).asked == "refused"
    assert judged("irate", {"refused": -1.0}, text="You lied to me. Ring me.").asked == "yes"


def test_where_nobody_is_phoned_a_sentence_is_read_only_if_the_model_hesitates() -> None:
    hesitates, says_no = math.log(2 * DOUBT), math.log(DOUBT / 2)
    said = "The lamp is broken. Please do not ring me about this, ever."
    assert judged("neutral", {"refused": says_no}, text=said).asked == "no"
    assert judged("neutral", {"refused": hesitates}, text=said).asked == "refused"


def test_a_line_or_two_is_read_by_the_heads_of_short_texts() -> None:
    assert judged("irate", {}, SHORT).tone == "pleased"
    assert judged("irate", {}, SHORT).tones["irate"] == pytest.approx(LEAST, abs=0.01)
    assert judged("irate", {}, SHORT, subject="").tones["irate"] == pytest.approx(0, abs=0.01)
    assert judged("irate", {}, LONG).tone == "irate"
    between = judged("irate", {}, (SHORT + LONG) // 2).tones
    assert between["irate"] == pytest.approx(0.5, abs=0.05)
    assert sum(between.values()) == pytest.approx(1)


def test_a_line_without_a_subject_is_read_as_a_comment_for_longer() -> None:
    assert judged("irate", {}, LONG, subject="").tone == "pleased"
    assert judged("irate", {}, BARE * LONG, subject="").tone == "irate"


def test_hurry_is_a_question_of_its_own() -> None:
    assert judged("pleased", {"urgent": SURE}).urgent
    assert not judged("irate", {}).urgent
