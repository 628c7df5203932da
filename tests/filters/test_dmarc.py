from __future__ import annotations

import pytest

from gateway.filters import Services
from gateway.filters.dmarc import build
from gateway.resolver import DnsError, Zone
from gateway.verdict import Action, Policy, Verdict, decide


def zone_of(**records) -> dict:
    """`shop="p=reject"` publishes v=DMARC1; p=reject at _dmarc.shop.example."""
    zone: dict = {"shop.example": {"A": ["192.0.2.1"]}, "mail.shop.example": {"A": ["192.0.2.1"]}}
    for name, text in records.items():
        full = name.replace("__", "-").replace("_", ".")
        full = "example" if full == "example" else f"{full}.example"
        texts = [text] if isinstance(text, str) else text
        record = texts if texts is DnsError else [f"v=DMARC1; {one}" for one in texts]
        zone[f"_dmarc.{full}"] = {"TXT": record}
    return zone


def spf(result: str, domain: str) -> Verdict:
    return Verdict(result, details={"result": result, "domain": domain})


def dkim(*signatures: tuple[str, str]) -> Verdict:
    entries = [{"result": result, "domain": domain} for result, domain in signatures]
    return Verdict(signatures[0][0] if signatures else "none", details={"signatures": entries})


async def judge(
    arrive,
    zone,
    author="jane@shop.example",
    options=None,
    reverse_path="x@other.example",
    **verdicts,
) -> Verdict:
    resolver = Zone(zone) if isinstance(zone, dict) else zone
    fields = author if isinstance(author, bytes) else f"From: {author}\r\n".encode()
    message = arrive(fields + b"\r\n", reverse_path=reverse_path)
    return await build(options or {}, Services(resolver, None)).examine(message, verdicts)


def seen(verdict: Verdict) -> tuple:
    return (
        verdict.result,
        verdict.details["domain"],
        verdict.details["policy"],
        verdict.details["aligned"],
    )


@pytest.mark.parametrize(
    ("domain", "aligned"),
    [
        ("shop.example", True),
        ("mail.shop.example", True),
        ("SHOP.example", True),
        ("notshop.example", False),
        ("other.example", False),
        ("example", False),
        ("shop.example.evil", False),
    ],
)
@pytest.mark.parametrize("method", ["spf", "dkim"])
async def test_relaxed_alignment(arrive, method, domain, aligned):
    passed = {"spf": spf("pass", domain)} if method == "spf" else {"dkim": dkim(("pass", domain))}
    verdict = await judge(arrive, zone_of(shop="p=reject"), **passed)
    assert seen(verdict) == ("pass" if aligned else "fail", "shop.example", "reject", aligned)
    assert verdict.details["spf_aligned"] is (aligned and method == "spf")
    assert verdict.details["dkim_aligned"] is (aligned and method == "dkim")


@pytest.mark.parametrize(
    ("record", "domain", "result"),
    [
        ("p=reject; adkim=s", "mail.shop.example", "fail"),
        ("p=reject; adkim=S", "mail.shop.example", "fail"),
        ("p=reject; adkim=s", "shop.example", "pass"),
        ("p=reject; adkim=x", "mail.shop.example", "pass"),
        ("p=reject; aspf=s", "mail.shop.example", "pass"),
    ],
)
async def test_strict_dkim(arrive, record, domain, result):
    verdict = await judge(arrive, zone_of(shop=record), dkim=dkim(("pass", domain)))
    assert verdict.result == result


async def test_strict_spf(arrive):
    zone = zone_of(shop="p=reject; aspf=s")
    assert (await judge(arrive, zone, spf=spf("pass", "mail.shop.example"))).result == "fail"
    assert (await judge(arrive, zone, spf=spf("pass", "shop.example"))).result == "pass"


@pytest.mark.parametrize("word", ["fail", "none", "neutral", "policy", "permerror", "softfail"])
async def test_only_a_pass_counts(arrive, word):
    verdict = await judge(
        arrive,
        zone_of(shop="p=none"),
        dkim=dkim((word, "shop.example")),
        spf=spf(word, "shop.example"),
    )
    assert seen(verdict) == ("fail", "shop.example", "none", False)
    assert verdict.reason == "neither SPF nor DKIM passed"


