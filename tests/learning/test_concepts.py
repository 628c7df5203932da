"""The table of concepts, and how its phrases are found."""

from __future__ import annotations

import pytest

from gateway.learning.concepts import fold, parse, shipped
from gateway.learning.features import Reader
from gateway.learning.words import split

SMALL = """
# a comment
[thanks]
en: thank*, thanks
de: danke
[sarcasm]
en: thanks for nothing
[wait]
en: wait* for week*
"""


def concepts_in(text: str, reader: Reader) -> list[str]:
    _, _, events = reader.events(reader.vocabulary.read(split(text)))
    return [reader.vocabulary.concepts.names[number] for number in events.tolist()]


@pytest.fixture(scope="module")
def small() -> Reader:
    return Reader(parse(SMALL))


def test_words_stems_and_phrases_are_found(small: Reader) -> None:
    assert concepts_in("Thanking you, danke", small) == ["thanks", "thanks"]
    assert concepts_in("we have been waiting for weeks", small) == ["wait"]


def test_a_phrase_takes_its_words_away(small: Reader) -> None:
    assert concepts_in("thanks for nothing", small) == ["sarcasm"]
    assert concepts_in("thanks for something", small) == ["thanks"]


def test_a_phrase_at_the_very_end_and_a_half_phrase(small: Reader) -> None:
    assert concepts_in("nothing. thanks for", small) == ["thanks"]
    assert concepts_in("well, thanks for nothing", small) == ["sarcasm"]


def test_a_line_of_neither_form_is_refused() -> None:
    with pytest.raises(ValueError, match="neither"):
        parse("[a]\nnonsense without a colon")


def test_accents_do_not_matter() -> None:
    assert fold("déçu".encode()) == b"decu"
    reader = Reader(shipped())
    assert concepts_in("je suis décu", reader) == concepts_in("je suis déçu", reader)


@pytest.mark.parametrize(
    ("text", "concept"),
    [
        ("this is bait and switch", "deceit"),
        ("das ist eine Frechheit", "contempt"),
        ("es la tercera vez que escribo", "again"),
        ("personne ne répond, aucune réponse", "ignored"),
        ("non chiamatemi", "no_call"),
        ("muito obrigada", "thanks"),
        ("bel me niet meer", "no_call"),
        ("please call me back", "call_me"),
    ],
)
def test_the_shipped_table_knows_seven_languages(text: str, concept: str) -> None:
    assert concept in concepts_in(text, Reader(shipped()))
