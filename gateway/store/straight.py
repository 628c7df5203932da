"""Letters that are leased to their keeper as they are kept: nobody need claim and read them again.

Their job is made from what is in hand; in every field it is the one that a claim would give.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from gateway.message import Arrival
from gateway.plan import Letter
from gateway.store import Job
from gateway.store.bodies import INLINE
from gateway.store.sql import micros


@dataclass(frozen=True, slots=True)
class Straight:
    """Letters that are leased as they are kept, by id; the lease and when it ends."""

    ids: frozenset[str]
    lease: str
    until: int

    @classmethod
    def of(
        cls,
        arrival: Arrival,
        letters: Sequence[Letter],
        ids: Collection[str],
        lease: str,
        ends: int,
    ) -> Straight:
        """Of those asked for the ones that may go: a large content is read from where it is kept;
        an acknowledgement whose worker dies is lost, so that it is leased when its turn comes."""
        if not ids or len(arrival.content) > INLINE:
            return NOT_STRAIGHT
        may = [
            letter.id
            for letter in letters
            if letter.id in ids
            and letter.kind != "acknowledgement"
            and not letter.hold
            and not letter.waits_for
        ]
        return cls(frozenset(may), lease, micros(arrival.time) + ends) if may else NOT_STRAIGHT

    def jobs(self, arrival: Arrival, letters: Sequence[Letter]) -> tuple[Job, ...]:
        """What a claim would give, made from what is in hand."""
        if not self.ids:
            return ()
        return tuple(
            [_job(arrival, letter, self.lease) for letter in letters if letter.id in self.ids]
        )


NOT_STRAIGHT = Straight(frozenset(), "", 0)


def _job(arrival: Arrival, letter: Letter, lease: str) -> Job:
    recipients = tuple(dict.fromkeys(letter.recipients))
    return Job(
        letter_id=letter.id,
        queue_id=arrival.queue_id,
        kind=letter.kind,
        site=letter.site,
        next_hop=letter.next_hop,
        reverse_path=letter.reverse_path,
        recipients=recipients,
        prefix=letter.prefix,
        cuts=letter.cuts,
        content=bytes(arrival.content) if letter.own is None else letter.own,
        attempts=0,
        accepted=arrival.time,
        lease=lease,
        smtputf8=letter.smtputf8,
        answerable=letter.answerable,
        origin=recipients if is_one_to_one(letter) else letter.origin,
        wishes=arrival.envelope.wishes,
    )


def is_one_to_one(letter: Letter) -> bool:
    """Its recipients are the accepted ones themselves."""
    recipients, origin = letter.recipients, letter.origin
    return bool(origin) and (recipients == origin or set(recipients) == set(origin))
