"""Why a head answered as it did, in the writer's own words.

Each word of a text is given its share of the sum: its own weight, that of its pieces, half of each
pair it stands in, and its part of the concepts. The strongest short runs of words are the reasons.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gateway.learning.features import (
    PAIR_VALUE,
    Reader,
    TextFeatures,
    piece_columns,
    unit,
)
from gateway.learning.words import split

LONGEST_RUN = 6
MOST = 4
WEAKEST = 0.12
"""Runs that move the logit by less are no reason."""
EDGE = 0.5
"""The first and last word of a run carry at least this much of its mean."""
FEWEST_LETTERS = 7
"""A reason shorter than this ("you", "the") explains nothing."""
LENGTH_COST = 0.02


class Phrases:
    """Finds the runs of words that spoke most for one output. `weights` has one entry a column."""

    def __init__(self, reader: Reader, weights: NDArray[np.float32]) -> None:
        self._reader, self._weights = reader, weights

    def find(self, text: str) -> list[str]:
        """At most `MOST` runs of words, letters and spaces only, strongest first."""
        words = split(text)
        features = self._reader.read(text)
        if not len(features.words) or len(words) != len(features.words):
            return []
        shares = self.shares(features)
        runs: list[tuple[float, int, int]] = []
        for start in range(len(words)):
            if shares[start] <= 0:
                continue
            for end in range(start + 1, min(start + LONGEST_RUN, len(words)) + 1):
                worth = float(shares[start:end].sum())
                least = EDGE * worth / (end - start)
                if shares[start] >= least and shares[end - 1] >= least:
                    runs.append((worth - LENGTH_COST * (end - start), start, end))
        return self._best(runs, words)

    def _best(self, runs: list[tuple[float, int, int]], words: list[bytes]) -> list[str]:
        chosen: list[str] = []
        taken: set[int] = set()
        for worth, start, end in sorted(runs, reverse=True):
            if worth < WEAKEST or len(chosen) == MOST:
                break
            if taken.isdisjoint(range(start, end)):
                taken.update(range(start, end))
                phrase = _plain(words[start:end])
                if len(phrase) >= FEWEST_LETTERS and phrase not in chosen:
                    chosen.append(phrase)
        return chosen

    def shares(self, features: TextFeatures) -> NDArray[np.float64]:
        """What each word of the text adds to the output; shape (words,)."""
        reader, weights = self._reader, self._weights
        known, words = reader.vocabulary, features.words
        value = unit(len(features.unique) + len(features.neighbours))
        pieces = [weights[piece_columns(known.pieces[n])].sum() for n in features.unique.tolist()]
        count = sum(len(known.pieces[n]) for n in features.unique.tolist())
        by_word = np.zeros(len(known), np.float64)
        by_word[features.unique] = weights[reader.word_columns(features.unique)] * value
        by_word[features.unique] += np.array(pieces, np.float64) * unit(count)
        shares = by_word[words] / np.bincount(words)[words]
        pairs = reader.neighbour_columns(words)
        halves = weights[pairs] * value / 2
        shares[:-1] += halves
        shares[1:] += halves
        self._add_concepts(features, shares)
        return np.asarray(shares, np.float64)

    def _add_concepts(self, features: TextFeatures, shares: NDArray[np.float64]) -> None:
        layout = self._reader.layout
        spans, events = self._reader.events(features.words)
        counts = dict(zip(features.concepts.tolist(), features.counts.tolist(), strict=True))
        times = np.bincount(events, minlength=1)
        for (start, length), event in zip(spans, events.tolist(), strict=True):
            column = layout.words + event
            share = self._weights[column] * counts[column] / times[event] / length
            shares[start : start + length] += share
        for first in range(len(spans)):
            for second in range(first + 1, min(first + 4, len(spans))):
                (start, length), (start2, length2) = spans[first], spans[second]
                if start2 - start <= 6:
                    column = layout.pairs + int(events[first]) * layout.concepts
                    half = self._weights[column + int(events[second])] * PAIR_VALUE / 2
                    shares[start : start + length] += half / length
                    shares[start2 : start2 + length2] += half / length2


def _plain(words: list[bytes]) -> str:
    """Words as letters and spaces only: safe in a header field and on a card."""
    text = b" ".join(words).decode("utf-8", "ignore").replace("'", "’")
    kept = "".join(c if c.isalpha() or c in " ’" else " " for c in text)
    return " ".join(kept.replace("’", "").split())[:60].strip()
