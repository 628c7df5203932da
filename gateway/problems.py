"""A mistake in the configuration, told so that it can be mended: where, what, and how."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

Steps: TypeAlias = tuple[str | int, ...]
"""The way to a value from the top of the settings: ("sites", 0, "routes", 2, "to")."""

SECRET_KEYS = frozenset({"password", "key", "secret", "store", "user"})
"""What stands under these keys is never printed."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Prints as `file:line: key: what is wrong; how to mend it`."""

    file: Path
    line: int
    key: str
    what: str
    mend: str
    warning: bool = False
    """Worth knowing, but the gateway can run."""

    def __str__(self) -> str:
        key = f"{self.key}: " if self.key else ""
        kind = "warning: " if self.warning else ""
        mend = f"; {self.mend}" if self.mend else ""
        return f"{shown(str(self.file), 300)}:{self.line}: {kind}{key}{self.what}{mend}"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stands."""

    file: Path
    line: int
    start: int = 0
    """How many steps lead to the file's own top: an included site counts its keys from there."""


def dotted(steps: Iterable[str | int]) -> str:
    """`routes[2].to`, as people write it."""
    text = ""
    for step in steps:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            text += ("." if text else "") + shown(step, 60, line=True)
    return text


def is_secret(steps: Steps) -> bool:
    return any(step in SECRET_KEYS for step in steps)


def shown(text: str, limit: int = 80, *, line: bool = False) -> str:
    """Text from a file as it may stand on a terminal: printable, and not too long.

    `line`: also cut at a colon, after which a value may stand that is nobody's business.
    """
    if line and ":" in text:
        text = text.partition(":")[0] + ":…"
    cut = text if len(text) <= limit else text[: limit - 1] + "…"
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in cut
    )
