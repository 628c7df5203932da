"""Read a YAML file into a small tree that knows its lines. No tag ever builds an object.

The spelling of values is that of YAML 1.2's core schema: only `true` and `false` are booleans, so
that `NO` may be a country and `9:30` a time. Size, depth and number of nodes (aliases counted as
often as they are used) are bounded.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeAlias

import yaml

from gateway.configuration.yaml_events import Mistake, NotYamlError, StopError, events
from gateway.configuration.yaml_salvage import left
from gateway.problems import Steps, shown

MAX_OCTETS = 4 << 20
MAX_NODES = 200_000
MAX_DEPTH = 32

FILE_TAG = "!file"
_KNOWN_TAGS = frozenset({None, "!", FILE_TAG, "tag:yaml.org,2002:str"})
_TEXT_TAGS = frozenset({"!", "tag:yaml.org,2002:str"})
MERGE_KEY = "<<"


@dataclass(slots=True)
class Scalar:
    line: int
    text: str
    plain: bool = True
    """Written without quotes: it may be a number, a boolean or nothing at all."""
    tag: str | None = None
    size: int = 1
    height: int = 1


@dataclass(slots=True)
class Sequence:
    line: int
    items: list[Node] = field(default_factory=list)
    size: int = 1
    height: int = 1


@dataclass(slots=True)
class Entry:
    line: int
    """Where the key stands."""
    node: Node
    merged: bool = False
    """It came in by `<<`: the map's own key of that name wins."""


@dataclass(slots=True)
class Mapping:
    line: int
    entries: dict[str, Entry] = field(default_factory=dict)
    size: int = 1
    height: int = 1
    key: tuple[str, int] | None = None
    """While reading: the key whose value is to come, and its line."""


Node: TypeAlias = "Scalar | Sequence | Mapping"


@dataclass(slots=True)
class Tree:
    root: Node | None
    mistakes: list[Mistake]
    lost: dict[Steps, int] = field(default_factory=dict)
    """What of the file is no YAML, and its lines."""


def parse(octets: bytes) -> Tree:
    """Read one document. Never raises; what is wrong stands in `mistakes`.

    Keys of the file whose values are no YAML are left out, and the rest is read all the same.
    """
    composer = _Composer()
    try:
        text = _text(octets)
        for event in events(text):
            composer.take(event)
        return Tree(composer.root, composer.mistakes)
    except StopError as stop:
        told = [*composer.mistakes, stop.mistake]
    except NotYamlError as error:
        told = [error.mistake(0)]
        rest, mistakes, lost = left(text)
        if lost:
            told = mistakes
            with suppress(StopError, NotYamlError):
                return _salvaged(rest, mistakes, lost)
    return Tree(None, told)


def _salvaged(text: str, told: list[Mistake], lost: dict[Steps, int]) -> Tree:
    """What is left of a file. Raises what still stops it."""
    composer = _Composer()
    for event in events(text):
        composer.take(event)
    return Tree(composer.root, [*composer.mistakes, *told], lost)


def _text(octets: bytes) -> str:
    if len(octets) > MAX_OCTETS:
        raise StopError(1, f"larger than {MAX_OCTETS >> 20} MB", "split it into one file per site")
    try:
        return octets.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = octets.count(b"\n", 0, error.start) + 1
        raise StopError(line, "not UTF-8 text", "save the file as UTF-8") from None


