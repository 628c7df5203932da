"""What a configuration promises beyond its spelling: that all it names exists, fits and works.

`inspect` looks at this host only; `network.py` asks the DNS. Both only look: nothing is changed,
sent or stored. Warnings are for what the gateway can run with, but hardly as meant.

Every check looks at all that could be read, however much else is wrong, and says nothing of what
follows from a mistake that is told already (`Sources.sound`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TypeAlias

from gateway.check import agreement, files, filters, left_behind, machine, postgres, rules, sites
from gateway.check.filters import builder
from gateway.configuration import Loaded, ordered
from gateway.configuration.yaml_values import Sources
from gateway.problems import Problem
from gateway.settings import Settings

Check: TypeAlias = Callable[[Settings, Sources, datetime], Iterable[Problem]]

__all__ = ["builder", "inspect"]


def inspect(loaded: Loaded, now: datetime, *, serving: bool = False) -> tuple[Problem, ...]:
    """Every problem in the order of files and lines.

    `serving`: for the gateway that runs with it and holds the ports itself.
    """
    if loaded.seen is None:
        return loaded.problems
    found = [*loaded.problems]
    for check in CHECKS if serving else (*CHECKS, files.ports):
        found += check(loaded.seen, loaded.sources, now)
    return ordered(found, loaded.sources)


CHECKS: tuple[Check, ...] = (
    filters.filters,
    sites.calendars,
    sites.templates,
    sites.recipients,
    sites.administrator,
    sites.people,
    rules.rules,
    *agreement.CHECKS,
    *machine.CHECKS,
    files.certificates,
    files.signing_keys,
    files.secrets,
    files.recipient_files,
    files.folders,
    files.stores,
    left_behind.other_stores,
    postgres.server,
)
