"""Telling of a delivery: the status notice for a sender, the notice for the administrator.

A notice is a multipart/report (RFC 3464, RFC 6522): words for the reader, fields for programs, and
the header section of the letter; with a failure the whole letter, if its sender asked for that
(RFC 3461, 4.3). It never holds what our own mailboxes said or are called inside: a sender learns
the addresses that they wrote to, and status codes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from hashlib import sha256
from typing import Literal

from gateway.message import Octets
from gateway.show import terminal
from gateway.store import Job, Outcome
from gateway.wishes import decoded

FULL_MAX = 1 << 20
"""Octets of a letter that is sent back whole."""
HEADER_MAX = 32 * 1024
"""Octets of the letter's header section that are sent back."""
LINE_MAX = 998
"""RFC 5322, 2.1.1: what we write ourselves keeps to it, whatever came in."""
LISTED = 20
"""Recipients named to the administrator."""

_MESSAGE_ID = re.compile(
    rb"^message-id:[ \t]*(<[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,124}"
    rb"@[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,124}>)[ \t]*\r?$",
    re.IGNORECASE | re.MULTILINE,
)


Action = Literal["failed", "delayed", "delivered", "relayed"]
"""RFC 3464, 2.3.3."""


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of one recipient."""

    name: str
    """The address that the sender may be told."""
    outcome: Outcome
    action: Action = "failed"
    original: str = ""
    """Type and address as the sender's own system named them (ORCPT), decoded."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """What a notice needs besides the job."""

    hostname: str
    """Our own name: the Reporting-MTA."""
    sender: str
    """The address in From, one that people read."""
    message_id: str
    """With angle brackets."""
    now: datetime
    site_name: str = ""
    """The site as its customers know it."""
    phone: str = ""
    """The number at which customers reach a person."""


def report(
    job: Job, fates: Sequence[Fate], sheet: Sheet, *, retry_until: datetime | None = None
) -> bytes:
    """The whole content of a delivery status notice for the sender of `job`.

    The fates have the same action; `retry_until` tells with a delay how long we go on trying.
    """
    header = header_section(job.content)
    boundary = "=_dsn_" + sha256(header + job.letter_id.encode()).hexdigest()[:32]
    action = fates[0].action
    full = _is_wanted_whole(job, header, boundary) if action == "failed" else False
    parts = (
        _text_part(_words(job, fates, sheet, retry_until, full=full)),
        _part("message/delivery-status", _status(job, fates, sheet, retry_until).encode()),
        _part("message/rfc822", job.content[:]) if full else _part("text/rfc822-headers", header),
    )
    head = [
        ("From", f"Mail delivery <{sheet.sender}>"),
        ("To", f"<{_printable(job.reverse_path)}>"),
        ("Subject", _SUBJECTS[action]),
        *_common(job, sheet),
        ("Auto-Submitted", "auto-replied"),
        ("MIME-Version", "1.0"),
        (
            "Content-Type",
            f'multipart/report; report-type=delivery-status;\r\n boundary="{boundary}"',
        ),
    ]
    opening = f"--{boundary}\r\n".encode()
    body = b"".join(opening + part + b"\r\n" for part in parts)
    return _head(head) + body + f"--{boundary}--\r\n".encode()


def notice(
    job: Job, failed: Sequence[Outcome], sheet: Sheet, *, administrator: str, earlier: int
) -> bytes:
    """The whole content of a notice: a letter is held, why, and what to do.

    `earlier` letters were held before without a notice of their own.
    """
    kind = "letter" if job.kind == "letter" else f"{job.kind} of our own"
    lines = [
        f"A {kind} could not be delivered to the recipients below. It is held for them,",
        "nothing is lost, and the sender was not told.",
        "",
        f"    id         {job.letter_id}",
        f"    site       {terminal(job.site)}",
        f"    from       <{terminal(job.reverse_path)}>",
        f"    next hop   {terminal(job.next_hop)}",
        f"    accepted   {format_datetime(job.accepted)}",
        f"    attempts   {job.attempts + 1}",
        "",
        *_refusals(failed),
        "",
        *_others(earlier),
        "What to do: mend the mailbox or the next hop, then",
        "",
        f"    gateway queue show {job.letter_id}",
        f"    gateway queue release {job.letter_id}",
        "",
        f"or, if nobody needs it, gateway queue drop {job.letter_id}.",
        "gateway queue list --held shows all that is held.",
    ]
    head = [
        ("From", f"Mail gateway <{sheet.sender}>"),
        ("To", f"<{_printable(administrator)}>"),
        ("Subject", f"Held: {job.letter_id} was not taken by {terminal(job.next_hop, 60)}"),
        *_common(job, sheet),
        ("Auto-Submitted", "auto-generated"),
        ("MIME-Version", "1.0"),
    ]
    return _head(head, end=False) + _text_part("\n".join(lines) + "\n")


