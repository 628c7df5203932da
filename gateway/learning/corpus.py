"""Reading what there is to learn from: Maildir, mbox, folders, tar.gz of .eml, and .jsonl(.gz).

Archives are read as bounded streams and links in them are ignored. Everything becomes a `Sample`:
one text with what is known about it. Order is by path, so that training is the same every time.
"""

from __future__ import annotations

import csv
import gzip
import json
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.learning.dressing import mailing

LARGEST_MESSAGE = 8 << 20
"""Octets; larger members of an archive are skipped."""
MOST_MESSAGES = 2_000_000
LABELS = ("ham", "spam", "irate", "upset", "neutral", "pleased", "negative")


@dataclass(frozen=True, slots=True)
class Sample:
    """One text or one raw message with what its source says about it."""

    source: str
    text: str = ""
    subject: str = ""
    raw: bytes = b""
    """The message as octets, when the source holds whole messages; then `text` is empty."""
    label: str = ""
    """ham, spam, or a tone; `negative` where irate and upset were not told apart."""
    urgent: bool | None = None
    asked: str = ""
    """yes, no, refused, or empty when not known."""
    language: str = ""
    group: str = ""
    """What must not be split between training and test: situation and persona, or a cluster."""
    name: str = ""
    """Which one it is, for reports that stay local."""
    extra: Mapping[str, Any] = field(default_factory=dict)


def read(paths: Iterable[str | Path], label: str = "") -> Iterator[Sample]:
    """Every sample under the paths, in a fixed order. Raises ValueError for what it cannot read."""
    for path in map(Path, paths):
        if not path.exists():
            raise ValueError(f"{path}: no such file or folder")
        yield from _read(path, label or _label(path))


def _read(path: Path, label: str) -> Iterator[Sample]:
    name = path.name.lower()
    if path.is_dir():
        yield from _folder(path, label)
    elif name.endswith((".jsonl", ".jsonl.gz")):
        yield from _lines(path)
    elif name.endswith((".tar", ".tar.gz", ".tgz")):
        yield from _archive(path, label)
    elif name.endswith((".mbox", ".mbx")) or _is_mbox(path):
        yield from _mbox(path, label)
    elif name.endswith((".eml", ".msg", "")) and path.is_file():
        yield from _file(path, label, path.parent.name)


def _folder(path: Path, label: str) -> Iterator[Sample]:
    """A folder of anything, or a Maildir (its `tmp` is not mail yet)."""
    maildir = (path / "cur").is_dir() and (path / "new").is_dir()
    for entry in sorted(path.iterdir()):
        if entry.is_symlink() or (maildir and entry.name == "tmp"):
            continue
        if entry.is_dir():
            yield from _folder(entry, _label(entry) or label)
        elif maildir or entry.parent.name in ("cur", "new") or entry.suffix == ".eml":
            yield from _file(entry, label, path.name)
        elif entry.name.endswith((".jsonl", ".jsonl.gz", ".tar.gz", ".tgz", ".mbox")):
            yield from _read(entry, label)


def _file(path: Path, label: str, source: str) -> Iterator[Sample]:
    if path.stat().st_size <= LARGEST_MESSAGE:
        yield Sample(source=source, raw=path.read_bytes(), label=label, name=path.name)


def _is_mbox(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(5) == b"From "


def _mbox(path: Path, label: str) -> Iterator[Sample]:
    """Messages between 'From ' lines (RFC 4155), read line by line; '>From ' is unquoted."""
    lines: list[bytes] = []
    size = count = 0
    with path.open("rb") as file:
        for line in file:
            if line.startswith(b"From ") and (not lines or lines[-1].strip() == b""):
                if lines and size <= LARGEST_MESSAGE:
                    count += 1
                    yield Sample(path.stem, raw=b"".join(lines), label=label, name=str(count))
                lines, size = [], 0
                continue
            size += len(line)
            if size <= LARGEST_MESSAGE:
                lines.append(line[1:] if line.startswith(b">From ") else line)
    if lines and size <= LARGEST_MESSAGE:
        yield Sample(path.stem, raw=b"".join(lines), label=label, name=str(count + 1))


def _archive(path: Path, label: str) -> Iterator[Sample]:
    """Messages of a tar as a stream: never unpacked, links and devices ignored, sizes bounded."""
    groups = _groups(path)
    with tarfile.open(path, "r|*") as archive:
        for count, member in enumerate(archive):
            if count > MOST_MESSAGES:
                return
            if not member.isfile() or member.size > LARGEST_MESSAGE:
                continue
            parts = member.name.split("/")
            file = archive.extractfile(member)
            if file is None or not parts[-1].endswith(".eml"):
                continue
            known = next((part for part in reversed(parts[:-1]) if part in LABELS), label)
            rest = [part for part in parts[:-1] if part != known and part != "."]
            source = rest[0] if rest else path.name.partition(".")[0]
            group = groups.get(member.name.removeprefix("./"), member.name)
            yield Sample(source, raw=file.read(), label=known, group=group, name=member.name)


def _groups(path: Path) -> dict[str, str]:
    """Near-duplicate clusters by path, from an `index.csv` beside the archive if there is one."""
    index = path.with_name("index.csv")
    if not index.is_file():
        return {}
    with index.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        return {row["path"]: row["cluster"] for row in rows if row.get("cluster")}


def _label(path: Path) -> str:
    return path.name if path.name in LABELS else ""


def _lines(path: Path) -> Iterator[Sample]:
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                raise ValueError(f"{path}:{number}: not JSON: {error}") from None
            if "from" in row:
                yield _mailing(row, number)
            else:
                yield _letter(row, number) if "body" in row else _text(row, path, number)


def _mailing(row: Mapping[str, Any], number: int) -> Sample:
    """Whole mail of our own, honest or spam (models/spam/letters)."""
    author, subject, body = str(row["from"]), str(row.get("subject") or ""), str(row.get("body"))
    name = str(row.get("id") or number)
    return Sample(
        source="own_mail",
        raw=mailing(author, subject, body),
        label=str(row.get("label") or ""),
        language=str(row.get("language") or "")[:2],
        group=name,
        name=name,
    )


def _letter(row: Mapping[str, Any], number: int) -> Sample:
    """A letter of our own corpus: subject, body and all three judgements."""
    asked = "refused" if row.get("no_call") else "yes" if row.get("wants_call") else "no"
    return Sample(
        source="letters",
        text=str(row["body"]),
        subject=str(row.get("subject") or ""),
        label=str(row.get("tone") or ""),
        urgent=bool(row["urgent"]) if row.get("urgent") is not None else None,
        asked=asked if "wants_call" in row or "no_call" in row else "",
        language=str(row.get("language") or "")[:2],
        group=f"{row.get('situation') or row.get('id') or number}",
        name=str(row.get("id") or number),
        extra=row,
    )


def _text(row: Mapping[str, Any], path: Path, number: int) -> Sample:
    """A public text with a label; placeholders of its source (@user, http) are taken out."""
    text = str(row.get("text") or "").replace("@user", " ").replace("http", " ")
    urgency = row.get("urgency")
    return Sample(
        source=str(row.get("source") or path.name.partition(".")[0]),
        text=text,
        label=str(row.get("label") or ""),
        urgent=None if urgency is None else urgency == "high",
        asked=str(row.get("asked") or ""),
        language=str(row.get("language") or "")[:2],
        group=str(row.get("cluster") or ""),
        name=str(row.get("id") or number),
    )
