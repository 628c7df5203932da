"""The story of each message: one line an event, one method an event.

Lines hold ids, words of our own, domains and numbers; never subjects, bodies, phrases, phones.
Full addresses only when the configuration asks for it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence

from gateway.message import Arrival, Session
from gateway.reply import Reply
from gateway.verdict import JSON, Verdicts

Sink = Callable[[str, Mapping[str, JSON]], None]
"""Takes the event's name and its facts: the log, the metrics, a test."""

_log = logging.getLogger("gateway")


def log_sink(event: str, facts: Mapping[str, JSON]) -> None:
    """Hand an event to the standard log; `edge/logs.py` formats it. A fault is there already."""
    if event == "trouble":
        return
    level = logging.WARNING if event == "alert" else logging.INFO
    _log.log(level, event, extra={"facts": facts})


class Journal:
    def __init__(self, sinks: Sequence[Sink] = (log_sink,), *, addresses: bool = False) -> None:
        self._sinks = tuple(sinks)
        self._addresses = addresses

    def _tell(self, event: str, **facts: JSON) -> None:
        for sink in self._sinks:
            sink(event, facts)

    def address(self, address: str) -> str:
        """An address as it may be logged."""
        return address if self._addresses else "*@" + address.rpartition("@")[2]

    def listening(self, protocol: str, address: str) -> None:
        self._tell("listening", protocol=protocol, address=address)

    def turned_away(self, session: Session, reply: Reply, why: str, queue_id: str = "") -> None:
        """A command, recipient or message was refused or put off; `why` is one of our words."""
        self._tell("refused", client=session.client_ip, code=reply.code, why=why, id=queue_id)

    def examined(self, arrival: Arrival, verdicts: Verdicts, seconds: Mapping[str, float]) -> None:
        self._tell(
            "examined",
            id=arrival.queue_id,
            size=len(arrival.content),
            verdicts={name: verdict.result for name, verdict in verdicts.items()},
            ms={name: round(value * 1000, 2) for name, value in seconds.items()},
        )

    def kept(self, arrival: Arrival, **facts: JSON) -> None:
        self._tell(
            "accepted",
            id=arrival.queue_id,
            client=arrival.session.client_ip,
            sender=self.address(arrival.envelope.reverse_path),
            recipients=len(arrival.envelope.recipients),
            size=len(arrival.content),
            **facts,
        )

    def acknowledged(self, queue_id: str, site: str, reason: str) -> None:
        """The decision: `ok` or why not."""
        self._tell("acknowledgement", id=queue_id, site=site, reason=reason)

    def delivered(self, letter_id: str, kind: str, next_hop: str, outcome: str, code: int) -> None:
        """One recipient's outcome of one attempt: relayed, delayed, failed or unknown."""
        self._tell(
            "delivery", id=letter_id, kind=kind, next_hop=next_hop, outcome=outcome, code=code
        )

    def remarked(self, letter_id: str, next_hop: str, what: str) -> None:
        """Something about a delivery that should be counted: 8-bit content to a 7-bit hop."""
        self._tell("remark", id=letter_id, next_hop=next_hop, what=what)

    def held(self, id_: str, why: str) -> None:
        self._tell("held", id=id_, why=why)

    def trouble(self, where: str, error: BaseException, id_: str = "") -> None:
        """A fault of ours or of a service we need; the traceback goes to the log only."""
        _log.warning("trouble", exc_info=error, extra={"facts": {"where": where, "id": id_}})
        self._tell("trouble", where=where, id=id_, error=type(error).__name__)

    def alert(self, what: str, **facts: JSON) -> None:
        """Something a person should look at soon."""
        self._tell("alert", what=what, **facts)

    def lifecycle(self, what: str, **facts: JSON) -> None:
        """Started, reloaded, draining, stopped."""
        self._tell(what, **facts)
