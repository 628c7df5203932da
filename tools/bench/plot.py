"""Plots as plain SVG: bars for the peers, small log-log panels for growth."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

OURS, THEIRS, INK, FAINT = "#1f6f5c", "#9aa5b1", "#222", "#ddd"
FONT = 'font-family="sans-serif" font-size="13"'


def svg(width: float, height: float, inside: Sequence[str]) -> str:
    lines = "\n".join(inside)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" {FONT}>\n'
        f'<rect width="100%" height="100%" fill="white"/>\n{lines}\n</svg>\n'
    )


def text(x: float, y: float, words: str, *, anchor: str = "start", size: int = 13) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" fill="{INK}">'
        f"{escape(words)}</text>"
    )


def bars(title: str, groups: Mapping[str, Sequence[tuple[str, float, tuple[float, float]]]]) -> str:
    """By group rows of (name, value, span); all on one scale from zero."""
    left, width, row, inside = 280.0, 740.0, 24.0, [text(10, 22, title, size=15)]
    most = max(span[1] for rows in groups.values() for _, _, span in rows)
    scale = (width - left - 70) / most
    y = 48.0
    for name, rows in groups.items():
        inside.append(text(10, y, name))
        y += 10
        for who, value, (least, largest) in rows:
            colour = OURS if who.startswith("this") else THEIRS
            inside.append(text(left - 8, y + 15, who, anchor="end"))
            inside.append(f'<rect x="{left}" y="{y + 3:.1f}" width="{value * scale:.1f}" '
                          f'height="{row - 8}" fill="{colour}"/>')  # fmt: skip
            inside.append(f'<path d="M{left + least * scale:.1f} {y + 11:.1f}'
                          f'H{left + largest * scale:.1f}" stroke="{INK}"/>')  # fmt: skip
            inside.append(text(left + largest * scale + 6, y + 15, f"{value:,.0f}"))
            y += row
        y += 26
    return svg(width, y, inside)


def panels(title: str, series: Sequence[Mapping[str, Any]]) -> str:
    """One panel for each series: microseconds a letter over what grows, both logarithmic."""
    wide, high, inside = 330.0, 210.0, [text(10, 22, title, size=15)]
    for number, one in enumerate(series):
        left, top = 55 + (number % 3) * wide, 50 + (number // 3) * (high + 60)
        inside += _panel(one, left, top, wide - 80, high - 40)
    rows = -(-len(series) // 3)
    return svg(3 * wide + 20, 50 + rows * (high + 60), inside)


def _panel(one: Mapping[str, Any], left: float, top: float, wide: float, high: float) -> list[str]:
    points = [(max(p["at"], 1), p["us"]) for p in one["points"]]
    x_from, x_to = (math.log10(edge) for edge in (points[0][0], points[-1][0]))
    y_from = math.floor(math.log10(min(y for _, y in points)))
    y_to = math.ceil(math.log10(max(y for _, y in points)) + 1e-9)
    y_to = max(y_to, y_from + 2)

    def place(x: float, y: float) -> tuple[float, float]:
        return (
            left + wide * (math.log10(x) - x_from) / max(x_to - x_from, 1e-9),
            top + high - high * (math.log10(y) - y_from) / (y_to - y_from),
        )

    inside = [text(left, top - 8, f"{one['name']} ({one['unit']})")]
    for power in range(y_from, y_to + 1):
        _, y = place(points[0][0], 10.0**power)
        inside.append(f'<path d="M{left} {y:.1f}h{wide}" stroke="{FAINT}"/>')
        inside.append(text(left - 4, y + 4, _short(10.0**power), anchor="end", size=10))
    line = " ".join("{:.1f},{:.1f}".format(*place(x, y)) for x, y in points)
    inside.append(f'<polyline points="{line}" fill="none" stroke="{OURS}" stroke-width="2"/>')
    for (x, y), real in zip(points, one["points"], strict=True):
        px, py = place(x, y)
        inside.append(f'<circle cx="{px:.1f}" cy="{py:.1f}" r="3" fill="{OURS}"/>')
        inside.append(text(px, top + high + 15, _short(real["at"]), anchor="middle", size=10))
    return inside


def _short(value: float) -> str:
    for edge, letter in ((1e6, "M"), (1e3, "k")):
        if value >= edge:
            return f"{value / edge:g}{letter}"
    return f"{value:g}"
