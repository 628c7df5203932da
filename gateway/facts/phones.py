"""The number at which the writer of a letter can be reached.

A cheap pattern finds runs of digits, the words around each say what it is, and only what may be a
phone number is given to the phonenumbers library. What is labelled as an order, a card, a meter, a
tax or customer number, is part of a date or an amount, or belongs to somebody else, is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gateway.facts import dialling, phone_words

CANDIDATES_MAX = 60
"""Runs of digits looked at in one letter."""
FEW_DIGITS, MANY_DIGITS = 7, 15
"""ITU-T E.164 allows fifteen; fewer than seven is a short code."""
NAMED = 10
"""Points above a passage's own weight from which words name a number as the writer's."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a letter, and how much a number in it says about its writer."""

    text: str
    weight: int
    """100 for new words, 60 for a signature, 0 for quoted words (which need more)."""
    heading: bool = False
    """A subject: a number that is all of it is rather a reference."""


@dataclass(frozen=True, slots=True)
class Phone:
    number: str
    """E.164."""
    extension: str
    score: int


_RUN = re.compile(
    r"(?<![\w@=&#+,])(?<![\w]-)\+?\(?\+?\d"
    r"(?:(?!\.[ \xa0])[ \xa0\u2009\u202f.\-\u2010-\u2013/()]{0,3}\d){6,17}"
)
_DIGITS_NEAR = re.compile(r"\d(?:[ \xa0\u2009\u202f.\-\u2010-\u2013/()]{0,3}\d){6}")
"""What every run holds, found five times as fast: most letters have none."""
_LEAD = 3
"""Signs that a run may begin with."""
_EXTENSION = re.compile(
    r"[ ,;(]{0,3}(?:ext(?:ension|n)?|x|durchwahl|dw|nst|poste|interno|int|anexo|ramal|toestel|tst)"
    r"[.: #]{0,3}(\d{1,6})(?!\d)",
    re.IGNORECASE,
)
_DATE = re.compile(
    r"(?:0?[1-9]|[12]\d|3[01])[./-](?:0?[1-9]|1[0-2])[./-](?:19|20)?\d\d(?![./-]?\d)"
    r"|(?:0?[1-9]|1[0-2])[/-](?:0?[1-9]|[12]\d|3[01])[/-](?:19|20)?\d\d(?!\d)"
    r"|(?:19|20)\d\d[./-](?:0?[1-9]|1[0-2])[./-](?:0?[1-9]|[12]\d|3[01])(?!\d)"
)
_ADDRESS = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}")
_YEARS = re.compile(r"(?:19|20)\d\d[ ]?[-–/][ ]?(?:19|20)\d\d")
_AMOUNT_BEFORE = re.compile(
    r"(?:[€$£¥]|\b(?:eur|usd|gbp|chf|euros?|dollars?))[ \xa0]?$", re.IGNORECASE
)
_AMOUNT_AFTER = re.compile(
    r"[ \xa0]?(?:[€$£¥%°]|(?:eur|usd|gbp|chf|euros?|dollars?|kwh|kw|kg|km|cm|mm|m[23²³]|gb|mb|liter"
    r"|litres?|stück|pcs|pieces)\b|[,.]\d)",
    re.IGNORECASE,
)

_MOBILES = r"mobil|mob\b|cell|handy|portable|m[óo]vil|celular|telem[óo]vel|gsm"
_MOBILE = re.compile(rf"\b(?:{_MOBILES}|m[:.])[^\d]*$", re.IGNORECASE)
_MOBILE_AFTER = re.compile(rf"[ (]{{1,2}}(?:{_MOBILES})", re.IGNORECASE)
_NEGATED = re.compile(
    r"\b(?:not|don['’]t|never|nicht|kein\w{0,2}|ne|pas|jamais|nunca|non|não|niet|geen)\b.{0,40}$",
    re.IGNORECASE,
)
_MINE = re.compile(
    r"\b(?:me|my|mine|i|mich|mein\w{0,2}|mir|ich|moi|mon|ma|je|mi|mio|mia|yo|llám[ae]me|llamarme"
    r"|chiamarmi|mij|mijn|ik|meu|minha|eu)\b",
    re.IGNORECASE,
)
# A full stop ends a sentence, but not the words that stand before numbers.
_SENTENCE_END = re.compile(
    r"(?:[!?;]|(?<![nN][oOrR])(?<![tT]el)(?<![mM]ob)(?<![rR]ef)(?<![tT][éÉ]l)\.)[ \n]|\n[ \t]*\n"
)

BEFORE, AFTER = 90, 40
"""Letters looked at on either side of a number."""
SIGNED_BY = 60
"""At most so many letters stand behind a number that signs a letter."""


