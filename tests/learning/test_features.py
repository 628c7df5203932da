"""Text to numbers: the same for training and serving, bounded, and deterministic."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.learning.concepts import shipped
from gateway.learning.features import (
    HEAD,
    MAIL_ROOM,
    STYLE,
    TAIL,
    Reader,
    clip,
    holds_telephone,
    style,
)

SHARED = Reader(shipped())
LETTER = """Third time I write!! You PROMISED a refund and nobody answers.
I will tell everyone. Why should I wait any longer?"""


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader(shipped())


def dense(reader: Reader, text: str) -> dict[int, float]:
    columns, values = reader.row(reader.read(text))
    total: dict[int, float] = {}
    for column, value in zip(columns.tolist(), values.tolist(), strict=True):
        total[column] = total.get(column, 0.0) + value
    return total


def test_a_row_does_not_depend_on_what_was_read_before(reader: Reader) -> None:
    fresh = Reader(shipped())
    reader.read("something else entirely, in other words and another order")
    assert dense(reader, LETTER) == dense(fresh, LETTER)


def test_every_column_is_inside_the_layout(reader: Reader) -> None:
    columns, values = reader.row(reader.read(LETTER), np.array([0], np.int32) + reader.layout.mail)
    assert columns.min() >= 0
    assert columns.max() < reader.layout.width
    assert np.isfinite(values).all()
    assert reader.layout.width == reader.layout.facts + len(STYLE) + MAIL_ROOM


def test_words_and_pieces_have_length_one_each(reader: Reader) -> None:
    features = reader.read("alpha beta gamma")
    _, values = reader.row(features)
    first = len(features.unique) + len(features.neighbours)
    assert np.square(values[:first]).sum() == pytest.approx(1, abs=1e-5)


@given(st.text(max_size=300))
def test_any_text_makes_a_row(text: str) -> None:
    columns, values = SHARED.row(SHARED.read(text))
    assert len(columns) == len(values)
    assert np.isfinite(values).all()


def test_a_full_vocabulary_starts_anew_and_still_reads_right() -> None:
    whole, small = Reader(shipped()), Reader(shipped())
    small.vocabulary.limit = 40
    for number in range(10):
        small.read(" ".join(f"w{number}x{n}" for n in "abcdefghij"))
    assert small.vocabulary.generation > 0
    assert dense(small, LETTER) == dense(whole, LETTER)


def test_style_is_told() -> None:
    told = {STYLE[number] for number in style("WHY DOES NOBODY ANSWER?! Thanks :) $5").tolist()}
    assert {"!! or ?!", "some in capitals", "smile", "currency", "one !", "one ?"} <= told
    assert style("").tolist() == []


def test_an_endless_line_is_read_in_bounded_work(reader: Reader) -> None:
    features = reader.read("spam" * 3_000_000)
    assert len(features.words) == 2
    features = reader.read("a b " * 3_000_000)
    assert len(features.words) <= (HEAD + TAIL) // 2 + 1


def test_of_a_long_text_the_beginning_and_the_end_are_read() -> None:
    begin, end = "alpha " * 100, " omega" * 100
    filled = begin + "middle " * 2000 + end
    assert len(clip(filled)) == HEAD + TAIL + 1
    assert clip(filled).startswith("alpha")
    assert clip(filled).endswith("omega")
    short = "word " * 100
    assert clip(short) == short


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("call (030) 555-0171 after six", True),
        ("+34 619 204 553", True),
        ("07700900391", True),
        ("order 40112233 of 12.05.2026", False),
        ("2026-05-12", False),
        ("card 4111 1111 1111 1111", False),
        ("two of 3 for 4", False),
    ],
)
def test_a_telephone_number_is_told_from_others(reader: Reader, text: str, expected: bool) -> None:
    words = reader.read(text).words
    assert holds_telephone(reader.vocabulary.digits[words]) is expected
