"""`gateway run`: serve in the foreground. SIGTERM drains, SIGHUP reloads."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import click

from gateway.app import Gateway
from gateway.cli.common import config_option, load_or_exit
from gateway.configuration import load
from gateway.edge.logs import set_up
from gateway.edge.supervisor import Slots, supervise
from gateway.intake import Suspects
from gateway.journal import Journal
from gateway.settings import Settings
from gateway.show import terminal

DRAIN = 30.0
"""Seconds that messages under way get to finish after SIGTERM."""


@click.command("run")
@config_option
def command(config: str | None) -> None:
    """Serve until SIGTERM. SIGHUP reads configuration, templates, models and certificates anew."""
    settings = load_or_exit(config)
    set_up(settings.log)
    workers = worker_count(settings)
    slots = Slots.create(workers)
    path = Path(config) if config else None

    def worker(number: int) -> int:
        return run_worker(settings, path, slots.of(number), shared=workers > 1)

    raise SystemExit(supervise(workers, worker, slots))


def worker_count(settings: Settings) -> int:
    """`auto` is one worker for each core this process may use."""
    if settings.workers == "auto":
        return len(os.sched_getaffinity(0))
    return settings.workers


def run_worker(settings: Settings, config: Path | None, suspects: Suspects, *, shared: bool) -> int:
    """One worker from start to drained; gives its exit status."""
    try:
        import uvloop
    except ImportError:
        factory = None
    else:
        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(serve(settings, config, suspects, shared=shared))


async def serve(
    settings: Settings, config: Path | None, suspects: Suspects, *, shared: bool
) -> int:
    journal = Journal(addresses=settings.log.addresses)
    gateway = Gateway(settings, journal, suspects=suspects)
    stop = asyncio.Event()
    reload = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, reload.set)
    try:
        await gateway.start(reuse_port=shared)
    except (OSError, ValueError) as error:
        journal.trouble("start", error)
        return 1
    reloading = asyncio.create_task(_reload_when_asked(gateway, config, reload, journal))
    await stop.wait()
    reloading.cancel()
    await gateway.drain(DRAIN)
    return 0


async def _reload_when_asked(
    gateway: Gateway, config: Path | None, asked: asyncio.Event, journal: Journal
) -> None:
    """A configuration with a mistake changes nothing, and the mistake is told."""
    while True:
        await asked.wait()
        asked.clear()
        if config is None:
            continue
        loaded = load(config, os.environ)
        for problem in loaded.problems:
            journal.alert("configuration", problem=terminal(str(problem), limit=400))
        if loaded.settings is None:
            continue
        try:
            await gateway.reload(loaded.settings)
        except (OSError, ValueError) as error:
            journal.trouble("reload", error)
