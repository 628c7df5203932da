"""Whatever comes, each filter says one of its words, and what it says can be shown anywhere."""

from __future__ import annotations

import re

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.filters import Services, arc, dkim, dmarc, spf
from gateway.identity.authentication_results import parse, render
from gateway.resolver import Answer, DnsError

ORDER = (spf, dkim, arc, dmarc)


class Wild:
    """DNS as an enemy would run it: any answer to any question, the same one each time."""

    def __init__(self, answers: list[Answer | None]) -> None:
        self._answers = answers

    async def query(self, name: str, kind: str) -> Answer:
        answer = self._answers[sum(name.encode()) % len(self._answers)]
        if answer is None:
            raise DnsError("timeout")
        return answer if kind == "TXT" else Answer((), exists=answer.exists)


async def examine_all(message, resolver) -> dict:
    services = Services(resolver, None, "mx1.site.example", ("list.example",))
    verdicts: dict = {}
    for module in ORDER:
        filter_ = module.build({}, services)
        verdicts[filter_.name] = verdict = await filter_.examine(message, verdicts)
        assert verdict.result in filter_.results or verdict.troubled
        assert len(verdict.reason) < 1000
        orjson.dumps(dict(verdict.details))
    return verdicts


def check_shown(verdicts: dict) -> None:
    statements = [one for verdict in verdicts.values() for one in verdict.statements]
    field = render("mx1.site.example", statements)
    assert re.fullmatch(rb"[\x20-\x7e]+(?:\r\n\t[\x20-\x7e]+)*\r\n", field)
    found = parse(field.partition(b":")[2])
    assert [one.method for one in found.results] == [one.method for one in statements]


TAGS = st.lists(
    st.sampled_from(
        [
            "v=1",
            "v=2",
            "a=rsa-sha256",
            "a=ed25519-sha256",
            "a=rsa-sha1",
            "c=relaxed/relaxed",
            "c=x",
            "d=shop.example",
            "d=",
            "d=ü.example",
            "s=gw",
            "s=..",
            "h=from",
            "h=from:from:x",
            "bh=AAAA",
            "b=AAAA",
            "b=*",
            "l=0",
            "l=99",
            "t=1",
            "x=2",
            "x=99999999999",
            "i=@shop.example",
            "i=1",
            "i=2",
            "i=x",
            "cv=none",
            "cv=pass",
            "cv=fail",
            "q=dns/txt",
            "mx; dmarc=pass header.from=shop.example",
            "",
            "=",
            "\x00",
            "\r\n ",
        ]
    ),
    max_size=14,
).map("; ".join)
NAMES = st.sampled_from(
    ["DKIM-Signature", "ARC-Seal", "ARC-Message-Signature", "ARC-Authentication-Results"]
)
FIELDS = st.lists(
    st.builds("{}: {}\r\n".format, NAMES, TAGS)
    | st.sampled_from(
        [
            "From: jane@shop.example\r\n",
            "From: a@b.example, c@d.example\r\n",
            "From: \r\n",
            "Subject: x\r\n",
        ]
    ),
    max_size=8,
).map("".join)
TEXTS = st.sampled_from(
    [
        "v=spf1 -all",
        "v=spf1 a mx ptr include:x.example exists:%{l}.%{d} -all",
        "v=spf1 redirect=%{h}",
        "v=DMARC1; p=reject",
        "v=DMARC1; p=reject; psd=y",
        "v=DMARC1; psd=n; sp=x",
        "v=DKIM1; p=",
        "v=DKIM1; p=AAAA",
        "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
        "",
        "\udcff",
        "ü",
        "x" * 70_000,
    ]
)
ANSWERS = st.lists(
    st.none()
    | st.builds(Answer, st.lists(TEXTS, max_size=3).map(tuple), st.booleans(), st.integers(0, 99)),
    min_size=1,
    max_size=4,
)
WORDS = st.text(max_size=30) | st.sampled_from(
    ["", "shop.example", "jane@shop.example", "@", "a@b@c", "[192.0.2.1]", "x" * 300, "ü@ü.example"]
)
CLIENTS = st.sampled_from(["192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1", "", "x", "fe80::1%eth0"])


@settings(max_examples=300)
@given(
    fields=FIELDS,
    body=st.binary(max_size=40),
    answers=ANSWERS,
    client=CLIENTS,
    helo=WORDS,
    path=WORDS,
)
async def test_fields_and_dns_of_an_enemy(arrive, fields, body, answers, client, helo, path):
    content = fields.encode("utf-8", "replace") + b"\r\n" + body
    message = arrive(content, client_ip=client, helo=helo, reverse_path=path)
    check_shown(await examine_all(message, Wild(answers)))


@settings(max_examples=200)
@given(content=st.binary(max_size=300), answers=ANSWERS)
async def test_any_octets(arrive, content, answers):
    check_shown(await examine_all(arrive(content), Wild(answers)))


@pytest.mark.parametrize(
    "text", ["v=spf1 " + "x" * 64_000, "v=DKIM1; p=" + "A" * 64_000, "v=DMARC1; " + "p;" * 30_000]
)
async def test_answers_of_64_kilobytes(arrive, text):
    content = (
        b"DKIM-Signature: v=1; a=rsa-sha256; d=shop.example; s=gw; h=from; bh=AAAA; b=AAAA\r\n"
        b"From: jane@shop.example\r\n\r\n"
    )
    check_shown(await examine_all(arrive(content), Wild([Answer((text,))])))
