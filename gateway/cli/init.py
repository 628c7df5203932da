"""`gateway init DIR`: a commented configuration to start from. Overwrites nothing."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import click

from gateway import shipped
from gateway.cli.common import NOT_WELL, fail
from gateway.show import terminal

PRIVATE = ("keys", "var")
"""Folders that only we may look into: signing keys, customers' mail."""


@click.command("init")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
def command(folder: Path) -> None:
    """Write gateway.yaml, a site, and folders for templates, keys and answers into DIR."""
    wanted = dict(contents())
    there = [name for name in wanted if (folder / name).exists()]
    if there:
        fail(f"{terminal(str(folder))} has {', '.join(there)} already; name a new folder")
    try:
        write(folder, wanted)
    except OSError as error:
        fail(f"{terminal(str(folder))} cannot be written: {error.strerror}", NOT_WELL)
    shown = terminal(str(folder))
    click.echo(f"Written to {shown}. Then, in this order:")
    click.echo(f"  1. edit    {shown}/gateway.yaml and {shown}/sites/shop.yaml")
    click.echo(f"  2. check   gateway check --config {shown}/gateway.yaml")
    click.echo(f"  3. run     gateway run --config {shown}/gateway.yaml")


def contents() -> Iterator[tuple[str, bytes]]:
    """Every file to write: name below DIR, octets."""
    top = shipped.find("config")
    for path in sorted(top.rglob("*")):
        if path.is_file():
            yield path.relative_to(top).as_posix(), path.read_bytes()
    yield "templates/README.md", (files("gateway") / "templates" / "README.md").read_bytes()


def write(folder: Path, wanted: dict[str, bytes]) -> None:
    for name in PRIVATE:
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name).chmod(0o700)
    for name, octets in wanted.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            file.write(octets)
