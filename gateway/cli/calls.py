"""`gateway calls`: who must be phoned, and what came of it."""

from __future__ import annotations

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
from gateway.cli.queue import who
from gateway.plan import Call
from gateway.show import terminal
from gateway.store import Store


@click.group("calls")
def command() -> None:
    """List, show and close the calls that are wanted."""


@command.command("list")
@config_option
@json_option
@click.option("--site", default="", help="Only this site's.")
@click.option("--all", "all_", is_flag=True, help="Also the closed ones.")
def list_(config: str | None, as_json: bool, site: str, all_: bool) -> None:
    """Open calls, the most pressing first."""
    calls = with_store(load_or_exit(config), lambda store: store.calls(site=site, all_=all_))
    if as_json:
        print_json([as_object(call) for call in calls])
        return
    wide_console().print(_table(calls))


@command.command()
@config_option
@json_option
@click.argument("id_", metavar="ID")
def show(config: str | None, as_json: bool, id_: str) -> None:
    """One call with everything the card says."""
    calls = with_store(load_or_exit(config), lambda store: store.calls(all_=True))
    found = [call for call in calls if call.id == id_]
    if not found:
        click.echo(f"no call has the id {terminal(id_)}", err=True)
        raise SystemExit(1)
    if as_json:
        print_json(as_object(found[0]))
        return
    for name, value in as_object(found[0]).items():
        values = value if isinstance(value, list) else [value]
        for item in values:
            click.echo(f"{name:>12}  {terminal(str(item), limit=300)}")


@command.command()
@config_option
@click.option("--outcome", default="reached", show_default=True, help="What came of it.")
@click.argument("ids", metavar="ID…", nargs=-1, required=True)
def done(config: str | None, outcome: str, ids: tuple[str, ...]) -> None:
    """Close calls, with what came of them."""
    now = datetime.now(UTC)

    async def close(store: Store) -> list[bool]:
        return [await store.close_call(id_, outcome, who(), now) for id_ in ids]

    closed = with_store(load_or_exit(config), close)
    for id_, done_ in zip(ids, closed, strict=True):
        click.echo(f"{terminal(id_)}: {'closed' if done_ else 'not open'}", err=not done_)
    raise SystemExit(0 if all(closed) else 1)


def as_object(call: Call) -> dict[str, Any]:
    return {
        "id": call.id,
        "site": call.site,
        "state": call.state,
        "due": call.due,
        "name": call.name,
        "phone": call.phone,
        "extension": call.extension,
        "contact": call.contact,
        "proven": call.proven,
        "orders": list(call.orders),
        "questions": list(call.questions),
        "phrases": list(call.phrases),
        "reason": call.reason,
        "queue_id": call.queue_id,
        "opened": call.opened,
        "over_budget": call.over_budget,
        "outcome": call.outcome,
    }


def _table(calls: Sequence[Call]) -> Table:
    table = Table(show_edge=False)
    for heading in ("id", "due", "site", "name", "phone", "order", "proven", "state", "reason"):
        table.add_column(heading, overflow="fold", no_wrap=heading in ("id", "phone"))
    for call in calls:
        cells = (
            call.id,
            f"{call.due:%Y-%m-%d %H:%M} UTC" if call.due else "",
            call.site,
            call.name or call.contact,
            call.phone or "none given",
            ", ".join(call.orders),
            "yes" if call.proven else "no",
            "over budget" if call.over_budget and call.state == "open" else call.state,
            call.reason,
        )
        table.add_row(*(terminal(cell) for cell in cells))
    return table
