"""Many clients with large messages at the same time: memory stays within its budget.

The whole measure is `python -m tools.memory`; docs/soak.md has its last figures.
"""

from __future__ import annotations

from tools.memory import MB, measure


async def test_forty_at_once_stay_within_the_budget(tmp_path):
    found = await measure(tmp_path, 40, 10 * MB, 40)
    assert found["peak_mb"] <= found["allowed_mb"], found
    assert set(found["replies"]) == {"250 2.0.0", "452 4.3.1"}
    assert found["replies"]["250 2.0.0"] >= 3