async def test_one_good_signature_among_bad_ones(arrive):
    found = dkim(("fail", "shop.example"), ("pass", "other.example"), ("pass", "shop.example"))
    verdict = await judge(arrive, zone_of(shop="p=reject"), dkim=found)
    assert verdict.result == "pass"
    assert verdict.details["aligned_domain"] == "shop.example"


async def test_the_reason_says_what_passed_in_vain(arrive):
    verdict = await judge(arrive, zone_of(shop="p=reject"), dkim=dkim(("pass", "esp.example")))
    assert verdict.reason == "dkim of esp.example passed but is not aligned with shop.example"


@pytest.mark.parametrize(
    ("author", "records", "expected"),
    [
        # The author domain's own record comes first (4.10.1).
        ("a.shop.example", {"a_shop": "p=none", "shop": "p=reject"}, ("a.shop.example", "none")),
        (
            "shop.example",
            {"shop": "p=quarantine; sp=reject; np=none"},
            ("shop.example", "quarantine"),
        ),
        # Then the organisational domain's, with sp for what exists and np for what does not.
        (
            "mail.shop.example",
            {"shop": "p=quarantine; sp=reject; np=none"},
            ("shop.example", "reject"),
        ),
        (
            "no.shop.example",
            {"shop": "p=quarantine; sp=none; np=reject"},
            ("shop.example", "reject"),
        ),
        ("no.shop.example", {"shop": "p=quarantine; sp=reject"}, ("shop.example", "reject")),
        ("no.shop.example", {"shop": "p=quarantine; np=reject"}, ("shop.example", "reject")),
        ("mail.shop.example", {"shop": "p=quarantine; np=reject"}, ("shop.example", "quarantine")),
        ("no.shop.example", {"shop": "p=quarantine"}, ("shop.example", "quarantine")),
        # Not one in between: the walk goes on to the top.
        ("a.b.shop.example", {"b_shop": "p=none", "shop": "p=reject"}, ("shop.example", "reject")),
        # psd=n draws the border, also below a record.
        (
            "a.b.shop.example",
            {"b_shop": "p=none; psd=n", "shop": "p=reject"},
            ("b.shop.example", "none"),
        ),
        # psd=y: the organisation is one below, and the suffix speaks only if that is silent.
        (
            "a.shop.example",
            {"shop": "p=none", "example": "p=reject; psd=y"},
            ("shop.example", "none"),
        ),
        ("shop.example", {"example": "p=none; sp=reject; psd=y"}, ("example", "reject")),
        ("a.no.example", {"example": "p=none; sp=none; np=reject; psd=y"}, ("example", "reject")),
        (
            "a.b.shop.example",
            {"b_shop": "p=none", "example": "p=reject; psd=y"},
            ("example", "reject"),
        ),
        # Several records at one name are none at all, and the walk goes on.
        (
            "a.shop.example",
            {"a_shop": ["p=none", "p=none"], "shop": "p=reject"},
            ("shop.example", "reject"),
        ),
        # Case, space and junk.
        ("shop.example", {"shop": " P = REJECT ;; ;x;=;p=none"}, ("shop.example", "reject")),
        (
            "shop.example",
            {"shop": "p=reject; psd=x; t=x; adkim=; rua="},
            ("shop.example", "reject"),
        ),
        # No valid p, sp or np: p=none where somebody reads reports.
        ("shop.example", {"shop": "p=rejct; rua=mailto:a@b.example"}, ("shop.example", "none")),
        ("shop.example", {"shop": "rua=mailto:a@b.example"}, ("shop.example", "none")),
        (
            "shop.example",
            {"shop": "p=reject; sp=x; rua=mailto:a@b.example"},
            ("shop.example", "none"),
        ),
        (
            "shop.example",
            {"shop": "p=reject; np=; rua=https://b.example/x"},
            ("shop.example", "none"),
        ),
    ],
)
async def test_which_policy_applies(arrive, author, records, expected):
    verdict = await judge(arrive, zone_of(**records), author=f"jane@{author}")
    assert (verdict.result, verdict.details["domain"], verdict.details["policy"]) == (
        "fail",
        *expected,
    )


