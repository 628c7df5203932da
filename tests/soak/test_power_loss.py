"""The power fails at the moment we say 250: what was synced by then holds the message, whole.

The gateway runs under strace; the disk is replayed from the system calls, once with nothing but
what was synced, and more times with a chance half of the rest.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import re
import shutil
import signal
import smtplib
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from support.power import STRACE, Call, Disk, calls
from support.running import ZONE, until, write_configuration

from gateway.edge.zone_server import serve_zone
from gateway.store import StoreError
from gateway.store.sqlite import SqliteStore

pytestmark = pytest.mark.skipif(
    shutil.which("strace") is None and "CI" not in os.environ,
    reason="strace is not installed: whether 250 waits for the disk was NOT tested",
)
PROMISED = re.compile(rb"250 2\.0\.0 Ok: queued as (\w+)")
LIES = {
    "the commit is not synced": "from gateway.store import schema; schema._SETTINGS ="
    " [each.replace('FULL', 'NORMAL') for each in schema._SETTINGS]",
    "bodies are not synced": "import os; os.fsync = lambda file: None",
    "folders are not synced": "from gateway.store import bodies;"
    " bodies.sync_folder = lambda folder: None",
}
"""What the test must find out, by the words that bring it about."""
SIZES = (1, 2000, 70_000, 300, 1_300_000, 5, 900, 66_000, 40, 12_000)
"""In the row, in the spool, and first in a file of its own while it comes in."""


def content(number: int) -> bytes:
    line = f"{number} is the number of this letter, and of each line.\r\n".encode()
    header = b"From: jo@author.example\r\nTo: support@shop.example\r\nSubject: A question\r\n\r\n"
    return header + line * max(1, SIZES[number] // len(line))


def send_all(address: tuple[str, int]) -> dict[str, bytes]:
    """Half over one connection, half over another; gives each content by its queue id."""
    sent = {}
    for start in (0, 1):
        with smtplib.SMTP(*address, timeout=60) as client:
            client.ehlo()
            for number in range(start, len(SIZES), 2):
                client.mail("jo@author.example")
                client.rcpt("silent@shop.example" if number else "support@shop.example")
                code, answer = client.data(content(number))
                assert code == 250
                sent[answer.decode().rpartition(" ")[2]] = content(number)
    return sent


@asynccontextmanager
async def traced(
    folder: Path, key: bytes, trace: Path, lie: str = ""
) -> AsyncIterator[tuple[str, int]]:
    """A `gateway run` under strace, whose folder was empty before; drained at the end."""
    log = folder / "log.jsonl"
    async with serve_zone(ZONE) as dns:
        config = write_configuration(
            folder,
            dns,
            key,
            filters="\nfilters: [{use: spf}, {use: dkim}, {use: arc}, {use: dmarc}]\n",
        )
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                *STRACE, "-o", str(trace), sys.executable, "-c",
                f"{lie}\nfrom gateway.cli import main; main()", "run", "--config", str(config),
                stderr=output, start_new_session=True,
            )  # fmt: skip
        try:

            async def look() -> list[str]:
                return re.findall(r'"address":"([^"]+)"', log.read_text())

            (address,) = await until(look, bool, 60)
            host, _, port = address.rpartition(":")
            yield host, int(port)
            await until(
                lambda: asyncio.sleep(0, log.read_text().count('"relayed"')),
                lambda count: count == len(SIZES) + 1,  # and the acknowledgement
            )
            os.killpg(process.pid, signal.SIGTERM)
            await asyncio.wait_for(process.wait(), 60)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


def says_250(call: Call) -> bool:
    return call.name in ("write", "writev", "sendto", "sendmsg") and any(
        PROMISED.search(text) for text in call.texts
    )


def acknowledges(call: Call) -> bool:
    """It writes an acknowledgement to its next hop, which is a Maildir."""
    return (
        call.name == "write"
        and "/outbound/tmp/" in call.path
        and any(b"Auto-Submitted: auto-replied" in text for text in call.texts)
    )


async def check(folder: Path, id_: str, octets: bytes) -> None:
    """The store, as found after the power failed, has the message."""
    store = await SqliteStore.open(folder / "gateway.db")
    try:
        original = await store.original(id_)
        assert original is not None, f"{id_} is lost"
        assert bytes(original.content[:]) == octets
        entry, *_ = await store.entry(id_)
        assert entry.state in ("queued", "active", "relayed")
        assert (await store.balance()).balanced
    finally:
        await store.close()


async def check_attempted(folder: Path) -> None:
    """An acknowledgement is known as attempted before it goes: after this it is not repeated."""
    store = await SqliteStore.open(folder / "gateway.db")
    try:
        (entry,) = [e for e in await store.entries() if e.kind == "acknowledgement"]
        assert entry.state == "active"
    finally:
        await store.close()


async def examine(tmp_path: Path, key: bytes, lie: str = "") -> int:
    """Whether all is there at each 250; gives how many there were."""
    folder, trace = tmp_path / "gateway", tmp_path / "trace"
    folder.mkdir()
    async with traced(folder, key, trace, lie) as address:
        sent = await asyncio.to_thread(send_all, address)
    made = calls(trace, folder)
    trace.unlink()  # some 300 MB
    disk, chance, promises = Disk(folder), random.Random(7), 0
    for call in disk.replay(made, lambda c: says_250(c) or acknowledges(c)):
        if acknowledges(call):
            disk.write_out(tmp_path / "left")
            await check_attempted(tmp_path / "left")
            continue
        (id_,) = (match[1].decode() for text in call.texts for match in PROMISED.finditer(text))
        promises += 1
        for number in range(4):
            left = tmp_path / f"left-{promises}-{number}"
            disk.write_out(left, chance if number else None)
            await check(left, id_, sent[id_])
            shutil.rmtree(left)
    return promises


async def test_whatever_was_answered_250_outlives_the_power(tmp_path, key_pems):
    assert await examine(tmp_path, key_pems["rsa"]) == len(SIZES)
    assert (tmp_path / "left/gateway.db").exists(), "something was acknowledged"


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
async def test_who_forgets_to_sync_is_found_out(tmp_path, key_pems, lie):
    with pytest.raises((AssertionError, StoreError)):
        await examine(tmp_path, key_pems["rsa"], lie)
