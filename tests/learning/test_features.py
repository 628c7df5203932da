"""Text to numbers: the same for training and serving, bounded, and deterministic."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.learning.concepts import shipped
from gateway.learning.features import MAIL_ROOM, STYLE, Reader, style

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
    assert len(features.words) == 1
    features = reader.read("a b " * 3_000_000)
    assert len(features.words) <= 1 << 15
