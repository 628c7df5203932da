"""One run tells every mistake of a broken configuration, each at its line, none twice.

The files say themselves what is expected: `#! KEY: WHAT | KEY: WHAT` behind a line stands for the
mistakes of that line, and nothing else may be told.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from gateway.check import inspect
from gateway.configuration import load
from gateway.identity.signing import make_key

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)

BROKEN = Path(__file__).parent / "broken"
GREETING = "Subject: yes\n\nDear {{ custommer }},\n"


def write(folder: Path) -> None:
    """The broken configuration with the files that it names."""
    for path in BROKEN.glob("*.yaml"):
        shutil.copy(path, folder)
    (folder / "cert.pem").write_text("-----BEGIN SOMETHING-----\n")
    (folder / "ed25519.pem").write_bytes(make_key("third.example", "gw", "ed25519").pem)
    for path in folder.glob("*.pem"):
        path.chmod(0o600)
    template = folder / "words/shop/greeting.en.txt"
    template.parent.mkdir(parents=True)
    template.write_text(GREETING)


def expected(path: Path) -> Iterator[tuple[str, int, str]]:
    for number, line in enumerate(path.read_text().splitlines(), 1):
        for wanted in line.partition("#! ")[2].split(" | ") if "#! " in line else ():
            yield path.name, number, wanted.strip()


def test_every_mistake_of_three_files_in_one_run(tmp_path: Path) -> None:
    write(tmp_path)
    wanted = [
        *(each for path in sorted(BROKEN.glob("*.yaml")) for each in expected(path)),
        ("greeting.en.txt", 3, "it fails for site shop: 'custommer' is undefined"),
    ]
    problems = inspect(load(tmp_path / "gateway.yaml", {}), NOW)
    untold, unwanted = [*wanted], []
    for problem in problems:
        said = str(problem).partition(f"{problem.file}:{problem.line}: ")[2]
        match = next(
            (
                each
                for each in untold
                if each[:2] == (problem.file.name, problem.line) and said.startswith(each[2])
            ),
            None,
        )
        if match is None:
            unwanted.append(str(problem))
        else:
            untold.remove(match)
        assert len(problem.mend) > 3, str(problem)
    assert (untold, unwanted) == ([], [])
    assert len(wanted) >= 90
    assert len({str(problem) for problem in problems}) == len(problems)
    assert not re.search("hunter2", "\n".join(map(str, problems)))
