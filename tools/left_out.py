"""`python -m tools.left_out spam|tone`: what is said of a source, or a writer, never learned from.

    python -m tools.left_out spam PATH... --judged PATH... --without SOURCE...
    python -m tools.left_out tone PATH... --without HAND...

`PATH` is what `gateway train` is given, and the model is trained as there, once for each of
`--without`. A source of mail is then judged whole, with what `--judged` holds of it, beside the
customers of `--judged`; a writing hand by its letters. `--without nothing` judges spam's `--judged`
by all that is learned.
"""

from __future__ import annotations

import argparse
import math
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.learning import corpus, evaluate, measures, train_spam, train_tone
from gateway.learning.concepts import shipped
from gateway.learning.features import Layout
from gateway.learning.scorer import Scorer
from gateway.learning.train import train
from gateway.learning.train_spam import Taught

BUDGET = 0.005
"""Share of false alarms at which recall is told."""
LINE = math.log(train_spam.SPAM_AT / (1 - train_spam.SPAM_AT))
Rows = NDArray[np.bool_]


def spam(paths: Sequence[str], judged: Sequence[str], without: Sequence[str]) -> None:
    kept = [s for s in corpus.read(paths) if not train_tone.held_out(s)]
    learned = train_spam.read_samples(train_spam.thinned(kept))
    others = train_spam.read_samples(corpus.read(judged))
    layout = Layout(len(shipped().names))
    for source in without:
        mine, theirs = of_source(learned, source), of_source(others, source)
        head, _ = train_spam.learn(part(learned, ~mine), layout)
        if source == "nothing":
            theirs = ~others.customer
        told = [head.logits(t.rows[m])[:, 0] for t, m in ((learned, mine), (others, theirs))]
        truth = np.concatenate([learned.answers[mine], others.answers[theirs]]) == 1
        customers = head.logits(others.rows[others.customer])[:, 0]
        show(f"{source} left out", spam_figures(truth, told, customers))


def of_source(taught: Taught, source: str) -> Rows:
    return np.asarray(np.array(taught.sources) == source, np.bool_)


def part(taught: Taught, rows: Rows) -> Taught:
    sources = tuple(np.array(taught.sources)[rows].tolist())
    chosen = (taught.rows[rows], taught.answers[rows], taught.customer[rows])
    return Taught(*chosen, sources, taught.folds[rows])


def spam_figures(
    truth: Rows, told: Sequence[NDArray[np.float64]], customers: NDArray[np.float64]
) -> dict[str, Any]:
    """Of one source, what is learned from first, then what is judged."""
    logits = np.concatenate(told)
    first = np.arange(len(logits)) < len(told[0])
    line = train_spam.budget_line(customers, BUDGET)
    found: dict[str, Any] = {
        "messages, spam": f"{len(truth)}, {truth.sum()}",
        "spam above the line of 0.5 % of customers": (logits[truth] >= line).mean(),
        "spam at the line of 0.9": (logits[truth] >= LINE).mean(),
        "customers called spam": f"{(customers >= LINE).sum()} of {len(customers)}",
    }
    if not truth.all():
        found["ham called spam"] = f"{(logits[~truth] >= LINE).sum()} of {(~truth).sum()}"
        found["recall at 0.5 % of its own ham"] = measures.recall_at_alarms(truth, logits, BUDGET)
        everything = np.concatenate([truth, np.zeros(len(customers), bool)])
        both = np.concatenate([logits, customers])
        found["recall at 0.5 % of all"] = measures.recall_at_alarms(everything, both, BUDGET)
        for name, rows in (("", first | True), (", learned", first), (", judged", ~first)):
            found[f"ROC area{name}"] = measures.area(truth[rows], logits[rows])
    return found


def tone(paths: Sequence[str], without: Sequence[str]) -> None:
    folder = next(Path(p) for p in paths if (Path(p) / "second.json").exists())
    others = [path for path in paths if Path(path) != folder]
    for hand in without:
        with tempfile.TemporaryDirectory() as made:
            letters = Path(made, "letters")
            shutil.copytree(folder, letters)
            (letters / f"{hand}.jsonl").unlink()
            train("tone", [*others, letters], Path(made, "tone"))
            scorer = Scorer.load({"tone": Path(made, "tone")})
        samples = list(corpus.read([folder / f"{hand}.jsonl"]))
        scored = evaluate.score("tone", scorer, samples)
        show(f"{hand} left out", evaluate.tone_figures(scored))
        for language in sorted({sample.language for sample in samples}):
            of_it = [one for one in scored if one.sample.language == language]
            show(f"  {language}", evaluate.tone_figures(of_it))


def show(title: str, figures: dict[str, Any]) -> None:
    print(title)
    for name, value in figures.items():
        print(f"  {name:45} {f'{value:.3f}' if isinstance(value, float) else value}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("kind", choices=("spam", "tone"))
    parser.add_argument("paths", nargs="+")
    parser.add_argument("--judged", nargs="+", default=[])
    parser.add_argument("--without", nargs="+", required=True)
    chosen = parser.parse_args()
    if chosen.kind == "spam":
        spam(chosen.paths, chosen.judged, chosen.without)
    else:
        tone(chosen.paths, chosen.without)


if __name__ == "__main__":
    main()
