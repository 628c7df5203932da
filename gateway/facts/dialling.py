"""Digits as written to a number that can be dialled from anywhere (ITU-T E.164).

The only module that knows the phonenumbers library, which is imported with the first letter that
gives a number: it takes about a tenth of a second.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from phonenumbers import PhoneNumber

_REGIONS = {
    "en": (
        "US",
        "GB",
        "CA",
        "AU",
        "IE",
        "NZ",
        "ZA",
        "IN",
        "NG",
        "KE",
        "SG",
        "MY",
        "PH",
        "PK",
        "GH",
        "UG",
        "TZ",
        "BD",
        "LK",
        "AE",
        "IL",
        "KR",
        "BR",
    ),
    "de": ("DE", "AT", "CH"),
    "fr": ("FR", "BE", "CH", "CA", "LU", "SN", "MA", "CI", "TN", "DZ", "CM"),
    "es": (
        *("ES", "MX", "AR", "CO", "CL", "PE", "US", "VE", "EC", "UY", "BO", "PY"),
        *("GT", "CR", "SV", "HN", "NI", "PA", "DO"),
    ),
    "it": ("IT", "CH"),
    "pt": ("PT", "BR", "MZ", "AO", "CV"),
    "nl": ("NL", "BE", "SR"),
}
_COUNTRY_DOMAINS = {
    *("de", "at", "ch", "fr", "be", "lu", "es", "mx", "ar", "cl", "pe", "it", "pt", "br", "nl"),
    *("uk", "ie", "au", "nz", "za", "in", "ca", "us", "pl", "se", "no", "dk", "fi", "cz", "gr"),
}
NORTH_AMERICA = 1
FEW_DIGITS = 8
"""A shorter number is believed only where the library knows it to be valid."""

_FIRST_GROUP = re.compile(r"\(?(\d{2,6})\D")
_TRUSTED = frozenset(("GB", "DE", "FR", "ES", "IT", "PT", "NL"))
"""The country of each language whose guess nothing casts doubt on: `020` begins numbers of London
and of Pune, `06` those of Paris and of Rabat, and most such letters come from the former."""
_SELDOM = frozenset(("SG", "MY", "PH", "PK", "GH", "UG", "TZ", "BD", "LK", "AE", "IL", "KR", "BR"))
"""Countries that write too few English letters to cast doubt on another one."""

LONG_DIGITS = 11
"""A number with its country's code has more digits than most without."""


def regions(site: str, language: str, domain: str) -> tuple[str, ...]:
    """The countries whose numbers a letter may give, likeliest first.

    The author's country domain comes first; the site's region next, unless the letter is in a
    language not spoken there (English is written everywhere); then the countries of that language.
    """
    order: list[str] = []
    ending = domain.rpartition(".")[2]
    if ending in _COUNTRY_DOMAINS:
        order.append("GB" if ending == "uk" else ending.upper())
    spoken = _REGIONS.get(language, ())
    at_home = site in spoken or language == "en" or not spoken
    order += [site, *spoken] if at_home else [*spoken, site]
    return tuple(dict.fromkeys(order))


def countries(language: str) -> tuple[str, ...]:
    """The countries looked in for a language, the likeliest first."""
    return _REGIONS.get(language, ())


def read(run: str, order: Sequence[str], *, named: bool) -> str | None:
    """The E.164 form of a number in the first country where it is valid.

    A number that words name as one (`named`), or that is written with its country code, need only
    be possible: numbering plans change faster than the library. Free and premium numbers are none:
    they belong to companies. A national number with its trunk prefix 0 is often valid in several
    countries; where it is not at home, how it is grouped decides, and without that nothing does.
    """
    import phonenumbers

    international, run = _international(run)
    trunk = not international and run.lstrip("(").startswith("0")
    possible: PhoneNumber | None = None
    for region in order[:1] if international else order:
        try:
            number = phonenumbers.parse(run, region)
        except phonenumbers.NumberParseException:
            continue
        at_home = international or region == order[0]
        if not at_home and len(str(number.national_number)) < FEW_DIGITS:
            continue
        kind = phonenumbers.number_type(number)
        if _is_service(kind):
            if at_home:
                return None
        elif kind != phonenumbers.PhoneNumberType.UNKNOWN or _is_for_fiction(number):
            if at_home or not trunk or region in _TRUSTED:
                return _e164(number)  # a valid number has a type
            return _likeliest(run, order[order.index(region) :])
        elif possible is None and _is_possible(number):
            possible = number
    if possible and (named or international):
        return _e164(possible)
    return None if international else _with_bare_country_code(run, order)


