"""`gateway check`: every mistake at once, as `file:line: key: what is wrong; how to mend it`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import click

from gateway.cli.common import NOT_WELL, config_option, json_option, print_json, read_config
from gateway.configuration import Loaded
from gateway.problems import Problem


@click.command("check")
@config_option
@json_option
@click.option("--dns", is_flag=True, help="Ask the DNS too: MX, signing keys, next hops.")
def command(config: str | None, as_json: bool, dns: bool) -> None:
    """Look at configuration, templates, models, certificates and ports. Changes nothing."""
    from gateway.check import inspect

    loaded = read_config(config)
    problems = [*inspect(loaded, datetime.now(UTC))]
    if dns and loaded.settings is not None:
        problems += asyncio.run(_ask(loaded))
    wrong = [problem for problem in problems if not problem.warning]
    if as_json:
        print_json({"ok": not wrong, "problems": [as_object(problem) for problem in problems]})
    else:
        _print(loaded, problems, wrong)
    raise SystemExit(NOT_WELL if wrong else 0)


async def _ask(loaded: Loaded) -> tuple[Problem, ...]:
    from gateway.check.network import inspect_network
    from gateway.edge.dns import NetworkResolver

    assert loaded.settings is not None  # noqa: S101 - the caller looked
    dns = loaded.settings.dns
    resolver = NetworkResolver(dns.nameservers, dns.timeout.total_seconds())
    try:
        return await inspect_network(loaded.settings, loaded.sources, resolver)
    finally:
        await resolver.close()


def as_object(problem: Problem) -> dict[str, Any]:
    return {
        "file": str(problem.file),
        "line": problem.line,
        "key": problem.key,
        "what": problem.what,
        "mend": problem.mend,
        "level": "warning" if problem.warning else "error",
    }


def _print(loaded: Loaded, problems: Sequence[Problem], wrong: Sequence[Problem]) -> None:
    for problem in problems:
        click.echo(str(problem))
    hints = len(problems) - len(wrong)
    count = f"{len(wrong)} to mend" if wrong else "fine"
    if hints:
        count += f", {hints} {'warning' if hints == 1 else 'warnings'}"
    click.echo(f"{loaded.sources.main}: {count}")
