"""The one tokenisation: what is a word, and what a hostile text costs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.learning.words import LONGEST_WORD, normal, split


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("I'm NOT happy!", ["i'm", "not", "happy"]),
        ("bait-and-switch", ["bait", "and", "switch"]),
        ("Das ärgert mich SEHR", ["das", "ärgert", "mich", "sehr"]),
        ("don’t “quote” me…", ["don't", "quote", "me"]),
        ("see https://shop.example/a?b=c now", ["see", "now"]),
        ("mail jane@shop.example please", ["mail", "please"]),
        ("dan\u200bke und fu\u00adchs", ["danke", "und", "fuchs"]),
        ("ﬁne ＳＰＡＭ", ["fine", "spam"]),
        ("thanks😊so much", ["thanks", "😊", "so", "much"]),
        ("$50 or 20%", ["$50", "or", "20%"]),
        ("", []),
    ],
)
def test_what_is_a_word(text: str, words: list[str]) -> None:
    assert [word.decode() for word in split(text)] == words


def test_plain_and_foreign_texts_are_cut_alike() -> None:
    text = "Hello there, I paid $50 and got NOTHING; it's a joke."
    assert split(text + " ü")[:-1] == split(text)


def test_digits_are_masked_and_long_numbers_are_all_alike() -> None:
    assert normal(b"10423") == normal(b"99999") == normal(b"123456789")
    assert normal(b"$50") == normal(b"$77")
    assert normal(b"'hello'") == b"hello"


@given(st.text(max_size=400))
def test_any_text_is_cut_without_spaces_left(text: str) -> None:
    for word in split(text):
        assert word
        assert b" " not in word
        assert len(normal(word)) <= LONGEST_WORD


def test_many_different_symbols_take_the_other_way_with_the_same_words() -> None:
    symbols = "".join(map(chr, range(0x2600, 0x2640)))
    assert [w.decode() for w in split(f"so bad {symbols} really")] == [
        "so",
        "bad",
        *symbols,
        "really",
    ]
