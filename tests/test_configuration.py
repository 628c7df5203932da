"""The loader: what is right loads; what is wrong is told at once, with its place and the mend."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.configuration import Loaded, load
from gateway.settings import WorkingTime
from gateway.verdict import Action

CONFIG = Path(__file__).parent.parent / "config"

MAIN = """\
hostname: mx1.example.net
listen:
  - {protocol: smtp, address: "127.0.0.1:2525"}
store: sqlite:///var/lib/gateway/gateway.db
next_hops:
  mailbox: {address: "lmtp://127.0.0.1:24"}
sites:
  - shop.yaml
"""
SHOP = """\
site: shop
domains: [shop.example]
next_hop: mailbox
routes:
  - {to: "*@shop.example", acknowledge: received}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, MAIN, SHOP)
    return tmp_path


def write(folder: Path, main: str, shop: str = SHOP) -> Path:
    (folder / "shop.yaml").write_text(shop)
    path = folder / "gateway.yaml"
    path.write_text(main)
    return path


def mistakes(folder: Path, main: str, shop: str = SHOP, **environ: str) -> list[str]:
    """What the loader says, without the folder's name."""
    loaded = load(write(folder, main, shop), environ)
    assert loaded.problems
    assert loaded.settings is None
    return [str(problem).removeprefix(f"{folder}/") for problem in loaded.problems]


def one(folder: Path, main: str, shop: str = SHOP, **environ: str) -> str:
    found = mistakes(folder, main, shop, **environ)
    assert len(found) == 1, found
    return found[0]


def loads(folder: Path, main: str, shop: str = SHOP, **environ: str) -> Loaded:
    loaded = load(write(folder, main, shop), environ)
    assert [str(problem) for problem in loaded.problems] == []
    assert loaded.settings is not None
    return loaded


# --- what is right -------------------------------------------------------------------------------


def test_a_small_configuration_loads(folder: Path) -> None:
    loaded = loads(folder, MAIN)
    assert loaded.settings is not None
    assert loaded.settings.sites[0].site == "shop"
    assert loaded.settings.limits.message_size == 50 << 20
    assert loaded.files == (folder / "gateway.yaml", folder / "shop.yaml")


CONTRACT = r"""
hostname: mx1.example.net                  # EHLO name and authserv-id
listen:
  - {protocol: smtp, address: "0.0.0.0:25"}
workers: auto
store: sqlite:///var/lib/gateway/gateway.db
dns: {nameservers: ["127.0.0.1:5353"], timeout: 5s}
limits: {message_size: 50MB, recipients: 100, connections: 500, connections_per_client: 20,
         idle: 5m, memory: 512MB}
filters:
  - {use: spf}
  - {use: dkim}
  - {use: arc}
  - {use: dmarc}
  - {use: spam, model: spam, then: {spam: quarantine, unsure: tag}}
  - {use: tone, model: tone, then: {irate: tag}}
next_hops:
  mailbox: {address: "lmtp://127.0.0.1:24"}
  outbound: {address: "smtp://smarthost.example:587", user: me, password: !file keys/password}
sites: [shop.yaml]
"""
CONTRACT_SITE = r"""
site: shop
domains: [shop.example]
name: The Shop
languages: [en, de]
region: US                                 # for phone numbers
calendar: {timezone: America/New_York, hours: {mon-fri: "9:00-17:30"}, holidays: US}
next_hop: mailbox
signing: {domain: shop.example, selector: gw, key: !file keys/shop.pem}
orders: ['\b(?:order|#)\s*(?P<order>\d{5,10})']
routes:                                    # first match wins
  - {to: billing@shop.example, deliver_to: [accounts@inside.example],
     acknowledge: received, answer_within: 1 working day}
  - {to: "*@shop.example", acknowledge: received}
calls: {when: {tone: irate, at_least: 0.8}, notify: [oncall@inside.example], within: 30m,
        budget: 20 per day}
tags: {headers: true, plus_address: false, subject: false}
"""


