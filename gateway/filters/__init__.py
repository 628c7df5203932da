"""The filter contract: a filter answers one question about one message.

It says what it *found*; the YAML says what to *do*. It sees the frozen Message and the verdicts it
`needs`, returns a value, and never edits, sends, stores or refuses anything. Filters are found by
entry points in the group `gateway.filters`; each entry is a `build(options, services) -> Filter`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from gateway.message import Message
from gateway.resolver import Resolver
from gateway.verdict import Verdict, Verdicts

Options: TypeAlias = Mapping[str, Any]
"""The keys of one `filters:` entry in the YAML but `use`, `then`, `time_limit` and `observe`."""


class Filter(Protocol):
    """One question. The attributes are read at start-up; a mistake in them stops it."""

    @property
    def name(self) -> str:
        """Unique, lower case; the same word in YAML, journal and tag."""
        ...

    @property
    def needs(self) -> tuple[str, ...]:
        """The filters whose verdicts it reads: dmarc needs ("spf", "dkim")."""
        ...

    @property
    def results(self) -> tuple[str, ...]:
        """Every word it may say beside temperror and permerror."""
        ...

    async def examine(self, message: Message, verdicts: Verdicts) -> Verdict:
        """The verdict. A filter that mostly answers without waiting may say so by an attribute
        `instant = True`: it is then begun without a task, and begun anew if it has to wait."""
        ...


@dataclass(frozen=True, slots=True)
class Services:
    """What the outside world lends a filter."""

    resolver: Resolver
    load_scorer: Callable[[Mapping[str, str]], Any]
    """Model names or paths by head group -> the one shared Scorer (gateway.learning.scorer)."""
    hostname: str = "localhost"
    trusted_sealers: tuple[str, ...] = ()
    organisational_domain: str = "tree"
    """How dmarc tells which domains belong together: tree (RFC 9989) or psl."""
    limits: Mapping[str, int] = field(default_factory=dict)
    """Bounds such as `signatures`, `text`, `links` (decisions.md, Bounds)."""


Build: TypeAlias = Callable[[Options, Services], Filter]
