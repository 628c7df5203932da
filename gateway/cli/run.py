"""`gateway run`: serve in the foreground. SIGTERM drains, SIGHUP reloads."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path

import click

import gateway
from gateway.app import Gateway
from gateway.check import inspect
from gateway.cli.common import NOT_WELL, config_option, config_path, fail, read_config
from gateway.configuration import Loaded, load
from gateway.edge import collector
from gateway.edge.clock import now
from gateway.edge.logs import Lines, set_up
from gateway.edge.pulse import Pulse
from gateway.edge.share import worker_count
from gateway.edge.slots import Slots, WorkerSlots
from gateway.edge.supervisor import HOPELESS, supervise
from gateway.journal import Journal
from gateway.node import files_digest
from gateway.problems import Problem
from gateway.settings import Settings
from gateway.show import terminal
from gateway.store import StoreError, UnreachableError
from gateway.store.opening import is_shared, state_folder

STORE_STAYS = "store: and state: stay as they were until the gateway is stopped and started again"
OLD_STAYS = "the configuration from before stays in force; mend what is told, then reload again"
LATER = 75
"""Exit status of a worker that could not begin now: the supervisor starts it again and again."""
DRAIN = 30.0
"""Seconds that messages under way get to finish after SIGTERM."""


@click.command("run")
@config_option
def command(config: str | None) -> None:
    """Serve until SIGTERM. SIGHUP reads configuration, templates, models and certificates anew."""
    settings, warnings, digest = checked_or_exit(config)
    sink = set_up(settings.log)
    tell(warnings, Journal([sink]))
    workers = worker_count(settings.workers)
    folder = state_folder(settings)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        slots = Slots(folder / "examining", release=gateway.__version__)
    except BlockingIOError:
        fail(f"another gateway runs with its state in {terminal(str(folder))}; stop it first")
    pulse = Pulse(workers)
    served = Served(settings, config_path(config), digest, sink)

    def worker(index: int) -> int:
        watch = Watch(slots, slots.of(index), pulse, index)
        return run_worker(served, watch, workers=workers)

    def reload() -> None:
        nonlocal served
        served = reread(served)

    journal = Journal([sink])
    raise SystemExit(
        supervise(workers, worker, journal=journal, slots=slots, pulse=pulse, reload=reload)
    )


@dataclass(frozen=True, slots=True)
class Served:
    """The configuration a worker begins with."""

    settings: Settings
    path: Path
    digest: str
    sink: Lines
    """Where its journal goes."""


def reread(served: Served) -> Served:
    """What a worker begins with after a reload: the new files, unless they have a mistake.

    The workers that run tell of the mistake.
    """
    loaded = load(served.path, os.environ)
    settings = usable(loaded, inspect(loaded, now(), serving=True))
    if settings is None:
        return served
    settings = staying(served.settings, settings)
    return replace(served, settings=settings, digest=files_digest(loaded.files))


def staying(begun: Settings, settings: Settings) -> Settings:
    """New settings with the store file we began with: no worker may write to another one than those
    beside it, or its mail is found by none of them."""
    if is_shared(begun) and is_shared(settings):
        return settings  # the same server, maybe with another password
    return settings.model_copy(update={"store": begun.store, "state": begun.state})


def checked_or_exit(config: str | None) -> tuple[Settings, Sequence[Problem], str]:
    """What `gateway check` calls wrong is told now, not found out at a message.

    Gives the settings, the mere warnings, and the files' digest.
    """
    loaded = read_config(config)
    problems = inspect(loaded, now())
    settings = usable(loaded, problems)
    if settings is None:
        for problem in problems:
            click.echo(str(problem), err=True)
        raise SystemExit(NOT_WELL)
    return settings, problems, files_digest(loaded.files)


def usable(loaded: Loaded, problems: Sequence[Problem]) -> Settings | None:
    return None if any(not problem.warning for problem in problems) else loaded.settings


def tell(problems: Sequence[Problem], journal: Journal) -> None:
    for problem in problems:
        journal.alert("configuration", problem=terminal(str(problem), limit=400))


@dataclass(frozen=True, slots=True)
class Watch:
    """One worker's view of the content that stood under examination when workers died.

    And how it shows that it is alive itself.
    """

    slots: Slots
    own: WorkerSlots
    pulse: Pulse
    index: int
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def beat(self) -> None:
        await self.pulse.go_on(self.index)

    def suspect(self, digest: bytes) -> bool:
        return self.slots.suspect(digest)

    def doubtful(self, digest: bytes) -> bool:
        return self.slots.doubtful(digest)

    def examining(self, digest: bytes) -> AbstractContextManager[None]:
        return self.own.examining(digest)


def run_worker(served: Served, watch: Watch, *, workers: int) -> int:
    """One worker from start to drained; gives its exit status."""
    try:
        import uvloop
    except ImportError:
        factory = None
    else:
        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(serve(served, watch, workers=workers))


async def serve(begin: Served, watch: Watch, *, workers: int) -> int:
    journal = Journal([begin.sink], addresses=begin.settings.log.addresses)
    served = Gateway(
        begin.settings, journal, suspects=watch, configuration=begin.digest, workers=workers
    )
    stop = asyncio.Event()
    reload = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, reload.set)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})  # the supervisor blocked it
    try:
        await served.start(reuse_port=workers > 1)
    except UnreachableError as error:
        journal.trouble("start", error)
        return LATER
    except (OSError, ValueError, StoreError) as error:
        journal.trouble("start", error)
        return HOPELESS
    collector.settle()
    beating = asyncio.create_task(watch.beat(), name="pulse")
    reloading = asyncio.create_task(_reload_when_asked(served, begin, reload, journal))
    await stop.wait()
    reloading.cancel()
    await served.drain(DRAIN)
    beating.cancel()
    begin.sink.flush()
    return 0


async def _reload_when_asked(
    served: Gateway, begun: Served, asked: asyncio.Event, journal: Journal
) -> None:
    """A configuration with a mistake changes nothing, and the mistake is told."""
    while True:
        await asked.wait()
        asked.clear()
        try:
            loaded = load(begun.path, os.environ)
            problems = await asyncio.to_thread(inspect, loaded, now(), serving=True)
            tell(problems, journal)
            settings = usable(loaded, problems)
            if settings is not None:
                stays = staying(begun.settings, settings)
                if stays != settings:
                    journal.alert("configuration", problem=STORE_STAYS)
                await served.reload(stays, files_digest(loaded.files))
                collector.settle()
                continue
        except Exception as error:  # whatever it was, the next SIGHUP is heard again
            journal.trouble("reload", error)
        journal.alert("reload refused", text=OLD_STAYS)
