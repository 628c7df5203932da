"""A rule beside the learned head: does a sentence of the letter forbid calls?

Whoever forbids calls says so in one sentence, and mostly by grammar: *not* or *no* before a word
for calling, *only* before a way of writing, *stop* with either. A model that counts words of a
whole letter misses what was put unusually; this rule reads sentence by sentence, by the expressions
of `refusals.txt`. Not to hear a refusal is worse than not to hear a wish: what it finds holds.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from gateway.learning.features import clip

LONGEST_SENTENCE = 400
"""Characters of a sentence that are read: longer ones are lists or noise."""
_FEW, _SOME = r"(?:[\w']+ ){0,3}", r"(?:[\w']+ ){0,10}"
_MACRO = re.compile(r"\{([A-Z]+)\}")
_KINDS = ("insists", "forbids", "spares", "instead")
_ABOUT = "about"
_LINE = re.compile(r"(?:about|insists|forbids|spares|instead): |[A-Z]+ = ")


@dataclass(frozen=True, slots=True)
class Grammar:
    """The expressions of one language, each kind joined into one."""

    about: re.Pattern[str]
    """Parts of words, one of which every sentence has that forbids a call."""
    insists: re.Pattern[str]
    forbids: re.Pattern[str]
    spares: re.Pattern[str]
    instead: re.Pattern[str]


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
    for piece in said:
        if not known.about.search(piece):
            continue  # most sentences are not even made plain
        sentence = bare(piece)
        match = known.insists.search(sentence)
        if match is None:
            match = known.forbids.search(sentence)
            if match is None or known.spares.search(sentence):
                continue
        return "" if any(known.instead.search(bare(other)) for other in said) else match[0]
    return ""


_END = re.compile(r"[.!?;:…]+(?=[\s\"'”»)]|\Z)|\n\s*\n|[()—–\[\]«»•]| - ")
_MARKS = re.compile(r"(?:[^\w']|_)+")
_QUOTES = str.maketrans(dict.fromkeys("’‘`´ʼ＇", "'"))


def pieces(text: str) -> list[str]:
    """The sentences of a text: lower case, no accents, marks still in them."""
    subject, _, rest = clip(text).partition("\n")
    plain = _plain(f"{subject}\n\n{rest}").replace("e-mail", "email")
    return [piece for piece in _END.split(plain) if len(piece) > 1]


def bare(piece: str) -> str:
    """A sentence in the plain form that the expressions are written for."""
    return _MARKS.sub(" ", piece).strip()[:LONGEST_SENTENCE]


def _plain(text: str) -> str:
    text = text.lower()
    if text.isascii():
        return text
    letters = unicodedata.normalize("NFD", text.translate(_QUOTES))
    marks = {ord(letter): None for letter in set(letters) if unicodedata.combining(letter)}
    return letters.translate(marks)


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
    """Raises KeyError for a name that no line above has given, re.error for a bad expression."""
    about: list[str] = []
    macros: dict[str, str] = {}
    kinds: dict[str, list[str]] = {kind: [] for kind in _KINDS}
    for line in lines:
        kind, _, expression = line.partition(": ")
        if kind == _ABOUT:
            about += [word.replace("_", " ") for word in expression.split()]
        elif kind in kinds:
            kinds[kind].append(_expanded(expression, macros))
        else:
            name, _, words = line.partition(" = ")
            macros[name] = _expanded(words, macros)
    joined = {kind: _joined(expressions) for kind, expressions in kinds.items()}
    return Grammar(re.compile("|".join(about)), **joined)


def _expanded(expression: str, macros: Mapping[str, str]) -> str:
    filled = expression.replace("~~", _SOME).replace("~", _FEW)
    return _MACRO.sub(lambda match: macros[match[1]], filled)


def _joined(expressions: list[str]) -> re.Pattern[str]:
    if not expressions:
        return _NEVER
    return re.compile(rf"(?<![\w'])(?:{'|'.join(f'(?:{one})' for one in expressions)})")


_NEVER = re.compile(r"(?!)")


@cache
def tables() -> dict[str, list[str]]:
    """The lines of each language, as shipped."""
    return parse(Path(__file__).with_name("refusals.txt").read_text(encoding="utf-8"))


@cache
def grammar(language: str) -> Grammar:
    """Compiled when a letter of the language comes: most installations see two or three."""
    return compiled(tables()[language])
