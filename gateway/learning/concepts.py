"""Concepts: words and phrases of seven languages that mean the same to a reader of complaints.

The table is `concepts.txt`, a data file. `Concepts` is made once and never changes; `of_word`
says what one word means, and `PhraseTable` finds phrases of two to four words by their hashes.
"""

from __future__ import annotations

import unicodedata
import zlib
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gateway.learning.words import normal, split

Hashes = NDArray[np.uint32]
LONGEST_PHRASE = 4
MOST_CONCEPTS, NO_CONCEPT = 2, -1
"""So many concepts of a word or phrase count; fewer are filled up."""
_MIX = np.uint32(0x9E3779B1)
_SPREAD = np.uint32(0x85EBCA6B)
_OPENING = 13
"""Bits of a hash that are dropped to say whether two words open a phrase."""


def fold(word: bytes) -> bytes:
    """A word without its accents: many write 'reclamacion' and 'decu' on a phone."""
    if word.isascii():
        return word
    return _unaccented(word.decode("utf-8", "ignore")).encode()


def _unaccented(text: str) -> str:
    letters = unicodedata.normalize("NFD", text)
    marks = {ord(letter): None for letter in set(letters) if unicodedata.combining(letter)}
    return letters.translate(marks) if marks else letters


def mix(left: Hashes, right: Hashes) -> Hashes:
    """The hash of two neighbours, each an array of uint32 hashes (wraps on purpose)."""
    return ((left * _MIX) ^ right) * _SPREAD


def _mixed(left: int, right: int) -> int:
    """`mix` for two numbers."""
    return ((((left * 0x9E3779B1) & 0xFFFFFFFF) ^ right) * 0x85EBCA6B) & 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Concepts:
    """The compiled table."""

    names: tuple[str, ...]
    words: dict[bytes, tuple[int, ...]]
    """Whole words (folded) to the numbers of their concepts."""
    stems: dict[bytes, tuple[int, ...]]
    phrases: dict[tuple[bytes, ...], tuple[int, ...]]
    """Elements are folded words or, with a star, stems."""
    phrase_stems: frozenset[bytes]
    digest: str
    """CRC of the table: a model trained with another table must not be served with this one."""

    def of_word(self, word: bytes) -> tuple[int, ...]:
        """Concepts of a folded word: as a whole, else by its longest stem."""
        found = self.words.get(word)
        if found is not None:
            return found
        for end in range(len(word), 1, -1):
            found = self.stems.get(word[:end])
            if found is not None:
                return found
        return ()

    def phrase_key(self, word: bytes) -> bytes:
        """What stands for a folded word inside a phrase: its longest stem used there, or itself."""
        for end in range(len(word), 1, -1):
            if word[:end] in self.phrase_stems:
                return word[:end] + b"*"
        return word


def parse(text: str) -> Concepts:
    """Read the table's text. Raises ValueError for a line that is neither of its forms."""
    names: list[str] = []
    entries: dict[tuple[bytes, ...], tuple[int, ...]] = {}
    for written in text.lower().splitlines():
        if not written.strip() or written.startswith("#"):
            continue
        line = written if written.isascii() else _unaccented(written)
        if line.startswith("["):
            names.append(line.strip("[] \n"))
            continue
        language, colon, phrases = line.partition(":")
        if not colon or not names:
            raise ValueError(f"neither a concept nor a language: {line[:40]!r} {language!r}")
        concept = (len(names) - 1,)
        for elements in _elements(phrases):
            known = entries.setdefault(elements, concept)
            if known[-1] != concept[0]:
                entries[elements] = known + concept
    single = {e[0]: c for e, c in entries.items() if len(e) == 1}
    phrases_ = {e: c for e, c in entries.items() if len(e) > 1}
    stems = frozenset(w[:-1] for e in phrases_ for w in e if w.endswith(b"*"))
    found = Concepts(
        names=tuple(names),
        words={w: c for w, c in single.items() if not w.endswith(b"*")},
        stems={w[:-1]: c for w, c in single.items() if w.endswith(b"*")},
        phrases={},
        phrase_stems=stems,
        digest=f"{zlib.crc32(text.encode()):08x}",
    )
    # A whole word used in one phrase may begin with a stem used in another: both take the stem.
    key = {w: w if w[-1:] == b"*" else found.phrase_key(w) for e in phrases_ for w in e}
    for elements, concepts in phrases_.items():
        keys = tuple([key[w] for w in elements])
        others = found.phrases.get(keys, ())
        found.phrases[keys] = tuple(sorted({*others, *concepts})) if others else concepts
    return found


