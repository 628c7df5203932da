"""The world around the demonstration: keys made now, a DNS zone, and the configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.demo.letters import GENUINE, LETTERS
from gateway.identity.signing import NewKey, Signer, make_key

SELECTOR = "demo"
SITES = ("shop", "hosting")


@dataclass(frozen=True, slots=True)
class World:
    """Who can sign for whom, and what the DNS says about them."""

    senders: Mapping[str, Signer]
    """By domain."""
    site_keys: Mapping[str, NewKey]
    """By site."""
    zone: Mapping[str, Mapping[str, Sequence[str]]]


def make_world() -> World:
    """Keys for every sender that signs and for both sites, and the records that publish them."""
    zone: dict[str, dict[str, Sequence[str]]] = {}
    senders: dict[str, Signer] = {}
    for domain in dict.fromkeys(letter.domain for letter in LETTERS):
        key = make_key(domain, SELECTOR, "ed25519" if len(senders) % 3 == 2 else "rsa")
        senders[domain] = Signer(domain, SELECTOR, key.pem)
        zone[key.name] = {"TXT": [key.record]}
        zone[domain] = {
            "TXT": [f"v=spf1 ip4:{GENUINE} -all"],
            "MX": [f"10 mx.{domain}"],
            "A": [GENUINE],
        }
        zone[f"_dmarc.{domain}"] = {"TXT": ["v=DMARC1; p=none"]}
    site_keys = {}
    for site in SITES:
        domain = f"{site}.example"
        site_keys[site] = key = make_key(domain, SELECTOR)
        zone[key.name] = {"TXT": [key.record]}
        zone[domain] = {"TXT": ["v=spf1 ip4:127.0.0.1 -all"], "MX": ["10 mx1.demo.example"]}
        zone[f"_dmarc.{domain}"] = {"TXT": ["v=DMARC1; p=quarantine"]}
    zone["mx1.demo.example"] = {"A": ["127.0.0.1"]}
    zone["1.0.0.127.in-addr.arpa"] = {"PTR": ["mx1.demo.example"]}
    return World(senders, site_keys, zone)


MAIN = """\
# The configuration this demonstration ran with: `gateway explain --config` works on it, as long
# as you allow for its name server being gone.
hostname: mx1.demo.example
listen:
  - {{protocol: smtp, address: "127.0.0.1:0"}}
store: sqlite:gateway.db
dns: {{nameservers: ["{dns}"], timeout: 2s}}
administrator: admin@inside.example
filters:
  - {{use: spf}}
  - {{use: dkim}}
  - {{use: arc}}
  - {{use: dmarc}}
  - {{use: spam, model: spam, then: {{spam: quarantine, unsure: tag}}}}
  - {{use: tone, model: tone, then: {{irate: tag}}}}
next_hops:
  mailbox: {{address: "maildir:mailbox"}}
  outbound: {{address: "maildir:acknowledgements"}}
sites: [shop.yaml, hosting.yaml]
log: {{level: info, format: json}}
"""

SITE = """\
site: {site}
domains: [{site}.example]
name: {name}
phone: "+1 555 010 0100"
languages: [en, de]
region: US
calendar: {{timezone: UTC, hours: {{mon-sun: "0:00-24:00"}}}}
next_hop: mailbox
signing: {{domain: {site}.example, selector: {selector}, key: !file {site}.pem}}
orders: ['\\b(?:order|Bestellung|#)\\s*(?P<order>\\d{{5,10}})']
routes:
  - {{name: billing, to: billing@{site}.example, deliver_to: [accounts@inside.example],
     acknowledge: received, answer_within: 4h}}
  - {{name: everything, to: "*@{site}.example", acknowledge: received, answer_within: 8h}}
calls: {{when: {{tone: irate, at_least: 0.8}}, notify: [oncall@inside.example], within: 30m,
        budget: 20 per day}}
"""


def write_configuration(folder: Path, world: World, dns: str) -> Path:
    """Write the YAML and the sites' keys into `folder`; gives the main file."""
    for site, name in (("shop", "The Shop"), ("hosting", "Harbour Hosting")):
        key = folder / f"{site}.pem"
        key.touch(mode=0o600)
        key.write_bytes(world.site_keys[site].pem)
        text = SITE.format(site=site, name=name, selector=SELECTOR)
        (folder / f"{site}.yaml").write_text(text, "utf-8")
    main = folder / "gateway.yaml"
    main.write_text(MAIN.format(dns=dns), "utf-8")
    return main
