"""The header section: fields cut out of the octets, and their values decoded when asked for.

Fields are cut once, by us, so that everybody means the same octets: DKIM hashes them, `stamp`
removes some of them, and what is read in them stands in the same order.
"""

from __future__ import annotations

import re
from binascii import Error as BinasciiError
from binascii import a2b_base64, a2b_qp
from collections.abc import Iterator, KeysView, Mapping
from dataclasses import dataclass
from encodings import aliases
from functools import lru_cache
from itertools import chain, pairwise

from gateway.message import Field, Octets

SECTION_MAX = 1 << 20
"""Octets of header section that are cut into fields."""
KEPT_FIELDS = 10
"""Fields are cut (not decoded) up to this many times the bound on fields."""
WANTED_MAX = 10_000
"""Fields that are still cut beyond those bounds: our own names, and what decides what a reader is
shown (From, Subject, the two that describe the body)."""
VALUE_MAX = 65536
"""Octets of one field that are decoded."""

# RFC 5322, 2.2 and 2.2.3: printable US-ASCII, a colon, and lines folded before white space. White
# space before the colon is obsolete (4.5.8) but seen. A line that is no field is skipped.
_FIELD = re.compile(
    rb"(?:([!-9;-~]++)[ \t]*+:((?:[^\n]*+\n[ \t])*+[^\n]*+)|[^\n]++)(?:\n|\Z)|\n", re.DOTALL
)
_WANTED = (
    rb"((?i:x-gateway-|x-spam-)[!-9;-~]*+|(?i:authentication-results|from|subject|"
    rb"content-type|content-transfer-encoding))[ \t]*+:"
    rb"((?:[^\n]*+\n[ \t])*+[^\n]*+)"
)
_WANTED_HERE = re.compile(_WANTED)
_WANTED_BELOW = re.compile(rb"\n" + _WANTED)
_BLANK = re.compile(rb"\n\r?\n")


@dataclass(frozen=True, slots=True)
class Section:
    """The header section as it was cut."""

    fields: tuple[Field, ...]
    body_start: int
    defects: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    whole: bool = True
    """Whether every field was cut, so that what is not found does not stand there."""


def split(content: Octets, bound: int) -> Section:
    """Cut the header section into fields, in one pass over its octets.

    Past ten times `bound` fields, or past a megabyte, only fields under our own names are still
    cut, and the few that a reader is shown: junk above must not hide them from us alone.
    """
    defects: list[str] = []
    unread: list[str] = []
    end, body_start = _section_end(content)
    if body_start < 0:
        end = body_start = len(content)
        defects.append("no empty line after the header section")
    if end > SECTION_MAX:
        unread.append("header section (over 1 MB)")
    fields: list[Field] = []
    garbage = False
    limit = bound * KEPT_FIELDS
    rest = end
    for match in _FIELD.finditer(content, 0, end):
        if len(fields) >= limit or match.end() > SECTION_MAX:
            rest = match.start()
            break
        name, value = match.groups()
        if name is None:
            garbage = garbage or match.end() > match.start()
            continue
        if value.endswith(b"\r"):
            value = value[:-1]
        fields.append(Field(name.lower().decode("ascii"), value, match.start(), match.end()))
    if rest < end:
        fields.extend(_wanted(content, rest, end))
    if len(fields) > bound:
        unread.append(f"fields (over {bound})")
    if garbage:
        defects.append("line without a field name in the header section")
    if not fields and end and not unread:
        return Section((), 0, ("no header section",), tuple(unread))
    return Section(tuple(fields), body_start, tuple(defects), tuple(unread), whole=rest >= end)


def _section_end(content: Octets) -> tuple[int, int]:
    """Where the header section ends and the body starts; the start is -1 without an empty line."""
    if content[:2] == b"\r\n":
        return 0, 2
    if content[:1] == b"\n":
        return 0, 1
    if isinstance(content, bytes):
        end = content.find(b"\n\r\n")
        bare = content.find(b"\n\n", 0, end if end >= 0 else len(content))
        if bare >= 0:
            return bare + 1, bare + 2
        return (end + 1, end + 3) if end >= 0 else (0, -1)
    match = _BLANK.search(content)
    return (match.start() + 1, match.end()) if match else (0, -1)


def _wanted(content: Octets, start: int, end: int) -> Iterator[Field]:
    """What is still cut beyond the bounds, from the start of a line on.

    After so many that nobody but an attacker wrote them, all the rest is one field of ours: a
    letter cannot carry a list of a million cuts.
    """
    here = _WANTED_HERE.match(content, start, end)
    below = _WANTED_BELOW.finditer(content, here.end() if here else start, end)
    for count, match in enumerate(chain((here,) if here else (), below)):
        if count == WANTED_MAX:
            yield Field("x-gateway-", b"", match.start(1), end)
            return
        name, value = match[1].lower().decode("ascii"), match[2].removesuffix(b"\r")
        yield Field(name, value, match.start(1), min(match.end() + 1, end))


