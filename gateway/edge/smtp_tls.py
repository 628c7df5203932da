"""How TLS to a next hop is made: whom we believe, and what we show."""

from __future__ import annotations

import asyncio
import ssl
from typing import Literal

from gateway.edge.smtp_wire import Trouble
from gateway.reply import Reply
from gateway.settings import NextHop

TlsMode = Literal["opportunistic", "encrypted", "required", "none"]
CONTEXT_AGE = 600.0
"""Seconds after which certificate files are read again: they are renewed under way."""
FILES_LIMIT = 30.0
"""Seconds for reading them."""
AGAIN = 60.0
"""The same where they could not be used: certificate and key may just be replaced, one by one."""

BAD_FILES = Reply(451, "4.3.5", "Our certificate files for the next hop cannot be used")


class Contexts:
    """TLS contexts for one next hop: verifying where TLS is required, else only against listeners.

    Share one among all connections of a next hop: a verifying context holds almost 1 MB.
    `trust` replaces the authorities that the configuration names.
    """

    def __init__(self, hop: NextHop, trust: ssl.SSLContext | None = None) -> None:
        self._hop = hop
        self._trust = trust
        self._made: dict[bool, tuple[float, ssl.SSLContext]] = {}
        """Until when, in the loop's time, which context is used."""
        self._turn = asyncio.Lock()

    async def of(self, mode: TlsMode) -> ssl.SSLContext:
        """Raises Trouble when a file cannot be used and no context from before is there."""
        async with self._turn:
            verified = mode == "required"
            now = asyncio.get_running_loop().time()
            until, context = self._made.get(verified, (0.0, None))
            if context is not None and now < until:
                return context
            age = CONTEXT_AGE
            try:
                # Reading the system's authorities takes some 20 ms; a disk may hang for ever.
                async with asyncio.timeout(FILES_LIMIT):
                    context = await asyncio.to_thread(self._make, verified=verified)
            except OSError:  # TLS errors and time-outs are among them
                if context is None:
                    raise Trouble(BAD_FILES, hop_failed=True) from None
                age = AGAIN
            self._made[verified] = (now + age, context)
            return context

    def _make(self, *, verified: bool) -> ssl.SSLContext:
        if verified:
            context = self._trust or ssl.create_default_context(cafile=self._hop.authorities)
        else:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        files = self._hop.certificate
        if files is not None:
            # A key with a password is a mistake, and OpenSSL must not ask the terminal for it.
            context.load_cert_chain(files.cert, files.key, password="")
        return context
