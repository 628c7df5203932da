"""`gateway explain` says what the running gateway does: same reading, same words, same fields."""

from __future__ import annotations

import asyncio
import itertools
import json
import subprocess
import sys

import pytest
from support.running import SHOP, header, send_blocking, settings_of

from gateway.edge import clock
from gateway.examiner import Examiner

WIDE = """
acknowledgements: {per_site: 100000 per hour, in_all: 100000 per hour,
  per_domain: 100000 per minute}
limits: {messages_per_session: 1000}
"""
ROOMY = SHOP.replace("calls: {", "calls: {budget: 100000 per day, ")
"""`explain` counts the budget of calls as unused, so it must not run out."""
OPENINGS = (
    "Hello,\r\n", "Good morning\r\n", "", "Guten Tag,\r\n", "Dear Sir or Madam,\r\n",
    "Hi there\r\n", "Buenos días,\r\n",
)  # fmt: skip
BODIES = (
    "where is my parcel? The order number is {n}.\r\n",
    "this is the third time I write. You have lied to me and I want my money back, order {n}!\r\n",
    "thank you so much, the lamp of order {n} is wonderful.\r\n",
    "können Sie bitte die Rechnung {n} noch einmal schicken?\r\n",
    "the server {n} has been down since six, our shop is closed. Please call +1 202 555 0143.\r\n",
    "please cancel order {n}. Do not call me, write to me.\r\n",
    "CONGRATULATIONS you won {n} dollars, click http://win.example/{n} to claim your prize now\r\n",
    "> You wrote: we are sorry\r\n> about {n}\r\n\r\nNo problem at all, all is well now.\r\n",
    "¿cuándo llega el pedido {n}? Salgo de viaje mañana.\r\n",
    "I am very disappointed that nobody answered about {n}.\r\n",
)
CLOSINGS = ("Jo Field\r\n", "Regards\r\nJo\r\n+44 7700 900123\r\n", "\r\n-- \r\nJo Field\r\n", "",
            "Sent from my phone\r\n")  # fmt: skip


def letters(letter, count):
    parts = itertools.cycle(itertools.product(BODIES, OPENINGS, CLOSINGS))
    for number, (body, opening, closing) in zip(range(count), parts, strict=False):
        author = f"a{number}@author.example"
        yield (
            author,
            letter(
                opening + body.format(n=10_000 + number) + closing,
                subject=f"About {number}",
                author=f"Jo Field <{author}>",
                signed=number % 3 != 0,
                extra="Precedence: bulk\r\n" if number % 17 == 0 else "",
            ),
        )


def tags(pairs):
    """What must be equal: everything but the id, which a letter has only once it is taken."""
    ours = ("X-Gateway-", "X-Spam-", "Importance", "X-Priority", "Authentication-Results")
    return {
        name: " ".join(value.split())
        for name, value in pairs
        if name.startswith(ours) and name != "X-Gateway-Id"
    }


async def test_explain_tells_the_delivered_tags_on_500_messages(run, letter):
    made = dict(letters(letter, 500))
    async with run(more=WIDE, shop=ROOMY) as running:
        settings = settings_of(running.config)

        def send(share):
            for author, content in share:
                code, _ = send_blocking(running.address, content, "support@shop.example", author)
                assert code == 250

        items = list(made.items())
        await asyncio.gather(*(asyncio.to_thread(send, items[n::4]) for n in range(4)))
        await running.settled()
        entries = await running.gateway.store.entries(limit=5000)
        stored = {
            entry.reverse_path: entry for entry in entries if entry.kind == "letter" and entry.site
        }
        async with Examiner.open(settings, clock.now(), history=False) as examiner:
            delivered = {
                header(octets, "Return-Path").strip("<>"): octets
                for octets in await running.delivered("mailbox")
                if header(octets, "X-Gateway-Tone")
            }
            differing = []
            for author, content in items:
                arrival = await running.gateway.store.original(stored[author].queue_id)
                assert bytes(arrival.content) == content
                found = await examiner.explain(arrival)
                told = tags(found["headers"])
                if author in delivered:
                    ours = delivered[author]
                    real = tags((name, header(ours, name) or "") for name in told)
                else:
                    assert found["action"] == "quarantine"
                    continue
                if told != real:
                    differing.append((author, set(told.items()) ^ set(real.items())))
    assert len(delivered) > 400
    assert not differing, differing[:3]


async def test_batch_answers_in_order_and_survives_what_it_cannot_read(run, letter, tmp_path):
    (tmp_path / "one.eml").write_bytes(letter(subject="first"))
    (tmp_path / "two.eml").write_bytes(letter(subject="second").replace(b"\r\n", b"\n"))
    requests = tmp_path / "requests.jsonl"
    lines = [
        {"path": "one.eml", "client_ip": "127.0.0.1", "helo": "mail.author.example",
         "mail_from": "jo@author.example", "rcpt_to": ["support@shop.example"], "id": 7},
        {"path": "missing.eml"},
        {"path": "two.eml", "client_ip": "192.0.2.9", "helo": "x", "mail_from": "",
         "rcpt_to": ["support@shop.example", "nobody@elsewhere.example"]},
    ]  # fmt: skip
    text = "\n".join(json.dumps(line) for line in lines) + "\nnot json\n"
    requests.write_text(text)
    async with run() as running:
        command = [sys.executable, "-m", "gateway", "explain", "--batch", str(requests),
                   "--config", str(running.config)]  # fmt: skip
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, check=False)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, done.stderr
    assert found[0]["id"] == 7
    assert found[0]["message"]["subject"] == "first"
    assert found[0]["authentication"]["aligned"] is True
    assert found[0]["authentication"]["spf"]["result"] == "pass"
    assert found[0]["routes"][0]["rule"] == "rest"
    assert "error" in found[1]
    assert found[2]["authentication"]["dkim"][0]["result"] == "pass"
    assert found[2]["acknowledgement"]["reason"] == "null_sender"
    assert [route["site"] for route in found[2]["routes"]] == ["shop", None]
    assert "error" in found[3]


@pytest.mark.parametrize("option", [[], ["--json"]])
async def test_no_escape_reaches_the_terminal(run, letter, tmp_path, option):
    nasty = "\x1b[31mred\x1b]0;title\x07 \u202ereversed"
    path = tmp_path / "nasty.eml"
    path.write_bytes(letter(nasty, subject=nasty, author=f'"{nasty}" <jo@author.example>'))
    async with run() as running:
        command = [sys.executable, "-m", "gateway", "explain", str(path), *option,
                   "--config", str(running.config)]  # fmt: skip
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout
    assert b"\x1b" not in done.stdout
    assert "\u202e".encode() not in done.stdout or option
