"""Replies to SMTP clients: status code and enhanced code are one value (RFC 5321, 4.2; RFC 3463).

The texts are for strangers: no class name, no path, no exception text ever stands in one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reply:
    code: int
    enhanced: str
    text: str

    def __str__(self) -> str:
        return f"{self.code} {self.enhanced} {self.text}".replace("  ", " ")

    @property
    def positive(self) -> bool:
        return 200 <= self.code < 400

    @property
    def temporary(self) -> bool:
        return 400 <= self.code < 500

    @property
    def permanent(self) -> bool:
        return self.code >= 500

    @classmethod
    def accepted(cls, queue_id: str) -> Reply:
        return cls(250, "2.0.0", f"Ok: queued as {queue_id}")

    @classmethod
    def refused(cls, queue_id: str, contact: str) -> Reply:
        """Refused by policy, with the id and how to reach a person."""
        return cls(
            550, "5.7.1", f"Refused by policy, id {queue_id}; write to {contact} or phone us"
        )

    @classmethod
    def parse(cls, line: str) -> Reply:
        """A next hop's answer, from its (joined) text; without a readable code it is a 451."""
        match = _REPLY.match(line)
        if not match:
            return cls(451, "4.3.0", line[:200])
        code, enhanced, text = match.groups()
        return cls(int(code), enhanced or f"{code[0]}.0.0", text[:500])


_REPLY = re.compile(r"([2-5]\d\d)[ -]?(?:([245]\.\d{1,3}\.\d{1,3})[ ]?)?(.*)", re.DOTALL)

UNKNOWN_RECIPIENT = Reply(550, "5.1.1", "No such mailbox here")
RELAYING_DENIED = Reply(550, "5.7.1", "Relaying denied")
TOO_LARGE = Reply(552, "5.3.4", "Message too large")
NOT_MAIL = Reply(554, "5.6.0", "Bare CR or LF: not an Internet message (RFC 5322)")
TRY_LATER = Reply(450, "4.7.1", "Please try again later")
OVERLOADED = Reply(421, "4.3.2", "Too busy, please try again later")
OUR_TROUBLE = Reply(451, "4.3.0", "Please try again later")
NO_SPACE = Reply(452, "4.3.1", "No space at the moment, please try again later")
TOO_MANY_RECIPIENTS = Reply(452, "4.5.3", "Too many recipients, send the rest in a new transaction")
TIMED_OUT = Reply(421, "4.4.2", "Time-out, closing the connection")
TLS_FIRST = Reply(530, "5.7.0", "Issue STARTTLS first")
BAD_CREDENTIALS = Reply(535, "5.7.8", "Authentication failed")
BAD_PARAMETER = Reply(501, "5.5.4", "Parameter not understood")
BAD_SEQUENCE = Reply(503, "5.5.1", "Command out of sequence")
TOO_MANY_ERRORS = Reply(421, "4.7.0", "Too many errors, closing the connection")
TOO_MANY_HOPS = Reply(554, "5.4.6", "Too many hops: this message is going in circles")
