"""The plan for one message: who gets which letter, who is acknowledged, who is phoned.

Only values. `routing` makes the plan, `stamp` and the composers turn it into letters, the store
keeps both in one transaction, so that what is remembered can never differ from what was sent.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal, NamedTuple, Protocol

from gateway.reply import Reply
from gateway.verdict import Action, Decision

# --- what is known before ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Contact:
    """What we remember of one author address; letters of spammers and copies do not count."""

    letters_7_days: int = 0
    """Earlier letters, without the one at hand."""
    letters_30_days: int = 0
    last_irate: datetime | None = None
    phones: frozenset[str] = frozenset()
    """E.164 numbers this author gave before."""
    known: bool = False
    """We hold an earlier letter of theirs that was not spam."""


@dataclass(frozen=True, slots=True)
class ReplyTo:
    """What the store knows of the one address in Reply-To, where that is not the author's.

    Nothing proves that it is hers: its letters are the unproven ones.
    """

    contact: Contact = Contact()
    acknowledged: Mapping[str, datetime] = field(default_factory=dict)
    open_calls: Mapping[str, str] = field(default_factory=dict)
    dead_address: bool = False


@dataclass(frozen=True, slots=True)
class History:
    """What the store knows about the author and the conversation of one message."""

    proven: Contact = Contact()
    """Letters whose author domain was aligned."""
    unproven: Contact = Contact()
    conversation: str = ""
    """The conversation this message continues, empty for a new one."""
    answers_us: bool = False
    """It names a Message-ID of ours in In-Reply-To or References."""
    acknowledged: Mapping[str, datetime] = field(default_factory=dict)
    """When this author was last acknowledged, by site."""
    conversation_acknowledged: bool = False
    copy: bool = False
    """A message with this Message-ID from this author was taken before."""
    open_calls: Mapping[str, str] = field(default_factory=dict)
    """Call id by site."""
    calls_carded: Mapping[str, int] = field(default_factory=dict)
    """Cards sent within the budget's period, by site; unproven ones under `SITE/unproven`."""
    dead_address: bool = False
    reply_to: ReplyTo = ReplyTo()
    silenced: frozenset[str] = frozenset()
    """Sites, or `*`, whose acknowledgements are paused by the breaker."""
    missing: str = ""
    """Why nothing is known (`timeout`): then nothing is acknowledged either."""

    def contact(self, *, proven: bool) -> Contact:
        return self.proven if proven else self.unproven

    def behind_form(self) -> History:
        """The same for a letter that a form wrote: of whoever filled it in, and nothing proven."""
        found = self.reply_to
        return replace(
            self,
            proven=replace(found.contact, known=False, phones=frozenset()),
            unproven=found.contact,
            acknowledged=found.acknowledged,
            open_calls=found.open_calls,
            dead_address=found.dead_address,
        )

    def counts(self, decision: Decision) -> bool:
        """Whether the letter at hand is a contact: spam and copies are none."""
        return decision.spam != "spam" and not self.copy


# --- what is planned ---------------------------------------------------------------------------


class Facts(Protocol):
    """What was found in the letter; `gateway.facts.Facts` looks for each when it is asked for."""

    @property
    def phone(self) -> str | None: ...
    @property
    def extension(self) -> str: ...
    @property
    def orders(self) -> tuple[str, ...]: ...
    @property
    def questions(self) -> tuple[str, ...]: ...


@dataclass(frozen=True, slots=True)
class Found:
    """Facts that are known already."""

    phone: str | None = None
    """E.164."""
    extension: str = ""
    orders: tuple[str, ...] = ()
    questions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CallPlan:
    """Whether somebody should phone this customer, and with what in hand."""

    wanted: bool = False
    asked: Literal["yes", "no", "refused"] = "no"
    """The model's own reading of what the customer wants."""
    asked_score: float = 0.0
    facts: Facts = Found()
    reason: str = ""
    due: datetime | None = None
    over_budget: bool = False
    """Recorded, tagged and listed, but no card is sent."""
    updates: str = ""
    """The open call that this letter belongs to."""

    @property
    def phone(self) -> str | None:
        """E.164."""
        return self.facts.phone

    @property
    def extension(self) -> str:
        return self.facts.extension

    @property
    def orders(self) -> tuple[str, ...]:
        return self.facts.orders

    @property
    def questions(self) -> tuple[str, ...]:
        return self.facts.questions


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """Whether we answer by ourselves (RFC 3834), why not, and with which words."""

    send: bool = False
    reason: str = "policy"
    """The first reason that holds in the table's order, or `ok`."""
    reasons: tuple[str, ...] = ()
    to: str = ""
    template: str = ""
    language: str = ""
    promise: datetime | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """Recipients that share one plan: they become one stored letter."""

    suffix: int
    """The letter's id is `QUEUE_ID.suffix`, counted from 1."""
    site: str
    rule: str
    recipients: tuple[str, ...]
    """As the client named them."""
    next_hop: str
    deliver_to: tuple[str, ...]
    """The recipients on the next hop's envelope; empty: the recipients as they are."""
    copy_to: tuple[str, ...]
    tags: tuple[str, ...]
    action: Action
    """What really happens here: a lone refusal among several recipients became quarantine."""
    decision: Decision
    call: CallPlan
    acknowledgement: Acknowledgement
    hold: str = ""
    """Why the letter waits for a person, empty when it may go."""
    form: bool = False
    """A form wrote it for somebody else, of whom nothing is proven."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to acknowledge, taken as a unique key inside keep's transaction."""

    site: str
    contact: str
    conversation: str
    large_provider: bool = False
    form: str = ""
    """The address of the declared form that is answered: it has a limit of its own."""
    letter_id: str = ""
    """Which of the kept letters is the acknowledgement; left out when the claim fails."""


