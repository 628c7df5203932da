"""Which lines of a letter are the customer's own new words, which are history, which a signature.

It knows the habits of Outlook, Gmail, Apple Mail, Thunderbird, web mailers and phones in English,
German, French, Spanish, Italian, Portuguese and Dutch. It sorts lines; it never changes one, and
what is delivered is never cut. One pass over the lines, patterns only on short ones: linear.
"""

from __future__ import annotations

import re
from collections.abc import Container, Sequence
from dataclasses import dataclass

from gateway.text import phrases
from gateway.text.render import ATTRIBUTION, HISTORY, SIGNATURE, may_be_marked

OWN, QUOTED, SIGNED, DROPPED = 0, 1, 2, 3

LINE_MAX = 400
"""Longer lines are text: no pattern looks at them."""
SIGNATURE_LINES = 12
"""A signature without a delimiter has at most so many lines."""
SIGN_OFF_LINES = 60
"""Last lines of a stretch that are searched for sign-offs in one go."""

_MARKED = frozenset((HISTORY, SIGNATURE, ATTRIBUTION, ">", " ", "\t"))
"""What a line with a mark or a quote prefix may begin with."""
_RULE_SIGNS = "-_=~#"
"""What a line may begin with that parts letters."""
_DELIMITERS = frozenset(("--", "—", "––", SIGNATURE))
"""Of a signature, stripped; the mark alone stands for what a program put there unseen."""
_LINK = re.compile(r"[ ]?[<(]https?://[^\s<>()]{1,300}[>)]")
_PREFIX = re.compile(r"[ \t]*(?:>[ \t]?)+")


@dataclass(frozen=True, slots=True)
class Parts:
    """The lines of a letter sorted into what the customer wrote now and everything else."""

    new: str
    quoted: str
    signature: str


def sort(lines: Sequence[str]) -> Parts:
    """Sort lines, which may carry the marks of `render`.

    A letter without a word of the customer's own is what he typed below his signature, else its
    history (a letter passed on), without that its signature (a reply of contact data only), or all
    of it: something is always read.
    """
    kinds = _kinds(lines)
    new = _gather(lines, kinds, OWN)
    quoted = _gather(lines, kinds, QUOTED) if QUOTED in kinds else ""
    signature = _gather(lines, kinds, SIGNED) if SIGNED in kinds else ""
    if not any(map(str.isalnum, new)):
        if any(map(_speaks, signature.split("\n"))):
            return Parts(signature, quoted, signature)
        new = _letter_within(quoted) or signature or "\n".join(map(bare, lines)).strip()
    return Parts(new, quoted, signature)


def _speaks(line: str) -> bool:
    """Whether a line among a signature's is rather a sentence.

    Titles, addresses and what a phone or a lawyer adds are none: where only they stand above a
    letter that was passed on, that letter is read.
    """
    text, words = line.strip(), line.split()
    called = len(words) >= 4 and text[-1] in "!?"
    if (len(words) < 8 and not called) or any(sign in text for sign in "|@/"):
        return False
    if 2 * sum(map(str.islower, words)) < len(words) and not (called and text.isupper()):
        return False
    made = phrases.PHONE_MADE.match(text, 0, LINE_MAX)
    return not (made or phrases.DISCLAIMER.match(text, 0, LINE_MAX))


@dataclass(frozen=True, slots=True)
class _Letter:
    """What the search for signatures looks at."""

    lines: Sequence[str]
    stripped: Sequence[str]
    kinds: bytearray

    def sign_offs(self, start: int, end: int) -> Container[int]:
        """Numbers of the lines that may be a closing or a phone's own."""
        first = max(start, end - SIGN_OFF_LINES)
        if end - first < 3:
            return range(start, end)  # trying the patterns on one or two lines is cheaper
        found = phrases.sign_offs("\n".join(self.stripped[first:end]))
        return {*range(start, first), *(first + number for number in found)}


def _kinds(lines: Sequence[str]) -> bytearray:
    """What each line is."""
    kinds = bytearray(len(lines))
    stripped = [line.strip() for line in lines]
    if _may_have_prefixes("\n".join(lines)):
        _mark_quotes(lines, kinds)
    _mark_history(lines, kinds)
    if phrases.may_hold_boilerplate("\n".join(stripped)):
        _mark_boilerplate(stripped, kinds)
    _mark_signature(_Letter(lines, stripped, kinds))
    return kinds


def _gather(lines: Sequence[str], kinds: bytearray, kind: int) -> str:
    """The lines of one kind, without quote prefixes and marks, runs of empty lines made one."""
    chosen = [line for line, own in zip(lines, kinds, strict=True) if own == kind]
    if _may_have_prefixes("\n".join(chosen)):
        chosen = [bare(line) if line[:1] in _MARKED else line for line in chosen]
    text = "\n".join([line.rstrip() for line in chosen])
    while "\n\n\n" in text:  # a third of them go each time
        text = text.replace("\n\n\n", "\n\n")
    return text.strip()


