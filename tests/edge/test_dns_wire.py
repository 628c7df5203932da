from __future__ import annotations

import contextlib

import pytest
from dnslib import DNSRecord
from hypothesis import given
from hypothesis import strategies as st

from gateway.edge.dns_wire import (
    Record,
    WireError,
    read_question,
    read_response,
    write_question,
    write_response,
)

RECORDS = [
    Record("shop.example", "A", 300, "192.0.2.1"),
    Record("shop.example", "AAAA", 300, "2001:db8::1"),
    Record("shop.example", "MX", 60, "10 mx.shop.example"),
    Record("shop.example", "TXT", 60, "v=spf1 " + "x" * 600),
    Record("shop.example", "CNAME", 60, "www.shop.example"),
    Record("shop.example", "PTR", 60, "mail.shop.example"),
    Record("shop.example", "NS", 60, "ns.shop.example"),
]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.kind)
def test_a_response_reads_as_written(record):
    question = read_question(write_question(77, "shop.example", record.kind))
    response = read_response(write_response(question, 0, [record], 65535))
    assert response.number == 77
    assert response.answers == (record,)


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.kind)
def test_another_library_reads_it_alike(record):
    question = read_question(write_question(77, "shop.example", record.kind))
    octets = write_response(question, 0, [record], 65535)
    assert DNSRecord.parse(octets).rr[0].ttl == record.ttl
    # dnslib compresses names on the way back: pointers are read too.
    assert read_response(DNSRecord.parse(octets).pack()).answers == (record,)


def test_what_does_not_fit_is_marked():
    question = read_question(write_question(1, "shop.example", "TXT"))
    response = read_response(write_response(question, 0, RECORDS, 100))
    assert response.truncated
    assert response.answers == ()


@pytest.mark.parametrize("name", ["a..b", "x" * 64, ".".join(["abcdefgh"] * 40)])
def test_impossible_names(name):
    with pytest.raises(WireError):
        write_question(1, name, "A")


@given(st.binary(max_size=200))
def test_any_octets(octets):
    for read in (read_question, read_response):
        with contextlib.suppress(WireError):
            read(octets)


@given(st.binary(min_size=1, max_size=80), st.integers(0, 200))
def test_damaged_responses(noise, at):
    question = read_question(write_question(1, "shop.example", "TXT"))
    octets = write_response(question, 0, RECORDS, 65535)
    with contextlib.suppress(WireError):
        read_response(octets[:at] + noise + octets[at + len(noise) :])
