"""The whole route of one message, over real SMTP, to real Maildirs."""

from __future__ import annotations

import asyncio
import smtplib
import socket
from datetime import timedelta

import pytest
from support.running import ANGRY, SHOP, header, settings_of, until

from gateway import app
from gateway.edge import clock
from gateway.release import release
from gateway.resolver import DnsError
from gateway.store import StoreError

PLAIN = "\nfilters: [{use: spf}, {use: dkim}, {use: arc}, {use: dmarc}]\n"


def body_below(delivered: bytes, original: bytes) -> bytes:
    """What stands below our fields: as many octets as the original has, with LF line ends."""
    return delivered[-len(original.replace(b"\r\n", b"\n")) :]


async def test_a_letter_arrives_tagged_and_its_octets_untouched(run, letter):
    content = letter(extra="X-Odd:  folded\r\n\t value \r\n")
    async with run(filters=PLAIN) as running:
        code, answer = await running.send(content)
        (delivered,) = await running.delivered()
    assert code == 250
    queue_id = answer.rpartition(" ")[2]
    assert answer == f"2.0.0 Ok: queued as {queue_id}"
    assert header(delivered, "X-Gateway-Id") == queue_id
    assert header(delivered, "Authentication-Results").startswith("mx1.test.example; spf=pass")
    assert delivered.startswith(b"Return-Path: <jo@author.example>\n")
    assert body_below(delivered, content) == content.replace(b"\r\n", b"\n")


async def test_forged_tags_are_removed_and_nothing_else(run, letter):
    forged = letter(signed=False, extra="X-Gateway-Call: wanted\r\nX-Other: stays\r\n")
    async with run(filters=PLAIN) as running:
        await running.send(forged)
        (delivered,) = await running.delivered()
    assert header(delivered, "X-Gateway-Call") == "no"
    assert header(delivered, "X-Gateway-Removed") == "x-gateway-call"
    rest = forged.replace(b"X-Gateway-Call: wanted\r\n", b"")
    assert body_below(delivered, rest) == rest.replace(b"\r\n", b"\n")


async def test_the_customer_is_acknowledged_once_for_a_copy(run, letter):
    content = letter()
    async with run(filters=PLAIN) as running:
        await running.send(content)
        await running.settled()
        await running.send(content)
        await running.delivered("mailbox", 2)
        await running.settled()
        answers = await running.delivered("outbound", 1)
    assert len(answers) == 1
    assert header(answers[0], "Auto-Submitted") == "auto-replied"
    assert header(answers[0], "To") == "<jo@author.example>"
    assert answers[0].startswith(b"Return-Path: <>\n")
    assert b"DKIM-Signature" in answers[0]


async def test_copies_at_the_same_instant_are_acknowledged_once(run, letter):
    content = letter()
    async with run(filters=PLAIN) as running:
        await asyncio.gather(*(running.send(content) for _ in range(8)))
        await running.delivered("mailbox", 8)
        await running.settled()
        assert len(await running.delivered("outbound", 1)) == 1


async def test_each_recipient_gets_its_own_plan_and_the_customer_one_answer(run, letter):
    recipients = ["support@shop.example", "billing@shop.example", "info@hosting.example"]
    async with run(filters=PLAIN) as running:
        code, _ = await running.send(letter(to=", ".join(recipients)), recipients)
        mailbox = await running.delivered("mailbox", 2)
        (second,) = await running.delivered("second")
        await running.settled()
        answers = await running.delivered("outbound")
        balance = await running.gateway.store.balance()
    assert code == 250
    assert {header(mail, "X-Gateway-Rule") for mail in mailbox} == {"rest", "billing"}
    assert header(second, "X-Gateway-Site") == "hosting"
    for mail in (*mailbox, second):
        ours = mail[: mail.index(b"DKIM-Signature")]
        assert sum(name.encode() in ours for name in recipients) == 1
    assert len(answers) == 1
    assert balance.accepted == balance.delivered == 3
    assert balance.balanced


