"""What the commands share: finding the configuration, telling its mistakes, printing JSON."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click
import orjson
from rich.console import Console

from gateway.configuration import Loaded, Problem, load
from gateway.settings import Settings
from gateway.show import terminal
from gateway.store import Store, StoreError

DEFAULT_CONFIG = "config/gateway.yaml"
NOT_WELL = 1
WRONG_USAGE = 2

T = TypeVar("T")

config_option = click.option(
    "--config",
    metavar="FILE",
    help=f"The main YAML file. Default: $GATEWAY_CONFIG, then {DEFAULT_CONFIG}.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="For programs.")


def config_path(given: str | None) -> Path:
    """`--config FILE`, then $GATEWAY_CONFIG, then config/gateway.yaml."""
    return Path(given or os.environ.get("GATEWAY_CONFIG") or DEFAULT_CONFIG)


def read_config(given: str | None) -> Loaded:
    """Load the configuration; exit with 2 when there is no such file."""
    path = config_path(given)
    if not path.exists():
        name = terminal(str(path))
        fail(f"{name}: no such file; name one with --config, or make one: gateway init DIR", 2)
    return load(path, os.environ)


def load_or_exit(given: str | None) -> Settings:
    """The settings; with a mistake in them all of them are printed and we exit with 1."""
    loaded = read_config(given)
    if loaded.settings is None:
        for problem in loaded.problems:
            click.echo(str(problem), err=True)
        raise SystemExit(NOT_WELL)
    return loaded.settings


def fail(what: str | Problem, code: int = NOT_WELL) -> NoReturn:
    """Say on the standard error what is wrong, and exit."""
    click.echo(f"gateway: {what}", err=True)
    raise SystemExit(code)


def print_json(value: Any) -> None:
    """One JSON document; times in ISO 8601, nothing in it that a terminal would obey."""
    try:
        text = orjson.dumps(value, default=_plain, option=orjson.OPT_INDENT_2).decode()
    except TypeError:  # a lone surrogate, or an integer beyond 64 bits
        text = json.dumps(value, default=_plain, indent=2)
    click.echo(_harmless(text))


def wide_console() -> Console:
    """For tables: at least 140 columns when nobody's terminal says otherwise."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(width=140, highlight=False)


def _plain(value: object) -> object:
    if isinstance(value, tuple | set | frozenset):
        return list(value)
    return str(value)


def _harmless(text: str) -> str:
    """JSON with what is not printable as escapes: the same value, and no bidirectional tricks."""
    return "".join(
        char if char.isprintable() or char == "\n" else ascii_escape(char) for char in text
    )


def ascii_escape(char: str) -> str:
    """`\\u202e`; a pair of surrogates beyond the basic plane (RFC 8259, 7)."""
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join(
        f"\\u{int.from_bytes(units[i : i + 2], 'big'):04x}" for i in range(0, len(units), 2)
    )


def with_store(settings: Settings, use: Callable[[Store], Awaitable[T]]) -> T:
    """Open the store, do one thing, close it. A store in trouble ends the command with 1."""
    from gateway.store.opening import exists, open_store

    if not exists(settings):
        fail("the store does not exist yet; `gateway run` makes it")

    async def work() -> T:
        store = await open_store(settings)
        try:
            return await use(store)
        finally:
            await store.close()

    try:
        return asyncio.run(work())
    except StoreError as error:
        fail(f"the store cannot do that now: {error}")
