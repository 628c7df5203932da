"""`gateway run` as a process of its own: killed, drained, reloaded, while mail comes in."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import pytest
from support.running import SHOP, until, write_configuration
from support.serving import GATEWAY, Served, free_port, numbers_in, prove, send_many, serving

from gateway.edge.zone_server import serve_zone

PLAIN = "\nfilters: [{use: spf}, {use: dkim}, {use: arc}, {use: dmarc}]\n"


@pytest.fixture
def serve(tmp_path, key_pems):
    """`async with serve() as served:`; the folder stays, so that it can be served again."""
    runs = itertools.count()

    @asynccontextmanager
    async def make(*, more: str = "", port: int = 0) -> AsyncIterator[Served]:
        async with serve_zone({}) as dns:
            write_configuration(tmp_path, dns, key_pems["rsa"], filters=PLAIN, more=more, port=port)
            log = tmp_path / f"log-{next(runs)}.jsonl"
            async with serving(tmp_path / "gateway.yaml", log) as served:
                yield served

    return make


async def test_kill_9_in_mid_load_loses_nothing_that_was_answered_250(serve, tmp_path):
    share = 125
    with ThreadPoolExecutor(4) as pool:
        async with serve() as served:
            jobs = [
                pool.submit(send_many, served.address, list(range(n * share, (n + 1) * share)))
                for n in range(4)
            ]
            await served.wait_for("accepted", 150)
            await served.kill()
            taken = [number for job in jobs for number in job.result()]
    assert 100 < len(taken) < 4 * share, "killed in the middle"
    async with serve() as served:

        async def owed() -> dict[str, object]:
            return await asyncio.to_thread(prove, served.config)

        balance = await until(owed, lambda found: found["queued"] == 0)
        assert balance["balanced"]
        assert await served.stop() == 0
    delivered = numbers_in(tmp_path / "mailbox")
    assert set(taken) <= set(delivered)
    assert balance["held"] == balance["bounced"] == balance["dropped"] == 0


async def test_sigterm_drains_and_answers_what_is_under_way(serve, tmp_path):
    with ThreadPoolExecutor(2) as pool:
        async with serve() as served:
            jobs = [pool.submit(send_many, served.address, list(range(n, n + 950)))
                    for n in (0, 950)]  # fmt: skip
            await served.wait_for("accepted", 50)
            assert await served.stop() == 0
            taken = [number for job in jobs for number in job.result()]
            stopped = served.events("stopped")
    assert len(taken) < 1900, "stopped in the middle"
    assert stopped
    balance = prove(tmp_path / "gateway.yaml")
    assert balance["accepted"] == len(taken)
    assert balance["delivered"] + balance["queued"] == len(taken)


async def test_sighup_reloads_and_a_mistake_changes_nothing(serve, tmp_path):
    async with serve() as served:
        (tmp_path / "shop.yaml").write_text(SHOP.replace("name: rest", "name: other"))
        served.process.send_signal(signal.SIGHUP)
        await served.wait_for("reloaded")
        (tmp_path / "shop.yaml").write_text(SHOP.replace("routes:", "rotues:"))
        served.process.send_signal(signal.SIGHUP)
        alerts = await until(
            lambda: asyncio.sleep(0, served.events("alert")),
            lambda found: any("reload refused" in str(alert) for alert in found),
        )
        assert "stays in force" in str(alerts)
        assert "in use" not in str(alerts), "its ports are its own"
        assert send_many(served.address, [1]) == [1]
        assert "did you mean 'routes'" in str(alerts)
        assert await served.stop() == 0


async def test_mail_taken_after_a_reload_and_a_command_survives_kill_9(serve, tmp_path):
    """A reload that opens and closes the store's file ends our locks on it; the next command then
    takes itself for the last user and removes the log that all later mail is written to."""
    async with serve() as served:
        assert send_many(served.address, [1]) == [1]
        await served.wait_for("delivery")
        served.process.send_signal(signal.SIGHUP)
        await served.wait_for("reloaded")
        log = (tmp_path / "gateway.db-wal").stat().st_ino
        assert (await asyncio.to_thread(prove, served.config))["accepted"] == 1
        assert (tmp_path / "gateway.db-wal").stat().st_ino == log, "it is in use"
        assert send_many(served.address, [2, 3]) == [2, 3]
        assert (await asyncio.to_thread(prove, served.config))["accepted"] == 3
        await served.kill()
    assert prove(tmp_path / "gateway.yaml")["accepted"] == 3


async def test_a_worker_that_is_started_again_has_the_configuration_of_the_last_reload(
    serve, tmp_path
):
    async with serve() as served:
        shop = SHOP.replace("name: silent", "name: other")
        (tmp_path / "shop.yaml").write_text(shop)
        served.process.send_signal(signal.SIGHUP)
        await served.wait_for("reloaded")
        (tmp_path / "shop.yaml").write_text(shop.replace("routes:", "rotues:"))
        served.process.send_signal(signal.SIGHUP)
        await until(
            lambda: asyncio.sleep(0, served.events("alert")),
            lambda found: any("reload refused" in str(alert) for alert in found),
        )
        (pid,) = [int(event["process"]) for event in served.events("started")]
        os.kill(pid, signal.SIGKILL)
        await served.wait_for("started", 2)
        assert send_many(served.events("listening")[-1]["address"].split(":"), [1]) == [1]
        await served.wait_for("delivery")
        assert await served.stop() == 0
    (letter,) = (tmp_path / "mailbox").glob("new/*")
    assert b"\nX-Gateway-Rule: other\n" in letter.read_bytes()


async def test_a_second_gateway_beside_it_is_told_and_takes_nothing(serve):
    async with serve(port=free_port()) as served:
        second = await asyncio.create_subprocess_exec(
            *GATEWAY, "run", "--config", str(served.config), stderr=asyncio.subprocess.PIPE
        )
        _, said = await asyncio.wait_for(second.communicate(), 60)
        assert second.returncode == 1
        assert b"another gateway runs" in said
        assert b"Traceback" not in said
        assert send_many(served.address, [1]) == [1]
        assert await served.stop() == 0


async def test_a_reload_leads_no_worker_to_another_store(serve, tmp_path):
    """One started after it would keep mail where the others, and who looks after them, do not."""
    async with serve() as served:
        path = tmp_path / "gateway.yaml"
        before = path.read_text()
        path.write_text(before.replace("gateway.db", "other.db"))
        assert path.read_text() != before
        served.process.send_signal(signal.SIGHUP)
        await served.wait_for("reloaded")
        assert "until the gateway is stopped" in str(served.events("alert"))
        (pid,) = [int(event["process"]) for event in served.events("started")]
        os.kill(pid, signal.SIGKILL)
        await served.wait_for("started", 2)
        assert send_many(served.events("listening")[-1]["address"].split(":"), [1]) == [1]
        assert await served.stop() == 0
    assert not (tmp_path / "other.db").exists()
    path.write_text(before)
    assert prove(path)["accepted"] == 1


async def test_two_workers_share_the_port_and_one_may_die(serve, tmp_path):
    async with serve(more="workers: 2\n", port=free_port()) as served:
        assert len(await served.wait_for("started", 2)) == 2
        pids = [int(event["process"]) for event in served.events("started")]
        os.kill(pids[0], signal.SIGKILL)
        await served.wait_for("started", 3)
        assert send_many(served.address, list(range(20))) == list(range(20))
        assert await served.stop() == 0
