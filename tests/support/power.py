"""What a disk would hold had the power failed: replayed from a trace of system calls.

A write is safe once a sync of its file that began after it has ended; a name is safe once its
folder was synced so. That is less than most file systems keep, and all that they promise.
"""

from __future__ import annotations

import os
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

CALLS = (
    "openat", "mkdir", "mkdirat", "write", "pwrite64", "writev", "sendto", "sendmsg",
    "ftruncate", "fsync", "fdatasync", "rename", "renameat", "renameat2", "unlink", "unlinkat",
)  # fmt: skip
STRACE = (
    "strace", "-f", "-y", "-xx", "-s", "4000000", "--seccomp-bpf", "-e", "signal=none",
    "-e", "trace=" + ",".join(CALLS),
)  # fmt: skip

_WHOLE = re.compile(r"(\d+) +(\w+)\((.*)\) += (-?\d+)")
_BEGUN = re.compile(r"(\d+) +(\w+)\((.*) <unfinished \.\.\.>$")
_ENDED = re.compile(r"(\d+) +<\.\.\. \w+ resumed>(.*)\) += (-?\d+)")
_TEXT = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
_DESCRIPTOR = re.compile(r"(?:\d+|AT_FDCWD)<((?:\\x[0-9a-f]{2})*)>")


@dataclass(frozen=True)
class Call:
    """One system call that went well; a call of another thread may lie between its two moments."""

    name: str
    arguments: str
    result: int
    begun: int
    ended: int

    @property
    def path(self) -> str:
        """Of the descriptor it was given."""
        found = _DESCRIPTOR.match(self.arguments)
        return os.fsdecode(_octets(found[1])) if found else ""

    @property
    def texts(self) -> list[bytes]:
        return [_octets(text) for text in _TEXT.findall(self.arguments)]

    @property
    def names(self) -> list[str]:
        """The paths it names, each under the folder it was given for it."""
        folders = [os.fsdecode(_octets(text)) for text in _DESCRIPTOR.findall(self.arguments)]
        texts = [os.fsdecode(text) for text in self.texts]
        return [str(Path(*folders[number : number + 1], text)) for number, text in enumerate(texts)]


def _octets(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))


def calls(trace: Path, folder: Path) -> list[Call]:
    """Those on sockets and below one folder that went well, in the order in which they ended."""
    ours = tuple(_hex(text) for text in (str(folder), "socket:", "TCP:"))
    waiting: dict[str, tuple[str, str, int]] = {}
    found = []
    with trace.open() as lines:
        for number, line in enumerate(lines):
            if match := _ENDED.match(line):
                if match[1] in waiting:
                    name, arguments, begun = waiting.pop(match[1])
                    call = Call(name, arguments + match[2], int(match[3]), begun, number)
                    found.append(call)
            elif not any(name in line[:2000] for name in ours):
                continue
            elif match := _WHOLE.match(line):
                found.append(Call(match[2], match[3], int(match[4]), number, number))
            elif match := _BEGUN.match(line):
                waiting[match[1]] = (match[2], match[3], number)
    return [call for call in found if call.result >= 0]


def _hex(text: str) -> str:
    return "".join(f"\\x{octet:02x}" for octet in os.fsencode(text))


@dataclass
class _File:
    safe: bytearray = field(default_factory=bytearray)
    pending: list[tuple[int, int, bytes | None]] = field(default_factory=list)
    """When, where, what; None cuts the file there."""
    size: int = 0
    folder: bool = False


class Disk:
    """The files below one folder, which must be empty when the trace begins."""

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)
        self._now: dict[str, _File] = {}
        self._safe: dict[str, _File] = {}

    def replay(self, trace: list[Call], stop: Callable[[Call], bool]) -> Iterator[Call]:
        """Do what the trace says; give each call that `stop` wants, before it is done."""
        for call in trace:
            if stop(call):
                yield call
            self._do(call)

    def _do(self, call: Call) -> None:
        match call.name:
            case "write" | "writev" if call.path in self._now:
                file = self._now[call.path]
                self._write(call, file, file.size, b"".join(call.texts))
            case "pwrite64" if call.path in self._now:
                place = int(call.arguments.rpartition(", ")[2])
                self._write(call, self._now[call.path], place, call.texts[0])
            case "ftruncate" if call.path in self._now:
                place = int(call.arguments.rpartition(", ")[2])
                self._now[call.path].pending.append((call.ended, place, None))
            case "fsync" | "fdatasync":
                self._sync(call)
            case (
                "openat"
                | "mkdir"
                | "mkdirat"
                | "rename"
                | "renameat"
                | "renameat2"
                | "unlink"
                | ("unlinkat")
            ):
                self._name(call)

    def _write(self, call: Call, file: _File, place: int, octets: bytes) -> None:
        octets = octets[: call.result]
        file.pending.append((call.ended, place, octets))
        file.size = max(file.size, place + len(octets))

    def _name(self, call: Call) -> None:
        names = call.names
        if not names or not names[0].startswith(self._folder):
            return
        if call.name == "openat":
            if "O_CREAT" in call.arguments:
                self._now.setdefault(names[0], _File())
            if "O_TRUNC" in call.arguments:
                self._now[names[0]] = _File()
        elif call.name.startswith("mkdir"):
            self._now[names[0]] = _File(folder=True)
        elif call.name.startswith("rename"):
            self._now[names[1]] = self._now.pop(names[0])
        else:
            self._now.pop(names[0], None)

    def _sync(self, call: Call) -> None:
        path = call.path
        if path in self._now and self._now[path].pending:
            file = self._now[path]
            late = [change for change in file.pending if change[0] > call.begun]
            _apply(file.safe, [change for change in file.pending if change[0] <= call.begun])
            file.pending = late
        names = {name for name in (*self._now, *self._safe) if str(Path(name).parent) == path}
        for name in names:
            if name in self._now:
                self._safe[name] = self._now[name]
            else:
                del self._safe[name]

    def write_out(self, target: Path, chance: random.Random | None = None) -> None:
        """What is left when the power fails now: what is safe, and of the rest what chance will."""
        for name, file in self._safe.items():
            above = [str(path) for path in Path(name).parents if str(path) > self._folder]
            if not all(folder in self._safe for folder in above):
                continue
            path = target / Path(name).relative_to(self._folder)
            path.parent.mkdir(parents=True, exist_ok=True)
            if file.folder:
                path.mkdir(exist_ok=True)
                continue
            octets = bytearray(file.safe)
            if chance is not None:
                _apply(octets, [change for change in file.pending if chance.random() < 0.5])
            path.write_bytes(octets)


def _apply(octets: bytearray, changes: list[tuple[int, int, bytes | None]]) -> None:
    for _, place, data in changes:
        if data is None:
            del octets[place:]
            continue
        if len(octets) < place:
            octets.extend(bytes(place - len(octets)))
        octets[place : place + len(data)] = data
