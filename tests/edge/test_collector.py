"""What was made at start is set aside; what a reload leaves behind is let go all the same."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from gateway.edge import collector


class Ring:
    """Refers to itself: only the collector can let it go."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture
def thresholds() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


@pytest.mark.usefixtures("thresholds")
def test_what_is_there_is_set_aside_until_the_next_time() -> None:
    ring = Ring()
    kept = weakref.ref(ring)
    collector.settle()
    assert gc.get_freeze_count() > 1000
    assert gc.get_threshold()[0] == collector.YOUNG
    del ring
    gc.collect()
    assert kept() is not None
    collector.settle()
    assert kept() is None
