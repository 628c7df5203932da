"""A customer's name as it may stand in a greeting: plain letters, or nothing. Pure.

A display name is written by whoever sends the mail. It is repeated only when the sender is
proven, and only if it can be nothing but a name: no link, no number, no sentence.
"""

from __future__ import annotations

import re
import unicodedata

NAME_MAX = 50
WORDS_MAX = 5
WORD_MAX = 25

# Letters of any alphabet, joined by a hyphen or apostrophe; a full stop may end an initial.
_WORD = re.compile(r"[^\W\d_]+(?:['’\-][^\W\d_]+)*\.?")
_BESIDE = " .'’-"
_NO_NAMES = frozenset(
    """
    admin administrator info contact support service kundenservice kundendienst sales office team
    customer client kunde order orders shop store mail email webmaster help helpdesk account
    accounting billing security paypal amazon google apple microsoft bank postmaster noreply www
    http https com net org undisclosed recipients unknown null none undefined user guest anonymous
    click here free urgent win winner
    """.split()  # noqa: SIM905 - a list of words reads better as words
)


def plain_name(display_name: str) -> str:
    """The name to greet by; empty when it is not plainly a name."""
    name = " ".join(unicodedata.normalize("NFC", display_name[: 4 * NAME_MAX]).split())
    name = name.strip("\"'“”„«» ")
    if name.count(",") == 1:  # 'Smith, Kim' as address books sort it
        last, first = (part.strip() for part in name.split(","))
        name = f"{first} {last}"
    words = name.split()
    if not words or len(name) > NAME_MAX or len(words) > WORDS_MAX:
        return ""
    if not all(len(word) <= WORD_MAX and _WORD.fullmatch(word) for word in words):
        return ""
    if not all(letter.isalpha() or letter in _BESIDE for letter in name):  # x² is one word to \w
        return ""
    if any(word.strip(".").casefold() in _NO_NAMES for word in words) or len(name) < 2:
        return ""
    return name if len({_script(letter) for letter in name if letter.isalpha()}) == 1 else ""


def _script(letter: str) -> str:
    """The alphabet a letter is of, roughly: letters of two alphabets in one name are a trick."""
    word = unicodedata.name(letter, "?").partition(" ")[0]
    return "HAN" if word in ("CJK", "HIRAGANA", "KATAKANA") else word
