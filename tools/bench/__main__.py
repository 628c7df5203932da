"""`python -m tools.bench compare|profile|growth|workers|scoring|all --bench FOLDER`."""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

from tools.bench import compare, growth, page, profile, scoring, workers
from tools.bench.kit import Kit
from tools.bench.server import BenchError

ROOT = Path(__file__).parents[2]
KEPT = ROOT / "build" / "bench"
"""Compiled tools and the corpus, from run to run."""


def main() -> None:
    options = parse()
    try:
        run(options)
    except BenchError as error:
        raise SystemExit(f"bench: {error}") from None


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "what", choices=("compare", "profile", "workers", "growth", "scoring", "all")
    )
    parser.add_argument("--bench", type=Path, default=os.environ.get("BENCH"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=8, help="of each level of a round")
    parser.add_argument("--peers", default=",".join(compare.KINDS), help="'' for none")
    parser.add_argument("--letters", type=int, default=8000, help="different ones in the corpus")
    parser.add_argument("--only", default="", help="growth: the name of one series")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs", help="where the pages go")
    return parser.parse_args()


def run(options: argparse.Namespace) -> None:
    figures = page.Figures(options.docs)
    wanted = (
        (options.what,) if options.what != "all" else ("scoring", "compare", "workers", "profile")
    )
    if wanted == ("scoring",):
        figures.add("scoring", scoring.run())
        return
    if not options.bench:
        raise BenchError("BENCH=FOLDER with the load tools is needed (see docs/bench.md)")
    with (
        tempfile.TemporaryDirectory(
            prefix="bench-", dir=KEPT.parent if KEPT.exists() else None
        ) as name,
        Kit(Path(options.bench).resolve(), KEPT, count=options.letters) as kit,
    ):
        folder = Path(name)
        folder.chmod(0o755)  # Postfix and rspamd run as users of their own
        for what in wanted:
            figures.add(what, MEASURES[what](options, kit, folder))


MEASURES = {
    "scoring": lambda options, kit, folder: scoring.run(),
    "compare": lambda options, kit, folder: compare.run(
        kit, folder, rounds=options.rounds, seconds=options.seconds,
        kinds=[kind for kind in options.peers.split(",") if kind],
    ),
    "workers": lambda options, kit, folder: workers.run(
        kit, folder, rounds=options.rounds, seconds=options.seconds
    ),
    "profile": lambda options, kit, folder: profile.run(kit, folder),
    "growth": lambda options, kit, folder: growth.run(kit, folder, only=options.only),
}  # fmt: skip


if __name__ == "__main__":
    main()
