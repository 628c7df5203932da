"""A sound configuration, broken in one place or in two: exactly those mistakes are told."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import combinations
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.acknowledgement.render import SHIPPED
from gateway.check import inspect
from gateway.configuration import load
from gateway.identity.signing import make_key

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
FULL = {path.name: path.read_text() for path in (Path(__file__).parent / "full").glob("*.yaml")}
GATEWAY, SHOP, HOSTING = "gateway.yaml", "shop.yaml", "hosting.yaml"


@dataclass(frozen=True)
class Break:
    """One mistake: `old` becomes `new`, and `said` is told at its line."""

    file: str
    old: str
    new: str
    said: str
    """`KEY: the beginning of what is told`."""

    @property
    def span(self) -> tuple[str, int, int]:
        start = FULL[self.file].index(self.old)
        return self.file, start, start + len(self.old)


def _breaks(file: str, *rows: tuple[str, str, str]) -> list[Break]:
    return [Break(file, *row) for row in rows]


BREAKS = [
    *_breaks(
        GATEWAY,
        ("mx1.shop.example", "mx1 shop", "hostname: 'mx1 shop' does not fit"),
        ("protocol: smtp", "protocol: smtpd", "listen[0].protocol: 'smtpd' is not 'smtp'"),
        ("require_tls: true", "require_tls: yes", "listen[0].require_tls: 'yes' is not true"),
        ("cert: cert.pem", "cert: cret.pem", "listen[0].tls.cert: no such file: 'cret.pem'"),
        ('"[::1]:0"', '"localhost:0"', "listen[1].address: 'localhost:0' does not fit"),
        ("workers: 2", "workers: two", "workers: 'two' is not a whole number or 'auto'"),
        (
            "tls: required, user",
            "tls: encrypted, user",
            "warning: next_hops.outbound.tls: the password goes to whoever answers",
        ),
        ("sqlite:var/gateway.db", "gateway.db", "store: not a store"),
        ("timeout: 3s", "timeout: 3", "dns.timeout: 3 does not fit"),
        ("postmaster@inside.example", "root", "administrator: 'root' does not fit"),
        ("second-secret-of-enough-letters", "short", "secret[1]: shorter than 16"),
        ("templates: words", "templates: wrods", "templates: no such folder: 'wrods'"),
        ("message_size: 25MB", "message_size: 25M", "limits.message_size: '25M' does not fit"),
        ("recipients: 50", "recipient: 50", "limits.recipient: unknown key"),
        ("idle: 4m", "idle: 0m", "limits.idle: no time at all"),
        ("memory: 256MB", "memory: 20MB", "limits.memory: each of 2 workers' part"),
        ("loopback: false", "loopback: off", "limits.loopback: 'off' is not true or false"),
        ("use: spf", "use: sfp", "filters[0].use: no filter is called 'sfp'"),
        ("signatures: 3", "signature: 3", "filters[1].signature: dkim has no such option"),
        ("observe: true", "observe: 1", "filters[2].observe: 1 is not true or false"),
        ("fail-reject", "fail-rejct", "filters[3].then.fail-rejct: dmarc never says this"),
        ("model: spam", "model: spma", "filters[4].model: there is no shipped model 'spma'"),
        ("spam: quarantine", "spam: quarantaine", "filters[4].then.spam: 'quarantaine' does"),
        ("use: tone", "use: tone, second_look: ./x", "filters[5].second_look: no such folder"),
        ("irate: tag", "angry: tag", "filters[5].then.angry: tone never says this"),
        ("[forwarder.example]", "forwarder.example", "trusted_sealers: 'forwarder.example' is"),
        ("psl", "pls", "organisational_domain: 'pls' is not 'tree' or 'psl'"),
        ("connections: 5}", "conections: 5}", "next_hops.mailbox.conections: unknown key"),
        ("smtp://legal", "smpt://legal", "next_hops.legal.address: 'smpt://legal"),
        ("tls: required", "tls: none", "next_hops.outbound.tls: a password is never sent"),
        ("outbound: outbound", "outbound: outbuond", "outbound: no next hop is called"),
        ("first: 2m", "first: 4h", "retry.first: 'first' (4h) is longer than 'max' (3h)"),
        ("give_up: 4d", "give_up: 4 days", "retry.give_up: '4 days' does not fit"),
        ("expire: 20d", "expires: 20d", "quarantine.expires: unknown key"),
        ("in_all: 900 per hour", "in_all: 50 per hour", "warning: acknowledgements.per_site:"),
        ("from: dmarc@shop.example", "form: dmarc@shop.example", "dmarc_reports.form: unknown"),
        ("dmarc@shop", "dmarc@third", "dmarc_reports.from: no site signs for this domain"),
        ("format: text", "format: txt", "log.format: 'txt' is not 'json' or 'text'"),
    ),
    *_breaks(
        SHOP,
        ("site: shop", "site: Shop", "site: 'Shop' does not fit"),
        ("name: The Shop", "name:", "name: has no value"),
        ("support@shop.example\nphone", "support@shop.exmaple\nphone", "address: not an address"),
        ('"+1 212 555 0100"', '"1"', "warning: phone: '1' is no telephone number"),
        ("[en, de]", "[en, german]", "languages[1]: 'german' is no language"),
        ("region: US", "region: USA", "region: 'USA' does not fit"),
        ("America/New_York", "America/NewYork", "calendar.timezone: 'America/NewYork' is no"),
        ("9:00-12:30", "9-12:30", "calendar.hours.mon-fri: '9-12:30' is no stretch"),
        ("    sat:", "    saturday:", "calendar.hours.saturday: 'saturday' is no day"),
        ("[US, ", "[USA, ", "calendar.holidays[0]: 'USA' is no holiday"),
        ("2026-12-24", "24.12.2026", "calendar.holidays[1]: '24.12.2026' is no holiday"),
        ("next_hop: mailbox", "next_hop: mialbox", "next_hop: no next hop is called 'mialbox'"),
        ("orders@shop", "orders@shpo", "recipients.list[1]: not an address of this site's"),
        ("file: known.txt", "file: unknown.txt", "recipients.file: no such file"),
        ("{help@shop.example:", "{help:", "aliases.help: 'help' does not fit"),
        (": support@shop.example}", ": suport@shop.example}", "aliases.help@shop.example: no such"),
        ("signing: {domain: shop", "signing: {domain: third", "signing.domain: signs for none"),
        ("selector: gw", "selector: g w", "signing.selector: 'g w' does not fit"),
        ("gw.pem", "cert.pem", "signing.key: the signing key is unreadable"),
        ("(?P<order>\\d{5,10})", "(\\d{5,10})", "orders[0]: no group is called 'order'"),
        ("'RMA(", "'RMA((", "orders[1]: not an RE2 pattern"),
        ("lawyers.example", '"@lawyers.example"', "routes[0].author_domain: never holds"),
        ("X-Priority: '^1'", "'X-Priority:': '^1'", "routes[0].header.X-Priority:…: never holds"),
        ("next_hop: legal", "nexthop: legal", "routes[0].nexthop: unknown key"),
        ("to: billing@", "to: bills@", "warning: routes[1].to: matches nothing: mail to this"),
        ("language: [fr]", "language: [french]", "routes[2].language: never holds"),
        ("tags: [french]", "tags: [French]", "routes[2].tags[0]: 'French' does not fit"),
        ("larger_than: 5MB", "larger_than: 5 MB", "routes[3].larger_than: '5 MB' does not fit"),
        ("call: never", "call: no", "routes[3].call: 'no' is not 'policy', 'always' or 'never'"),
        ("acknowledge: received", "acknowledge: recived", "routes[4].acknowledge: there is no"),
        ("1 working day", "1 workday", "routes[4].answer_within: '1 workday' does not fit"),
        ("at_least: 0.8", "at_least: 8", "calls.when.at_least: 8 does not fit"),
        (
            "[oncall@inside.example]",
            "oncall@inside.example",
            "calls.notify: 'oncall@inside.example' is not a list",
        ),
        ("20 per day", "20 a day", "calls.budget: '20 a day' does not fit"),
        ("plus_address: false", "plus_adress: false", "tags.plus_adress: unknown key"),
        ("unsure: 0.5", "unsure: 0.95", "thresholds.unsure: 'unsure' (0.95) is above 'spam'"),
        ("refuse_at: 0.999", "refuse_at: 0.9", "thresholds.refuse_at: 0.9 is out of range"),
        ("{fail: tag}", "{fali: tag}", "then.spf.fali: spf never says this"),
        ("then: {spf", "then: {spff", "then.spff: no running filter is called 'spff'"),
        ("[192.0.2.7]", "[192.0.2.777]", "form_senders[0].ip[0]: '192.0.2.777' is no IP"),
        ("ip: [192.0.2.7]", "ip: []", "form_senders[0]: anybody could write"),
        ("on_refusal: hold", "on_refusal: keep", "on_refusal: 'keep' is not 'hold' or 'dsn'"),
    ),
    *_breaks(
        HOSTING,
        ("next_hop: mailbox", "nexthop: mailbox", "nexthop: unknown key"),
        ("site: hosting", "site: shop", "site: the site 'shop' stands in shop.yaml, line 1"),
        ("any: true", "all: true", "recipients.all: unknown key"),
        ("acknowledge: welcome", "acknowledge: greeting", "routes[0].acknowledge: there is no"),
    ),
]

HIDES: dict[str, tuple[str, ...]] = {
    # Which templates there are shows only in their folder, and that of a site by its name.
    "templates: wrods": ("acknowledge: recived", "acknowledge: greeting"),
    "site: Shop": ("acknowledge: recived",),
    "site: shop": ("acknowledge: greeting",),
    # A size that cannot be read is neither too large nor too small for another.
    "message_size: 25M": ("memory: 20MB",),
    # Numbers are read by their country.
    "region: USA": ('"1"',),
    # Who is known shows only where all is right that says so.
    "file: unknown.txt": (": suport@shop.example}", "to: bills@"),
    "{help:": (": suport@shop.example}", "to: bills@"),
    # It signs for that domain, then.
    "signing: {domain: third": ("dmarc@third",),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("full")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mx1.shop.example")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=9))
        .not_valid_after(NOW + timedelta(days=90))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("mx1.shop.example")]), False)
        .sign(key, SHA256())
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(Encoding.PEM))
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "key.pem").write_bytes(pem)
    (folder / "gw.pem").write_bytes(make_key("shop.example", "gw", "ed25519").pem)
    for path in folder.glob("*.pem"):
        path.chmod(0o600)
    (folder / "known.txt").write_text("anna@shop.example\n")
    (folder / "words/hosting").mkdir(parents=True)
    for path in SHIPPED.glob("received*.de.txt"):
        welcome = folder / "words/hosting" / path.name.replace("received", "welcome")
        shutil.copy(path, welcome)
    return folder


def told(folder: Path, breaks: Sequence[Break]) -> list[str]:
    """`FILE:LINE: KEY: …` for each problem of the configuration with these breaks."""
    for name, text in FULL.items():
        for each in breaks:
            if each.file == name:
                assert text.count(each.old) >= 1, each
                text = text.replace(each.old, each.new, 1)
        (folder / name).write_text(text)
    problems = inspect(load(folder / GATEWAY, {}), NOW)
    return [str(problem).removeprefix(f"{folder}/") for problem in problems]


def expected(breaks: Sequence[Break]) -> list[str]:
    hidden = {new for each in breaks for new in HIDES.get(each.new, ())}
    return [
        f"{each.file}:{FULL[each.file].count(chr(10), 0, each.span[1]) + 1}: {each.said}"
        for each in breaks
        if each.new not in hidden
    ]


def check(folder: Path, breaks: Sequence[Break]) -> None:
    found, wanted = told(folder, breaks), expected(breaks)
    left = [line for line in found if not any(line.startswith(beginning) for beginning in wanted)]
    assert left == [], breaks
    assert len(found) == len(wanted), (wanted, found)
    assert all("; " in line for line in found), "each with its mend"


def test_it_is_sound(folder: Path) -> None:
    assert told(folder, []) == []


@pytest.mark.parametrize("broken", BREAKS, ids=lambda each: each.new)
def test_one_mistake(folder: Path, broken: Break) -> None:
    check(folder, [broken])


SAME = [
    {"site: Shop", "site: shop"},
    {"then: {spff", "{fali: tag}"},
    {"workers: two", "memory: 20MB"},
]
"""Two mistakes in one thing: what is told of the one goes by the name the other gave it."""


def apart(one: Break, other: Break) -> bool:
    """Whether the two change neither the same text nor the same thing."""
    if {one.new, other.new} in SAME:
        return False
    (file, start, end), (other_file, other_start, other_end) = one.span, other.span
    return file != other_file or end <= other_start or other_end <= start


PAIRS = [pair for pair in combinations(BREAKS, 2) if apart(*pair)]


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(pair=st.sampled_from(PAIRS))
def test_two_mistakes(folder: Path, pair: tuple[Break, Break]) -> None:
    check(folder, pair)
