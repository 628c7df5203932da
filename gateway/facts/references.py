"""Order, ticket, case, booking, contract and invoice numbers in a letter.

A site's own patterns (RE2, with a group `order`) come first, then numbers behind the word for what
they are, then codes that look like what shops number with. Customer, member, meter, card, tracking
and tax numbers are none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from gateway.facts import no_codes
from gateway.facts import reference_shapes as shapes
from gateway.facts import reference_words as words

FOUND_MAX = 10
LOOKED_MAX = 100
"""References looked at in one text, the same one again and again included."""
RUNS_MAX = 200
"""Runs of letters and digits looked at in one text."""
RUN_MAX = 60
"""Letters of one run; no code is longer."""
FURTHER_MAX, LIST_MAX = 8, 300
"""References listed behind one, and letters in which they are looked for."""
BEFORE, BEHIND = 40, 24
"""Letters looked at before a code and behind it."""


_SHORT = (shapes.SHORT_CODE, shapes.SHORT_NAMED, shapes.MIXED)
_NO_CODES = (no_codes.NO_CODE, no_codes.NO_SERIES, no_codes.STATE)


def find(
    subject: str, own: str = "", quoted: str = "", patterns: Sequence[Any] = ()
) -> tuple[str, ...]:
    """References in the order they stand, each once: of the site's patterns first.

    `patterns` are compiled by RE2, with a group named `order`. The history is read only if the
    customer's own words and his subject give none.
    """
    found = dict.fromkeys(
        (*_by(patterns, f"{subject}\n{own}"), *_in(subject, subject=True), *_in(own))
    )
    if not found:
        found = dict.fromkeys((*_by(patterns, quoted), *_in(quoted, codes=False)))
    if quoted and not found:
        found = dict.fromkeys((*_quoted_subjects(quoted), *_quoted_codes(quoted)))
    return tuple(found)[:FOUND_MAX]


def _by(patterns: Sequence[Any], text: str) -> Iterator[str]:
    for pattern in patterns:
        for match in islice(pattern.finditer(text), LOOKED_MAX):
            value = match.groupdict().get("order")
            if value and value.strip():
                yield value.strip()[:60]


def _in(text: str, *, codes: bool = True, subject: bool = False) -> list[str]:
    """The references in one text, by position; what is found by name is not found again."""
    found: dict[int, list[str]] = {}
    taken: list[tuple[int, int]] = []
    numbers = shapes.DIGIT.search(text) is not None
    for pattern in words.NAMED if numbers else (words.BOOKED,):
        signed = pattern is words.SIGNED
        for match in islice(pattern.finditer(text), LOOKED_MAX):
            start, end = match.span(match.lastindex)
            value = text[start:end]
            behind = text[end : end + BEHIND]
            if _overlaps(start, end, taken) or not _may_be_named(value, behind):
                continue
            if signed and words.OTHER_THINGS.search(text[max(0, match.start() - BEFORE) : start]):
                continue
            found[start], length = _listed(value, text[end : end + LIST_MAX])
            if not found[start] and shapes.YEAR.fullmatch(value) and text[start - 1] == "#":
                found[start] = [value]
            taken.append((start, end + length))
    if codes and numbers:
        for match in islice(shapes.RUN.finditer(text), RUNS_MAX):
            start, end = match.span()
            if end - start > (3 if subject else 4):
                for place in _codes_in(text, start, end, taken, subject=subject):
                    found[place[0]] = [text[slice(*place)]]
    return [value for start in sorted(found) for value in found[start]]


def _quoted_subjects(text: str) -> Iterator[str]:
    """Numbers in brackets in the subjects of the history, as a help desk writes them there."""
    for line in islice(shapes.SUBJECT_LINE.finditer(text), LOOKED_MAX):
        for match in shapes.TAG.finditer(line[0]):
            if _is_reference(match[1]):
                yield match[1]


def _quoted_codes(text: str) -> Iterator[str]:
    """Codes in a quoted letter: what stands in our own signature has other forms."""
    for match in islice(shapes.QUOTED.finditer(text), LOOKED_MAX):
        value = match[0].strip(" \n\t()[]#,.;:?!")
        near = text[max(0, match.start() + 1 - BEFORE) : match.start() + 1]
        if _is_distinct(value, near, "") and not _is_other(value, near, "", first=False):
            yield value


def _overlaps(start: int, end: int, taken: Sequence[tuple[int, int]]) -> bool:
    return any(start < one_end and end > one_start for one_start, one_end in taken)


def _may_be_named(value: str, behind: str) -> bool:
    """An amount, `1 204 euros` or `1.140 euros`, is no reference; nor is a short one, `2 300 ml`,
    nor are the first groups of a phone number, `06 61 55 01`."""
    if " " not in value:
        return not (shapes.THOUSANDS.fullmatch(value) and shapes.AMOUNT_BEHIND.match(behind))
    if behind[:1] in (" ", "\xa0") and behind[1:2].isdigit():
        return False
    digits = len(value) - value.count(" ")
    if digits < 6 and not (digits == 5 and len(value) == 6 and value[2] == " "):
        return False
    if value.endswith("00") or shapes.DATE.fullmatch(value):
        return False
    return not shapes.AMOUNT_BEHIND.match(behind)


def _listed(first: str, behind: str) -> tuple[list[str], int]:
    """A reference and those listed behind it, and how much of `behind` the list takes up."""
    values, length, alike = [first], 0, True
    for _ in range(FURTHER_MAX):
        match = words.FURTHER.match(behind[length:])
        if match is None:
            break
        length += match.end()
        alike = alike and _alike(first, match[1])
        if alike:
            values.append(match[1])
    return [
        value for value in (one.rstrip("-/_.") for one in values) if _is_reference(value)
    ], length


def _alike(first: str, further: str) -> bool:
    """`SHP-201-4487 and 4488` are, `10423 and A4` are not."""
    last = first.rpartition("-")[2]
    return further.isdigit() == first.isdigit() or (
        further.isdigit() and last.isdigit() and len(further) == len(last)
    )


def _is_reference(value: str) -> bool:
    """A date, a year, a time or an amount behind `order` is no reference."""
    if any(form.fullmatch(value) for form in _SHORT):
        return not no_codes.STANDARD.fullmatch(value)
    digits = sum(map(str.isdigit, value))
    if digits < 3 or (digits < 4 and value.isdigit()):
        return False
    if value.isdigit() and len(value) == 4 and value[:2] in ("19", "20"):
        return False
    return not shapes.DATE.fullmatch(value)


def _codes_in(
    text: str, start: int, end: int, taken: Sequence[tuple[int, int]], *, subject: bool
) -> Iterator[tuple[int, int]]:
    """The codes in one run, from the left: the whole, else two words of it together, else one."""
    if " " not in text[start:end] and "\xa0" not in text[start:end]:
        if (
            end - start <= RUN_MAX
            and not _overlaps(start, end, taken)
            and _is_code(text, start, end, subject=subject)
        ):
            yield start, end
        return
    places = list(_words(text, start, min(end, start + RUN_MAX)))
    first = 0
    while first < len(places):
        for last in (len(places) - 1, first + 1, first):
            if last < first or last >= len(places):
                continue
            place = places[first][0], places[last][1]
            if last > first and no_codes.NO_CODE.fullmatch(text[slice(*place)]):
                first = last  # nor is a part of it
                break
            if not _overlaps(*place, taken) and _is_code(text, *place, subject=subject):
                yield place
                first = last
                break
        first += 1


def _words(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    position = start
    for word in text[start:end].replace("\xa0", " ").split(" "):
        yield position, position + len(word)
        position += len(word) + 1


def _is_code(text: str, start: int, end: int, *, subject: bool) -> bool:
    """Whether a code without a name may be a reference: by its shape, its place and the words
    around it."""
    if not (
        _free(text[start - 1 : start], shapes.LEFT) and _free(text[end : end + 1], shapes.RIGHT)
    ):
        return False
    value = text[start:end]
    near = text[max(0, start - BEFORE) : start]
    behind = text[end : end + BEHIND]
    if not _has_shape(value, near, behind, subject=subject) or not _is_distinct(
        value, near, behind
    ):
        return False
    if value[0].isalpha() and (
        shapes.SENTENCE.search(near) or (subject and value[:2].isalpha() and value[:2].isupper())
    ):
        return True  # what the sentence before speaks of is not this
    if _is_part_of_a_number(value, near, behind):
        return False
    return not _is_other(value, near, behind, first=start == 0)


def _free(sign: str, signs: frozenset[str]) -> bool:
    return not sign or sign in signs


def _has_shape(value: str, near: str, behind: str, *, subject: bool) -> bool:
    """Whether something of this shape may be a reference in this place."""
    if value.isdigit():
        return _digits_stand_for_one(value, near, behind, subject=subject)
    if " " in value:
        return _is_spaced_code(value, near, behind)
    if shapes.SHORT_NAMED.fullmatch(value):
        return not near if subject else _is_on_its_own(near, behind)
    if len(value) < 5:
        return False
    if shapes.STRONG.fullmatch(value) or shapes.BOOKING.fullmatch(value):
        return True
    if subject and shapes.SUBJECT.fullmatch(value):
        return True
    if shapes.PARTS.fullmatch(value) and _is_in_place(near):
        return bool(shapes.CLOSED.match(behind)) or not behind[1:2].isdigit()
    if shapes.CALLED.fullmatch(value) and shapes.CALLED_ONE.search(near):
        return True
    if _is_asked_of(value, near):
        return True
    if shapes.TITLED.fullmatch(value):
        return _is_on_its_own(near, behind)
    if shapes.TAIL.fullmatch(value) and shapes.CLAUSE.search(near):
        return bool(shapes.ENDS.match(behind))
    return bool(shapes.LOOSE.fullmatch(value) and words.NAMES_IT.search(near))


def _is_asked_of(value: str, near: str) -> bool:
    """`I canceled 9917-2204`, `the items in 8081-5523`, `the confirmation for HJK8821`."""
    if shapes.PAIR.fullmatch(value):
        return bool(shapes.ASKED_OF.search(near) or shapes.ITEMS_OF.search(near))
    return bool(shapes.SERIES.fullmatch(value) and shapes.BOOKING_FOR.search(near))


def _is_in_place(near: str) -> bool:
    """Where a code of any shape stands: alone, in brackets, behind `under` or `for`."""
    return bool(
        shapes.START.search(near) or shapes.BRACKET.search(near) or shapes.REFERS.search(near)
    )


def _is_on_its_own(near: str, behind: str) -> bool:
    return bool(shapes.START.search(near) and shapes.CLOSED.match(behind))


def _is_spaced_code(value: str, near: str, behind: str) -> bool:
    if shapes.SPACED.fullmatch(value):
        return not shapes.AMONG_CAPITALS.search(near)
    if shapes.GROUPS.fullmatch(value):
        return bool(
            shapes.START.search(near)
            and (shapes.ENDS.match(behind) or shapes.GOES_ON.match(behind))
            and not value.endswith("00")
        )
    if shapes.LETTER_ASIDE.fullmatch(value) and shapes.BRACKET.search(near):
        return bool(shapes.ENDS.match(behind))
    if shapes.PARTS.fullmatch(value) and _is_in_place(near):
        return bool(shapes.CLOSED.match(behind)) and not shapes.AMONG_CAPITALS.search(near)
    return bool(
        shapes.LOOSE.fullmatch(value)
        and (words.NAMES_IT.search(near) or _is_on_its_own(near, behind))
    )


def _digits_stand_for_one(value: str, near: str, behind: str, *, subject: bool) -> bool:
    """Bare digits: in a subject, a sentence or line of their own, behind `under` or `number`."""
    if subject:
        return len(value) > 3
    if shapes.CALLED.fullmatch(value) and shapes.CALLED_ONE.search(near):
        return True
    if not shapes.DIGITS.fullmatch(value):
        return False
    if shapes.START.search(near):
        return bool(shapes.ENDS.match(behind) or shapes.GOES_ON.match(behind))
    if shapes.BRACKET.search(near):
        return bool(shapes.ENDS.match(behind))
    if len(value) > 5 and shapes.ASKED_OF.search(near):
        return True
    if shapes.ABOUT.search(near):
        return bool(shapes.CLOSED.match(behind))
    return len(value) > 6 and bool(shapes.REFERS_CLOSELY.search(near))


def _is_distinct(value: str, near: str, behind: str) -> bool:
    """Whether a code is no date, range, amount, postal code and nothing else that has a form."""
    if any(form.fullmatch(value) for form in _NO_CODES):
        return False
    if " " in value:
        return not shapes.DATE.fullmatch(value.rpartition(" ")[2])
    if _is_range(value) and not shapes.CALLED_ONE.search(near):
        return False
    if not _is_reference(value):
        return False
    if value.isdigit() and shapes.AMOUNT_BEHIND.match(behind):
        return False
    town = value.isdigit() or shapes.POSTAL.fullmatch(value)
    return not (town and near and shapes.TOWN.match(behind))


def _is_range(value: str) -> bool:
    """`45-60` minutes, `2025/2026`; a second number that is smaller makes it none."""
    match = shapes.RANGE.fullmatch(value)
    if not match or int(match[1]) >= int(match[2]):
        return False
    first, second = match[1], match[2]
    years = first[:2] in ("19", "20") and second[:2] in ("19", "20")
    return len(second) <= len(first) + 1 and (len(second) <= 3 or (len(second) == 4 and years))


def _is_part_of_a_number(value: str, near: str, behind: str) -> bool:
    """Whether more digits of a phone number stand beside these."""
    if value[0].isdigit() and near[-2:-1].isdigit():
        return True
    digits = not any(map(str.isalpha, value))
    return digits and behind[:1] == " " and behind[1:2].isdigit()


def _is_other(value: str, near: str, behind: str, *, first: bool) -> bool:
    """Whether the words before a code say that it is a phone number, a meter and so on."""
    if shapes.LOCAL_PHONE.fullmatch(value) and not (
        first
        or shapes.REFERS_CLOSELY.search(near)
        or (shapes.BRACKET.search(near) and not shapes.CALLS.search(near) and value[:3] != "555")
        or (shapes.START.search(near) and shapes.IS_ONE.match(behind))
    ):
        return True
    if shapes.PHONE_GROUPS.fullmatch(value) and shapes.CALLS.search(near):
        return True
    if " " in value and value[0].isalpha():
        near += value.partition(" ")[0] + " "  # `patient ID 5520-1`
    return bool(
        words.OTHER_THINGS.search(near)
        or words.OTHER_AFAR.search(near)
        or (value.isdigit() and shapes.WHOSE.search(near))
    )