def _may_have_prefixes(text: str) -> bool:
    return ">" in text or may_be_marked(text)


def bare(line: str) -> str:
    """A line without mark and quote prefix."""
    if line[:1] in (HISTORY, SIGNATURE, ATTRIBUTION):
        line = line[1:]
    match = _PREFIX.match(line)
    return line[match.end() :] if match else line


def _letter_within(quoted: str) -> str:
    """The text of a letter that was passed on: what follows the copied header lines."""
    lines = quoted.split("\n")
    start = 0
    while start < len(lines) and (
        not lines[start].strip()
        or phrases.SEPARATOR.fullmatch(lines[start].strip())
        or phrases.FIELD_LINE.match(lines[start].strip())
        or phrases.RULE.fullmatch(lines[start].strip())
    ):
        start += 1
    rest = lines[start:]
    return _gather(rest, _kinds(rest), OWN) or "\n".join(rest).strip()


def _mark_quotes(lines: Sequence[str], kinds: bytearray) -> None:
    """Lines with a quote prefix, and the lines that introduce them."""
    for index, line in enumerate(lines):
        first = line[:1]
        prefixed = first == ">" or (first in " \t" and line.lstrip(" \t")[:1] == ">")
        if prefixed or first == ATTRIBUTION:
            kinds[index] = QUOTED
        elif first == SIGNATURE:
            kinds[index] = SIGNED


def _mark_history(lines: Sequence[str], kinds: bytearray) -> None:
    """Everything from where an earlier letter begins that is not quoted line by line."""
    for index, line in enumerate(lines):
        if kinds[index] == QUOTED:
            if line[:1] == ATTRIBUTION and _is_alone(lines, kinds, index):
                return _rest_is_history(kinds, index)
            continue
        if not line:
            continue
        if line[0] == HISTORY or phrases.RUN_ON.match(line, 0, LINE_MAX):
            return _rest_is_history(kinds, index)
        text = line.strip(" \t*\xa0\u202f\u200e") if len(line) <= LINE_MAX else ""
        if not text or (":" not in text and text[0] not in _RULE_SIGNS):
            continue
        start = _attribution(lines, kinds, index, text)
        if start is not None:
            kinds[start : index + 1] = bytes([QUOTED]) * (index + 1 - start)
            if not _quoted_next(lines, kinds, index):
                return _rest_is_history(kinds, start)
        elif _begins_history(lines, index, text):
            return _rest_is_history(kinds, index)
    return None


def _rest_is_history(kinds: bytearray, start: int) -> None:
    kinds[start:] = bytes([QUOTED]) * (len(kinds) - start)


def _begins_history(lines: Sequence[str], index: int, text: str) -> bool:
    if text[0] in _RULE_SIGNS or text[-1] == ":":
        if phrases.SEPARATOR.fullmatch(text):
            return True
        if phrases.RULE.fullmatch(text):
            return _header_block(lines, index + 1)
    return ":" in text[:16] and _header_block(lines, index)


def _header_block(lines: Sequence[str], index: int) -> bool:
    """Whether copied header lines stand here: From, and two of Sent, To, Subject below it."""
    seen: set[str] = set()
    looked = 0
    for line in lines[index : index + 14]:
        text = bare(line).strip(" \t*\xa0\u202f\u200e")
        if not text:
            if not seen and looked > 1:
                return False
            looked += 1
            continue
        match = phrases.FIELD_LINE.match(text) if len(text) <= LINE_MAX else None
        if match is None:
            if not seen or looked > 8:
                break
            looked += 1  # a folded line of addresses
            continue
        seen.add(phrases.FIELD_NAMES[match[1].lower()])
        if "from" in seen and len(seen) >= 3:
            return True
        inline = phrases.INLINE_FIELDS.search(text)
        if inline and "from" in seen:
            return True
    return False


def _attribution(lines: Sequence[str], kinds: bytearray, index: int, text: str) -> int | None:
    """Where a line such as `On 3 May 2026, Jane Doe wrote:` begins, if it ends here.

    It may be folded over up to four lines. A verb of writing alone is not enough, since customers
    tell stories ('On 3 May your colleague wrote:'): it takes a time of day or an address and none
    of a story's small words, or a quote right below.
    """
    if text[-1] != ":":
        return None
    wrote = phrases.WROTE.search(text)
    if not wrote and not ("@" in text and _quoted_next(lines, kinds, index)):
        return None
    start = index
    whole = text
    for back in range(4):
        number = index - back
        if number < 0 or kinds[number] == QUOTED or not lines[number].strip():
            break
        whole = lines[number].strip() + " " + whole if back else text
        if phrases.ATTRIBUTION_START.match(whole):
            start = number
            break
    if _quoted_next(lines, kinds, index):
        return start
    if phrases.TOLD.search(whole) and not ("<" in whole and "@" in whole):
        return None  # nobody tells an address in brackets, and a shop may be called I Love Lamps
    if start == index and not phrases.ATTRIBUTION_START.match(text):
        return index if "@" in whole else None
    return start if "@" in whole or phrases.CLOCK.search(whole) else None