class Decoded(Mapping[str, tuple[str, ...]]):
    """Values by lower-cased field name, unfolded and decoded (RFC 2047) when first asked for."""

    __slots__ = ("_known", "raws")

    def __init__(self, fields: tuple[Field, ...]) -> None:
        raw: dict[str, list[bytes]] = {}
        for field in fields:
            if field.name in raw:
                raw[field.name].append(field.value)
            else:
                raw[field.name] = [field.value]
        self.raws: Mapping[str, list[bytes]] = raw
        """The values as they came, folding kept."""
        self._known: dict[str, tuple[str, ...]] = {}

    def __getitem__(self, name: str) -> tuple[str, ...]:
        known = self._known.get(name)
        if known is None:
            known = tuple([decode(value) for value in self.raws[name]])
            self._known[name] = known
        return known

    def get(self, name, default=None):  # type: ignore[no-untyped-def]
        """As a dict's, without the cost of an exception for a field that is missing."""
        return self[name] if name in self.raws else default

    def keys(self) -> KeysView[str]:
        """A dict's own view: Mapping's walks through Python code for each name."""
        return self.raws.keys()

    def __contains__(self, name: object) -> bool:
        return name in self.raws

    def __iter__(self) -> Iterator[str]:
        return iter(self.raws)

    def __len__(self) -> int:
        return len(self.raws)

    def first(self, name: str) -> str:
        values = self.raws.get(name)
        return decode(values[0]) if values else ""


_FOLD = re.compile(r"\r?\n(?=[ \t])")
# RFC 2047, 2; lenient about length and about standing in the middle of a word, as clients are.
_WORD = re.compile(r"=\?([A-Za-z0-9._:+-]{1,40})(?:\*[A-Za-z0-9-]{0,40})?\?([bBqQ])\?([^?\n]*+)\?=")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]+")


def unfold(value: bytes) -> str:
    """One line of text from a field's octets: RFC 5322, 2.2.3; 8-bit octets by RFC 6532 or best."""
    if len(value) > VALUE_MAX:
        value = value[:VALUE_MAX]
    text = to_text(value)
    if "\n" in text:
        text = _FOLD.sub("", text)
    return text.strip()


def decode(value: bytes) -> str:
    """A field's value as a reader sees it: unfolded, RFC 2047 decoded, no control characters."""
    return clean(words(unfold(value))).strip()


def clean(text: str) -> str:
    """Control characters and line ends become one space."""
    return text if text.isprintable() else _CONTROL.sub(" ", text)


def to_text(octets: bytes) -> str:
    """UTF-8 (RFC 6532) if it is; else what mailers of old meant by 8-bit octets."""
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return octets.decode("cp1252", "replace")


def words(text: str) -> str:
    """Decode the encoded-words in a text (RFC 2047).

    White space between two of them is dropped, and octets of neighbours in the same charset are
    joined before decoding, since mailers split letters between words.
    """
    if "=?" not in text:
        return text
    matches = list(_WORD.finditer(text))
    if not matches:
        return text
    out = [text[: matches[0].start()]]
    pending, charset = _octets(matches[0]), matches[0][1]
    for before, match in pairwise(matches):
        between = text[before.end() : match.start()]
        octets = _octets(match)
        if between.strip(" \t"):
            out += [from_charset(pending, charset), between]
        elif match[1].lower() == charset.lower():
            pending += octets
            continue
        else:
            out.append(from_charset(pending, charset))
        pending, charset = octets, match[1]
    out += [from_charset(pending, charset), text[matches[-1].end() :]]
    return "".join(out)


def _octets(match: re.Match[str]) -> bytes:
    data = match[3].encode("utf-8", "replace")
    if match[2] in "qQ":
        return a2b_qp(data, header=True)
    try:
        return a2b_base64(data + b"==")
    except BinasciiError:
        return data


# Python codecs that are no charsets of text, or slower than linear.
_NO_CHARSETS = frozenset(
    ("idna", "punycode", "unicode_escape", "raw_unicode_escape", "mbcs", "oem", "undefined")
)
_KNOWN = frozenset(aliases.aliases) | frozenset(aliases.aliases.values())


@lru_cache(maxsize=256)
def codec(charset: str) -> str | None:
    """The name of Python's codec for a charset label, None when we know none.

    Only labels of a fixed list reach Python, which would keep each unknown one in memory.
    """
    label = re.sub(r"[^a-z0-9]+", "_", charset.lower()).strip("_")
    if label in ("utf_8", "us_ascii", "ascii", "iso_8859_1", "latin_1"):
        return "utf_8" if label == "utf_8" else "cp1252"  # WHATWG: browsers read them so
    name = aliases.aliases.get(label, label)
    if name not in _KNOWN or name in _NO_CHARSETS or name.endswith("_codec"):
        return None
    return name


def from_charset(octets: bytes, charset: str) -> str:
    """Text in a labelled charset; an unknown or wrong label is read as UTF-8 or as Windows-1252."""
    name = codec(charset)
    if name is None or name == "cp1252":
        return to_text(octets)
    try:
        text = octets.decode(name)
    except (UnicodeError, LookupError):  # LookupError: a codec of another kind, bytes to bytes
        return to_text(octets)
    return sound(text)


def sound(text: str) -> str:
    """Text without lone surrogates, which no file, database or socket would take."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
