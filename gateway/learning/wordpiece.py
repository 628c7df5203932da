"""Text to numbers of word pieces, the longest known piece first (Devlin et al. 2019).

Lower case, no accents; words and marks apart. A piece that goes on inside a word begins with `##`.
The same code reads for training and for serving. Linear in the text but for endless words, of
which nothing is read.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache

BEGIN, END, UNKNOWN = "[CLS]", "[SEP]", "[UNK]"
SPECIAL = ("[PAD]", UNKNOWN, BEGIN, END)
LONGEST = 40
"""Characters of a word that is read; a longer one is unknown as a whole."""
_WORD = re.compile(r"[^\W_]+|[^\s\w]|_")
_MARKS = re.compile("[\u0300-\u036f]+")


class WordPiece:
    """A vocabulary, one piece a line in `vocabulary.txt`; its place is its number."""

    def __init__(self, vocabulary: Sequence[str]) -> None:
        self.pieces = tuple(vocabulary)
        self._numbers = {piece: number for number, piece in enumerate(vocabulary)}
        self._unknown = self._numbers[UNKNOWN]
        self._remembered = lru_cache(maxsize=16384)(self._split)

    def numbers(self, text: str, most: int) -> list[int]:
        """The pieces between BEGIN and END; of more than `most` two thirds are from the
        beginning and one third from the end, where a letter says what it is about."""
        found = [number for word in words(text) for number in self._of_word(word)]
        room = most - 2
        if len(found) > room:
            head = room * 2 // 3
            found = [*found[:head], *found[head - room :]]
        return [self._numbers[BEGIN], *found, self._numbers[END]]

    def _of_word(self, word: str) -> tuple[int, ...]:
        """Endless words are not remembered either."""
        return self._remembered(word) if len(word) <= LONGEST else (self._unknown,)

    def _split(self, word: str) -> tuple[int, ...]:
        found: list[int] = []
        start = 0
        while start < len(word):
            begins = "##" if start else ""
            for end in range(len(word), start, -1):
                number = self._numbers.get(begins + word[start:end])
                if number is not None:
                    break
            else:
                return (self._unknown,)
            found.append(number)
            start = end
        return tuple(found)


def words(text: str) -> Iterable[str]:
    """Words and single marks, lower case, without accents."""
    plain = text.lower()
    if not plain.isascii():
        plain = _MARKS.sub("", unicodedata.normalize("NFD", plain))
    return _WORD.findall(plain)


def pruned(vocabulary: Sequence[str], texts: Iterable[str], least: int) -> list[str]:
    """What remains of a vocabulary: special and one-letter pieces, and those met `least` times.

    A word whose piece is gone is cut into smaller ones, so that nothing becomes unreadable.
    """
    known = WordPiece(vocabulary)
    met = [0] * len(known.pieces)
    for text in texts:
        for number in known.numbers(text, len(text) + 2):
            met[number] += 1
    return [
        piece
        for piece, times in zip(known.pieces, met, strict=True)
        if times >= least or piece in SPECIAL or len(piece.removeprefix("##")) == 1
    ]
