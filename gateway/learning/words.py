"""Text to words: the one tokenisation, shared by training and serving.

Made for speed on ordinary letters: ASCII is cut by one `bytes.translate` and one `split`; a word
is looked at closely only when it is new (see `vocabulary.py`). Linear in the text whatever it is.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_KEPT = b"'$%"
_TO_SPACE = bytes(
    byte if byte > 127 or chr(byte).isalnum() or byte in _KEPT else 32 for byte in range(256)
)
_CUT = bytes.maketrans(
    bytes(range(65, 91)),
    bytes(range(97, 123)),
)
_TABLE = bytes(_TO_SPACE[_CUT[byte]] for byte in range(256))
"""Lower-cases ASCII letters and turns ASCII punctuation into spaces; other octets stay."""

_ASCII = bytes(range(128))
_LINK = re.compile(r"(?:https?://|www\.)[^\s<>\"]+")
_DOMAIN = re.compile(r"@[\w.-]{1,255}")
_LOCAL = re.compile(r"[\w.+-]{1,64}\Z")
_QUOTES = "’‘`´ʼ＇"
_INVISIBLE = frozenset(
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u3164\ufeff\uffa0"
    + "".join(
        map(
            chr,
            [*range(0x180B, 0x180F), *range(0x200B, 0x2010), *range(0x202A, 0x202F)],
        )
    )
    + "".join(map(chr, [*range(0x2060, 0x2070), *range(0xFE00, 0xFE10)]))
)
"""What no reader sees and spammers put inside words."""
_DIGITS = bytes.maketrans(b"123456789", b"000000000")

LONGEST_WORD = 24
"""Octets of a word that count; the rest of an endless one is noise."""


def split(text: str) -> list[bytes]:
    """The words of a text in order: lower case, without links and addresses, UTF-8."""
    if "://" in text or "www." in text:
        text = _LINK.sub(" ", text)
    if "@" in text:
        text = _without_addresses(text)
    if text.isascii():
        return text.encode().translate(_TABLE).split()
    return _plain(text).encode("utf-8", "replace").translate(_TABLE).split()


def _without_addresses(text: str) -> str:
    """From the @ to both sides: a pattern that begins with the local part costs 40 us/KB more."""
    pieces, end = [], 0
    for domain in _DOMAIN.finditer(text):
        local = _LOCAL.search(text, max(end, domain.start() - 64), domain.start())
        if local is not None:
            pieces.append(text[end : local.start()])
            end = domain.end()
    return " ".join((*pieces, text[end:]))


def _plain(text: str) -> str:
    """Drop what is invisible, unfold look-alike forms (NFKC), set symbols and emoji apart, and
    lower capitals, if there are others than those of ASCII, which `_TABLE` lowers."""
    foreign = beyond_ascii(text)
    if not unicodedata.is_normalized("NFKC", "".join(foreign)):
        text = unicodedata.normalize("NFKC", text)
        foreign = beyond_ascii(text)
    if any(character != character.lower() for character in foreign):
        text = text.lower()
        foreign = beyond_ascii(text)
    changes: dict[str, str | int | None] = {
        character: _instead(character) for character in foreign if not character.isalpha()
    }
    if len(changes) > _FEW:
        return text.translate(str.maketrans(changes))
    for character, new in changes.items():
        text = text.replace(character, str(new))
    return text


_FEW = 24
"""So many single replacements cost less than one `str.translate`."""


def beyond_ascii(text: str) -> set[str]:
    """The different characters of a text that are not ASCII."""
    if text.isascii():
        return set()
    octets = text.encode("utf-8", "replace").translate(None, _ASCII)
    return set(octets.decode("utf-8", "replace"))


@lru_cache(maxsize=4096)
def _instead(character: str) -> str:
    if character in _INVISIBLE:
        return ""
    if character in _QUOTES:
        return "'"
    if unicodedata.category(character) in ("Mn", "Mc", "Nd", "Nl", "No"):
        return character
    return (
        " "
        if character.isspace() or unicodedata.category(character)[0] == "P"
        else (f" {character} ")
    )


def normal(word: bytes) -> bytes:
    """The form of a word that is hashed: quotes stripped, digits masked, bounded length."""
    word = word.strip(b"'")
    if not word.isalpha():
        word = word.translate(_DIGITS)
        if word.isdigit() and len(word) > 4:
            word = b"00000"
    return word[:LONGEST_WORD]
