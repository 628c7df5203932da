"""What all heads cost beside scikit-learn with the same heads on the same letters.

| way | is |
| --- | --- |
| ours | `Scorer.score_text`: one reading, one small product for all heads |
| pipeline, our features | the same sparse row, then `LogisticRegression` of each head |
| pipeline, its features | `HashingVectorizer` of words (1-2) and letters (3-5), then each head |
| second look | the transformer that an extra adds for doubtful letters, a letter as it is |

The coefficients of the first two are the shipped ones, so that their probabilities must agree.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import FunctionTransformer

from gateway import shipped
from gateway.learning.features import BITS
from gateway.learning.matrix import Builder
from gateway.learning.model import Head, Model, load
from gateway.learning.scorer import Logits, Scorer
from gateway.learning.second_look import SecondLook

SIZE = 6000
COUNT = 150
"""Texts, each scored once to warm up and three times to be timed."""
Pipelines = dict[str, Pipeline]


def run() -> dict[str, Any]:
    models = {kind: load(shipped.find("models", kind)) for kind in ("spam", "tone")}
    scorer = Scorer(models)
    texts = letters()
    own = {head.name: learned(head, model) for model in models.values() for head in model.heads}
    same, its = pipelines(own, rows_of_ours()), pipelines(foreign(own), rows_of_its())
    found = {
        "heads": list(own),
        "octets": round(statistics.mean(len(text.encode()) for text in texts)),
        "ours_us": timed(scorer.score_text, texts),
        "pipeline_our_features_us": timed(lambda text: chances(same, text), texts),
        "pipeline_its_features_us": timed(lambda text: chances(its, text), texts),
        "largest_difference": difference(scorer, same, texts[:40]),
    }
    single = bodies()[:COUNT]
    found["second_look_us"] = timed(SecondLook(shipped.find("models", "second_look")).read, single)
    found["letter_octets"] = round(statistics.mean(len(text.encode()) for text in single))
    print(f"scoring a text of {found['octets']} octets by {len(own)} heads, microseconds:")
    for name in ("ours_us", "pipeline_our_features_us", "pipeline_its_features_us"):
        print(f"  {name.removesuffix('_us').replace('_', ' '):26} {found[name]:6}")
    octets = f"of {found['letter_octets']} octets"
    print(f"  a second look at a letter {octets:9} {found['second_look_us']}")
    print(f"  largest difference of a probability to scikit-learn's {found['largest_difference']}")
    return found


def bodies() -> list[str]:
    folder = Path(__file__).parents[2] / "models" / "letters"
    return [
        json.loads(line)["body"]
        for file in sorted(folder.glob("?.jsonl"))
        for line in file.read_text().splitlines()
    ]


def letters() -> list[str]:
    """Texts of about 6 KB, made of the letters of our own corpus, one after the other."""
    found, text = [], ""
    for body in bodies():
        text = f"{text}\n{body}" if text else body
        if len(text) >= SIZE:
            found.append(text[:SIZE])
            text = ""
    return found[:COUNT]


def learned(head: Head, model: Model) -> LogisticRegression:
    """A head as scikit-learn had it."""
    columns = slice(head.first, head.first + len(head.labels))
    yes_or_no = len(head.labels) == 1
    answering = LogisticRegression()
    answering.classes_ = np.arange(2 if yes_or_no else len(head.labels))
    answering.coef_ = np.ascontiguousarray(model.weights[:, columns].T, np.float64)
    answering.intercept_ = model.intercepts[columns].astype(np.float64)
    answering.n_features_in_ = answering.coef_.shape[1]
    return answering


def foreign(own: dict[str, LogisticRegression]) -> dict[str, LogisticRegression]:
    """Heads of the same shape over scikit-learn's own columns: for the cost, not the answer."""
    random = np.random.default_rng(7)
    found = {}
    for name, like in own.items():
        answering = LogisticRegression()
        answering.classes_ = like.classes_
        answering.coef_ = random.normal(size=(like.coef_.shape[0], 2 << BITS))
        answering.intercept_ = like.intercept_
        answering.n_features_in_ = 2 << BITS
        found[name] = answering
    return found


def rows_of_ours() -> FunctionTransformer:
    reader = Builder().reader

    def rows(texts: Sequence[str]) -> Any:
        builder = Builder(reader)
        for text in texts:
            builder.add(text)
        return builder.matrix()

    return FunctionTransformer(rows)


def rows_of_its() -> FeatureUnion:
    settings = {"n_features": 1 << BITS, "alternate_sign": False}
    return FeatureUnion([
        ("words", HashingVectorizer(ngram_range=(1, 2), **settings)),
        ("letters", HashingVectorizer(analyzer="char_wb", ngram_range=(3, 5), **settings)),
    ])  # fmt: skip


def pipelines(heads: dict[str, LogisticRegression], rows: Any) -> Pipelines:
    """One for each head; `chances` takes the rows of the first for all, as a careful user would."""
    return {name: Pipeline([("rows", rows), ("head", head)]) for name, head in heads.items()}


def chances(those: Pipelines, text: str) -> dict[str, Any]:
    rows = next(iter(those.values()))[:-1].transform([text])
    return {name: one[-1].predict_proba(rows)[0] for name, one in those.items()}


def timed(score: Callable[[str], object], texts: Sequence[str]) -> int:
    """Microseconds of processor time a text, the median of all."""
    found = []
    for turn in range(4):
        for text in texts:
            begin = time.thread_time()
            score(text)
            if turn:
                found.append(time.thread_time() - begin)
    return round(statistics.median(found) * 1e6)


def difference(scorer: Scorer, same: Pipelines, texts: Sequence[str]) -> float:
    largest = 0.0
    for text in texts:
        expected = chances(same, text)
        for name, logits in scorer.score_text(text).items():
            largest = max(largest, float(np.abs(probabilities(logits) - expected[name]).max()))
    return round(largest, 5)


def probabilities(logits: Logits) -> Any:
    wide = logits.astype(np.float64)
    if len(wide) > 1:
        powers = np.exp(wide - wide.max())
        return powers / powers.sum()
    yes = 1 / (1 + np.exp(-wide[0]))
    return np.array([1 - yes, yes])