@pytest.mark.parametrize(
    ("recipient", "code", "enhanced"),
    [
        ("support@elsewhere.example", 550, "5.7.1"),
        ("support%elsewhere.example@shop.example", 550, "5"),
        ("postmaster@shop.example", 250, "2"),
    ],
)
async def test_no_open_relay(run, letter, recipient, code, enhanced):
    async with run(filters=PLAIN) as running:
        got, answer = await running.send(letter(), recipient)
    assert got // 100 == code // 100
    assert answer.startswith(enhanced)


async def test_postmaster_reaches_the_administrator_in_silence(run, letter):
    async with run(filters=PLAIN) as running:
        await running.send(letter(to="postmaster@shop.example"), "postmaster@shop.example")
        (delivered,) = await running.delivered()
        await running.settled()
        entries = await running.gateway.store.entries()
    assert header(delivered, "X-Gateway-Acknowledged") == "no; reason=policy"
    assert [dict(entry.recipients) for entry in entries] == [{"admin@inside.example": "relayed"}]


STRICT = """
filters: [{use: spf, then: {fail: quarantine}}, {use: dkim}, {use: arc}, {use: dmarc},
  {use: tone, model: tone, then: {irate: tag}}]
"""


async def test_what_leaves_the_quarantine_is_delivered_carded_and_answered(run, letter):
    zone = {"author.example": {"TXT": ["v=spf1 ip4:192.0.2.1 -all"]}}
    async with run(filters=STRICT, zone=zone) as running:
        await running.send(letter(ANGRY, subject="You stole my money"))
        store, settings = running.gateway.store, running.gateway._settings
        (held,) = await store.entries(states=("held",))
        assert held.why == "quarantined: spf=fail, tone=irate"
        assert not await store.calls()
        assert await release(settings, store, held.queue_id, "kim") == 1
        running.gateway.relay.wake()
        mails = await running.delivered("mailbox", 2)
        await running.settled()
        (answer,) = await running.delivered("outbound")
        (call,) = await store.calls()
    assert {bool(header(mail, "X-Gateway-Tone")) for mail in mails} == {True, False}
    assert call.phone == "+12025550143"
    assert header(answer, "Auto-Submitted") == "auto-replied"


async def test_what_breaks_us_is_held_and_released_later(run, letter, monkeypatch):
    content = letter()
    async with run(filters=PLAIN) as running:
        router = running.gateway._parts.router
        with monkeypatch.context() as broken:
            broken.setattr(type(router), "plan", lambda *_, **__: 1 / 0)
            code, answer = await running.send(content)
        held = await running.gateway.store.entries(states=("held",))
        assert code == 250
        assert "division" not in answer
        assert [entry.why for entry in held] == ["broke us: ZeroDivisionError"]
        assert not list((running.folder / "mailbox" / "new").glob("*"))

        settings = running.gateway._settings
        assert await release(settings, running.gateway.store, held[0].queue_id, "kim") == 1
        running.gateway.relay.wake()
        (delivered,) = await running.delivered()
        await running.settled()
        balance = await running.gateway.store.balance()
    assert body_below(delivered, content) == content.replace(b"\r\n", b"\n")
    assert "spf=pass" in header(delivered, "Authentication-Results")
    assert balance.balanced
    assert balance.delivered == 1


async def test_mail_kept_while_the_clock_was_ahead_does_not_lie_until_then(
    run, letter, monkeypatch
):
    real, ahead = clock.now, timedelta(days=365)
    monkeypatch.setattr(clock, "now", lambda: real() + ahead)
    async with run(more="workers: 1") as running:
        monkeypatch.setattr(running.gateway.relay, "offer", lambda *_: frozenset())
        monkeypatch.setattr(running.gateway.store, "claim", refused)
        assert (await running.send(letter()))[0] == 250
    monkeypatch.setattr(clock, "now", real)
    monkeypatch.setattr(app, "BEAT", 0.05)
    async with run(more="workers: 1") as running:
        assert len(await running.delivered()) == 1
        alerts = [facts for name, facts in running.events if name == "alert"]
        assert "letters waited too long" in {facts["what"] for facts in alerts}