@pytest.mark.parametrize(
    "records",
    [
        {},
        {"shop": ["p=reject", "p=reject"]},
        {"shop": "p=rejct"},
        {"shop": "p=reject; sp=x; rua=nobody"},
        {"shop": "p=reject; np=x; rua=mailto:"},
        {"shop": ""},
    ],
)
async def test_no_policy_at_all(arrive, records):
    verdict = await judge(arrive, zone_of(**records), dkim=dkim(("pass", "shop.example")))
    assert seen(verdict) == ("none", "shop.example", None, True)


@pytest.mark.parametrize(
    "text",
    [
        "v=DMARC2; p=reject",
        "v=dmarc1; p=reject",
        "p=reject; v=DMARC1",
        "v=DMARC1x; p=reject",
        " v=DMARC1; p=reject",
        "v=spf1 -all",
        "",
    ],
)
async def test_what_is_no_dmarc_record(arrive, text):
    verdict = await judge(arrive, {"_dmarc.shop.example": {"TXT": [text]}})
    assert verdict.result == "none"


async def test_other_texts_beside_the_record_do_not_matter(arrive):
    texts = ["google-site=x", "v=DMARC1; p=reject", "v=spf1 -all"]
    verdict = await judge(arrive, {"_dmarc.shop.example": {"TXT": texts}})
    assert seen(verdict)[:3] == ("fail", "shop.example", "reject")


@pytest.mark.parametrize(
    ("author", "domain", "aligned"),
    [
        # The border of psd=n separates what is below from what is above and beside.
        ("jane@b.shop.example", "shop.example", False),
        ("jane@shop.example", "b.shop.example", False),
        ("jane@a.b.shop.example", "b.shop.example", True),
        ("jane@a.b.shop.example", "c.shop.example", False),
        ("jane@c.shop.example", "shop.example", True),
    ],
)
async def test_alignment_and_psd_n(arrive, author, domain, aligned):
    zone = zone_of(shop="p=reject", b_shop="p=reject; psd=n")
    verdict = await judge(arrive, zone, author=author, dkim=dkim(("pass", domain)))
    assert verdict.result == ("pass" if aligned else "fail")


async def test_customers_of_one_suffix_are_not_one_organisation(arrive):
    zone = zone_of(example="p=reject; psd=y")
    assert (await judge(arrive, zone, dkim=dkim(("pass", "other.example")))).result == "fail"
    assert (await judge(arrive, zone, dkim=dkim(("pass", "x.shop.example")))).result == "pass"


async def test_a_long_name_costs_eight_queries(arrive):
    zone = Zone(zone_of(shop="p=reject"))
    name = "a.b.c.d.e.f.g.h.i.j.mail.shop.example"
    verdict = await judge(arrive, zone, author=f"jane@{name}")
    asked = [asked for asked, kind in zone.asked if asked.startswith("_dmarc.")]
    assert verdict.details["domain"] == "shop.example"
    # (The first is asked for once more; the resolver remembers it.)
    assert list(dict.fromkeys(asked)) == [
        f"_dmarc.{name}",
        "_dmarc.g.h.i.j.mail.shop.example",
        "_dmarc.h.i.j.mail.shop.example",
        "_dmarc.i.j.mail.shop.example",
        "_dmarc.j.mail.shop.example",
        "_dmarc.mail.shop.example",
        "_dmarc.shop.example",
        "_dmarc.example",
    ]


@pytest.mark.parametrize("word", ["quarantine", "reject", "none"])
async def test_test_mode_lowers_what_is_applied(arrive, word):
    verdict = await judge(arrive, zone_of(shop=f"p={word}; t=y"))
    lower = {"reject": "quarantine", "quarantine": "none", "none": "none"}[word]
    assert (verdict.details["policy"], verdict.details["applied"]) == (word, lower)
    then = {"dmarc": {"fail-reject": Action.REFUSE, "fail-quarantine": Action.QUARANTINE}}
    action = {"quarantine": Action.QUARANTINE, "none": Action.DELIVER}[lower]
    assert decide({"dmarc": verdict}, Policy(then=then)).action is action


