"""The `gateway` command. Each subcommand lives in a module of its own, imported when called."""

from __future__ import annotations

from importlib import import_module

import click

import gateway

COMMANDS = {
    "run": "serve in the foreground",
    "demo": "see it work: a real gateway on loopback, real letters, no configuration",
    "init": "write a commented configuration to start from",
    "check": "tell every mistake in the configuration at once",
    "explain": "what the pipeline finds in a message, and what would happen to it",
    "queue": "list, show, release, retry, hold, drop, prove",
    "calls": "who must be phoned, and what came of it",
    "status": "the nodes, what each runs, and how the queue is",
    "train": "train the spam or tone model",
    "evaluate": "honest figures on data the model has not seen",
    "dkim-key": "make a site's signing key and print its DNS record",
}


class Lazy(click.Group):
    """Import a command's module only when it is called: `--help` stays fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        if cmd_name == "run":
            # Before anything large is loaded: it stays large for as long as the gateway runs.
            import_module("gateway.edge.heap").return_large_blocks()
        module = import_module(f"gateway.cli.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(gateway.__version__, prog_name="gateway")
def main() -> None:
    """The MX relay for customer-service mail: who sent it, is it spam, whom to phone."""