async def test_who_cannot_have_its_port_takes_nothing_in_hand(run, letter, monkeypatch, tmp_path):
    """What it has leased would be struck when it ends, and an acknowledgement lost."""
    async with run(more="workers: 1") as running:
        monkeypatch.setattr(running.gateway.relay, "offer", lambda *_: frozenset())
        monkeypatch.setattr(running.gateway.store, "claim", refused)
        assert (await running.send(letter()))[0] == 250
    with socket.create_server(("127.0.0.1", 0)) as taken:
        with pytest.raises(OSError, match="in use"):
            async with run(port=taken.getsockname()[1]):
                pass
        await asyncio.sleep(0.3)  # long enough to deliver it
    assert not (tmp_path / "mailbox").exists()


async def test_a_reload_that_cannot_read_its_certificate_changes_nothing(
    run, letter, monkeypatch, tmp_path
):
    """`check` read it, and a moment later it is being replaced."""

    def unreadable() -> None:
        raise FileNotFoundError("mx1.pem")

    async with run() as running:
        (tmp_path / "shop.yaml").write_text(SHOP.replace("name: rest", "name: other"))
        (receiver,) = running.gateway._receivers
        monkeypatch.setattr(receiver, "reload_tls", unreadable)
        with pytest.raises(FileNotFoundError):
            await running.gateway.reload(settings_of(running.config))
        await running.send(letter())
        (delivered,) = await running.delivered()
    assert header(delivered, "X-Gateway-Rule") == "rest"


async def refused(*_, **__):
    raise StoreError("not now")


async def test_a_store_that_fails_is_answered_451_without_its_words(run, letter, monkeypatch):
    async def full(*_):
        raise StoreError("/var/secret.db: disk I/O error")

    async with run(filters=PLAIN) as running:
        store = running.gateway.store
        monkeypatch.setattr(store, "keep", full)
        monkeypatch.setattr(store, "keep_raw", full)
        code, answer = await running.send(letter())
        balance = await store.balance()
    assert (code, answer) == (451, "4.3.0 Please try again later")
    assert balance.accepted == 0


async def test_a_poison_message_does_not_stop_the_others(run, letter, monkeypatch):
    async with run(filters=PLAIN) as running:
        router = running.gateway._parts.router
        plan = type(router).plan

        def break_on_poison(self, message, *rest, **more):
            if "poison" in message.subject:
                raise RecursionError
            return plan(self, message, *rest, **more)

        monkeypatch.setattr(type(router), "plan", break_on_poison)
        letters = [letter(subject="poison" if n % 5 == 0 else "fine") for n in range(20)]
        replies = await asyncio.gather(*(running.send(content) for content in letters))
        await running.delivered("mailbox", 16)
        await running.settled()
        balance = await running.gateway.store.balance()
    assert {code for code, _ in replies} == {250}
    assert (balance.delivered, balance.held, balance.accepted) == (16, 4, 20)


async def test_a_mail_in_circles_is_refused(run, letter):
    hops = "".join(f"Received: from a{n} by b{n}; x\r\n" for n in range(60))
    async with run(filters=PLAIN) as running:
        code, answer = await running.send(letter(extra=hops))
    assert code == 554
    assert answer.startswith("5.4.6")


class Mute:
    """A name server that hears every question and answers none."""

    async def query(self, name, kind):
        await asyncio.Event().wait()


@pytest.mark.parametrize("zone", [{"silent.example": {"*": DnsError}}, Mute()])
async def test_a_name_server_in_trouble_is_told_and_stops_nothing(run, letter, zone):
    limited = PLAIN.replace("spf}", "spf, time_limit: 1s}").replace(
        "dmarc}", "dmarc, time_limit: 1s}"
    )
    content = letter(author="Jo <jo@silent.example>", signed=False)
    async with run(filters=limited, zone=zone) as running:
        await running.send(content, sender="jo@silent.example", helo="x.silent.example")
        (delivered,) = await running.delivered()
    assert "spf (" in header(delivered, "X-Gateway-Unchecked")
    assert header(delivered, "X-Gateway-Acknowledged") == "no; reason=unchecked"
    assert "pass" not in header(delivered, "Authentication-Results")


