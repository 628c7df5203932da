"""Where shipped files are: inside the installed package, or at the top of a checkout."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parent


def find(kind: str, name: str = "") -> Path:
    """The path of a shipped file or folder: `find("models", "tone")`, `find("config")`.

    Raises FileNotFoundError, naming both places, when this installation lacks it.
    """
    places = (_PACKAGE / "_shipped" / kind / name, _PACKAGE.parent / kind / name)
    for place in places:
        if place.exists():
            return place
    raise FileNotFoundError(f"{kind}/{name} is neither at {places[0]} nor at {places[1]}")


def named(kind: str, value: str) -> Path:
    """What a configuration means by a name: without a slash the shipped one, else a path."""
    return Path(value) if "/" in value or value.startswith(".") else find(kind, value)
