"""Several gateways on one PostgreSQL: one is killed, the server goes and comes, workers join."""

from __future__ import annotations

import asyncio
import json
import os
import smtplib
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from email.parser import BytesHeaderParser
from pathlib import Path

import pytest
from support.postgres import PASSWORD, Cluster, cluster
from support.running import ZONE, header, until, write_configuration
from support.serving import GATEWAY, Served, free_port, serving

from gateway.edge import clock
from gateway.edge.zone_server import serve_zone
from gateway.identity.signing import Signer

PLAIN = "\nfilters: [{use: spf}, {use: dkim}, {use: arc}, {use: dmarc}]\n"
CARELESS = "acknowledgements: {per_domain: 100000 per minute, per_site: 100000 per hour}\n"


@pytest.fixture(scope="module")
def database() -> Iterator[Cluster]:
    with cluster(durable=True) as made:
        yield made


@pytest.fixture
def serve(tmp_path: Path, key_pems, database):
    """`async with serve("a", "b") as [a, b]:` gateways with folders of their own, one store."""
    url = database.url(database.database(), socket=False)
    signer = Signer("author.example", "gw", key_pems["rsa"])
    zone = {**ZONE, signer.record_name: {"TXT": [signer.key.record()]}}

    @asynccontextmanager
    async def make(*names: str, more: str = CARELESS, ports=(0, 0)) -> AsyncIterator[list[Served]]:
        async with serve_zone(zone) as dns, AsyncExitStack() as stack:
            found = []
            for name, port in zip(names, ports, strict=False):
                folder = tmp_path / name
                folder.mkdir(exist_ok=True)
                config = write_configuration(
                    folder, dns, key_pems["rsa"], filters=PLAIN, more=more, port=port
                )
                text = config.read_text().replace(
                    "store: sqlite:gateway.db", "store: !file store-url\nstate: state"
                )
                config.write_text(text)
                (folder / "store-url").write_text(url)
                (folder / "store-url").chmod(0o600)
                found.append(await stack.enter_async_context(serving(config, folder / "log")))
            yield found

    return make


def numbers(folder: Path, box: str = "mailbox") -> list[int]:
    """What all the nodes delivered to their Maildirs."""
    found = []
    for path in folder.glob(f"*/{box}/new/*"):
        found += [
            int(line[10:])
            for line in path.read_bytes().splitlines()
            if line.startswith(b"X-Number: ")
        ]
    return found


@pytest.fixture
def customer(key_pems) -> Callable[[int], tuple[str, bytes]]:
    """The n-th customer's only letter, signed: it may be acknowledged once."""
    signer = Signer("author.example", "gw", key_pems["rsa"])

    def make(number: int) -> tuple[str, bytes]:
        author = f"jo{number}@author.example"
        content = (
            f"From: {author}\r\nTo: support@shop.example\r\nSubject: Address\r\n"
            f"Date: {clock.now():%a, %d %b %Y %H:%M:%S} +0000\r\n"
            f"Message-ID: <{number}@author.example>\r\nX-Number: {number}\r\n\r\n"
            "Hello,\r\nplease change my address to 5 Mill Lane.\r\nJo Field\r\n"
        ).encode()
        return author, signer.sign(content, clock.now()) + content

    return make


def send(
    address: tuple[str, int], work: list[int], customer, *, patient: bool = False
) -> tuple[list[int], set[int]]:
    """Send what is left of `work` until the connection breaks; gives those answered 250, and every
    status code seen. `patient`: a letter answered 4yz is sent again until it is taken."""
    taken: list[int] = []
    codes: set[int] = set()
    client = smtplib.SMTP(timeout=60)
    try:
        client.connect(*address)
        client.ehlo("mail.author.example")
        while work:
            number = work.pop(0)
            author, content = customer(number)
            client.mail(author)
            client.rcpt("support@shop.example")
            code, _ = client.data(content)
            codes.add(code)
            if code == 250:
                taken.append(number)
            elif patient and code // 100 == 4:
                work.insert(0, number)
    except (OSError, smtplib.SMTPException):
        pass  # the gateway was killed: what was answered until then counts
    finally:
        client.close()
    return taken, codes


def ask(served: Served, *command: str) -> dict[str, object]:
    done = subprocess.run(
        [*GATEWAY, *command, "--json", "--config", str(served.config)],
        capture_output=True,
        check=False,
    )
    assert PASSWORD.encode() not in done.stdout + done.stderr
    return json.loads(done.stdout) if done.stdout else {"said": done.stderr.decode()}


async def nothing_owed(served: Served) -> dict[str, object]:
    balance = await until(
        lambda: asyncio.to_thread(ask, served, "queue", "prove"),
        lambda found: found.get("queued") == 0 and not found["generated"].get("queued"),
        40.0,
    )
    assert balance["balanced"]
    return balance