def find(passages: Sequence[Passage], order: Sequence[str]) -> tuple[Phone, ...]:
    """The writer's phone numbers, the best first: each number once."""
    best: dict[str, Phone] = {}
    looked = 0
    for passage in passages:
        first = _DIGITS_NEAR.search(passage.text)
        if passage.weight < 0 or first is None:
            continue
        for match in _RUN.finditer(passage.text, max(0, first.start() - _LEAD)):
            looked += 1
            if looked > CANDIDATES_MAX:
                break
            for phone in _read(passage, match, order):
                known = best.get(phone.number)
                if known is None or phone.score > known.score:
                    best[phone.number] = phone
    return tuple(sorted(best.values(), key=lambda phone: -phone.score))


def _read(passage: Passage, match: re.Match[str], order: Sequence[str]) -> Iterator[Phone]:
    text = passage.text
    run = match[0]
    before = text[max(0, match.start() - BEFORE) : match.start()]
    after = text[match.end() : match.end() + AFTER]
    if _CODE_BEFORE.search(before) or _is_in_speech(text, match.start(), match.end()):
        return
    signs = not passage.heading and _signs(text, match.end())
    score = _score(passage, run, before, after, signs=signs, order=order)
    if score is None:
        first, slash, run = run.partition(" / ")
        if not slash or _digits(first) < FEW_DIGITS:
            return
        score = _score(passage, run, "", after, signs=signs, order=order)
    if score is None:
        return
    named = score >= passage.weight + NAMED or (signs and run.lstrip("(").startswith("0"))
    whole = dialling.read(run, order, named=named) if _digits(run) <= MANY_DIGITS else None
    pieces = _SEVERAL.split(run) if whole is None else []
    numbers = [whole, *(dialling.read(piece, order, named=named) for piece in pieces[:3])]
    extension = _EXTENSION.match(after)
    for number in numbers:
        if number is not None:
            yield Phone(number, extension[1] if extension else "", score)


_CODE_BEFORE = re.compile(r"\b(?=[A-Z]*[0-9])(?=[0-9]*[A-Z])[0-9A-Z]{2,6} $")
"""`1Z 999 AA1` of a parcel, whose last digits are no phone number."""

_SPEECH_MIN = 10
"""So many letters between a quotation mark and a number make it part of what somebody said."""
_SPEECH_END = re.compile(r"[^\n\"“”„«»]{0,80}[\"”“»]")


def _is_in_speech(text: str, start: int, end: int) -> bool:
    """Whether a number is part of words that the writer quotes: `"call 0900 555 0143 or else"`."""
    if not _SPEECH_END.match(text, end):
        return False
    paragraph = text[max(0, text.rfind("\n\n", 0, start)) : start]
    opened = max(paragraph.rfind(mark) for mark in '"“„«')
    if opened < 0 or len(paragraph) - opened < _SPEECH_MIN:
        return False
    if paragraph[opened] == '"':
        return paragraph.count('"') % 2 == 1
    return not any(mark in paragraph[opened + 1 :] for mark in "”»")


_SEVERAL = re.compile(r"[ ]*/[ ]+|[ ]{2,}|[ ][-–][ ]")


def _signs(text: str, end: int) -> bool:
    """Whether a passage ends with a number, but for a few words."""
    return len(text) - end <= SIGNED_BY and text.find("\n\n", end) < 0


def _digits(run: str) -> int:
    return sum(map(str.isdigit, run))


def _score(
    passage: Passage, run: str, before: str, after: str, *, signs: bool, order: Sequence[str]
) -> int | None:
    """How surely this run of digits is the writer's phone number; None if it is none.

    `signs` is whether the passage ends with it, but for a few words.
    """
    if after[:1].isalnum() and not _EXTENSION.match(after):
        return None
    if _looks_like_something_else(run, before, after):
        return None
    near = before[_last_end(before) :]
    meaning = phone_words.meaning(near)
    above, _, line = near.rpartition("\n")
    if meaning == "other" and above[-1:].isdigit():
        meaning = phone_words.meaning(line)  # what was named above has its number there
    if meaning in ("other", "fax", "nothis") or phone_words.is_named_afterwards(after):
        return None
    score = passage.weight
    if meaning == "wish":
        score += 40
    elif meaning == "label":
        score += 15
    elif _reads_like_one(run, before, after, order, heading=passage.heading):
        score += NAMED if _alone(before, after) else 0
    elif not (signs or _TO.search(before)) or not _is_in_groups(run, order):
        return None
    if passage.weight == 0 and (meaning != "wish" or not _MINE.search(near)):
        return None  # in a quote most numbers are the company's own
    if _MOBILE.search(before[-20:]) or _MOBILE_AFTER.match(after):
        score += 5
    if _NEGATED.search(near[-60:]):
        score -= 20
    return score


