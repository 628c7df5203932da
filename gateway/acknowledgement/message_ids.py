"""Message-IDs of our own, signed: a letter that names one answers us, and nobody can make one up.

`<QUEUE_ID.KIND.TAG@HOSTNAME>`, where TAG is an HMAC of the rest under the gateway's secret.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import b32encode
from collections.abc import Sequence

TAG_OCTETS = 10
"""80 bits: nobody guesses one by mail."""

_OURS = re.compile(
    r"<(?P<id>[A-Za-z0-9-]{1,64}(?:\.[A-Za-z0-9]{1,12}){0,3})\.(?P<kind>[a-z]{1,12})\.(?P<tag>[a-z2-7]{16})"
    r"@(?P<host>[A-Za-z0-9.-]{1,253})>"
)


class MessageIds:
    """Makes and knows our Message-IDs. The first secret signs, all of them verify."""

    def __init__(self, secrets: Sequence[bytes], hostname: str) -> None:
        if not secrets or not all(secrets):
            raise ValueError("a secret is wanted to sign Message-IDs")
        self._secrets = tuple(secrets)
        self._hostname = hostname.lower()

    def make(self, queue_id: str, kind: str) -> str:
        """The Message-ID of one letter of ours; `kind` is a short word such as `ack` or `card`."""
        tag = self._tag(self._secrets[0], queue_id, kind)
        made = f"<{queue_id}.{kind}.{tag}@{self._hostname}>"
        if not _OURS.fullmatch(made):
            raise ValueError("a queue id is letters, digits and hyphens; a kind is a short word")
        return made

    def ours(self, message_id: str) -> bool:
        """Whether we made this one: enough for trust."""
        match = self._looks_ours(message_id)
        return match is not None and any(
            hmac.compare_digest(self._tag(secret, match["id"], match["kind"]), match["tag"])
            for secret in self._secrets
        )

    def looks_ours(self, message_id: str) -> bool:
        """Whether it has our form and host name: enough for silence, never for trust."""
        return self._looks_ours(message_id) is not None

    def _looks_ours(self, message_id: str) -> re.Match[str] | None:
        match = _OURS.fullmatch(message_id)
        return match if match and match["host"].lower() == self._hostname else None

    def _tag(self, secret: bytes, queue_id: str, kind: str) -> str:
        text = f"{queue_id}.{kind}@{self._hostname}".encode()
        digest = hmac.digest(secret, text, hashlib.sha256)
        return b32encode(digest[:TAG_OCTETS]).decode().lower()
