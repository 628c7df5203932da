"""Letters and plans for the store, and the stores that must all keep the same contract."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from support.postgres import Cluster, cluster

from gateway.message import Address, Arrival, Envelope, Message, Session
from gateway.plan import Call, Claim, Letter, Memory, Plan
from gateway.reply import Reply
from gateway.settings import Acknowledgements
from gateway.store import Job, Outcome, Settlement, Store
from gateway.store.postgres import PostgresStore
from gateway.store.postgres_schema import migrate
from gateway.store.sqlite import SqliteStore
from gateway.verdict import Action

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
CUSTOMER = "ann@customer.example"
SUPPORT = "support@shop.example"
CONTENT = b"From: Ann <ann@customer.example>\r\nSubject: parcel\r\n\r\nWhere is it?\r\n"

OK = Reply(250, "2.0.0", "Ok")
LATER = Reply(451, "4.3.0", "try later")
NEVER = Reply(550, "5.1.1", "no such mailbox")


def arrival(
    queue_id: str,
    to: Sequence[str] = (SUPPORT,),
    content: bytes = CONTENT,
    time: datetime = NOW,
    sender: str = CUSTOMER,
) -> Arrival:
    session = Session("192.0.2.7", "mail.customer.example", "TLSv1.3", "", "ESMTPS")
    envelope = Envelope(sender, tuple(to), smtputf8=False, body="8BITMIME")
    return Arrival(queue_id, time, session, envelope, content)


def letter(queue_id: str, to: Sequence[str] = (SUPPORT,), n: int = 1, **more: Any) -> Letter:
    """A customer's letter to the recipients named, or by `deliver_to` to others."""
    deliver_to = more.pop("deliver_to", to)
    values: dict[str, Any] = {
        "kind": "letter",
        "site": "shop",
        "next_hop": "mailbox",
        "reverse_path": CUSTOMER,
        "prefix": b"X-Gateway-Id: " + queue_id.encode() + b"\r\n",
        "origin": tuple(to),
    }
    return Letter(id=f"{queue_id}.{n}", recipients=tuple(deliver_to), **(values | more))


def own(queue_id: str, kind: str = "card", n: int = 3, **more: Any) -> Letter:
    """Mail of our own."""
    id_ = f"{queue_id}.{n}"
    values: dict[str, Any] = {
        "site": "shop",
        "next_hop": "outbound",
        "reverse_path": "",
        "recipients": ("lead@inside.example",),
        "own": f"Message-ID: <{id_}@gw.example>\r\nSubject: ours\r\n\r\nHello\r\n".encode(),
    }
    return Letter(id=id_, kind=kind, **(values | more))  # type: ignore[arg-type]


def acknowledgement(queue_id: str, **more: Any) -> Letter:
    values: dict[str, Any] = {
        "recipients": (CUSTOMER,),
        "waits_for": f"{queue_id}.1",
        "delay": timedelta(minutes=15),
        "late": b"Subject: ours\r\n\r\nwithout a promise\r\n",
    }
    return own(queue_id, "acknowledgement", 2, **(values | more))


def memory(queue_id: str, contact: str = CUSTOMER, **more: Any) -> Memory:
    values: dict[str, Any] = {
        "site": "shop",
        "proven": True,
        "message_id": f"<{queue_id}@customer.example>",
        "conversation": f"c-{queue_id}",
        "counts": True,
        "tone": "neutral",
        "irate": False,
        "phone": None,
    }
    return Memory(contact=contact, **(values | more))


def claim(queue_id: str, contact: str = CUSTOMER, **more: Any) -> Claim:
    """The right to send `acknowledgement(queue_id)`."""
    values = {"site": "shop", "conversation": f"c-{queue_id}", "letter_id": f"{queue_id}.2"}
    return Claim(contact=contact, **(values | more))  # type: ignore[arg-type]


def call(queue_id: str, contact: str = CUSTOMER, **more: Any) -> Call:
    values: dict[str, Any] = {
        "id": f"K{queue_id}",
        "site": "shop",
        "name": "Ann",
        "phone": "+15551234567",
        "extension": "12",
        "orders": ("10423",),
        "questions": ("Where is it?",),
        "phrases": ("snake oil",),
        "reason": "irate",
        "due": NOW + timedelta(minutes=30),
        "opened": NOW,
        "proven": True,
    }
    return Call(queue_id=queue_id, contact=contact, **(values | more))


def plan(*memories: Memory) -> Plan:
    return Plan(Action.DELIVER, remember=memories)


