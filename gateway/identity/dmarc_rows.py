"""What one message adds to an aggregate report (RFC 9990): a row, and the line it is kept as.

A row holds the client's address and domain names, never an address of a person.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from gateway.domains import canonical_domain
from gateway.message import Message
from gateway.plan import DmarcRow
from gateway.verdict import JSON, Action, Verdict, Verdicts

MAX_TEXT = 255
_SPF_WORDS = ("none", "neutral", "pass", "fail", "softfail", "temperror", "permerror")
_DISPOSITIONS = {Action.QUARANTINE: "quarantine", Action.REFUSE: "reject"}


@dataclass(frozen=True, slots=True)
class Checked:
    """One identifier that was checked, whether aligned or not."""

    domain: str
    result: str
    selector: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """What one message adds to a report; equal rows are counted together."""

    policy_domain: str
    """Whose report it belongs to: where the record stood."""
    source_ip: str
    header_from: str
    envelope_from: str
    disposition: str
    """none, pass, quarantine, reject: what became of the message on DMARC's account."""
    dkim_aligned: bool
    spf_aligned: bool
    override: str = ""
    """trusted_forwarder or local_policy where the owner's wish was not followed."""
    dkim: tuple[Checked, ...] = ()
    spf: Checked | None = None


def counted(message: Message, verdicts: Verdicts, action: Action) -> DmarcRow | None:
    """The row of one message as the store keeps it. What was put off will come again."""
    row = None if action is Action.DEFER else row_of(message, verdicts, action)
    return None if row is None else DmarcRow(row.policy_domain, to_text(row))


def to_text(row: Row) -> str:
    """One line; equal rows give equal lines."""
    return json.dumps(asdict(row), separators=(",", ":"), sort_keys=True)


def from_text(text: str) -> Row:
    values = json.loads(text)
    spf, dkim = values.pop("spf"), values.pop("dkim")
    return Row(
        **values,
        dkim=tuple(Checked(**one) for one in dkim),
        spf=None if spf is None else Checked(**spf),
    )


def row_of(message: Message, verdicts: Verdicts, action: Action) -> Row | None:
    """The row of one message; None when nobody asks for it or nothing certain was found."""
    dmarc = verdicts.get("dmarc")
    if dmarc is None or dmarc.troubled or dmarc.details.get("policy") is None:
        return None
    if not dmarc.details.get("reports"):
        return None
    details, applied = dmarc.details, str(dmarc.details.get("applied"))
    disposition, override = "pass", ""
    if dmarc.result == "fail":
        disposition = _DISPOSITIONS.get(action, "none")
        if details.get("arc_aligned"):
            override = "trusted_forwarder"
        elif disposition != applied:
            override = "local_policy"
    path = message.arrival.envelope.reverse_path
    return Row(
        policy_domain=str(details.get("domain")),
        source_ip=message.arrival.session.client_ip,
        header_from=str(details.get("author")),
        envelope_from=canonical_domain(path.rpartition("@")[2])[:MAX_TEXT],
        disposition=disposition,
        dkim_aligned=bool(details.get("dkim_aligned")),
        spf_aligned=bool(details.get("spf_aligned")),
        override=override,
        dkim=_signatures(verdicts.get("dkim")),
        spf=_spf(verdicts.get("spf")),
    )


def _signatures(verdict: Verdict | None) -> tuple[Checked, ...]:
    entries = verdict.details.get("signatures") if verdict else None
    return tuple(
        Checked(_text(one, "domain"), _text(one, "result"), _text(one, "selector"))
        for one in (entries if isinstance(entries, list) else ())
        if isinstance(one, dict) and one.get("domain")
    )


def _text(entry: Mapping[str, JSON], name: str) -> str:
    return str(entry.get(name, ""))[:MAX_TEXT]


def _spf(verdict: Verdict | None) -> Checked | None:
    if verdict is None or not verdict.details.get("domain"):
        return None
    word = verdict.result if verdict.result in _SPF_WORDS else "none"
    return Checked(str(verdict.details["domain"])[:MAX_TEXT], word)
