"""The sums behind `prove`: accepted = delivered + queued + held + bounced + dropped.

They are changed in the transaction that changes the letters and survive their clean-up. Counted
is each recipient a client named and we accepted; what we made ourselves (acknowledgements, cards,
copies, addresses a route delivers to instead) is counted apart as generated, each delivery once.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from typing import Literal

from gateway.store import Balance, Depth
from gateway.store.sql import Connection, insert, moment_or_none

OWED = frozenset({"queued", "active", "deferred", "waiting"})
"""States of what will move by itself."""

_CLASS = {
    **dict.fromkeys(OWED, "queued"),
    "held": "held",
    "relayed": "delivered",
    "failed": "bounced",
    "dropped": "dropped",
}
_GENERATED = {
    **dict.fromkeys(OWED, "generated/queued"),
    **{
        state: f"generated/{state}" for state in ("held", "relayed", "failed", "dropped", "unknown")
    },
}
_WORST_FIRST = ("queued", "held", "bounced", "dropped", "delivered")


def add(
    counts: MutableMapping[str, int],
    answers: int,
    one_to_one: bool,
    states: Sequence[str],
    sign: Literal[1, -1] = 1,
) -> None:
    """Add to `counts`, or take away, a letter's share while its recipients are in these states."""
    for state in states:
        counts[_CLASS[state] if one_to_one else _GENERATED[state]] += sign
    if answers and not one_to_one:
        classes = {_CLASS[state] for state in states}
        counts[next(name for name in _WORST_FIRST if name in classes)] += sign * answers


def change(
    counts: MutableMapping[str, int],
    answers: int,
    one_to_one: bool,
    before: Sequence[str],
    after: Sequence[str],
) -> None:
    """Move a letter's share of the sums from one set of states to another."""
    add(counts, answers, one_to_one, before, -1)
    add(counts, answers, one_to_one, after)


def write(db: Connection, changes: Mapping[str, int], shard: str = "") -> None:
    """Add up; always in the same order, so that two writers cannot lock each other out.

    Writers of one `shard` wait for each other.
    """
    insert(
        db,
        "counts (name, shard, value)",
        [(name, shard, changes[name]) for name in sorted(changes) if changes[name]],
        " ON CONFLICT (name, shard) DO UPDATE SET value = counts.value + excluded.value",
    )


def balance(db: Connection) -> Balance:
    sums = dict(db.execute("SELECT name, sum(value) FROM counts GROUP BY name").fetchall())
    generated = {
        name.removeprefix("generated/"): int(value)
        for name, value in sums.items()
        if name.startswith("generated/") and value
    }
    names = ("accepted", "delivered", "queued", "held", "bounced", "dropped")
    return Balance(**{name: int(sums.get(name, 0)) for name in names}, generated=generated)


def depth(db: Connection) -> Depth:
    """Counts what is under way, so it takes the longer the longer the queue is."""
    rows = db.execute(
        "SELECT state, count(*), min(due) FROM letters WHERE due IS NOT NULL GROUP BY state"
    ).fetchall()
    (held,) = db.execute("SELECT count(*) FROM letters WHERE some_held = 1").fetchone()
    waiting = [due for state, _, due in rows if state in ("queued", "deferred")]
    return Depth(
        {**{state: count for state, count, _ in rows}, **({"held": held} if held else {})},
        moment_or_none(min(waiting, default=None)),
    )
