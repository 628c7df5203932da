"""`gateway check` and `gateway init`: what spelling alone does not show, each with its place."""

from __future__ import annotations

import json
import os
import re
import socket
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gateway.check import inspect
from gateway.check.network import inspect_network
from gateway.check.second_opinion import accepts
from gateway.cli import main
from gateway.configuration import load
from gateway.demo.world import make_world, write_configuration
from gateway.edge.dns import NetworkResolver
from gateway.edge.zone_server import serve_zone
from gateway.identity.signing import Signer, make_key
from gateway.resolver import DnsError, Zone
from gateway.store import StoreError
from gateway.store.opening import open_store

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)

MAIN = """\
hostname: mx1.example.net
listen:
  - {address: "127.0.0.1:0"}
store: sqlite:var/gateway.db
administrator: boss@inside.example
filters: [{use: spf}, {use: dkim}, {use: arc}, {use: dmarc}]
next_hops:
  mailbox: {address: "maildir:var/mailbox"}
sites: [shop.yaml]
"""
SHOP = """\
site: shop
domains: [shop.example]
next_hop: mailbox
recipients: {list: [a@shop.example]}
calls: {notify: [oncall@inside.example]}
routes:
  - {to: "*@shop.example", acknowledge: received}
"""


def said(folder: Path, main: str = MAIN, shop: str = SHOP) -> list[str]:
    """What is told, without the folder's name."""
    (folder / "gateway.yaml").write_text(main)
    (folder / "shop.yaml").write_text(shop)
    problems = inspect(load(folder / "gateway.yaml", {}), NOW)
    return [str(problem).replace(f"{folder}/", "") for problem in problems]


def test_a_sound_configuration(tmp_path: Path) -> None:
    assert said(tmp_path) == []


def test_what_the_loader_says_comes_first(tmp_path: Path) -> None:
    assert said(tmp_path, MAIN + "nonsense: 1\n")[0].startswith(
        "gateway.yaml:10: nonsense: unknown"
    )


# --- filters -------------------------------------------------------------------------------------


def test_a_word_that_a_filter_never_says(tmp_path: Path) -> None:
    main = MAIN.replace("{use: spf}", "{use: spf, then: {fial: tag, fail: tag, temperror: tag}}")
    assert said(tmp_path, main, SHOP + "then: {dmarc: {fail-reject: tag, non: tag}}\n") == [
        "gateway.yaml:6: filters[0].then.fial: spf never says this; did you mean 'fail'?",
        "shop.yaml:8: then.dmarc.non: dmarc never says this; did you mean 'none'?",
    ]


def test_fail_alone_says_too_little_about_dmarc(tmp_path: Path) -> None:
    main = MAIN.replace("{use: dmarc}", "{use: dmarc, then: {fail: quarantine}}")
    assert said(tmp_path, main)[0].startswith(
        "gateway.yaml:6: filters[3].then.fail: dmarc never says this; did you mean 'fail-"
    )


def test_a_filter_whose_need_does_not_run(tmp_path: Path) -> None:
    main = MAIN.replace("{use: dkim}, ", "")
    assert "gateway.yaml:6: filters[2]: dmarc needs the verdict of dkim; add '- {use: dkim}'" in (
        said(tmp_path, main)
    )


def test_an_option_that_a_filter_does_not_know(tmp_path: Path) -> None:
    assert said(tmp_path, MAIN.replace("{use: spf}", "{use: spf, colour: red}")) == [
        "gateway.yaml:6: filters[0].colour: spf has no such option; remove it"
    ]


# --- sites ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("calendar", "key"),
    [
        ("{timezone: Europe/Atlantis}", "timezone"),
        ("{hours: {mon-fry: '9:00-17:00'}}", "hours.mon-fry"),
        ("{hours: {mon: '17:00-9:00'}}", "hours.mon"),
        ("{hours: {mon: closed}}", "hours"),
        ("{holidays: Narnia}", "holidays"),
        ("{holidays: [US, 2026-02-30]}", "holidays[1]"),
    ],
)
def test_a_calendar_that_cannot_be(tmp_path: Path, calendar: str, key: str) -> None:
    found = said(tmp_path, shop=SHOP + f"calendar: {calendar}\n")
    assert len(found) == 1
    assert found[0].startswith(f"shop.yaml:8: calendar.{key}: ")


