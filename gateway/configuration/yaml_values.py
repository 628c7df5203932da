"""From YAML trees to plain values, remembering for each where it stands.

Takes `${NAME}` from the environment and `!file PATH` from a file. What came that way, and what
stands under a key such as `password`, is never repeated in a message.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Mapping as AnyMapping
from pathlib import Path
from typing import Any

from gateway.configuration.yaml_source import (
    FILE_TAG,
    MAX_OCTETS,
    Mapping,
    Node,
    Scalar,
    Sequence,
    parse,
    plain_value,
)
from gateway.problems import Place, Problem, Steps, dotted, is_secret, shown

MAX_SECRET = 64 << 10
"""Octets that a file named by `!file` may have."""

_VARIABLE = re.compile(r"\$(\$)?\{([A-Za-z_][A-Za-z0-9_]*)\}")


class UnreadableError(Exception):
    """A file cannot be read; the text says why, without its name."""


def read_file(path: Path, limit: int) -> bytes:
    """A regular file's octets. Raises UnreadableError; never waits for a pipe or a device."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            kind = "a folder" if path.is_dir() else "not a file"
            raise UnreadableError(f"it is {kind}")
        with path.open("rb") as file:
            octets = file.read(limit + 1)
    except OSError as error:
        raise UnreadableError((error.strerror or "input/output error").lower()) from None
    except ValueError:  # a NUL in the name
        raise UnreadableError("it has no possible file name") from None
    if len(octets) > limit:
        raise UnreadableError(f"it is larger than {limit >> 10} KB")
    return octets


