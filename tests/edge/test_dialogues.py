"""The conversations of `tests/dialogues/*.smtp`, held with a real receiver over a real socket.

Each line begins with what it is:

    #   a remark
    =   the receiver: `tls`, `smtputf8`, `require_tls`, `limits NAME=NUMBER …`; before anything else
    C:  the client sends this and CRLF
    B:  the client sends these octets as they are; escapes as in Python, `{x*9}` is nine x
    S:  the server answers with one line like this, where `*` is anything
    T:  the handshake of TLS
    F:  the client has finished speaking and goes on listening
    X:  the server closes without another word
    E:  the oldest message not yet looked at had this envelope: `<reverse-path> <recipient> …`
    P:  … came by this protocol (RFC 3848), looked at together with E
    M:  … has this content, escapes as above, looked at together with E

All messages must have been looked at in the end.
"""

from __future__ import annotations

import re
import ssl
from pathlib import Path
from typing import Any

import pytest

from gateway.message import Arrival

BOTH_LOOPS = True

DIALOGUES = sorted((Path(__file__).parents[1] / "dialogues").glob("*.smtp"))


def octets(text: str) -> bytes:
    """`B:` and `M:` lines as octets."""
    text = re.sub(r"\{(.)\*(\d+)\}", lambda match: match[1] * int(match[2]), text)
    return text.encode("latin-1", "backslashreplace").decode("unicode_escape").encode("latin-1")


def is_like(pattern: str, line: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), line) is not None


def settings(line: str) -> dict[str, Any]:
    word, *values = line.split()
    if word == "limits":
        return {"limits": {k: int(v) for k, v in (value.split("=") for value in values)}}
    return {word: True}


def read(path: Path) -> tuple[dict[str, Any], list[tuple[int, str, str]]]:
    """The receiver's settings, and (line number, kind, rest) of all else."""
    options: dict[str, Any] = {}
    steps = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith("="):
            options.update(settings(line[1:]))
        elif line and not line.startswith("#"):
            kind, _, rest = line.partition(":")
            steps.append((number, kind, rest.removeprefix(" ")))
    return options, steps


def look(kind: str, rest: str, arrival: Arrival) -> bool:
    if kind == "P":
        return arrival.session.protocol == rest
    if kind == "M":
        return bytes(arrival.content[:]) == octets(rest)
    paths = (arrival.envelope.reverse_path, *arrival.envelope.recipients)
    return " ".join(f"<{path}>" for path in paths) == rest


@pytest.mark.parametrize("path", DIALOGUES, ids=lambda path: path.stem)
async def test_dialogue(open_house, certificate, path):
    options, steps = read(path)
    if options.get("tls"):
        options["tls"] = certificate()
    house = await open_house(**options)
    client = await house.client()
    looked_at = 0
    for number, kind, rest in steps:
        where = f"{path.name}:{number}"
        if kind == "C":
            client.send(rest.encode() + b"\r\n")
        elif kind == "B":
            client.send(octets(rest))
        elif kind == "S":
            line = await client.line()
            assert is_like(rest, line), f"{where}: {line!r}"
        elif kind == "T":
            context = ssl.create_default_context(cafile=str(options["tls"].cert))
            await client.writer.start_tls(context, server_hostname="mx.gateway.example")
        elif kind == "F":
            client.writer.write_eof()
        elif kind == "X":
            assert await client.ended(), where
        elif kind in ("E", "P", "M"):
            looked_at += kind == "E"
            assert look(kind, rest, house.arrivals[looked_at - 1]), (
                f"{where}: {house.arrivals[looked_at - 1]}"
            )
        else:
            raise ValueError(f"{where}: what is {kind!r}?")
    assert looked_at == len(house.arrivals)
    assert [event for event, _ in house.events if event == "trouble"] == []


def test_there_are_dialogues():
    assert len(DIALOGUES) > 10
