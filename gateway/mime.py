"""The body: what a reader is shown of it, and what hangs on it (RFC 2045, 2046).

fast-mail-parser reads it; what that refuses goes to `damaged.py`, cut to a size that keeps it fast;
and if that fails too there is no text, and a defect says so. What they get is our own short header
section with the fields that describe the body, so that our cut of the header section holds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import fast_mail_parser

from gateway.damaged import Found, attachment, read_slowly
from gateway.header import to_text
from gateway.message import Attachment, Octets

SMALL = 128 * 1024
"""Bodies up to this size go to the parser as they are."""
DELIMITERS_MAX = 20_000
"""Lines that look like a MIME delimiter which are looked at."""
SLOW_MAX = 256 * 1024
"""Octets of body that go to the slower parser."""
HTML_FACTOR = 4
"""HTML may be so many times as long as text, since most of it is markup."""

_DESCRIBING = ("content-type", "content-transfer-encoding", "content-disposition")
_TYPE = re.compile(rb"[ \t\r\n]*([!-.0-9:<>-~]+/[!-.0-9:<>-~]+)")
_NO_TYPE = re.compile(
    rb"(?i)\ncontent-type[ \t]*+:"
    rb"(?!(?:\r?\n)?[ \t]*+(?:\r?\n[ \t]++)*+[!-.0-9:<>-~]++/[!-.0-9:<>-~])"
)
"""A Content-Type that names no type and subtype: to readers it is as if it were not there."""
_CONTAINER = re.compile(
    rb"\n[Cc][Oo][Nn][Tt][Ee][Nn][Tt]-[Tt][Yy][Pp][Ee]:[ \t]*+"
    rb"([Mm][Uu][Ll][Tt][Ii][Pp][Aa][Rr][Tt]/[\w.+-]{1,60})"
)
_BOUNDARY = re.compile(rb"(?i)boundary[ \t]*+=[ \t]*+(?:\"([^\"\r\n]{1,200})\"|([^\s\";]{1,200}))")
_PART_TYPE = re.compile(rb"(?i)\ncontent-type[ \t]*+:[\s]*+(text|multipart|message)?")


@dataclass(frozen=True, slots=True)
class Body:
    plain: str = ""
    html: str = ""
    content_types: tuple[str, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    defects: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()


def read(
    content: Octets,
    body_start: int,
    describing: Mapping[str, Sequence[bytes]],
    *,
    text: int,
    parts: int,
    depth: int,
) -> Body:
    """Read the body within bounds: `text` letters, `parts` MIME parts, `depth` of nesting."""
    head = _head(describing)
    with memoryview(content) as view:
        raw = b"".join((head, view[body_start:]))
    defects: list[str] = []
    unread: list[str] = []
    delimiters = raw.count(b"\n--")
    if delimiters > parts or (delimiters > depth and raw.count(b"boundary") > depth):
        raw = _bounded(raw, parts, depth, unread)
    if len(raw) > SMALL:
        raw = _without_bulk(raw, len(head), text * HTML_FACTOR)
    top = _top_type(describing)
    found = _find(raw, len(head), top, text, defects)
    if b"\x00" in raw:
        defects.append("NUL octets")
    plain, plain_cut = _join(found.plain, text)
    html, html_cut = _join(found.html, text * HTML_FACTOR)
    if plain_cut or html_cut:
        unread.append(f"text (over {text // 1024} KB)")
    if len(found.attachments) > parts:
        unread.append(f"parts (over {parts})")
    return Body(
        plain=plain,
        html=html,
        content_types=_types(top, raw, len(head), found)[: parts + 1],
        attachments=found.attachments[:parts],
        defects=tuple(defects),
        unread=tuple(dict.fromkeys(unread)),
    )


def _find(raw: bytes, head: int, top: str, text: int, defects: list[str]) -> Found:
    """Ask one parser after the other, and at last the octets themselves."""
    found = _fast(raw)
    if found and any("/" not in one.content_type for one in found.attachments):
        found = _fast(_NO_TYPE.sub(b"\nX-No-Type:", raw)) or found
    if found is None or _nothing(found, top, raw, head) or _undecoded(found):
        found = read_slowly(raw[:SLOW_MAX], defects)
    if found is None:
        defects.append("unreadable body")
        return Found()
    defects.extend(found.warnings)
    if top.startswith("multipart/") and _nothing(found, top, raw, head):
        defects.append("multipart without parts")
        return Found((to_text(raw[head : head + text]).strip(),))
    return found


def _head(describing: Mapping[str, Sequence[bytes]]) -> bytes:
    """A header section with the first of each field that describes the body."""
    lines = []
    for name in _DESCRIBING:
        values = describing.get(name)
        if values and (name != "content-type" or _TYPE.match(values[0])):
            lines.append(name.encode() + b":" + values[0] + b"\r\n")
    return b"".join([*lines, b"\r\n"])


def _top_type(describing: Mapping[str, Sequence[bytes]]) -> str:
    """RFC 2045, 5.2: without a type, or with one that makes no sense, it is text/plain."""
    values = describing.get("content-type")
    match = _TYPE.match(values[0]) if values else None
    return match[1].decode("ascii").lower()[:120] if match else "text/plain"


def _fast(raw: bytes) -> Found | None:
    try:
        mail = fast_mail_parser.parse_email(raw, mode="lazy")
        return Found(
            [_unpaired(text) for text in mail.text_plain],
            [_unpaired(text) for text in mail.text_html],
            tuple(
                [
                    attachment(item.filename, item.mimetype, item.encoded_size)
                    for item in mail.attachments
                ]
            ),
            _warnings(mail.warnings) if mail.warnings else (),
        )
    except fast_mail_parser.ParseError:
        return None
    except BaseException as error:
        # A panic in native code is a BaseException; it must not take the gateway with it.
        if isinstance(error, (KeyboardInterrupt, SystemExit, MemoryError)):
            raise
        return None


_WARNINGS = {
    "charset-fallback": "unknown charset",
    "transfer-decode-lossy": "broken transfer encoding",
}


def _warnings(warnings: Sequence[fast_mail_parser.ParseWarning]) -> tuple[str, ...]:
    known = (_WARNINGS.get(warning.kind, "repaired MIME structure") for warning in warnings)
    return tuple(dict.fromkeys(known))


def _nothing(found: Found, top: str, raw: bytes, head: int) -> bool:
    """A multipart without a usable boundary gives nothing at all."""
    return (
        top.startswith("multipart/")
        and not found.plain
        and not found.html
        and not found.attachments
        and bool(raw[head : head + SLOW_MAX].strip())
    )


def _undecoded(found: Found) -> bool:
    """A charset that browsers refuse (ISO-2022-KR, HZ) gives one replacement character."""
    if "unknown charset" in found.warnings:
        return False
    return any(text == "\ufffd" for text in chain(found.plain, found.html))


def _join(texts: Sequence[str], bound: int) -> tuple[str, bool]:
    """The parts one below the other, cut at the bound, and whether they were cut."""
    text = texts[0] if len(texts) == 1 else "\n".join(texts)
    cut = len(text) > bound
    text = text[:bound].replace("\x00", "")
    return _mended(text), cut


# UTF-8 octets that were read as Windows-1252, which the parser does where no charset is given.
_MOJIBAKE = re.compile("[\u00c2-\u00f4][\u0080-\u00bf\u0152-\u0178\u0192\u02c6\u02dc\u2013-\u2122]")
_CP1252 = {ord(bytes([i]).decode("cp1252", "ignore") or chr(i)): i for i in range(128, 256)}


def _mended(text: str) -> str:
    """Text that is UTF-8 read as Windows-1252, read again; any other text as it is."""
    if text.isascii() or not _MOJIBAKE.search(text):
        return text
    try:
        return text.translate(_CP1252).encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text


def _unpaired(text: str) -> str:
    """Text of single octets that was read as UTF-16, read again; any other text as it is.

    The parser believes a byte order mark, or a label; the mail client shows the letters.
    """
    if len(text) < 4 or ord(text[0]) < 0x0909:  # two letters of ASCII, or white space
        return text
    start = text[:200].encode("utf-16-le", "replace")
    if sum([32 <= octet < 127 or octet in b"\r\n\t" for octet in start]) < 0.9 * len(start):
        return text
    text = text.removesuffix("\ufffd")  # half a pair
    little, big = (text.encode(form, "replace") for form in ("utf-16-le", "utf-16-be"))
    return to_text(big if _has_line_end(big) and not _has_line_end(little) else little)


def _has_line_end(octets: bytes) -> bool:
    """Whether CR and LF stand in their order, the last LF being lost perhaps."""
    return b"\r\n" in octets or octets.endswith(b"\r")


def _types(top: str, raw: bytes, head: int, found: Found) -> tuple[str, ...]:
    """The top type, nested containers, texts, then attachments (RFC 2046)."""
    if not top.startswith("multipart/"):
        return (top,)
    containers: tuple[str, ...] = ()
    if raw.count(b"ultipart/", head) or raw.count(b"ULTIPART/", head):
        containers = tuple(
            match[1].decode("ascii").lower() for match in _CONTAINER.finditer(raw, head)
        )
    return (
        top,
        *containers,
        *("text/plain" for _ in found.plain),
        *("text/html" for _ in found.html),
        *(item.content_type for item in found.attachments),
    )


def _delimiters(raw: bytes, start: int = 0) -> Iterator[int]:
    """Offsets of the line ends before lines that begin with two dashes, so many at most."""
    position = start
    for _ in range(DELIMITERS_MAX):
        position = raw.find(b"\n--", position)
        if position < 0:
            return
        yield position
        position += 3


def _bounded(raw: bytes, parts: int, depth: int, unread: list[str]) -> bytes:
    """The octets up to where the parts or their nesting exceed the bounds (RFC 2046, 5.1.1)."""
    boundaries = {(match[1] or match[2]).rstrip() for match in _BOUNDARY.finditer(raw[: SMALL * 8])}
    count = 0
    open_now: list[bytes] = []
    position = -1
    for position in _delimiters(raw):
        line = raw[position + 3 : position + 240].split(b"\n", 1)[0].rstrip()
        name = line if line in boundaries else line.removesuffix(b"--")
        if name not in boundaries:
            continue
        if name in open_now:
            del open_now[open_now.index(name) + 1 :]
        else:
            open_now.append(name)
        if line != name:
            open_now.pop()
            continue
        count += 1
        if count > parts:
            unread.append(f"parts (over {parts})")
            return raw[: position + 1]
        if len(open_now) > depth:
            unread.append(f"depth (over {depth})")
            return raw[: position + 1]
    if position >= 0 and raw.find(b"\n--", position + 3) >= 0:
        unread.append(f"parts (over {parts})")
        return raw[: position + 1]
    return raw


def _without_bulk(raw: bytes, head: int, keep: int) -> bytes:
    """The octets without the far end of long texts, which would be decoded only to be cut.

    Attachments stay: they are not decoded, and their sizes are told.
    """
    pieces: list[bytes] = []
    copied = 0
    for start, end in _gaps(raw):
        if end - start <= keep + SMALL:
            continue
        kind = _PART_TYPE.search(raw, max(start - 1, 0), start + 4096)
        if kind and kind[1] is None:
            continue
        cut = raw.rfind(b"\n", start, start + keep)
        cut = cut + 1 if cut > start + keep // 2 else start + keep
        pieces.append(raw[copied:cut])
        copied = end
    if not pieces:
        return raw
    return b"".join([*pieces, raw[copied:]])


def _gaps(raw: bytes) -> Iterator[tuple[int, int]]:
    """The stretches between lines that may be delimiters; the first starts with the octets."""
    start = 0
    for position in chain(_delimiters(raw), (len(raw),)):
        yield start, position
        start = position + 1
