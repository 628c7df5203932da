"""Bare texts as whole mail: read back as they were, always the same, and of every form."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from gateway.learning.corpus import read
from gateway.learning.dressing import dress, mailing
from gateway.learning.input import message_of, read_input

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
        assert message.html.count("<img") == 1
        links = read_input(message).reading.links
        assert [link.href for link in links] == ["https://a.example/o?x=1&y=2"]
    assert any("your order: https://a.example/o" in message.plain for message in bodies)


def test_our_own_mailings_are_read_with_their_labels() -> None:
    samples = list(read([OWN]))
    rows = [
        json.loads(line) for path in OWN.glob("*.jsonl") for line in path.read_text().splitlines()
    ]
    assert len(samples) == len(rows)
    assert {sample.label for sample in samples} == {"ham", "spam"}
    assert all(message_of(sample.raw).author for sample in samples)
    assert len({row["body"] for row in rows}) == len(rows)


def test_our_own_mailings_name_no_real_host() -> None:
    allowed = (".example", "gmail.com", "hotmail.com", "outlook.com", "outlook.fr", "yahoo.com")
    for path in OWN.glob("*.jsonl"):
        for line in path.read_text().splitlines():
            address = json.loads(line)["from"].rstrip(">").rpartition("@")[2]
            assert address.endswith(allowed), address
