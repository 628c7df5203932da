"""ARC for letters we changed (RFC 8617, 5.1): no change, no seal; no key, no seal.

Prepending fields and removing our own names change nothing that others signed. A tagged subject
does, and so does removing a priority field that a passing signature covers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from gateway.identity.arc.sealer import must_seal, seal
from gateway.identity.dkim.canonical import canonical
from gateway.identity.signing import Signer
from gateway.message import Field, Message
from gateway.plan import Letter
from gateway.stamp import FOLD_GUARD, METHODS, SUBJECT_TOKEN, is_ours, signed_names, tagged_subject
from gateway.verdict import AuthResult, Verdicts


class Sealer:
    def __init__(self, signers: Mapping[str, Signer], hostname: str) -> None:
        """`signers` by site; a site without one seals nothing."""
        self._signers = signers
        self._hostname = hostname

    async def seal(
        self, message: Message, verdicts: Verdicts, letters: Sequence[Letter]
    ) -> list[Letter]:
        """The same letters, those that need it with an ARC set below our own fields."""
        return [await self._sealed(message, verdicts, letter) for letter in letters]

    async def _sealed(self, message: Message, verdicts: Verdicts, letter: Letter) -> Letter:
        signer = self._signers.get(letter.site)
        removed = [f for f in message.fields if (f.start, f.end) in letter.cuts]
        changed = {f.name for f in removed if not is_ours(f, self._hostname)}
        if adds_subject(message, letter):
            changed.add("subject")
        if (
            letter.own is not None
            or signer is None
            or not must_seal(changed, signed_names(verdicts), body_changed=False)
        ):
            return letter
        (hashed,) = (await canonical(message).body_hash("relaxed"))[:1]
        arc = seal(
            self._as_it_leaves(message, letter),
            hashed,
            signer,
            self._hostname,
            _statements(verdicts),
            message.arrival.time,
        )
        guard = FOLD_GUARD if letter.prefix.endswith(FOLD_GUARD) else b""
        return replace(letter, prefix=letter.prefix.removesuffix(FOLD_GUARD) + arc + guard)

    def _as_it_leaves(self, message: Message, letter: Letter) -> list[Field]:
        """The message's own fields, from the top down, as the next hop gets them."""
        kept = [f for f in message.fields if (f.start, f.end) not in letter.cuts]
        subject = next((f for f in message.fields if f.name == "subject"), None)
        if subject is not None and (subject.start, subject.end) in letter.cuts:
            value = tagged_subject(subject).partition(b":")[2].removesuffix(b"\r\n")
            return [Field("subject", value, 0, 0), *kept]
        if adds_subject(message, letter):
            return [Field("subject", f" {SUBJECT_TOKEN}".encode(), 0, 0), *kept]
        return kept


def adds_subject(message: Message, letter: Letter) -> bool:
    """Whether a letter without a Subject got one: its signers may have signed that there is none
    (RFC 6376, 5.4.2)."""
    added = f"\r\nSubject: {SUBJECT_TOKEN}\r\n".encode() in letter.prefix
    return added and all(field.name != "subject" for field in message.fields)


def _statements(verdicts: Verdicts) -> list[AuthResult]:
    return [
        statement
        for method in METHODS
        if method in verdicts
        for statement in verdicts[method].statements
    ]
