"""Text to numbers: what training and serving both count, so that they can never differ.

A text becomes a sparse row of five blocks:

| block    | counts                                            | value of each                    |
| -------- | ------------------------------------------------- | -------------------------------- |
| words    | different words and pairs of neighbouring words    | 1 / sqrt(how many there are)     |
| pieces   | pieces of three to five letters of different words | 1 / sqrt(how many there are)     |
| concepts | concepts met (see concepts.txt)                    | 1 - 1/2 ** (times met)           |
| pairs    | two concepts within six words, in this order       | 1/2                              |
| facts    | how it is written, where links point, MIME facts   | 1, only those that hold          |

Words and pieces are hashed into the same 2**`BITS` columns; the others have columns of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gateway.learning.concepts import Concepts, Hashes, mix
from gateway.learning.vocabulary import Numbers, Vocabulary
from gateway.learning.words import beyond_ascii, split

SCHEMA = 1
"""Raised with every change that makes older models read other columns than they learned."""
BITS = 18
_SHIFT = np.uint32(32 - BITS)
_TAKEN = -2
"""Stands for the concept of a word inside a phrase that was found."""
_WORD = np.uint32(0x85EBCA6B)
_PIECE = np.uint32(0xC2B2AE35)
NEAR_WORDS, NEAR_CONCEPTS = 6, 3
PAIR_VALUE = np.float32(0.5)
LONGEST_TEXT = 1 << 16
"""Characters read of one text."""

Columns = NDArray[np.int32]
Values = NDArray[np.float32]
Spans = NDArray[np.int32]
"""Shape (n, 2): first word, number of words."""

STYLE = (
    "one !", "some !", "many !", "!! or ?!", "one ?", "some ?", "many ?", "...",
    "a word in capitals", "some in capitals", "many in capitals", "mostly capitals",
    "smile", "frown", "no capitals", "currency",
)  # fmt: skip
"""How a text is written: facts for every head."""

MAIL_ROOM = 96
"""Columns kept for what a message is like beside its words: facts for the spam head only, named in
`mail_facts.py`. More than there are, so that a new fact does not outdate the other models."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Which columns belong to which block."""

    concepts: int

    @property
    def words(self) -> int:
        return 1 << BITS

    @property
    def pairs(self) -> int:
        """Where the pairs begin; the concepts stand just before them."""
        return self.words + self.concepts

    @property
    def facts(self) -> int:
        return self.pairs + self.concepts**2

    @property
    def mail(self) -> int:
        return self.facts + len(STYLE)

    @property
    def width(self) -> int:
        return self.mail + MAIL_ROOM


class TextFeatures(NamedTuple):
    """The blocks of one text, words as vocabulary numbers so that a server may reuse sums."""

    words: Numbers
    """In the order they stand."""
    unique: Numbers
    neighbours: Columns
    """Columns of the different pairs of neighbouring words."""
    concepts: Columns
    counts: Values
    """The value of each entry of `concepts`."""
    pairs: Columns
    facts: Columns


class Reader:
    """Reads texts with one vocabulary. Not for two threads at once."""

    def __init__(self, concepts: Concepts) -> None:
        self.vocabulary = Vocabulary(concepts)
        self.layout = Layout(len(concepts.names))

    def read(self, text: str) -> TextFeatures:
        """All but the mail facts of one text, which is cut at `LONGEST_TEXT`."""
        text = text[:LONGEST_TEXT]
        words = self.vocabulary.read(split(text))
        spans, events = self.events(words)
        concepts, counts = _counted(events)
        return TextFeatures(
            words,
            np.flatnonzero(np.bincount(words)).astype(np.int32),
            _different(self.neighbour_columns(words)),
            concepts + np.int32(self.layout.words),
            counts,
            _pairs(spans[:, 0], events, self.layout.concepts) + np.int32(self.layout.pairs),
            style(text) + np.int32(self.layout.facts),
        )

    def row(self, features: TextFeatures, mail: Columns | None = None) -> tuple[Columns, Values]:
        """The sparse row of one text; a column may stand in it more than once (they add up)."""
        known = self.vocabulary
        first = np.concatenate([self.word_columns(features.unique), features.neighbours])
        pieces = [known.pieces[number] for number in features.unique.tolist()]
        hashes = np.concatenate(pieces) if pieces else np.empty(0, np.uint32)
        second = piece_columns(hashes)
        facts = features.facts if mail is None else np.concatenate([features.facts, mail])
        values = (
            np.full(len(first), unit(len(first))),
            np.full(len(second), unit(len(second))),
            features.counts,
            np.full(len(features.pairs), PAIR_VALUE),
            np.ones(len(facts), np.float32),
        )
        columns = (first, second, features.concepts, features.pairs, facts)
        return np.concatenate(columns), np.concatenate(values)

    def word_columns(self, words: Numbers) -> Columns:
        return (self.vocabulary.hashes[words] * _WORD >> _SHIFT).astype(np.int32)

    def neighbour_columns(self, words: Numbers) -> Columns:
        """The column of each pair of neighbouring words, in order."""
        hashes = self.vocabulary.hashes[words]
        return (mix(hashes[:-1], hashes[1:]) >> _SHIFT).astype(np.int32)

    def events(self, words: Numbers) -> tuple[Spans, NDArray[np.int32]]:
        """Where concepts stand in a text: spans (position, words) and concepts, in order.

        Words inside a phrase that means something do not count by themselves.
        """
        known = self.vocabulary
        first, second = known.first[words], known.second[words]
        starts = np.flatnonzero(known.begins[words[:-1]] & known.continues[words[1:]])
        found: list[tuple[int, int, int]] = []
        for position, length, concepts in known.phrases.find(known.keys[words], starts):
            if first[position] > _TAKEN and first[position + length - 1] > _TAKEN:
                first[position : position + length] = _TAKEN
                second[position : position + length] = _TAKEN
                found += [(position, length, concept) for concept in concepts[:2]]
        one, two = np.flatnonzero(first >= 0), np.flatnonzero(second >= 0)
        events = np.ones((len(one) + len(two) + len(found), 3), np.int32)
        events[: len(one), 0], events[: len(one), 2] = one, first[one]
        if len(two) or found:
            singles = len(one) + len(two)
            events[len(one) : singles, 0], events[len(one) : singles, 2] = two, second[two]
            events[singles:] = np.array(found, np.int32).reshape(-1, 3)
            events = events[events[:, 0].argsort(kind="stable")]
        return events[:, :2], events[:, 2]


