"""The second look at mailings: it turns facts about mailings, and nothing else."""

from __future__ import annotations

import numpy as np

from gateway.learning.mail_facts import MAIL, MAILING
from gateway.learning.mailings import look_again

FITS, ALIEN, HTML = (
    MAIL.index(name)
    for name in ("mailing: everything fits", "mailing: nothing fits", "several images in HTML")
)
MAILING_FACT = MAIL.index("mailing")


def test_what_tells_honest_mailings_is_learned_against_a_large_source_of_spam() -> None:
    """A thousand spam mailings say that a mailing is spam; forty of two kinds say which are not."""
    facts = np.zeros((1140, len(MAIL)), np.float32)
    facts[:1040, MAILING_FACT] = 1
    facts[:1020, ALIEN] = 1
    facts[1020:1040, FITS] = 1
    facts[:, HTML] = 1
    answers = np.array([1] * 1020 + [0] * 120)
    sources = ["phishing_pot"] * 1000 + ["own_mail"] * 40 + ["letters"] * 100
    customer = np.array([False] * 1040 + [True] * 100)
    logits = np.where(facts[:, MAILING_FACT] == 1, 2.0, -4.0)
    added = look_again(facts, logits, answers, sources, customer)
    moved = logits + facts @ added
    assert added[FITS] < -0.3 < 0.1 < added[ALIEN]
    assert moved[1020:1040].max() < moved[:1020].min()
    assert set(np.flatnonzero(added)) <= {MAIL.index(name) for name in MAILING}
    assert (moved[1040:] == logits[1040:]).all()