def _elements(phrases: str) -> list[tuple[bytes, ...]]:
    """The phrases of one line. Most are nothing but letters, and start-up waits for it."""
    found: list[tuple[bytes, ...]] = []
    plain = phrases.translate(_BESIDE_LETTERS).isalpha()
    for phrase in phrases.split(","):
        if plain or phrase.translate(_BESIDE_LETTERS).isalpha():
            words = phrase.encode().split()
        else:
            words = [word for piece in phrase.split() for word in _piece(piece)]
        if words:
            found.append(tuple(words[:LONGEST_PHRASE]))
    return found


_BESIDE_LETTERS = str.maketrans("", "", " ,*")


def _piece(piece: str) -> list[bytes]:
    words = [fold(normal(word)) for word in split(piece.rstrip("*"))]
    if words and piece.endswith("*"):
        words[-1] += b"*"
    return words


@dataclass(slots=True)
class _Node:
    """Where the words of a phrase lead: what they mean if it ends here, and what may follow."""

    concepts: tuple[int, ...] = ()
    after: dict[int, _Node] = field(default_factory=dict)


class PhraseTable:
    """Finds phrases among word hashes without looking at each word in Python."""

    def __init__(self, concepts: Concepts) -> None:
        self._openings: dict[int, _Node] = {}
        # Most neighbours begin no phrase: the two words are tried against a bitmap first.
        self._likely = np.zeros(1 << 32 - _OPENING, np.bool_)
        for phrase, numbers in concepts.phrases.items():
            opening = _mixed(zlib.crc32(phrase[0]), zlib.crc32(phrase[1]))
            self._likely[opening >> _OPENING] = True
            node = self._openings.setdefault(opening, _Node())
            for word in phrase[2:]:
                node = node.after.setdefault(zlib.crc32(word), _Node())
            node.concepts = (*numbers, NO_CONCEPT, NO_CONCEPT)[:MOST_CONCEPTS]

    def find(self, keys: Hashes) -> tuple[list[int], list[int], list[tuple[int, ...]]]:
        """Phrases in a text, from left to right, the longest at each place: positions, how many
        words, concepts. `keys` is the phrase key hash of each word. No two overlap.
        """
        two = mix(keys[:-1], keys[1:])
        likely = self._likely.take(two >> np.uint32(_OPENING)).nonzero()[0]
        starts: list[int] = []
        counts: list[int] = []
        concepts: list[tuple[int, ...]] = []
        free = 0
        for start, opening in zip(likely.tolist(), two[likely].tolist(), strict=True):
            node = self._openings.get(opening)
            if node is None or start < free:
                continue
            found, length = _longest(node, keys[start + 2 : start + LONGEST_PHRASE])
            if found:
                starts.append(start)
                counts.append(length)
                concepts.append(found)
                free = start + length
        return starts, counts, concepts


def _longest(node: _Node, following: Hashes) -> tuple[tuple[int, ...], int]:
    """The longest phrase that goes on like this: its concepts and number of words."""
    found, length = node.concepts, 2
    if node.after:
        for number, word in enumerate(following.tolist(), 3):
            if (then := node.after.get(word)) is None:
                break
            node = then
            if node.concepts:
                found, length = node.concepts, number
    return found, length


@cache
def shipped() -> Concepts:
    return parse((Path(__file__).with_name("concepts.txt")).read_text(encoding="utf-8"))
