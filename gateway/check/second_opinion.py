"""What a verifier of others says of our signatures: dkimpy, which shares no line with ours.

Were our signer and our verifier wrong in the same way, nobody here would notice; every receiver
would.
"""

from __future__ import annotations

from datetime import UTC, datetime

import dkim

from gateway.identity.signing import Signer

SIGNED = datetime(2020, 1, 1, tzinfo=UTC)
"""dkimpy believes no signature of the future, and its clock is not ours to set."""
SAMPLE = (
    b"From: {domain}\r\nTo: <you@receiver.example>\r\nSubject: We have your\r\n\tletter\r\n"
    b"Date: Wed, 1 Jan 2020 00:00:00 +0000\r\nMessage-ID: <1@gateway.example>\r\n"
    b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
    b"Two  spaces, one at the end \r\n.\r\n\r\n\r\n"
)


def accepts(signer: Signer, record: str) -> bool:
    """Whether dkimpy takes what `signer` signs, given the key record that it finds in the DNS."""
    sample = SAMPLE.replace(b"{domain}", f"<us@{signer.domain}>".encode())
    published = record.encode("utf-8", "replace")
    try:
        verified: bool = dkim.verify(
            signer.sign(sample, SIGNED) + sample, dnsfunc=lambda name, timeout=5: published
        )
    except Exception:  # it raises whatever its parsers raise on a record it does not expect
        return False
    return verified
