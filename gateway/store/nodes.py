"""Who shares the store: each process that serves, its heart beat, and what it runs.

A process that died leaves leases behind. Its row says nothing any more: its number of beats stays
what it was while others look at it again and again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.store import Node
from gateway.store.claiming import end_orphans
from gateway.store.sql import Connection, Transaction, micros, moment, safe

PATIENCE = 6
"""Beats of ours in which another must have beaten once. Counted, not timed: who could not reach
the store could not watch either, and no two clocks are compared."""


def beat(tx: Transaction, owner: str, node: Node, now: int) -> None:
    """Say that this process lives, and what it runs."""
    tx.db.execute(
        "INSERT INTO nodes "
        "(owner, host, pid, version, configuration, models, started, seen, beats) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1) ON CONFLICT (owner) DO UPDATE SET "
        "version = excluded.version, configuration = excluded.configuration, "
        "models = excluded.models, seen = excluded.seen, beats = nodes.beats + 1",
        (
            owner,
            safe(node.host),
            node.pid,
            node.version,
            node.configuration,
            json.dumps(dict(node.models)),
            micros(node.started),
            now,
        ),
    )


def beats(tx: Transaction) -> dict[str, int]:
    """How often each process has said that it lives."""
    return dict(tx.db.execute("SELECT owner, beats FROM nodes").fetchall())


def forget(tx: Transaction, owners: Sequence[str]) -> None:
    tx.db.executemany("DELETE FROM nodes WHERE owner = ?", [(owner,) for owner in owners])


def bury(tx: Transaction, dead: Sequence[str]) -> int:
    """Forget processes that live no more and end their leases; gives how many letters."""
    if not dead:
        return 0
    gone = frozenset(dead)
    ended = end_orphans(tx, lambda owner: owner not in gone)
    forget(tx, dead)
    return ended


def known(db: Connection) -> Sequence[Node]:
    rows = db.execute(
        "SELECT owner, host, pid, version, configuration, models, started, seen "
        "FROM nodes ORDER BY host, started, pid"
    )
    return [
        Node(
            owner=row[0],
            host=row[1],
            pid=row[2],
            version=row[3],
            configuration=row[4],
            models=json.loads(row[5]),
            started=moment(row[6]),
            seen=moment(row[7]),
        )
        for row in rows
    ]


@dataclass(slots=True)
class Watch:
    """What one process saw of the others, from beat to beat."""

    own: str
    patience: int = PATIENCE
    _seen: dict[str, tuple[int, int]] = field(default_factory=dict)
    """By process: its beats, and how often they were the same."""

    def look(self, beats: Mapping[str, int], is_dead: Callable[[str], bool]) -> list[str]:
        """Those that must be taken for dead; `is_dead` knows of processes of this machine."""
        seen = {}
        for owner, count in beats.items():
            before, times = self._seen.get(owner, (-1, 0))
            seen[owner] = (count, times + 1 if count == before else 0)
        self._seen = seen
        return [
            owner
            for owner, (_, times) in seen.items()
            if owner != self.own and (times > self.patience or is_dead(owner))
        ]