async def test_one_node_is_killed_and_the_other_finishes_its_mail(serve, customer, tmp_path):
    work = list(range(400))
    with ThreadPoolExecutor(4) as pool:
        async with serve("a", "b") as [a, b]:
            jobs = [pool.submit(send, each.address, work, customer) for each in (a, a, b, b)]
            await a.wait_for("delivery", 30)
            await a.kill()
            taken = [number for job in jobs for number in job.result()[0]]
            await until(  # that one died is found out
                lambda: asyncio.to_thread(ask, b, "status"),
                lambda found: len(found["nodes"]) == 1,
                30.0,
            )
            balance = await nothing_owed(b)
            log = b.log.read_text() + a.log.read_text()
            assert await b.stop() == 0
    assert len(taken) > 300, "the other one went on"
    assert set(taken) <= set(numbers(tmp_path))
    assert (balance["held"], balance["bounced"], balance["dropped"]) == (0, 0, 0)
    assert balance["accepted"] >= len(taken)
    acknowledged = [
        BytesHeaderParser().parsebytes(path.read_bytes())["To"]
        for path in tmp_path.glob("*/outbound/new/*")
    ]
    assert len(acknowledged) == len(set(acknowledged)), "nobody is acknowledged twice"
    assert len(acknowledged) > 200
    assert PASSWORD not in log


async def test_the_server_stops_in_mid_load_and_all_goes_on_by_itself(
    serve, customer, tmp_path, database
):
    work = list(range(150))
    with ThreadPoolExecutor(3) as pool:
        async with serve("a") as [a]:
            jobs = [pool.submit(send, a.address, work, customer, patient=True) for _ in range(3)]
            await a.wait_for("accepted", 20)
            await asyncio.to_thread(database.stop, "immediate")
            before = len(a.events("accepted"))
            await until(
                lambda: asyncio.sleep(0, a.events("trouble")),
                lambda found: sum(event.get("where") == "store" for event in found) >= 5,
            )
            assert len(a.events("accepted")) <= before + 3
            assert "cannot be reached" in str(ask(a, "queue", "prove")["said"])
            await asyncio.to_thread(database.start)
            found = [job.result() for job in jobs]
            balance = await nothing_owed(a)
            (started,) = a.events("started")
            assert await a.stop() == 0
    taken = [number for each, _ in found for number in each]
    codes = set().union(*(codes for _, codes in found))
    assert codes == {250, 451}, "never a lie, never a bounce"
    assert sorted(taken) == list(range(150))
    assert set(numbers(tmp_path)) == set(range(150))
    assert balance["bounced"] == balance["held"] == 0
    assert started


async def test_workers_share_it_too_and_status_tells_of_them(serve, customer, tmp_path):
    more = CARELESS + "workers: 2\n"
    async with serve("a", more=more, ports=(free_port(),)) as [a]:
        await a.wait_for("started", 2)
        pids = [int(event["process"]) for event in a.events("started")]
        taken, codes = await asyncio.to_thread(send, a.address, list(range(30)), customer)
        assert (taken, codes) == (list(range(30)), {250})
        status = ask(a, "status")
        assert sorted(node["pid"] for node in status["nodes"]) == sorted(pids)
        for node in status["nodes"]:
            assert node["alive"]
            assert len(node["configuration"]) == 12
        os.kill(pids[0], 9)
        await a.wait_for("started", 3)
        await nothing_owed(a)
        assert await a.stop() == 0
    assert sorted(numbers(tmp_path)) == list(range(30))


async def test_a_gateway_that_starts_before_its_server(serve, customer, tmp_path, database):
    """It waits for it, answering nobody, and begins by itself."""
    async with serve("a") as [a]:
        assert await a.stop() == 0
    await asyncio.to_thread(database.stop)
    with (tmp_path / "again").open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *GATEWAY, "run", "--config", str(a.config), stderr=output, start_new_session=True
        )
    again = Served(process, a.config, ("", 0), tmp_path / "again")
    try:
        await until(lambda: asyncio.sleep(0, again.events("alert")), lambda found: found)
        await asyncio.to_thread(database.start)
        await again.wait_for("started")
        assert await again.stop() == 0
    finally:
        if process.returncode is None:
            await again.kill()


async def test_a_message_of_a_megabyte_is_delivered_by_any_node(serve, customer, tmp_path):
    big = "X-Number: 7\r\nFrom: a@author.example\r\n\r\n" + ("x" * 78 + "\r\n") * 20_000
    async with serve("a") as [a]:

        def once() -> int:
            with smtplib.SMTP(*a.address, timeout=60) as client:
                client.ehlo("mail.author.example")
                client.mail("jo@author.example")
                client.rcpt("silent@shop.example")
                return client.data(big)[0]

        assert await asyncio.to_thread(once) == 250
        await nothing_owed(a)
        (path,) = tmp_path.glob("a/mailbox/new/*")
        content = path.read_bytes()
        assert content.endswith(b"x" * 78 + b"\n")
        assert content.count(b"x" * 78) == 20_000
        assert header(content, "X-Number") == "7"
        assert await a.stop() == 0
