"""What the demonstration shows: read from the mail that was really delivered."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import Message as Parsed
from email.parser import BytesParser
from email.policy import default
from pathlib import Path

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
    letters: Sequence[tuple[DemoLetter, str]], entries: Sequence[Entry], mailbox: Path
) -> list[Row]:
    """`letters` with the queue id each got; what stands in their delivered fields."""
    delivered = {mail["X-Gateway-Id"]: mail for mail in map(read, maildir_files(mailbox))
                 if mail["X-Gateway-Tone"]}  # fmt: skip
    by_id = {entry.queue_id: entry for entry in entries if entry.kind == "letter"}
    found = []
    for letter, queue_id in letters:
        mail = delivered.get(queue_id)
        if mail is not None:
            found.append(_delivered(letter, mail))
        else:
            entry = by_id.get(queue_id)
            found.append(_not_delivered(letter, entry))
    return found


def maildir_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("new/*") if path.is_file())


def read(path: Path) -> Parsed:
    with path.open("rb") as file:
        return BytesParser(policy=default).parse(file)


def _delivered(letter: DemoLetter, mail: Parsed) -> Row:
    results = str(mail["Authentication-Results"])
    call = str(mail["X-Gateway-Call"])
    phone = re.search(r'phone="([^"]+)"', call)
    acknowledged = str(mail["X-Gateway-Acknowledged"])
    return Row(
        title=letter.title,
        site=str(mail["X-Gateway-Site"]),
        sender=_sender(letter, results),
        spam=_spam(mail),
        tone=_tone(mail),
        call=f"call {phone[1]}" if phone else ("call" if call.startswith("wanted") else ""),
        acknowledged=_acknowledged(acknowledged),
        where="mailbox",
    )


def _not_delivered(letter: DemoLetter, entry: Entry | None) -> Row:
    state = entry.state if entry else "not kept"
    why = f": {entry.why}" if entry and entry.why else ""
    site = letter.recipient.partition("@")[2].partition(".")[0]
    return Row(letter.title, site, "", "spam" if "spam" in why else "", "", "", "no", state + why)


def _sender(letter: DemoLetter, results: str) -> str:
    found: dict[str, str] = {}
    for name, result in re.findall(r"\b(spf|dkim|dmarc)=(\w+)", results):
        found.setdefault(name, result)
    proven = found.get("dmarc") == "pass"
    checks = " ".join(f"{name}={result}" for name, result in found.items())
    return f"{'proven' if proven else 'NOT PROVEN'} ({checks})"


def _spam(mail: Parsed) -> str:
    flagged = str(mail["X-Spam-Flag"] or "") == "YES"
    return f"{'spam' if flagged else 'no'} ({mail['X-Spam-Score']})"


def _tone(mail: Parsed) -> str:
    tone = str(mail["X-Gateway-Tone"]).partition(";")[0]
    return f"{tone}, urgent" if str(mail["X-Gateway-Urgent"]) == "yes" else tone


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
        result.add_row(*(terminal(cell).replace("[", "\\[") for cell in cells))
    return result


def body_of(mail: Parsed) -> str:
    """The plain text of a mail of ours, for the terminal."""
    part = mail.get_body(("plain",)) if hasattr(mail, "get_body") else None
    text = part.get_content() if part is not None else ""
    return "\n".join(terminal(line, limit=200) for line in text.splitlines())
