"""The small parts the receiver is made of: ids, budget, admission, addresses, unread octets."""

from __future__ import annotations

import multiprocessing
import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.edge.admission import Admission, canonical_ip, client_key
from gateway.edge.budget import MemoryBudget
from gateway.edge.connection import wire
from gateway.edge.paths import MailCommand, RcptCommand, parse_mail, parse_rcpt
from gateway.edge.queue_id import PER_MILLISECOND, PROCESSES, QueueIds, queue_id
from gateway.reply import BAD_PARAMETER, Reply
from gateway.wishes import decoded

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


class TestQueueIds:
    def test_they_are_short_and_plain(self):
        for ids in (QueueIds(0), QueueIds(PROCESSES - 1), QueueIds(2**63)):
            for time in (datetime(1970, 1, 1, tzinfo=UTC), NOON, datetime(2999, 1, 1, tzinfo=UTC)):
                made = ids.next(time)
                assert len(made) == 15
                assert made.isascii()
                assert made.isalnum()
                assert made == made.upper()

    @given(st.lists(st.integers(-5, 5), max_size=60), st.integers(0, PROCESSES - 1))
    def test_they_rise_even_when_the_clock_is_set_back(self, steps, process):
        ids = QueueIds(process)
        time = NOON
        made = []
        for step in steps:
            time += timedelta(milliseconds=step)
            made.append(ids.next(time))
        assert made == sorted(set(made))

    def test_more_than_a_counter_holds_in_one_millisecond(self):
        ids = QueueIds(1)
        made = [ids.next(NOON) for _ in range(3 * PER_MILLISECOND)]
        assert made == sorted(set(made))
        assert ids.next(NOON + timedelta(seconds=1)) > made[-1]

    @given(
        st.tuples(st.integers(0, 2**44), st.integers(0, PROCESSES - 1), st.integers(0, 1023)),
        st.tuples(st.integers(0, 2**44), st.integers(0, PROCESSES - 1), st.integers(0, 1023)),
    )
    def test_they_sort_as_time_process_counter(self, one, other):
        assert (queue_id(*one) < queue_id(*other)) == (one < other)

    def test_processes_at_the_same_moment_never_agree(self):
        with multiprocessing.get_context("spawn").Pool(2) as pool:
            made = pool.map(ids_of_process, [1, 2, 3])
        assert len(set().union(*made)) == 300


def ids_of_process(process: int) -> list[str]:
    ids = QueueIds(process)
    return [ids.next(NOON) for _ in range(100)]


class TestBudget:
    def test_what_does_not_fit_is_not_held(self):
        budget = MemoryBudget(100)
        with budget.lease() as one, budget.lease() as other:
            assert one.hold(60)
            assert not other.hold(41)
            assert other.held == 0
            assert other.hold(40)
            assert not one.hold(61)
            assert one.hold(10)
            assert budget.used == 50
        assert budget.used == 0

    def test_it_is_given_back_when_things_go_wrong(self):
        budget = MemoryBudget(100)

        def break_off() -> None:
            with budget.lease() as lease:
                lease.hold(100)
                raise KeyError

        with pytest.raises(KeyError):
            break_off()
        assert budget.used == 0


