"""PostgreSQL: several nodes at once, a server that goes and comes, and what stands in its way."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from support.postgres import PASSWORD, Cluster, cluster

from gateway.plan import Cards, DmarcRow
from gateway.settings import Acknowledgements, Rate
from gateway.store import (
    Node,
    NoSpaceError,
    Receipt,
    StoreError,
    UnreachableError,
    pieces,
    schema,
    settling,
)
from gateway.store.nodes import PATIENCE
from gateway.store.postgres import PostgresStore
from gateway.store.postgres_door import Doorkeeper
from gateway.store.postgres_probe import look
from gateway.store.postgres_schema import migrate, version
from gateway.store.sql import Transaction

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MANY = 60


@pytest.fixture
def nodes(postgres_url: str) -> Callable[..., Any]:
    """`async with nodes(2, limits=…) as (one, other):` stores of several nodes on one database."""

    @asynccontextmanager
    async def open_(count: int = 2, **options: Any) -> AsyncIterator[list[PostgresStore]]:
        stores = [await PostgresStore.open(postgres_url, **options) for _ in range(count)]
        for number, store in enumerate(stores):
            store._owner = f"boot{number}-1-1"  # as if each were on a machine of its own
            store._watch.own = store._owner
        try:
            yield stores
        finally:
            for store in stores:
                await store.close()

    return open_


@pytest.fixture(scope="module")
def own_cluster() -> Iterator[Cluster]:
    """One that may be stopped, and syncs as it must."""
    with cluster(durable=True) as made:
        yield made


@pytest.fixture
def own_url(own_cluster: Cluster) -> str:
    return own_cluster.url(own_cluster.database(), socket=False)


def node(mail: SimpleNamespace) -> Node:
    return Node("mx1.shop.example", 7, "1.0", "c0ffee", {"spam": "ab", "tone": "cd"}, mail.NOW)


def ask(url: str, sql: str, *values: Any) -> list[Any]:
    with psycopg.connect(url, autocommit=True) as db:
        cursor = db.execute(sql, values)
        return cursor.fetchall() if cursor.description else []


# --- several nodes -----------------------------------------------------------------------------


async def test_each_letter_is_leased_to_one_of_many_nodes(nodes: Any, mail: Any) -> None:
    async with nodes(3) as stores:
        ids = [f"Q{number:04d}" for number in range(300)]
        await asyncio.gather(
            *(
                stores[number % 3].keep(mail.arrival(id_), [mail.letter(id_)], mail.plan())
                for number, id_ in enumerate(ids)
            )
        )
        jobs: list[Any] = []
        while len(jobs) < 300:
            claims = await asyncio.gather(*(store.claim(mail.NOW, 20) for store in stores))
            assert any(claims)
            jobs += [
                (store, job) for store, found in zip(stores, claims, strict=True) for job in found
            ]
        assert sorted(job.queue_id for _, job in jobs) == ids
        await asyncio.gather(
            *(store.settle(job, mail.settlement(job, "relayed"), mail.NOW) for store, job in jobs)
        )
        balance = await stores[0].balance()
        assert (balance.accepted, balance.delivered, balance.balanced) == (300, 300, True)


async def test_what_another_holds_is_passed_over(nodes: Any, mail: Any, postgres_url: str) -> None:
    async with nodes(1) as (store,):
        for id_ in ("Q1", "Q2"):
            await store.keep(mail.arrival(id_), [mail.letter(id_)], mail.plan())
        with psycopg.connect(postgres_url) as other:
            other.execute("SELECT 1 FROM letters WHERE id = 'Q1.1' FOR UPDATE")
            assert [job.queue_id for job in await store.claim(mail.NOW, 10)] == ["Q2"]
        assert [job.queue_id for job in await store.claim(mail.NOW, 10)] == ["Q1"]


async def test_an_author_gets_one_acknowledgement_from_many_nodes(nodes: Any, mail: Any) -> None:
    async with nodes(3, limits=Acknowledgements(per_author=DAY)) as stores:

        async def letter(number: int) -> bool:
            id_ = f"Q{number:03d}"
            plan = mail.plan(mail.memory(id_, claim=mail.claim(id_)))
            letters = [mail.letter(id_), mail.acknowledgement(id_)]
            receipt = await stores[number % 3].keep(mail.arrival(id_), letters, plan)
            return not receipt.left_out

        assert sum(await asyncio.gather(*map(letter, range(MANY)))) == 1
        jobs = await stores[0].claim(mail.NOW + HOUR, 1000)
        assert sum(job.kind == "acknowledgement" for job in jobs) == 1


async def test_limits_are_exact_over_many_nodes(nodes: Any, mail: Any) -> None:
    few = Acknowledgements(per_site=Rate(count=7, period=HOUR))
    async with nodes(3, limits=few) as stores:

        async def letter(number: int) -> bool:
            id_, author = f"Q{number:03d}", f"a{number}@c{number}.example"
            plan = mail.plan(mail.memory(id_, author, claim=mail.claim(id_, author)))
            letters = [mail.letter(id_), mail.acknowledgement(id_)]
            receipt = await stores[number % 3].keep(mail.arrival(id_), letters, plan)
            return not receipt.left_out

        assert sum(await asyncio.gather(*map(letter, range(MANY)))) == 7
        told = [note for store in stores for note in await store.alerts()]
        assert len(told) == 1, "the breaker is told of once, by whoever asks first"


async def test_the_budget_of_cards_is_exact_over_many_nodes(nodes: Any, mail: Any) -> None:
    async with nodes(2) as stores:

        async def letter(number: int) -> bool:
            id_, author = f"Q{number:03d}", f"a{number}@customer.example"
            call = mail.call(id_, author, budget=Cards(5, 1, DAY))
            plan = mail.plan(mail.memory(id_, author, call=call))
            letters = [mail.letter(id_), mail.replace(mail.own(id_), id=f"{call.id}.card")]
            receipt = await stores[number % 2].keep(mail.arrival(id_), letters, plan)
            return not receipt.left_out

        assert sum(await asyncio.gather(*map(letter, range(MANY)))) == 5
        jobs = await stores[0].claim(mail.NOW, 1000)
        assert sum(job.kind == "card" for job in jobs) == 5
        assert sum(not call.over_budget for call in await stores[0].calls()) == 5


async def test_one_open_call_for_a_contact(nodes: Any, mail: Any) -> None:
    async with nodes(3) as stores:

        async def letter(number: int) -> None:
            id_ = f"Q{number:03d}"
            call = mail.call(id_, orders=(f"{number}",))
            plan = mail.plan(mail.memory(id_, call=call))
            await stores[number % 3].keep(mail.arrival(id_), [mail.letter(id_)], plan)

        await asyncio.gather(*map(letter, range(30)))
        for store in stores:
            (call,) = await store.calls()
            assert sorted(call.orders, key=int) == [str(number) for number in range(30)]


async def test_a_conversation_is_known_to_all(nodes: Any, mail: Any) -> None:
    async with nodes(2) as (one, other):
        plan = mail.plan(mail.memory("Q1", phone="+15551234567", irate=True))
        await one.keep(mail.arrival("Q1"), [mail.letter("Q1"), mail.own("Q1")], plan)
        answer = mail.message("Q2", in_reply_to=("<Q1@customer.example>",))
        history = await other.recall(answer, mail.NOW)
        assert history.conversation == "c-Q1"
        assert history.proven.phones == {"+15551234567"}
        assert history.proven.last_irate == mail.NOW
        assert (await other.recall(mail.message("Q1"), mail.NOW)).copy


async def test_what_dmarc_found_is_counted_together(nodes: Any, mail: Any) -> None:
    async with nodes(3) as stores:
        rows = [DmarcRow(f"d{n % 4}.example", f"facts {n % 3}") for n in range(240)]
        await asyncio.gather(
            *(stores[n % 3].record_dmarc(row, mail.NOW) for n, row in enumerate(rows))
        )
        later = mail.NOW + timedelta(days=2)
        claims = await asyncio.gather(*(store.claim_report(later) for store in stores))
        claims += [await stores[0].claim_report(later)]
        assert await stores[1].claim_report(later) is None
        assert sorted(report.domain for report in claims) == [f"d{n}.example" for n in range(4)]
        for report in claims:
            assert report.rows == {f"facts {n}": 20 for n in range(3)}
            assert report.left_out == 0


async def test_the_secret_is_one(nodes: Any) -> None:
    async with nodes(3) as stores:
        assert len(set(await asyncio.gather(*(store.secret() for store in stores)))) == 1


async def test_large_contents_are_for_all_nodes(nodes: Any, mail: Any, postgres_url: str) -> None:
    content = bytes(range(256)) * 12_000
    async with nodes(2) as (one, other):
        await one.keep(mail.arrival("Q1", content=content), [mail.letter("Q1")], mail.plan())
        (job,) = await other.claim(mail.NOW, 10)
        assert bytes(job.content) == content
        ask(postgres_url, "DELETE FROM pieces")
        await other.give_back([job], mail.NOW)
        assert await one.claim(mail.NOW, 10) == []  # held: its content is missing
        (entry,) = await one.entry("Q1")
        assert (entry.state, "missing" in entry.why) == ("held", True)


async def test_pieces_that_nobody_knows_are_removed(
    nodes: Any, mail: Any, postgres_url: str
) -> None:
    async with nodes(1) as (store,):
        for id_, time in (("OLD", mail.NOW - DAY), ("NEW", mail.NOW)):
            await store._put(mail.arrival(id_, content=b"x" * 3_000_000, time=time))
        kept = mail.arrival("KEPT", content=b"y" * 3_000_000, time=mail.NOW - DAY)
        await store.keep(kept, [mail.letter("KEPT")], mail.plan())
        await store.clean(mail.NOW)
        found = ask(postgres_url, "SELECT DISTINCT queue_id FROM pieces ORDER BY 1")
        assert found == [("KEPT",), ("NEW",)]
        (job,) = await store.claim(mail.NOW, 1)
        await store.settle(job, mail.settlement(job, "relayed"), mail.NOW)
        await store.clean(mail.NOW + 40 * DAY)
        assert ask(postgres_url, "SELECT queue_id FROM pieces") == []


# --- nodes that die ----------------------------------------------------------------------------


async def test_a_node_that_beats_no_more_loses_its_leases(nodes: Any, mail: Any) -> None:
    async with nodes(2) as (one, other):
        await one.keep(mail.arrival("Q1"), [mail.letter("Q1")], mail.plan())
        await one.beat(node(mail), mail.NOW)
        (job,) = await one.claim(mail.NOW, 10)
        for _ in range(PATIENCE + 1):
            assert await other.beat(node(mail), mail.NOW) == 0
            assert not await other.claim(mail.NOW, 10)
        assert await other.beat(node(mail), mail.NOW) == 1
        (again,) = await other.claim(mail.NOW, 10)
        assert again.letter_id == job.letter_id
        assert [known.owner for known in await other.nodes()] == [other._owner]
        # The one that was taken for dead lives after all: its outcome changes nothing any more.
        await one.settle(job, mail.settlement(job, "failed"), mail.NOW)
        assert [entry.state for entry in await other.entry("Q1")] == ["active"]


async def test_a_node_that_beats_keeps_them(nodes: Any, mail: Any) -> None:
    async with nodes(2) as (one, other):
        await one.keep(mail.arrival("Q1"), [mail.letter("Q1")], mail.plan())
        await one.claim(mail.NOW, 10)
        for _ in range(3 * PATIENCE):
            assert await one.beat(node(mail), mail.NOW) == 0
            assert await other.beat(node(mail), mail.NOW) == 0
        (first, second) = await one.nodes()
        assert (first.host, first.configuration, first.models) == (
            "mx1.shop.example", "c0ffee", {"spam": "ab", "tone": "cd"},
        )  # fmt: skip
        assert second.seen == mail.NOW
        await other.farewell()
        assert [known.owner for known in await one.nodes()] == [one._owner]


# --- trouble -----------------------------------------------------------------------------------


async def test_a_server_that_goes_and_comes(own_cluster: Cluster, own_url: str, mail: Any) -> None:
    store = await PostgresStore.open(own_url)
    try:
        await store.keep(mail.arrival("Q1"), [mail.letter("Q1")], mail.plan())
        own_cluster.stop("immediate")  # as a crash
        with pytest.raises(UnreachableError) as told:
            await store.keep(mail.arrival("Q2"), [mail.letter("Q2")], mail.plan())
        assert PASSWORD not in str(told.value)
        with pytest.raises(UnreachableError):
            await store.recall(mail.message(), mail.NOW)
        with pytest.raises(UnreachableError):
            await PostgresStore.open(own_url)
        own_cluster.start()
        taken = await _until_it_takes(store, mail)
        assert {"Q1", taken} <= {job.queue_id for job in await store.claim(mail.NOW, 10)}
        assert (await store.balance()).balanced
    finally:
        await store.close()


async def _until_it_takes(store: PostgresStore, mail: Any) -> str:
    """Try with new messages, as a client would; gives the queue id of the one that was taken."""
    async with asyncio.timeout(30):
        for number in itertools.count(100):
            id_ = f"Q{number}"
            try:
                await store.keep(mail.arrival(id_), [mail.letter(id_)], mail.plan())
            except UnreachableError:
                await asyncio.sleep(0.1)
            else:
                return id_
    raise AssertionError


async def test_a_server_that_goes_while_a_gateway_starts(
    own_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(_: Any) -> Any:
        raise psycopg.OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr("gateway.store.postgres.migrate", gone)
    with pytest.raises(UnreachableError):
        await PostgresStore.open(own_url)


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("FATAL:  the database system is not yet accepting connections", UnreachableError),
        ("FATAL:  das Datenbanksystem startet", UnreachableError),
        ("FATAL:  sorry, too many clients already", UnreachableError),
        ('FATAL:  database "mail" does not exist', StoreError),
        ('FATAL:  password authentication failed for user "gateway"', StoreError),
    ],
)
def test_only_what_lasts_is_a_refusal(
    said: str, kind: type[StoreError], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: Any, **__: Any) -> Any:
        raise psycopg.OperationalError(f'connection to server at "db", port 5432 failed: {said}')

    monkeypatch.setattr(psycopg, "connect", refused)
    with pytest.raises(StoreError) as told:
        Doorkeeper("postgresql://db/mail").connect()
    assert type(told.value) is kind


async def test_a_server_that_hangs(own_cluster: Cluster, own_url: str, mail: Any) -> None:
    """It takes connections and answers nothing: callers hear in time, and later all is well."""
    store = await PostgresStore.open(own_url, patience=1.0)
    try:
        await store.keep(mail.arrival("Q1"), [mail.letter("Q1")], mail.plan())
        own_cluster.freeze()
        try:
            with pytest.raises(UnreachableError, match="no answer"):
                await store.keep(mail.arrival("Q2"), [mail.letter("Q2")], mail.plan())
            with pytest.raises(UnreachableError, match="no answer"):
                await store.recall(mail.message(), mail.NOW)
        finally:
            own_cluster.thaw()
        taken = await _until_it_takes(store, mail)
        assert {"Q1", taken} <= {entry.queue_id for entry in await store.entries()}
    finally:
        own_cluster.thaw()
        await store.close()


async def test_connections_that_the_server_ends(nodes: Any, mail: Any, postgres_url: str) -> None:
    async with nodes(1) as (store,):
        for number in range(5):
            await store.keep(mail.arrival(f"Q{number}"), [mail.letter(f"Q{number}")], mail.plan())
            ask(
                postgres_url,
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'gateway' AND datname = current_database()",
            )
        assert (await store.balance()).accepted == 5


async def test_a_letter_kept_in_doubt_is_nobodys(nodes: Any, mail: Any) -> None:
    """The connection breaks at the commit that keeps and leases it: the client was told 451, and
    nobody works on the letter; the next claim finds it as if it had only been kept."""
    async with nodes(1) as (store,):
        in_time = store._in_time

        async def lost(asked: Any) -> Any:
            await in_time(asked)
            raise UnreachableError("the answer was lost")

        store._in_time = lost
        with pytest.raises(UnreachableError):
            await store.keep(mail.arrival("Q1"), [mail.letter("Q1")], mail.plan(), ["Q1.1"])
        store._in_time = in_time
        assert [entry.state for entry in await store.entry("Q1")] == ["active"]
        (job,) = await store.claim(mail.NOW, 10)
        assert job.letter_id == "Q1.1"
        assert [note.event for note in await store.notes("Q1")] == ["accepted"]


async def test_leases_that_were_taken_in_doubt_are_returned(
    nodes: Any, mail: Any, postgres_url: str
) -> None:
    """The connection breaks at the commit: nobody was told of the lease, so nobody works on it."""
    async with nodes(1) as (store,):
        await store.keep(mail.arrival("Q1"), [mail.letter("Q1")], mail.plan())
        write = store._write

        async def lost(work: Callable[[Transaction], Any], **more: Any) -> Any:
            await write(work, **more)
            raise UnreachableError("the answer was lost")

        store._write = lost
        with pytest.raises(UnreachableError):
            await store.claim(mail.NOW, 10)
        store._write = write
        assert [entry.state for entry in await store.entry("Q1")] == ["active"]
        (job,) = await store.claim(mail.NOW, 10)
        assert job.attempts == 0
        assert "lease over" not in [note.event for note in await store.notes("Q1")]


@pytest.mark.parametrize("lost_at", ["is_spooled", "get"])
async def test_a_server_that_goes_while_a_large_content_is_fetched(
    nodes: Any, mail: Any, monkeypatch: pytest.MonkeyPatch, lost_at: str
) -> None:
    """Its letter is leased to a process that lives, and is given back when the server is there."""

    def away(*_: Any) -> Any:
        raise psycopg.OperationalError("server closed the connection unexpectedly")

    async with nodes(1) as (store,):
        large = mail.arrival("Q1", content=b"x" * 200_000)
        await store.keep(large, [mail.letter("Q1")], mail.plan())
        await store.keep(mail.arrival("Q2"), [mail.letter("Q2")], mail.plan())
        with monkeypatch.context() as broken:
            broken.setattr(pieces, lost_at, away)
            broken.setattr(settling, "give_back", away)
            (job,) = await store.claim(mail.NOW, 10)
        assert job.queue_id == "Q2", "what the store had told is not forgotten for it"
        (job,) = await store.claim(mail.NOW, 10)
        assert (job.queue_id, bytes(job.content)) == ("Q1", b"x" * 200_000)
        assert "lease over" not in [note.event for note in await store.notes("Q1")]


async def test_what_cannot_be_given_back_goes_with_the_next_claim(
    nodes: Any, mail: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with nodes(1) as (store,):
        await store.keep(mail.arrival("Q1"), [mail.letter("Q1")], mail.plan())
        jobs = await store.claim(mail.NOW, 10)
        with monkeypatch.context() as broken:
            broken.setattr(store, "_surely", _away)
            with pytest.raises(UnreachableError):
                await store.give_back(jobs, mail.NOW)
        (job,) = await store.claim(mail.NOW, 10)
        assert job.attempts == 0


async def test_nothing_gathers_while_the_server_is_away_for_days(
    nodes: Any, mail: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A claim is made each second: 65,535 leases in doubt were more than a statement takes."""
    async with nodes(1) as (store,):
        await store.keep(mail.arrival("Q1"), [mail.letter("Q1")], mail.plan())
        await store.keep(mail.arrival("Q2"), [mail.letter("Q2")], mail.plan())
        jobs = await store.claim(mail.NOW, 1)
        with monkeypatch.context() as broken:
            broken.setattr(store, "_write", _away)
            broken.setattr(store, "_surely", _away)
            for _ in range(1000):
                with pytest.raises(UnreachableError):
                    await store.claim(mail.NOW, 10)
            for _ in range(1000):
                with pytest.raises(UnreachableError):
                    await store.give_back(jobs, mail.NOW)
        assert (len(store._doubtful), len(store._unreturned)) == (0, 1)
        store._doubtful += [f"kept:{number}" for number in range(70_000)]
        claimed = [job for _ in range(2) for job in await store.claim(mail.NOW, 10)]
        assert {job.queue_id for job in claimed} == {"Q1", "Q2"}
        assert len(store._unreturned) == 0
        assert [job.attempts for job in claimed] == [0, 0]


