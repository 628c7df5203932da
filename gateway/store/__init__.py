"""What the gateway keeps: the face every store has, and the values that cross it.

States: queued (due now), active (leased to one worker), deferred (due later), held (waits for a
person), waiting (an acknowledgement until its letter is delivered); ended: relayed, failed,
dropped. `sqlite.py` implements it; the contract is tests/store/test_contract.py.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, Protocol, TypeAlias

from gateway.message import NO_WISHES, Arrival, Message, Octets, Wishes
from gateway.plan import Call, DmarcRow, History, Letter, Plan
from gateway.reply import Reply
from gateway.settings import Acknowledgements

State: TypeAlias = Literal[
    "queued", "active", "deferred", "held", "waiting", "relayed", "failed", "dropped", "unknown"
]


class StoreError(Exception):
    """The store cannot keep or tell anything now: answer 451 and let the client try again."""


class UnfitError(StoreError):
    """The store will not take this, however often it is asked."""


class UnreachableError(StoreError):
    """The store is away, and will be back: starting again later will help."""


class NoSpaceError(StoreError):
    """The disk is full, or fuller than allowed: answer 452."""


@dataclass(frozen=True, slots=True)
class Job:
    """One letter leased to one worker, with the recipients that are still owed."""

    letter_id: str
    queue_id: str
    kind: str
    site: str
    next_hop: str
    reverse_path: str
    recipients: tuple[str, ...]
    prefix: bytes
    cuts: tuple[tuple[int, int], ...]
    content: Octets
    """The shared original, or the whole of mail of our own (then without cuts and prefix)."""
    attempts: int
    """Finished attempts before this one."""
    accepted: datetime
    lease: str
    """Proof of the lease; settling with a lost lease changes nothing."""
    smtputf8: bool = False
    answerable: bool = False
    """The reverse-path is proven and the letter is not spam: a DSN may be sent to it."""
    origin: tuple[str, ...] = ()
    """The accepted recipients it answers for, as the sender wrote them: what a DSN may name."""
    pressed: bool = False
    """Made due by `retry`: a person asked for it, so it goes past any breaker."""
    wishes: Wishes = NO_WISHES
    """What the client asked to be told, by the recipients it named."""
    last_tried: datetime | None = None
    """When the latest attempt before this one ended."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What came of keeping a message."""

    left_out: frozenset[str] = frozenset()
    """The ids of acknowledgements and call cards that were left out, because the right to send
    them was taken already or a limit was reached."""
    jobs: tuple[Job, ...] = ()
    """Letters that were kept leased to this process, to be delivered now or given back."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one recipient in one attempt (RFC 3464, 2.3.3)."""

    recipient: str
    result: Literal["relayed", "delayed", "failed", "unknown"]
    reply: Reply
    """The next hop's answer, or our own words for a connection that failed."""


@dataclass(frozen=True, slots=True)
class Settlement:
    """What `settle` is to write down about an attempt."""

    outcomes: tuple[Outcome, ...]
    retry_at: datetime | None
    """When the delayed recipients are due again; None: it is over, they are treated as failed."""
    on_failure: Literal["hold", "dsn", "drop"] = "hold"
    """hold: failed recipients wait for a person; dsn: they end and `notices` tells the sender."""
    notices: tuple[Letter, ...] = ()
    """Mail of our own to keep in the same transaction (DSN, message to the administrator)."""
    held: frozenset[str] = frozenset()
    """With `dsn`: failed recipients of whom the sender may not be told; these are held."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One letter as `gateway queue list` shows it."""

    letter_id: str
    queue_id: str
    kind: str
    site: str
    state: State
    next_hop: str
    reverse_path: str
    recipients: Mapping[str, State]
    size: int
    accepted: datetime
    due: datetime | None
    attempts: int
    why: str
    tone: str = ""
    raw: bool = False
    """Kept unparsed because it broke us: releasing runs the whole route again."""


@dataclass(frozen=True, slots=True)
class Balance:
    """Accepted = the sum of the others, counted per accepted recipient."""

    accepted: int = 0
    delivered: int = 0
    queued: int = 0
    held: int = 0
    bounced: int = 0
    dropped: int = 0
    generated: Mapping[str, int] = field(default_factory=dict)
    """Mail of our own, copies and fan-out, by state; not part of the balance."""

    @property
    def balanced(self) -> bool:
        return self.accepted == (
            self.delivered + self.queued + self.held + self.bounced + self.dropped
        )


@dataclass(frozen=True, slots=True)
class Depth:
    """What the queue holds now."""

    states: Mapping[State, int] = field(default_factory=dict)
    """Letters by state, of those that are not ended."""
    oldest_due: datetime | None = None
    """When the letter that waits longest for its turn was due."""


@dataclass(frozen=True, slots=True)
class Node:
    """A process that serves from the store."""

    host: str
    pid: int
    version: str
    configuration: str
    """Digest of its files."""
    models: Mapping[str, str]
    """Digest of each model's files, by name."""
    started: datetime
    owner: str = ""
    """Its name in leases; the store knows it."""
    seen: datetime | None = None
    """When it last said that it lives."""


@dataclass(frozen=True, slots=True)
class DmarcReport:
    """One domain's report of one day, leased to one worker."""

    domain: str
    begin: datetime
    end: datetime
    rows: Mapping[str, int]
    """How often each `DmarcRow.facts` was found."""
    left_out: int
    """Messages that had no room in `rows`."""
    attempts: int
    """How often it was leased, this time counted."""
    lease: str


@dataclass(frozen=True, slots=True)
class Note:
    """One line of a message's story, for `explain QUEUE_ID` and the audit."""

    at: datetime
    event: str
    text: str
    who: str = ""


