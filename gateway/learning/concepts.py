"""Concepts: words and phrases of seven languages that mean the same to a reader of complaints.

The table is `concepts.txt`, a data file. `Concepts` is made once and never changes; `of_word`
says what one word means, and `PhraseTable` finds phrases of two to four words by their hashes.
"""

from __future__ import annotations

import unicodedata
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gateway.learning.words import normal, split

Hashes = NDArray[np.uint32]
Positions = NDArray[np.intp]
LONGEST_PHRASE = 4
_MIX = np.uint32(0x9E3779B1)
_SPREAD = np.uint32(0x85EBCA6B)
_HALF = np.uint32(16)


def fold(word: bytes) -> bytes:
    """A word without its accents: many write 'reclamacion' and 'decu' on a phone."""
    if word.isascii():
        return word
    letters = unicodedata.normalize("NFD", word.decode("utf-8", "ignore"))
    return "".join(c for c in letters if not unicodedata.combining(c)).encode()


def mix(left: Hashes, right: Hashes) -> Hashes:
    """The hash of two neighbours, each an array of uint32 hashes (wraps on purpose)."""
    return ((left * _MIX) ^ right) * _SPREAD


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
    entries: dict[tuple[bytes, ...], set[int]] = {}
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        if line.startswith("["):
            names.append(line.strip("[] \n"))
            continue
        language, colon, phrases = line.partition(":")
        if not colon or not names:
            raise ValueError(f"neither a concept nor a language: {line[:40]!r} {language!r}")
        for elements in _elements(phrases):
            entries.setdefault(elements, set()).add(len(names) - 1)
    single = {e[0]: tuple(sorted(c)) for e, c in entries.items() if len(e) == 1}
    phrases_ = {e: tuple(sorted(c)) for e, c in entries.items() if len(e) > 1}
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
    for elements, concepts in phrases_.items():
        keys = tuple(w if w.endswith(b"*") else found.phrase_key(w) for w in elements)
        found.phrases[keys] = tuple(sorted({*found.phrases.get(keys, ()), *concepts}))
    return found


def _elements(phrases: str) -> Iterator[tuple[bytes, ...]]:
    for phrase in phrases.split(","):
        words = [w for piece in phrase.split() for w in _piece(piece)]
        if words:
            yield tuple(words[:LONGEST_PHRASE])


def _piece(piece: str) -> list[bytes]:
    words = [fold(normal(word)) for word in split(piece.rstrip("*"))]
    if words and piece.endswith("*"):
        words[-1] += b"*"
    return words


class PhraseTable:
    """Finds phrases among word hashes without looking at each word in Python."""

    def __init__(self, concepts: Concepts) -> None:
        self.firsts = {phrase[0] for phrase in concepts.phrases}
        self.others = {word for phrase in concepts.phrases for word in phrase[1:]}
        # Most words that could begin a phrase do not: two words are tried against a bitmap first.
        self._openings = np.zeros(1 << 16, np.bool_)
        self._by_length: dict[int, dict[int, tuple[int, ...]]] = {}
        self._longer: set[int] = set()
        for phrase, numbers in concepts.phrases.items():
            self._openings[_phrase_hash(phrase[:2]) >> 16] = True
            self._by_length.setdefault(len(phrase), {})[_phrase_hash(phrase)] = numbers
            self._longer.update(_phrase_hash(phrase[:length]) for length in range(2, len(phrase)))

    def find(self, keys: Hashes, starts: Positions) -> list[tuple[int, int, tuple[int, ...]]]:
        """Phrases in a text, longest first: `(position, words, concepts)`; they may overlap.

        `keys` is the phrase key hash of each word of the text, `starts` the positions of words
        that begin some phrase, none of them the last.
        """
        found: list[tuple[int, int, tuple[int, ...]]] = []
        hashes = mix(keys[starts], keys[starts + 1])
        likely = self._openings[hashes >> _HALF]
        beginning = [*zip(starts[likely].tolist(), hashes[likely].tolist(), strict=True)]
        for length in range(2, LONGEST_PHRASE + 1):
            known = self._by_length.get(length, {})
            going_on = []
            for start, key in beginning:
                if key in known:
                    found.append((start, length, known[key]))
                if key in self._longer and start + length < len(keys):
                    going_on.append((start, _mixed(key, int(keys[start + length]))))
            beginning = going_on
        return found[::-1]


def _mixed(left: int, right: int) -> int:
    """`mix` for two numbers."""
    return ((((left * 0x9E3779B1) & 0xFFFFFFFF) ^ right) * 0x85EBCA6B) & 0xFFFFFFFF


def _phrase_hash(phrase: tuple[bytes, ...]) -> int:
    hashes = np.array([zlib.crc32(word) for word in phrase], np.uint32)
    key = hashes[:1]
    for n in range(1, len(phrase)):
        key = mix(key, hashes[n : n + 1])
    return int(key[0])


@cache
def shipped() -> Concepts:
    return parse((Path(__file__).with_name("concepts.txt")).read_text(encoding="utf-8"))
