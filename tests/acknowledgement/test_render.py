"""Templates: the right file is found, bad ones never reach a customer, the shipped are fine."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.acknowledgement.render import (
    SHIPPED,
    TONES,
    Missing,
    Templates,
    look_up,
    split_stem,
)
from gateway.acknowledgement.words import Words
from gateway.calendar import WorkingHours
from gateway.settings import Calendar, FormSender, Listener, NextHop, Route, Settings, Site

LANGUAGES = ("en", "de", "fr", "es", "it", "pt", "nl")
GOOD = "Subject: {{ site_name }}\n\nThank you. This is automatic. A person will answer.\n"


def site(*languages: str, name: str = "shop", template: str = "received", **more: object) -> Site:
    return Site.model_validate(
        {
            "site": name,
            "domains": [f"{name}.example"],
            "name": "The Shop",
            "phone": "+1 212 555 0100",
            "languages": languages or ("en",),
            "region": "US",
            "next_hop": "mailbox",
            "calendar": Calendar(timezone="America/New_York", hours={"mon-fri": "9:00-17:30"}),
            "routes": [Route(acknowledge=template)],
            **more,
        }
    )


def settings(folder: Path, *sites: Site) -> Settings:
    return Settings(
        hostname="mx1.example.net",
        listen=(Listener(address="127.0.0.1:0"),),
        store="sqlite:///nowhere",
        next_hops={"mailbox": NextHop(address="maildir:box")},
        sites=sites,
        templates=folder,
    )  # type: ignore[arg-type]


def load(tmp_path: Path, files: Mapping[str, str], *sites: Site) -> Templates:
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return Templates.load(settings(tmp_path, *(sites or (site(),))))


def words(where: Site, **facts: object) -> Words:
    usual: dict[str, object] = {
        "site": where,
        "calendar": WorkingHours(where.calendar),
        "recipient": "support@shop.example",
        "reference": "Q1",
    }
    return Words(**{**usual, **facts})  # type: ignore[arg-type]


# --- finding --------------------------------------------------------------------------------------


def test_order_of_look_up() -> None:
    stems = look_up(site("en", "de-AT"), "received", tone="irate", is_open=False, language="de-AT")
    assert list(stems) == [
        "received.irate.closed.de-AT", "received.irate.de-AT", "received.de-AT",
        "received.irate.closed.de", "received.irate.de", "received.de",
        "received.irate.closed.en", "received.irate.en", "received.en",
        "received.irate.closed", "received.irate", "received",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("languages", "language", "first"),
    [
        (("en", "de"), "de", "received.irate.open.de"),
        (("en", "de"), "de-CH", "received.irate.open.de"),
        (("en", "de-AT"), "de", "received.irate.open.de-AT"),
        (("en",), "de", "received.irate.open.en"),
        (("de", "en"), "fr", "received.irate.open.de"),
        (("en", "de"), "", "received.en"),
        (("en", "de"), "und", "received.en"),
        (("de", "en"), "unknown", "received.de"),
    ],
)
def test_language_of_look_up(languages: tuple[str, ...], language: str, first: str) -> None:
    stems = look_up(site(*languages), "received", tone="irate", is_open=True, language=language)
    assert next(stems) == first


@pytest.mark.parametrize("tone", ["unknown", "", "../../etc/passwd"])
def test_without_a_tone_the_bare_name(tone: str) -> None:
    stems = list(look_up(site(), "received", tone=tone, is_open=True, language="en"))
    assert stems == ["received.en", "received"]


def test_a_sites_own_folder_comes_first(tmp_path: Path) -> None:
    shop, other = site(), site(name="other")
    files = {
        "shop/received.en.txt": GOOD.replace("Thank you", "Thank you from the shop"),
        "default/received.en.txt": GOOD.replace("Thank you", "Thank you from the house"),
        "default/received.irate.en.txt": GOOD.replace("Thank you.", "From the house, irate."),
    }
    templates = load(tmp_path, files, shop, other)
    said = {
        (where.site, tone): templates.write(
            where, "received", words(where), tone=tone, is_open=True, language="en"
        )
        for where in (shop, other)
        for tone in ("neutral", "irate")
    }
    bodies = {key: text.body.partition(".")[0] for key, text in said.items() if text}
    assert bodies == {
        ("shop", "neutral"): "Thank you from the shop",
        ("shop", "irate"): "Thank you from the shop",
        ("other", "neutral"): "Thank you from the house",
        ("other", "irate"): "From the house, irate",
    }


@pytest.mark.parametrize(
    ("stem", "parts"),
    [
        ("received", ("received", "", "", "")),
        ("received.de", ("received", "", "", "de")),
        ("received.de-AT", ("received", "", "", "de-AT")),
        ("received.irate", ("received", "irate", "", "")),
        ("received.irate.de", ("received", "irate", "", "de")),
        ("received.irate.closed.de", ("received", "irate", "closed", "de")),
        ("received.irate.closed", ("received", "irate", "closed", "")),
        ("received.closed.de", None),
        ("received.furious.de", None),
        ("received.de.irate", None),
        ("Received", None),
        ("", None),
    ],
)
def test_names_of_files(stem: str, parts: tuple[str, ...] | None) -> None:
    assert split_stem(stem) == parts


# --- bad templates --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ("Subject: x\n\n{{ promise }\n", 3, "not a template"),
        ("Subject: x\n\nHello\n\n{{ customer.name }}\n", 5, "'customer' is undefined"),
        ("Subject: x\n\n{% if subject %}a{% endif %}\n", 3, "'subject' is undefined"),
        ("Subject: x\n\n{% for i in 7 %}{% endfor %}\n", 3, "not iterable"),
        ("Subject: x\n\n{% include '/etc/passwd' %}\n", 3, "no loader"),
        ("Subject: x\n\n{{ ''.__class__.__mro__ }}\n", 3, "unsafe"),
        ("Subject: x\n\n{{ site_name.format(1) }}{{ 1 / 0 }}\n", 3, "division by zero"),
        ("Subject: x\n\n{{ range(9) }}\n", 3, "'range' is undefined"),
        ("Subject: x\n\nHello\n{% if promise %}{{ until }}{% endif %}\n", 4, "'until' is undef"),
        ("Subject: x\n\nHello\n{{ promise[0] }}\n", 4, "has no element 0"),
        ("Hello\n", 1, "Subject"),
        ("Subject:\n\nHello\n", 1, "its subject must have"),
        ("Subject: x\n\n\n", 1, "its text must have"),
        ("Subject: x\n\n{{ customer_name * 900 }}\n", 1, "its text must have"),
        ("Subject: {{ customer_name }}{{ customer_name }}\n\nHello\n", 1, "its subject must have"),
    ],
)
def test_one_that_fails_is_told_and_never_used(
    tmp_path: Path, text: str, line: int, told: str
) -> None:
    templates = load(tmp_path, {"shop/received.en.txt": text})
    problems = [str(problem) for problem in templates.problems if not problem.warning]
    assert len(problems) == 1
    assert problems[0].startswith(f"{tmp_path}/shop/received.en.txt:{line}: ")
    assert told in problems[0]
    said = templates.write(
        site(), "received", words(site()), tone="neutral", is_open=True, language="en"
    )
    assert said is not None
    assert "Your message to support@shop.example has arrived" in said.body


def test_wrong_files_are_told(tmp_path: Path) -> None:
    files = {"default/Received.en.txt": GOOD, "shop/received.irritated.en.txt": GOOD}
    assert (
        len([p for p in load(tmp_path, files).problems if "no name of a template" in p.what]) == 2
    )
    (tmp_path / "shop" / "received.de.txt").write_bytes(b"Subject: \xff\n\nx\n")
    assert any("not UTF-8" in p.what for p in load(tmp_path, {}).problems)


def test_a_name_that_no_file_has_is_told(tmp_path: Path) -> None:
    templates = load(tmp_path, {}, site(template="greeting"))
    assert templates.missing == (Missing("shop", "greeting", "en"),)
    assert templates.problems == ()


def test_a_file_with_a_mistake_is_not_missing_too(tmp_path: Path) -> None:
    files = {"shop/greeting.en.txt": "Subject: yes\n\nDear {{ custommer }},\n"}
    templates = load(tmp_path, files, site(template="greeting"))
    assert len(templates.problems) == 1
    assert templates.missing == ()


def test_a_language_without_a_template_is_told(tmp_path: Path) -> None:
    templates = load(tmp_path, {}, site("en", "sv"))
    assert templates.missing == (Missing("shop", "received", "sv", "received.en.txt"),)


def test_one_that_fails_only_at_work_gives_way(tmp_path: Path) -> None:
    text = GOOD + "{% if promise == 'Monday, November 23, 5:30 pm EST' %}{{ 1 / 0 }}{% endif %}"
    templates = load(tmp_path, {"shop/received.en.txt": text})
    facts = {"promise": datetime(2026, 11, 23, 22, 30, tzinfo=UTC)}
    said = [
        templates.write(
            site(), "received", words(site(), **more), tone="neutral", is_open=True, language="en"
        )
        for more in ({}, facts)
    ]
    assert said[0] is not None
    assert said[1] is not None
    assert "Thank you. This is automatic." in said[0].body
    assert "no later than Monday, November 23, 5:30 pm EST" in said[1].body


# --- the shipped ones -----------------------------------------------------------------------------

FORM = FormSender(address="form@shop.example", ip=("192.0.2.1",))


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Templates:
    folder = tmp_path_factory.mktemp("templates")
    return Templates.load(settings(folder, site(*LANGUAGES, form_senders=[FORM])))


def test_nothing_is_said_against_them(shipped: Templates) -> None:
    assert [str(problem) for problem in shipped.problems] == []


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("tone", [*TONES, "unknown"])
@pytest.mark.parametrize("name", ["received", "form"])
def test_they_say_what_they_must(shipped: Templates, name: str, tone: str, language: str) -> None:
    where = site(*LANGUAGES)
    now = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
    facts = words(
        where,
        customer_name="Kim Lee",
        promise=datetime(2026, 11, 24, 22, 30, tzinfo=UTC),
        opens=WorkingHours(where.calendar).next_opening(now),
    )
    said = shipped.write(where, name, facts, tone=tone, is_open=False, language=language)
    assert said is not None
    assert said.language == language
    assert said.template == (f"{name}.{tone}" if name == "received" and tone in ("irate", "upset")
                             else name)  # fmt: skip
    whole = f"{said.subject}\n{said.body}"
    assert "The Shop" in said.subject
    assert ("Kim Lee" in whole) is (name == "received")
    for wanted in ("Q1", "+1 212 555 0100", "24", "23", "EST"):
        assert wanted in whole
    assert "automat" in whole.replace("á", "a").lower()
    bare = shipped.write(where, name, words(where), tone=tone, is_open=True, language=language)
    assert bare is not None
    for unknown in ("Kim Lee", "EST", "None", "{", "}"):
        assert unknown not in bare.body
    assert "  " not in bare.body
    assert "\n\n\n" not in bare.body


def test_every_language_has_every_file() -> None:
    stems = {path.stem for path in SHIPPED.glob("*.txt")}
    names = ("received", "received.upset", "received.irate", "form")
    assert stems == {f"{name}.{tongue}" for name in names for tongue in LANGUAGES} | {
        "received",
        "form",
    }


# --- what comes from outside ----------------------------------------------------------------------


@given(st.text(max_size=300), st.text(max_size=300))
def test_no_value_breaks_out_of_its_place(name: str, reference: str) -> None:
    where = site()
    facts = words(where, customer_name=name, reference=reference, recipient=name)
    for value in facts.variables().values():
        assert len(value) <= 200
        assert not any(ord(c) < 32 or c in "\x7f\x85\u2028\u2029\u202e\u2066" for c in value)


@given(st.text(max_size=100))
def test_values_are_never_templates(shipped_value: str) -> None:
    text = Words(recipient="{{ 7 * 7 }}" + shipped_value).variables()["recipient"]
    assert text.startswith("{{ 7 * 7 }}")


def test_a_value_is_not_rendered_again(shipped: Templates) -> None:
    where = site(*LANGUAGES)
    facts = words(where, reference="{{ 7 * 7 }}{% raw %}")
    said = shipped.write(where, "received", facts, tone="neutral", is_open=True, language="en")
    assert said is not None
    assert "{{ 7 * 7 }}{% raw %}" in said.body
