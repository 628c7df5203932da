"""Whatever happens in whatever order: accepted = the sum of the rest, and nobody is lost."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from gateway.settings import Acknowledgements
from gateway.store import Balance, Job, Outcome, Settlement
from gateway.store.postgres import PostgresStore
from gateway.store.sqlite import SqliteStore

MINUTE = timedelta(minutes=1)
NAMES = ("a", "b", "c")
RESULTS = st.sampled_from(["relayed", "delayed", "failed", "unknown"])
ENDS = st.sampled_from(["hold", "dsn", "drop"])
COLUMN = {
    **dict.fromkeys(("queued", "active", "deferred"), "queued"),
    "relayed": "delivered",
    "failed": "bounced",
    "held": "held",
    "dropped": "dropped",
}
ENDED = {"relayed", "failed", "dropped", "unknown"}


class Mailroom(RuleBasedStateMachine):
    """One store, and beside it what we know must be true: who was accepted, what was handed on."""

    mail: SimpleNamespace
    open_: Callable[..., Any]
    """Makes an empty store."""
    ids = Bundle("ids")

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.Runner()
        self.now = self.mail.NOW
        self.store: Any = self.run(self.open_(limits=Acknowledgements(per_author=timedelta(0))))
        self.accepted: dict[str, set[str]] = {}
        """Recipients by queue id; those of raw holds too."""
        self.raw: set[str] = set()
        self.handed_on: Counter[tuple[str, str]] = Counter()
        """Acknowledgements relayed, and whose outcome is not known, by letter id."""
        self.relayed: set[tuple[str, str]] = set()
        """Who was told to have been delivered to, by letter id."""
        self.jobs: list[Job] = []

    def run(self, awaitable: Any) -> Any:
        return self.loop.run(awaitable)

    def teardown(self) -> None:
        self.run(self.store.close())
        self.loop.close()

    # --- what may happen ---

    @rule(
        target=ids,
        to=st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True),
        split=st.booleans(),
        fan_out=st.integers(0, 2),
        acknowledge=st.booleans(),
        hold=st.sampled_from(["", "", "quarantined: spam=spam"]),
    )
    def keep(self, to: list[str], split: bool, fan_out: int, acknowledge: bool, hold: str) -> Any:
        queue_id = f"Q{len(self.accepted):03d}"
        recipients = [f"{name}@shop.example" for name in to]
        groups = [[each] for each in recipients] if split else [recipients]
        letters = []
        for number, group in enumerate(groups, 1):
            others = [f"{n}@inside.example" for n in range(fan_out)]
            letters.append(
                self.mail.letter(
                    queue_id,
                    group,
                    n=number,
                    deliver_to=others or group,
                    hold=hold,
                    next_hop=f"hop{number % 2}",
                )
            )
        memories = []
        if acknowledge:
            letters.append(self.mail.acknowledgement(queue_id))
            letters[-1] = self.mail.replace(letters[-1], id=f"{queue_id}.ack")
            taken = self.mail.claim(queue_id, letter_id=f"{queue_id}.ack", large_provider=True)
            memories.append(self.mail.memory(queue_id, claim=taken))
        came = self.mail.arrival(queue_id, recipients, time=self.now)
        self.run(self.store.keep(came, letters, self.mail.plan(*memories)))
        self.accepted[queue_id] = set(recipients)
        return queue_id

    @rule(target=ids, to=st.lists(st.sampled_from(NAMES), min_size=1, max_size=2, unique=True))
    def keep_raw(self, to: list[str]) -> Any:
        queue_id = f"Q{len(self.accepted):03d}"
        recipients = [f"{name}@shop.example" for name in to]
        self.run(
            self.store.keep_raw(self.mail.arrival(queue_id, recipients, time=self.now), "broke")
        )
        self.accepted[queue_id] = set(recipients)
        self.raw.add(queue_id)
        return queue_id

    @precondition(lambda self: self.raw)
    @rule(data=st.data())
    def release_raw(self, data: st.DataObject) -> None:
        queue_id = data.draw(st.sampled_from(sorted(self.raw)))
        self.raw.discard(queue_id)
        (entry,) = self.run(self.store.entry(queue_id))
        if entry.state != "held":
            return
        letter = self.mail.letter(queue_id, sorted(self.accepted[queue_id]))
        self.run(self.store.release_raw(queue_id, [letter], self.mail.plan(), "joe", self.now))

    @rule(limit=st.integers(1, 4), blocked=st.booleans())
    def claim(self, limit: int, blocked: bool) -> None:
        but_not = frozenset({"hop1"}) if blocked else frozenset()
        self.jobs += self.run(self.store.claim(self.now, limit, but_not=but_not))

    @precondition(lambda self: self.jobs)
    @rule(
        data=st.data(),
        minutes=st.one_of(st.none(), st.integers(0, 30)),
        end=ENDS,
        notice=st.booleans(),
        silent=st.booleans(),
    )
    def settle(
        self, data: st.DataObject, minutes: int | None, end: Any, notice: bool, silent: bool
    ) -> None:
        job = self.jobs.pop(data.draw(st.integers(0, len(self.jobs) - 1)))
        answers = {"relayed": self.mail.OK, "failed": self.mail.NEVER}
        outcomes = []
        for recipient in job.recipients[1 if silent else 0 :]:
            result = data.draw(RESULTS)
            outcomes.append(Outcome(recipient, result, answers.get(result, self.mail.LATER)))  # type: ignore[arg-type]
        owns = self.run(self.store.entry(job.letter_id))[0].state == "active"
        notices = (self.mail.own(job.queue_id, "notice", n=90 + len(self.accepted)),) * notice
        retry_at = None if minutes is None else self.now + minutes * MINUTE
        self.run(
            self.store.settle(job, Settlement(tuple(outcomes), retry_at, end, notices), self.now)
        )
        for outcome in outcomes:
            if outcome.result == "relayed":
                self.relayed.add((job.letter_id, outcome.recipient))
            if owns and job.kind == "acknowledgement" and outcome.result in ("relayed", "unknown"):
                self.handed_on[job.letter_id, outcome.recipient] += 1

    @rule(limit=st.integers(1, 20))
    def deliver(self, limit: int) -> None:
        """An ordinary moment: what is due is handed on."""
        for job in self.run(self.store.claim(self.now, limit)):
            outcomes = tuple(Outcome(to, "relayed", self.mail.OK) for to in job.recipients)
            self.run(self.store.settle(job, Settlement(outcomes, None), self.now))
            self.relayed.update((job.letter_id, to) for to in job.recipients)
            if job.kind == "acknowledgement":
                self.handed_on[job.letter_id, job.recipients[0]] += 1

    @rule(just_claimed=st.integers(0, 20))
    def crash(self, just_claimed: int) -> None:
        """The worker is gone with all it had in hand; its acknowledgements may have gone out."""
        if just_claimed:
            self.jobs += self.run(self.store.claim(self.now, just_claimed))
        for job in self.jobs:
            if job.kind == "acknowledgement":
                self.handed_on[job.letter_id, job.recipients[0]] += 1
        self.jobs.clear()
        self.now += 5 * MINUTE

    @precondition(lambda self: self.jobs)
    @rule()
    def give_back(self) -> None:
        self.run(self.store.give_back(self.jobs, self.now))
        self.jobs.clear()

    @rule(minutes=st.integers(1, 4))
    def wait(self, minutes: int) -> None:
        """Time passes; whoever is at work renews the leases."""
        self.now += minutes * MINUTE
        self.run(self.store.extend(self.jobs, self.now))

    @rule(id_=ids, part=st.booleans())
    def hold(self, id_: str, part: bool) -> None:
        self.run(self.store.hold(f"{id_}.1" if part else id_, "wait", "joe", self.now))

    @rule(id_=ids)
    def release(self, id_: str) -> None:
        self.run(self.store.release(id_, "joe", self.now))

    @rule(id_=ids, part=st.booleans())
    def drop(self, id_: str, part: bool) -> None:
        self.run(self.store.drop(f"{id_}.1" if part else id_, "joe", self.now))

    @rule(id_=st.one_of(ids, st.just("*")))
    def retry(self, id_: str) -> None:
        self.run(self.store.retry(id_, "joe", self.now))

    @rule()
    def clean(self) -> None:
        """Contents go at once, records stay, so that the counts can be checked against them."""
        self.run(self.store.clean(self.now + MINUTE, bodies=timedelta(0)))

    # --- what must always be true ---

    @invariant()
    def the_balance_holds(self) -> None:
        balance: Balance = self.run(self.store.balance())
        assert balance.balanced
        assert balance.accepted == sum(map(len, self.accepted.values()))
        assert min(balance.generated.values(), default=0) >= 0
        assert balance == self._counted()

    def _counted(self) -> Balance:
        """The balance once more, from the entries themselves."""
        sums, generated = Counter[str](), Counter[str]()
        for queue_id, accepted in self.accepted.items():
            found = Counter[str]()
            for entry in self.run(self.store.entry(queue_id)):
                states = list(entry.recipients.values())
                if entry.kind != "letter":
                    generated.update(_generated(state) for state in states)
                elif set(entry.recipients) <= accepted:
                    found.update(COLUMN[state] for state in states)
                else:
                    generated.update(_generated(state) for state in states)
                    worst = ("queued", "held", "bounced", "dropped", "delivered")
                    columns = {COLUMN[state] for state in states}
                    one = next(name for name in worst if name in columns)
                    found[one] += self._answers(queue_id, entry.letter_id)
            assert sum(found.values()) == len(accepted), (queue_id, found)  # nobody is lost
            sums.update(found)
        accepted_in_all = sum(map(len, self.accepted.values()))
        return Balance(accepted=accepted_in_all, **sums, generated=dict(+generated))

    def _answers(self, queue_id: str, letter_id: str) -> int:
        """How many accepted recipients a fanned-out letter stands for: one each, or all in one."""
        letters = [
            entry for entry in self.run(self.store.entry(queue_id)) if entry.kind == "letter"
        ]
        return len(self.accepted[queue_id]) if len(letters) == 1 else 1

    @invariant()
    def what_is_owed_can_be_delivered(self) -> None:
        """Every letter that is not over is due some time, held, or in somebody's hands."""
        for entry in self.run(self.store.entries()):
            if entry.state in ENDED:
                assert entry.due is None
                assert all(state in ENDED for state in entry.recipients.values())
            elif entry.state == "held":
                assert "held" in entry.recipients.values()
            else:
                assert entry.due is not None
            if entry.state not in ENDED:
                assert self.run(self.store.original(entry.queue_id)) is not None

    @invariant()
    def nothing_is_called_delivered_that_was_not(self) -> None:
        for entry in self.run(self.store.entries()):
            for recipient, state in entry.recipients.items():
                assert state != "relayed" or (entry.letter_id, recipient) in self.relayed

    @invariant()
    def acknowledged_at_most_once(self) -> None:
        assert all(count <= 1 for count in self.handed_on.values())


def _generated(state: str) -> str:
    return "queued" if state in ("active", "deferred", "waiting") else state


def test_any_sequence(mail: SimpleNamespace) -> None:
    try_sequences(mail, partial(SqliteStore.open, Path(":memory:")), examples=60)


def test_any_sequence_on_postgres(mail: SimpleNamespace, postgres_url: str) -> None:
    def open_(**options: Any) -> Any:
        with psycopg.connect(postgres_url, autocommit=True) as db:
            tables = db.execute(
                "SELECT string_agg(tablename, ', ') FROM pg_tables "
                "WHERE schemaname = 'public' AND tablename <> 'gateway_schema'"
            ).fetchone()
            assert tables is not None
            db.execute(f"TRUNCATE {tables[0]}")
        return PostgresStore.open(postgres_url, **options)

    try_sequences(mail, open_, examples=8)


def try_sequences(mail: SimpleNamespace, open_: Callable[..., Any], *, examples: int) -> None:
    Mailroom.mail, Mailroom.open_ = mail, staticmethod(open_)
    run_state_machine_as_test(
        Mailroom,
        settings=settings(
            max_examples=examples,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
