"""`gateway queue`: what is kept, why, and what to do with it. Works beside a running gateway."""

from __future__ import annotations

import getpass
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import click
from rich.table import Table

from gateway.cli.common import (
    config_option,
    json_option,
    load_or_exit,
    print_json,
    wide_console,
    with_store,
)
from gateway.show import terminal
from gateway.store import Balance, Entry, State, Store, StoreError

LISTED: tuple[State, ...] = ("queued", "active", "deferred", "held", "waiting")


@click.group("queue")
def command() -> None:
    """List, show, release, retry, hold, drop and prove the queue."""


@command.command("list")
@config_option
@json_option
@click.option("--held", is_flag=True, help="Only what waits for a person.")
@click.option("--all", "all_", is_flag=True, help="Also what has ended.")
@click.option("--limit", default=1000, show_default=True)
def list_(config: str | None, as_json: bool, held: bool, all_: bool, limit: int) -> None:
    """What is owed, irate customers first among the held."""
    states: tuple[State, ...] = ("held",) if held else () if all_ else LISTED
    entries = with_store(load_or_exit(config), lambda s: s.entries(states=states, limit=limit))
    if as_json:
        print_json([as_object(entry) for entry in entries])
        return
    wide_console().print(_table(entries))


@command.command()
@config_option
@json_option
@click.argument("id_", metavar="ID")
def show(config: str | None, as_json: bool, id_: str) -> None:
    """One message: its letters, recipients and story."""
    queue_id = id_.partition(".")[0]

    async def look(store: Store) -> tuple[Sequence[Entry], Sequence[Any]]:
        return await store.entry(id_), await store.notes(queue_id)

    entries, notes = with_store(load_or_exit(config), look)
    if not entries:
        raise SystemExit(_say(f"nothing is kept under {terminal(id_)}"))
    story = [
        {"at": note.at, "event": note.event, "text": note.text, "who": note.who} for note in notes
    ]
    if as_json:
        print_json({"letters": [as_object(entry) for entry in entries], "story": story})
        return
    console = wide_console()
    console.print(_table(entries))
    for note in notes:
        by = f" by {terminal(note.who)}" if note.who else ""
        line = f"{note.at:%Y-%m-%d %H:%M:%S} {note.event}{by} {terminal(note.text)}"
        console.print(line)


@command.command()
@config_option
@click.argument("ids", metavar="ID…", nargs=-1, required=True)
def release(config: str | None, ids: tuple[str, ...]) -> None:
    """Let held mail go; what once broke us runs the whole route again."""
    from gateway.release import release as release_one

    settings = load_or_exit(config)

    async def let_go(store: Store) -> int:
        missed = 0
        for id_ in ids:
            try:
                missed += _told(id_, await release_one(settings, store, id_, who()), "released")
            except StoreError:
                raise
            except Exception as error:  # it may break us once more: it stays held
                missed += _say(f"{terminal(id_)}: still held, {type(error).__name__}")
        return missed

    raise SystemExit(1 if with_store(settings, let_go) else 0)


@command.command()
@config_option
@click.option("--all", "all_", is_flag=True, help="Everything that waits for its next try.")
@click.argument("ids", metavar="ID…", nargs=-1)
def retry(config: str | None, all_: bool, ids: tuple[str, ...]) -> None:
    """Make deferred mail due at once, past any breaker."""
    if not ids and not all_:
        raise click.UsageError("name the mail, or say --all")
    _change(config, ("*",) if all_ else ids, "retry", "due now")


@command.command()
@config_option
@click.option("--why", default="by hand", show_default=True)
@click.argument("ids", metavar="ID…", nargs=-1, required=True)
def hold(config: str | None, ids: tuple[str, ...], why: str) -> None:
    """Keep mail from going until it is released."""
    _change(config, ids, "hold", "held", why)


@command.command()
@config_option
@click.confirmation_option(prompt="Dropped mail reaches nobody and nobody is told. Go on?")
@click.argument("ids", metavar="ID…", nargs=-1, required=True)
def drop(config: str | None, ids: tuple[str, ...]) -> None:
    """End mail without delivering it; your name goes into its story."""
    _change(config, ids, "drop", "dropped")


@command.command()
@config_option
@json_option
def prove(config: str | None, as_json: bool) -> None:
    """Accepted = delivered + queued + held + bounced + dropped, or exit 1."""
    balance = with_store(load_or_exit(config), lambda store: store.balance())
    if as_json:
        print_json(balance_object(balance))
    else:
        for name, value in balance_object(balance).items():
            if name != "generated":
                click.echo(f"{name:>10}  {value}")
        for state, count in balance.generated.items():
            click.echo(f"{count:>10}  generated, {state}")
    raise SystemExit(0 if balance.balanced else 1)


def balance_object(balance: Balance) -> dict[str, Any]:
    """The object of contract.md, with `generated` beside."""
    return {
        "accepted": balance.accepted,
        "delivered": balance.delivered,
        "queued": balance.queued,
        "held": balance.held,
        "bounced": balance.bounced,
        "dropped": balance.dropped,
        "balanced": balance.balanced,
        "generated": dict(balance.generated),
    }


def as_object(entry: Entry) -> dict[str, Any]:
    return {
        "id": entry.letter_id,
        "queue_id": entry.queue_id,
        "kind": entry.kind,
        "site": entry.site,
        "state": entry.state,
        "next_hop": entry.next_hop,
        "reverse_path": entry.reverse_path,
        "recipients": dict(entry.recipients),
        "size": entry.size,
        "accepted": entry.accepted,
        "due": entry.due,
        "attempts": entry.attempts,
        "why": entry.why,
        "tone": entry.tone,
        "raw": entry.raw,
    }


def _change(config: str | None, ids: Sequence[str], verb: str, done: str, *more: str) -> None:
    """Run one verb of the store on each id; exit 1 if one of them is unknown."""
    now = datetime.now(UTC)

    async def act(store: Store) -> list[int]:
        return [await getattr(store, verb)(id_, *more, who(), now) for id_ in ids]

    counts = with_store(load_or_exit(config), act)
    missed = sum(_told(id_, count, done) for id_, count in zip(ids, counts, strict=True))
    raise SystemExit(1 if missed else 0)


def _told(id_: str, count: int, done: str) -> int:
    name = "everything" if id_ == "*" else terminal(id_)
    if count or id_ == "*":
        click.echo(f"{name}: {count} {done}")
        return 0
    _say(f"{name}: nothing there to be {done}")
    return 1


def _say(text: str) -> int:
    click.echo(text, err=True)
    return 1


def who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def _table(entries: Sequence[Entry]) -> Table:
    table = Table(show_edge=False)
    for heading in ("id", "state", "kind", "site", "from", "to", "due", "tone", "why"):
        table.add_column(heading, overflow="fold", no_wrap=heading in ("id", "state"))
    ordered = sorted(entries, key=lambda e: (e.state != "held", e.tone != "irate", e.accepted))
    for entry in ordered:
        cells = (
            entry.letter_id,
            entry.state,
            entry.kind,
            entry.site,
            entry.reverse_path or "<>",
            ", ".join(entry.recipients),
            f"{entry.due:%Y-%m-%d %H:%M}" if entry.due else "",
            entry.tone,
            entry.why,
        )
        table.add_row(*(terminal(cell) for cell in cells))
    return table