def test_a_template_that_is_not_there(tmp_path: Path) -> None:
    shop = SHOP.replace("acknowledge: received", "acknowledge: welcome")
    assert said(tmp_path, shop=shop) == [
        "shop.yaml:7: routes[0].acknowledge: there is no template 'welcome'; "
        "write templates/shop/welcome.en.txt, or use received"
    ]
    shop = SHOP.replace("acknowledge: received", "acknowledge: recieved")
    assert said(tmp_path, shop=shop)[0].endswith("'recieved'; did you mean 'received'?")


def test_a_template_that_fails(tmp_path: Path) -> None:
    template = tmp_path / "templates/shop/received.en.txt"
    template.parent.mkdir(parents=True)
    template.write_text("Subject: yes\n\nDear {{ custommer }},\n")
    assert any(
        line.startswith("templates/shop/received.en.txt:3: it fails for site shop: ")
        for line in said(tmp_path)
    )


def test_mail_for_anybody(tmp_path: Path) -> None:
    shop = SHOP.replace("recipients: {list: [a@shop.example]}\n", "")
    assert said(tmp_path, shop=shop) == [
        "shop.yaml:1: warning: mail for any address is taken, for nothing says which exist; "
        "name them under 'recipients', or say 'recipients: {any: true}'"
    ]
    assert said(tmp_path, shop=shop + "recipients: {any: true}\n") == []


def test_addresses_of_other_domains(tmp_path: Path) -> None:
    shop = SHOP.replace("[a@shop.example]", "[a@shop.example, b@other.example]")
    shop += "aliases: {c@third.example: a@shop.example}\n"
    assert [line.partition(";")[0] for line in said(tmp_path, shop=shop)] == [
        "shop.yaml:4: recipients.list[1]: not an address of this site's domains",
        "shop.yaml:8: aliases.c@third.example: not an address of this site's domains",
    ]


def test_rules_that_never_match(tmp_path: Path) -> None:
    shop = SHOP.replace("routes:\n", "routes:\n  - {to: x@other.example}\n")
    shop += "  - {to: a@shop.example}\n"
    assert [line.partition(";")[0] for line in said(tmp_path, shop=shop)] == [
        "shop.yaml:7: warning: routes[0].to: matches nothing: not one of this site's domains",
        "shop.yaml:9: warning: routes[2]: never reached: 'rule 2' above takes every such letter",
    ]


def test_a_rule_for_a_plus_tag_matches_nothing(tmp_path: Path) -> None:
    shop = SHOP.replace("routes:\n", "routes:\n  - {to: a+vip@shop.example}\n")
    assert [line.partition(";")[0] for line in said(tmp_path, shop=shop)] == [
        "shop.yaml:7: warning: routes[0].to: matches nothing: rules see an address without its "
        "plus-tag"
    ]


def test_domains_are_written_as_people_read_them(tmp_path: Path) -> None:
    """An address in U-labels is of a domain in A-labels, and the other way round."""
    for domain, other in (("münchen", "xn--mnchen-3ya"), ("xn--mnchen-3ya", "münchen")):
        shop = SHOP.replace("domains: [", f"domains: [{domain}.example, ")
        shop = shop.replace("[a@shop.example]", f"[a@shop.example, b@{other}.example]")
        shop = shop.replace("routes:\n", f'routes:\n  - {{to: "*@{other}.example"}}\n')
        assert said(tmp_path, shop=shop) == []


def test_a_rule_for_who_matters(tmp_path: Path) -> None:
    shop = SHOP.replace("acknowledge: received", "vip: true") + "  - {to: a@shop.example}\n"
    assert said(tmp_path, shop=shop + "vip: [big@customer.example]\n") == []
    (line,) = said(tmp_path, shop=shop)
    assert "warning: routes[0].vip: never holds: the site names no 'vip'" in line


def test_a_rule_with_a_condition_hides_nothing(tmp_path: Path) -> None:
    shop = SHOP.replace("acknowledge: received", "attachment: true") + "  - {to: a@shop.example}\n"
    assert said(tmp_path, shop=shop) == []


def test_the_time_for_rules_grows_with_their_number_only(tmp_path: Path) -> None:
    """Each compared with each would be fifty million pairs."""
    shop = SHOP.replace("{list: [a@shop.example]}", "{any: true}")
    shop = shop.replace('"*@shop.example"', "a@shop.example")
    shop += "".join(f"  - {{to: agent{n}@shop.example, subject: x{n}}}\n" for n in range(10_000))
    begin = time.process_time()
    lines = said(tmp_path, shop=shop + "  - {to: agent9@shop.example, subject: x9}\n")
    assert [line.partition(";")[0].partition("routes")[2] for line in lines] == [
        "[10001]: never reached: 'rule 11' above takes every such letter"
    ]
    assert time.process_time() - begin < 30


