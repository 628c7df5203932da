"""One pass over a message for every linear head: spam, mood, anger, urgency, wish for a call.

The words of a message are read and hashed once. Weights of all loaded models stand side by side,
and the sums of each known word over them are kept, so that a letter costs a few small products.
No scikit-learn here: its coefficients were exported by `train.py`, and a test proves equality.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
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
from gateway.message import Message, once_per_message

Logits = NDArray[np.float32]
PHRASES_FROM = 4096
"""Characters in which phrases are looked for: of a long text all of it would cost milliseconds."""


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
        return 0.0 if logits is None else sigmoid(float(logits[0]))

    def softmax(self, head: str) -> tuple[float, ...]:
        return softmax(self.heads[head])


def sigmoid(logit: float) -> float:
    return float(1 / (1 + np.exp(-np.clip(logit, -60, 60))))


def softmax(logits: Logits) -> tuple[float, ...]:
    powers = np.exp(logits.astype(np.float64) - float(logits.max()))
    return tuple(float(p) for p in powers / powers.sum())


class Scorer:
    """All heads of the loaded models over one vocabulary. Safe to call from several threads."""

    def __init__(self, models: Mapping[str, Model]) -> None:
        self.models: dict[str, Model] = {}
        self._reader = Reader(concepts.shipped())
        self._columns: dict[tuple[int, int], NDArray[np.float32]] = {}
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
            stacked = [np.asarray(one.weights, np.float32) for one in self.models.values()]
            self._weights = np.ascontiguousarray(np.hstack(stacked))
            self._intercepts = np.concatenate([one.intercepts for one in self.models.values()])
            self._sums = _WordSums(self._weights, self._reader)

    @classmethod
    def load(cls, models: Mapping[str, str | Path]) -> Scorer:
        """`{"spam": path, "tone": path}`; raises ModelError for a model that cannot be used."""
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
            tone_text = self._reader.read(read.tone)
            spam_text = tone_text if read.spam == read.tone else self._reader.read(read.spam)
            mail = facts + np.int32(self._reader.layout.mail)
            logits = self._product(tone_text, None)
            heads = self._named(logits)
            if "spam" in heads:
                with_mail = self._product(spam_text, mail)
                heads["spam"] = self._named(with_mail)["spam"]
        return Scores(read, heads, len(tone_text.words), spam_text, tone_text)

    def phrases(self, scores: Scores, head: str, output: int = 0, *, sign: int = 1) -> list[str]:
        """The words of the text that spoke most for one output of a head, strongest first."""
        features = scores.spam_text if head == "spam" else scores.tone_text
        text = (scores.input.spam if head == "spam" else scores.input.tone)[:PHRASES_FROM]
        for _, known, first in self._heads:
            if known.name == head and features is not None:
                with self._lock:
                    weights = self._column(first + output, sign)
                    return Phrases(self._reader, weights).find(text)
        return []

    def _column(self, output: int, sign: int) -> NDArray[np.float32]:
        """One output's weights side by side, made once: the matrix holds them far apart."""
        if (output, sign) not in self._columns:
            self._columns[output, sign] = np.ascontiguousarray(self._weights[:, output]) * sign
        return self._columns[output, sign]

    def _named(self, logits: Logits) -> dict[str, Logits]:
        return {
            head.name: logits[first : first + len(head.labels)] for _, head, first in self._heads
        }

    def _product(self, features: TextFeatures, mail: Columns | None) -> Logits:
        """`row(features) @ weights + intercepts`, with the sums of known words taken ready."""
        weights = self._weights
        words, pieces, count = self._sums.of(features.unique)
        words = words + weights.take(features.neighbours, axis=0).sum(0)
        total = words * unit(len(features.unique) + len(features.neighbours))
        total += pieces * unit(count)
        total += features.counts @ weights.take(features.concepts, axis=0)
        total += weights.take(features.pairs, axis=0).sum(0) * PAIR_VALUE
        total += weights.take(features.facts, axis=0).sum(0)
        if mail is not None:
            total += weights.take(mail, axis=0).sum(0)
        return np.asarray(total + self._intercepts, np.float32)


class _WordSums:
    """What each word of the vocabulary adds to every output: itself, and all its pieces."""

    def __init__(self, weights: NDArray[np.float32], reader: Reader) -> None:
        self._weights, self._reader = weights, reader
        limit, outputs = reader.vocabulary.limit, weights.shape[1]
        self._words = np.zeros((limit, outputs), np.float32)
        self._pieces = np.zeros((limit, outputs), np.float32)
        self._counts = np.zeros(limit, np.int32)
        self._known = 0
        self._generation = 0

    def of(self, unique: NDArray[np.int32]) -> tuple[Logits, Logits, int]:
        """Sums over different words, sums over their pieces, and how many pieces there are."""
        self._learn()
        return (
            self._words.take(unique, axis=0).sum(0),
            self._pieces.take(unique, axis=0).sum(0),
            int(self._counts.take(unique).sum()),
        )

    def _learn(self) -> None:
        vocabulary = self._reader.vocabulary
        if self._generation != vocabulary.generation:
            self._generation, self._known = vocabulary.generation, 0
        if self._known == len(vocabulary):
            return
        new = np.arange(self._known, len(vocabulary), dtype=np.int32)
        self._words[new] = self._weights[self._reader.word_columns(new)]
        for number in new.tolist():
            columns = piece_columns(vocabulary.pieces[number])
            self._pieces[number] = self._weights.take(columns, axis=0).sum(0)
            self._counts[number] = len(columns)
        self._known = len(vocabulary)


class Pool:
    """Gives every filter of one configuration the same Scorer, whichever model each asks for."""

    def __init__(self) -> None:
        self._scorer: Scorer | None = None

    def load(self, models: Mapping[str, str]) -> Scorer:
        """By head group a shipped name or a path; raises ModelError or FileNotFoundError."""
        found = {kind: model.load(shipped.named("models", name)) for kind, name in models.items()}
        if self._scorer is None:
            self._scorer = Scorer(found)
        else:
            self._scorer.join(found)
        return self._scorer


@lru_cache(maxsize=8)
def _load(models: tuple[tuple[str, str], ...]) -> Scorer:
    return Scorer.load({kind: shipped.named("models", name) for kind, name in models})


def load_shared(models: Mapping[str, str]) -> Scorer:
    """The one Scorer of these models in this process: by head group a shipped name or a path."""
    return _load(tuple(sorted(models.items())))
