"""Mail of our own as octets, built directly: an EmailMessage costs a thousand times as much.

No value can add a field of its own or break out of the one it stands in: every value goes through
`text`, `mailbox` or `message_ids`, and everything written is 7-bit but for addresses beyond
ASCII, which need SMTPUTF8 anyway (RFC 6532).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Sequence
from datetime import datetime
from email.utils import format_datetime

from gateway.acknowledgement.message_ids import MessageIds as MessageIds
from gateway.domains import canonical_domain

LINE = 76
"""Characters of a line we fold at (RFC 5322, 2.1.1; RFC 2045, 6.7)."""
MESSAGE_ID_MAX = 250
REFERENCES_MAX = 10
BODY_LINE_MAX = 200
"""Lines of plain ASCII up to this length need no encoding."""
NAME_MAX = 120

Sign = Callable[[bytes], bytes]
"""Content to a DKIM-Signature field with its CRLF, to be put before it."""

# RFC 5322, 3.6.4 without quoted strings; the right side may be a domain literal.
_ATOMS = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
_MESSAGE_ID = re.compile(rf"<{_ATOMS}@(?:{_ATOMS}|\[[A-Za-z0-9.:]+\])>")
_PHRASE = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]*")  # RFC 5322, 3.2.3: atoms and spaces
# Controls, marks that turn the direction of text round, line separators, lone surrogates.
_UNSAFE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]+"
)
_FROM_LINE = re.compile(rb"^From ", re.MULTILINE)


def compose(
    *,
    sender: tuple[str, str],
    to: str,
    subject: str,
    body: str,
    message_id: str,
    at: datetime,
    in_reply_to: str = "",
    references: Sequence[str] = (),
    sign: Sign | None = None,
) -> bytes:
    """An acknowledgement, whole, with CRLF line ends (RFC 3834, 3.1).

    `sender` is display name and canonical address; `in_reply_to` and `references` are the
    customer's own msg-ids, of which only plain ones are repeated.
    """
    fields = [
        field("From", mailbox(*sender)),
        field("To", mailbox("", to)),
        field("Subject", text(subject, len("Subject: "))),
        field("Date", date(at)),
        field("Message-ID", message_id),
        *thread(in_reply_to, references),
        field("Auto-Submitted", "auto-replied"),
        field("X-Auto-Response-Suppress", "All"),
        field("Precedence", "auto_reply"),
        field("X-Loop", address(sender[1])),
        field("MIME-Version", "1.0"),
    ]
    return signed("".join(fields).encode() + text_part("plain", body), sign)


def signed(content: bytes, sign: Sign | None) -> bytes:
    return sign(content) + content if sign else content


# --- fields --------------------------------------------------------------------------------------


def field(name: str, value: str) -> str:
    """One field with its CRLF. The value must come from the functions below, or be our own."""
    return f"{name}: {value}\r\n"


def clean(value: str) -> str:
    """One line without control characters, whatever came in."""
    return " ".join(_UNSAFE.sub(" ", value).split())


def text(value: str, start: int = 0, limit: int = 300) -> str:
    """Unstructured text (RFC 5322, 2.2.1); beyond ASCII as encoded-words (RFC 2047, 5)."""
    value = clean(value)[:limit].strip()
    if value.isascii() and "=?" not in value:
        return _folded(value, start)
    return encoded_words(value, start)


def _folded(value: str, start: int) -> str:
    """Fold at spaces so that no line passes 76 where words allow; words over 900 are cut."""
    lines: list[str] = []
    line, room = "", LINE - start
    for word in (piece[:900] for piece in value.split(" ")):
        if line and len(line) + 1 + len(word) > room:
            lines.append(line)
            line, room = word, LINE - 1
        else:
            line = f"{line} {word}" if line else word
    return "\r\n ".join([*lines, line])


def encoded_words(value: str, start: int = 0) -> str:
    """Encoded-words of at most 75 characters in UTF-8 and base64, never splitting a letter."""
    words: list[str] = []
    piece, room = b"", _octets_in(LINE - 1 - start)
    for letter in value:
        octets = letter.encode()
        if len(piece) + len(octets) > room and piece:
            words.append(piece.decode())
            piece, room = b"", _octets_in(LINE - 2)
        piece += octets
    words.append(piece.decode())
    return "\r\n ".join(f"=?utf-8?b?{base64.b64encode(word.encode()).decode()}?=" for word in words)


def _octets_in(width: int) -> int:
    """Octets whose base64 fits an encoded-word of at most `width` and 75 characters."""
    return max(4, (min(width, 75) - len("=?utf-8?b??=")) // 4 * 3)


def mailbox(name: str, addr_spec: str) -> str:
    """`Name <address>`, quoted or encoded as the name needs (RFC 5322, 3.4)."""
    name = clean(name)[:NAME_MAX].strip()
    angle = f"<{address(addr_spec)}>"
    if not name:
        return angle
    if not name.isascii() or "=?" in name:
        return f"{encoded_words(name, 10)}\r\n {angle}"
    if not _PHRASE.fullmatch(name):
        escaped = name.replace("\\", "\\\\").replace('"', '\\"')
        name = f'"{escaped}"'
    return f"{name}\r\n {angle}" if len(name) + len(angle) > LINE - 12 else f"{name} {angle}"


def address(addr_spec: str) -> str:
    """An addr-spec that cannot leave its angle brackets; the domain in A-labels."""
    local, at, domain = re.sub(r"[\s<>()\[\],;:\\\"]", "", clean(addr_spec)).rpartition("@")
    return f"{local[:256]}{at}{canonical_domain(domain[:255])}"


def needs_smtputf8(addr_spec: str) -> bool:
    """Whether an address can only be written and sent with SMTPUTF8 (RFC 6531)."""
    return not address(addr_spec).isascii()


def date(at: datetime) -> str:
    """RFC 5322, 3.3."""
    return format_datetime(at)


def message_ids(values: Sequence[str]) -> tuple[str, ...]:
    """Those that may be repeated: dot-atoms, at most 250 octets each (decisions.md)."""
    return tuple(
        value
        for value in values
        if len(value) <= MESSAGE_ID_MAX and _MESSAGE_ID.fullmatch(value) is not None
    )


def thread(in_reply_to: str, references: Sequence[str]) -> list[str]:
    """In-Reply-To and References (RFC 5322, 3.6.4): the first, and the last of a long thread."""
    parent = message_ids((in_reply_to,))
    line = tuple(dict.fromkeys(message_ids(references)))
    line = tuple(value for value in line if value not in parent) + parent
    if len(line) > REFERENCES_MAX:
        line = line[:1] + line[1 - REFERENCES_MAX :]
    fields = [field("In-Reply-To", parent[0])] if parent else []
    return [*fields, field("References", "\r\n ".join(line))] if line else fields


# --- bodies --------------------------------------------------------------------------------------


def text_part(subtype: str, body: str) -> bytes:
    """The fields and the body of one text part, from Content-Type on (RFC 2045)."""
    encoding, octets = encode_body(body)
    charset = "us-ascii" if encoding == "7bit" else "utf-8"
    head = (
        f"Content-Type: text/{subtype}; charset={charset}\r\n"
        f"Content-Transfer-Encoding: {encoding}\r\n\r\n"
    )
    return head.encode() + octets


def encode_body(body: str) -> tuple[str, bytes]:
    """Text with CRLF line ends in an encoding that survives 7-bit hops, and its name."""
    lines = [line.rstrip() for line in body.replace("\r\n", "\n").replace("\r", "\n").split("\n")]
    octets = "\r\n".join(lines).rstrip("\r\n").encode("utf-8", "replace") + b"\r\n"
    if octets.isascii() and b"\x00" not in octets and max(map(len, lines)) <= BODY_LINE_MAX:
        return _quoted(octets) if b"\nFrom " in b"\n" + octets else ("7bit", octets)
    if sum(octet > 127 for octet in octets) * 4 > len(octets):  # quoting would triple these
        return "base64", base64.encodebytes(octets).replace(b"\n", b"\r\n")
    return _quoted(octets)


def _quoted(octets: bytes) -> tuple[str, bytes]:
    quoted = binascii.b2a_qp(octets, istext=True)
    return "quoted-printable", _FROM_LINE.sub(b"=46rom ", quoted)