async def _away(*_: Any, **__: Any) -> Any:
    raise UnreachableError("no server")


async def test_transactions_that_lock_each_other_out_are_repeated(
    nodes: Any, mail: Any, postgres_url: str
) -> None:
    ask(postgres_url, "INSERT INTO counts (name, shard, value) VALUES ('a', 'x', 0), ('b', 'x', 0)")
    both = threading.Barrier(2)
    tries: list[str] = []

    def crossing(first: str, second: str) -> Callable[[Transaction], None]:
        def work(tx: Transaction) -> None:
            tries.append(first)
            change = "UPDATE counts SET value = value + 1 WHERE name = ? RETURNING 1"
            tx.db.execute(change, (first,)).fetchone()
            if len(tries) <= 2:
                both.wait(10)
            tx.db.execute(change, (second,)).fetchone()

        return work

    async with nodes(2) as (one, other):
        await asyncio.gather(one._write(crossing("a", "b")), other._write(crossing("b", "a")))
    assert len(tries) == 3, "one of them was undone and done again"
    assert ask(postgres_url, "SELECT value FROM counts WHERE shard = 'x'") == [(2,), (2,)]


async def test_a_statement_that_fails_is_undone_alone(nodes: Any, mail: Any) -> None:
    """Also where nobody asked for its rows, so that its failure comes to light later."""

    def fails(tx: Transaction) -> None:
        tx.db.execute("INSERT INTO properties (name, value) VALUES ('half', ?)", (b"",))
        tx.db.execute("INSERT INTO properties (name, value) VALUES ('half', ?)", (b"",))

    async with nodes(1, writers=1) as (store,):
        results = await asyncio.gather(
            store.keep(mail.arrival("Q1"), [mail.letter("Q1")], mail.plan()),
            store._write(fails),
            store.keep(mail.arrival("Q2"), [mail.letter("Q2")], mail.plan()),
            return_exceptions=True,
        )
        assert isinstance(results[1], StoreError)
        assert (results[0], results[2]) == (Receipt(), Receipt())
        assert (await store.balance()).accepted == 2


