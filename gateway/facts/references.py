"""Order, ticket, case, booking, contract and invoice numbers in a letter.

A site's own patterns (RE2, with a group `order`) come first, then numbers behind the word for what
they are, then codes that look like what shops number with. Customer, member, meter, card, tracking
and tax numbers are none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from gateway.facts import reference_words as words

FOUND_MAX = 10
LOOKED_MAX = 100
"""References looked at in one text, the same one again and again included."""
FURTHER_MAX, LIST_MAX = 8, 300
"""References listed behind one, and letters in which they are looked for."""
BEFORE = 40
"""Letters looked at before a code."""


_CODES = (
    words.CODES, words.CODES_IN_PLACE, words.THREE_PARTS, words.BOOKINGS, words.ALONE,
    words.NUMBERED,
)  # fmt: skip
_NO_CODES = (words.PLACES, words.NO_CODE, words.NUMBER_LIKE)


def find(
    subject: str, own: str = "", quoted: str = "", patterns: Sequence[Any] = ()
) -> tuple[str, ...]:
    """References in the order they stand, each once: of the site's patterns first.

    `patterns` are compiled by RE2, with a group named `order`. The history is read only if the
    customer's own words and his subject give none.
    """
    found = dict.fromkeys(
        (
            *_by(patterns, f"{subject}\n{own}"),
            *_in(subject, (words.CODES, words.SUBJECT_CODES), subject=True),
            *_in(own, _CODES),
        )
    )
    if not found:
        found = dict.fromkeys((*_by(patterns, quoted), *_in(quoted, ())))
    return tuple(found)[:FOUND_MAX]


def _by(patterns: Sequence[Any], text: str) -> Iterator[str]:
    for pattern in patterns:
        for match in islice(pattern.finditer(text), LOOKED_MAX):
            value = match.groupdict().get("order")
            if value and value.strip():
                yield value.strip()[:60]


def _in(text: str, codes: Sequence[Any], *, subject: bool = False) -> list[str]:
    """The references in one text, by position; what is found by name is not found again."""
    found: dict[int, list[str]] = {}
    taken: list[tuple[int, int]] = []
    for pattern in words.NAMED:
        for match in islice(pattern.finditer(text), LOOKED_MAX):
            start, end = match.span(1)
            spaced = " " in match[1]
            if spaced and words.AMOUNT_BEHIND.search(text[end : end + 12]):
                continue
            if not _overlaps(start, end, taken):
                found[start], length = _listed(match[1], text[match.end() : match.end() + LIST_MAX])
                taken.append((start, match.end() + length))
    for pattern in codes:
        for match in islice(pattern.finditer(text), LOOKED_MAX):
            start, end = match.span(match.lastindex)
            if not _overlaps(start, end, taken) and _is_code(text, start, end, subject=subject):
                taken.append((start, end))
                found[start] = [text[start:end]]
    return [value for start in sorted(found) for value in found[start]]


def _overlaps(start: int, end: int, taken: Sequence[tuple[int, int]]) -> bool:
    return any(start < one_end and end > one_start for one_start, one_end in taken)


def _listed(first: str, behind: str) -> tuple[list[str], int]:
    """A reference and those listed behind it, and how much of `behind` the list takes up."""
    values, length, alike = [first], 0, True
    for _ in range(FURTHER_MAX):
        match = words.FURTHER.match(behind[length:])
        if match is None:
            break
        length += match.end()
        alike = alike and match[1].isdigit() == first.isdigit()
        if alike:
            values.append(match[1])
    return [
        value for value in (one.rstrip("-/_.") for one in values) if _is_reference(value)
    ], length


def _is_reference(value: str) -> bool:
    """A date, a year, a time or an amount behind `order` is no reference."""
    if words.SHORT_CODE.search(value) or words.SHORT_NAMED.search(value):
        return True
    digits = sum(map(str.isdigit, value))
    if digits < 3 or (digits < 4 and value.isdigit()):
        return False
    if value.isdigit() and len(value) == 4 and value[:2] in ("19", "20"):
        return False
    return not words.DATE_LIKE.search(value)


def _is_range(value: str) -> bool:
    """`45-60` minutes, `2025/2026`; a second number that is smaller makes it none."""
    first, _, second = value.replace("/", "-").partition("-")
    if not (first.isdigit() and second.isdigit()) or int(first) >= int(second):
        return False
    years = first[:2] in ("19", "20") and second[:2] in ("19", "20")
    return len(second) <= len(first) + 1 and (len(second) <= 3 or (len(second) == 4 and years))


def _is_code(text: str, start: int, end: int, *, subject: bool) -> bool:
    """Whether a code without a name may be a reference, by its shape and the words before it."""
    value = text[start:end]
    short = words.SHORT_CODE.search(value)
    digits = sum(map(str.isdigit, value))
    if words.SHORT_NAMED.search(value):
        return not words.NO_CODE.search(value) and not start
    if digits < (2 if short and value.isalnum() else 1 if short else 3) or len(value) < 5:
        return False
    if not _is_reference(value) or _is_range(value):
        return False
    if any(shape.search(value) for shape in _NO_CODES):
        return False
    if words.POSTAL.search(value) and words.TOWN.search(text[end : end + 3]):
        return False
    near = text[max(0, start - BEFORE) : start]
    own = value[:2].isalpha() and value[:2].isupper()
    if value[0].isalpha() and (words.SENTENCE.search(near) or (own and subject)):
        return True  # what the sentence before speaks of is not this
    if value[0].isdigit() and near[-2:-1].isdigit():
        return False  # the end of a phone number
    return not _is_other(value, near, first=start == 0)


def _is_other(value: str, near: str, *, first: bool) -> bool:
    """Whether the words before a code say that it is a phone number, a meter and so on."""
    if words.LOCAL_PHONE.search(value) and not first and not words.REFERRED.search(near):
        return True
    return bool(words.OTHER_THINGS.search(near) or (value.isdigit() and words.WHOSE.search(near)))
