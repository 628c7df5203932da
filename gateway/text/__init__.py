"""What stands in a letter for a reader: the visible text, the customer's own new words, the links.

A pure reading of a Message, made once and shared by the filters, the rules and the call card.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from gateway.message import Message, once_per_message
from gateway.text import language as languages
from gateway.text import phrases, quotes
from gateway.text.render import Link, Page, render, without_marks

__all__ = ["Link", "Reading", "plain_letters", "read", "visible"]

TEXT_MAX = 65536
"""Letters of visible text that are read (decisions.md, Bounds)."""
LINES_MAX = 3000
LINKS_MAX = 200


@dataclass(frozen=True, slots=True)
class Reading:
    """A letter as its reader sees it. Lines end with a line feed."""

    text: str
    """All visible text, the plain part before the HTML one."""
    new_text: str
    """The customer's own new words: no quotes, history, signature, disclaimer, boilerplate."""
    language: str
    """ISO 639-1, `und` when it cannot be told."""
    quoted: str = ""
    """Quotes and history, without their prefixes."""
    signature: str = ""
    links: tuple[Link, ...] = ()
    hidden: bool = False
    """The HTML holds text that its reader does not see."""
    unread: tuple[str, ...] = ()
    """What the bounds left unread here, as in `Message.unread`."""


@once_per_message
def read(message: Message) -> Reading:
    """Read the text of a message. Never raises; work is bounded whatever the message is."""
    lines, page = visible(message)
    unread: list[str] = []
    if len(lines) > LINES_MAX:
        lines = lines[:LINES_MAX]
        unread.append(f"lines (over {LINES_MAX})")
    if page.links_cut:
        unread.append(f"links (over {LINKS_MAX})")
    if page.cut:
        unread.append("HTML (too deep or too large)")
    parts = quotes.sort(lines)
    text = without_marks("\n".join(lines)).strip()
    if len(text) > TEXT_MAX:
        text = text[:TEXT_MAX]
        unread.append(f"text (over {TEXT_MAX // 1024} KB)")
    return Reading(
        text=text,
        new_text=parts.new[:TEXT_MAX],
        language=languages.of(f"{parts.new[:600]}\n{message.subject[:100]}"),
        quoted=parts.quoted[:TEXT_MAX],
        signature=parts.signature[:TEXT_MAX],
        links=tuple(page.links) if message.html else _plain_links(text),
        hidden=page.hidden,
        unread=tuple(unread),
    )


def visible(message: Message) -> tuple[list[str], Page]:
    """The lines a reader sees, with the marks of `render`, and the page they are from.

    The plain part is preferred, unless it only sends the reader to the other one.
    """
    page = render(message.html, LINKS_MAX) if message.html else Page()
    plain = message.plain
    if page.lines and _is_stub(plain, page):
        return page.lines, page
    return _plain_lines(plain), page


def _plain_lines(plain: str) -> list[str]:
    if "\r" in plain:
        plain = plain.replace("\r\n", "\n").replace("\r", "\n")
    for sign in _PRIVATE:
        plain = plain.replace(sign, "")
    return plain.split("\n")


_PRIVATE = "\ue000\ue001\ue002\ue003"


def _is_stub(plain: str, page: Page) -> bool:
    """Whether a plain part says nothing, or sends its reader to the HTML."""
    plain = plain.strip()
    if not plain:
        return True
    if len(plain) > 600:
        return False
    rendered = sum(map(len, page.lines))
    if rendered < 20:
        return False
    return rendered > 8 * len(plain) or bool(phrases.STUB.search(plain))


# `http://…`, `https://…`, `www.…` in any case: with its first letters named it is found three
# times as fast.
_URL = re.compile(r"[hHwW](?i:(?<=h)ttps?://|(?<=w)ww\.)[^\s<>\"'\]]{3,2000}")


def _plain_links(text: str) -> tuple[Link, ...]:
    found: list[Link] = []
    for match in _URL.finditer(text):
        url = match[0].rstrip(".,;:!?)")
        found.append(Link(url, url))
        if len(found) >= LINKS_MAX:
            break
    return tuple(found)


def plain_letters(text: str) -> str:
    """The letters a reader takes a text for: for classifiers, never for display.

    Zero-width, soft hyphen and bidirectional characters go, compatibility forms are folded (NFKC),
    and inside a word of Latin letters Cyrillic and Greek ones that look alike become Latin.
    """
    if text.isascii():
        return text
    if not unicodedata.is_normalized("NFKC", text):
        text = unicodedata.normalize("NFKC", text)
    if not _SUSPICIOUS.search(text):
        return text
    text = _INVISIBLE.sub("", text)
    return _WORD.sub(_latinised, text) if _FOREIGN.search(text) else text


_UNSEEN = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\U000e0000-\U000e0fff"
)
_GREEK_OR_CYRILLIC = "\u0370-\u03ff\u0400-\u04ff"
_SUSPICIOUS = re.compile(f"[{_UNSEEN}{_GREEK_OR_CYRILLIC}]")
_INVISIBLE = re.compile(f"[{_UNSEEN}]")
_WORD = re.compile(r"[^\W\d_]{2,64}")
_LATIN = re.compile(r"[A-Za-z\u00c0-\u024f]")
_FOREIGN = re.compile(f"[{_GREEK_OR_CYRILLIC}]")
_LOOK_ALIKE = str.maketrans(
    "аеорсухіјѕһԁɡԛԝАВЕКМНОРСТУХІЈЅαοερνικτυχωΑΒΕΖΗΙΚΜΝΟΡΤΥΧ",
    "aeopcyxijshdgqwABEKMHOPCTYXIJSaoepviktuxwABEZHIKMNOPTYX",
)


def _latinised(match: re.Match[str]) -> str:
    word = match[0]
    if word.isascii() or not _FOREIGN.search(word) or not _LATIN.search(word):
        return word
    return word.translate(_LOOK_ALIKE)
