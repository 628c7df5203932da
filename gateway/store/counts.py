"""The sums behind `prove`: accepted = delivered + queued + held + bounced + dropped.

They are changed in the transaction that changes the letters and survive their clean-up. Counted
is each recipient a client named and we accepted; what we made ourselves (acknowledgements, cards,
copies, addresses a route delivers to instead) is counted apart as generated, each delivery once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from gateway.store import Balance
from gateway.store.sql import Connection

OWED = frozenset({"queued", "active", "deferred", "waiting"})
"""States of what will move by itself."""

_CLASS = {
    **dict.fromkeys(OWED, "queued"),
    "held": "held",
    "relayed": "delivered",
    "failed": "bounced",
    "dropped": "dropped",
}
_WORST_FIRST = ("queued", "held", "bounced", "dropped", "delivered")


def tally(answers: int, one_to_one: bool, states: Sequence[str]) -> Counter[str]:
    """What a letter adds to the sums while its recipients are in these states."""
    if one_to_one:
        return Counter(_CLASS[state] for state in states)
    made = Counter(f"generated/{'queued' if state in OWED else state}" for state in states)
    if answers:
        classes = {_CLASS[state] for state in states}
        made[next(name for name in _WORST_FIRST if name in classes)] += answers
    return made


def change(
    counts: Counter[str],
    answers: int,
    one_to_one: bool,
    before: Sequence[str],
    after: Sequence[str],
) -> None:
    """Move a letter's share of the sums from one set of states to another."""
    counts.subtract(tally(answers, one_to_one, before))
    counts.update(tally(answers, one_to_one, after))


def write(db: Connection, changes: Mapping[str, int], shard: str = "") -> None:
    """Add up; always in the same order, so that two writers cannot lock each other out."""
    for name in sorted(changes):
        if changes[name]:
            db.execute(
                "INSERT INTO counts (name, shard, value) VALUES (?, ?, ?) "
                "ON CONFLICT (name, shard) DO UPDATE SET value = counts.value + excluded.value",
                (name, shard, changes[name]),
            )


def balance(db: Connection) -> Balance:
    sums = dict(db.execute("SELECT name, sum(value) FROM counts GROUP BY name").fetchall())
    generated = {
        name.removeprefix("generated/"): value
        for name, value in sums.items()
        if name.startswith("generated/") and value
    }
    names = ("accepted", "delivered", "queued", "held", "bounced", "dropped")
    return Balance(**{name: int(sums.get(name, 0)) for name in names}, generated=generated)
