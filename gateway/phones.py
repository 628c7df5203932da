"""The number at which the writer of a letter can be reached.

A cheap pattern finds runs of digits, the words around each say what it is, and only what may be a
phone number is given to the phonenumbers library. What is labelled as an order, a card, a meter, a
tax or customer number, is part of a date or an amount, or belongs to somebody else, is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway import phone_words

if TYPE_CHECKING:
    from phonenumbers import PhoneNumber

CANDIDATES_MAX = 60
"""Runs of digits looked at in one letter."""
FEW_DIGITS, MANY_DIGITS = 7, 15
"""ITU-T E.164 allows fifteen; fewer than seven is a short code."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a letter, and how much a number in it says about its writer."""

    text: str
    weight: int
    """50 for new words, 30 for a signature, 0 for quoted words (which need more)."""


@dataclass(frozen=True, slots=True)
class Phone:
    number: str
    """E.164."""
    extension: str
    score: int


_RUN = re.compile(
    r"(?<![\w@=&#+,])(?<![\w]-)\+?\(?\+?\d(?:[ \xa0\u2009\u202f.\-\u2010-\u2013/()]{0,3}\d){6,17}"
)
_EXTENSION = re.compile(
    r"[ ,;(]{0,3}(?:ext(?:ension|n)?|x|durchwahl|dw|nst|poste|interno|int|anexo|ramal|toestel|tst)"
    r"[.: #]{0,3}(\d{1,6})(?!\d)",
    re.IGNORECASE,
)
_DATE = re.compile(
    r"(?:0?[1-9]|[12]\d|3[01])[./-](?:0?[1-9]|1[0-2])[./-](?:19|20)?\d\d(?!\d)"
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

_MOBILE = re.compile(
    r"\b(?:mobil|mob\b|cell|handy|portable|m[óo]vil|telem[óo]vel|gsm|m[:.])", re.IGNORECASE
)
_NEGATED = re.compile(
    r"\b(?:not|don['’]t|never|nicht|kein\w{0,2}|ne|pas|jamais|nunca|non|não|niet|geen)\b.{0,40}$",
    re.IGNORECASE,
)
_OURS = re.compile(
    r"\b(?:us|our|uns|unser\w*|nous|notre|nos|nosotros|nuestr[oa]|noi|nostr[oa]|ci|noss[oa]|nós"
    r"|ons|onze)\b",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"[.!?;][ ]|\n[ \t]*\n")

BEFORE, AFTER = 90, 40
"""Letters looked at on either side of a number."""

_REGIONS = {
    "en": ("US", "GB", "CA", "AU", "IE", "NZ", "ZA", "IN"),
    "de": ("DE", "AT", "CH"),
    "fr": ("FR", "BE", "CH", "CA", "LU"),
    "es": ("ES", "MX", "AR", "CO", "CL", "PE", "US"),
    "it": ("IT", "CH"),
    "pt": ("PT", "BR"),
    "nl": ("NL", "BE"),
}
_COUNTRY_DOMAINS = frozenset(
    (
        *("de", "at", "ch", "fr", "be", "lu", "es", "mx", "ar", "cl", "pe", "it", "pt", "br", "nl"),
        *("uk", "ie", "au", "nz", "za", "in", "ca", "us", "pl", "se", "no", "dk", "fi", "cz", "gr"),
    )
)


def regions(site: str, language: str, domain: str) -> tuple[str, ...]:
    """The countries whose numbers a letter may give, likeliest first.

    The author's country domain comes first; the site's region next, unless it speaks another
    language than the letter; then the countries of the letter's language.
    """
    order: list[str] = []
    ending = domain.rpartition(".")[2]
    if ending in _COUNTRY_DOMAINS:
        order.append("GB" if ending == "uk" else ending.upper())
    spoken = _REGIONS.get(language, ())
    order += [site, *spoken] if site in spoken or not spoken else [*spoken, site]
    return tuple(dict.fromkeys(order))


def find(passages: Sequence[Passage], order: Sequence[str]) -> tuple[Phone, ...]:
    """The writer's phone numbers, the best first: each number once."""
    best: dict[str, Phone] = {}
    looked = 0
    for passage in passages:
        if passage.weight < 0 or not _has_digits(passage.text):
            continue
        for match in _RUN.finditer(passage.text):
            looked += 1
            if looked > CANDIDATES_MAX:
                break
            for phone in _read(passage, match, order):
                known = best.get(phone.number)
                if known is None or phone.score > known.score:
                    best[phone.number] = phone
    return tuple(sorted(best.values(), key=lambda phone: -phone.score))


def _has_digits(text: str) -> bool:
    return any(map(text.__contains__, "0123456789"))


def _read(passage: Passage, match: re.Match[str], order: Sequence[str]) -> Iterator[Phone]:
    text = passage.text
    run = match[0]
    before = text[max(0, match.start() - BEFORE) : match.start()]
    after = text[match.end() : match.end() + AFTER]
    score = _score(passage, run, before, after)
    if score is None:
        return
    parts = _SEVERAL.split(run) if _digits(run) > MANY_DIGITS else [run]
    for part in parts:
        number = _number(part, order, certain=score >= passage.weight + 10)
        if number is None and len(parts) == 1:
            for piece in _SEVERAL.split(run):
                number = _number(piece, order, certain=score >= passage.weight + 10)
                if number is not None:
                    break
        if number is not None:
            extension = _EXTENSION.match(after)
            yield Phone(_e164(number), extension[1] if extension else "", score)


_SEVERAL = re.compile(r"[ ]*/[ ]+|[ ]{2,}|[ ][-–][ ]")


def _digits(run: str) -> int:
    return sum(map(str.isdigit, run))


def _score(passage: Passage, run: str, before: str, after: str) -> int | None:
    """How surely this run of digits is the writer's phone number; None if it is none."""
    if after[:1].isalnum() and not _EXTENSION.match(after):
        return None
    if _looks_like_something_else(run, before, after):
        return None
    near = before[_last_end(before) :]
    meaning = phone_words.meaning(near)
    if meaning in ("other", "fax", "nothis") or phone_words.is_named_afterwards(after):
        return None
    score = passage.weight
    if meaning == "wish":
        score += 40
    elif meaning == "label":
        score += 15
    elif not _stands_alone(run, before, after, passage):
        return None
    if passage.weight == 0 and (meaning != "wish" or _OURS.search(near)):
        return None  # in a quote most numbers are the company's own
    if _MOBILE.search(before[-25:] + "\n" + after[:12]):
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
    if digits >= 13 and not run.lstrip("(").startswith(("+", "00")) and not _SEVERAL.search(run):
        return True
    if _DATE.match(run) or _ADDRESS.fullmatch(run) or _YEARS.fullmatch(run):
        return True
    return bool(_AMOUNT_BEFORE.search(before[-12:]) or _AMOUNT_AFTER.match(after))


def _stands_alone(run: str, before: str, after: str, passage: Passage) -> bool:
    """Whether a number without a label is written as phone numbers are."""
    if run.lstrip("(").startswith(("+", "00")):
        return True
    line_before = before.rpartition("\n")[2].strip(" \t-•*|,")
    line_after = after.partition("\n")[0].strip(" \t-•*|,.")
    alone = not line_before and not line_after
    grouped = len(re.findall(r"\d+", run)) >= 2
    if passage.weight <= 30:
        return grouped or alone
    return grouped or (alone and run.startswith("0"))


def _number(run: str, order: Sequence[str], *, certain: bool) -> PhoneNumber | None:
    """The number in the first country where it is valid; where words name it, where possible."""
    import phonenumbers  # half a second to import: only for letters with numbers

    possible: PhoneNumber | None = None
    run = run.replace("(0)", "") if run.lstrip("(").startswith(("+", "00")) else run
    if run.startswith("00"):
        run = "+" + run[2:].lstrip()
    for region in order:
        try:
            number = phonenumbers.parse(run, region)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_valid_number(number):
            return None if _is_service(number) else number
        if possible is None and phonenumbers.is_possible_number(number):
            reason = phonenumbers.is_possible_number_with_reason(number)
            if reason == phonenumbers.ValidationResult.IS_POSSIBLE:
                possible = number
        if run.startswith("+"):
            break
    international = run.startswith("+")
    return possible if certain or international else None


def _is_service(number: PhoneNumber) -> bool:
    """Free and premium numbers belong to companies, not to their customers."""
    import phonenumbers

    kind = phonenumbers.number_type(number)
    service = (
        phonenumbers.PhoneNumberType.TOLL_FREE,
        phonenumbers.PhoneNumberType.PREMIUM_RATE,
        phonenumbers.PhoneNumberType.SHARED_COST,
        phonenumbers.PhoneNumberType.UAN,
    )
    return kind in service


def _e164(number: PhoneNumber) -> str:
    import phonenumbers

    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