def test_the_contracts_example_loads(folder: Path) -> None:
    (folder / "keys").mkdir()
    (folder / "keys/password").write_text("a pass phrase\n")
    (folder / "keys/shop.pem").write_text("a key\n")
    loaded = loads(folder, CONTRACT, CONTRACT_SITE)
    settings = loaded.settings
    assert settings is not None
    site = settings.sites[0]
    assert settings.next_hops["outbound"].password.get_secret_value() == "a pass phrase"
    assert site.signing is not None
    assert site.signing.key.get_secret_value() == "a key"
    assert settings.filters[4].then == {"spam": Action.QUARANTINE, "unsure": Action.TAG}
    assert settings.filters[4].options == {"model": "spam"}
    assert site.routes[0].answer_within == WorkingTime(amount=1, unit="days")
    assert site.calls.within == timedelta(minutes=30)
    assert site.orders[0].search("ORDER 10423").group("order") == "10423"
    assert folder / "keys/password" in loaded.files


@pytest.mark.parametrize("protocol", ["submission", "lmtp", "milter"])
def test_a_protocol_of_a_later_version_is_refused(folder: Path, protocol: str) -> None:
    main = MAIN.replace("protocol: smtp", f"protocol: {protocol}")
    assert one(folder, main) == (
        f"gateway.yaml:3: listen[0].protocol: '{protocol}' is not built yet; "
        "only smtp is; remove this listener"
    )


@pytest.mark.parametrize("key", ["web", "metrics", "retention"])
def test_a_key_of_a_later_version_is_refused(folder: Path, key: str) -> None:
    said = one(folder, MAIN + f"{key}: {{a: b}}\n")
    assert said.startswith(f"gateway.yaml:9: {key}: not built yet; ")


def test_the_shipped_configuration_loads(tmp_path: Path) -> None:
    loaded = load(CONFIG / "gateway.yaml", {})
    assert [str(problem) for problem in loaded.problems] == []


