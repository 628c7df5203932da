"""What is known of each word, looked up once and kept while the process runs.

A word is hashed, cut into its letters and matched with the concepts only when it is first seen;
after that it is a number, and everything about it stands in arrays indexed by that number.
"""

from __future__ import annotations

import zlib
from itertools import repeat

import numpy as np
from numpy.typing import NDArray

from gateway.learning.concepts import MOST_CONCEPTS, NO_CONCEPT, Concepts, PhraseTable, fold
from gateway.learning.words import normal

SHORTEST_PIECE, LONGEST_PIECE = 3, 5
"""Letters of the pieces of a word, its two edges counted as letters."""

MOST_DIGITS = 99

Numbers = NDArray[np.int32]
Events = NDArray[np.int32]
"""Numbers of concepts in the order they are met."""


class Vocabulary:
    """Numbers for words. Grows to `limit` words, then starts anew (`generation` says so)."""

    def __init__(self, concepts: Concepts, limit: int = 1 << 16) -> None:
        self.concepts = concepts
        self.phrases = PhraseTable(concepts)
        self.limit = limit
        self.generation = 0
        self._numbers: dict[bytes, int] = {}
        self.hashes = np.zeros(limit, np.uint32)
        """CRC-32 of the normal form."""
        self.keys = np.zeros(limit, np.uint32)
        """CRC-32 of what stands for the word inside a phrase."""
        self.concepts_of = np.full((limit, MOST_CONCEPTS), NO_CONCEPT, np.int16)
        """What the word means by itself; most mean nothing, few mean two things."""
        self.digits = np.zeros(limit, np.int8)
        """How many digits a word of nothing else has; most have none."""
        self.pieces: list[NDArray[np.uint32]] = []
        """Hashes of the word's pieces."""

    def __len__(self) -> int:
        return len(self.pieces)

    def read(self, words: list[bytes]) -> Numbers:
        """The number of each word, new ones learned on the way."""
        try:
            return np.fromiter(map(self._numbers.__getitem__, words), np.int32, len(words))
        except KeyError:
            new = [word for word in dict.fromkeys(words) if word not in self._numbers]
        if len(self) + len(new) > self.limit:
            self._forget()
            new = list(dict.fromkeys(words))[: self.limit]
        for word in new:
            self._learn(word)
        found = map(self._numbers.get, words, repeat(0))
        return np.fromiter(found, np.int32, len(words))

    def _forget(self) -> None:
        self._numbers.clear()
        self.pieces.clear()
        self.concepts_of.fill(NO_CONCEPT)
        self.generation += 1

    def _learn(self, word: bytes) -> None:
        number = len(self.pieces)
        form = normal(word)
        folded = fold(form)
        self.hashes[number] = zlib.crc32(form)
        self.keys[number] = zlib.crc32(self.concepts.phrase_key(folded))
        meant = self.concepts.of_word(folded)[:MOST_CONCEPTS]
        self.concepts_of[number, : len(meant)] = meant
        self.digits[number] = min(len(word), MOST_DIGITS) if word.isdigit() else 0
        self.pieces.append(_pieces(form.decode("utf-8", "ignore")))
        self._numbers[word] = number


def _pieces(word: str) -> NDArray[np.uint32]:
    edged = f"<{word}>"
    hashes = [
        zlib.crc32(f"~{edged[start : start + length]}".encode())
        for length in range(SHORTEST_PIECE, LONGEST_PIECE + 1)
        for start in range(len(edged) - length + 1)
        if length < len(edged)
    ]
    return np.array(hashes, np.uint32)
