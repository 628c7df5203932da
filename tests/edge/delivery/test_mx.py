"""Where a domain takes its mail: MX records followed to addresses, and to no address of ours."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest

from gateway.edge.addresses import is_public
from gateway.edge.mx import MAX_ADDRESSES, MAX_HOSTS, Directory, NoWay
from gateway.resolver import DnsError, Zone


def zone(**domains: Any) -> Zone:
    """Servers a.example and b.example at addresses of the Internet, and customer.example."""
    # The documentation's own networks are not global to `ipaddress`: these are.
    hosts = {
        "a.example": {"A": ["8.8.4.1"], "AAAA": ["2606:4700::a"]},
        "b.example": {"A": ["8.8.4.2"]},
        "c.example": {"A": ["8.8.4.3"]},
        "loop.example": {"A": ["127.0.0.1"], "AAAA": ["::1", "::ffff:10.0.0.1"]},
        "lost.example": {"A": DnsError, "AAAA": DnsError},
        "bare.example": {"TXT": ["nothing else"]},
    }
    return Zone({**hosts, "customer.example": domains})


def directory(resolver: Zone, *private: str) -> Directory:
    networks = [ipaddress.ip_network(network) for network in private]
    return Directory(resolver, "mx.gateway.example", lambda: 0.5, networks)


async def names(*records: str, **more: Any) -> list[str]:
    hosts = await directory(zone(MX=records, **more)).hosts("customer.example")
    return [host.name for host in hosts]


async def refusal(domain: str = "customer.example", *private: str, **records: Any) -> str:
    with pytest.raises(NoWay) as caught:
        await directory(zone(**records), *private).hosts(domain)
    return f"{caught.value.reply.code} {caught.value.reply.enhanced}"


async def test_servers_by_preference():
    assert await names("20 b.example", "10 a.example", "30 c.example") == [
        "a.example", "b.example", "c.example",
    ]  # fmt: skip


async def test_servers_of_one_preference_share_the_load():
    chances = iter([0.9, 0.1])
    resolver = zone(MX=["10 a.example", "10 b.example"])
    found = await Directory(resolver, "mx.gateway.example", lambda: next(chances)).hosts(
        "customer.example"
    )
    assert [host.name for host in found] == ["b.example", "a.example"]


async def test_all_addresses_of_a_server():
    (host,) = await directory(zone(MX=["10 a.example"])).hosts("Customer.Example")
    assert host.addresses == ("8.8.4.1", "2606:4700::a")


async def test_without_mx_the_domain_itself():
    (host,) = await directory(zone(A=["8.8.4.9"])).hosts("customer.example")
    assert (host.name, host.addresses) == ("customer.example", ("8.8.4.9",))


async def test_a_server_that_cannot_be_looked_up_is_passed_over():
    assert await names("10 lost.example", "20 b.example") == ["b.example"]


@pytest.mark.parametrize(
    ("records", "told"),
    [
        ({"MX": ["0 ."]}, "556 5.1.10"),
        ({"MX": DnsError}, "451 4.4.3"),
        ({"MX": ["10 lost.example"]}, "451 4.4.3"),
        ({"MX": ["10 bare.example"]}, "550 5.4.4"),
        ({"MX": ["10 nowhere.example"]}, "550 5.4.4"),
        ({"MX": ["10 loop.example"]}, "550 5.4.4"),
        ({"A": ["192.168.1.1", "169.254.169.254", "0.0.0.0"]}, "550 5.4.4"),
        ({"TXT": ["no address"]}, "550 5.4.4"),
        ({"MX": ["10 mx.gateway.example", "20 a.example"]}, "550 5.4.6"),
    ],
)
async def test_no_way(records, told):
    assert await refusal(**records) == told


async def test_a_domain_that_does_not_exist():
    assert await refusal("nowhere.invalid") == "550 5.1.2"
    assert await refusal("a..example") == "550 5.1.2"
    assert await refusal("x" * 64 + ".example") == "550 5.1.2"


async def test_where_we_are_a_backup_ourselves_only_better_servers_are_asked():
    assert await names("10 a.example", "20 MX.gateway.example.", "30 b.example") == ["a.example"]


async def test_private_addresses_only_where_the_yaml_names_them():
    resolver = zone(MX=["10 loop.example"])
    (host,) = await directory(resolver, "127.0.0.0/8").hosts("customer.example")
    assert host.addresses == ("127.0.0.1",)
    (host,) = await directory(resolver, "10.0.0.0/8").hosts("customer.example")
    assert host.addresses == ("::ffff:10.0.0.1",)


async def test_a_literal():
    (host,) = await directory(zone()).hosts("[8.8.4.1]")
    assert host.addresses == ("8.8.4.1",)
    (host,) = await directory(zone()).hosts("[IPv6:2606:4700::1]")
    assert host.addresses == ("2606:4700::1",)
    for domain in ("[127.0.0.1]", "[IPv6:::1]", "[IPv6:::ffff:127.0.0.1]", "[x]", "[]"):
        assert await refusal(domain) == "550 5.4.4"


async def test_bounds():
    many = {f"h{n}.example": {"A": [f"8.8.{n}.{m}" for m in range(1, 9)]} for n in range(40)}
    resolver = Zone({**many, "customer.example": {"MX": [f"{n} h{n}.example" for n in range(40)]}})
    hosts = await directory(resolver).hosts("customer.example")
    assert sum(len(host.addresses) for host in hosts) == MAX_ADDRESSES
    assert len([asked for asked in resolver.asked if asked[1] == "A"]) == MAX_HOSTS


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.0.1", "169.254.169.254", "100.64.0.1",
     "0.0.0.0", "224.0.0.1", "255.255.255.255", "::", "::1", "fe80::1", "fc00::1", "ff02::1",
     "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::",
     "2002:a00:1::1", "2001:0:0:0:0:0:80ff:fffe", "not an address", "", "fe80::1%eth0",
     "fec0::1", "64:ff9b:1::a00:1", "::ffff:0:7f00:1", "5f00::1"],
)  # fmt: skip
def test_addresses_nobodys_dns_may_send_us_to(address):
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "2606:4700::1", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_addresses_of_the_internet(address):
    assert is_public(address)