def header_section(content: Octets) -> bytes:
    """The letter's header section with CRLF line ends, its lines and itself cut when too long."""
    start = content[: HEADER_MAX + 4]
    if start.startswith((b"\r\n", b"\n")):
        return b""
    ends = [end for end in (start.find(b"\r\n\r\n"), start.find(b"\n\n")) if end >= 0]
    section = start[: min(ends)] if ends else start[: start.rfind(b"\n") + 1]
    lines = section.replace(b"\r\n", b"\n").rstrip(b"\n").split(b"\n")
    return b"".join(line[:LINE_MAX] + b"\r\n" for line in lines)


def _is_wanted_whole(job: Job, header: bytes, boundary: str) -> bool:
    """RET=FULL, and it can be done: not too long, no header that 7-bit mail cannot carry."""
    content = job.content
    return (
        job.wishes.ret == "FULL"
        and len(content) <= FULL_MAX
        and header.isascii()
        and content.find(boundary.encode()) < 0
    )


# --- words -------------------------------------------------------------------------------------


_SUBJECTS: dict[Action, str] = {
    "failed": "Your message could not be delivered",
    "delayed": "Your message is delayed",
    "delivered": "Your message was delivered",
    "relayed": "Your message was handed on",
}
_OPENINGS: dict[Action, str] = {
    "failed": "your message could not be delivered to:",
    "delayed": "your message could not be delivered yet to:",
    "delivered": "your message was delivered into the mailbox of:",
    "relayed": "your message was handed on to the mail system of:",
}


def _words(
    job: Job, fates: Sequence[Fate], sheet: Sheet, retry_until: datetime | None, *, full: bool
) -> str:
    """What a customer reads; every sentence is true of a refusal and of a long silence."""
    action = fates[0].action
    names = sorted({fate.name for fate in fates})
    where = f" of {sheet.site_name}" if sheet.site_name else ""
    lines = [
        "Hello,",
        "",
        _OPENINGS[action],
        "",
        *(f"    {terminal(name, 320)}" for name in names),
        "",
        f"It reached the mail system{where} on {format_datetime(job.accepted)}"
        + {"failed": ", but the", "delayed": ", but the"}.get(action, "."),
        *_what_follows(fates, sheet, retry_until),
        "",
        f"This notice was made automatically. Its reference is {job.queue_id}.",
        "Your message is attached."
        if full
        else "The top of your message is attached, so that you can see which one it was.",
    ]
    return "\n".join(lines) + "\n"


def _what_follows(
    fates: Sequence[Fate], sheet: Sheet, retry_until: datetime | None
) -> Sequence[str]:
    action = fates[0].action
    if action == "delayed":
        until = f" until {format_datetime(retry_until)}" if retry_until else ""
        return (
            "mailbox behind this address has not taken it so far.",
            f"We go on trying{until}. You need not send your message again.",
            *(("", f"If it cannot wait, please call us: {sheet.phone}") if sheet.phone else ()),
        )
    if action != "failed":
        if action == "delivered":
            return ("Whether it was read is not known.",)
        return ("What becomes of it there is for that system to tell.",)
    refused = all(fate.outcome.result == "failed" for fate in fates)
    why = "did not accept it" if refused else "could not be reached for a long time"
    return (
        f"mailbox behind this address {why}.",
        "We have stopped trying: your message will not be read there.",
        "",
        f"Please call us: {sheet.phone}"
        if sheet.phone
        else "Please contact us in another way, or send your message again later.",
    )


