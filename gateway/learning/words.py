"""Text to words: the one tokenisation, shared by training and serving.

Made for speed on ordinary letters: ASCII is cut by one `bytes.translate` and one `split`; a word
is looked at closely only when it is new (see `vocabulary.py`). Linear in the text whatever it is.
"""

from __future__ import annotations

import re
import unicodedata

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
_LINK = re.compile(r"(?:https?://|www\.)[^\s<>\"]+|[\w.+-]{1,64}@[\w.-]{1,255}")
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
    if "@" in text or "://" in text or "www." in text:
        text = _LINK.sub(" ", text)
    if text.isascii():
        return text.encode().translate(_TABLE).split()
    return _plain(text).lower().encode("utf-8", "replace").translate(_TABLE).split()


def _plain(text: str) -> str:
    """Drop what is invisible, unfold look-alike forms (NFKC), set symbols and emoji apart."""
    foreign = _beyond_ascii(text)
    if not unicodedata.is_normalized("NFKC", "".join(foreign)):
        text = unicodedata.normalize("NFKC", text)
        foreign = _beyond_ascii(text)
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


def _beyond_ascii(text: str) -> set[str]:
    octets = text.encode("utf-8", "replace").translate(None, _ASCII)
    return set(octets.decode("utf-8", "replace"))


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
