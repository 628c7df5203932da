"""`python tools/letters.py`: what the card of our own letters states, counted anew.

Counts by language, tone and kind of site; how much each hand resembles itself and the others; how
far the second reading (`models/letters/second.json`) agrees with the first.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent.parent / "models/letters"
QUESTIONS = ("tone", "urgent", "wants_call", "no_call")
NEAR = 0.5
"""Share of common 5-word runs from which two letters count as near-duplicates."""

Letter = dict[str, Any]


def hands() -> dict[str, list[Letter]]:
    return {
        path.stem: [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        for path in sorted(FOLDER.glob("*.jsonl"))
    }


def words(letter: Letter) -> list[str]:
    return re.findall(r"\w+", f"{letter['subject']} {letter['body']}".lower())


def runs(letter: Letter) -> set[tuple[str, ...]]:
    text = words(letter)
    return {tuple(text[at : at + 5]) for at in range(len(text) - 4)}


def sameness(letters: Sequence[Letter]) -> dict[str, float]:
    """Near-duplicates, distinct openings, type-token ratio, and 5-word runs that recur."""
    texts = [words(letter) for letter in letters]
    seen: Counter[tuple[str, ...]] = Counter(run for letter in letters for run in runs(letter))
    by_run: dict[tuple[str, ...], list[int]] = {}
    own = [runs(letter) for letter in letters]
    for number, several in enumerate(own):
        for run in several:
            if seen[run] > 1:
                by_run.setdefault(run, []).append(number)
    shared: Counter[tuple[int, int]] = Counter()
    for members in by_run.values():
        for at, one in enumerate(members):
            for other in members[at + 1 :]:
                shared[one, other] += 1
    near = sum(
        count / max(1, min(len(own[one]), len(own[other]))) >= NEAR
        for (one, other), count in shared.items()
    )
    openings = {tuple(words({"subject": "", "body": letter["body"]})[:3]) for letter in letters}
    tokens = [word for text in texts for word in text]
    return {
        "letters": len(letters),
        "words a letter": round(len(tokens) / len(letters), 1),
        "near-duplicates": near,
        "distinct openings": round(len(openings) / len(letters), 3),
        "type-token ratio, first 20,000 words": round(len(set(tokens[:20_000])) / 20_000, 3),
        "5-word runs in two letters or more": round(
            sum(count > 1 for count in seen.values()) / len(seen), 4
        ),
    }


def kappa(pairs: Sequence[tuple[object, object]]) -> float:
    """Cohen's kappa (1960): agreement beyond what chance alone would give."""
    first, second = (Counter(side) for side in zip(*pairs, strict=True))
    observed = sum(one == other for one, other in pairs) / len(pairs)
    chance = sum(first[label] * second[label] for label in first) / len(pairs) ** 2
    return (observed - chance) / (1 - chance)


def counted(title: str, values: Iterable[object]) -> None:
    counts = Counter(map(str, values))
    total = sum(counts.values())
    shares = ", ".join(f"{name} {n} ({n / total:.1%})" for name, n in counts.most_common())
    print(f"{title}: {shares}")


def main() -> None:
    every = [letter for letters in hands().values() for letter in letters]
    print(f"{len(every)} letters")
    for question in ("language", "tone", "site_kind", "urgent", "wants_call", "no_call"):
        counted(question, (letter[question] for letter in every))
    counted("with a phone", (letter["phone"] is not None for letter in every))
    counted("with an order", (bool(letter["orders"]) for letter in every))
    for name, letters in [*hands().items(), ("all", every)]:
        print(f"{name}: {sameness(letters)}")
    second = {row["id"]: row for row in json.loads((FOLDER / "second.json").read_text("utf-8"))}
    both = [letter for letter in every if letter["id"] in second]
    print(f"second reading of {len(both)} letters")
    for question in QUESTIONS:
        pairs = [(letter[question], second[letter["id"]][question]) for letter in both]
        apart = [letter["id"] for letter in both
                 if letter[question] != second[letter["id"]][question]]  # fmt: skip
        print(f"{question}: kappa {kappa(pairs):.4f}, apart in {len(apart)}: {' '.join(apart)}")


if __name__ == "__main__":
    main()
