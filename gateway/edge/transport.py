"""What every way of handing a letter on has in common, whether by SMTP, LMTP or into a Maildir."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from gateway.reply import Reply
from gateway.store import Job, Outcome

Result = Literal["relayed", "delayed", "failed", "unknown"]


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of one attempt."""

    outcomes: tuple[Outcome, ...]
    """One for each recipient of the job, in its order."""
    hop_failed: bool = False
    """The next hop itself was out of order: it is no matter of this letter."""
    remarks: tuple[str, ...] = ()
    """What should be counted and warned of, in words of our own."""
    tells: bool = False
    """The next hop took over what the client asked to be told (RFC 3461)."""
    final: bool = False
    """What it took is in the mailbox (LMTP, Maildir), not only further on its way."""

    @property
    def went_wrong(self) -> bool:
        """The breaker counts it: the next hop was out of order, or went away after the final dot.

        Only the former shortens the wait of the letter: the latter may make a copy each time.
        """
        return self.hop_failed or any(outcome.result == "unknown" for outcome in self.outcomes)


class Progress:
    """How far an attempt got, for whoever has to cut it short."""

    __slots__ = ("said", "told")

    def __init__(self) -> None:
        self.said = False
        """The final dot was said: from here on the letter may have been taken."""
        self.told: dict[str, Outcome] = {}
        """What the next hop said after the final dot, by recipient: whatever happens to the others,
        these are over."""


class Transport(Protocol):
    """One next hop, as the relay uses it."""

    @property
    def takes_utf8(self) -> bool:
        """Whether it was seen to take internationalised addresses (RFC 6531)."""
        ...

    async def send(self, job: Job, progress: Progress) -> Sent:
        """Hand a letter over; whatever happens on the way becomes outcomes."""
        ...

    async def close(self) -> None:
        """Let go of connections and threads; work at hand should be over or cancelled before."""
        ...


def the_others(job: Job, progress: Progress, result: Result, reply: Reply) -> tuple[Outcome, ...]:
    """The same outcome for each recipient of whom none is known."""
    return tuple(
        progress.told.get(recipient) or Outcome(recipient, result, reply)
        for recipient in job.recipients
    )


def everyone(job: Job, result: Result, reply: Reply) -> tuple[Outcome, ...]:
    """The same outcome for each recipient."""
    return tuple(Outcome(recipient, result, reply) for recipient in job.recipients)