def test_every_example_in_the_shipped_configuration_loads(tmp_path: Path) -> None:
    """Each `#key: value` is a setting: with all of them in force the configuration is valid."""
    for path in CONFIG.rglob("*.yaml"):
        target = tmp_path / path.relative_to(CONFIG)
        target.parent.mkdir(exist_ok=True)
        target.write_text(re.sub(r"(?m)^( *)#(?=\S)", r"\1", path.read_text()))
    for name in ("keys/fullchain.pem", "keys/privkey.pem", "keys/password", "keys/secret"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("words of a secret")
    (tmp_path / "keys/shop.pem").write_text("words of a key")
    (tmp_path / "sites/recipients.txt").write_text("a@shop.example\n")
    (tmp_path / "templates").mkdir()
    loaded = load(tmp_path / "gateway.yaml", {})
    assert [str(problem) for problem in loaded.problems] == []


def test_an_inline_site(folder: Path) -> None:
    inline = "  - " + SHOP.replace("\n", "\n    ").rstrip() + "\n"
    loaded = loads(folder, MAIN.replace("  - shop.yaml\n", inline))
    assert loaded.settings is not None
    assert loaded.settings.sites[0].domains == ("shop.example",)


# --- words of YAML -------------------------------------------------------------------------------


def test_norway_is_a_country(folder: Path) -> None:
    loaded = loads(folder, MAIN, SHOP + "region: NO\nlanguages: [no, en]\n")
    assert loaded.settings is not None
    assert loaded.settings.sites[0].region == "NO"
    assert loaded.settings.sites[0].languages == ("no", "en")


@pytest.mark.parametrize(("word", "meant"), [("yes", "true"), ("on", "true"), ("No", "false")])
def test_only_true_and_false_are_booleans(folder: Path, word: str, meant: str) -> None:
    assert one(folder, MAIN, SHOP + f"tags: {{headers: {word}}}\n") == (
        f"shop.yaml:6: tags.headers: '{word}' is not true or false; write {meant}, without quotes"
    )


def test_numbers_are_no_texts_and_no_booleans(folder: Path) -> None:
    main = MAIN + 'limits: {connections: true, recipients: "100", depth: 1.5}\n'
    assert mistakes(folder, main, SHOP + "name: 2026\n") == [
        "gateway.yaml:9: limits.recipients: '100' is not a whole number; "
        "write a whole number, without quotes",
        "gateway.yaml:9: limits.connections: true is not a whole number; write a whole number",
        "gateway.yaml:9: limits.depth: 1.5 is not a whole number; write a whole number",
        'shop.yaml:6: name: 2026 is not text; put it in quotes: "2026"',
    ]


def test_times_and_telephone_numbers_stay_as_written(folder: Path) -> None:
    shop = SHOP + "phone: +12125550100\ncalendar:\n  hours:\n    sat: 9:00-12:30\n"
    loaded = loads(folder, MAIN, shop)
    assert loaded.settings is not None
    assert loaded.settings.sites[0].phone == "+12125550100"
    assert loaded.settings.sites[0].calendar.hours == {"sat": "9:00-12:30"}


def test_anchors_aliases_and_merges(folder: Path) -> None:
    shop = """\
site: shop
domains: [shop.example]
next_hop: mailbox
routes:
  - &usual {to: a@shop.example, acknowledge: received, tags: [a]}
  - {<<: *usual, to: b@shop.example}
  - *usual
"""
    loaded = loads(folder, MAIN, shop)
    assert loaded.settings is not None
    routes = loaded.settings.sites[0].routes
    assert [route.to for route in routes] == ["a@shop.example", "b@shop.example", "a@shop.example"]
    assert routes[1].tags == ("a",)


# --- every mistake at once -----------------------------------------------------------------------


def test_every_mistake_at_once_in_two_files(folder: Path) -> None:
    main = """\
hostname: not a host
listen:
  - {address: "nowhere"}
  - {address: "0.0.0.0:25", tls: {cert: none.pem, key: none.pem}}
workers: 0
store: postgresql:joe:a-secret@db/x
limits: {conections: 3, idle: 5 minutes, memory: 1TB}
filters:
  - {use: spv}
  - {use: spf, then: {fail: tagg}}
  - {use: spf}
next_hops:
  mailbox: {address: "lmpt://127.0.0.1:24", connections: 0}
outbound: mailbix
signing: {selector: a}
sites:
  - shop.yaml
  - missing.yaml
  - 5
"""
    shop = """\
site: The Shop
domains: shop.example
next_hop: mailbx
orders: ['(?=look)']
calendar:
aliases: {bad: worse@shop.example}
routes:
  - {answer_within: 1 week, spam: hem, tags: [A B], acknowlege: received}
  - []
then: {tonne: {}}
"""
    assert mistakes(folder, main, shop) == [
        "gateway.yaml:1: hostname: 'not a host' does not fit; "
        "a domain name is wanted, such as shop.example",
        "gateway.yaml:3: listen[0].address: 'nowhere' does not fit; "
        "an address and port are wanted, such as 0.0.0.0:25 or [::1]:2525",
        "gateway.yaml:4: listen[1].tls.cert: no such file: 'none.pem'; "
        "mend the path; it is relative to this file",
        "gateway.yaml:4: listen[1].tls.key: no such file; "
        "mend the path; it is relative to this file",
        "gateway.yaml:5: workers: 0 is out of range; at least 1 is wanted",
        "gateway.yaml:6: store: not a store; "
        "a store is sqlite:///ABSOLUTE/PATH, sqlite:PATH or postgresql://USER@HOST/NAME",
        "gateway.yaml:7: limits.idle: '5 minutes' does not fit; "
        "a duration is a whole number and s, m, h or d, such as 30m",
        "gateway.yaml:7: limits.memory: '1TB' does not fit; "
        "a size is a whole number of octets, or with KB, MB or GB, such as 25MB",
        "gateway.yaml:7: limits.conections: unknown key; did you mean 'connections'?",
        "gateway.yaml:9: filters[0].use: no filter is called 'spv'; did you mean 'spf'?",
        "gateway.yaml:10: filters[1].then.fail: 'tagg' does not fit; "
        "an action is one of deliver, tag, quarantine, defer, refuse",
        "gateway.yaml:11: filters[2].use: the filter 'spf' stands in gateway.yaml, line 10, "
        "already; each may stand once",
        "gateway.yaml:13: next_hops.mailbox.address: 'lmpt://127.0.0.1:24' does not fit; "
        "a next hop is smtp://host:port, smtps://host, lmtp://host:port, maildir:PATH, mx:",
        "gateway.yaml:13: next_hops.mailbox.connections: 0 is out of range; at least 1 is wanted",
        "gateway.yaml:14: outbound: no next hop is called 'mailbix'; did you mean 'mailbox'?",
        "gateway.yaml:15: signing: unknown key here; it belongs to sites[].signing",
        "gateway.yaml:18: sites[1]: 'missing.yaml' cannot be read: no such file or directory; "
        "mend the path; it is relative to this file",
        "gateway.yaml:19: sites[2]: 5 is not a map of keys and values; "
        "write a map of keys and values",
        "shop.yaml:1: site: 'The Shop' does not fit; "
        "a site's name is made of a-z, 0-9, - and _, at most 40 characters",
        "shop.yaml:2: domains: 'shop.example' is not a list; put it in brackets: [shop.example]",
        "shop.yaml:3: next_hop: no next hop is called 'mailbx'; did you mean 'mailbox'?",
        "shop.yaml:4: orders[0]: not an RE2 pattern: invalid perl operator: (?=; "
        "RE2 knows no look-around and no back-references; quote patterns with '…'",
        "shop.yaml:5: calendar: has no value, where a map of keys and values is wanted; "
        "give one, or remove the key",
        "shop.yaml:6: aliases.bad: 'bad' does not fit; "
        "an e-mail address is wanted, such as support@shop.example",
        "shop.yaml:8: routes[0].spam: 'hem' is not 'ham', 'unsure' or 'spam'; did you mean 'ham'?",
        "shop.yaml:8: routes[0].tags[0]: 'A B' does not fit; "
        "a tag is made of a-z, 0-9, '=', '-' and '_', at most 40 characters",
        "shop.yaml:8: routes[0].answer_within: '1 week' does not fit; a duration is a whole "
        "number and s, m, h or d, such as 30m, or '4 working hours', '1 working day'",
        "shop.yaml:8: routes[0].acknowlege: unknown key; did you mean 'acknowledge'?",
        "shop.yaml:9: routes[1]: a list is not a map of keys and values; "
        "write a map of keys and values",
        "shop.yaml:10: then.tonne: no running filter is called 'tonne'; "
        "those under 'filters': spf, spv",
    ]


@pytest.mark.parametrize("key", ["hostname", "listen", "store", "next_hops", "sites"])
def test_a_missing_key(folder: Path, key: str) -> None:
    lines = re.split(r"(?m)^(?=\w)", MAIN)
    main = "".join(line for line in lines if not line.startswith(key))
    said = mistakes(folder, main)
    assert any(line.startswith(f"gateway.yaml:1: {key}: is missing; add here: ") for line in said)


def test_a_missing_key_is_missing_where_its_map_begins(folder: Path) -> None:
    shop = SHOP.replace("next_hop: mailbox\n", "")
    assert (
        one(folder, MAIN, shop) == "shop.yaml:1: next_hop: is missing; add here: next_hop: mailbox"
    )
    listen = MAIN.replace(', address: "127.0.0.1:2525"', "")
    assert one(folder, listen) == (
        "gateway.yaml:3: listen[0].address: is missing; add here: address: …"
    )


def test_doubled_sites_and_domains_name_both_places(folder: Path) -> None:
    (folder / "two.yaml").write_text(SHOP.replace("[shop.example]", "[b.example, SHOP.example.]"))
    assert mistakes(folder, MAIN + "  - two.yaml\n") == [
        "two.yaml:1: site: the site 'shop' stands in shop.yaml, line 1, already; "
        "each may stand once",
        "two.yaml:2: domains[1]: the domain 'SHOP.example.' stands in shop.yaml, line 2, already; "
        "each may stand once",
    ]


def test_a_doubled_key_names_both_lines(folder: Path) -> None:
    assert one(folder, MAIN + "hostname: other.example\n") == (
        "gateway.yaml:9: 'hostname' stands in this map already, at line 1; keep one of the two"
    )


def test_a_doubled_key_hides_none_of_its_second_map(folder: Path) -> None:
    main = MAIN + "limits: {idle: 5m}\nlimits: {idel: 5m, recipients: many}\n"
    assert [line.partition(";")[0] for line in mistakes(folder, main)] == [
        "gateway.yaml:10: 'limits' stands in this map already, at line 9",
        "gateway.yaml:10: limits.recipients: 'many' is not a whole number",
        "gateway.yaml:10: limits.idel: unknown key",
    ]


def test_a_probability_of_a_refusal_below_the_bound(folder: Path) -> None:
    said = one(folder, MAIN, SHOP + "thresholds: {refuse_at: 0.9}\n")
    assert said == (
        "shop.yaml:6: thresholds.refuse_at: 0.9 is out of range; at least 0.99 is wanted"
    )


# --- the file itself -----------------------------------------------------------------------------


def test_no_such_file(tmp_path: Path) -> None:
    loaded = load(tmp_path / "none.yaml", {})
    assert [str(problem) for problem in loaded.problems] == [
        f"{tmp_path}/none.yaml:1: cannot be read: no such file or directory; "
        "name the file with --config FILE"
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [1, 2\nb: 3\n", "gateway.yaml:1: not YAML: "),
        ("a: b\n\tc: d\n", "gateway.yaml:2: not YAML: "),
        ("hostname: 'x\n", "gateway.yaml:1: not YAML: "),
        ("a: *b\n", "gateway.yaml:1: an alias (*name) without its anchor (&name) above; "),
        ("a: 1\n---\nb: 2\n", "gateway.yaml:2: a second document; "),
        ("", "gateway.yaml:1: keys and values are wanted here; "),
        ("- a\n", "gateway.yaml:1: keys and values are wanted here; "),
        ("a: \x01\n", "gateway.yaml:1: a character that YAML forbids; "),
        ("a: {b: ${C}}\n", "gateway.yaml:1: not YAML: "),
    ],
)
def test_what_is_no_yaml(folder: Path, text: str, said: str) -> None:
    first, *others = mistakes(folder, text)
    assert first.startswith(said)
    assert all("is missing" in other or "unknown key" in other for other in others)


def test_what_is_no_yaml_hides_nothing_else(folder: Path) -> None:
    main = MAIN.replace('"lmtp://127.0.0.1:24"', '"lmtp://127.0.0.1:24').replace("mx1.", "mx 1.")
    main += "limits:\n\tidle: 5m\nretry: {frist: 1m}\nwrong: [1, 2\n"
    assert [line.partition(";")[0] for line in mistakes(folder, main, SHOP + "regoin: US\n")] == [
        "gateway.yaml:1: hostname: 'mx 1.example.net' does not fit",
        "gateway.yaml:6: not YAML: while scanning a quoted scalar, found unexpected end of stream",
        "gateway.yaml:10: not YAML: while scanning for the next token, "
        "found character that cannot start any token",
        "gateway.yaml:11: retry.frist: unknown key",
        "gateway.yaml:12: not YAML: while parsing a flow sequence, "
        "did not find expected ',' or ']'",
        "shop.yaml:6: regoin: unknown key",
    ]


ROUTES = """\
routes:
- {to: a@shop.example, acknowlege: received}
- to: b@shop.example
  spam: [spam, unsure
  tune: [irate]
- {to: c@shop.example, tag: [x}
- to: "d@shop.example
- to: e@shop.example
  call: nevr
calls:
  within: 30 minutes
  budget: 5 per day
  notify: [a@inside.example
  phone: 'x
"""


def test_what_is_no_yaml_hides_nothing_else_of_its_key(folder: Path) -> None:
    shop = SHOP[: SHOP.index("routes:")] + ROUTES
    said = mistakes(folder, MAIN, shop)
    first = SHOP[: SHOP.index("routes:")].count("\n")
    found = [line.partition(";")[0].removeprefix("shop.yaml:") for line in said]
    assert [
        f"{int(line.partition(':')[0]) - first}{line[line.index(':') :]}" for line in found
    ] == [
        "2: routes[0].acknowlege: unknown key",
        "4: not YAML: while parsing a flow sequence, did not find expected ',' or ']'",
        "5: routes[1].tune: unknown key",
        "6: not YAML: while parsing a flow sequence, did not find expected ',' or ']'",
        "7: not YAML: while scanning a quoted scalar, found unexpected end of stream",
        "9: routes[4].call: 'nevr' is not 'policy', 'always' or 'never'",
        "11: calls.within: '30 minutes' does not fit",
        "13: not YAML: while parsing a flow sequence, did not find expected ',' or ']'",
        "14: not YAML: while scanning a quoted scalar, found unexpected end of stream",
    ]


def test_a_key_without_its_colon(folder: Path) -> None:
    main = MAIN.replace("hostname: ", "hostname ") + "retry: {frist: 1m}\n"
    assert [line.partition(";")[0] for line in mistakes(folder, main)] == [
        "gateway.yaml:1: no key with a colon and a space behind it",
        "gateway.yaml:9: retry.frist: unknown key",
    ]


def test_not_utf8(folder: Path) -> None:
    path = folder / "gateway.yaml"
    path.write_bytes(b"hostname: mx1\nname: M\xfcller\n")
    assert [str(problem) for problem in load(path, {}).problems] == [
        f"{path}:2: not UTF-8 text; save the file as UTF-8"
    ]


@pytest.mark.parametrize(
    "value", ["!!python/object/apply:os.system [id]", "!!python/name:os.system ''", "!env X"]
)
def test_no_tag_builds_an_object(folder: Path, value: str) -> None:
    said = mistakes(folder, MAIN + f"administrator: {value}\n")
    assert said[0].startswith("gateway.yaml:9: a tag that is not known here; ")


def test_an_alias_bomb_is_bounded(folder: Path) -> None:
    bomb = "a0: &a0 [x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9)
    )
    assert "more than 200000 values" in one(folder, bomb)


