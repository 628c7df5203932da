"""The commands an administrator uses beside a running gateway, as processes of their own."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys

import pytest
from support.running import ANGRY, header

HELD = "\nfilters: [{use: spf, then: {fail: quarantine}}, {use: dkim}, {use: arc}, {use: dmarc}]\n"
ELSEWHERE = {"author.example": {"TXT": ["v=spf1 ip4:192.0.2.1 -all"]}}
NASTY = "\x1b[31mred\x1b]0;title\x07 [bold]\u202ereversed"


async def gateway(config, *words, status=0, answer=None):
    """Run one command; gives what it printed."""
    command = [sys.executable, "-m", "gateway", *words, "--config", str(config)]
    done = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, check=False, input=answer
    )
    assert done.returncode == status, done.stderr.decode()
    assert b"\x1b" not in done.stdout + done.stderr
    assert "\u202e".encode() not in done.stdout + done.stderr
    return done.stdout.decode()


async def told(config, *words, status=0):
    return json.loads(await gateway(config, *words, "--json", status=status))


async def test_the_life_of_a_held_letter(run, letter):
    async with run(filters=HELD, zone=ELSEWHERE) as running:
        _, answer = await running.send(letter(subject=NASTY, extra=f"X-Odd: {NASTY}\r\n"))
        queue_id = answer.rpartition(" ")[2]
        (entry,) = await told(running.config, "queue", "list", "--held")
        assert entry["queue_id"] == queue_id
        assert entry["why"].startswith("quarantined: spf=fail")
        assert queue_id in await gateway(running.config, "queue", "list")
        story = await told(running.config, "queue", "show", queue_id)
        assert [event["event"] for event in story["story"]][:2] == ["accepted", "held"]
        assert (await told(running.config, "queue", "prove"))["held"] == 1

        await gateway(running.config, "queue", "release", queue_id)
        (mail,) = await running.delivered()
        await running.settled()
        balance = await told(running.config, "queue", "prove")
        story = await told(running.config, "queue", "show", queue_id)
    assert header(mail, "X-Gateway-Id") == queue_id
    assert balance["delivered"] == balance["accepted"] == 1
    assert balance["balanced"] is True
    released = next(event for event in story["story"] if event["event"] == "released")
    assert released["who"]


async def test_what_is_dropped_is_dropped_by_somebody(run, letter):
    async with run(filters=HELD, zone=ELSEWHERE) as running:
        _, answer = await running.send(letter())
        queue_id = answer.rpartition(" ")[2]
        await gateway(running.config, "queue", "drop", queue_id, status=1, answer=b"n\n")
        await gateway(running.config, "queue", "drop", "--yes", queue_id)
        balance = await told(running.config, "queue", "prove")
    assert (balance["dropped"], balance["held"], balance["balanced"]) == (1, 0, True)


async def test_nothing_there_is_not_well(run):
    async with run(filters=HELD) as running:
        for words in (
            ["queue", "show", "NOPE"],
            ["queue", "release", "NOPE"],
            ["queue", "retry", "NOPE"],
            ["queue", "hold", "NOPE"],
            ["calls", "show", "NOPE"],
            ["calls", "done", "NOPE"],
        ):
            await gateway(running.config, *words, status=1)
        await gateway(running.config, "queue", "retry", status=2)
        await gateway(running.config, "queue", "retry", "--all")


async def test_a_call_from_the_letter_to_its_end(run, letter):
    async with run() as running:
        await running.send(letter(ANGRY, subject=NASTY, author=f'"{NASTY}" <jo@author.example>'))
        cards = await running.delivered("mailbox", 2)
        (call,) = await told(running.config, "calls", "list")
        assert call["phone"] == "+12025550143"
        assert call["proven"] is True
        assert call["phone"] in await gateway(running.config, "calls", "list")
        await gateway(running.config, "calls", "show", call["id"])
        await gateway(running.config, "calls", "done", call["id"], "--outcome", f"reached {NASTY}")
        assert await told(running.config, "calls", "list") == []
        (done,) = await told(running.config, "calls", "list", "--all")
        await gateway(running.config, "calls", "show", call["id"])
    assert done["state"] == "done"
    card = next(mail for mail in cards if not header(mail, "X-Gateway-Tone"))
    assert header(card, "Importance") == "high"
    assert b"\x1b" not in card


@pytest.mark.parametrize("words", [["queue"], ["calls"], ["train"], ["evaluate"], ["explain"]])
async def test_wrong_usage_is_two(tmp_path, words):
    command = [sys.executable, "-m", "gateway", *words, "--no-such-option"]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, check=False)
    assert done.returncode == 2