async def test_a_full_disk_of_the_server(nodes: Any) -> None:
    def full(tx: Transaction) -> None:
        tx.db.execute("DO $$ BEGIN RAISE EXCEPTION 'no space' USING ERRCODE = '53100'; END $$")

    async with nodes(1) as (store,):
        with pytest.raises(NoSpaceError):
            await store._write(full)


async def test_no_letter_and_no_address_in_an_error(nodes: Any, mail: Any) -> None:
    async with nodes(1) as (store,):
        await store.keep(mail.arrival("Q1"), [mail.letter("Q1")], mail.plan())
        with pytest.raises(StoreError) as told:
            await store.keep(mail.arrival("Q1"), [mail.letter("Q1")], mail.plan())
        assert mail.CUSTOMER not in str(told.value)
        assert "Q1" not in str(told.value)
        assert told.value.__cause__ is None, "the log has tracebacks with their causes"


# --- the server itself -------------------------------------------------------------------------


def test_commits_are_synced_whatever_the_role_says(own_cluster: Cluster, own_url: str) -> None:
    name = own_url.rpartition("/")[2]
    ask(own_cluster.admin, f"ALTER DATABASE {name} SET synchronous_commit = off")
    with Doorkeeper(own_url).connect() as db:
        assert db.execute("SHOW synchronous_commit").fetchone() == ("on",)
    ask(own_cluster.admin, f"ALTER DATABASE {name} SET synchronous_commit = remote_apply")
    with Doorkeeper(own_url).connect() as db:
        assert db.execute("SHOW synchronous_commit").fetchone() == ("remote_apply",)