@pytest.mark.parametrize(
    "zone", [zone_of(shop=DnsError), {"_dmarc.shop.example": {"TXT": DnsError}}]
)
async def test_no_answer_about_the_policy_is_temperror(arrive, zone):
    verdict = await judge(arrive, zone)
    assert (verdict.result, verdict.details["policy"], verdict.details["aligned"]) == (
        "temperror",
        None,
        False,
    )
    verdict = await judge(arrive, zone, dkim=dkim(("pass", "shop.example")))
    assert (verdict.result, verdict.details["aligned"]) == ("temperror", True)


async def test_trouble_above_the_authors_own_record_does_not_matter(arrive):
    zone = zone_of(shop="p=reject", example=DnsError)
    assert (await judge(arrive, zone)).result == "fail"
    assert (await judge(arrive, zone, dkim=dkim(("pass", "other.example")))).result == "fail"
    assert (await judge(arrive, zone, dkim=dkim(("pass", "x.shop.example")))).result == "pass"
    sub = zone_of(a_shop="p=reject", shop=DnsError)
    found = dkim(("pass", "a.shop.example"))
    assert (await judge(arrive, sub, author="j@a.shop.example", dkim=found)).result == "pass"
    found = dkim(("pass", "b.shop.example"))
    assert (await judge(arrive, sub, author="j@a.shop.example", dkim=found)).result == "temperror"
    assert (await judge(arrive, sub, author="j@b.shop.example")).result == "temperror"


async def test_trouble_at_an_aligned_identifier_is_temperror(arrive):
    zone = zone_of(shop="p=reject")
    for verdicts in (
        {"dkim": dkim(("temperror", "shop.example"))},
        {"spf": spf("temperror", "mail.shop.example")},
        {"dkim": Verdict("temperror", "timeout")},
        {"spf": Verdict("temperror", "timeout"), "reverse_path": "x@shop.example"},
    ):
        verdict = await judge(arrive, zone, **verdicts)
        assert (verdict.result, verdict.details["aligned"]) == ("temperror", False)
    for verdicts in (
        {"dkim": dkim(("temperror", "other.example"))},
        {"spf": spf("temperror", "other.example")},
    ):
        assert (await judge(arrive, zone, **verdicts)).result == "fail"
    verdict = await judge(
        arrive, zone, dkim=dkim(("temperror", "shop.example")), spf=spf("pass", "shop.example")
    )
    assert verdict.result == "pass"


@pytest.mark.parametrize(
    "author",
    [
        b"",
        b"From: \r\n",
        b"From: nobody\r\n",
        b"From: a@localhost\r\n",
        b"From: a@[192.0.2.1]\r\n",
        b"From: a@" + b"x" * 64 + b".example\r\n",
        b"From: a@" + b"x." * 200 + b"example\r\n",
    ],
)
async def test_no_author_domain(arrive, author):
    verdict = await judge(
        arrive, zone_of(shop="p=reject"), author=author, dkim=dkim(("pass", "x.example"))
    )
    assert seen(verdict) == ("none", "", None, False)


async def test_several_authors_of_one_domain_are_one_author_domain(arrive):
    verdict = await judge(
        arrive,
        zone_of(shop="p=reject"),
        author="a@shop.example, b@SHOP.example",
        dkim=dkim(("pass", "shop.example")),
    )
    assert verdict.result == "pass"