class TestAdmission:
    def test_places_are_counted_in_and_out(self):
        admission = Admission(3, 2)
        assert admission.enter("192.0.2.1") is None
        assert admission.enter("192.0.2.1") is None
        assert admission.enter("192.0.2.1").code == 421
        assert admission.enter("192.0.2.2") is None
        assert admission.enter("192.0.2.3").enhanced == "4.3.2"
        admission.leave("192.0.2.1")
        assert admission.enter("192.0.2.1") is None
        for client in ("192.0.2.1", "192.0.2.1", "192.0.2.2"):
            admission.leave(client)
        assert admission.open == 0
        assert admission._clients == {}

    @pytest.mark.parametrize("client", ["127.0.0.1", "127.9.9.9", "::1"])
    def test_loopback_is_bound_only_if_asked(self, client):
        free, bound = Admission(10, 1), Admission(10, 1, loopback=True)
        for admission in (free, bound):
            assert admission.enter(client) is None
        assert free.enter(client) is None
        assert bound.enter(client).code == 421

    def test_one_ipv6_customer_is_one_client(self):
        admission = Admission(10, 1)
        assert admission.enter("2001:db8:1:2::1") is None
        assert admission.enter("2001:db8:1:2:ffff::9").code == 421
        assert admission.enter("2001:db8:1:3::1") is None
        assert client_key("192.0.2.1") != client_key("192.0.2.2")

    @pytest.mark.parametrize(
        ("peer", "address"),
        [
            ("192.0.2.1", "192.0.2.1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("fe80::1%eth0", "fe80::1"),
            ("2001:DB8:0:0::1", "2001:db8::1"),
        ],
    )
    def test_one_spelling(self, peer, address):
        assert canonical_ip(peer) == address


class TestReplyLines:
    @given(st.text(), st.integers(200, 599))
    def test_a_reply_is_one_line_whatever_its_text(self, text, code):
        line = wire(Reply(code, "5.7.1", text))
        assert line.endswith(b"\r\n")
        assert line.count(b"\r") == line.count(b"\n") == 1
        assert len(line) <= 512
        assert line.isascii()


def mail(argument: str, **more: bool) -> MailCommand | Reply:
    return parse_mail(argument, **{"extended": True, "smtputf8": False, "limit": 10**6, **more})


def rcpt(argument: str, **more: bool) -> RcptCommand | Reply:
    return parse_rcpt(argument, **{"extended": True, "smtputf8": False, **more})


ADDRESS_SIGNS = st.text(st.sampled_from('ab.@<>"\\ %!:,;()[]=\t\0é\udcff'), max_size=30)


class TestPaths:
    @given(st.one_of(st.text(max_size=80), ADDRESS_SIGNS.map("FROM:<{}>".format)), st.booleans())
    def test_any_mail_argument_is_a_clean_path_or_a_reply(self, argument, smtputf8):
        command = mail(argument, smtputf8=smtputf8)
        if isinstance(command, Reply):
            assert command.permanent
            return
        path = command.reverse_path
        assert path == "" or path.rpartition("@")[2]
        assert not set(path) & set("<>\0\r\n\t")
        assert path.isascii() or command.smtputf8
        path.encode("utf-8")

    @given(st.one_of(st.text(max_size=80), ADDRESS_SIGNS.map("TO:<{}>".format)), st.booleans())
    def test_any_rcpt_argument_is_a_clean_address_or_a_reply(self, argument, smtputf8):
        command = parse_rcpt(argument, extended=True, smtputf8=smtputf8)
        if isinstance(command, Reply):
            assert command.permanent
        elif (recipient := command.address) != "postmaster":
            local, at, domain = recipient.rpartition("@")
            assert local
            assert at
            assert domain
            assert not set(local) & set("@%!<>\0\r\n\t")
            recipient.encode("utf-8" if smtputf8 else "ascii")

    @pytest.mark.parametrize("sign", ["\u017f", "\u212a"])
    def test_what_only_looks_like_a_letter_of_ascii(self, sign):
        """The long s and the Kelvin sign, which are `s` and `k` in another case."""
        for address in (f"{sign}am@client.example", f"sam@{sign}ing.example"):
            assert mail(f"FROM:<{address}>").enhanced == "5.6.7"
            assert rcpt(f"TO:<{address}>").enhanced == "5.6.7"
        assert rcpt(f"TO:<sam@king.example> ORCPT=rfc822;{sign}") == BAD_PARAMETER

    @given(st.text(max_size=40), st.sampled_from(["ENVID=", "ORCPT=rfc822;", "ORCPT=utf-8;"]))
    def test_names_a_client_gives_are_printable_ascii(self, text, word):
        """They are said to the next hop, and stand in notices."""
        command = mail(f"FROM:<> {word}{text}", smtputf8=True)
        if word != "ENVID=":
            command = rcpt(f"TO:<a@b.example> {word}{text}", smtputf8=True)
        if not isinstance(command, Reply):
            said = command.envid if isinstance(command, MailCommand) else command.orcpt
            assert re.fullmatch("[!-~]*", said)
            assert re.fullmatch("[ -~]*", decoded(said.partition(";")[2] or said))

    @pytest.mark.parametrize("keyword", ["FROM:", "TO:"])
    @pytest.mark.parametrize(
        "argument",
        ["<" * 2000, '<"' + "\\" * 2000, "<" + "a." * 1000 + "@b>", "<" + "a@" * 1000, "<@" * 1000],
    )
    def test_hostile_arguments_cost_nothing(self, keyword, argument):
        began = datetime.now(UTC)
        for _ in range(50):
            mail(keyword + argument)
            parse_rcpt(keyword + argument, extended=True, smtputf8=True)
        assert datetime.now(UTC) - began < timedelta(seconds=1)

    @given(
        st.sampled_from(["ann@client.example", "a" * 200 + "@" + "b." * 40 + "example", "a@b"]),
        st.sampled_from(["", " SIZE=5", " SIZE=2000000", " size=0", " SIZE=", " SIZE=99999999999"]),
        st.sampled_from(["", " BODY=8BITMIME", " body=7bit", " BODY=X"]),
        st.sampled_from(["", " ORCPT=rfc822;a@b", " orcpt=RFC822;x", " ORCPT=rfc822;a+2Bb",
                         " ORCPT=rfc822;" + "y" * 450, " ORCPT=rfc822;a=b", " ORCPT=utf-8;a"]),
        st.booleans(),
    )  # fmt: skip
    def test_the_quick_look_sees_what_the_long_one_sees(self, path, size, body, orcpt, extended):
        """A space after the colon takes the long way."""
        argument = f"<{path}>{size}{body}"
        assert mail(f"FROM:{argument}", extended=extended) == mail(
            f"FROM: {argument}", extended=extended
        )
        assert rcpt(f"TO:<{path}>{orcpt}", extended=extended) == rcpt(
            f"TO: <{path}>{orcpt}", extended=extended
        )

    def test_quotes_that_say_nothing_are_taken_off(self):
        assert rcpt('TO:<"support"@shop.example>') == RcptCommand("support@shop.example")
        assert rcpt('TO:<"sup port"@shop.example>') == RcptCommand('"sup port"@shop.example')
        assert mail('FROM:<"a>b"@c.example> SIZE=5') == MailCommand('"a>b"@c.example', size=5)


class TestNoticeWords:
    """RFC 3461, 4: what MAIL and RCPT say of delivery status notices."""

    @pytest.mark.parametrize(
        ("words", "ret", "envid"),
        [
            ("RET=HDRS", "HDRS", ""),
            ("ret=full ENVID=QQ314159", "FULL", "QQ314159"),
            ("ENVID=a+2Bb+3Dc", "", "a+2Bb+3Dc"),
            ("ENVID=" + "x" * 100, "", "x" * 100),
        ],
    )
    def test_of_the_message(self, words, ret, envid):
        assert mail(f"FROM:<a@b.example> {words}") == MailCommand(
            "a@b.example", ret=ret, envid=envid
        )

    @pytest.mark.parametrize(
        "words",
        ["RET=", "RET", "RET=BODY", "RET=FULL RET=FULL", "ENVID=", "ENVID", "ENVID=a=b",
         "ENVID=a+b",
         "ENVID=+0D+0A", "ENVID=+FF", "ENVID=+2b", "ENVID=" + "x" * 101, "ENVID=é"],
    )  # fmt: skip
    def test_bad_ones_of_the_message(self, words):
        reply = mail(f"FROM:<a@b.example> {words}", smtputf8=True)
        assert isinstance(reply, Reply)
        assert reply.code == 501

    @pytest.mark.parametrize(
        ("words", "notify", "orcpt"),
        [
            ("NOTIFY=NEVER", "NEVER", ""),
            ("notify=delay,success", "SUCCESS,DELAY", ""),
            ("NOTIFY=SUCCESS,FAILURE,DELAY", "SUCCESS,FAILURE,DELAY", ""),
            ("ORCPT=rfc822;ann+2Bx@b.example", "", "rfc822;ann+2Bx@b.example"),
            ("ORCPT=x400;/S=ann/", "", None),
            ("ORCPT=rfc822;a@b.example NOTIFY=FAILURE", "FAILURE", "rfc822;a@b.example"),
            ("ORCPT=utf-8;gr\\x{FC}n@b.example", "", "utf-8;gr\\x{FC}n@b.example"),
        ],
    )
    def test_of_a_recipient(self, words, notify, orcpt):
        found = rcpt(f"TO:<s@shop.example> {words}")
        if orcpt is None:  # an equals sign must be encoded
            assert isinstance(found, Reply)
        else:
            assert found == RcptCommand("s@shop.example", notify, orcpt)

    def test_utf8_is_kept_in_ascii(self):
        found = rcpt("TO:<s@shop.example> ORCPT=utf-8;grün@b.example", smtputf8=True)
        assert found == RcptCommand("s@shop.example", "", "utf-8;gr\\x{FC}n@b.example")
        assert isinstance(rcpt("TO:<s@shop.example> ORCPT=utf-8;grün@b.example"), Reply)

    @pytest.mark.parametrize(
        "words",
        ["NOTIFY=", "NOTIFY", "NOTIFY=NEVER,DELAY", "NOTIFY=NEVER,NEVER", "NOTIFY=LATER",
         "NOTIFY=,",
         "NOTIFY=NEVER NOTIFY=NEVER", "ORCPT=", "ORCPT=rfc822", "ORCPT=rfc822;",
         "ORCPT=;a@b.example",
         "ORCPT=rfc 822;a@b", "ORCPT=rfc822;a+0D+0AX:@b.example", "ORCPT=rfc822;" + "x" * 500],
    )  # fmt: skip
    def test_bad_ones_of_a_recipient(self, words):
        reply = rcpt(f"TO:<s@shop.example> {words}")
        assert isinstance(reply, Reply)
        assert reply.permanent

    def test_only_after_ehlo(self):
        for reply in (
            rcpt("TO:<s@shop.example> NOTIFY=NEVER", extended=False),
            mail("FROM:<a@b.example> RET=FULL", extended=False),
        ):
            assert isinstance(reply, Reply)
            assert reply.code == 555

    @given(st.text(max_size=40))
    def test_any_text_is_a_printable_word_or_a_reply(self, text):
        found = rcpt(f"TO:<s@shop.example> ORCPT=rfc822;{text}", smtputf8=True)
        if isinstance(found, RcptCommand):
            assert found.orcpt.isascii()
            assert found.orcpt.isprintable()