def _refusals(failed: Sequence[Outcome]) -> list[str]:
    lines = [
        f"    <{terminal(outcome.recipient, 320)}>: {terminal(str(outcome.reply))}"
        for outcome in failed[:LISTED]
    ]
    more = len(failed) - LISTED
    return [*lines, f"    and {more} more"] if more > 0 else lines


def _others(earlier: int) -> list[str]:
    if not earlier:
        return []
    letters = "letter was" if earlier == 1 else "letters were"
    return [f"Since the last notice {earlier} more {letters} held.", ""]


# --- fields for programs -----------------------------------------------------------------------


def _status(job: Job, fates: Sequence[Fate], sheet: Sheet, retry_until: datetime | None) -> str:
    """RFC 3464, 2.2 and 2.3: fields about the message, then a group for each recipient."""
    envid = decoded(job.wishes.envid)
    groups = [
        (f"Original-Envelope-Id: {envid}\r\n" if envid else "")
        + f"Reporting-MTA: dns; {sheet.hostname}\r\n"
        f"Arrival-Date: {format_datetime(job.accepted)}\r\n"
    ]
    told: set[str] = set()
    for fate in fates:
        if fate.name not in told:
            told.add(fate.name)
            groups.append(_group(fate, sheet, retry_until))
    return "\r\n".join(groups)


def _group(fate: Fate, sheet: Sheet, retry_until: datetime | None) -> str:
    reply, action = fate.outcome.reply, fate.action
    # RFC 3463, 3.5: X.4.7, the time for delivery has run out.
    given_up = action == "failed" and fate.outcome.result != "failed"
    kind, _, original = fate.original.partition(";")
    lines = [
        *([f"Original-Recipient: {kind}; {terminal(original, 500)}"] if original else []),
        f"Final-Recipient: {_typed_address(fate.name)}",
        f"Action: {action}",
        f"Status: {'4.4.7' if given_up else reply.enhanced}",
        *([f"Diagnostic-Code: smtp; {reply.code} {reply.enhanced}"]
          if action in ("failed", "delayed") else []),
        f"Last-Attempt-Date: {format_datetime(sheet.now)}",
        *([f"Will-Retry-Until: {format_datetime(retry_until)}"]
          if action == "delayed" and retry_until else []),
    ]  # fmt: skip
    return "".join(f"{line}\r\n" for line in lines)


def _typed_address(address: str) -> str:
    """RFC 3464, 2.3.2; outside ASCII the form of RFC 6533, 3 that needs no 8-bit transport."""
    if address.isascii():
        return f"rfc822; {terminal(address, 320)}"
    kept = (
        char if "!" <= char <= "~" and char not in "+=\\" else f"\\x{{{ord(char):X}}}"
        for char in address
    )
    return f"utf-8; {''.join(kept)}"


# --- MIME --------------------------------------------------------------------------------------


def _common(job: Job, sheet: Sheet) -> list[tuple[str, str]]:
    fields = [("Date", format_datetime(sheet.now)), ("Message-ID", sheet.message_id)]
    if job.kind == "letter":
        match = _MESSAGE_ID.search(header_section(job.content))
        if match:
            subject_id = match[1].decode("ascii")
            fields += [("In-Reply-To", subject_id), ("References", subject_id)]
    return fields


def _printable(address: str) -> str:
    """An address for a header field: whatever it holds, it cannot end the line."""
    return "".join(char for char in address if char.isprintable())


def _head(fields: Sequence[tuple[str, str]], *, end: bool = True) -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields)
    return (lines + "\r\n" if end else lines).encode()


def _text_part(text: str) -> bytes:
    return _part('text/plain; charset="utf-8"', text.replace("\n", "\r\n").encode())


def _part(content_type: str, octets: bytes) -> bytes:
    encoding = "" if octets.isascii() else "Content-Transfer-Encoding: 8bit\r\n"
    return f"Content-Type: {content_type}\r\n{encoding}\r\n".encode() + octets