def test_nobody_to_tell(tmp_path: Path) -> None:
    main = MAIN.replace("administrator: boss@inside.example\n", "")
    assert said(tmp_path, main)[0].startswith("gateway.yaml:1: warning: nobody is told of trouble")


def test_nothing_to_prove_an_author(tmp_path: Path) -> None:
    main = re.sub(r"filters: .*\n", "", MAIN)
    assert said(tmp_path, main)[0].startswith(
        "shop.yaml:1: warning: nothing will be acknowledged: without dmarc no author is proven"
    )


def test_reports_that_nobody_would_believe(tmp_path: Path) -> None:
    main = MAIN + "dmarc_reports: {from: dmarc@shop.example}\n"
    assert said(tmp_path, main) == [
        "gateway.yaml:10: dmarc_reports.from: no site signs for this domain, and nobody believes "
        "an unproven report; name an address of a domain under a site's 'signing'"
    ]
    (tmp_path / "gw.pem").write_bytes(make_key("shop.example", "gw", "ed25519").pem)
    (tmp_path / "gw.pem").chmod(0o600)
    assert said(tmp_path, main, SIGNING) == []
    without = re.sub(r"filters: .*\n", "", main)
    assert any("dmarc_reports: dmarc does not run" in line for line in said(tmp_path, without))


def test_many_workers_on_one_file(tmp_path: Path) -> None:
    assert said(tmp_path, MAIN + "workers: 4\n") == []
    assert said(tmp_path, MAIN + "workers: 5\n")[0].startswith(
        "gateway.yaml:10: warning: workers: 5 workers share one SQLite file"
    )


# --- files and ports -----------------------------------------------------------------------------


