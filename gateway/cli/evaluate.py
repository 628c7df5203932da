"""`gateway evaluate spam|tone PATH… --model DIR`: honest figures on what the model has not seen."""

from __future__ import annotations

from pathlib import Path

import click
from rich.table import Table

from gateway import shipped
from gateway.cli.common import fail, print_json, wide_console
from gateway.cli.progress import shown
from gateway.show import terminal


@click.command("evaluate")
@click.option("--model", help="A model's folder, or the name of a shipped one. Default: KIND.")
@click.option("--second-look", help="For tone: the folder, or the name, of a second look.")
@click.option(
    "--report", type=click.Path(dir_okay=False), help="An HTML page; it quotes mail, keep it here."
)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.argument("kind", type=click.Choice(["spam", "tone"]))
@click.argument("paths", metavar="PATH…", nargs=-1, required=True)
def command(
    kind: str,
    paths: tuple[str, ...],
    model: str | None,
    second_look: str | None,
    report: str | None,
    as_json: bool,
) -> None:
    """Figures over everything, per source and per language; with --report plots and mistakes."""
    from gateway.learning.evaluate import evaluate
    from gateway.learning.report import write
    from gateway.learning.second_look import SecondLook

    try:
        folder = shipped.named("models", model or kind)
        second = SecondLook(shipped.named("models", second_look)) if second_look else None
        with shown() as tell:
            found = evaluate(kind, paths, folder, second=second, progress=tell)
        if report:
            write(found, Path(report))
    except (ValueError, OSError) as error:
        fail(terminal(str(error), limit=1000))
    if as_json:
        print_json({"kind": kind, "model": found.model, "figures": found.figures,
                    "tables": found.tables})  # fmt: skip
        return
    console = wide_console()
    console.print(_table("all", {"": found.figures}))
    for title, rows in found.tables.items():
        console.print(_table(title, rows))
    if report:
        click.echo(
            f"the report is {terminal(report)}; it quotes real mail, so keep it on this machine"
        )


def _table(title: str, rows: dict[str, dict[str, float | int | str]]) -> Table:
    table = Table(title=title, title_justify="left", show_edge=False)
    headings = list(dict.fromkeys(name for figures in rows.values() for name in figures))
    table.add_column("")
    for heading in headings:
        table.add_column(terminal(heading), justify="right")
    for name, figures in rows.items():
        cells = [_number(figures.get(heading, "")) for heading in headings]
        table.add_row(terminal(name), *cells)
    return table


def _number(value: float | str) -> str:
    return f"{value:.3f}" if isinstance(value, float) else terminal(str(value))
