"""Why a head answered as it did, in the writer's own words.

Each word of a text is given its share of the sum: its own weight, that of its pieces, half of each
pair it stands in, and its part of the concepts. The strongest short runs of words inside one
sentence are the reasons. All in arrays: it is done for each letter that is shown to somebody.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from gateway.learning.features import (
    NEAR_CONCEPTS,
    NEAR_WORDS,
    PAIR_VALUE,
    Columns,
    Reader,
    clip,
    unit,
)
from gateway.learning.vocabulary import Numbers
from gateway.learning.words import split

Shares = NDArray[np.float32]
Weigh = Callable[[Columns], Shares]
"""What each of these columns adds to the answer that is explained."""
WordShares = Callable[[Numbers], tuple[Shares, Shares, int]]
"""For different words: what each adds, what its pieces add, and how many pieces all have."""

SHORTEST_RUN, LONGEST_RUN = 2, 7
MOST = 4
WEAKEST, FAINT = 0.1, 0.3
"""Runs that add less, or less than this part of the strongest, are no reason."""
PLACE = 0.6
"""What a word's place costs, in shares of the words that speak for the answer on average."""
TELLING = 5
"""Letters of the longest word of a run, at least: "and you" convinces nobody."""
_SENTENCE = re.compile(r"[.!?…;:](?=\s)|\n\s*\n")


class Phrases:
    """Finds the runs of words that spoke most for one answer."""

    def __init__(self, reader: Reader, weigh: Weigh, word_shares: WordShares) -> None:
        self._reader, self._weigh, self._word_shares = reader, weigh, word_shares

    def find(self, text: str) -> list[str]:
        """At most `MOST` runs of words, letters and spaces only, strongest first."""
        words, sentences = _sentences(clip(text))
        if len(words) < SHORTEST_RUN:
            return []
        shares = self.shares(self._reader.vocabulary.read(words))
        chosen: list[str] = []
        taken = np.zeros(len(words), np.bool_)
        least = WEAKEST
        # A word that adds less than a common one is not worth its place on a card.
        shares -= PLACE * shares[shares > 0].sum() / max(np.count_nonzero(shares > 0), 1)
        for worth, start, end in _runs(shares, sentences):
            if worth < least or len(chosen) == MOST:
                break
            if taken[start:end].any() or max(map(len, words[start:end])) < TELLING:
                continue
            taken[start:end] = True
            phrase = _plain(_trimmed(words[start:end]))
            if " " in phrase and phrase not in chosen:
                chosen.append(phrase)
                least = max(least, worth * FAINT)
        return chosen

    def shares(self, words: Numbers) -> Shares:
        """What each word of the text adds to the answer; shape (words,)."""
        times = np.bincount(words)
        unique = np.flatnonzero(times).astype(np.int32)
        pairs = self._reader.neighbour_columns(words)
        value = unit(len(unique) + len(np.unique(pairs)))
        alone, pieces, count = self._word_shares(unique)
        by_word = np.zeros(len(times), np.float32)
        by_word[unique] = (alone * value + pieces * unit(count)) / times[unique]
        shares = by_word[words]
        halves = self._weigh(pairs) * (value / 2)
        shares[:-1] += halves
        shares[1:] += halves
        self._add_concepts(words, shares)
        return shares

    def _add_concepts(self, words: Numbers, shares: Shares) -> None:
        layout = self._reader.layout
        starts, lengths, events = self._reader.events(words)
        if not len(events):
            return
        times = np.bincount(events)[events]
        worth = self._weigh(events + np.int32(layout.words)) * (1 - 0.5**times) / times
        for lag in range(1, NEAR_CONCEPTS + 1):
            near = np.flatnonzero(starts[lag:] - starts[:-lag] <= NEAR_WORDS)
            columns = layout.pairs + events[near] * layout.concepts + events[near + lag]
            halves = self._weigh(columns) * (PAIR_VALUE / 2)
            np.add.at(worth, near, halves)
            np.add.at(worth, near + lag, halves)
        for place in range(int(lengths.max())):
            inside = lengths > place
            np.add.at(shares, starts[inside] + place, (worth / lengths)[inside])


def _sentences(text: str) -> tuple[list[bytes], NDArray[np.int_]]:
    """The words of a text and the number of the passage each stands in: a sentence, or what lies
    between two numbers in it, since numbers are not shown. The first line, the subject, is a
    sentence; lines broken by a mail program are not."""
    subject, _, rest = text.partition("\n")
    words: list[bytes] = []
    passages: list[int] = []
    passage = 0
    for part in (subject, *_SENTENCE.split(rest)):
        for word in split(part):
            number = word.translate(None, b"0123456789") != word
            words.append(word)
            passages.append(passage + number)
            passage += 2 * number
        passage += 1
    return words, np.array(passages, np.int_)


def _trimmed(words: list[bytes]) -> list[bytes]:
    """A run without the words that hang loose at its ends, as long as two are left."""
    while len(words) > SHORTEST_RUN and words[-1] in _LOOSE_LAST:
        words = words[:-1]
    while len(words) > SHORTEST_RUN and words[0] in _LOOSE_FIRST:
        words = words[1:]
    return words


def _set(*words: str) -> frozenset[bytes]:
    return frozenset(word.encode() for line in words for word in line.split())


_LOOSE_FIRST = _set("and but or so that", "und aber oder", "et mais ou que", "y e pero o que",
                    "ed ma che", "mas ou", "en maar of dat")  # fmt: skip
_LOOSE_LAST = _LOOSE_FIRST | _set(
    "the a an i he she we they of to in at on for with your my is are was if as by from because",
    "der die das den dem des ein eine einen ich er wir im in an zu mit von ihr ihre mein",
    "le la les un une des du de je il elle on nous au aux en à dans pour votre vos mon ma mes",
    "el los las una uno del al yo a con por para su sus mi mis se si",
    "il lo gli i di da del della al alla io per con mio mia vostro vostra",
    "o os as um uma do da no na ao eu com por para meu minha seu sua",
    "het een ik hij zij we van te in op voor met uw mijn",
)


def _runs(shares: Shares, sentences: NDArray[np.int_]) -> list[tuple[float, int, int]]:
    """Runs that begin and end with a word that speaks for the answer, strongest first."""
    sums = np.concatenate([[0.0], np.cumsum(shares, dtype=np.float64)])
    speaks = shares > 0
    found: list[tuple[float, int, int]] = []
    for length in range(SHORTEST_RUN, min(LONGEST_RUN, len(shares)) + 1):
        last = length - 1
        whole = (sentences[last:] == sentences[: len(shares) - last]) & speaks[last:]
        starts = np.flatnonzero(whole & speaks[: len(shares) - last])
        worth = sums[starts + length] - sums[starts]
        best = np.argsort(-worth, kind="stable")[: 6 * MOST]
        found += [(float(worth[n]), int(starts[n]), int(starts[n]) + length) for n in best]
    return sorted(found, reverse=True)


def _plain(words: list[bytes]) -> str:
    """Words as letters and spaces only: safe in a header field and on a card."""
    text = b" ".join(words).decode("utf-8", "ignore").replace("'", "’")
    kept = "".join(c if c.isalpha() or c in " ’" else " " for c in text)
    return " ".join(kept.replace("’", "").split())[:60].strip()
