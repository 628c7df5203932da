"""`gateway evaluate spam|tone PATH… --model DIR`: honest figures on what the model has not seen.

Everything is scored by the serving path: the octets are parsed, read and scored as on arrival. Of
our own letters only the held-out ones are used, and every look at them is counted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gateway.learning import corpus, measures, train_tone
from gateway.learning.corpus import Sample
from gateway.learning.dressing import dress
from gateway.learning.input import message_of, message_of_text
from gateway.learning.judgement import TONES, Judgement, Look, judge
from gateway.learning.matrix import Progress, silent
from gateway.learning.scorer import Scorer
from gateway.verdict import Thresholds

Figures = dict[str, float | int | str]
NOTHING = Judgement({}, 0.0, False, "no", 0.0)


@dataclass(frozen=True, slots=True)
class Scored:
    """One sample and what the model says of it."""

    sample: Sample
    spam: float = 0.0
    judged: Judgement = NOTHING


@dataclass(frozen=True, slots=True)
class Evaluation:
    kind: str
    model: str
    figures: Figures
    """Over everything."""
    tables: dict[str, dict[str, Figures]]
    """By title, then by row: per source, per language, the confusion."""
    scored: tuple[Scored, ...]


def evaluate(
    kind: str,
    paths: Sequence[str | Path],
    model: str | Path,
    *,
    second: Look | None = None,
    progress: Progress = silent,
) -> Evaluation:
    """Figures of a model over samples; `report.write` makes an HTML page of them.

    `second` reads doubtful letters again, for the tone alone.

    Raises ValueError (ModelError included) when a path or the model cannot be read.
    """
    if kind not in ("spam", "tone"):
        raise ValueError(f"no such kind: {kind}; it is spam or tone")
    scorer = Scorer.load({kind: model})
    samples = [s for s in corpus.read(paths) if _unseen(s)]
    if not samples:
        raise ValueError("nothing to evaluate: of our own letters only the held-out ones count")
    scored = score(kind, scorer, samples, progress, second)
    return Evaluation(kind, str(model), *_judge(kind, scored), tuple(scored))


def _unseen(sample: Sample) -> bool:
    return sample.source != train_tone.LETTERS or train_tone.held_out(sample)


def score(
    kind: str,
    scorer: Scorer,
    samples: Sequence[Sample],
    progress: Progress = silent,
    second: Look | None = None,
) -> list[Scored]:
    """Every sample by the serving path."""
    found: list[Scored] = []
    for done, sample in enumerate(samples):
        raw = sample.raw
        if not raw and kind == "spam":  # as it would have come: from somebody, by a mail program
            raw = dress(sample.subject, sample.text)
        message = message_of(raw) if raw else message_of_text(sample.subject, sample.text)
        scores = scorer.score(message)
        if kind == "spam":
            found.append(Scored(sample, spam=scores.sigmoid("spam")))
        else:
            thresholds = scorer.models["tone"].thresholds
            found.append(Scored(sample, judged=judge(scores, thresholds, second)))
        if done % 100 == 0:
            progress("scoring", done, len(samples))
    return found


def _judge(kind: str, scored: Sequence[Scored]) -> tuple[Figures, dict[str, dict[str, Figures]]]:
    judge = spam_figures if kind == "spam" else tone_figures
    tables = {
        "By source": _by(scored, lambda s: s.sample.source, judge),
        "By language": _by(scored, lambda s: s.sample.language or "not stated", judge),
    }
    if kind == "tone":
        letters = [one for one in scored if train_tone.hand(one.sample)]
        tables |= {"By hand": _by(letters, lambda s: train_tone.hand(s.sample), judge)}
        tables |= reliability(scored)
        tables["Told (columns) against meant (rows)"] = confusion(scored)
    return judge(scored), tables


def _by(
    scored: Sequence[Scored],
    key: Callable[[Scored], str],
    judge: Callable[[Sequence[Scored]], Figures],
) -> dict[str, Figures]:
    groups: dict[str, list[Scored]] = {}
    for one in scored:
        groups.setdefault(key(one), []).append(one)
    return {name: judge(group) for name, group in sorted(groups.items())}


def spam_figures(scored: Sequence[Scored]) -> Figures:
    """Ham and spam; texts of customers without a spam label are ham."""
    truth = np.array([one.sample.label == "spam" for one in scored])
    chances = np.array([one.spam for one in scored])
    lines = Thresholds()
    found: Figures = {"ham": int((~truth).sum()), "spam": int(truth.sum())}
    if (~truth).any():
        good = chances[~truth]
        found["ham called spam"] = int((good >= lines.spam).sum())
        found["ham called spam, share"] = float((good >= lines.spam).mean())
        found["ham unsure, share"] = float(((good >= lines.unsure) & (good < lines.spam)).mean())
    if truth.any():
        found["spam found"] = float((chances[truth] >= lines.spam).mean())
        found["spam found or unsure"] = float((chances[truth] >= lines.unsure).mean())
    if truth.any() and (~truth).any():
        found["ROC area"] = measures.area(truth, chances)
        found["recall at 0.5 % false alarms"] = measures.recall_at_alarms(truth, chances, 0.005)
        found["calibration error"] = measures.calibration_error(truth, chances)
    return found


def tone_figures(scored: Sequence[Scored]) -> Figures:
    """Tone over rows of one of the four, urgency and calls over rows that state them."""
    toned = [one for one in scored if one.sample.label in TONES]
    found: Figures = {"rows": len(scored), "with a tone": len(toned)}
    if toned:
        meant = [one.sample.label for one in toned]
        irate = np.array([label == "irate" for label in meant])
        chances = np.array([one.judged.tones["irate"] for one in toned])
        found["macro F1"] = measures.macro_f1(meant, [one.judged.tone for one in toned], TONES)
        if irate.any() and not irate.all():
            found["irate recall at 90 % precision"] = measures.recall_at_precision(
                irate, chances, 0.9
            )
            found["irate ROC area"] = measures.area(irate, chances)
            found["irate calibration error"] = measures.calibration_error(irate, chances)
    negative = [one for one in scored if one.sample.label == "negative"]
    if negative:
        right = sum(one.judged.tone in ("irate", "upset") for one in negative)
        found["negative read as irate or upset"] = right / len(negative)
    return found | _urgency(scored) | _calls(scored)


def _urgency(scored: Sequence[Scored]) -> Figures:
    stated = [one for one in scored if one.sample.urgent is not None]
    truth = np.array([bool(one.sample.urgent) for one in stated])
    if not stated or truth.all() or not truth.any():
        return {}
    chances = np.array([one.judged.urgency for one in stated])
    return {
        "urgent rows": int(truth.sum()),
        "urgency F1": measures.f1(truth, np.array([one.judged.urgent for one in stated])),
        "urgency ROC area": measures.area(truth, chances),
        "urgency calibration error": measures.calibration_error(truth, chances),
    }


def _calls(scored: Sequence[Scored]) -> Figures:
    stated = [one for one in scored if one.sample.asked]
    if not stated:
        return {}
    meant = np.array([one.sample.asked for one in stated])
    told = np.array([one.judged.asked for one in stated])
    return {
        "call wanted F1": measures.f1(meant == "yes", told == "yes"),
        "calls refused": int((meant == "refused").sum()),
        "refusals read as a wish": int(((meant == "refused") & (told == "yes")).sum()),
        "refusals found": int(((meant == "refused") & (told == "refused")).sum()),
        "refusals invented": int(((meant != "refused") & (told == "refused")).sum()),
    }


def reliability(scored: Sequence[Scored]) -> dict[str, dict[str, Figures]]:
    """Chances told beside what came true, in tenths: is seven of ten times 0.7 right?"""
    toned = [one for one in scored if one.sample.label in TONES]
    hurried = [one for one in scored if one.sample.urgent is not None]
    questions = {
        "irate": [(one.sample.label == "irate", one.judged.tones["irate"]) for one in toned],
        "urgent": [(bool(one.sample.urgent), one.judged.urgency) for one in hurried],
    }
    found: dict[str, dict[str, Figures]] = {}
    for name, rows in questions.items():
        truth, chances = np.array([r[0] for r in rows], bool), np.array([r[1] for r in rows])
        points = measures.reliability(truth, chances) if rows else []
        found[f"Reliability: {name}"] = {
            f"{told:.2f}": {"came true": true, "rows": count} for told, true, count in points
        }
    return found


def confusion(scored: Sequence[Scored]) -> dict[str, Figures]:
    labels = (*TONES, "negative")
    return {
        label: {
            tone: sum(one.sample.label == label and one.judged.tone == tone for one in scored)
            for tone in TONES
        }
        for label in labels
        if any(one.sample.label == label for one in scored)
    }
