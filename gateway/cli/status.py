"""`gateway status`: who serves from this store, what each runs, and how the queue is."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
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
from gateway.store import Depth, Node, State, Store

SILENT = timedelta(seconds=30)
"""A node that said nothing for so long is gone, or cannot reach the store."""
ORDER: tuple[State, ...] = ("queued", "active", "deferred", "waiting", "held")


@click.command("status")
@config_option
@json_option
def command(config: str | None, as_json: bool) -> None:
    """Nodes with their heart beat, version, configuration and models; the queue's depth."""
    nodes, depth = with_store(load_or_exit(config), _look)
    now = datetime.now(UTC)
    if as_json:
        print_json({"nodes": [as_object(node, now) for node in nodes], "queue": _queue(depth, now)})
        return
    wide_console().print(_table(nodes, now))
    _tell_differences(nodes)
    _tell_queue(depth, now)


async def _look(store: Store) -> tuple[Sequence[Node], Depth]:
    return await store.nodes(), await store.depth()


def is_silent(node: Node, now: datetime) -> bool:
    return node.seen is None or now - node.seen > SILENT


def as_object(node: Node, now: datetime) -> dict[str, Any]:
    return {
        "host": node.host,
        "pid": node.pid,
        "alive": not is_silent(node, now),
        "seen": node.seen and node.seen.isoformat(),
        "started": node.started.isoformat(),
        "version": node.version,
        "configuration": node.configuration,
        "models": dict(node.models),
    }


def _queue(depth: Depth, now: datetime) -> dict[str, Any]:
    due = depth.oldest_due
    return {
        "states": {state: depth.states.get(state, 0) for state in ORDER},
        "oldest_due": due and due.isoformat(),
        "late_seconds": 0 if due is None else max(0, round((now - due).total_seconds())),
    }


def _table(nodes: Sequence[Node], now: datetime) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("node", "heart beat", "since", "version", "configuration", "models"):
        table.add_column(name)
    for node in nodes:
        models = ", ".join(f"{name} {digest}" for name, digest in sorted(node.models.items()))
        beat = "never" if node.seen is None else f"{_ago(now - node.seen)} ago"
        table.add_row(
            terminal(f"{node.host}/{node.pid}"),
            f"SILENT, {beat}" if is_silent(node, now) else beat,
            f"{node.started:%Y-%m-%d %H:%M}",
            terminal(node.version),
            terminal(node.configuration or "-"),
            terminal(models or "-"),
        )
    return table


def _ago(time: timedelta) -> str:
    seconds = max(0, int(time.total_seconds()))
    if seconds < 120:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 7200 else f"{seconds // 3600} h"


def _tell_differences(nodes: Sequence[Node]) -> None:
    """Nodes that do not run the same judge the same letter differently."""
    if not nodes:
        click.echo("no node serves from this store")
    for what, values in (
        ("versions", {node.version for node in nodes}),
        ("configurations", {node.configuration for node in nodes}),
        ("models", {tuple(sorted(node.models.items())) for node in nodes}),
    ):
        if len(values) > 1:
            click.echo(f"the nodes run different {what}")


def _tell_queue(depth: Depth, now: datetime) -> None:
    states = ", ".join(f"{depth.states.get(state, 0)} {state}" for state in ORDER)
    click.echo(f"queue: {states}")
    if depth.oldest_due is not None and depth.oldest_due < now:
        click.echo(f"the oldest that is due waits for {_ago(now - depth.oldest_due)}")
