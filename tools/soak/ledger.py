"""What was promised and what came of it: nothing lost, little repeated, nobody answered twice."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tools.soak.senders import Letter
from tools.soak.sink import Arrival

_SOAK_ID = re.compile(rb"^X-Soak-Id: (\S+)\r$", re.MULTILINE)
_QUEUE_ID = re.compile(rb"^X-Gateway-Id: (\S+)\r$", re.MULTILINE)
_IN_REPLY_TO = re.compile(rb"^In-Reply-To:\s*<([^@>]+)@", re.MULTILINE)


@dataclass
class Ledger:
    """All letters of one store's life. `problems` is what must not be."""

    letters: dict[str, Letter] = field(default_factory=dict)
    taken: dict[tuple[str, str], list[Arrival]] = field(default_factory=lambda: defaultdict(list))
    """What the next hop took, by queue id and recipient."""
    queue_ids: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """By the letter's id."""
    acknowledged: Counter[str] = field(default_factory=Counter)
    """Acknowledgements that were taken, or may have been, by the id of their letter."""
    notices: int = 0
    leased: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How often a letter was under way to the next hop when we killed, by queue id, recipient."""
    problems: list[str] = field(default_factory=list)

    # --- what happens ---

    def took(self, arrival: Arrival) -> None:
        """The next hop saw a final dot."""
        if not arrival.taken:
            return
        header = arrival.content[: arrival.content.find(b"\r\n\r\n") + 2]
        soak, queue = _SOAK_ID.search(header), _QUEUE_ID.search(header)
        if soak is None or queue is None:
            self._took_own(arrival, header)
            return
        id_, queue_id = soak[1].decode(), queue[1].decode()
        self.queue_ids[id_].add(queue_id)
        for recipient in arrival.recipients:
            self.taken[queue_id, recipient].append(arrival)
        letter = self.letters.get(id_)
        if letter is None or not arrival.content.endswith(letter.content):
            self.problems.append(f"{id_}: its octets are not those that were sent")

    def _took_own(self, arrival: Arrival, header: bytes) -> None:
        answered = _IN_REPLY_TO.search(header)
        if answered is None or arrival.recipients == ("admin@inside.example",):
            self.notices += 1
        else:
            self.acknowledged[answered[1].decode()] += 1

    def killed(self, entries: Iterable[Mapping[str, Any]]) -> int:
        """`entries` are the queue's after a kill; gives how many letters were under way."""
        active = [entry for entry in entries if entry["state"] == "active"]
        for entry in active:
            for recipient in entry["recipients"]:
                self.leased[entry["queue_id"], recipient] += 1
        return len(active)

    # --- what came of it ---

    def repeated(self) -> tuple[int, int, int]:
        """Copies so far: by the relay after kills, after an unsaid reply, by the sender."""
        relay = unsaid = 0
        for arrivals in self.taken.values():
            silent = sum(arrival.unsaid for arrival in arrivals)
            more = len(arrivals) - 1
            unsaid += min(more, silent)
            relay += more - min(more, silent)
        sender = sum(len(ids) - 1 for ids in self.queue_ids.values())
        return relay, unsaid, sender

    def settle(self, balance: Mapping[str, Any]) -> None:
        """All has been delivered: compare. What is wrong is added to `problems`."""
        for letter in self.letters.values():
            self.problems += self._wrong_with(letter)
        for (queue_id, recipient), arrivals in self.taken.items():
            causes = self.leased[queue_id, recipient] + sum(each.unsaid for each in arrivals)
            if len(arrivals) - 1 > causes:
                times = f"{len(arrivals)} times, {causes} explained"
                self.problems.append(f"{queue_id} came to {recipient} {times}")
        for id_, times in self.acknowledged.items():
            if times > 1:
                self.problems.append(f"{id_} was acknowledged {times} times")
        if not balance["balanced"]:
            self.problems.append(f"prove does not balance: {balance}")
        if balance["accepted"] != len(self.taken) or balance["delivered"] != len(self.taken):
            self.problems.append(f"{len(self.taken)} were delivered, but prove says {balance}")

    def _wrong_with(self, letter: Letter) -> list[str]:
        if letter.refused or not letter.queue_id:
            return [f"{letter.id} was never answered 250: {letter.refused or 'no answer'}"]
        wrong = [
            f"LOST: {letter.id} to {recipient}, 250 as {letter.queue_id}"
            for recipient in letter.recipients
            if (letter.queue_id, recipient) not in self.taken
        ]
        times = len(self.queue_ids[letter.id])
        if times - 1 > letter.dots:
            wrong.append(f"{letter.id} was kept {times} times, {letter.dots} explained")
        return wrong