def test_depth_is_bounded(folder: Path) -> None:
    assert "nested deeper than 32" in one(folder, "a: " + "[" * 100_000)


def test_a_file_that_is_too_large(folder: Path) -> None:
    said = one(folder, "# " + "x" * (4 << 20))
    assert said.startswith("gateway.yaml:1: cannot be read: it is larger than 4096 KB; ")


def test_a_broken_site_does_not_hide_the_others_mistakes(folder: Path) -> None:
    (folder / "two.yaml").write_text(
        SHOP.replace("shop", "two").replace("[two.example]", "[two.example")
    )
    said = mistakes(folder, MAIN + "  - two.yaml\n", SHOP + "regoin: US\n")
    assert [line.partition(": ")[0] for line in said] == ["shop.yaml:6", "two.yaml:2"]


def test_a_device_is_not_read(folder: Path) -> None:
    said = one(folder, MAIN.replace("shop.yaml", "/dev/zero"))
    assert said.startswith("gateway.yaml:8: sites[0]: '/dev/zero' cannot be read: it is not a file")


# --- secrets and the environment -----------------------------------------------------------------

SECRET = "correct-horse-battery"


def test_values_from_the_environment(folder: Path) -> None:
    main = MAIN.replace("mx1.example.net", "${NAME}").replace("127.0.0.1:2525", "127.0.0.1:${PORT}")
    main += "limits: {recipients: 7}\nlog: {addresses: false}\nworkers: ${WORKERS}\n"
    loaded = loads(folder, main, NAME="mx2.example.net", PORT="2626", WORKERS="3")
    assert loaded.settings is not None
    assert loaded.settings.hostname == "mx2.example.net"
    assert loaded.settings.listen[0].address == "127.0.0.1:2626"
    assert loaded.settings.workers == 3


