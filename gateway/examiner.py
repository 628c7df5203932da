"""Run the route on a message without keeping or sending anything: what `explain` does.

It uses the same parse, filters, routes and stamp as the running gateway.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from stat import S_ISREG
from time import perf_counter
from typing import Any

from gateway.addresses import mailboxes
from gateway.explain import mbox
from gateway.explain.explanation import Explained, explain
from gateway.journal import Journal
from gateway.message import Arrival, Envelope, Message, Session
from gateway.parse import parse
from gateway.parts import Parts, build_parts, resolver_of, secrets_of
from gateway.plan import History
from gateway.reply import Reply
from gateway.routing.router import Case
from gateway.settings import Settings
from gateway.store import Store
from gateway.store.opening import exists, open_store
from gateway.verdict import JSON

LARGEST = 256 << 20
"""Octets of a file that is explained."""
NO_SECRET = (b"explain",)
"""Without a store no Message-ID can be proven ours; an own-looking one still means silence."""


def read_requests(asked: Mapping[str, Any], folder: Path, now: datetime) -> list[Arrival] | str:
    """The letters of one request of `--batch`, several when its file is an mbox.

    Paths are relative to `folder`; a text says why it cannot be read. What is not stated is taken
    from the message's own Return-Path, Received and To.
    """
    path = asked.get("path")
    if not isinstance(path, str):
        return "the request names no path"
    wrong = misstated(asked)
    if wrong:
        return f"{wrong[0]}: {wrong[1]}"
    try:
        octets = _octets(folder / path)
    except (OSError, ValueError) as error:
        return f"cannot be read: {getattr(error, 'strerror', None) or error}"
    at = asked.get("now")
    time = now if at is None else datetime.fromisoformat(at)
    time = time if time.tzinfo else time.replace(tzinfo=UTC)
    return [_arrival(with_crlf(letter), asked, time) for letter in mbox.letters(octets)]


def misstated(asked: Mapping[str, Any]) -> tuple[str, str] | None:
    """What is stated and cannot be meant: its name, and what is wrong with it."""
    at, client_ip = asked.get("now"), asked.get("client_ip")
    try:
        if at is not None:
            datetime.fromisoformat(at)
    except (ValueError, TypeError):
        return "now", "not an ISO 8601 time, such as 2026-11-23T14:30:00+01:00"
    try:
        if client_ip not in (None, ""):
            ipaddress.ip_address(client_ip if isinstance(client_ip, str) else "")
    except ValueError:
        return "client_ip", "not an IP address, such as 192.0.2.7 or 2001:db8::7"
    return None


def _octets(path: Path) -> bytes:
    """A plain file's; a device or a pipe might never end. Raises OSError, ValueError."""
    found = path.stat()
    if not S_ISREG(found.st_mode):
        raise ValueError("not a plain file")
    if found.st_size > LARGEST:
        raise ValueError(f"larger than {LARGEST >> 20} MB")
    return path.read_bytes()


def with_crlf(octets: bytes) -> bytes:
    """A file's line ends as SMTP has them; a leading mbox `From ` line is dropped."""
    if octets.startswith(b"From "):
        octets = octets.partition(b"\n")[2]
    if b"\n" in octets.replace(b"\r\n", b""):
        octets = octets.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    return octets


def _arrival(content: bytes, asked: Mapping[str, Any], time: datetime) -> Arrival:
    bare = Arrival("explain", time, Session(""), Envelope("", ()), content)
    client_ip, helo, path, recipients = (asked.get(name) for name in STATED)
    if None in (client_ip, helo, path, recipients):
        message = parse(bare)
        seen = _received(message)
        client_ip = seen.client_ip if client_ip is None else client_ip
        helo = seen.helo if helo is None else helo
        path = _reverse_path(message) if path is None else path
        recipients = _recipients(message) if recipients is None else recipients
    path = str(path).strip().removeprefix("<").removesuffix(">")
    several = recipients if isinstance(recipients, list) else [recipients]
    envelope = Envelope(path, tuple(dict.fromkeys(str(recipient) for recipient in several)))
    return replace(bare, session=Session(str(client_ip), str(helo)), envelope=envelope)


STATED = ("client_ip", "helo", "mail_from", "rcpt_to")


def _reverse_path(message: Message) -> str:
    return message.first("return-path") or (message.authors[0].address if message.authors else "")


def _recipients(message: Message) -> list[str]:
    written = (*mailboxes(message.first("delivered-to").encode()), *message.to, *message.cc)
    return [person.address for person in written if "@" in person.address]


_RECEIVED = re.compile(r"from\s+(\S{1,255})[^\[]{0,300}\[(?:IPv6:)?([0-9A-Fa-f.:]{3,45})\]")


def _received(message: Message) -> Session:
    """Client and HELO as the topmost Received tells them."""
    match = _RECEIVED.match(message.first("received")[:1000])
    return Session(match[2], match[1]) if match else Session("")


class Examiner:
    """The parts of one configuration, with a store to read from if asked for."""

    def __init__(self, parts: Parts, store: Store | None, *, history: bool) -> None:
        self._parts = parts
        self.store = store
        self._history = history

    @classmethod
    @asynccontextmanager
    async def open(
        cls, settings: Settings, now: datetime, *, history: bool, kept: bool = False
    ) -> AsyncIterator[Examiner]:
        """Load models and open the resolver once.

        `history`: what the store remembers counts; `kept`: messages of the store are asked for.
        A store that is not there yet is not made.
        """
        resolver = resolver_of(settings)
        wanted = (history or kept) and exists(settings)
        store = await open_store(settings) if wanted else None
        try:
            secrets = await secrets_of(settings, store) if store else NO_SECRET
            parts = await build_parts(settings, resolver, secrets, Journal(sinks=()))
            yield cls(parts, store, history=history)
        finally:
            if store:
                await store.close()
            await resolver.close()

    async def explain(self, arrival: Arrival) -> dict[str, JSON]:
        """The object of contract.md for one message."""
        router, parts = self._parts.router, self._parts
        recipients = arrival.envelope.recipients
        arrival, unknown = self._known_recipients(arrival)
        begin = perf_counter()
        message = parse(arrival, parts.bounds)
        parsed = perf_counter() - begin
        history = History()
        if self._history and self.store:
            history = await self.store.recall(message, arrival.time)
        verdicts, seconds = await parts.pipeline.examine(message)
        begin = perf_counter()
        plan = router.plan(message, verdicts, history, arrival.time)
        plan, _ = parts.composer.word(message, plan)
        if plan.groups:
            decision, call = plan.groups[0].decision, plan.groups[0].call
        else:
            case = Case(message, verdicts, history, arrival.time)
            decision, call = router.read_for_nobody(case)
        timings = {"parse": parsed, **seconds, "plan": perf_counter() - begin}
        explained = Explained(
            message=message,
            verdicts=verdicts,
            plan=plan,
            decision=decision,
            call=call,
            recipients=recipients,
            unknown=unknown,
            history=history,
            seconds=timings,
        )
        return explain(explained, parts.stamper)

    def _known_recipients(self, arrival: Arrival) -> tuple[Arrival, dict[str, Reply]]:
        """Those we take mail for stay on the envelope; the others are told with their refusal."""
        refusal = self._parts.router.recipients.refusal
        everyone = arrival.envelope.recipients
        known = tuple(recipient for recipient in everyone if refusal(recipient) is None)
        unknown = {each: reply for each in everyone if (reply := refusal(each)) is not None}
        return replace(arrival, envelope=replace(arrival.envelope, recipients=known)), unknown