def _is_alone(lines: Sequence[str], kinds: bytearray, index: int) -> bool:
    """Whether no quote follows a line that a program marked as introducing one."""
    for number in range(index + 1, len(lines)):
        if lines[number].strip():
            return kinds[number] != QUOTED
    return False


def _quoted_next(lines: Sequence[str], kinds: bytearray, index: int) -> bool:
    for number in range(index + 1, min(index + 4, len(lines))):
        if kinds[number] == QUOTED:
            return True
        if lines[number].strip():
            return False
    return False


def _mark_signature(letter: _Letter) -> None:
    """The end of each stretch of own words that is a signature."""
    kinds = letter.kinds
    start = 0
    length = len(kinds)
    while start < length:
        if kinds[start] != OWN:
            start += 1
            continue
        end = start
        while end < length and kinds[end] in (OWN, SIGNED):
            end += 1
        _sign_stretch(letter, start, end)
        start = end


def _sign_stretch(letter: _Letter, start: int, end: int) -> None:
    """From below: what stands under a delimiter, what a phone added, what is under a closing."""
    sign_offs = letter.sign_offs(start, end)
    below = letters = 0  # lines and letters of them since the last delimiter
    for index in range(end - 1, start - 1, -1):
        text = letter.stripped[index]
        if not text:
            continue
        if text in _DELIMITERS:
            if below <= SIGNATURE_LINES or letter.lines[index].rstrip("\r") == "-- ":
                _sign(letter, index, end)
                end, below, letters = index, 0, 0
                continue
        elif index in sign_offs and len(text) <= 100:
            if phrases.PHONE_MADE.match(_without_links(text)):
                letter.kinds[index] = SIGNED
                if below <= 1:
                    continue
            elif below <= SIGNATURE_LINES and letters <= 60 * (below + 1) and _closes(text):
                _sign(letter, index, end)
                if phrases.THANKS.match(text):
                    letter.kinds[index] = OWN
                return
        below += 1
        letters += len(text)
        if below > SIGNATURE_LINES * 3:
            return
    _sign_contact_block(letter, start, end)


def _without_links(text: str) -> str:
    """A line without the addresses that its own links got in plain text."""
    if "://" not in text:
        return text
    return _LINK.sub("", text).replace("[", "").replace("]", "")


def _closes(text: str) -> bool:
    """A closing formula stands alone on its line, or with a name behind it."""
    closing = phrases.CLOSING.match(text)
    if closing is None:
        return False
    rest = text[closing.end() :].strip(" ,.!–-;:")
    return len(rest.split()) <= 4 and not rest.endswith("?") and not any(map(str.isdigit, rest))


def _sign(letter: _Letter, index: int, end: int) -> None:
    """Mark a signature; a postscript below it is the customer's own."""
    for number in range(index, end):
        if phrases.POSTSCRIPT.match(letter.stripped[number]):
            return
        letter.kinds[number] = SIGNED


def _sign_contact_block(letter: _Letter, start: int, end: int) -> None:
    """A last paragraph of short lines, a name first and contact data below."""
    stripped, kinds = letter.stripped, letter.kinds
    last = end - 1
    while last >= start and (not stripped[last] or kinds[last] != OWN):
        last -= 1
    first = last
    while first > start and stripped[first - 1] and kinds[first - 1] == OWN:
        first -= 1
    block = stripped[first : last + 1]
    if first <= start or not 2 <= len(block) <= SIGNATURE_LINES or len(block[0]) > 50:
        return
    if max(map(len, block)) > 90 or any(_words(line) > 7 for line in block):
        return
    contacts = any(phrases.CONTACT.search(line) for line in block[1:])
    if contacts and phrases.NAME_LINE.fullmatch(block[0]):
        _sign(letter, first, last + 1)


def _words(line: str) -> int:
    return sum(any(map(str.isalpha, piece)) for piece in line.split())


def _mark_boilerplate(stripped: Sequence[str], kinds: bytearray) -> None:
    """Warnings of mail systems, disclaimers, list footers, remains of forms and pages."""
    paragraph_dropped = banner = False
    for index, text in enumerate(stripped):
        if not text:
            paragraph_dropped = False
            continue
        if kinds[index] != OWN:
            continue
        if paragraph_dropped and banner:
            paragraph_dropped = bool(phrases.BANNER_WORDS.search(text, 0, LINE_MAX))
        starts = phrases.DISCLAIMER.match(text, 0, LINE_MAX)
        if paragraph_dropped or starts:
            kinds[index] = DROPPED
            paragraph_dropped = True
            banner = bool(phrases.BANNER.match(text)) if starts else banner
        elif len(text) <= 120 and phrases.BOILERPLATE.fullmatch(text):
            kinds[index] = DROPPED
