"""The phrases shown for a verdict: whole, within a sentence, without loose ends or numbers."""

from __future__ import annotations

import numpy as np
import pytest

from gateway.learning.concepts import shipped
from gateway.learning.features import Columns, Reader
from gateway.learning.reasons import Phrases
from gateway.learning.vocabulary import Numbers


def phrases_of(text: str, speaking: str) -> list[str]:
    """Phrases of a text in which only these words speak for the answer."""
    reader = Reader(shipped())
    loud = set(reader.vocabulary.read(speaking.encode().split()).tolist())

    def word_shares(unique: Numbers) -> tuple[np.ndarray, np.ndarray, int]:
        alone = np.array([3.0 if n in loud else 0.0 for n in unique.tolist()], np.float32)
        return alone, np.zeros_like(alone), 1

    def nothing(columns: Columns) -> np.ndarray:
        return np.zeros(len(columns), np.float32)

    return Phrases(reader, nothing, word_shares).find(text)


def test_a_run_of_speaking_words_is_shown() -> None:
    assert phrases_of("Hello\nYou are shameless liars, my dear sirs", "shameless liars") == [
        "shameless liars"
    ]


def test_no_phrase_goes_over_the_end_of_a_sentence() -> None:
    assert phrases_of("Hello\nIt was a swindle. Goodbye to all", "swindle goodbye") == []


def test_no_phrase_goes_over_a_number() -> None:
    assert phrases_of("Hello\nhorrible 14 weeks", "horrible weeks") == []


@pytest.mark.parametrize("loose", ["and", "the", "je", "und", "y"])
def test_loose_ends_are_cut_off(loose: str) -> None:
    text = f"Hello\nshameless liars {loose}"
    assert phrases_of(text, f"shameless liars {loose}") == ["shameless liars"]


def test_a_short_text_has_no_phrases() -> None:
    assert phrases_of("", "a") == []
    assert phrases_of("liars", "liars") == []
