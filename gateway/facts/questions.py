"""The questions in a letter that want an answer, in the customer's own words.

A sentence that ends with a question mark, or begins as one, or asks to be told something.
Rhetorical ones (`Are you kidding?`) want no answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from gateway.facts import question_words as words

QUESTIONS_MAX = 10
LENGTH_MAX = 300
READ_MAX = 20_000
"""Letters of new text that are searched for questions."""

_ITEM = re.compile(r"[ \t]*(?:[-*•–]|\(?\d{1,2}[.):]|[a-zA-Z][.)])[ \t]")
# A full stop behind an abbreviation ends nothing. The signs come first: so the pattern is tried
# only where one of them stands, which is six times as fast.
_END = re.compile(
    r"[.!?…。？！](?:(?<!\.)|(?<![ap]\.m\.)(?<!\b[nN]o\.)(?<!\b[nN]r\.)(?<!\b[MD]r\.)(?<!\bSt\.)"
    r"(?<!\bz\.B\.)(?<!\be\.g\.)(?<!\bi\.e\.)(?<!\bca\.)(?<!\bbzw\.))"
    r"[.!?…]*[\"'”’»)\]]*(?=\s|$)"
)
_LEAD = re.compile(
    r"^(?:well|oh|so|and|but|aber|und|also|mais|et|pero|y|ma|e|mas|maar"
    r"|en)?[ ,]{0,2}",
    re.IGNORECASE,
)


def find(new_text: str) -> tuple[str, ...]:
    """At most ten sentences that want an answer, verbatim but for line ends."""
    text = new_text[:READ_MAX]
    asks_to_know = bool(words.WANTS_TO_KNOW.search(text.replace("\n", " ")))
    found: dict[str, None] = {}
    for sentence in _sentences(text):
        if _is_question(sentence, asks_to_know) and not _is_rhetorical(sentence):
            found.setdefault(sentence[-LENGTH_MAX:].strip())
            if len(found) >= QUESTIONS_MAX:
                break
    return tuple(found)


def _is_question(sentence: str, asks_to_know: bool) -> bool:
    if len(sentence) < 4:
        return False
    if sentence.rstrip("\"'”’»)] !").endswith(("?", "？")):
        return any(map(str.isalpha, sentence))
    if len(sentence) > 220:
        return False
    if words.ASKS.match(sentence) and "," not in sentence:
        return True
    request = words.WANTS_TO_KNOW.search(sentence) if asks_to_know else None
    return request is not None and not words.DENIED.search(sentence[: request.start() + 1])


def _is_rhetorical(sentence: str) -> bool:
    opened = sentence.lstrip("¿¡\"'“„«( ")
    start = _LEAD.match(opened)
    bare = opened[start.end() :] if start else opened
    return bool(words.RHETORICAL.match(bare) or words.RHETORICAL.match(opened))


def _sentences(text: str) -> Iterator[str]:
    for paragraph in _paragraphs(text):
        position = 0
        for match in _END.finditer(paragraph):
            yield paragraph[position : match.end()].strip()
            position = match.end()
        rest = paragraph[position:].strip()
        if rest:
            yield rest


def _paragraphs(text: str) -> Iterator[str]:
    """Lines that run on joined into one; an empty line or a list item starts another."""
    lines: list[str] = []
    for line in text.split("\n"):
        stripped = line.strip()
        item = bool(stripped) and _ITEM.match(line)
        if lines and (
            not stripped or item or lines[-1].endswith(("?", ":")) or len(lines[-1]) < 40
        ):
            yield " ".join(lines)
            lines = []
        if stripped:
            lines.append(_ITEM.sub("", line).strip() if item else stripped)
    if lines:
        yield " ".join(lines)