def test_a_wrong_password_is_told_without_it(own_cluster: Cluster, own_url: str) -> None:
    with pytest.raises(StoreError, match="refuses us") as told:
        look(own_url.replace(PASSWORD, "wr0ng-horse"))
    assert not isinstance(told.value, UnreachableError)
    assert "wr0ng-horse" not in str(told.value)


@pytest.mark.parametrize("bad", ["?nonsense=wr0ng-horse", "?port=wr0ng-horse", "%zzwr0ng-horse"])
def test_a_url_that_is_none_is_told_without_it(own_url: str, bad: str) -> None:
    with pytest.raises(StoreError) as told:
        look(own_url + bad)
    assert "horse" not in str(told.value)


def test_a_sound_server_is_sound(own_url: str) -> None:
    assert look(own_url) == []


def test_a_server_that_loses_what_it_promised(postgres_url: str) -> None:
    assert [(remark.what[:27], remark.wrong) for remark in look(postgres_url)] == [
        ("the server runs with fsync ", True),
        ("the server runs with full_p", True),
    ]


def test_a_role_without_rights(own_cluster: Cluster, own_url: str) -> None:
    ask(own_url, "CREATE ROLE guest LOGIN")
    ask(own_url, "REVOKE CREATE ON SCHEMA public FROM public")
    name = own_url.rpartition("/")[2]
    guest = own_cluster.url(name).replace("gateway@", "guest@")
    assert [remark.what for remark in look(guest)] == [
        "the role may make no tables in the database"
    ]


