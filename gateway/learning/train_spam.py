"""Learning what is spam: text and mail facts, with customers' own texts as ham.

Public ham is old mailing lists and public spam is new, so a model would learn topics, languages
and years instead. What customers write (our letters, tickets, complaints, reviews) therefore
stands beside it as ham, in every language and dressed as whole mail, and the scale is set so that
the site's usual line (0.9) calls fewer of them spam than the budget allows. Honest mailings of
today are hardly there: what tells them from spam is learned in a second look (`mailings.py`).
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from gateway.learning import linear, mail_facts, mailings
from gateway.learning.corpus import Sample
from gateway.learning.dressing import dress
from gateway.learning.features import Layout
from gateway.learning.input import message_of, message_of_text, read_input
from gateway.learning.linear import Array, Calibration, Linear
from gateway.learning.matrix import Builder, Progress, scales, silent
from gateway.learning.train_tone import LETTERS
from gateway.message import Message

STRENGTH = 10.0
WORD_SCALE, CONCEPT_SCALE, STYLE_SCALE, MAIL_SCALE = 2.0, 0.5, 0.1, 0.8
FOLDS = 4
SPAM_AT = 0.9
"""The probability at which sites call it spam unless they say otherwise."""
CUSTOMER_BUDGET, MAIL_BUDGET = 0.0, 0.005
"""How many of customers' texts, and of other good mail, may be called spam."""
CUSTOMER_SHARE = 0.3
"""How much of the weight of ham customers' texts have together."""
SMALL_SOURCES = 0.3
"""A sample weighs (size of its source) ** -0.3: a small mailbox is not drowned by a large one."""
WEIGHTS = {"foff_milter": 4.0, "own_mail": 2.0}
"""How much more a sample of these sources counts: the only ones with honest mailings of today."""
MOST_TEXTS = 3000
"""So many texts of one source of customers' texts are read; of our letters all."""


@dataclass(frozen=True, slots=True)
class Taught:
    """Everything that is learned from, as rows."""

    rows: sparse.csr_matrix
    answers: NDArray[np.int_]
    customer: NDArray[np.bool_]
    """Whether a row is a customer's text and not whole mail."""
    sources: tuple[str, ...]
    folds: NDArray[np.int_]


def is_customer(sample: Sample) -> bool:
    return not sample.raw


def messages(sample: Sample) -> Iterator[Message]:
    """What is learned from a sample: of a bare text whole mail, or one in four as it stands, of a
    letter both."""
    if sample.raw:
        yield message_of(sample.raw)
        return
    bare = zlib.crc32(f"bare {sample.text}".encode()) % 4 == 0
    if not bare or sample.source == LETTERS:
        yield message_of(dress(sample.subject, sample.text))
    if bare or sample.source == LETTERS:
        yield message_of_text(sample.subject, sample.text)


def thinned(samples: Sequence[Sample]) -> list[Sample]:
    """At most about `MOST_TEXTS` texts of each source, chosen by their checksums; mail stays."""
    sizes = Counter(sample.source for sample in samples if is_customer(sample))
    return [
        sample
        for sample in samples
        if not is_customer(sample)
        or sample.source == LETTERS
        or zlib.crc32(f"text {sample.text}".encode()) % sizes[sample.source] < MOST_TEXTS
    ]


def read_samples(samples: Iterable[Sample], progress: Progress = silent, total: int = 0) -> Taught:
    """Rows of raw messages (ham or spam by label) and of customers' texts (always ham)."""
    builder = Builder()
    answers: list[int] = []
    customer: list[bool] = []
    sources: list[str] = []
    folds: list[int] = []
    for done, sample in enumerate(samples):
        for message in messages(sample):
            read = read_input(message)
            builder.add(read.spam, mail_facts.columns(message, read))
            answers.append(int(sample.label == "spam"))
            customer.append(is_customer(sample))
            sources.append(sample.source)
            folds.append(zlib.crc32(f"fold {sample.group or sample.text}".encode()) % FOLDS)
        if done % 200 == 0:
            progress("reading messages", done, total)
    return Taught(
        builder.matrix(),
        np.array(answers),
        np.array(customer),
        tuple(sources),
        np.array(folds),
    )


def scale(layout: Layout) -> NDArray[np.float32]:
    return scales(
        layout.width,
        (
            (0, layout.words, WORD_SCALE),
            (layout.words, layout.facts, CONCEPT_SCALE),
            (layout.facts, layout.mail, STYLE_SCALE),
            (layout.mail, layout.width, MAIL_SCALE),
        ),
    )


def weights(taught: Taught) -> Array:
    """Ham and spam weigh the same; of ham, customers' texts take their share together."""
    sizes = Counter(taught.sources)
    weight = np.array(
        [sizes[source] ** -SMALL_SOURCES * WEIGHTS.get(source, 1.0) for source in taught.sources]
    )
    spam = taught.answers == 1
    for chosen, share in (
        (spam, 1.0),
        (~spam & taught.customer, CUSTOMER_SHARE),
        (~spam & ~taught.customer, 1 - CUSTOMER_SHARE),
    ):
        if chosen.any():
            weight[chosen] *= share * len(weight) / 2 / weight[chosen].sum()
    return weight


def learn(taught: Taught, layout: Layout, progress: Progress = silent) -> tuple[Linear, Array]:
    """The calibrated head, and the logit of every row by a head that had not learned it."""
    weight, scaled = weights(taught), scale(layout)
    unseen = np.zeros((len(taught.answers), 1))
    for fold in range(FOLDS):
        progress("spam: cross-validation", fold, FOLDS + 1)
        test = taught.folds == fold
        if not test.any() or len(set(taught.answers[~test].tolist())) < 2:
            continue
        head = linear.fit(
            taught.rows[~test], taught.answers[~test], weight[~test], scaled, STRENGTH
        )
        unseen[test] = head.logits(taught.rows[test])
    progress("spam: all", FOLDS, FOLDS + 1)
    head = linear.fit(taught.rows, taught.answers, weight, scaled, STRENGTH)
    second = mailings.look_again(
        taught.rows[:, layout.mail :].toarray(),
        unseen[:, 0],
        taught.answers,
        taught.sources,
        taught.customer,
    )
    head.weights[layout.mail :, 0] += second
    unseen += (taught.rows[:, layout.mail :] @ second)[:, None]
    honest = _within_budget(linear.calibrate(unseen, taught.answers, weight), taught, unseen)
    return honest.fold(head), honest.apply(unseen)


def _within_budget(honest: Calibration, taught: Taught, unseen: Array) -> Calibration:
    """Move the scale so that at `SPAM_AT` good mail stays within its budget, if it does not yet."""
    logits = honest.apply(unseen)[:, 0]
    line = float(np.log(SPAM_AT / (1 - SPAM_AT)))
    good = taught.answers == 0
    needed = max(
        budget_line(logits[good & taught.customer], CUSTOMER_BUDGET),
        budget_line(logits[good & ~taught.customer], MAIL_BUDGET),
    )
    return Calibration(honest.factor, honest.biases - max(0.0, needed - line))


def budget_line(logits: Array, budget: float) -> float:
    """The lowest logit that at most `budget` of these good ones reach."""
    ordered = np.sort(logits)[::-1]
    allowed = int(budget * len(ordered))
    return float(ordered[allowed]) + 1e-6 if len(ordered) > allowed else -np.inf
