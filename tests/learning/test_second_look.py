"""A second look: who gets one, how two readers agree, and the transformer that is shipped."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway import shipped
from gateway.learning import train_second_look
from gateway.learning.input import message_of_text, read_input
from gateway.learning.judgement import TONES, Chances, blended, doubtful, judge
from gateway.learning.model import ModelError
from gateway.learning.scorer import Scores
from gateway.learning.second_look import OUTPUTS, SecondLook

CALM = Chances((0.02, 0.03, 0.9, 0.05), 0.05, 0.05, 0.01)
probability = st.floats(0, 1)


@st.composite
def opinions(draw: st.DrawFn) -> Chances:
    parts = draw(st.lists(st.floats(0.001, 1), min_size=4, max_size=4))
    tones = tuple(part / sum(parts) for part in parts)
    return Chances(tones, draw(probability), draw(probability), draw(probability))


@pytest.mark.parametrize(
    ("chances", "doubt"),
    [
        (CALM, False),
        (replace(CALM, tones=(0.4, 0.5, 0.05, 0.05)), True),
        (replace(CALM, urgent=0.5), True),
        (replace(CALM, urgent=0.97), False),
        (replace(CALM, wanted=0.45), True),
        (replace(CALM, refused=0.2), True),
        (replace(CALM, refused=0.97), False),
    ],
)
def test_who_is_read_again(chances: Chances, doubt: bool) -> None:
    assert doubtful(chances) is doubt


@given(opinions(), opinions(), probability)
def test_two_readers_meet_between_them(one: Chances, other: Chances, share: float) -> None:
    found = blended(one, other, share)
    assert sum(found.tones) == pytest.approx(1)
    for name in ("urgent", "wanted", "refused"):
        low, high = sorted((getattr(one, name), getattr(other, name)))
        assert low - 1e-5 <= getattr(found, name) <= high + 1e-5


@given(opinions(), opinions())
def test_a_share_of_nothing_or_all_is_one_of_them(one: Chances, other: Chances) -> None:
    for share, reader in ((0.0, one), (1.0, other)):
        found = blended(one, other, share)
        assert found.tones == pytest.approx(reader.tones, abs=1e-5)
        assert found.refused == pytest.approx(reader.refused, abs=1e-5)


class Reader:
    """Says the same of every letter, and remembers which ones it was given."""

    def __init__(self, chances: Chances) -> None:
        self.chances, self.asked = chances, list[str]()

    def read(self, text: str) -> Chances:
        self.asked.append(text)
        return self.chances


def scores(sure: float) -> Scores:
    heads = {"tone": np.array([0.0, 0.0, sure, 0.0], np.float32)}
    for head in ("urgent", "cause", "wish", "refused"):
        heads[head] = np.array([-sure], np.float32)
    return Scores(read_input(message_of_text("A lamp", "Where is the lamp?")), heads, 100)


def test_only_a_doubtful_letter_is_read_again() -> None:
    furious = Reader(Chances((0.97, 0.01, 0.01, 0.01), 0.9, 0.97, 0.01))
    assert judge(scores(20.0), {}, furious).tone == "neutral"
    assert furious.asked == []
    assert judge(scores(0.3), {}, furious).tone == "irate"
    assert furious.asked == ["A lamp\nWhere is the lamp?"]


def test_a_second_look_may_hear_a_refusal() -> None:
    hears = Reader(Chances((0.25, 0.25, 0.25, 0.25), 0.1, 0.1, 0.99))
    assert judge(scores(0.3), {}, hears).asked == "refused"


@pytest.fixture(scope="module")
def second() -> SecondLook:
    return SecondLook(shipped.find("models", "second_look"))


LETTERS = {
    "irate": "You kept my deposit and invented damage that was never there. Nobody answers. I call"
    " that dishonest.",
    "upset": "I am a little sad about the blanket, it is much thinner than in the photo.",
    "neutral": "Could you please tell me when you are open on Saturday?",
    "pleased": "Thank you so much, the bicycle is wonderful and your mechanic was so kind.",
}


@pytest.mark.parametrize("tone", TONES)
def test_the_shipped_one_reads_plain_letters(second: SecondLook, tone: str) -> None:
    found = second.read(f"My order\n{LETTERS[tone]}")
    assert TONES[int(np.argmax(found.tones))] == tone
    assert sum(found.tones) == pytest.approx(1)


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("Please do not call me, write to me instead.", "refused"),
        ("Could you phone me this afternoon, please?", "wanted"),
    ],
)
def test_the_shipped_one_hears_what_is_asked(second: SecondLook, text: str, asked: str) -> None:
    found = second.read(f"My order\n{text}")
    other = {"refused": "wanted", "wanted": "refused"}[asked]
    assert getattr(found, asked) > 0.5 > getattr(found, other)


@settings(deadline=None, max_examples=30)
@given(st.text(max_size=300))
def test_any_text_has_an_answer(text: str) -> None:
    found = SecondLookOnce.get().read(text)
    chances = (*found.tones, found.urgent, found.wanted, found.refused)
    assert len(chances) == len(OUTPUTS)
    assert all(0 <= chance <= 1 for chance in chances)


class SecondLookOnce:
    """Hypothesis wants no fixture of a narrower scope."""

    made: SecondLook | None = None

    @classmethod
    def get(cls) -> SecondLook:
        cls.made = cls.made or SecondLook(shipped.find("models", "second_look"))
        return cls.made


@pytest.mark.parametrize(
    "text",
    ["x" * 20_000_000, "no " * 5_000_000, "\u202e" * 100_000, "請打電話給我" * 100_000, "\0" * 9],
    ids=["one word", "many words", "turned", "another alphabet", "nothing"],
)
def test_the_worst_text_is_bounded(second: SecondLook, text: str) -> None:
    begin = time.process_time()
    second.read(text)
    assert time.process_time() - begin < 2


def test_a_damaged_model_is_told(tmp_path: Path) -> None:
    folder = shipped.find("models", "second_look")
    for name in ("model.json", "vocabulary.txt", "weights.onnx"):
        shutil.copy(folder / name, tmp_path)
    (tmp_path / "vocabulary.txt").write_text("[UNK]\n")
    with pytest.raises(ModelError, match="its files are not those"):
        SecondLook(tmp_path)
    (tmp_path / "model.json").unlink()
    with pytest.raises(ModelError, match="no readable model"):
        SecondLook(tmp_path)


@pytest.mark.parametrize(
    ("name", "octets"),
    [
        ("weights.onnx", b"no graph"),
        ("vocabulary.txt", b"a\nb\n"),
        ("vocabulary.txt", b"\xff\xfe"),
        ("model.json", b'{"outputs": 7}'),
    ],
)
def test_a_model_that_cannot_be_loaded_is_told(tmp_path: Path, name: str, octets: bytes) -> None:
    """Its digests may be right all the same: `gateway check` must not fall over it."""
    folder = shipped.find("models", "second_look")
    for each in ("vocabulary.txt", "weights.onnx"):
        shutil.copy(folder / each, tmp_path)
    sidecar = json.loads((folder / "model.json").read_text())
    if name == "model.json":
        sidecar |= json.loads(octets)
    else:
        (tmp_path / name).write_bytes(octets)
        sidecar["sha256"][name] = hashlib.sha256(octets).hexdigest()
    (tmp_path / "model.json").write_text(json.dumps(sidecar))
    with pytest.raises(ModelError, match="no readable model"):
        SecondLook(tmp_path)


def test_without_the_extra_it_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ModelError, match=r"; pip install 'customer-mail-gateway\[second-look\]'"):
        SecondLook(shipped.find("models", "second_look"))


def test_training_says_what_it_lacks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ValueError, match="is missing: pip install --group second-look"):
        train_second_look.train([shipped.find("models", "letters")], tmp_path)
