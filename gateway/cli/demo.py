"""`gateway demo`: a real gateway on loopback, a day's letters through it, and what came of them.

Nothing is faked: its own DNS server, keys made now, real SMTP in, real Maildirs out.
"""

from __future__ import annotations

import asyncio
import os
import smtplib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from gateway.app import Gateway
from gateway.configuration import load
from gateway.demo import show
from gateway.demo.letters import LETTERS, DemoLetter
from gateway.demo.world import World, make_world, write_configuration
from gateway.edge import clock
from gateway.edge.zone_server import serve_zone
from gateway.examiner import Examiner
from gateway.journal import Journal
from gateway.settings import split_host_port
from gateway.store import Entry, State

OWED: tuple[State, ...] = ("queued", "active", "deferred", "waiting")
PATIENCE = 60.0
"""Seconds until everything must have been delivered."""


@click.command("demo")
@click.option("--out", type=click.Path(file_okay=False), help="Where to leave the results.")
def command(out: str | None) -> None:
    """See it work: letters in over SMTP, tagged mail, acknowledgements and a call card out."""
    folder = Path(out) if out else Path("gateway-demo") / f"{clock.now():%Y-%m-%d-%H%M%S}"
    if folder.exists() and any(folder.iterdir()):
        raise click.UsageError(f"{folder} is not empty")
    folder.mkdir(parents=True, exist_ok=True)
    begin = time.perf_counter()
    results = asyncio.run(_run(folder))
    _report(folder, results, time.perf_counter() - begin)


@dataclass(frozen=True, slots=True)
class Results:
    """What the run left, for the report."""

    sent: Sequence[tuple[DemoLetter, str]]
    """Each letter with the queue id of its 250."""
    entries: Sequence[Entry]
    held: Mapping[str, Mapping[str, Any]]
    """What `explain` says of each held message, by queue id."""


async def _run(folder: Path) -> Results:
    world = make_world()
    async with serve_zone(world.zone) as dns:
        main = write_configuration(folder, world, dns)
        loaded = load(main, os.environ)
        for problem in loaded.problems:
            click.echo(str(problem), err=True)
        if loaded.settings is None:
            raise SystemExit(1)
        gateway = Gateway(loaded.settings, Journal(sinks=()))
        await gateway.start()
        host, port = split_host_port(gateway.addresses[0])
        sent = []
        for number, letter in enumerate(LETTERS, 1):
            octets = _signed(letter, world, clock.now(), number)
            queue_id = await asyncio.to_thread(_send, host, port, letter, octets)
            sent.append((letter, queue_id))
        await _delivered(gateway)
        entries = await gateway.store.entries()
        held = {}
        async with Examiner.open(loaded.settings, clock.now(), history=False) as examiner:
            for entry in entries:
                original = await gateway.store.original(entry.queue_id)
                if entry.state == "held" and original:
                    held[entry.queue_id] = await examiner.explain(original)
        await gateway.drain()
    return Results(sent, entries, held)


def _signed(letter: DemoLetter, world: World, now: datetime, number: int) -> bytes:
    octets = letter.octets(now, number)
    return world.senders[letter.domain].sign(octets, now) + octets if letter.signed else octets


def _send(host: str, port: int, letter: DemoLetter, octets: bytes) -> str:
    """Send as the letter's own mail server would; gives the queue id of the 250."""
    helo = f"mx.{letter.domain}"
    source = (letter.client_ip, 0)
    with smtplib.SMTP(host, port, local_hostname=helo, source_address=source) as client:
        client.ehlo()
        client.mail(letter.envelope_sender)
        client.rcpt(letter.recipient)
        code, answer = client.data(octets)
    if code != 250:
        raise click.ClickException(f"{letter.title}: {code} {answer.decode('ascii', 'replace')}")
    return answer.decode("ascii", "replace").rpartition(" ")[2]


async def _delivered(gateway: Gateway) -> None:
    """Until nothing is owed any more: every letter delivered or held, every answer sent."""
    async with asyncio.timeout(PATIENCE):
        while await gateway.store.entries(states=OWED):  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.05)


def _report(folder: Path, results: Results, seconds: float) -> None:
    console = Console(width=max(150, Console().width), highlight=False)
    console.print(
        show.table(show.rows(results.sent, results.entries, results.held, folder / "mailbox"))
    )
    cards = [mail for mail in map(show.read, show.maildir_files(folder / "mailbox"))
             if mail["X-Gateway-Id"] and not mail["X-Gateway-Tone"]]  # fmt: skip
    if cards:
        console.rule("the call card, in the agent's mailbox", align="left")
        console.print(show.body_of(cards[0]))
    answers = [show.read(path) for path in show.maildir_files(folder / "acknowledgements")]
    if answers:
        console.rule(f"one of {len(answers)} acknowledgements", align="left")
        console.print(show.body_of(answers[0]))
    console.rule("where to look", align="left")
    for what, where in (
        ("the agents' mailbox", folder / "mailbox" / "new"),
        ("acknowledgements to customers", folder / "acknowledgements" / "new"),
        ("the configuration", folder / "gateway.yaml"),
        ("what is held", f"gateway queue list --held --config {folder / 'gateway.yaml'}"),
        ("the proof", f"gateway queue prove --config {folder / 'gateway.yaml'}"),
    ):
        console.print(f"  {what}: {where}", markup=False, soft_wrap=True)
    console.print(
        f"{len(results.sent)} letters in {seconds:.1f} s, start and stop included", markup=False
    )
