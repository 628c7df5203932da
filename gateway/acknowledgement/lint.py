"""May a template say that? The rules of `lint_rules.py`, tried on one template. Pure.

They read the words a customer would see, in the template's language, for the letters it would
answer. A finding is advice (`warning`): whoever writes a template may know better.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from gateway.acknowledgement.lint_rules import APOLOGY, FORMAL, RULES, Rule
from gateway.problems import Problem

LONGEST = 1800
"""Letters of a template; a longer one is not read to its end."""

_TAG = re.compile(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", re.DOTALL)
_STEP = re.compile(r"\{#.*?#\}|\{%[-+]?\s*(\w+)(.*?)%\}|\{\{(.*?)\}\}", re.DOTALL)
_WORD = re.compile(r"\w+")
PERHAPS = ("promise", "opens", "customer_name", "topic")
"""Values that are empty for some letters of every site; `late` ones have no promise either."""
_REMEDY = re.compile(r"\{#-?\s*remedy:\s*([^#]{3,200}?)\s*-?#\}")


@lru_cache(maxsize=512)
def check(path: Path, source: str, language: str, tone: str) -> tuple[Problem, ...]:
    """What a template should not say to a customer of this tone, each with its line.

    Remembered: thousands of sites may use the same shipped words.
    """
    base = language.partition("-")[0]
    words = seen(source)
    problems = [
        Problem(path, line, "", f"{rule.what} ('{found}')" if found else rule.what, rule.mend, True)
        for rule in RULES
        if not rule.tones or tone in rule.tones
        for line, found in _breaks(rule, base, words, source)
    ]
    problems += _apologies(path, source, words, base)
    problems += _gaps(path, source)
    if len(words) > LONGEST:
        problems.append(Problem(path, 1, "", "it is long", "say it in half as many words", True))
    return tuple(problems)


def seen(source: str) -> str:
    """The words of a template without its tags; every line stays on its line."""
    return _TAG.sub(lambda tag: "\n" * tag[0].count("\n"), source)


def _breaks(rule: Rule, language: str, words: str, source: str) -> Iterator[tuple[int, str]]:
    patterns = [rule.patterns[key] for key in (language, "*") if key in rule.patterns]
    if rule.code == "mixed address" and not re.search(FORMAL.get(language, r"(?!)"), words):
        return
    if rule.wanted:
        if language in rule.patterns and not any(
            re.search(p, source, re.IGNORECASE) for p in patterns
        ):
            yield 1, ""
        return
    flags = 0 if rule.code == "shouting" else re.IGNORECASE
    for pattern in patterns:
        for match in re.finditer(pattern, words, flags):
            yield line_at(words, match.start()), match[0].strip()[:40]


def _apologies(path: Path, source: str, words: str, language: str) -> Iterator[Problem]:
    """An apology is worth something only beside a remedy, which the template has to name."""
    remedy = _REMEDY.search(source)
    if remedy and remedy[1].lower() in " ".join(words.lower().split()):
        return
    for match in re.finditer(APOLOGY.get(language, r"(?!)"), words, re.IGNORECASE):
        yield Problem(
            path,
            line_at(words, match.start()),
            "",
            f"it apologises ('{match[0]}') and names no remedy",
            "offer one and name it in a comment, {# remedy: … #}, or leave the apology out",
            True,
        )


def _gaps(path: Path, source: str) -> Iterator[Problem]:
    """Sentences that lose their end with some letters: `no later than .`"""
    asked: list[set[str]] = []
    for step in _STEP.finditer(source):
        keyword, condition, value = step.groups()
        if keyword == "if":
            asked.append(set(_WORD.findall(condition)))
        elif keyword == "elif" and asked:
            asked[-1].update(_WORD.findall(condition))
        elif keyword == "endif" and asked:
            asked.pop()
        named = set(_WORD.findall(value or ""))
        if not named.isdisjoint(("or", "if", "default", "d")):  # it says what stands there instead
            continue
        for name in PERHAPS:
            if name in named and not any(name in names for names in asked):
                yield Problem(
                    path,
                    line_at(source, step.start()),
                    "",
                    f"it says {{{{ {name} }}}} also where nothing is known",
                    f"put what depends on it between {{% if {name} %}} and {{% endif %}}",
                    True,
                )


def line_at(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1