@pytest.mark.parametrize(
    ("author", "expected"),
    [
        # RFC 9989, 11.5: the strictest policy among those that fail; nobody is proven.
        ("a@evil.example, b@shop.example", ("fail", "shop.example", "reject", False)),
        ("a@shop.example, b@evil.example", ("fail", "shop.example", "reject", False)),
        ("a@weak.example, b@shop.example", ("fail", "shop.example", "reject", False)),
        ("a@evil.example, b@none.example", ("none", "evil.example", None, False)),
    ],
)
async def test_several_author_domains(arrive, author, expected):
    zone = zone_of(shop="p=reject", weak="p=none")
    verdict = await judge(arrive, zone, author=author, dkim=dkim(("pass", "evil.example")))
    assert seen(verdict) == expected
    two = f"From: {author.split(', ')[0]}\r\nFrom: {author.split(', ')[1]}\r\n".encode()
    verdict = await judge(arrive, zone, author=two, dkim=dkim(("pass", "evil.example")))
    assert seen(verdict) == expected


async def test_a_thousand_author_domains_cost_little(arrive):
    zone = Zone({})
    author = ", ".join(f"a@{n}.example" for n in range(1000))
    assert (await judge(arrive, zone, author=author)).result == "none"
    assert len(zone.asked) < 20


@pytest.mark.parametrize("author", ["jane@Müller.example", "jane@xn--mller-kva.example"])
@pytest.mark.parametrize("domain", ["müller.example", "xn--mller-kva.example"])
async def test_u_labels(arrive, author, domain):
    zone = {"_dmarc.xn--mller-kva.example": {"TXT": ["v=DMARC1; p=reject"]}}
    verdict = await judge(arrive, zone, author=author, dkim=dkim(("pass", domain)))
    assert verdict.result == "pass"


@pytest.mark.parametrize(
    ("author", "domain", "aligned"),
    [
        ("jane@shop.co.uk", "mail.shop.co.uk", True),
        ("jane@shop.co.uk", "other.co.uk", False),
        ("jane@co.uk", "shop.co.uk", False),
        ("jane@shop.example", "mail.shop.example", True),
    ],
)
async def test_without_any_record_the_suffix_list_tells_who_belongs_together(
    arrive, author, domain, aligned
):
    verdict = await judge(arrive, {}, author=author, dkim=dkim(("pass", domain)))
    assert (verdict.result, verdict.details["aligned"]) == ("none", aligned)


async def test_the_suffix_list_as_an_option(arrive):
    zone = {"_dmarc.shop.co.uk": {"TXT": ["v=DMARC1; p=reject; sp=quarantine"]}}
    options = {"organisational_domain": "psl"}
    found = dkim(("pass", "b.shop.co.uk"))
    verdict = await judge(arrive, zone, "jane@x.a.shop.co.uk", options, dkim=found)
    assert seen(verdict) == ("pass", "shop.co.uk", "quarantine", True)
    found = dkim(("pass", "other.co.uk"))
    verdict = await judge(arrive, zone, "jane@x.a.shop.co.uk", options, dkim=found)
    assert seen(verdict) == ("fail", "shop.co.uk", "quarantine", False)
    with pytest.raises(ValueError, match="tree or psl"):
        build({"organisational_domain": "x"}, Services(Zone({}), None))


async def test_a_trusted_sealer_speaks_for_the_author(arrive):
    arc = Verdict("pass", details={"trusted_authors": {"shop.example": "list.example"}})
    verdict = await judge(arrive, zone_of(shop="p=reject"), arc=arc)
    assert seen(verdict) == ("fail", "shop.example", "reject", True)
    assert verdict.details["applied"] == "none"
    assert verdict.reason == "neither SPF nor DKIM passed; list.example vouches for the author"
    then = {"dmarc": {"fail-reject": Action.REFUSE}}
    assert decide({"dmarc": verdict}, Policy(then=then)).action is Action.DELIVER
    for other in (
        Verdict("fail", details={"trusted_authors": {"shop.example": "list.example"}}),
        Verdict("pass", details={"trusted_authors": {"other.example": "list.example"}}),
        Verdict("pass", details={"trusted_authors": {}}),
        Verdict("temperror", "timeout"),
    ):
        verdict = await judge(arrive, zone_of(shop="p=reject"), arc=other)
        assert (verdict.details["aligned"], verdict.details["applied"]) == (False, "reject")