class _Composer:
    """Events to nodes, without recursion."""

    def __init__(self) -> None:
        self.root: Node | None = None
        self.mistakes: list[Mistake] = []
        self._stack: list[tuple[Sequence | Mapping, str | None]] = []
        self._anchors: dict[str, Node] = {}
        self._nodes = 0
        self._documents = 0

    def take(self, event: yaml.Event) -> None:
        match event:
            case yaml.ScalarEvent():
                self._scalar(event)
            case yaml.SequenceStartEvent():
                self._open(Sequence(_line(event)), event)
            case yaml.MappingStartEvent():
                self._open(Mapping(_line(event)), event)
            case yaml.SequenceEndEvent() | yaml.MappingEndEvent():
                self._close()
            case yaml.AliasEvent():
                self._alias(event)
            case yaml.DocumentStartEvent():
                self._documents += 1
                if self._documents > 1:
                    raise StopError(_line(event), "a second document", "one file, one document")

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        plain = event.style in (None, "") and event.tag not in _TEXT_TAGS
        self._check_tag(event.tag, _line(event), scalar=True)
        node = Scalar(_line(event), event.value, plain, event.tag)
        self._count(_line(event), 1, 1)
        if event.anchor:
            self._anchors[event.anchor] = node
        self._place(node)

    def _open(self, node: Sequence | Mapping, event: yaml.CollectionStartEvent) -> None:
        self._check_tag(event.tag, node.line, scalar=False)
        self._count(node.line, 1, 1)
        self._stack.append((node, event.anchor))

    def _close(self) -> None:
        node, anchor = self._stack.pop()
        children = (
            node.items
            if isinstance(node, Sequence)
            else [entry.node for entry in node.entries.values()]
        )
        node.size = 1 + sum(child.size for child in children)
        node.height = 1 + max((child.height for child in children), default=0)
        if anchor:  # only now: a node cannot contain itself
            self._anchors[anchor] = node
        self._place(node)

    def _alias(self, event: yaml.AliasEvent) -> None:
        node = self._anchors.get(event.anchor or "")
        if node is None:
            raise StopError(
                _line(event),
                "an alias (*name) without its anchor (&name) above",
                "put text that begins with * in quotes",
            )
        self._count(_line(event), node.size, node.height)
        self._place(node)

    def _check_tag(self, tag: str | None, line: int, *, scalar: bool) -> None:
        if tag in _KNOWN_TAGS and (scalar or tag != FILE_TAG):
            return
        self.mistakes.append(
            Mistake(line, "a tag that is not known here", "only !file PATH is; quote text with !")
        )

    def _count(self, line: int, size: int, height: int) -> None:
        self._nodes += size
        if self._nodes > MAX_NODES:
            raise StopError(line, f"more than {MAX_NODES} values", "use fewer aliases, more files")
        if len(self._stack) + height > MAX_DEPTH:
            raise StopError(line, f"nested deeper than {MAX_DEPTH}", "write it flatter")

    def _place(self, node: Node) -> None:
        if not self._stack:
            self.root = node
            return
        parent = self._stack[-1][0]
        if isinstance(parent, Sequence):
            parent.items.append(node)
        elif parent.key is None:
            parent.key = self._key(node)
        else:
            (key, line), parent.key = parent.key, None
            self._enter(parent, key, line, node)

    def _key(self, node: Node) -> tuple[str, int]:
        if isinstance(node, Scalar):
            return node.text, node.line
        self.mistakes.append(Mistake(node.line, "a list or map as a key", "a key is one word"))
        return "", node.line

    def _enter(self, mapping: Mapping, key: str, line: int, node: Node) -> None:
        if key == MERGE_KEY:
            self._merge(mapping, line, node)
            return
        there = mapping.entries.get(key)
        if there is None or there.merged:
            mapping.entries[key] = Entry(line, node)
        elif key:
            self.mistakes.append(
                Mistake(
                    line,
                    f"'{shown(key, line=True)}' stands in this map already, at line {there.line}",
                    "keep one of the two",
                )
            )
            # Either may be the one that is kept: what the second adds is looked at too.
            if isinstance(there.node, Mapping) and isinstance(node, Mapping):
                for name, entry in node.entries.items():
                    there.node.entries.setdefault(name, entry)

    def _merge(self, mapping: Mapping, line: int, node: Node) -> None:
        sources = node.items if isinstance(node, Sequence) else [node]
        for source in sources:
            if not isinstance(source, Mapping):
                self.mistakes.append(Mistake(line, "<< wants a map", "write << : *name"))
                continue
            for key, entry in source.entries.items():
                mapping.entries.setdefault(key, Entry(entry.line, entry.node, merged=True))


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")
_FLOAT = re.compile(r"-?[0-9]{1,18}\.[0-9]{1,18}")
_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


def plain_value(text: str) -> str | int | float | bool | None:
    """What an unquoted scalar means: nothing, true or false, a number, else the text itself.

    `+15551234567` and `007` stay text: they are no sums.
    """
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text