# --- schema ------------------------------------------------------------------------------------


async def test_many_nodes_start_at_once_on_an_empty_database(
    postgres_cluster: Cluster, mail: Any
) -> None:
    name = postgres_cluster.database()
    url = postgres_cluster.url(name)
    stores = await asyncio.gather(*(PostgresStore.open(url) for _ in range(6)))
    await stores[5].keep(mail.arrival("Q1"), [mail.letter("Q1")], mail.plan())
    assert (await stores[0].balance()).accepted == 1
    assert [store.remarks for store in stores] == [[]] * 6
    await asyncio.gather(*(store.close() for store in stores))
    postgres_cluster.drop(name)


async def test_an_older_schema_goes_forward_and_a_newer_one_is_refused(
    postgres_cluster: Cluster, mail: Any
) -> None:
    name = postgres_cluster.database()
    url, steps = postgres_cluster.url(name), schema.migrations()
    with psycopg.connect(url, autocommit=True) as db:
        assert migrate(db, steps[:1]) == (0, 1)
        day = 20_780 * 86_400_000_000
        db.execute(
            "INSERT INTO dmarc_reports (domain, day, due) VALUES ('a.example', %s, 0)", (day,)
        )
        db.execute("INSERT INTO dmarc_rows VALUES ('a.example', %s, 'facts', 3)", (day,))
    store = await PostgresStore.open(url)
    (remark,) = store.remarks
    assert remark == f"the store's schema was brought from version 1 to {len(steps)}"
    report = await store.claim_report(mail.NOW)
    assert report is not None
    assert report.rows == {"facts": 3}
    await store.close()
    ask(url, "UPDATE gateway_schema SET version = 99")
    with pytest.raises(StoreError, match="99"):
        await PostgresStore.open(url)
    assert [remark.wrong for remark in look(url) if "99" in remark.what] == [True]
    postgres_cluster.drop(name)