def certificate(folder: Path, name: str = "mx1.example.net", *, days: int = 90) -> None:
    """A certificate of our own and its key, valid until `days` after NOW."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=365))
        .not_valid_after(NOW + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, SHA256())
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(Encoding.PEM))
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "key.pem").write_bytes(pem)


TLS = MAIN.replace('0"}', '0", tls: {cert: cert.pem, key: key.pem}}')


@pytest.mark.parametrize(
    ("days", "name", "expected"),
    [
        (90, "mx1.example.net", []),
        (90, "*.example.net", []),
        (-1, "mx1.example.net", ["listen[0].tls.cert: expired on 2026-11-22; renew it"]),
        (
            5,
            "mx1.example.net",
            ["warning: listen[0].tls.cert: ends on 2026-11-28; renew it soon"],
        ),
        (
            90,
            "other.example",
            [
                "warning: listen[0].tls.cert: the certificate does not name our hostname; "
                "get one for mx1.example.net"
            ],
        ),
    ],
)
def test_a_certificate(tmp_path: Path, days: int, name: str, expected: list[str]) -> None:
    certificate(tmp_path, name, days=days)
    assert said(tmp_path, TLS) == [f"gateway.yaml:3: {line}" for line in expected]


def test_a_key_of_another_certificate(tmp_path: Path) -> None:
    certificate(tmp_path)
    first = (tmp_path / "key.pem").read_bytes()
    certificate(tmp_path)
    (tmp_path / "key.pem").write_bytes(first)
    assert said(tmp_path, TLS)[0].startswith(
        "gateway.yaml:3: listen[0].tls: certificate and key cannot be used together; "
    )


SIGNING = SHOP + "signing: {domain: shop.example, selector: gw, key: !file gw.pem}\n"


def test_a_signing_key_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "gw.pem").write_text("-----BEGIN SOMETHING-----\n")
    (tmp_path / "gw.pem").chmod(0o600)
    found = said(tmp_path, shop=SIGNING)
    assert len(found) == 1
    assert found[0].startswith("shop.yaml:8: signing.key: the signing key is unreadable; ")
    assert "SOMETHING" not in found[0]


def test_a_secret_that_all_can_read(tmp_path: Path) -> None:
    (tmp_path / "gw.pem").write_bytes(make_key("shop.example", "gw", "ed25519").pem)
    (tmp_path / "gw.pem").chmod(0o644)
    assert said(tmp_path, shop=SIGNING) == [
        "shop.yaml:8: warning: signing.key: anybody on this host can read the file named here; "
        "chmod o= FILE"
    ]
    (tmp_path / "gw.pem").chmod(0o640)
    assert said(tmp_path, shop=SIGNING) == []


def test_a_secret_that_can_be_guessed(tmp_path: Path) -> None:
    found = said(tmp_path, MAIN + "secret: [a-long-enough-secret, hunter2]\n")
    assert [line.partition(";")[0] for line in found] == [
        "gateway.yaml:10: secret[1]: shorter than 16 characters, so it can be guessed"
    ]
    assert "hunter2" not in found[0]


def test_lines_of_a_recipients_file(tmp_path: Path) -> None:
    (tmp_path / "known.txt").write_text("# ours\na@shop.example\nb@other.example # x\n\nnobody\n")
    shop = SHOP.replace("{list: [a@shop.example]}", "{file: known.txt}")
    assert [line.partition(";")[0] for line in said(tmp_path, shop=shop)] == [
        "known.txt:3: not an address of this site's domains",
        "known.txt:5: not an address of this site's domains",
    ]


def test_folders_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "var").write_text("a file")
    assert [line.partition(";")[0] for line in said(tmp_path)] == [
        "gateway.yaml:4: store: the folder cannot be written: a file stands in its place",
        "gateway.yaml:8: next_hops.mailbox.address: "
        "the folder cannot be written: a file stands in its place",
    ]


def test_folders_that_may_not_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path)  # even for root
    owner = tmp_path.owner()
    found = said(tmp_path)
    assert [line.partition(":")[2].partition(":")[0] for line in found] == ["4", "8"]
    for line in found:
        assert f"this user may not write it, for it belongs to {owner}; run as {owner}" in line


async def test_a_store_that_may_not_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said(tmp_path)
    settings = load(tmp_path / "gateway.yaml", {}).settings
    assert settings is not None
    (tmp_path / "var").write_text("in its way")
    with pytest.raises(StoreError, match=r"var/gateway.db: "):
        await open_store(settings)
    (tmp_path / "var").unlink()
    (tmp_path / "var/gateway.db").mkdir(parents=True)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(StoreError, match=r"gateway.db: this user may not write it.*; run as "):
        await open_store(settings)


def test_a_port_in_use(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        main = MAIN.replace("127.0.0.1:0", f"127.0.0.1:{taken.getsockname()[1]}")
        assert said(tmp_path, main)[0].startswith(
            "gateway.yaml:3: warning: listen[0].address: in use, "
        )


def test_an_address_of_another_host(tmp_path: Path) -> None:
    assert said(tmp_path, MAIN.replace("127.0.0.1:0", "192.0.2.1:0"))[0].startswith(
        "gateway.yaml:3: listen[0].address: not an address of this host; "
    )


# --- the DNS -------------------------------------------------------------------------------------

SOUND = {
    "mx1.example.net": {"A": ["192.0.2.1"]},
    "1.2.0.192.in-addr.arpa": {"PTR": ["mx1.example.net."]},
    "shop.example": {"MX": ["10 mx1.example.net."], "TXT": ["v=spf1 ip4:192.0.2.1 -all"]},
    "_dmarc.shop.example": {"TXT": ["v=DMARC1; p=none"]},
    "relay.example": {"AAAA": ["2001:db8::1"]},
}
RELAY = MAIN.replace("sites:", '  out: {address: "smtp://relay.example"}\nsites:')


async def told(folder: Path, zone: Zone, main: str = MAIN, shop: str = SHOP) -> list[str]:
    """What `--dns` adds, without the mend."""
    (folder / "gateway.yaml").write_text(main)
    (folder / "shop.yaml").write_text(shop)
    loaded = load(folder / "gateway.yaml", {})
    assert loaded.settings is not None
    problems = await inspect_network(loaded.settings, loaded.sources, zone)
    lines = [str(problem).replace(f"{folder}/", "") for problem in problems]
    return sorted(line.partition(";")[0] for line in lines)


async def test_sound_records(tmp_path: Path) -> None:
    assert await told(tmp_path, Zone(SOUND), RELAY) == []


async def test_what_the_dns_lacks(tmp_path: Path) -> None:
    zone = {
        "shop.example": {"MX": ["10 mx.elsewhere.example"]},
        "_dmarc.shop.example": {"TXT": ["v=DMARC1; p=reject"]},
    }
    assert await told(tmp_path, Zone(zone), RELAY) == [
        "gateway.yaml:1: hostname: mx1.example.net has no address",
        "gateway.yaml:9: next_hops.out.address: this host has no address in the DNS",
        "shop.yaml:2: warning: domains[0]: has no SPF record",
        "shop.yaml:2: warning: domains[0]: its DMARC policy is strict and no key signs for it: "
        "nothing is acknowledged",
        "shop.yaml:2: warning: domains[0]: no MX record names our hostname, "
        "so the Internet's mail does not come here",
    ]


async def test_an_address_that_may_not_send(tmp_path: Path) -> None:
    zone = Zone(SOUND | {"shop.example": SOUND["shop.example"] | {"TXT": ["v=spf1 -all"]}})
    (line,) = await told(tmp_path, zone)
    assert line.startswith("shop.yaml:2: domains[0]: SPF says fail for 192.0.2.1: ")
    smart = MAIN.replace("sites:", '  outbound: {address: "smtp://relay.example"}\nsites:')
    (line,) = await told(tmp_path, zone, smart)
    assert line.startswith("shop.yaml:2: warning: domains[0]: SPF says fail for 192.0.2.1: ")


async def test_no_answer_is_only_a_warning(tmp_path: Path) -> None:
    silent = Zone(
        {name: {"*": DnsError} for name in SOUND if "mx1" not in name}
        | {"mx1.example.net": SOUND["mx1.example.net"]}
    )
    found = await told(tmp_path, silent, RELAY)
    assert len(found) >= 4
    assert all(": warning: " in line for line in found)


@pytest.mark.parametrize("kind", ["rsa", "ed25519"])
async def test_the_published_key_is_ours(tmp_path: Path, kind: str) -> None:
    mine, other = (make_key("shop.example", "gw", kind) for _ in range(2))
    (tmp_path / "gw.pem").write_bytes(mine.pem)
    for record, wrong in (
        (mine.record, ""),
        (mine.record.replace("; ", ";\t"), ""),
        (other.record, "publishes another key than ours"),
        (None, "no key"),
    ):
        zone = SOUND | ({mine.name: {"TXT": [record]}} if record else {})
        found = await told(tmp_path, Zone(zone), shop=SIGNING)
        assert len(found) == bool(wrong)
        for line in found:
            assert line.startswith("shop.yaml:8: signing: gw._domainkey.shop.example ")
            assert line.endswith(wrong)


@pytest.mark.parametrize("kind", ["rsa", "ed25519"])
def test_an_independent_verifier_takes_our_signatures(kind: str) -> None:
    mine, other = (make_key("shop.example", "gw", kind) for _ in range(2))
    signer = Signer("shop.example", "gw", mine.pem)
    assert accepts(signer, mine.record)
    assert accepts(signer, mine.record.replace("; ", ";\t"))
    for record in (other.record, "v=DKIM1; p=", "v=DKIM1; p=AAAA", "", "\udcff", "v=DKIM2; p=x"):
        assert not accepts(signer, record)


async def test_a_record_that_others_do_not_understand(tmp_path: Path) -> None:
    mine, other = (make_key("shop.example", "gw", "ed25519") for _ in range(2))
    (tmp_path / "gw.pem").write_bytes(mine.pem)
    zone = SOUND | {mine.name: {"TXT": [other.record, mine.record]}}
    assert await told(tmp_path, Zone(zone), shop=SIGNING) == [
        "shop.yaml:8: signing: gw._domainkey.shop.example satisfies us but not dkimpy, "
        "an independent verifier"
    ]
    zone = SOUND | {mine.name: {"TXT": [mine.record]}}
    assert await told(tmp_path, Zone(zone), shop=SIGNING) == []


async def test_what_check_says_of_the_demonstration(tmp_path: Path) -> None:
    """With the zone that belongs to it nothing, with an empty one every record that is missing."""
    world = make_world()
    loaded = load(write_configuration(tmp_path, world, "127.0.0.1:53"), {})
    assert loaded.settings is not None
    async with serve_zone(world.zone) as address:
        resolver = NetworkResolver([address], 5.0)
        found = await inspect_network(loaded.settings, loaded.sources, resolver)
        await resolver.close()
    assert [str(problem) for problem in found] == []
    found = await inspect_network(loaded.settings, loaded.sources, Zone({}))
    shop = {problem.what: problem for problem in found if problem.file.name != "hosting.yaml"}
    for what, mend in {
        "mx1.demo.example has no address": "publish an A or AAAA record",
        "has no SPF record": 'publish: shop.example. TXT "v=spf1 ip4:ADDRESS ~all"',
        "has no DMARC record": "publish: _dmarc.shop.example. TXT ",
        "demo._domainkey.shop.example publishes no key": "publish: demo._domainkey.shop.example. ",
        "no MX record names our hostname, so the Internet's mail does not come here": "publish: "
        "shop.example. MX 10 mx1.demo.example.",
    }.items():
        assert shop.pop(what).mend.startswith(mend)
    assert not shop


# --- the commands --------------------------------------------------------------------------------


def run(*arguments: str, **environ: str) -> Result:
    return CliRunner().invoke(main, arguments, env=environ or None)


def test_check_says_fine(tmp_path: Path) -> None:
    said(tmp_path)
    result = run("check", "--config", str(tmp_path / "gateway.yaml"))
    assert result.output == f"{tmp_path}/gateway.yaml: fine\n"
    assert result.exit_code == 0


def test_warnings_alone_are_fine(tmp_path: Path) -> None:
    said(tmp_path, MAIN + "workers: 5\n")
    result = run("check", GATEWAY_CONFIG=str(tmp_path / "gateway.yaml"))
    assert result.output.endswith("gateway.yaml: fine, 1 warning\n")
    assert result.exit_code == 0


def test_check_tells_and_fails(tmp_path: Path) -> None:
    said(tmp_path, MAIN + "one: 1\ntwo: 2\n")
    result = run("check", "--config", str(tmp_path / "gateway.yaml"))
    assert result.exit_code == 1
    lines = result.output.splitlines()
    assert lines[0].startswith(f"{tmp_path}/gateway.yaml:10: one: unknown key; ")
    assert lines[1].startswith(f"{tmp_path}/gateway.yaml:11: two: unknown key; ")
    assert lines[2] == f"{tmp_path}/gateway.yaml: 2 to mend"


def test_check_for_programs(tmp_path: Path) -> None:
    said(tmp_path, MAIN + "one: 1\n")
    result = run("check", "--json", "--config", str(tmp_path / "gateway.yaml"))
    assert result.exit_code == 1
    answer = json.loads(result.output)
    assert answer["ok"] is False
    assert answer["problems"][0]["line"] == 10
    assert answer["problems"][0]["key"] == "one"
    assert answer["problems"][0]["level"] == "error"


def test_no_configuration_is_wrong_usage(tmp_path: Path) -> None:
    result = run("check", "--config", str(tmp_path / "none.yaml"))
    assert result.exit_code == 2
    assert "gateway init DIR" in result.output


def test_what_init_writes_passes_the_check(tmp_path: Path) -> None:
    folder = tmp_path / "a/b"
    assert run("init", str(folder)).exit_code == 0
    main_file = folder / "gateway.yaml"
    text = main_file.read_text()
    main_file.write_text(text.replace("127.0.0.1:2525", "127.0.0.1:0"))
    problems = inspect(load(main_file, {}), NOW)
    assert [str(problem) for problem in problems] == []
    assert (folder / "templates/README.md").exists()
    assert (folder / "knowledge/README.md").exists()
    assert (folder / "keys").stat().st_mode & 0o777 == 0o700


def test_init_overwrites_nothing(tmp_path: Path) -> None:
    (tmp_path / "gateway.yaml").write_text("mine")
    result = run("init", str(tmp_path))
    assert result.exit_code == 1
    assert "gateway.yaml" in result.output
    assert (tmp_path / "gateway.yaml").read_text() == "mine"
    assert not (tmp_path / "sites").exists()


@pytest.mark.parametrize("command", ["check", "init"])
def test_no_command_obeys_the_names_it_is_given(tmp_path: Path, command: str) -> None:
    name = str(tmp_path / "\x1b[31mred\u202e")
    arguments = [command, name] if command == "init" else [command, "--config", name]
    result = run(*arguments)
    assert "\x1b" not in result.output
    assert "\u202e" not in result.output


def test_straight_delivery_to_a_site_is_a_circle(tmp_path: Path) -> None:
    main = MAIN.replace("maildir:var/mailbox", "mx:")
    assert said(tmp_path, main) == [
        "shop.yaml:3: next_hop: 'mailbox' asks the MX of the site's own domain, which is the "
        "gateway; name the server that has the mailboxes; mx: is for 'outbound'"
    ]
    main = MAIN.replace("sites:", '  outbound: {address: "mx:"}\nsites:')
    assert said(tmp_path, main) == []