@pytest.mark.parametrize(("policy", "reason"), [("reject", "no; reason=policy"), ("none", "yes")])
async def test_unsigned_mail_is_not_sent_where_our_own_record_forbids_it(
    run, letter, policy, reason
):
    zone = {"_dmarc.hosting.example": {"TXT": [f"v=DMARC1; p={policy}"]}}
    async with run(filters=PLAIN, zone=zone) as running:
        await running.send(letter(to="info@hosting.example"), "info@hosting.example")
        (delivered,) = await running.delivered("second")
    assert header(delivered, "X-Gateway-Acknowledged").startswith(reason)


async def test_international_mail_is_taken_where_every_next_hop_takes_it(run, letter):
    def send(address):
        with smtplib.SMTP(*address, local_hostname="mail.author.example") as client:
            client.ehlo()
            assert client.has_extn("SMTPUTF8")
            client.mail("grüße@author.example", ["SMTPUTF8"])
            client.rcpt("Büro@shop.example")
            return client.data(letter(to="Büro@shop.example"))[0]

    async with run(filters=PLAIN) as running:
        assert await asyncio.to_thread(send, running.address) == 250
        (delivered,) = await running.delivered()
    assert delivered.startswith("Return-Path: <grüße@author.example>\n".encode())


async def test_reload_swaps_the_rules_for_new_mail(run, letter):
    async with run(filters=PLAIN) as running:
        await running.send(letter())
        await running.delivered()
        (running.folder / "shop.yaml").write_text(SHOP.replace("name: rest", "name: renamed"))
        await running.gateway.reload(settings_of(running.config))
        await running.send(letter())
        mails = await running.delivered("mailbox", 2)
    assert [header(mail, "X-Gateway-Rule") for mail in mails] == ["rest", "renamed"]


async def test_reload_tells_the_store_of_sites_limits_and_budgets(run):
    async with run(filters=PLAIN) as running:
        shop = SHOP.replace("domains: [", "domains: [added.example, ")
        shop = shop.replace("calls: {", "calls: {budget: 3 per hour, ")
        (running.folder / "shop.yaml").write_text(shop)
        main = running.config.read_text() + "acknowledgements: {per_author: 7m}\n"
        running.config.write_text(main)
        await running.gateway.reload(settings_of(running.config))
        terms = running.gateway.store._terms
    assert terms.sites["added.example"] == "shop"
    assert terms.budgets["shop"] == 3600 * 10**6
    assert terms.per_author == 7 * 60 * 10**6


@pytest.mark.parametrize("work", ["beat", "alerts", "clean"])
async def test_upkeep_that_breaks_once_is_done_again(run, monkeypatch, work):
    """Whoever beats no more is taken for dead; what is not cleaned fills the disk."""
    for name in ("BEAT", "ALERTS_EVERY", "CLEAN_EVERY"):
        monkeypatch.setattr(app, name, 0.01)
    async with run(filters=PLAIN) as running:
        done = getattr(running.gateway.store, work)
        broken, again = [OSError("is a directory")], asyncio.Event()

        async def breaks_once(*arguments, **more):
            if broken:
                raise broken.pop()
            again.set()
            return await done(*arguments, **more)

        monkeypatch.setattr(running.gateway.store, work, breaks_once)
        await asyncio.wait_for(again.wait(), 10)
    assert any(name == "trouble" and facts["error"] == "OSError" for name, facts in running.events)


async def test_hidden_events_hold_no_words_of_the_letter(run, letter):
    secret = "zanzibar"
    async with run(filters=PLAIN) as running:
        author = f"{secret} <jo@author.example>"
        await running.send(letter(f"{secret}\r\n", subject=secret, author=author))
        await running.delivered()
        await running.settled()
        await until(lambda: asyncio.sleep(0, len(running.events)), lambda count: count >= 4)
    assert secret not in repr(running.events)
    assert "jo@author.example" not in repr(running.events)
