"""What is left of a YAML file that is broken somewhere: the parts that are no YAML are taken out.

Parts are found by their indentation alone, since nothing else is known of a text that cannot be
read. Lines stay where they are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import yaml

from gateway.configuration.yaml_events import Mistake, NotYamlError, StopError, events
from gateway.problems import Steps

MAX_DEPTH = 32
"""How deep parts are looked for in parts."""
_TOP = re.compile(r"[\"']?([A-Za-z0-9_][A-Za-z0-9_-]*)")
"""Where a key of the file begins, whatever follows."""
_HEAD = re.compile(r"[^#]*?:\s*(?:#.*)?")
"""A key whose value stands on the lines below."""
_KEY = re.compile(r"[\"']?([^\s\"'#\[\]{},:-][^\s\"'#\[\]{},:]*)[\"']?:(?:\s|$)")
_DASH = re.compile(r"- *(?=\S)|-\s*$")


@dataclass(frozen=True, slots=True)
class Part:
    """A key or an item with all that belongs to it."""

    start: int
    """Its first line, counted from 0."""
    end: int
    """The first one that is no more of it."""
    column: int
    """Where it begins in its first line; left of it may stand the dash of what it is in."""
    step: str | int

    def text(self, lines: list[str]) -> str:
        return "\n".join([self._first(lines), *lines[self.start + 1 : self.end]])

    def _first(self, lines: list[str]) -> str:
        return " " * self.column + lines[self.start][self.column :]

    def blank(self, lines: list[str], *, name: bool) -> None:
        """Leave it out; `name`: its place stays, with nothing there."""
        kept = lines[self.start][: self.column]
        if name:
            kept += "- ~" if isinstance(self.step, int) else f"{self.step}: ~"
        lines[self.start : self.end] = [kept, *[""] * (self.end - self.start - 1)]

    def inside(self, lines: list[str]) -> tuple[int, int]:
        """Line and column where its value begins, if that is a block."""
        first = lines[self.start][self.column :]
        dash = _DASH.match(first) if isinstance(self.step, int) else None
        if dash:
            return self.start, self.column + dash.end()
        return (self.start + 1, 0) if _HEAD.fullmatch(first) else (self.end, 0)


def parts_of(part: Part, lines: list[str]) -> list[Part]:
    """The items or keys of the block that is its value; none where that is no block, or its
    indentation tells nothing."""
    start, column = part.inside(lines)
    begun: list[tuple[int, str | int]] = []
    depth = -1
    for index in range(start, part.end):
        line = " " * column + lines[index][column:] if index == start else lines[index]
        bare = line.lstrip(" ")
        if not bare or bare.startswith("#"):
            continue
        indent = len(line) - len(bare)
        depth = indent if depth < 0 else depth
        if indent < depth:
            return []
        if indent == depth and (step := _step(bare, begun)) is not None:
            begun.append((index, step))
        if not begun:
            return []
    if not begun:
        return []
    ends = [*(index for index, _ in begun[1:]), part.end]
    return [Part(index, end, depth, step) for (index, step), end in zip(begun, ends, strict=True)]


def _step(bare: str, begun: list[tuple[int, str | int]]) -> str | int | None:
    """What begins in a line: the next item, a key, or nothing. Items are not mixed with keys."""
    items = bool(begun) and isinstance(begun[0][1], int)
    if _DASH.match(bare):
        return len(begun) if items or not begun else None
    key = None if items else _KEY.match(bare)
    return key[1] if key else None


def left(text: str) -> tuple[str, list[Mistake], dict[Steps, int]]:
    """The file without what is no YAML in it, what is wrong there, and the steps to what was left
    out, with their lines."""
    rest = _Rest(text.split("\n"))
    starts = [index for index, line in enumerate(rest.lines) if _TOP.match(line)]
    for start, end in zip(starts, [*starts[1:], len(rest.lines)], strict=False):
        key = _TOP.match(rest.lines[start])
        rest.look(Part(start, end, 0, key[1] if key else ""))
    return "\n".join(rest.lines), rest.mistakes, dict(rest.lost)


_NO_COLON = ("no key with a colon and a space behind it", "write 'key: value'")


@dataclass(slots=True)
class _Rest:
    """What is left of a file, as its broken parts are taken out."""

    lines: list[str]
    mistakes: list[Mistake] = field(default_factory=list)
    lost: list[tuple[Steps, int]] = field(default_factory=list)

    def look(self, part: Part, above: Steps = ()) -> bool:
        """Take out what is no YAML; whether something of this part stays."""
        try:
            kinds = {type(event) for event in events(part.text(self.lines).rstrip())}
        except StopError:
            return True
        except NotYamlError as error:
            return self._keep_some(part, (*above, part.step)) or self._lose(
                part, above, error.mistake(part.start)
            )
        if above or yaml.MappingStartEvent in kinds:
            return True
        return self._lose(part, above, Mistake(part.start + 1, *_NO_COLON))

    def _keep_some(self, part: Part, at: Steps) -> bool:
        """Look into a broken part; True if it is sound without the broken ones of its parts."""
        inner = parts_of(part, self.lines) if len(at) < MAX_DEPTH else []
        lines = self.lines[part.start : part.end]
        mistakes, lost = len(self.mistakes), len(self.lost)
        stays = [self.look(each, at) for each in inner]
        if any(stays) and _is_sound(part.text(self.lines)):
            return True
        self.lines[part.start : part.end] = lines
        del self.mistakes[mistakes:], self.lost[lost:]
        return False

    def _lose(self, part: Part, above: Steps, mistake: Mistake) -> bool:
        self.mistakes.append(mistake)
        self.lost.append(((*above, part.step), part.start + 1))
        part.blank(self.lines, name=bool(above))
        return False


def _is_sound(text: str) -> bool:
    try:
        for _ in events(text.rstrip()):
            pass
    except (StopError, NotYamlError):
        return False
    return True
