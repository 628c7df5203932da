"""Content that its worker dies of: three times at most, then it is held and told; others go on.

The gateway is given a weakness for certain words (tools/soak/lies.py), as a defect would be one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from support.running import until

from tools.soak.life import Life


async def happens(what: Callable[[], bool], seconds: float = 60) -> None:
    await until(lambda: asyncio.sleep(0, what()), bool, seconds)


def poisoned(life: Life, words: str) -> str:
    """Put a letter with these words before the senders; gives its id."""
    letter = life.write()
    letter.recipients = letter.recipients[:1]  # for two sites it would be two letters
    letter.content += f"{words}\r\n".encode()
    life.senders.waiting.append(letter)
    return letter.id


def alerts(life: Life, what: str) -> int:
    return sum(event["what"] == what for event in life.house.events("alert"))


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(
    ("words", "deaths", "why"),
    [
        ("KILLS ITS READER", 2, "stopped its worker twice"),
        ("STALLS ITS READER", 2, "stopped its worker twice"),
        ("KILLS ITS CARRIER", 3, "stopped its worker three times"),
    ],
)
async def test_it_is_held_and_told_and_stops_no_other(tmp_path: Path, workers, words, deaths, why):
    life = Life(tmp_path, seed=1, workers=workers, lie="die of content")
    async with life.begun():
        life.sink.faulty = False
        id_ = poisoned(life, words)
        life.senders.making = True
        await happens(lambda: alerts(life, "worker died") >= deaths)
        life.senders.making = False
        await life.senders.all_answered()
        await happens(lambda: alerts(life, "alert") >= 1)
        await life.delivered()
        letter = life.ledger.letters[id_]
        held = {entry["queue_id"]: entry["why"] for entry in await life.house.entries("--held")}
        assert held[letter.queue_id] == why
        bystanders = held.keys() - {letter.queue_id}
        # Nobody knows whether a worker died of what it read or of what it carried.
        assert len(bystanders) <= (words == "KILLS ITS CARRIER")
        assert alerts(life, "worker died") == deaths
        assert alerts(life, "worker stuck") == (deaths if words.startswith("STALLS") else 0)
        assert (await life.house.prove())["balanced"]
        for other in life.ledger.letters.values():
            if other.queue_id not in held:
                assert all((other.queue_id, to) in life.ledger.taken for to in other.recipients)
