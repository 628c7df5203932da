"""One pass over a message for every linear head: spam, tone, urgency, wish for a call, refusal.

The words of a message are read and hashed once. Weights of all loaded models stand side by side,
and the sums of each known word over them are kept, so that a letter costs a few small products.
No scikit-learn here: its coefficients were exported by `train.py`, and a test proves equality.
"""

from __future__ import annotations

import gc
import math
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gateway import shipped
from gateway.learning import concepts, mail_facts, model
from gateway.learning.features import (
    PAIR_VALUE,
    Columns,
    Reader,
    TextFeatures,
    piece_columns,
    unit,
)
from gateway.learning.input import Input, read_input
from gateway.learning.model import Head, Model
from gateway.learning.reasons import Phrases
from gateway.learning.vocabulary import Numbers
from gateway.message import Message, once_per_message

Logits = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Scores:
    """Raw answers of every head for one message, as logits, and what they were read from."""

    input: Input
    heads: Mapping[str, Logits] = field(default_factory=dict)
    words: int = 0
    """Words of the customer's own new text."""
    spam_text: TextFeatures | None = None
    tone_text: TextFeatures | None = None

    def sigmoid(self, head: str) -> float:
        """The probability of a yes-or-no head; 0 when no loaded model has it."""
        logits = self.heads.get(head)
        return 0.0 if logits is None else 1 / (1 + math.exp(-max(-60.0, min(60.0, logits[0]))))

    def softmax(self, head: str) -> tuple[float, ...]:
        logits = self.heads[head].tolist()
        most = max(logits)
        powers = [math.exp(logit - most) for logit in logits]
        total = sum(powers)
        return tuple(power / total for power in powers)


class Scorer:
    """All heads of the loaded models over one vocabulary. Safe to call from several threads."""

    def __init__(self, models: Mapping[str, Model]) -> None:
        self.models: dict[str, Model] = {}
        self._reader = Reader(concepts.shipped())
        self._lock = threading.Lock()
        self.join(models)
        self.score = once_per_message(self._score)

    def join(self, models: Mapping[str, Model]) -> None:
        """Set the weights of more models beside those already here. For start-up only."""
        with self._lock:
            self.models |= models
            self._heads: list[tuple[str, Head, int]] = []
            first = 0
            for kind, one in self.models.items():
                self._heads += [(kind, head, first + head.first) for head in one.heads]
                first += one.weights.shape[1]
            self._weights = np.empty((self._reader.layout.width, first), np.float32)
            first = 0
            for one in self.models.values():
                outputs = one.weights.shape[1]
                self._weights[:, first : first + outputs] = one.weights
                first += outputs
            self._intercepts = np.concatenate([one.intercepts for one in self.models.values()])
            self._sums = _WordSums(self._weights, self._reader)

    @classmethod
    def load(cls, models: Mapping[str, str | Path]) -> Scorer:
        """`{"spam": path, "tone": path}`; raises ModelError for a model that cannot be used."""
        with _no_collection():
            return cls({kind: model.load(Path(path)) for kind, path in models.items()})

    def score_text(self, text: str, mail: Columns | None = None) -> dict[str, Logits]:
        """Every head for a bare text, as if it were a whole message."""
        with self._lock:
            features = self._reader.read(text)
            return self._named(self._product(features, mail))

    def _score(self, message: Message) -> Scores:
        """Every head for one message; `Scorer.score` remembers it while the message lives."""
        read = read_input(message)
        facts = mail_facts.columns(message, read)
        with self._lock:
            tone_text = spam_text = self._reader.read(read.tone)
            logits = self._product(tone_text, None)
            heads = self._named(logits)
            if "spam" in heads:
                if read.spam != read.tone:
                    spam_text = self._reader.read(read.spam)
                    logits = self._product(spam_text, None)
                mail = facts + np.int32(self._reader.layout.mail)
                known = self._weights.take(mail, axis=0).sum(0)
                heads["spam"] = self._named(logits + known)["spam"]
        return Scores(read, heads, len(tone_text.words), spam_text, tone_text)

    def phrases(self, scores: Scores, head: str, output: int = 0, *, sign: int = 1) -> list[str]:
        """The words of the text that spoke most for one output of a head, strongest first."""
        text = scores.input.spam if head == "spam" else scores.input.tone
        for _, known, first in self._heads:
            if known.name == head:
                with self._lock:
                    return self._phrases(known, first, output, sign).find(text)
        return []

    def _phrases(self, head: Head, first: int, output: int, sign: int) -> Phrases:
        """One label of several is explained by what sets it apart from the others."""
        outputs = slice(first, first + len(head.labels))

        def apart(rows: NDArray[np.float32]) -> NDArray[np.float32]:
            chosen = rows[:, outputs]
            others = chosen.mean(1) if len(head.labels) > 1 else np.float32(0)
            return np.asarray((chosen[:, output] - others) * sign, np.float32)

        def words(unique: Columns) -> tuple[NDArray[np.float32], NDArray[np.float32], int]:
            alone, pieces, count = self._sums.each(unique)
            return apart(alone), apart(pieces), count

        return Phrases(
            self._reader, lambda columns: apart(self._weights.take(columns, axis=0)), words
        )

    def _named(self, logits: Logits) -> dict[str, Logits]:
        return {
            head.name: logits[first : first + len(head.labels)] for _, head, first in self._heads
        }

    def _product(self, features: TextFeatures, mail: Columns | None) -> Logits:
        """`row(features) @ weights + intercepts`, with the sums of known words taken ready."""
        words, pieces, count = self._sums.of(features.unique)
        neighbours, concepts, pairs = features.neighbours, features.concepts, features.pairs
        word = unit(len(features.unique) + len(neighbours))
        columns = [neighbours, concepts, pairs, features.facts]
        if mail is not None:
            columns.append(mail)
        joined = np.concatenate(columns)
        values = np.ones(len(joined), np.float32)
        values[: (begin := len(neighbours))] = word
        values[begin : (end := begin + len(concepts))] = features.counts
        values[end : end + len(pairs)] = PAIR_VALUE
        total = values @ self._weights.take(joined, axis=0)
        return np.asarray(
            total + words * word + pieces * unit(count) + self._intercepts, np.float32
        )


