"""What the demonstration shows: read from the mail that was really delivered."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.message import Message as Parsed
from email.parser import BytesParser
from email.policy import default
from pathlib import Path
from typing import Any

from rich.table import Table

from gateway.demo.letters import DemoLetter
from gateway.show import terminal
from gateway.store import Entry


@dataclass(frozen=True, slots=True)
class Row:
    """One letter's fate."""

    title: str
    site: str
    sender: str
    spam: str
    tone: str
    call: str
    acknowledged: str
    where: str


def rows(
    letters: Sequence[tuple[DemoLetter, str]],
    entries: Sequence[Entry],
    held: Mapping[str, Mapping[str, Any]],
    mailbox: Path,
) -> list[Row]:
    """What stands in the delivered fields; for a held letter what `explain` says of it."""
    delivered = {mail["X-Gateway-Id"]: mail for mail in map(read, maildir_files(mailbox))
                 if mail["X-Gateway-Tone"]}  # fmt: skip
    by_id = {entry.queue_id: entry for entry in entries if entry.kind == "letter"}
    found = []
    for letter, queue_id in letters:
        mail = delivered.get(queue_id)
        if mail is not None:
            found.append(_delivered(letter, mail))
        else:
            fields = dict(held[queue_id]["headers"]) if queue_id in held else {}
            found.append(_held(letter, by_id.get(queue_id), fields))
    return found


def maildir_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("new/*") if path.is_file())


def read(path: Path) -> Parsed:
    with path.open("rb") as file:
        return BytesParser(policy=default).parse(file)


def _delivered(letter: DemoLetter, mail: Parsed) -> Row:
    return _row(letter, {name: str(value) for name, value in mail.items()}, "mailbox")


def _held(letter: DemoLetter, entry: Entry | None, fields: Mapping[str, str]) -> Row:
    why = f": {entry.why}" if entry and entry.why else ""
    return _row(letter, fields, (entry.state if entry else "not kept") + why)


def _row(letter: DemoLetter, fields: Mapping[str, str], where: str) -> Row:
    """From the fields of ours, which are the same in a mailbox and in `explain`."""
    call = fields.get("X-Gateway-Call", "no")
    phone = re.search(r'phone="([^"]+)"', call)
    return Row(
        title=letter.title,
        site=fields.get("X-Gateway-Site", ""),
        sender=_sender(fields.get("Authentication-Results", "")),
        spam=_spam(fields),
        tone=_tone(fields),
        call=f"call {phone[1]}" if phone else ("call" if call.startswith("wanted") else ""),
        acknowledged=_acknowledged(fields.get("X-Gateway-Acknowledged", "")),
        where=where,
    )


def _sender(results: str) -> str:
    found: dict[str, str] = {}
    for name, result in re.findall(r"\b(spf|dkim|dmarc)=(\w+)", results):
        found.setdefault(name, result)
    proven = found.get("dmarc") == "pass"
    checks = " ".join(f"{name}={result}" for name, result in found.items())
    return f"{'proven' if proven else 'NOT PROVEN'} ({checks})"


def _spam(fields: Mapping[str, str]) -> str:
    flagged = fields.get("X-Spam-Flag") == "YES"
    return f"{'SPAM' if flagged else 'no'} ({fields.get('X-Spam-Score', '?')})"


def _tone(fields: Mapping[str, str]) -> str:
    tone, _, rest = fields.get("X-Gateway-Tone", "").partition(";")
    score = re.search(r"score=([\d.]+)", rest)
    urgent = ", urgent" if fields.get("X-Gateway-Urgent") == "yes" else ""
    return f"{tone} {score[1] if score else ''}{urgent}"


def _acknowledged(value: str) -> str:
    template = re.search(r"template=([^;]+)", value)
    reason = re.search(r"reason=(\w+)", value)
    if template:
        return f"yes ({template[1]})"
    return f"no ({reason[1]})" if reason else value


def table(found: Sequence[Row]) -> Table:
    result = Table(title="What became of each letter", title_justify="left")
    for heading in ("letter", "site", "sender", "spam", "tone", "call", "acknowledged", "where"):
        result.add_column(heading, overflow="fold")
    for row in found:
        cells = (row.title, row.site, row.sender, row.spam, row.tone, row.call,
                 row.acknowledged, row.where)  # fmt: skip
        result.add_row(*(terminal(cell) for cell in cells))
    return result


def body_of(mail: Parsed) -> str:
    """The plain text of a mail of ours, for the terminal."""
    part = mail.get_body(("plain",)) if hasattr(mail, "get_body") else None
    text = part.get_content() if part is not None else ""
    return "\n".join(terminal(line, limit=200) for line in text.splitlines())
