"""What is known of each word, looked up once and kept while the process runs.

A word is hashed, cut into its letters and matched with the concepts only when it is first seen;
after that it is a number, and everything about it stands in arrays indexed by that number.
"""

from __future__ import annotations

import zlib
from itertools import repeat

import numpy as np
from numpy.typing import NDArray

from gateway.learning.concepts import Concepts, PhraseTable, fold
from gateway.learning.words import normal

SHORTEST_PIECE, LONGEST_PIECE = 3, 5
"""Letters of the pieces of a word, its two edges counted as letters."""

Numbers = NDArray[np.int32]


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
        self.begins = np.zeros(limit, np.bool_)
        """Whether some phrase begins with it."""
        self.continues = np.zeros(limit, np.bool_)
        """Whether it stands in some phrase after the first word."""
        self.first = np.full(limit, -1, np.int16)
        """The concept of the word by itself, -1 for none."""
        self.second = np.full(limit, -1, np.int16)
        """The other concept of the few words that have two."""
        self.pieces: list[NDArray[np.uint32]] = []
        """Hashes of the word's pieces."""

    def __len__(self) -> int:
        return len(self.pieces)

    def read(self, words: list[bytes]) -> Numbers:
        """The number of each word, new ones learned on the way."""
        try:
            return np.array(list(map(self._numbers.__getitem__, words)), np.int32)
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
        self.first.fill(-1)
        self.second.fill(-1)
        self.generation += 1

    def _learn(self, word: bytes) -> None:
        number = len(self.pieces)
        form = normal(word)
        folded = fold(form)
        key = self.concepts.phrase_key(folded)
        self.hashes[number] = zlib.crc32(form)
        self.keys[number] = zlib.crc32(key)
        self.begins[number] = key in self.phrases.firsts
        self.continues[number] = key in self.phrases.others
        for slot, concept in zip(
            (self.first, self.second), self.concepts.of_word(folded), strict=False
        ):
            slot[number] = concept
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