def _likeliest(run: str, guessed: Sequence[str]) -> str | None:
    """Of the guessed countries where a number with a trunk prefix is valid, the one whose area
    code stands apart in it; None where it does so in several likely ones, or in none."""
    import phonenumbers

    first = _FIRST_GROUP.match(run)
    likeliest: PhoneNumber | None = None
    for region in guessed:
        if likeliest and region in _SELDOM:
            continue
        try:
            number = phonenumbers.parse(run, region)
        except phonenumbers.NumberParseException:
            continue
        if (first and not _has_area_code(number, first[1])) or not _is_somebodys(number):
            continue
        if likeliest:
            return None
        likeliest = number
    return _e164(likeliest) if likeliest else None


def _is_somebodys(number: PhoneNumber) -> bool:
    import phonenumbers

    kind = phonenumbers.number_type(number)
    return kind != phonenumbers.PhoneNumberType.UNKNOWN and not _is_service(kind)


def _has_area_code(number: PhoneNumber, group: str) -> bool:
    import phonenumbers

    area = phonenumbers.length_of_national_destination_code(number)
    return area > 0 and len(group) == 1 + area


def _with_bare_country_code(run: str, order: Sequence[str]) -> str | None:
    """`353 85 555 0117`, which lacks its plus: only if it is valid in one of the countries."""
    import phonenumbers

    digits = "".join(filter(str.isdigit, run))
    if len(digits) < LONG_DIGITS or digits[0] == "0":
        return None
    try:
        number = phonenumbers.parse("+" + digits, None)
    except phonenumbers.NumberParseException:
        return None
    if not run.startswith(f"{number.country_code} "):
        return None  # whoever knows the code writes it apart
    valid = phonenumbers.region_code_for_number(number) in order  # none for one that is not valid
    return _e164(number) if valid and not _is_service(phonenumbers.number_type(number)) else None


@lru_cache(maxsize=1024)
def spelled(numbers: tuple[str, ...], region: str) -> frozenset[str]:
    """The E.164 forms of a site's own numbers; empty ones and words are left out."""
    found = (read(number, (region,), named=True) for number in numbers if number)
    return frozenset(number for number in found if number)


def _international(run: str) -> tuple[bool, str]:
    """`0044 (0)20 …` and `+44 (0)20 …` as `+44 20 …`."""
    bare = run.lstrip("(")
    if bare.startswith("00") and not bare.startswith("000"):
        bare = "+" + bare[2:]
    if not bare.startswith("+"):
        return False, run
    return True, bare.replace("(0)", "")


_FICTION = {44: ("7700900", "1632960"), 33: ("63998",), 49: ("17139200",)}
"""By country code, prefixes kept for films and examples, which the library takes for invalid."""


def _is_for_fiction(number: PhoneNumber) -> bool:
    prefixes = _FICTION.get(number.country_code or 0, ())
    return str(number.national_number).startswith(prefixes) if prefixes else False


def _is_possible(number: PhoneNumber) -> bool:
    import phonenumbers

    reason = phonenumbers.is_possible_number_with_reason(number)
    if reason != phonenumbers.ValidationResult.IS_POSSIBLE:
        return False
    national = str(number.national_number)
    if number.country_code == NORTH_AMERICA:
        return len(national) == 10 and national[0] not in "01"
    return len(national) >= FEW_DIGITS


def _is_service(kind: int) -> bool:
    import phonenumbers

    kinds = phonenumbers.PhoneNumberType
    return kind in (kinds.TOLL_FREE, kinds.PREMIUM_RATE, kinds.SHARED_COST, kinds.UAN)


def _e164(number: PhoneNumber) -> str:
    import phonenumbers

    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
