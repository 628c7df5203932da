"""What one of several workers may take of the limits for all."""

from __future__ import annotations

import pytest

from gateway.edge.share import share, worker_count
from gateway.settings import Limits

LIMITS = Limits(connections=10, connections_per_client=4, memory=100 << 20)


@pytest.mark.parametrize("workers", [1, 3, 10, 11])
def test_the_parts_make_the_whole(workers: int) -> None:
    part = share(LIMITS, workers)
    assert LIMITS.connections <= part.connections * workers < LIMITS.connections + workers
    assert LIMITS.memory - workers < part.memory * workers <= LIMITS.memory
    assert part.connections_per_client == LIMITS.connections_per_client


def test_one_worker_has_all() -> None:
    assert share(LIMITS, 1) == LIMITS


def test_auto_is_at_least_one() -> None:
    assert worker_count("auto") >= 1
    assert worker_count(7) == 7
