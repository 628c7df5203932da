"""Training end to end on a small corpus of our own: deterministic, held out, evaluated."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.learning import train_tone
from gateway.learning.corpus import Sample, read
from gateway.learning.evaluate import evaluate
from gateway.learning.report import write
from gateway.learning.train import train

WORDS = {
    "irate": "you lied and nobody answers this is a disgrace give my money back number {n}",
    "upset": "sadly the parcel number {n} is damaged and i am disappointed",
    "neutral": "could you send the invoice of order {n} to my new address please",
    "pleased": "thank you so much parcel {n} is wonderful and your team was kind",
}
SPAM = "From: x@win.example\nSubject: Prize {n}\n\nClaim prize {n} now http://10.0.0.{n}/win\n"
HAM = "From: jo@home.example\nSubject: Meeting {n}\n\nSee you at the meeting in room {n}, Jo\n"


@pytest.fixture(scope="module")
def letters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("letters") / "letters.jsonl"
    held_out = train_tone.HELD_OUT_HANDS[0]
    rows = [
        {"id": f"{held_out if n % 5 == 0 else 'a'}-{tone}{n}", "subject": "Letter",
         "body": text.format(n=n), "tone": tone,
         "urgent": n % 4 == 0, "wants_call": tone == "irate", "no_call": n % 11 == 0,
         "language": "en", "situation": f"{tone} {n}", "persona": f"p{n}"}
        for tone, text in WORDS.items() for n in range(1, 30)
    ]  # fmt: skip
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def mail(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mail")
    for label, text in (("spam", SPAM), ("ham", HAM)):
        (folder / label).mkdir()
        for n in range(1, 25):
            (folder / label / f"{n}.eml").write_text(text.format(n=n))
    return folder


def test_a_tone_model_is_learned_saved_and_evaluated(letters: Path, tmp_path: Path) -> None:
    steps: list[str] = []
    made = train("tone", [letters], tmp_path / "one", progress=lambda w, _d, _t: steps.append(w))
    again = train("tone", [letters], tmp_path / "two")
    one, two = ((tmp_path / name / "weights.npy").read_bytes() for name in ("one", "two"))
    assert one == two
    assert made.held_out == again.held_out > 0
    assert any("cross-validation" in step for step in steps)
    found = evaluate("tone", [letters], tmp_path / "one")
    write(found, tmp_path / "reports/page.html")
    assert found.figures["rows"] == made.held_out
    assert float(found.figures["macro F1"]) > 0.9
    page = (tmp_path / "reports/page.html").read_text()
    assert "reliability" in page
    assert "<script" not in page


def test_a_spam_model_is_learned_and_evaluated(mail: Path, letters: Path, tmp_path: Path) -> None:
    train("spam", [mail, letters], tmp_path)
    found = evaluate("spam", [mail, letters], tmp_path)
    assert float(found.figures["ROC area"]) > 0.99
    assert found.tables["By source"]["letters"]["ham called spam"] == 0


def test_sources_can_be_left_out(mail: Path, letters: Path, tmp_path: Path) -> None:
    made = train("tone", [letters, mail], tmp_path, exclude=["spam", "ham"])
    assert set(made.samples) == {"letters"}


def test_one_writer_is_held_out_whatever_they_write_of() -> None:
    names = {"t001": True, "t-12": True, "i-003": False, "a-001": False, "seed-7": False}
    for name, expected in names.items():
        sample = Sample("letters", text="a", group="late parcel", name=name)
        assert train_tone.held_out(sample) is expected
    assert not train_tone.held_out(Sample("tweets", name="t001"))


def test_too_little_is_told(tmp_path: Path, mail: Path) -> None:
    with pytest.raises(ValueError, match="needed"):
        train("tone", [mail / "ham"], tmp_path)
    with pytest.raises(ValueError, match="ham and spam"):
        train("spam", [mail / "spam"], tmp_path)
    with pytest.raises(ValueError, match="no such kind"):
        train("mood", [mail], tmp_path)


def test_the_corpus_of_letters_reads_without_a_mistake() -> None:
    folder = Path(__file__).parents[2] / "models" / "letters"
    samples = list(read([folder]))
    assert all(s.label in train_tone.TONES and s.asked and s.text for s in samples)
