"""Bodies that the quick parser refuses: mail-parser reads them, and what breaks that, the standard
library. Both are much slower, and patient with what is broken.
"""

from __future__ import annotations

import email
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.message import Message as Part

from gateway.header import clean, from_charset, sound
from gateway.message import Attachment


@dataclass(frozen=True, slots=True)
class Found:
    """What any parser gives."""

    plain: Sequence[str] = ()
    html: Sequence[str] = ()
    attachments: tuple[Attachment, ...] = ()
    warnings: tuple[str, ...] = ()


def attachment(filename: str, kind: str, size: int) -> Attachment:
    return Attachment(clean(filename)[:255], clean(kind)[:120].lower(), size)


def read_slowly(raw: bytes, defects: list[str]) -> Found | None:
    """What the patient parsers find; None if they break, too. What is wrong goes to `defects`."""
    import mailparser  # only for the broken few

    _hush()
    try:
        mail = mailparser.parse_from_bytes(raw)
        categories = sorted(str(category) for category in mail.defects_categories)
        found = Found(
            [sound(str(part)) for part in mail.text_plain],
            [sound(str(part)) for part in mail.text_html],
            tuple(_attachments(mail.attachments)),
        )
    except Exception:  # whatever it was: there is one more to ask
        defects.append("broken MIME structure")
        return _standard(raw)
    defects.extend(_category(category) for category in categories)
    if not categories:
        defects.append("broken MIME structure")
    return found


def _hush() -> None:
    """Keep mail-parser's loggers, the lower ones too, from telling what strangers wrote."""
    logger = logging.getLogger("mailparser")
    logger.propagate = False
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())


def _category(name: str) -> str:
    """`InvalidBase64CharactersDefect` as words: `invalid base64 characters`."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name.removesuffix("Defect"))
    return spaced.lower()[:80]


def _attachments(items: Sequence[Mapping[str, object]]) -> Iterator[Attachment]:
    for item in items:
        payload = item.get("payload")
        size = len(payload) if isinstance(payload, str) else 0
        kind = sound(str(item.get("mail_content_type") or "application/octet-stream"))
        yield attachment(sound(str(item.get("filename") or "")), kind, size)


def _standard(raw: bytes) -> Found | None:
    """The standard library's reading of the texts."""
    texts: dict[str, list[str]] = {"text/plain": [], "text/html": []}
    others: list[Attachment] = []
    try:
        for part in email.message_from_bytes(raw).walk():
            if part.is_multipart():
                continue
            kind = part.get_content_type()
            if kind in texts and part.get_content_disposition() != "attachment":
                texts[kind].append(_text(part))
            else:
                size = len(str(part.get_payload()))
                others.append(attachment(sound(str(part.get_filename() or "")), sound(kind), size))
    except Exception:  # a message that breaks all parsers is still delivered
        return None
    return Found(texts["text/plain"], texts["text/html"], tuple(others))


def _text(part: Part) -> str:
    octets = part.get_payload(decode=True)
    charset = str(part.get_content_charset() or "utf-8")
    return from_charset(octets, charset) if isinstance(octets, bytes) else ""
