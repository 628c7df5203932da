"""A second look at mailings: which of them are honest.

The head learns from thousands of phishing mails and a few dozen honest mailings, so that whatever
looks like a mailing looks like spam to it. Here its words stay as they are and only the facts about
mailings are weighed again, with the sources that hold both kinds counting as much as the large
ones. All these facts are absent from a customer's letter, whose score does not move.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from gateway.learning.linear import Array
from gateway.learning.mail_facts import MAIL, MAILING

SHARES = {
    "letters": 2.0, "foff_milter": 2.0, "own_mail": 2.0, "phishing_pot": 2.0, "r_lists": 0.3,
}  # fmt: skip
TEXTS, OTHER_MAIL = 0.6, 1.0
"""How much all ham of a source, and all its spam, count; other bare texts; other mail."""
RIDGE = 0.02


def look_again(
    facts: NDArray[np.float32],
    logits: Array,
    answers: NDArray[np.int_],
    sources: Sequence[str],
    customer: NDArray[np.bool_],
) -> Array:
    """What to add to the weight of each column of facts, shape (columns,).

    `facts` are the mail facts of each row, `logits` what a head says of it that had not learned it.
    """
    number = [MAIL.index(name) for name in MAILING]
    chosen = facts[:, number].astype(np.float64)
    weight = _weights(answers, sources, customer)

    def loss(parameters: Array) -> tuple[float, Array]:
        bias, moved = parameters[0], parameters[1:]
        chance = 1 / (1 + np.exp(-np.clip(logits + bias + chosen @ moved, -40, 40)))
        right = np.where(answers == 1, chance, 1 - chance)
        misfit = -float(weight @ np.log(right + 1e-12)) + RIDGE * float(moved @ moved)
        slope = weight * (chance - answers)
        return misfit, np.concatenate([[slope.sum()], slope @ chosen + 2 * RIDGE * moved])

    found = optimize.minimize(loss, np.zeros(len(number) + 1), jac=True, method="L-BFGS-B")
    added = np.zeros(facts.shape[1])
    added[number] = found.x[1:]
    return added


def _weights(
    answers: NDArray[np.int_], sources: Sequence[str], customer: NDArray[np.bool_]
) -> Array:
    kinds = list(zip(sources, answers.tolist(), strict=True))
    sizes = Counter(kinds)
    share = [
        SHARES.get(kind[0], TEXTS if text else OTHER_MAIL) / sizes[kind]
        for kind, text in zip(kinds, customer.tolist(), strict=True)
    ]
    return np.asarray(np.array(share) / sum(share))