class Store(Protocol):
    """Every method may raise StoreError. Times come in as arguments; nothing here reads a clock."""

    remarks: list[str]
    """What the administrator should know of the opening."""

    def follow(
        self,
        limits: Acknowledgements,
        call_budget_periods: Mapping[str, timedelta],
        sites: Mapping[str, str],
    ) -> None:
        """Go by another configuration from now on, as a reload brings it."""
        ...

    def expect(self, change: int) -> None:
        """So many more messages are about to be kept, or less: those that come first may wait a
        moment for them, to be kept in one transaction."""
        ...

    async def recall(self, message: Message, now: datetime) -> History:
        """Who this is and what was said before. Reads only."""
        ...

    async def keep(
        self,
        arrival: Arrival,
        letters: Sequence[Letter],
        plan: Plan,
        straight: Collection[str] = (),
    ) -> Receipt:
        """Keep a message, its letters and what must be remembered: all of it on disk, or none.

        The letters with the ids `straight` that are due are leased as they are kept: whoever asks
        for it delivers them, and nobody need claim them. Large contents, acknowledgements and what
        is held or waits are never leased here. A lease whose caller was cancelled meanwhile is
        ended by the store.
        """
        ...

    async def keep_raw(self, arrival: Arrival, why: str) -> None:
        """Keep as held what broke us, unparsed."""
        ...

    async def claim(
        self, now: datetime, limit: int, *, but_not: frozenset[str] = frozenset()
    ) -> Sequence[Job]:
        """Lease letters that are due, oldest first, none for the next hops in `but_not`."""
        ...

    async def reclaim(self) -> int:
        """At start: end the leases of workers that live no more; gives how many letters."""
        ...

    async def settle(self, job: Job, settlement: Settlement, now: datetime) -> bool:
        """Write down an attempt; tells whether other letters became due by it."""
        ...

    async def extend(self, jobs: Sequence[Job], now: datetime) -> Sequence[Job]:
        """Renew the leases of jobs still at work; gives those whose lease is over."""
        ...

    async def give_back(self, jobs: Sequence[Job], now: datetime) -> None:
        """Return leases of jobs that were not begun, so that others need not wait for their end."""
        ...

    async def hasten(self, now: datetime, fresh: timedelta, backlog: timedelta) -> int:
        """Make due what waits for longer than may be, since the clock was ahead and was set back;
        gives how many letters. `fresh`: the longest wait of an acknowledgement for its letter,
        `backlog`: of a letter that was tried."""
        ...

    async def next_due(self) -> datetime | None:
        """When the next letter is due, None when nothing waits for its time."""
        ...

    # --- those who share the store ---

    async def beat(self, node: Node, now: datetime) -> int:
        """Say that this process lives, every few seconds, and end the leases of those that died.

        Gives how many letters were leased to them.
        """
        ...

    async def farewell(self) -> None:
        """This process ends: its row goes."""
        ...

    async def nodes(self) -> Sequence[Node]: ...

    async def depth(self) -> Depth: ...

    # --- DMARC reports ---

    async def record_dmarc(self, row: DmarcRow, now: datetime) -> None:
        """Count a message that was turned away; `keep` counts those that are kept."""
        ...

    async def claim_report(self, now: datetime) -> DmarcReport | None:
        """Lease one report whose day is over."""
        ...

    async def put_report_off(self, report: DmarcReport, due: datetime) -> None: ...

    async def end_report(
        self, report: DmarcReport, mail: Arrival | None = None, letters: Sequence[Letter] = ()
    ) -> bool:
        """Keep the letters that carry a report, and forget it, in one transaction.

        `mail` is the message of ours they belong to. False if the lease was lost.
        """
        ...

    # --- by command ---

    async def entries(
        self, *, states: Sequence[State] = (), limit: int = 1000
    ) -> Sequence[Entry]: ...

    async def entry(self, letter_or_queue_id: str) -> Sequence[Entry]: ...

    async def original(self, queue_id: str) -> Arrival | None:
        """The original octets with their session facts."""
        ...

    async def hold(self, id_: str, why: str, who: str, now: datetime) -> int:
        """Hold every letter of a queue id, or one letter; gives how many were changed."""
        ...

    async def release(
        self,
        id_: str,
        who: str,
        now: datetime,
        *,
        letters: Sequence[Letter] = (),
        plan: Plan | None = None,
    ) -> int:
        """Let held letters go; with them, mail of our own and what to remember from now on."""
        ...

    async def release_raw(
        self, queue_id: str, letters: Sequence[Letter], plan: Plan, who: str, now: datetime
    ) -> None:
        """Replace a raw hold by what the route made of it now."""
        ...

    async def retry(self, id_: str, who: str, now: datetime) -> int:
        """Make deferred letters due at once; `*` is all of them."""
        ...

    async def drop(self, id_: str, who: str, now: datetime) -> int: ...

    async def alerts(self) -> Sequence[Note]:
        """What the administrator is to be told, each given once; `who` is the queue id."""
        ...

    async def balance(self) -> Balance: ...

    async def notes(self, queue_id: str) -> Sequence[Note]: ...

    async def calls(self, *, site: str = "", all_: bool = False) -> Sequence[Call]: ...

    async def close_call(self, id_: str, outcome: str, who: str, now: datetime) -> bool: ...

    async def secret(self) -> bytes:
        """The secret made on first use, for when the YAML names none."""
        ...

    async def clean(self, now: datetime, *, quarantine: timedelta | None = None) -> None:
        """Forget what has ended long ago; what is owed stays, however old.

        With `quarantine` letters held as spam for longer are dropped, by the site's rule.
        """
        ...

    async def close(self) -> None: ...
