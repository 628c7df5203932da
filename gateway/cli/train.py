"""`gateway train KIND PATH… --out DIR`: a model from your own mail, or from what we used."""

from __future__ import annotations

import click

from gateway.cli.common import fail, print_json
from gateway.cli.progress import shown
from gateway.show import terminal


@click.command("train")
@click.option("--out", required=True, type=click.Path(file_okay=False), help="Where it goes.")
@click.option("--exclude", multiple=True, help="A source to leave out; may be repeated.")
@click.option(
    "--commercial", is_flag=True, help="Leave out all sources whose licence forbids business use."
)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.argument("kind", type=click.Choice(["spam", "tone", "second-look"]))
@click.argument("paths", metavar="PATH…", nargs=-1, required=True)
def command(
    kind: str,
    paths: tuple[str, ...],
    out: str,
    exclude: tuple[str, ...],
    commercial: bool,
    as_json: bool,
) -> None:
    """Train from Maildir, mbox, .eml folders, .tar.gz of them, or .jsonl(.gz).

    Mail is told apart by folders called ham and spam (or irate, upset, neutral, pleased).
    second-look learns from letters, and needs more than is installed: see gateway/learning.
    """
    from gateway.learning import train_second_look
    from gateway.learning.train import NON_COMMERCIAL, train

    left_out = (*exclude, *NON_COMMERCIAL) if commercial else exclude
    try:
        with shown() as tell:
            if kind == "second-look":
                trained = train_second_look.train(paths, out, exclude=left_out, progress=tell)
            else:
                trained = train(kind, paths, out, exclude=left_out, progress=tell)
    except (ValueError, OSError) as error:
        fail(terminal(str(error), limit=1000))
    if as_json:
        print_json(
            {
                "kind": kind,
                "out": str(trained.folder),
                "samples": dict(trained.samples),
                "held_out": trained.held_out,
                "notes": dict(trained.notes),
            }
        )
        return
    for source, count in trained.samples.items():
        click.echo(f"{count:>8}  {terminal(source)}")
    click.echo(f"{trained.held_out:>8}  held out, never trained on")
    option = "second_look" if kind == "second-look" else "model"
    click.echo(f"the model is in {trained.folder}; name it in the YAML: {option}: {trained.folder}")