class Sources:
    """All files of one configuration: their values' places, and the problems seen so far."""

    def __init__(self, main: Path, environ: AnyMapping[str, str]) -> None:
        self.main = main
        self.files: list[Path] = []
        self.secret_files: dict[Steps, Path] = {}
        """What `!file` named, by the key that wanted it."""
        self.problems: list[Problem] = []
        self._places: dict[Steps, Place] = {(): Place(main, 1)}
        self._told: set[Steps] = set()
        self._foreign: set[Steps] = set()
        self._items: dict[Steps, list[int | str]] = {}
        self._keys: dict[Steps, str] = {}
        self._environ = environ

    # --- the way back: values that were mended for the checks, and the file as it is ---

    def written(self, steps: Steps) -> Steps:
        """Steps in the values as they are now → steps in the files."""
        found: Steps = ()
        for step in steps:
            if isinstance(step, int):
                items = self._items.get(found, ())
                found = (*found, items[step] if step < len(items) else step)
            else:
                found = (*found, self._keys.get((*found, step), step))
        return found

    def dropped(self, steps: Steps, length: int) -> None:
        """The item at `steps` is about to leave its list of `length` items."""
        above, index = steps[:-1], steps[-1]
        items = self._items.setdefault(self.written(above), [*range(length)])
        del items[int(index)]

    def listed(self, steps: Steps, names: list[str]) -> None:
        """The map at `steps` is about to become the list of its values."""
        self._items[self.written(steps)] = [*names]
        self._told.discard(self.written(steps))

    def renamed(self, steps: Steps, key: str) -> None:
        """The key at `steps` is about to be called `key`, as a message advised."""
        old = self.written(steps)
        if is_secret((key,)):
            self._foreign.add(old)
        self._told.discard(old)  # the key is wrong; its value is still to be looked at
        self._keys[*old[:-1], key] = str(old[-1])

    # --- telling ---

    def place(self, steps: Steps) -> Place:
        """Where a value stands; for one that is missing, what it is missing in."""
        return self._place(self.written(steps))

    def _place(self, steps: Steps) -> Place:
        while steps not in self._places:
            steps = steps[:-1]
        return self._places[steps]

    def has(self, steps: Steps) -> bool:
        return self.written(steps) in self._places

    def sound(self, *several: Steps) -> bool:
        """Whether no mistake was told of these values, of what they stand in, or of their parts.

        What follows from a value that is not sound is not worth telling.
        """
        return not any(
            told and (told[: len(steps)] == steps or steps[: len(told)] == told)
            for steps in map(self.written, several)
            for told in self._told
        )

    def complete(self, steps: Steps) -> bool:
        """Whether a list or map lacks nothing: a mistake within an entry leaves its name."""
        steps = self.written(steps)
        return steps not in self._told and steps not in self._items

    def was_told(self, steps: Steps) -> bool:
        """Whether a mistake was told of this very value."""
        return self.written(steps) in self._told

    def folder(self, steps: Steps) -> Path:
        """The folder of the file that names this value: paths are relative to it."""
        return self.place(steps).file.parent

    def is_private(self, steps: Steps) -> bool:
        """Whether a value may not be repeated in a message."""
        old = self.written(steps)
        return (
            is_secret(steps)
            or is_secret(old)
            or any(old[:length] in self._foreign for length in range(1, len(old) + 1))
        )

    def shown(self, steps: Steps, value: object) -> str:
        """A value as it may stand in a message."""
        if self.is_private(steps):
            return "the value"
        if value is None:
            return "nothing"
        if isinstance(value, str):
            return f"'{shown(value)}'"
        if isinstance(value, list | tuple):
            return "a list"
        if isinstance(value, dict):
            return "a map"
        return str(value).lower() if isinstance(value, bool) else str(value)

    def problem(self, steps: Steps, what: str, mend: str = "", *, warning: bool = False) -> Problem:
        steps = self.written(steps)
        place = self._place(steps)
        return Problem(place.file, place.line, dotted(steps[place.start :]), what, mend, warning)

    def add(
        self, steps: Steps, what: str, mend: str = "", *, warning: bool = False, sound: bool = False
    ) -> None:
        """Tell of a value. `sound`: it is right by itself, so other checks may go by it."""
        if not (warning or sound):
            self._told.add(self.written(steps))
        self.problems.append(self.problem(steps, what, mend, warning=warning))

    # --- reading ---

    def read(self, path: Path, at: Steps = (), *, begin: str = "key: value") -> Any:
        """Read one file as the value at `at`; None when it holds no map. Raises UnreadableError.

        `begin`: how such a file begins, for who has an empty one.
        """
        octets = read_file(path, MAX_OCTETS)
        self.files.append(path)
        self._places[at] = Place(path, 1, len(at))
        tree = parse(octets)
        self.problems += [
            Problem(path, mistake.line, "", mistake.what, mistake.mend) for mistake in tree.mistakes
        ]
        if tree.root is None and tree.mistakes:
            self._told.add(at)
            return None
        if not isinstance(tree.root, Mapping):
            self.add(at, "keys and values are wanted here", f"begin with a key such as '{begin}'")
            return None
        for steps, line in tree.lost.items():
            self._places[*at, *steps] = Place(path, line, len(at))
            self._told.add((*at, *steps))
        return self._value(tree.root, at, self._places[at])

    def _value(self, node: Node, at: Steps, file: Place) -> Any:
        match node:
            case Mapping():
                for key, entry in node.entries.items():
                    self._places[*at, key] = Place(file.file, entry.line, file.start)
                return {
                    key: self._value(entry.node, (*at, key), file)
                    for key, entry in node.entries.items()
                }
            case Sequence():
                for index, item in enumerate(node.items):
                    self._places[*at, index] = Place(file.file, item.line, file.start)
                return [
                    self._value(item, (*at, index), file) for index, item in enumerate(node.items)
                ]
            case Scalar():
                return self._scalar(node, at, file)

    def _scalar(self, node: Scalar, at: Steps, file: Place) -> Any:
        text = _VARIABLE.sub(lambda match: self._variable(match, at), node.text)
        if node.tag == FILE_TAG:
            return self._content(file.file.parent / text, at)
        return plain_value(text) if node.plain else text

    def _variable(self, match: re.Match[str], at: Steps) -> str:
        escaped, name = match.groups()
        if escaped:
            return f"${{{name}}}"
        self._foreign.add(at)
        if name not in self._environ:
            self.add(
                at,
                f"${{{shown(name)}}} is not set in the environment",
                f"set it, or write $${{{shown(name)}}} for that very text",
            )
        return self._environ.get(name, "")

    def _content(self, path: Path, at: Steps) -> str:
        """What stands in a `!file`, without the line end at its end."""
        self._foreign.add(at)
        try:
            text = read_file(path, MAX_SECRET).decode()
        except UnreadableError as error:
            self.add(at, f"the file named here cannot be read: {error}", "mend the path or rights")
            return ""
        except UnicodeDecodeError:
            self.add(at, "the file named here is not UTF-8 text", "write it as plain text")
            return ""
        self.files.append(path)
        self.secret_files[at] = path
        if not text.strip():
            self.add(at, "the file named here is empty", "put the secret into it")
        return text.rstrip("\r\n")
