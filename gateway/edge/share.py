"""How many processes there are, and what each of them may take of what is meant for all."""

from __future__ import annotations

import os
from math import ceil
from typing import Literal

from gateway.settings import Limits


def worker_count(workers: int | Literal["auto"]) -> int:
    """`auto` is one worker for each core this process may use."""
    return len(os.sched_getaffinity(0)) if workers == "auto" else workers


def share(limits: Limits, workers: int) -> Limits:
    """One worker's limits: an equal part of the connections and the memory.

    The kernel hands out connections by chance, so a part of `connections_per_client` would turn
    away clients that are far below it: that one counts in each worker by itself.
    """
    part = {
        "connections": ceil(limits.connections / workers),
        "memory": limits.memory // workers,
    }
    return limits.model_copy(update=part)
