"""What a client asked to be told of its message (RFC 3461), recipient by recipient.

Nobody is told more than our own rules allow (`delivery.py`); a wish can only make it less, or ask
for what a proven sender may have anyway.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from gateway.store import Job

_XTEXT = re.compile(r"(?:[\x21-\x2a\x2c-\x3c\x3e-\x7e]|\+[0-9A-F]{2})+")
_HEX = re.compile(r"\+([0-9A-F]{2})")
_ORDER = ("SUCCESS", "FAILURE", "DELAY")


def decoded(xtext: str) -> str:
    """What xtext says (RFC 3461, 4); empty unless it is xtext of printable ASCII only."""
    if not _XTEXT.fullmatch(xtext):
        return ""
    text = _HEX.sub(lambda pair: chr(int(pair[1], 16)), xtext)
    return text if text.isascii() and text.isprintable() else ""


@dataclass(frozen=True, slots=True)
class Wish:
    """For one recipient on the next hop's envelope."""

    notify: frozenset[str] = frozenset()
    """Empty: nothing was said."""
    orcpt: str = ""

    @property
    def failure(self) -> bool:
        return not self.notify or "FAILURE" in self.notify  # RFC 3461, 4.1: the default

    @property
    def delay(self) -> bool:
        return not self.notify or "DELAY" in self.notify

    @property
    def success(self) -> bool:
        return "SUCCESS" in self.notify


def origins(job: Job, recipient: str) -> tuple[str, ...]:
    """The accepted recipients for whom this one stands on the envelope; none for a copy."""
    if recipient in job.origin:
        return (recipient,)
    plain = untagged(recipient)
    same = tuple(address for address in job.origin if untagged(address) == plain)
    return same or job.origin


def untagged(address: str) -> str:
    """An address without its plus-tag, in lower case."""
    local, _, domain = address.rpartition("@")
    return f"{local.partition('+')[0]}@{domain}".lower()


def rewritten(job: Job, recipient: str) -> bool:
    """The recipient is another address than the sender wrote to, such as an alias's mailbox."""
    return all(untagged(address) != untagged(recipient) for address in job.origin)


def wish(job: Job, recipient: str) -> Wish:
    """What is wanted for one recipient; where several became one, all that any of them wants."""
    if not job.wishes.recipients:
        return Wish()
    asked = [job.wishes.of(address) for address in origins(job, recipient)]
    words = [frozenset((notify or "FAILURE,DELAY").split(",")) for notify, _ in asked]
    if not any(notify for notify, _ in asked):
        notify = frozenset[str]()
    else:
        notify = frozenset[str]().union(*words) - {"NEVER"} or frozenset({"NEVER"})
    return Wish(notify, asked[0][1] if len(asked) == 1 else "")


def mail_words(job: Job) -> str:
    """For MAIL to a next hop that knows DSN: RET and ENVID as they came."""
    wishes = job.wishes
    words = f" RET={wishes.ret}" if wishes.ret else ""
    return f"{words} ENVID={wishes.envid}" if wishes.envid else words


def rcpt_words(job: Job, recipient: str) -> str:
    """For RCPT to a next hop that knows DSN: NOTIFY and ORCPT.

    On behalf of a sender who is not proven the next hop is asked for no more than it would tell
    unasked: a forger could have a victim told of every success. And success at an address that
    the sender does not know is told by us, in the words the sender used.
    """
    asked = wish(job, recipient)
    notify = asked.notify
    if notify and not job.answerable:
        notify = notify - {"SUCCESS", "DELAY"} or frozenset({"NEVER"})
    elif asked.success and rewritten(job, recipient):
        notify = notify - {"SUCCESS"} or frozenset({"NEVER"})
    words = [word for word in (*_ORDER, "NEVER") if word in notify]
    text = f" NOTIFY={','.join(words)}" if words else ""
    return f"{text} ORCPT={asked.orcpt}" if asked.orcpt else text
