"""What a tired administrator writes, and how he is told to mend it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.check import inspect
from gateway.configuration import load

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
MAIN = """\
hostname: mx1.shop.example
listen: [{address: "127.0.0.1:0"}]
store: sqlite:var/gateway.db
administrator: boss@inside.example
filters: [{use: spf}, {use: dkim}, {use: arc}, {use: dmarc}, {use: spam}]
next_hops: {mailbox: {address: "lmtp://127.0.0.1:24"}}
sites: [shop.yaml]
"""
SHOP = """\
site: shop
domains: [shop.example]
next_hop: mailbox
recipients: {list: [info@shop.example]}
calls: {notify: [lead@inside.example]}
routes: [{to: info@shop.example, acknowledge: received}]
"""


def told(folder: Path, main: str = MAIN, shop: str = SHOP) -> list[str]:
    (folder / "gateway.yaml").write_text(main)
    (folder / "shop.yaml").write_text(shop)
    problems = inspect(load(folder / "gateway.yaml", {}), NOW)
    return [str(problem).removeprefix(f"{folder}/") for problem in problems]


def test_it_is_sound(tmp_path: Path) -> None:
    assert told(tmp_path) == []


@pytest.mark.parametrize(
    ("old", "new", "mend"),
    [
        ('[{address: "127.0.0.1:0"}]', '["127.0.0.1:0"]', 'write {address: "127.0.0.1:0"}'),
        ("{use: spf}", "spf", "write {use: spf}"),
        ('{address: "lmtp://127.0.0.1:24"}', '"lmtp://10.0.0.5:24"', "write {address: "),
        ("{use: spf}", "{use: spf, then: {fail: reject}}", "did you mean refuse?"),
        ("{use: spam}", "{use: spam, treshold: 0.9}", "'thresholds' belongs to sites[].thr"),
        ("{use: spam}", "{use: spam, model: spma}", "did you mean 'spam'?"),
        ("{use: spam}", "{use: spam, timelimit: 5s}", "did you mean 'time_limit'?"),
        ("hostname: mx1.shop.example\n", "", "add here: hostname: mx1.shop.example"),
        ("sqlite:var/gateway.db", "var/gateway.db", "a store is sqlite:///ABSOLUTE/PATH"),
        ('24"}}', '25"}}', "write smtp://, or the port of the LMTP service, often 24"),
        ('24"}}', '24", user: a}}', "add 'password', or remove both"),
        ('24"}}', '24", mta_sts: true}}', "remove it"),
        ('24"}}', '24", tls: none, tls_name: a.example}}', "remove it"),
        ("hostname: mx1.shop.example", "hostname: localhost", "give the name that your MX"),
    ],
)
def test_the_main_file(tmp_path: Path, old: str, new: str, mend: str) -> None:
    (found,) = told(tmp_path, MAIN.replace(old, new, 1))
    assert f"; {mend}" in found


@pytest.mark.parametrize(
    ("old", "new", "mend"),
    [
        ("{list: [info@shop.example]}", "[info@shop.example]", "write {list: …}"),
        ("{notify: [lead@inside.example]}", "[lead@inside.example]", "write {notify: …}"),
        ("{notify: [lead@inside.example]}", "{notify: [help@shop.example]}", "add it to 'rec"),
        ("site: shop", "site: shop\nregion: uk", "write GB"),
        ("site: shop", "site: shop\nregion: UK", "did you mean GB?"),
        ("site: shop", "site: shop\nlanguages: [en_GB]", "write en-GB"),
        ("site: shop", "site: shop\nlanguages: [German]", "write de"),
        ("site: shop", "site: shop\nthresholds: {spam: 95%}", "write 0.95"),
        ("site: shop", "site: shop\nthen: {tone: {irate: tag}}", "add '- {use: tone}' under"),
        ("site: shop", "site: shop\nvip: a@b.example", "put it in brackets: [a@b.example]"),
        (
            "site: shop",
            "site: shop\nsigning: {domain: shop.example, selector: a, key: keys/a.pem}",
            "let the file be read: key: !file PATH",
        ),
        ("[{to: info@shop.example,", "[{to: info@shop.example, hold: true,", "remove 'hold' or"),
        ("acknowledge: received", "answer_within: 2h", "add 'acknowledge: received', or remove"),
        ("site: shop", "site: shop\ncalendar: {hours: {mon-fri: '9:00-17:00', fri: '9:00-15:00'}}",
         "name each day once"),
        ("site: shop", "site: shop\naliases: {a@shop.example: b@shop.example, b@shop.example: "
         "info@shop.example}", "name the mailbox itself"),
        ("site: shop", "site: shop\naliases: {a@shop.example: box@gmail.example}",
         "for mail that goes elsewhere write a route with 'deliver_to'"),
        ("[shop.example]\n", "shop.example\n", "put it in brackets: [shop.example]"),
    ],
)  # fmt: skip
def test_a_site(tmp_path: Path, old: str, new: str, mend: str) -> None:
    (found,) = told(tmp_path, MAIN, SHOP.replace(old, new, 1))
    assert f"; {mend}" in found


def test_sites_as_a_map_by_their_names(tmp_path: Path) -> None:
    lines = SHOP.replace("site: shop\n", "").replace("mailbox", "mialbox").splitlines()
    main = MAIN.replace("[shop.yaml]", "") + "  shop:\n" + "".join(f"    {li}\n" for li in lines)
    assert [line.partition(";")[0] for line in told(tmp_path, main)] == [
        "gateway.yaml:7: sites: a map is not a list",
        "gateway.yaml:10: sites.shop.next_hop: no next hop is called 'mialbox'",
    ]


def test_an_empty_main_file_wants_no_site(tmp_path: Path) -> None:
    (found,) = told(tmp_path, "# nothing yet\n")
    assert "hostname: mx1.shop.example" in found
    assert "site:" not in found
    (found,) = told(tmp_path, MAIN, "")
    assert found.startswith("shop.yaml:1: ")
    assert "'site: shop'" in found


def test_each_part_of_the_memory_must_hold_a_message(tmp_path: Path) -> None:
    (found,) = told(tmp_path, MAIN + "workers: 4\nlimits: {memory: 100MB}\n")
    assert "each of 4 workers' part of 'memory' (25MB) is less than 'message_size' (50MB)" in found


ALWAYS = SHOP.replace("acknowledge: received", "call: always")


@pytest.mark.parametrize(("budget", "few"), [(0, False), (1, True), (3, True), (4, False)])
def test_a_budget_of_which_a_quarter_is_nothing(tmp_path: Path, budget: int, few: bool) -> None:
    shop = ALWAYS.replace("inside.example]}", f"inside.example], budget: {budget} per day}}")
    problems = told(tmp_path, shop=shop)
    assert len(problems) == few
    assert all("calls.budget: no card at all for a sender" in each for each in problems)