class Cards(NamedTuple):
    """How many call cards a site may send, and in which time."""

    in_all: int
    unproven: int
    """Of them for authors who are not proven."""
    period: timedelta


@dataclass(frozen=True, slots=True)
class Call:
    """One call that is wanted, as kept."""

    id: str
    site: str
    queue_id: str
    contact: str
    name: str
    phone: str | None
    extension: str
    orders: tuple[str, ...]
    questions: tuple[str, ...]
    phrases: tuple[str, ...]
    reason: str
    due: datetime | None
    opened: datetime
    proven: bool
    over_budget: bool = False
    updates: str = ""
    state: Literal["open", "done"] = "open"
    outcome: str = ""
    budget: Cards | None = None
    """Where it is not known to be used up, the store looks again: others may have been kept."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What must be remembered of one message at one site."""

    site: str
    contact: str
    """The author's address in lower case."""
    proven: bool
    message_id: str
    conversation: str
    counts: bool
    """False for spam and for copies: they are no contact."""
    tone: str
    irate: bool
    phone: str | None
    call: Call | None = None
    claim: Claim | None = None


@dataclass(frozen=True, slots=True)
class DmarcRow:
    """What one message adds to the report of a domain that asked for reports (RFC 9990)."""

    domain: str
    """Whose report it is: where the DMARC record stands."""
    facts: str
    """One line of `identity/dmarc_rows.py`; equal lines are counted together."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that follows from one message."""

    action: Action
    """The session's: refuse or defer only when every recipient's plan says so."""
    groups: tuple[Group, ...] = ()
    """Also filled, for `explain`, when the message is turned away."""
    reply: Reply | None = None
    """Set when the message is turned away."""
    remember: tuple[Memory, ...] = ()
    dmarc: DmarcRow | None = None
    """What this message adds to a DMARC report, where reports are sent."""

    @property
    def turns_away(self) -> bool:
        return self.reply is not None


def acknowledgement_id(queue_id: str, group: Group) -> str:
    """The letter id of a group's acknowledgement."""
    return f"{queue_id}.{group.suffix}.ack"


def call_id(queue_id: str, group: Group) -> str:
    """The id of the call that a group wants."""
    return f"{queue_id}.{group.suffix}"


def card_id(call: str) -> str:
    """The letter id of a call's card."""
    return f"{call}.card"


class Said(NamedTuple):
    """What a letter's fields say of its acknowledgement or call card, until the store has the last
    word."""

    letter: str
    """The letter id of what it speaks of."""
    field: bytes
    instead: bytes
    """The same field where a limit left that out."""


@dataclass(frozen=True, slots=True)
class Letter:
    """One letter to be kept and delivered: our fields over the one shared original, or our own."""

    id: str
    kind: Literal["letter", "acknowledgement", "card", "notice", "dsn", "report"]
    site: str
    next_hop: str
    reverse_path: str
    recipients: tuple[str, ...]
    prefix: bytes = b""
    """Header fields above the original, CRLF included."""
    cuts: tuple[tuple[int, int], ...] = ()
    """Octet spans of the original that are left out, in order."""
    own: bytes | None = None
    """The whole content of mail of our own; None for the shared original."""
    late: bytes | None = None
    """For an acknowledgement sent after `delay`: the same without a promise."""
    hold: str = ""
    """Why it waits for a person; empty: it may go at once."""
    waits_for: str = ""
    """The letter whose first delivery makes this one due."""
    delay: timedelta = timedelta(0)
    """For a waiting letter: how long until it goes anyway."""
    origin: tuple[str, ...] = ()
    """The accepted recipients this letter answers for, for the count of `prove`."""
    smtputf8: bool = False
    answerable: bool = False
    """The reverse-path is proven and the letter is not spam: a DSN may be sent to it."""
    tone: str = ""
    said: tuple[Said, ...] = ()
    """In the prefix; nothing is said of an acknowledgement or a card that there is not."""

    def without(self, left_out: Collection[str]) -> Letter:
        """The letter as it is where these acknowledgements and cards were left out."""
        prefix = self.prefix
        for said in self.said:
            if said.letter in left_out:
                prefix = prefix.replace(said.field, said.instead, 1)
        return self if prefix is self.prefix else replace(self, prefix=prefix, said=())
