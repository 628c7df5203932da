"""An evaluation as one HTML page to read: curves, tables, and the thirty worst mistakes.

The page holds texts of others and stays local (`reports/` is ignored by git). Everything in it is
escaped, nothing is loaded from anywhere; the plots are small drawings made here.
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from gateway.learning import measures
from gateway.learning.evaluate import Evaluation, Figures, Scored
from gateway.learning.input import message_of, read_input
from gateway.learning.judgement import TONES
from gateway.learning.measures import Curve

WORST = 30
TEXT_SHOWN = 1500
SIZE = 260
_STYLE = """
body{font:15px/1.45 system-ui,sans-serif;margin:2em auto;max-width:70em;padding:0 1em;color:#222}
table{border-collapse:collapse;margin:1em 0}td,th{border:1px solid #ccc;padding:.2em .6em}
th{background:#f3f3f3;text-align:left}td{text-align:right}pre{white-space:pre-wrap;background:#f8f8f8;
padding:.8em;border-left:3px solid #ccc}figure{display:inline-block;margin:1em}
"""


def write(found: Evaluation, path: Path) -> None:
    """Write the page, making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(_page(found)), encoding="utf-8")


def _page(found: Evaluation) -> Iterator[str]:
    title = html.escape(f"{found.kind}: {found.model}")
    yield f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title>"
    yield f"<style>{_STYLE}</style><h1>{title}</h1>"
    yield "<p>Local: this page holds other people's texts. Do not pass it on.</p>"
    yield _table({"all": found.figures})
    for name, truth, chances in _questions(found):
        yield f"<h2>{html.escape(name)}</h2>"
        yield from _plots(truth, chances)
    for heading, rows in found.tables.items():
        yield f"<h2>{html.escape(heading)}</h2>"
        yield _table(rows)
    yield f"<h2>The {WORST} worst mistakes</h2>"
    for why, one in worst(found):
        yield _mistake(why, one)
    yield "</html>"


def _questions(
    found: Evaluation,
) -> Iterator[tuple[str, measures.Truth, measures.Chances]]:
    """Each yes-or-no question of the evaluation with both answers in it."""
    if found.kind == "spam":
        rows = [(o.sample.label == "spam", o.spam) for o in found.scored]
        yield from _question("spam", rows)
        return
    toned = [one for one in found.scored if one.sample.label in TONES]
    for tone in TONES:
        rows = [(one.sample.label == tone, one.judged.tones[tone]) for one in toned]
        yield from _question(tone, rows)
    stated = [one for one in found.scored if one.sample.urgent is not None]
    yield from _question("urgent", [(bool(o.sample.urgent), o.judged.urgency) for o in stated])


def _question(
    name: str, rows: Sequence[tuple[bool, float]]
) -> Iterator[tuple[str, measures.Truth, measures.Chances]]:
    truth = np.array([row[0] for row in rows], bool)
    if truth.any() and not truth.all():
        yield name, truth, np.array([row[1] for row in rows])


def _plots(truth: measures.Truth, chances: measures.Chances) -> Iterator[str]:
    yield _plot("ROC: false alarms, hits", measures.roc(truth, chances))
    yield _plot("recall, precision", measures.precision_recall(truth, chances))
    points = measures.reliability(truth, chances)
    told, came = np.array([p[0] for p in points]), np.array([p[1] for p in points])
    yield _plot("reliability: told, came true", Curve(told, came), diagonal=True)


def _plot(title: str, curve: Curve, *, diagonal: bool = False) -> str:
    """One curve in the unit square as SVG."""
    step = max(1, len(curve.x) // 400)
    keep = np.append(np.arange(0, len(curve.x), step), len(curve.x) - 1)
    points = " ".join(
        f"{curve.x[n] * SIZE:.1f},{(1 - curve.y[n]) * SIZE:.1f}" for n in keep.tolist()
    )
    line = f'<line x1="0" y1="{SIZE}" x2="{SIZE}" y2="0" stroke="#bbb"/>' if diagonal else ""
    return (
        f'<figure><svg width="{SIZE + 4}" height="{SIZE + 4}" viewBox="-2 -2 {SIZE + 4} {SIZE + 4}"'
        ">"
        f'<rect width="{SIZE}" height="{SIZE}" fill="#fafafa" stroke="#999"/>{line}'
        f'<polyline points="{points}" fill="none" stroke="#1a5fb4" stroke-width="2"/></svg>'
        f"<figcaption>{html.escape(title)}</figcaption></figure>"
    )


def _table(rows: Mapping[str, Figures]) -> str:
    names = list(dict.fromkeys(name for row in rows.values() for name in row))
    head = "".join(f"<th>{html.escape(name)}</th>" for name in names)
    body = "".join(
        f"<tr><th>{html.escape(label)}</th>"
        + "".join(f"<td>{_number(row.get(name, ''))}</td>" for name in names)
        + "</tr>"
        for label, row in rows.items()
    )
    return f"<table><tr><th></th>{head}</tr>{body}</table>"


def _number(value: float | int | str) -> str:
    return f"{value:.3f}" if isinstance(value, float) else html.escape(str(value))


def worst(found: Evaluation) -> list[tuple[str, Scored]]:
    """What the model was surest of and wrong about, surest first."""
    mistakes: list[tuple[float, str, Scored]] = []
    for one in found.scored:
        if found.kind == "spam":
            meant = "spam" if one.sample.label == "spam" else "ham"
            error = 1 - one.spam if meant == "spam" else one.spam
            told = f"P(spam) {one.spam:.3f}"
        elif one.sample.label in TONES:
            meant = one.sample.label
            error = 1 - one.judged.tones[meant]
            told = ", ".join(f"{tone} {p:.2f}" for tone, p in one.judged.tones.items())
        else:
            continue
        if error > 0.5:
            mistakes.append((error, f"meant {meant}; told {told}", one))
    mistakes.sort(key=lambda mistake: (-mistake[0], mistake[2].sample.name))
    return [(why, one) for _, why, one in mistakes[:WORST]]


def _mistake(why: str, one: Scored) -> str:
    sample = one.sample
    text = f"{sample.subject}\n\n{sample.text}" if not sample.raw else _shown(sample.raw)
    return (
        f"<p><b>{html.escape(why)}</b> ({html.escape(sample.source)}, {html.escape(sample.name)})"
        f"</p><pre>{html.escape(text[:TEXT_SHOWN])}</pre>"
    )


def _shown(raw: bytes) -> str:
    return read_input(message_of(raw)).spam
