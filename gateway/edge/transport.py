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
    """The next hop itself was out of order: the breaker counts it."""
    remarks: tuple[str, ...] = ()
    """What should be counted and warned of, in words of our own."""


class Transport(Protocol):
    """One next hop, as the relay uses it. `send` answers with outcomes, whatever happens."""

    async def send(self, job: Job) -> Sent: ...

    async def close(self) -> None:
        """Let go of connections and threads; work at hand should be over or cancelled before."""
        ...


def everyone(job: Job, result: Result, reply: Reply) -> tuple[Outcome, ...]:
    """The same outcome for each recipient."""
    return tuple(Outcome(recipient, result, reply) for recipient in job.recipients)