def test_a_variable_that_is_not_set(folder: Path) -> None:
    said = mistakes(folder, MAIN.replace("mx1.example.net", "${NAME}"))
    assert said[0] == (
        "gateway.yaml:1: hostname: ${NAME} is not set in the environment; "
        "set it, or write $${NAME} for that very text"
    )


def test_the_very_text_of_a_variable(folder: Path) -> None:
    loaded = loads(folder, MAIN, SHOP + "name: The $${NAME} Shop\n")
    assert loaded.settings is not None
    assert loaded.settings.sites[0].name == "The ${NAME} Shop"


@pytest.mark.parametrize(
    "main",
    [
        MAIN.replace("mx1.example.net", "${SECRET} !"),
        MAIN.replace("127.0.0.1:2525", "${SECRET}"),
        MAIN.replace("store: sqlite:///var", "store: ${SECRET}/var"),
        MAIN.replace('"lmtp://127.0.0.1:24"', '"${SECRET}"'),
        MAIN.replace('24"}', f'24", password: [{SECRET}]}}'),
        MAIN.replace('24"}', f'24", user: {{{SECRET}: 1}}}}'),
        MAIN.replace('24"}', f'24", password:{SECRET}}}'),
        MAIN.replace('24"}', f'24", password: !file {SECRET}}}'),
        MAIN + f"store: {SECRET}\n",
        MAIN + f"outbound: ${{SECRET}}\nsecret: [{SECRET}, 5]\n",
        MAIN + "filters: [{use: '${SECRET}'}, {use: '${SECRET}', then: {fail: '${SECRET}'}}]\n",
        MAIN + "templates: ${SECRET}\nadministrator: ${SECRET}\nlog: {level: '${SECRET}'}\n",
        MAIN + "sites: ${SECRET}\n",
        MAIN.replace("shop.yaml", "${SECRET}"),
    ],
)
def test_no_message_repeats_a_secret(folder: Path, main: str) -> None:
    said = "\n".join(mistakes(folder, main, SECRET=SECRET))
    assert SECRET not in said


