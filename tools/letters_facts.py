"""`python tools/letters_facts.py`: how well the facts in our own letters are found, by hand.

Phone: the writer's number is the one found first, its last eight digits count (labels are written
as in the letter). The site is taken to be in the writer's country: of the countries of the
letter's language, the one whose reading fits. References: each labelled one is found, or holds or
is held by one that is found. Questions: the count is within one.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gateway.facts import Facts, find
from gateway.facts.dialling import countries
from gateway.learning.input import message_of_text

FOLDER = Path(__file__).parent.parent / "models/letters"
EXTENSION = re.compile(r"[^\d\W]")
SHORTEST = 4
"""Letters of a found reference that may stand for a longer labelled one."""


def digits(text: str | None) -> str:
    return re.sub(r"\D", "", text or "")


def same_number(written: str, found: str | None) -> bool:
    """Extensions are compared apart: `Facts.phone` has none."""
    want, got = digits(EXTENSION.split(written)[0]).lstrip("0"), digits(found)
    return bool(got) and (want[-8:] == got[-8:] or want[-7:] == got[-7:])


def bare(reference: str) -> str:
    return re.sub(r"\W", "", reference).lower()


def readings(letter: dict[str, Any]) -> Sequence[Facts]:
    message = message_of_text(letter["subject"], letter["body"])
    return [find(message, region=region) for region in countries(letter["language"])]


def judge(letter: dict[str, Any], count: Counter[str]) -> None:
    every = readings(letter)
    facts = every[0]
    count["letters"] += 1
    if letter["phone"]:
        count["with a number"] += 1
        count["number right"] += any(same_number(letter["phone"], each.phone) for each in every)
    else:
        count["without a number"] += 1
        count["number invented"] += facts.phone is not None
    found = {bare(order) for order in facts.orders}
    for order in map(bare, letter["orders"]):
        count["references"] += 1
        count["reference found"] += order in found or any(
            order in one or (len(one) >= SHORTEST and one in order) for one in found
        )
    count["questions within one"] += abs(len(facts.questions) - letter["questions"]) <= 1


def shown(count: Counter[str]) -> str:
    def share(part: str, whole: str) -> str:
        return f"{count[part]} of {count[whole]} ({count[part] / max(count[whole], 1):.1%})"

    return (
        f"number right {share('number right', 'with a number')}, "
        f"invented {share('number invented', 'without a number')}, "
        f"references {share('reference found', 'references')}, "
        f"questions within one {share('questions within one', 'letters')}"
    )


def main() -> None:
    total: Counter[str] = Counter()
    for path in sorted(FOLDER.glob("*.jsonl")):
        count: Counter[str] = Counter()
        for line in path.read_text("utf-8").splitlines():
            judge(json.loads(line), count)
        print(f"{path.stem}: {shown(count)}")
        total.update(count)
    print(f"all: {shown(total)}")


if __name__ == "__main__":
    main()