def message(
    queue_id: str = "NEXT", author: str = CUSTOMER, to: Sequence[str] = (SUPPORT,), **more: Any
) -> Message:
    return Message(
        arrival(queue_id, to),
        (),
        0,
        authors=(Address("Ann", author),) if author else (),
        message_id=more.pop("message_id", f"<{queue_id}@customer.example>"),
        **more,
    )


def settlement(
    job: Job, result: str, *, retry_at: datetime | None = None, **more: Any
) -> Settlement:
    """The same outcome for every recipient of a job, or for those in `only`."""
    reply = {"relayed": OK, "delayed": LATER, "failed": NEVER, "unknown": LATER}[result]
    reply = more.pop("reply", reply)
    recipients = more.pop("only", job.recipients)
    outcomes = tuple(Outcome(to, result, reply) for to in recipients)  # type: ignore[arg-type]
    return Settlement(outcomes, retry_at, **more)


@dataclass
class Keeper:
    """What tests do with a store again and again."""

    store: Store
    ids: int = field(default=0)

    async def keep(self, *letters: Letter, **more: Any) -> str:
        """Keep one message with these letters, or with one plain letter; gives its queue id."""
        self.ids += 1
        queue_id = more.pop("queue_id", f"Q{self.ids:04d}")
        memories = more.pop("remember", ())
        came = arrival(queue_id, **more)
        await self.store.keep(
            came, letters or (letter(queue_id, came.envelope.recipients),), plan(*memories)
        )
        return queue_id

    async def claim(self, now: datetime = NOW, limit: int = 100, **more: Any) -> list[Job]:
        return list(await self.store.claim(now, limit, **more))

    async def settle_all(self, result: str = "relayed", now: datetime = NOW, **more: Any) -> int:
        """Claim and settle everything that is due."""
        jobs = await self.claim(now, 1000)
        for job in jobs:
            await self.store.settle(job, settlement(job, result, **more), now)
        return len(jobs)

    async def states(self, id_: str) -> dict[str, str]:
        return {entry.letter_id: entry.state for entry in await self.store.entry(id_)}

    async def events(self, queue_id: str) -> list[str]:
        return [note.event for note in await self.store.notes(queue_id)]


@pytest.fixture(scope="session")
def mail() -> SimpleNamespace:
    """The builders above, by name."""
    return SimpleNamespace(
        NOW=NOW,
        CUSTOMER=CUSTOMER,
        SUPPORT=SUPPORT,
        CONTENT=CONTENT,
        OK=OK,
        LATER=LATER,
        NEVER=NEVER,
        arrival=arrival,
        letter=letter,
        own=own,
        acknowledgement=acknowledgement,
        memory=memory,
        claim=claim,
        call=call,
        plan=plan,
        message=message,
        settlement=settlement,
        replace=replace,
        Keeper=Keeper,
    )


OpenStore = Callable[..., Awaitable[Store]]
"""`open_store(limits=…, lease=…)`: a store; opened twice in one test it is the same one."""


async def _sqlite(folder: Path, **options: Any) -> Store:
    return await SqliteStore.open(folder / "gateway.db", **options)


async def _memory(_folder: Path, **options: Any) -> Store:
    return await SqliteStore.open(Path(":memory:"), **options)


STORES = {"sqlite": _sqlite, "memory": _memory, "postgres": None}
"""Every store the contract is tested with; a further one is put in here."""


@pytest.fixture(scope="session")
def postgres_cluster() -> Iterator[Cluster]:
    with cluster() as made:
        yield made


@pytest.fixture(scope="session")
def postgres_template(postgres_cluster: Cluster) -> str:
    """A database with the schema, to be copied."""
    name = postgres_cluster.database()
    with psycopg.connect(postgres_cluster.url(name), autocommit=True) as db:
        migrate(db)
    return name


@pytest.fixture
def postgres_url(postgres_cluster: Cluster, postgres_template: str) -> Iterator[str]:
    """A database of our own, with the schema and nothing in it."""
    name = postgres_cluster.database(postgres_template)
    yield postgres_cluster.url(name)
    postgres_cluster.drop(name)


@pytest.fixture(params=sorted(STORES))
async def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[OpenStore]:
    opened: list[Any] = []
    make = STORES[request.param]
    if make is None:
        url = request.getfixturevalue("postgres_url")

    async def open_(**options: Any) -> Store:
        store = await (make(tmp_path, **options) if make else PostgresStore.open(url, **options))
        opened.append(store)
        return store

    yield open_
    for store in opened:
        await store.close()


@pytest.fixture
async def store(open_store: OpenStore) -> Store:
    return await open_store(limits=Acknowledgements())


@pytest.fixture
def keeper(store: Store) -> Keeper:
    return Keeper(store)