def test_patterns_and_domains_from_the_environment_stay_secret(folder: Path) -> None:
    shop = SHOP + "orders: ['(${SECRET}']\nlanguages: ${SECRET}\n"
    shop = shop.replace("[shop.example]", "['${SECRET}', '${SECRET}']")
    assert SECRET not in "\n".join(mistakes(folder, MAIN, shop, SECRET=SECRET))


def test_a_secret_file_without_its_last_line_end(folder: Path) -> None:
    (folder / "pw").write_text("a b \n")
    main = MAIN.replace('24"}', '24", password: !file pw}')
    loaded = loads(folder, main)
    assert loaded.settings is not None
    assert loaded.settings.next_hops["mailbox"].password.get_secret_value() == "a b "
    assert SECRET not in repr(loaded.settings)


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda path: None, "no such file or directory"),
        (lambda path: path.mkdir(), "it is a folder"),
        (lambda path: path.write_bytes(b"x" * 70_000), "it is larger than 64 KB"),
        (lambda path: path.write_bytes(b"\xff\xfe"), "not UTF-8 text"),
        (lambda path: path.write_bytes(b"\n"), "empty"),
    ],
)
def test_a_secret_file_in_trouble(folder: Path, make: object, why: str) -> None:
    assert callable(make)
    make(folder / "pw")
    said = one(folder, MAIN.replace('24"}', '24", password: !file pw}'))
    assert said.startswith("gateway.yaml:6: next_hops.mailbox.password: the file named here ")
    assert why in said or why == "not UTF-8 text"


