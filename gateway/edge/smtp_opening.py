"""From the connection to the point where MAIL may be said: greeting, EHLO, STARTTLS, AUTH.

RFC 5321, 3.1 and 3.2; LHLO of RFC 2033; STARTTLS of RFC 3207; AUTH of RFC 4954.
"""

from __future__ import annotations

import asyncio
import ssl
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.edge.smtp_dialogue import Dialogue, delayed
from gateway.edge.smtp_wire import Trouble
from gateway.reply import Reply

HANDSHAKE_LIMIT = 60.0
NUL = "\0"

NO_TLS = Reply(451, "4.7.4", "The next hop does not offer TLS, which is required")
BAD_TLS = Reply(451, "4.7.5", "No secure connection to the next hop could be made")
NO_CREDENTIALS = Reply(451, "4.7.8", "The next hop did not take our credentials")
NO_SAFE_AUTH = Reply(451, "4.7.4", "The next hop wants credentials, which we give over TLS only")

Extensions = Mapping[str, str]
"""What the server offers: keywords in upper case and their parameters."""


@dataclass(frozen=True, slots=True)
class Ways:
    """How sessions with one next hop are led."""

    hostname: str
    lmtp: bool = False
    starttls: ssl.SSLContext | None = None
    """Use STARTTLS when it is offered."""
    tls_required: bool = False
    server_name: str = ""
    user: str = ""
    password: str = field(default="", repr=False)


async def open_session(dialogue: Dialogue, ways: Ways, *, secure: bool) -> Extensions:
    """Gives what the server offers. Raises Trouble: whatever fails here, it is the next hop."""
    try:
        greeting = await dialogue.answer()
        if greeting.code != 220:
            raise Trouble(delayed(greeting.reply))
        extensions = await _hello(dialogue, ways)
        if not secure and ways.starttls is not None:
            if "STARTTLS" in extensions:
                await _start_tls(dialogue, ways, ways.starttls)
                secure = True
                extensions = await _hello(dialogue, ways)
            elif ways.tls_required:
                raise Trouble(NO_TLS)
        if ways.user:
            if not secure:
                raise Trouble(NO_SAFE_AUTH)
            await _authenticate(dialogue, ways, extensions)
    except Trouble as trouble:
        trouble.hop_failed = True
        raise
    return extensions


async def _hello(dialogue: Dialogue, ways: Ways) -> Extensions:
    verb = "LHLO" if ways.lmtp else "EHLO"
    answer = await dialogue.command(f"{verb} {ways.hostname}")
    if answer.code == 250:
        words = [line.decode("latin-1").upper().partition(" ") for line in answer.lines[1:]]
        return {name: parameters for name, _, parameters in words}
    if answer.code >= 500 and not ways.lmtp:
        # RFC 5321, 3.2: a server that does not know EHLO may know HELO.
        answer = await dialogue.command(f"HELO {ways.hostname}")
    if answer.code != 250:
        raise Trouble(delayed(answer.reply))
    return {}


async def _start_tls(dialogue: Dialogue, ways: Ways, context: ssl.SSLContext) -> None:
    answer = await dialogue.command("STARTTLS")
    wire = dialogue.wire
    if answer.code != 220 or not wire.usable:
        # Octets behind the 220 came in clear and must not be read as if secured.
        raise Trouble(BAD_TLS)
    try:
        transport = await asyncio.get_running_loop().start_tls(
            wire.transport,
            wire,
            context,
            server_hostname=ways.server_name,
            ssl_handshake_timeout=min(dialogue.limit, HANDSHAKE_LIMIT),
        )
    except OSError:  # TLS errors and time-outs are among them
        raise Trouble(BAD_TLS) from None
    if transport is None:
        raise Trouble(BAD_TLS)
    wire.secured(transport)


async def _authenticate(dialogue: Dialogue, ways: Ways, extensions: Extensions) -> None:
    """Refused credentials are a fault of the configuration, never of a letter."""
    mechanisms = extensions.get("AUTH", "").split()
    user, password = ways.user, ways.password
    if "PLAIN" in mechanisms or "LOGIN" not in mechanisms:
        answer = await dialogue.command(f"AUTH PLAIN {_base64(f'{NUL}{user}{NUL}{password}')}")
    else:
        answer = await dialogue.command("AUTH LOGIN")
        for secret in (user, password):
            if answer.code == 334:
                answer = await dialogue.command(_base64(secret))
    if answer.code != 235:
        raise Trouble(NO_CREDENTIALS)


def _base64(text: str) -> str:
    return b64encode(text.encode()).decode()
