"""How the checks put what they found into words."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.configuration.schema import closest
from gateway.configuration.yaml_values import Sources
from gateway.problems import Problem, Steps, shown


def sayable(error: Exception) -> tuple[str, str]:
    """Our own errors say 'what is wrong; how to mend it'."""
    what, _, mend = str(error).partition("; ")
    return shown(what, 300), shown(mend, 300) or "mend it"


def never(steps: Steps, what: str, word: str, known: Sequence[str], sources: Sources) -> Problem:
    """A word that is none of those `known`."""
    close = closest(word, [*known], 0.6)
    mend = f"did you mean '{close}'?" if close else f"it says {', '.join(known)}"
    return sources.problem(steps, what, mend)