# --- paths ---------------------------------------------------------------------------------------


def test_paths_are_relative_to_the_file_that_names_them(folder: Path) -> None:
    for name in ("sites/keys", "keys", "words", "own-model", "look"):
        (folder / name).mkdir(parents=True)
    for name in ("sites/known.txt", "sites/keys/k.pem", "keys/c.pem", "keys/k.pem"):
        (folder / name).write_text("x")
    (folder / "sites/shop.yaml").write_text(
        SHOP
        + "recipients: {file: known.txt}\n"
        + "signing: {domain: shop.example, selector: a, key: !file keys/k.pem}\n"
    )
    main = (
        MAIN.replace("shop.yaml", "sites/shop.yaml")
        .replace("lmtp://127.0.0.1:24", "maildir:mail/../box")
        .replace('2525"', '2525", tls: {cert: keys/c.pem, key: keys/k.pem}')
        .replace("sqlite:///var/lib/gateway/gateway.db", "sqlite:var/a.db")
    ) + (
        "templates: words\n"
        "filters: [{use: spf}, {use: spam, model: ./own-model}, {use: tone, second_look: ./look}]\n"
    )
    loaded = loads(folder, main)
    settings = loaded.settings
    assert settings is not None
    assert settings.store.get_secret_value() == f"sqlite://{folder}/var/a.db"
    assert settings.next_hops["mailbox"].maildir == folder / "box"
    assert settings.sites[0].recipients.file == folder / "sites/known.txt"
    assert settings.listen[0].tls is not None
    assert settings.listen[0].tls.key == folder / "keys/k.pem"
    assert settings.templates == folder / "words"
    assert settings.filters[1].options == {"model": f"{folder}/own-model"}
    assert settings.filters[2].options == {"second_look": f"{folder}/look"}
    assert loaded.sources.secret_files == {
        ("sites", 0, "signing", "key"): folder / "sites/keys/k.pem"
    }


def test_templates_stand_beside_the_main_file_by_default(folder: Path) -> None:
    loaded = loads(folder, MAIN)
    assert loaded.settings is not None
    assert loaded.settings.templates == folder / "templates"


@pytest.mark.parametrize(
    "store", ["sqlite:", "sqlite://a/b.db", "mysql://x", "gateway.db", "postgresql://"]
)
def test_what_is_no_store(folder: Path, store: str) -> None:
    said = one(folder, MAIN.replace("sqlite:///var/lib/gateway/gateway.db", f'"{store}"'))
    assert said == (
        "gateway.yaml:4: store: not a store; a store is sqlite:///ABSOLUTE/PATH, sqlite:PATH "
        "or postgresql://USER@HOST/NAME"
    )


def test_nothing_in_a_message_commands_a_terminal(folder: Path) -> None:
    shop = SHOP + '"\\e[31mred\\u202e": 1\nname: {"\\x9b": 2}\nregion: "\\e]0;x\\a"\n'
    for line in mistakes(folder, MAIN, shop):
        assert line.isprintable()