def piece_columns(hashes: Hashes) -> Columns:
    return (hashes * _PIECE >> _SHIFT).astype(np.int32)


def unit(count: int) -> np.float32:
    """The value that gives `count` equal entries the length one."""
    return np.float32(1 / np.sqrt(max(count, 1)))


def _different(columns: Columns) -> Columns:
    if len(columns) < 2:
        return columns
    columns = np.sort(columns)
    return columns[np.concatenate(([True], columns[1:] != columns[:-1]))]


def _counted(events: NDArray[np.int32]) -> tuple[Columns, Values]:
    counts = np.bincount(events)
    concepts = np.flatnonzero(counts).astype(np.int32)
    return concepts, (1 - 0.5 ** counts[concepts]).astype(np.float32)


def _pairs(positions: NDArray[np.int32], events: NDArray[np.int32], concepts: int) -> Columns:
    found = [
        (events[:-lag] * concepts + events[lag:])[positions[lag:] - positions[:-lag] <= NEAR_WORDS]
        for lag in range(1, NEAR_CONCEPTS + 1)
        if len(events) > lag
    ]
    if not found:
        return np.empty(0, np.int32)
    return _different(np.concatenate(found).astype(np.int32))


_SMILES = (":)", ":-)", ";)", ":D", ";-)")
_FROWNS = (":(", ":-(", ":/ ", ">:(")
_SMILE = frozenset("😊🙂😀😁😄😃❤🙏👍🥰😍")
_FROWN = frozenset("😠😡🤬👎😤😞😢🙄")
_TO_CAPITALS = bytes(65 if 65 <= octet <= 90 else 32 for octet in range(256))
_SMALL, _CAPITAL = bytes(range(97, 123)), bytes(range(65, 91))


def style(text: str) -> Columns:
    """Numbers of the STYLE facts that hold for a text."""
    loud, asked = text.count("!"), text.count("?")
    capitals, mostly = _capitals(text.encode("utf-8", "replace"))
    foreign = frozenset() if text.isascii() else beyond_ascii(text)
    marked = ":" in text or ";" in text
    opening = text[:400]
    holds: Sequence[bool] = (
        loud == 1, 2 <= loud <= 3, loud > 3, "!!" in text or "?!" in text or "!?" in text,
        asked == 1, 2 <= asked <= 3, asked > 3, "..." in text or "…" in text,
        capitals == 1, 2 <= capitals <= 4, capitals > 4, mostly,
        (marked and any(map(text.__contains__, _SMILES))) or not _SMILE.isdisjoint(foreign),
        (marked and any(map(text.__contains__, _FROWNS))) or not _FROWN.isdisjoint(foreign),
        len(text) > 20 and opening == opening.lower(), "€" in text or "$" in text or "£" in text,
    )  # fmt: skip
    return np.flatnonzero(holds).astype(np.int32)


def _capitals(octets: bytes) -> tuple[int, bool]:
    """How many runs of four and more capitals there are, and whether most letters are capitals."""
    runs = octets.translate(_TO_CAPITALS)
    begins = sum(len(run) > 3 for run in runs.split()) if b"AAAA" in runs else 0
    small = len(octets) - len(octets.translate(None, _SMALL))
    return begins, len(octets) - len(octets.translate(None, _CAPITAL)) > small
