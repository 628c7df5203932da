"""The events of a YAML text, and what is wrong where there are none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import yaml


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong in the file itself, before anybody asks what its keys mean."""

    line: int
    what: str
    mend: str


class StopError(Exception):
    """Reading this file cannot go on."""

    def __init__(self, line: int, what: str, mend: str) -> None:
        super().__init__(what)
        self.mistake = Mistake(line, what, mend)


def events(text: str) -> Iterator[yaml.Event]:
    try:
        yield from yaml.parse(text, Loader=yaml.CSafeLoader)
    except yaml.MarkedYAMLError as error:
        raise NotYamlError(error, text) from None
    except yaml.reader.ReaderError as error:
        where = error.position if isinstance(error.position, int) else 0
        raise StopError(
            text.count("\n", 0, where) + 1, "a character that YAML forbids", "remove it"
        ) from None
    except (yaml.YAMLError, RecursionError):
        raise StopError(1, "not YAML", "look at the indentation, brackets and quotes") from None


class NotYamlError(Exception):
    """What libyaml says of a text, at the line where it noticed or where the open end began."""

    def __init__(self, error: yaml.MarkedYAMLError, text: str) -> None:
        super().__init__("not YAML")
        mark = error.problem_mark or error.context_mark
        number = mark.line + 1 if mark else 1
        begun = error.context_mark.line + 1 if error.context_mark else number
        lines = text.split("\n")
        if number >= len(lines) and "stream" in (error.problem or ""):
            number = begun  # the rest of the text was swallowed
        self._line = min(number, max(len(lines), 1))
        self._what = ", ".join(part for part in (error.context, error.problem) if part)
        self._mend = _syntax_mend("".join(lines[self._line - 1 : self._line]))
        if "mapping values are not allowed" in self._what:
            self._mend = "put text that holds ': ' in quotes, and look at the indentation"

    def mistake(self, above: int) -> Mistake:
        """`above`: how many lines stand before this text in its file."""
        return Mistake(self._line + above, f"not YAML: {self._what}", self._mend)


def _syntax_mend(line: str) -> str:
    if "\t" in line[: len(line) - len(line.lstrip())]:
        return "indent with spaces, never with tabs"
    if "${" in line and ("{" in line.replace("${", "") or "[" in line):
        return 'inside { } and [ ] write "${NAME}" in quotes'
    if '"' in line and "\\" in line:
        return "put text with a backslash in single quotes: '…'"
    return "look at the indentation, colons, brackets and quotes here and just above"
