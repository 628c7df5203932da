"""What verdicts lead to, by one site's policy."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.verdict import Action, Policy, Thresholds, Verdict, decide, spam_word

SPAM = Policy(
    then={
        "spam": {"spam": Action.QUARANTINE, "unsure": Action.TAG},
        "tone": {"irate": Action.TAG},
        "dmarc": {"fail-reject": Action.REFUSE, "fail-none": Action.DELIVER},
        "spf": {"fail": Action.QUARANTINE},
    }
)
REFUSING = Policy(thresholds=Thresholds(refuse_at=0.995), then=SPAM.then)


def spam(score: float) -> Verdict:
    return Verdict("ham", score=score)


def irate(score: float) -> Verdict:
    return Verdict("irate", score=score)


@pytest.mark.parametrize(
    ("verdicts", "policy", "known", "action"),
    [
        ({}, SPAM, False, Action.DELIVER),
        ({"spam": spam(0.1)}, SPAM, False, Action.DELIVER),
        ({"spam": spam(0.6)}, SPAM, False, Action.TAG),
        ({"spam": spam(0.95)}, SPAM, False, Action.QUARANTINE),
        ({"spam": spam(0.95)}, SPAM, True, Action.TAG),
        ({"spam": spam(0.999)}, SPAM, False, Action.QUARANTINE),
        ({"spam": spam(0.999)}, REFUSING, False, Action.REFUSE),
        ({"spam": spam(0.999)}, REFUSING, True, Action.TAG),
        # A check that could not be made: a classifier alone turns nobody away.
        (
            {"spam": spam(0.999), "dkim": Verdict("temperror", "timeout")},
            REFUSING,
            False,
            Action.QUARANTINE,
        ),
        # Calling an irate customer spam is the worst mistake: it is delivered, tagged.
        ({"spam": spam(0.95), "tone": irate(0.9)}, SPAM, False, Action.TAG),
        ({"spam": spam(0.95), "tone": irate(0.5)}, SPAM, False, Action.QUARANTINE),
        ({"spam": spam(0.999), "tone": irate(0.9)}, REFUSING, False, Action.REFUSE),
        ({"dmarc": Verdict("fail", details={"policy": "reject"})}, SPAM, False, Action.REFUSE),
        ({"dmarc": Verdict("fail", details={"policy": "reject"})}, SPAM, True, Action.TAG),
        ({"dmarc": Verdict("fail", details={"policy": None})}, SPAM, False, Action.DELIVER),
        ({"spf": Verdict("fail")}, SPAM, False, Action.QUARANTINE),
        # Trouble is tagged and never turns anyone away.
        ({"spf": Verdict("temperror")}, SPAM, False, Action.TAG),
        ({"dkim": Verdict("permerror")}, SPAM, False, Action.TAG),
    ],
)
def test_the_strongest_action_that_applies_wins(verdicts, policy, known, action):
    assert decide(verdicts, policy, known=known).action is action


def test_an_observed_filter_changes_nothing_but_is_recorded():
    policy = Policy(then=SPAM.then, observed=frozenset({"spam", "tone"}))
    decision = decide({"spam": spam(0.99), "tone": irate(0.99)}, policy)
    assert decision.action is Action.DELIVER
    assert decision.spam == "ham"
    assert decision.spam_score == 0.99
    assert not decision.irate
    assert (decision.tone, decision.tone_score) == ("unknown", 0.99)
    assert decision.tags == ()


def test_a_classifier_of_tone_turns_nobody_away():
    policy = Policy(then={"tone": {"irate": Action.REFUSE, "upset": Action.DEFER}})
    for word in ("irate", "upset"):
        assert decide({"tone": Verdict(word, score=1.0)}, policy).action is Action.QUARANTINE


def test_without_history_a_classifier_holds_what_it_would_refuse():
    verdicts = {"spam": spam(0.999), "spf": Verdict("fail")}
    assert decide(verdicts, REFUSING).action is Action.REFUSE
    assert decide(verdicts, REFUSING, blind=True).action is Action.QUARANTINE
    refused = Policy(then={"spf": {"fail": Action.REFUSE}})
    assert decide(verdicts, refused, blind=True).action is Action.REFUSE


def test_what_could_not_be_checked_is_named_with_the_reason():
    decision = decide({"dkim": Verdict("temperror", "timeout"), "spf": Verdict("pass")}, SPAM)
    assert decision.unchecked == ("dkim (timeout)",)


def test_aligned_comes_from_dmarc_alone():
    assert decide({"dmarc": Verdict("none", details={"aligned": True})}, SPAM).aligned
    assert not decide({"spf": Verdict("pass"), "dkim": Verdict("pass")}, SPAM).aligned


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_words_never_get_milder_as_the_score_rises(first, second, line):
    thresholds = Thresholds(unsure=min(line, 0.9), spam=0.9)
    order = ["ham", "unsure", "spam"]
    low, high = sorted((first, second))
    assert order.index(spam_word(low, thresholds)) <= order.index(spam_word(high, thresholds))


@given(
    st.dictionaries(
        st.sampled_from(["spf", "dkim", "dmarc", "spam", "tone"]),
        st.builds(
            Verdict,
            st.sampled_from(["pass", "fail", "irate", "spam", "temperror", "permerror"]),
            score=st.floats(0, 1),
        ),
    ),
    st.booleans(),
)
def test_a_classifier_never_refuses_without_refuse_at(verdicts, known):
    classifiers = {name: verdicts[name] for name in ("spam", "tone") if name in verdicts}
    assert decide(classifiers, SPAM, known=known).action <= Action.QUARANTINE
