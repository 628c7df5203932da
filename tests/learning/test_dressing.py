"""Bare texts as whole mail: read back as they were, always the same, and of every form."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from gateway.learning.corpus import read
from gateway.learning.dressing import dress, mailing
from gateway.learning.input import message_of, read_input

MALFORMED = ("detran-regulariza",)
"""Ends in no domain at all, as in the spam it stands for; others in `,example` or `"example`."""
OWN = Path(__file__).parents[2] / "models" / "spam" / "letters"


def test_a_text_keeps_its_words_and_gets_a_sender() -> None:
    forms: Counter[tuple[str, ...]] = Counter()
    for number in range(200):
        text = f"Où est ma commande {number} ?\n\nMerci & à bientôt <Zoé>"
        message = message_of(dress("Réclamation", text))
        assert message.author
        assert message.subject == "Réclamation"
        assert read_input(message).reading.text.startswith(f"Où est ma commande {number} ?")
        forms[message.content_types] += 1
    assert len(forms) == 3
    assert min(forms.values()) > 10


def test_the_same_text_is_always_dressed_the_same() -> None:
    assert dress("a", "where is my parcel") == dress("a", "where is my parcel")


def test_marks_become_links_and_pictures() -> None:
    text = "![logo](https://a.example/l.png)\nSee [your order](https://a.example/o?x=1&y=2)"
    bodies = [message_of(mailing("A <a@a.example>", "x", f"{text} {n}")) for n in range(40)]
    pages = [message for message in bodies if message.html]
    assert len(pages) > 20
    for message in pages:
        assert message.html.count("<img") in (1, 2)  # half of them show one beside each link
        links = read_input(message).reading.links
        assert [link.href for link in links] == ["https://a.example/o?x=1&y=2"]
    assert {message.html.count("<img") for message in pages} == {1, 2}
    assert any("your order: https://a.example/o" in message.plain for message in bodies)


def test_a_picture_may_be_a_link() -> None:
    text = "[![logo](https://a.example/l.png)](https://a.example/go)"
    for number in range(20):
        message = message_of(mailing("A <a@a.example>", "x", f"{text} {number}"))
        if message.html:
            assert [k.href for k in read_input(message).reading.links] == ["https://a.example/go"]
        if message.plain:
            assert message.plain.startswith("logo: https://a.example/go")


def test_an_author_that_is_no_address_stays_as_it_is() -> None:
    for author in (
        'Prize <win@lucky"example>',
        "Bank <a@bank,example>",
        "Team <{x}@{win}.example>",
    ):
        message = message_of(mailing(author, "x", "see [this](http://a.example/1)"))
        assert next(f.value for f in message.fields if f.name == "from").decode().strip() == author


def test_our_own_mailings_are_read_with_their_labels() -> None:
    samples = list(read([OWN]))
    rows = [
        json.loads(line) for path in OWN.glob("*.jsonl") for line in path.read_text().splitlines()
    ]
    assert len(samples) == len(rows)
    assert {sample.label for sample in samples} == {"ham", "spam"}
    assert all(message_of(sample.raw).author for sample in samples)
    assert len({row["body"] for row in rows}) == len(rows)


FREE_MAIL = (
    "aol.com", "gmail.com", "gmx.de", "gmx.net", "hotmail.com", "hotmail.fr", "libero.it",
    "outlook.com", "outlook.es", "outlook.fr", "proton.me", "web.de", "yahoo.com", "yahoo.es",
    "yahoo.fr", "icloud.com", "orange.fr",
)  # fmt: skip


def test_our_own_mailings_name_no_real_host() -> None:
    allowed = (
        ".example",
        ",example",
        '"example',
        *FREE_MAIL,
    )
    for path in OWN.glob("*.jsonl"):
        for line in path.read_text().splitlines():
            address = json.loads(line)["from"].rstrip(">").rpartition("@")[2]
            assert address.endswith(allowed) or address in MALFORMED, address