def test_a_step_that_fails_changes_nothing(postgres_cluster: Cluster) -> None:
    name = postgres_cluster.database()
    with psycopg.connect(postgres_cluster.url(name), autocommit=True) as db:
        with pytest.raises(psycopg.Error):
            migrate(db, ["CREATE TABLE one (a INTEGER);", "CREATE NONSENSE;"])
        assert version(db) == 0
        assert db.execute("SELECT to_regclass('one')").fetchone() == (None,)
    postgres_cluster.drop(name)


async def test_what_is_sought_is_found_by_an_index(
    nodes: Any, mail: Any, postgres_url: str
) -> None:
    """With many letters in the queue, choosing the next ones reads few rows."""
    async with nodes(1) as (store,):
        ids = [f"Q{number:05d}" for number in range(3000)]
        await asyncio.gather(
            *(store.keep(mail.arrival(id_), [mail.letter(id_)], mail.plan()) for id_ in ids)
        )
        ask(postgres_url, "ANALYZE")
        plan = ask(
            postgres_url,
            "EXPLAIN SELECT number, state, kind, next_hop, due FROM letters "
            "WHERE due IS NOT NULL AND backlog = 0 AND due <= %s ORDER BY due LIMIT 128 "
            "FOR UPDATE SKIP LOCKED",
            1 << 60,
        )
        text = "\n".join(line for (line,) in plan)
        assert "letters_due" in text, text
        assert "Sort" not in text, text