async def test_the_statement(arrive):
    verdict = await judge(arrive, zone_of(shop="p=reject"), dkim=dkim(("pass", "shop.example")))
    (statement,) = verdict.statements
    assert (statement.method, statement.result) == ("dmarc", "pass")
    assert statement.properties == (("header.from", "shop.example"),)


@pytest.mark.parametrize(
    ("record", "domains", "methods"),
    [
        # (dkim's domain, spf's domain), and which of the two a report calls aligned
        ("p=reject; rua=mailto:r@x.example", ("shop.example", "shop.example"), {"dkim", "spf"}),
        ("p=reject; rua=mailto:r@x.example", ("shop.example", "b.shop.example"), {"dkim", "spf"}),
        ("p=reject; rua=mailto:r@x.example", ("b.shop.example", "shop.example"), {"dkim", "spf"}),
        ("p=reject; rua=mailto:r@x.example", ("shop.example", "esp.example"), {"dkim"}),
        ("p=reject; aspf=s; rua=mailto:r@x.example", ("shop.example", "b.shop.example"), {"dkim"}),
    ],
)  # fmt: skip
async def test_a_report_tells_both_methods(arrive, record, domains, methods):
    passed = {"dkim": dkim(("pass", domains[0])), "spf": spf("pass", domains[1])}
    details = (await judge(arrive, zone_of(shop=record), **passed)).details
    assert details["reports"] is True
    assert {name for name in ("dkim", "spf") if details[f"{name}_aligned"]} == methods


async def test_who_wants_no_report_costs_no_walk(arrive):
    zone = Zone(zone_of(shop="p=reject"))
    passed = {"dkim": dkim(("pass", "shop.example")), "spf": spf("pass", "b.shop.example")}
    assert (await judge(arrive, zone, **passed)).details["reports"] is False
    assert zone.asked == [("_dmarc.shop.example", "TXT")]


BESIDE = b"From: x@shop.example\r\n"
PASSED = {"spf": spf("pass", "shop.example")}


@pytest.mark.parametrize(
    "fields",
    [
        b"From: Boss <boss@localhost>, x@shop.example\r\n",
        b"From: x@shop.example, boss@[192.0.2.5]\r\n",
        b"From: boss@bank.example@shop.example\r\n",
        b'From: <"a"@bank.example."b"@shop.example>\r\n',
        b'From: "<x@shop.example> <boss@bank.example>\r\n',
        b"From: <boss@bank.example\x00.shop.example>\r\n",
        b"From: boss@bank.example(x).shop.example\r\n",
        b"From: boss@bank.example>.shop.example\r\n",
        b"From: x@shop.example . bank.example\r\n",
        b"From: <x@shop.example>boss@bank.example\r\n",
        b"From: x@shop.example, (" + b"a" * 70_000 + b") boss@bank.example\r\n",
        b"From: " + b"x@shop.example, " * 1000 + b"boss@bank.example\r\n",
        b"From: x@shop.example\r\n" * 1001 + b"From: boss@bank.example\r\n",
        BESIDE + b"X: 1\r\n" * 1000 + b"From: boss@bank.example\r\n",
        BESIDE + b"X: 1\r\n" * 10_000 + b"from : boss@bank.example\r\n",
        BESIDE + b"X: " + b"1" * (1 << 20) + b"\r\nFrom:\r\n boss@bank.example\r\n",
        b"X: " + b"1" * (1 << 20) + b"\r\n" + BESIDE + b"FROM: boss@bank.example\r\n",
    ],
    ids=range(17),
)
async def test_an_author_beside_the_proven_one_proves_nobody(arrive, fields):
    """Which of two a mail client shows, we cannot know; where the other stands is no matter."""
    assert seen(await judge(arrive, zone_of(shop="p=none"), BESIDE, **PASSED))[3] is True
    verdict = await judge(arrive, zone_of(shop="p=none"), fields, **PASSED)
    assert (verdict.result, verdict.details["aligned"]) == ("none", False)


async def test_an_at_sign_in_quotes_is_a_letter(arrive):
    author = b'From: "a@bank.example"@shop.example\r\n'
    assert (await judge(arrive, zone_of(shop="p=none"), author, **PASSED)).result == "pass"
