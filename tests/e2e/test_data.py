"""Real mail of others through a running gateway: `make data-test DATA=FOLDER`, not part of CI.

DATA holds `spam/dev.tar.gz`, raw messages with LF line ends. Nothing of them is printed.
"""

from __future__ import annotations

import asyncio
import os
import smtplib
import tarfile
from pathlib import Path

import pytest

from gateway.stamp import OUR_PREFIXES

pytestmark = pytest.mark.data

PLAIN = "\nfilters: [{use: spf, time_limit: 1s}, {use: dkim, time_limit: 1s}]\n"
IN_A_SESSION = 200


def messages() -> list[bytes]:
    """Every message, as it would come over SMTP."""
    with tarfile.open(Path(os.environ["DATA"]) / "spam/dev.tar.gz") as archive:
        files = [archive.extractfile(member) for member in archive if member.isfile()]
        raw = [file.read() for file in files if file]
    return [octets.replace(b"\r", b"").replace(b"\n", b"\r\n") for octets in raw]


def send(address: tuple[str, int], contents: list[bytes]) -> dict[str, bytes]:
    """Send all of them; gives each by the queue id of its 250."""
    sent = {}
    for start in range(0, len(contents), IN_A_SESSION):
        with smtplib.SMTP(*address, local_hostname="mail.author.example", timeout=60) as client:
            client.ehlo()
            for content in contents[start : start + IN_A_SESSION]:
                client.mail("jo@author.example")
                client.rcpt("silent@shop.example")
                code, answer = client.data(content)
                assert code == 250, answer
                sent[answer.decode().rpartition(" ")[2]] = content
    return sent


def split(delivered: bytes) -> tuple[str, bytes]:
    """The queue id in our fields, and what stands below the last of them."""
    lines = delivered.split(b"\n")
    ours = (b"return-path:", b"received:", b"authentication-results:", b"importance:")
    ours += (b"x-priority:", *(prefix.encode() for prefix in OUR_PREFIXES))
    queue_id, number, seen = "", 0, set()
    while number < len(lines):
        name = lines[number].partition(b":")[0].lower() + b":"
        if not lines[number].lower().startswith(ours) or name in seen:
            break
        seen.add(name)
        if name == b"x-gateway-id:":
            queue_id = lines[number].split()[1].decode()
        number += 1
        while lines[number][:1] in (b"\t", b" "):
            number += 1
    return queue_id, b"\n".join(lines[number:])


async def test_every_message_arrives_octet_for_octet_below_our_fields(run):
    contents = messages()
    assert len(contents) > 1000
    async with run(filters=PLAIN) as running:
        sent = await asyncio.to_thread(send, running.address, contents)
        await running.settled()
        delivered = [path.read_bytes() for path in (running.folder / "mailbox/new").iterdir()]
        balance = await running.gateway.store.balance()
    assert len(sent) == len(contents)
    assert balance.balanced
    assert balance.delivered == len(contents)
    changed = 0
    for octets in delivered:
        queue_id, below = split(octets)
        changed += below != sent.pop(queue_id).replace(b"\r\n", b"\n")
    assert (changed, len(sent)) == (0, 0)