class _WordSums:
    """What each word of the vocabulary adds to every output: itself, and all its pieces."""

    def __init__(self, weights: NDArray[np.float32], reader: Reader) -> None:
        self._weights, self._reader = weights, reader
        self._outputs = weights.shape[1]
        self._table = np.zeros((reader.vocabulary.limit, 2 * self._outputs + 1), np.float32)
        """For each word its own weights, the sums of its pieces' weights, how many pieces."""
        self._known = 0
        self._generation = 0

    def of(self, unique: Numbers) -> tuple[Logits, Logits, int]:
        """Sums over different words, sums over their pieces, and how many pieces there are."""
        self._learn()
        sums = np.ones(len(unique), np.float32) @ self._table.take(unique, axis=0)
        return sums[: self._outputs], sums[self._outputs : -1], round(float(sums[-1]))

    def each(self, unique: Numbers) -> tuple[Logits, Logits, int]:
        """The same word by word, shape (words, outputs)."""
        self._learn()
        rows = self._table.take(unique, axis=0)
        count = round(float(rows[:, -1].sum()))
        return rows[:, : self._outputs], rows[:, self._outputs : -1], count

    def _learn(self) -> None:
        vocabulary = self._reader.vocabulary
        if self._generation != vocabulary.generation:
            self._generation, self._known = vocabulary.generation, 0
        if self._known == len(vocabulary):
            return
        rows = self._table[self._known : len(vocabulary)]
        new = np.arange(self._known, len(vocabulary), dtype=np.int32)
        rows[:, : self._outputs] = self._weights.take(self._reader.word_columns(new), axis=0)
        pieces = vocabulary.pieces[self._known :]
        rows[:, -1] = counts = np.array(list(map(len, pieces)))
        some = np.flatnonzero(counts)  # a word of one letter has no pieces
        rows[:, self._outputs : -1] = 0
        if len(some):
            weights = self._weights.take(piece_columns(np.concatenate(pieces)), axis=0)
            begins = np.cumsum(counts) - counts
            rows[some, self._outputs : -1] = np.add.reduceat(weights, begins[some])
        self._known = len(vocabulary)


class Pool:
    """Gives every filter of one configuration the same Scorer, whichever model each asks for."""

    def __init__(self) -> None:
        self._scorer: Scorer | None = None

    def load(self, models: Mapping[str, str]) -> Scorer:
        """By head group a shipped name or a path; raises ModelError or FileNotFoundError."""
        with _no_collection():
            found = {
                kind: model.load(shipped.named("models", name)) for kind, name in models.items()
            }
            if self._scorer is None:
                self._scorer = Scorer(found)
            else:
                self._scorer.join(found)
        return self._scorer


@contextmanager
def _no_collection() -> Iterator[None]:
    """The table of concepts is ten thousand small objects that stay: going through everything
    again and again while it is made took half as long as making it."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@lru_cache(maxsize=8)
def _load(models: tuple[tuple[str, str], ...]) -> Scorer:
    return Scorer.load({kind: shipped.named("models", name) for kind, name in models})


def load_shared(models: Mapping[str, str]) -> Scorer:
    """The one Scorer of these models in this process: by head group a shipped name or a path."""
    return _load(tuple(sorted(models.items())))
