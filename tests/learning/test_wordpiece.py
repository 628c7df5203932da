"""Word pieces: the longest known first, bounded, and no text that cannot be read."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.learning.wordpiece import BEGIN, END, SPECIAL, UNKNOWN, WordPiece, pruned

PIECES = [*SPECIAL, "call", "##ing", "##back", "me", "recl", "##ama", "c", "##a", "##l", "!", "'"]


def told(text: str, most: int = 50) -> list[str]:
    reader = WordPiece(PIECES)
    return [reader.pieces[number] for number in reader.numbers(text, most)]


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("", []),
        ("Call me!", ["call", "me", "!"]),
        ("CALLING", ["call", "##ing"]),
        ("callback", ["call", "##back"]),
        ("cal", ["c", "##a", "##l"]),
        ("reclamá", ["recl", "##ama"]),
        ("call_me", ["call", UNKNOWN, "me"]),
        ("it's", [UNKNOWN, "'", UNKNOWN]),
        ("x" * 5000, [UNKNOWN]),
    ],
)
def test_a_text_in_pieces(text: str, pieces: list[str]) -> None:
    assert told(text) == [BEGIN, *pieces, END]


def test_of_a_long_text_the_beginning_and_the_end_are_read() -> None:
    assert told("me " * 8 + "call " * 8, 11) == [BEGIN, *["me"] * 6, *["call"] * 3, END]


def test_endless_words_are_not_remembered() -> None:
    """Thousands of them, each another one, would stay in memory."""
    reader = WordPiece(PIECES)
    text = " ".join(f"{number:03d}" * 1000 for number in range(100))
    tracemalloc.start()
    try:
        reader.numbers(text, 256)
        assert tracemalloc.get_traced_memory()[0] < 100_000
    finally:
        tracemalloc.stop()


@given(st.text(), st.integers(3, 40))
def test_any_text_is_read_within_bounds(text: str, most: int) -> None:
    numbers = WordPiece(PIECES).numbers(text, most)
    assert 2 <= len(numbers) <= most
    assert all(0 <= number < len(PIECES) for number in numbers)


def test_a_smaller_vocabulary_keeps_what_is_met_and_every_letter() -> None:
    kept = pruned(PIECES, ["Calling you, calling me", "call me"], 2)
    assert kept == [*SPECIAL, "call", "##ing", "me", "c", "##a", "##l", "!", "'"]