def _last_end(before: str) -> int:
    """Where the sentence begins in which the number stands."""
    end = 0
    for match in _SENTENCE_END.finditer(before):
        end = match.end()
    return end


def _looks_like_something_else(run: str, before: str, after: str) -> bool:
    digits = _digits(run)
    if digits < FEW_DIGITS or (digits > MANY_DIGITS and not _SEVERAL.search(run)):
        return True
    if digits >= 13 and not run.lstrip("(").startswith(("+", "0")) and not _SEVERAL.search(run):
        return True
    if _DATE.match(run) or _ADDRESS.fullmatch(run) or _YEARS.fullmatch(run):
        return True
    return bool(_AMOUNT_BEFORE.search(before[-12:]) or _AMOUNT_AFTER.match(after))


def _reads_like_one(
    run: str, before: str, after: str, order: Sequence[str], *, heading: bool
) -> bool:
    """Whether a number without a label is written as phone numbers are."""
    if _SEVERAL.search(run[6:]):
        return False
    bare = run.lstrip("(")
    if bare.startswith("+") or (bare.startswith("00") and not bare.startswith("000")):
        return True
    if ")" not in run:
        run = bare
    digits = _digits(run)
    if _NATIONAL.fullmatch(run) and 9 <= digits <= 14:
        return True
    if "PT" in order[:2] and _PORTUGUESE.fullmatch(run):
        return True
    if heading or _REFERENCE.fullmatch(run):
        return False
    return bool(_GROUPED.fullmatch(run)) and _alone(before, after) and 9 <= digits <= 11


def _is_in_groups(run: str, order: Sequence[str]) -> bool:
    """In English, eight digits with a hyphen are rather an account."""
    return bool(_GROUPS.fullmatch(run)) and not ("-" in run and "GB" in order)


def _alone(before: str, after: str) -> bool:
    """Whether a number has a line to itself."""
    line_before = before.rpartition("\n")[2].strip(" \t-•*|,")
    line_after = after.partition("\n")[0].strip(" \t-•*|,.")
    return not line_before and not line_after


_REFERENCE = re.compile(r"(?:19|20)\d\d[/-].*|.*[/-]\d{4,}[/-]\d{1,2}")
_GROUPED = re.compile(r"\(?\d{2,5}\)?(?:[ .\-/\xa0]\d{2,7}){1,4}|\d{9,11}")
# With a trunk prefix and groups (0221 123456, 06 12 34 56 78), North American (212-555-0142), or an
# area of two digits as in Brazil, Mexico and Buenos Aires ((11) 94412-0087, 55 5031 7742).
_NATIONAL = re.compile(
    r"\(?0\d{1,5}\)?(?:[ ./\-\xa0]| - )\d{2,9}(?:[ .\-\xa0]\d{1,6}){0,4}|0\d{8,11}"
    r"|\(?[2-9]\d\d\)?[ .\-\xa0]{0,2}\d{3}[ .\-\xa0]\d{4}|1[ .-][2-9]\d\d[ .-]\d{3}[ .-]\d{4}"
    r"|\(?[1-9]\d\)?[ .\xa0-]{1,2}9?\d{4}[ .\xa0-]\d{4}"
    r"|[6-9]\d\d[ .\xa0]\d{3}[ .\xa0]\d{3}|[6-9]\d\d(?:[ .\xa0]\d\d){3}"
    r"|[2-9]\d(?:\d)?[ .]\d{3}[ .]\d\d[ .]\d\d|[1-9]\d(?:[ .]\d\d){4}|9 \d{4} \d{4}"
    r"|[23]\d{3} \d\d-\d{4}|[6-9]\d{4} \d{5}|3\d\d \d\d \d\d \d{3}|3\d\d[ .]\d{6,7}"
)
# Portugal's landlines begin like anything else, and are written in groups of three.
_PORTUGUESE = re.compile(r"[23]\d\d[ .]?\d{3}[ .]?\d{3}|2[12][ .]\d{3}[ .]\d{4}")
# Eight digits to eleven in groups: enough only where a letter ends with them, or behind `at`.
_GROUPS = re.compile(r"\(?(?=(?:\d[ .\-]?){8,13}$)\d{1,4}(?:[ .\-]\d{2,4}){1,4}")
_TO = re.compile(r"(?:^|[\s,;(])(?:al|au|allo)[ ]$", re.IGNORECASE)
