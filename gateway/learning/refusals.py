"""A rule beside the learned head: does a sentence of the letter forbid calls?

Whoever forbids calls says so in one sentence, and mostly by grammar: *not* or *no* before a word
for calling, *only* before a way of writing, *stop* with either. A model that counts words of a
whole letter misses what was put unusually; this rule reads sentence by sentence, by the expressions
of `refusals.txt`. Not to hear a refusal is worse than not to hear a wish: what it finds holds.

A sentence is tried with few of the hundreds of expressions: with those of which it has all the
words that no match could lack. RE2 finds these words of all expressions in one go.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import re2

from gateway.learning.features import clip

LONGEST_SENTENCE = 400
"""Characters of a sentence that are read: longer ones are lists or noise."""
LONGEST_CLAUSE = 60
"""Characters of a clause that names a way of writing and nothing else."""
_FEW, _SOME = r"(?:[\w']+ ){0,3}", r"(?:[\w']+ ){0,10}"
_MACRO = re.compile(r"\{([A-Z]+)\}")
_FINDS = ("insists", "forbids", "alone", "declines")
_KINDS = (*_FINDS, "offers", "spares", "instead")
_LINE = re.compile(rf"(?:{'|'.join(_KINDS)}): |[A-Z]+ = ")


@dataclass(frozen=True, slots=True)
class Grammar:
    """The expressions of one language."""

    finds: tuple[tuple[str, str], ...]
    """Kind and expression of all that insist, forbid, are a clause alone, or decline an offer."""
    filter: Any
    """Tells which of `finds` may match a sentence (re2.Filter; it has no types)."""
    offers: re.Pattern[str]
    spares: re.Pattern[str]
    instead: re.Pattern[str]

    def may_match(self, sentence: str) -> list[int]:
        """Numbers of the expressions of which nothing is missing in a sentence, ascending."""
        return sorted(self.filter.Match(sentence, True) or ())


def refusal(text: str, language: str) -> str:
    """The words that forbid calls, in their plain form; empty when none do.

    `text` is the subject, a line feed, and the customer's own new words. A language that is not
    known is read by all grammars.
    """
    said = pieces(text)
    for name in (language,) if language in tables() else tables():
        found = _found(said, grammar(name))
        if found:
            return found
    return ""


def _found(said: list[str], known: Grammar) -> str:
    plain = [one.strip()[:LONGEST_SENTENCE] for one in bare("\0".join(said)).split("\0")]
    if not known.may_match("\n".join(plain)):
        return ""
    for piece, sentence, before in zip(said, plain, ["", *plain[:-1]], strict=True):
        found = _forbidden(piece, sentence, before, known)
        if found:
            return "" if any(known.instead.search(other) for other in plain) else found
    return ""


def _forbidden(piece: str, sentence: str, before: str, known: Grammar) -> str:
    """What one sentence forbids, given with its marks and in its plain form.

    `before` is the sentence before it, plain: "Someone wants to ring. Please don't."
    """
    forbidden = ""
    for number in known.may_match(sentence):
        kind, expression = known.finds[number]
        if kind == "alone":
            match = _alone(piece, compiled_one(expression))
        elif kind == "declines":
            declined = compiled_one(expression).search(sentence)
            match = declined if declined and known.offers.search(before) else None
        elif kind == "insists" or not forbidden:
            match = compiled_one(expression).search(sentence)
        else:
            continue
        if match and kind != "forbids":
            return match[0]
        forbidden = forbidden or (match[0] if match else "")
    return "" if forbidden and known.spares.search(sentence) else forbidden


def _alone(piece: str, expression: re.Pattern[str]) -> re.Match[str] | None:
    """A way of writing that is named and nothing else, in the first or the last clause."""
    clauses = _COMMA.split(_PLEASE.sub(r" \1", piece))
    for clause in {0: clauses[0], len(clauses) - 1: clauses[-1]}.values():
        match = expression.fullmatch(bare(clause)) if len(clause) <= LONGEST_CLAUSE else None
        if match:
            return match
    return None


_PLEASE = re.compile(
    r"[,:]\s*(please|only|bitte|merci|svp|por favor|gracias|grazie|per favore|graag|aub)\b"
)
_COMMA = re.compile("[,:]")
_END = re.compile(r"\0|[.!?;:…]+(?=[\s\"'”»)]|\Z)|\n\s*\n|[()—–\[\]«»•]| - ")
_MARKS = re.compile(r"(?:[^\w'\0]|_)+")
_QUOTES = str.maketrans(dict.fromkeys("’‘`´ʼ＇", "'"))


def pieces(text: str) -> list[str]:
    """The sentences of a text: lower case, no accents, marks still in them."""
    subject, _, rest = clip(text).partition("\n")
    plain = _plain(f"{subject}\n\n{rest}").replace("e-mail", "email")
    return [piece for piece in _END.split(plain) if len(piece) > 1]


def bare(said: str) -> str:
    """Text without its marks, as the expressions are written for; NUL parts sentences and stays."""
    return _MARKS.sub(" ", said).strip()


def _plain(text: str) -> str:
    text = text.lower()
    if text.isascii():
        return text
    return _ACCENTS.sub("", unicodedata.normalize("NFD", text.translate(_QUOTES)))


_ACCENTS = re.compile("[\u0300-\u036f]+")


def parse(text: str) -> dict[str, list[str]]:
    """The lines of each language. Raises ValueError for a line that is none of its forms."""
    head, *parts = re.split(r"^\[(\w+)\]$", text, flags=re.MULTILINE)
    _stated(head)
    return {name: _stated(part) for name, part in zip(parts[::2], parts[1::2], strict=True)}


def _stated(part: str) -> list[str]:
    """The lines that say something."""
    found = [line for line in part.splitlines() if line and not line.startswith("#")]
    for line in found:
        if not _LINE.match(line):
            raise ValueError(f"neither an expression nor a name: {line[:40]!r}")
    return found


def compiled(lines: list[str]) -> Grammar:
    """Raises KeyError for a name that no line above has given, re2.error for a bad expression."""
    macros: dict[str, str] = {}
    kinds: dict[str, list[str]] = {kind: [] for kind in _KINDS}
    for line in lines:
        kind, _, expression = line.partition(": ")
        if kind in kinds:
            kinds[kind].append(_expanded(expression, macros))
        else:
            name, _, words = line.partition(" = ")
            macros[name] = _expanded(words, macros)
    finds = tuple((kind, one) for kind in _FINDS for one in kinds[kind])
    candidates = re2.Filter()
    for _, expression in finds:
        candidates.Add(without_looking(expression))
    candidates.Compile()
    rest = (_joined(kinds[kind]) for kind in _KINDS[len(_FINDS) :])
    return Grammar(finds, candidates, *rest)


def _expanded(expression: str, macros: Mapping[str, str]) -> str:
    filled = expression.replace("~~", _SOME).replace("~", _FEW)
    return _MACRO.sub(lambda match: macros[match[1]], filled)


_LOOK = re.compile(r"\(\?<?[=!]")
_BRACKET = re.compile(r"\\.|\[(?:\\.|[^\]])*\]|([()])")


def without_looking(expression: str) -> str:
    """An expression less what it says of the words around: it matches all that it did, and more."""
    while look := _LOOK.search(expression):
        depth = 0
        for mark in _BRACKET.finditer(expression, look.start()):
            depth += {"(": 1, ")": -1}.get(mark[1] or "", 0)
            if not depth and mark[1]:
                expression = expression[: look.start()] + expression[mark.end() :]
                break
        else:
            raise ValueError(f"a bracket is not closed: {expression[:40]!r}")
    return expression


def _joined(expressions: list[str]) -> re.Pattern[str]:
    return compiled_one("|".join(f"(?:{one})" for one in expressions)) if expressions else _NEVER


@cache
def compiled_one(expression: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w'])(?:{expression})")


_NEVER = re.compile(r"(?!)")


@cache
def tables() -> dict[str, list[str]]:
    """The lines of each language, as shipped."""
    return parse(Path(__file__).with_name("refusals.txt").read_text(encoding="utf-8"))


@cache
def grammar(language: str) -> Grammar:
    """Compiled when a letter of the language comes: most installations see two or three."""
    return compiled(tables()[language])
