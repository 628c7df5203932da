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
from itertools import chain
from operator import add
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gateway.learning.concepts import NO_CONCEPT, Concepts, Hashes, mix
from gateway.learning.vocabulary import Events, Numbers, Vocabulary
from gateway.learning.words import beyond_ascii, split

SCHEMA = 2
"""Raised with every change that makes older models read other columns than they learned."""
BITS = 18
_SHIFT = np.uint32(32 - BITS)
_WORD = np.uint32(0x85EBCA6B)
_PIECE = np.uint32(0xC2B2AE35)
NEAR_WORDS, NEAR_CONCEPTS = 6, 3
PAIR_VALUE = np.float32(0.5)
HEAD, TAIL = 2048, 1024
"""Characters read of the beginning and the end of a text: what a letter is about stands there."""

Columns = NDArray[np.int32]
Values = NDArray[np.float32]
Places = NDArray[np.intp]
"""Positions of words in a text, or lengths of runs of them."""

STYLE = (
    "one !", "some !", "many !", "!! or ?!",
    "one ?", "some ?", "many ?", "...",
    "a word in capitals", "some in capitals", "many in capitals", "mostly capitals",
    "smile",
    "frown",
    "no capitals",
    "currency",
    "telephone number",
)  # fmt: skip
"""How a text is written: facts for every head; `style` finds them in this order."""

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
        """All but the mail facts of one text, of which `clip` says how much is read."""
        text = clip(text)
        words = self.vocabulary.read(split(text))
        starts, _, events = self.events(words)
        concepts, counts = _counted(events)
        return TextFeatures(
            words,
            _different(words),
            _different(self.neighbour_columns(words)),
            concepts + np.int32(self.layout.words),
            counts,
            _pairs(starts, events, self.layout.concepts) + np.int32(self.layout.pairs),
            self._facts(text, words) + np.int32(self.layout.facts),
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

    def _facts(self, text: str, words: Numbers) -> Columns:
        facts = style(text)
        if holds_telephone(self.vocabulary.digits.take(words)):
            facts = np.append(facts, _TELEPHONE)
        return facts

    def word_columns(self, words: Numbers) -> Columns:
        return (self.vocabulary.hashes[words] * _WORD >> _SHIFT).astype(np.int32)

    def neighbour_columns(self, words: Numbers) -> Columns:
        """The column of each pair of neighbouring words, in order."""
        hashes = self.vocabulary.hashes[words]
        return (mix(hashes[:-1], hashes[1:]) >> _SHIFT).astype(np.int32)

    def events(self, words: Numbers) -> tuple[Places, Places, Events]:
        """Where concepts stand in a text, in order: first word, how many words, which concept.

        Words inside a phrase that means something do not count by themselves.
        """
        known = self.vocabulary
        table = known.concepts_of.take(words, axis=0)
        lengths = np.ones(len(words), np.intp)
        starts, counts, concepts = known.phrases.find(known.keys.take(words))
        if starts:
            inside = chain.from_iterable(map(range, starts, map(add, starts, counts)))
            table[list(inside)] = NO_CONCEPT
            table[starts] = concepts
            lengths[starts] = counts
        places, which = (table >= 0).nonzero()
        return places, lengths[places], table[places, which].astype(np.int32)


def clip(text: str) -> str:
    """What is read of a text: all of a letter, the beginning and the end of anything longer."""
    return text if len(text) <= HEAD + TAIL else f"{text[:HEAD]} {text[-TAIL:]}"


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


def _counted(events: Events) -> tuple[Columns, Values]:
    counts = np.bincount(events)
    concepts = counts.nonzero()[0].astype(np.int32)
    return concepts, _WORTH[np.minimum(counts[concepts], MOST_TIMES)]


MOST_TIMES = 24
_WORTH = (1 - 0.5 ** np.arange(MOST_TIMES + 1)).astype(np.float32)


_FAR = np.full(NEAR_CONCEPTS, 1 << 40, np.intp)
_NONE = np.zeros(NEAR_CONCEPTS, np.int32)


def _pairs(starts: Places, events: Events, concepts: int) -> Columns:
    """Each event with those up to `NEAR_CONCEPTS` after it, if they stand near; one of a kind."""
    near = _following(np.concatenate([starts, _FAR])) - starts[:, None] <= NEAR_WORDS
    second = _following(np.concatenate([events, _NONE]))
    return _different((second + (events * np.int32(concepts))[:, None])[near])


def _following(padded: NDArray[Any]) -> NDArray[Any]:
    """For each entry the `NEAR_CONCEPTS` after it; a view, made the quick way."""
    size = padded.itemsize
    count = len(padded) - NEAR_CONCEPTS
    return np.ndarray((count, NEAR_CONCEPTS), padded.dtype, padded, size, (size, size))


def _runs(*runs: str) -> tuple[tuple[bytes, str], ...]:
    return tuple((run.rstrip(" D").encode(), run) for run in runs)


_LOUD, _DOTS = _runs("!!", "?!", "!?"), _runs("...")
_SMILES = _runs(":)", ":-)", ";)", ":D", ";-)")
_FROWNS = _runs(":(", ":-(", ":/ ", ">:(")
_SMILE = frozenset("😊🙂😀😁😄😃❤🙏👍🥰😍")
_FROWN = frozenset("😠😡🤬👎😤😞😢🙄")
_UNMARKED = bytes(
    octet for octet in range(256) if octet > 126 or octet < 33 or chr(octet).isalnum()
)


def style(text: str) -> Columns:
    """Numbers of the STYLE facts that hold for a text."""
    octets = text.encode("latin-1", "ignore")
    marks = octets.translate(None, _UNMARKED)
    signs = beyond_ascii(text)
    capitals, mostly = _capitals(octets)
    opening = text[:400]
    holds: Sequence[bool] = (
        *_how_many(marks.count(b"!"), 3), _holds(text, marks, _LOUD),
        *_how_many(marks.count(b"?"), 3), _holds(text, marks, _DOTS) or "…" in signs,
        *_how_many(capitals, 4), mostly,
        _holds(text, marks, _SMILES) or not signs.isdisjoint(_SMILE),
        _holds(text, marks, _FROWNS) or not signs.isdisjoint(_FROWN),
        len(text) > 20 and opening == opening.lower(),
        b"$" in marks or "€" in signs or "£" in signs,
    )  # fmt: skip
    return np.flatnonzero(holds).astype(np.int32)


def _how_many(count: int, some: int) -> tuple[bool, bool, bool]:
    """Whether it is one; two to `some`; more."""
    return count == 1, 2 <= count <= some, count > some


def _holds(text: str, marks: bytes, runs: Sequence[tuple[bytes, str]]) -> bool:
    """Whether one of these runs of marks stands in a text. Most do not even where all that is no
    mark is left out, which is quickly seen."""
    return any(run in text for bare, run in runs if bare in marks)


_TELEPHONE = np.int32(len(STYLE) - 1)


def holds_telephone(digits: NDArray[np.int8]) -> bool:
    """Whether numbers in a row have as many digits as a telephone number and are not a date.

    `digits` says for each word of a text how many it has, 0 for words that are no number.
    """
    places = digits.nonzero()[0]
    if not len(places):
        return False
    run: list[int] = []
    last = -2
    for place, count in zip(places.tolist(), digits[places].tolist(), strict=True):
        if place != last + 1:
            if _is_telephone(run):
                return True
            run = []
        run.append(count)
        last = place
    return _is_telephone(run)


def _is_telephone(run: list[int]) -> bool:
    date = run[:3] in ([2, 2, 4], [1, 2, 4], [2, 1, 4], [1, 1, 4], [4, 2, 2])
    return 8 <= sum(run) <= 15 and not date and (len(run) > 1 or run[0] > 8)


def _capitals(octets: bytes) -> tuple[int, bool]:
    """How many runs of four and more capitals there are, and whether most characters are."""
    shown = octets.translate(_AS_CAPITAL)
    mostly = len(octets) > 3 and 2 * shown.count(b"X") > len(octets)
    return (b" " + shown).count(b" XXXX"), mostly


_AS_CAPITAL = bytes(
    88 if octet in {*range(65, 91), *range(192, 223)} else 32 for octet in range(256)
)
"""X for a capital of Latin-1, a space for everything else."""
