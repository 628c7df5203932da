"""When the site's own mailbox refuses for good: held and told, or the sender is told (RFC 3464)."""

from __future__ import annotations

import asyncio

import pytest
from aiosmtpd.smtp import SMTP
from support.running import SHOP, header, until


class Refusing:
    """A mailbox that takes nobody."""

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802
        return "550 5.1.1 secret-mailbox is gone"


@pytest.fixture
async def refusing():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(Refusing(), loop=loop), "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


PLAIN = "\nfilters: [{use: spf}, {use: dkim}, {use: arc}, {use: dmarc}]\n"


def hop(port):
    return f'  refusing: {{address: "smtp://127.0.0.1:{port}", tls: none}}\n'


def shop(on_refusal):
    return SHOP.replace("next_hop: mailbox", "next_hop: refusing") + f"on_refusal: {on_refusal}\n"


async def test_a_refused_letter_is_held_and_the_administrator_is_told(run, letter, refusing):
    async with run(filters=PLAIN, hops=hop(refusing), shop=shop("hold")) as running:
        await running.send(letter())
        (notice,) = await running.delivered("outbound")
        held = await running.gateway.store.entries(states=("held",))
        balance = await running.gateway.store.balance()
    assert header(notice, "To") == "<admin@inside.example>"
    assert [entry.kind for entry in held] == ["letter"]
    assert (balance.held, balance.balanced) == (1, True)


async def test_a_proven_sender_is_told_where_the_site_asks_for_it(run, letter, refusing):
    async with run(filters=PLAIN, hops=hop(refusing), shop=shop("dsn")) as running:
        await running.send(letter())
        (report,) = await running.delivered("outbound")
        balance = await until(running.gateway.store.balance, lambda found: found.bounced == 1)
    assert header(report, "To") == "<jo@author.example>"
    assert "multipart/report" in header(report, "Content-Type")
    assert b"secret-mailbox" not in report
    assert balance.balanced


async def test_nobody_unproven_is_told(run, letter, refusing):
    content = letter(author="Eve <eve@elsewhere.example>", signed=False)
    async with run(filters=PLAIN, hops=hop(refusing), shop=shop("dsn")) as running:
        await running.send(content, sender="eve@elsewhere.example")
        await until(
            lambda: running.gateway.store.entries(states=("held",)), lambda held: len(held) == 1
        )
        outgoing = await running.delivered("outbound")
    assert {header(mail, "To") for mail in outgoing} == {"<admin@inside.example>"}


async def test_the_first_line_cannot_continue_our_last_field(run, letter):
    async with run(filters=PLAIN) as running:
        await running.send(b" ; template=evil\r\n" + letter())
        (mail,) = await running.delivered()
    assert "evil" not in header(mail, "X-Gateway-Acknowledged")
    assert header(mail, "X-Gateway-Note").endswith("; template=evil")


async def test_the_store_is_nobody_elses_business(run):
    async with run(filters=PLAIN) as running:
        modes = {
            path.name: path.stat().st_mode & 0o077 for path in running.folder.glob("gateway.db*")
        }
    assert modes
    assert not any(modes.values()), modes


async def test_an_out_of_office_changes_no_count(run, letter):
    async with run(filters=PLAIN) as running:
        await running.send(letter())
        await running.send(letter(extra="Auto-Submitted: auto-replied\r\n"))
        await running.delivered("mailbox", 2)
        await asyncio.sleep(0)
        await running.send(letter())
        mails = await running.delivered("mailbox", 3)
    assert header(mails[-1], "X-Gateway-Contact").startswith("2 in 7 days")
