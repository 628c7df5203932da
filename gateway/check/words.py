"""How the checks put what they found into words."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gateway.configuration.schema import closest
from gateway.configuration.yaml_values import Sources
from gateway.problems import Problem, Steps, shown

LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[A-Za-z0-9]{2,8})?")
"""A language's code as our readers and templates know it (RFC 5646)."""


def sayable(error: Exception) -> tuple[str, str]:
    """Our own errors say 'what is wrong; how to mend it'."""
    what, _, mend = str(error).partition("; ")
    return shown(what, 300), shown(mend, 300) or "mend it"


def never(steps: Steps, what: str, word: str, known: Sequence[str], sources: Sources) -> Problem:
    """A word that is none of those `known`."""
    close = closest(word, [*known], 0.6)
    mend = f"did you mean '{close}'?" if close else f"it says {', '.join(known)}"
    return sources.problem(steps, what, mend)
