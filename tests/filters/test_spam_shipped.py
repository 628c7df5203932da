"""The shipped spam model on letters of our own that it has not learned, and on all irate ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.learning.corpus import read
from gateway.learning.dressing import dress, mailing
from gateway.learning.input import message_of
from gateway.learning.scorer import load_shared
from gateway.verdict import Thresholds, spam_word

LETTERS = Path(__file__).parents[2] / "models" / "letters"

HONEST = {
    "receipt": (
        "Nettle & Moss <orders@nettlemoss.example>",
        "Order 90417: thank you",
        "![Nettle & Moss](https://cdn.nettlemoss.example/l.png)\nHello Frances,\nwe have order "
        "90417: one kettle, $48.00, shipping $5.00, total $53.00.\n"
        "[See your order](https://www.nettlemoss.example/orders/90417)\n"
        "Nettle & Moss, 3 Quay Road, Salem. [Privacy](https://www.nettlemoss.example/privacy)",
    ),
    "newsletter": (
        "Saltmarsh Museum <news@mail.saltmarshmuseum.example>",
        "April at the museum: a whale, a lecture, free Sundays",
        "![Whale](https://mail.saltmarshmuseum.example/w.jpg)\nThe whale is back from the "
        "restorers. [See it](https://www.saltmarshmuseum.example/whale)\n"
        "[Lecture on tides, April 9](https://www.saltmarshmuseum.example/tides)\n"
        "[Free Sundays for members](https://www.saltmarshmuseum.example/members)\n"
        "You receive this as a member. [Unsubscribe](https://mail.saltmarshmuseum.example/u) "
        "[Preferences](https://mail.saltmarshmuseum.example/p) Saltmarsh Museum, 8 Shore St",
    ),
    "Versand": (
        "Teehaus Morgenrot <versand@teehaus-morgenrot.example>",
        "Ihre Sendung 4471 ist unterwegs",
        "Guten Tag, Ihre Bestellung 4471 (Darjeeling, 250 g, 14,50 €) ist heute verschickt worden."
        "\n[Sendung verfolgen](https://www.teehaus-morgenrot.example/s/4471)\n"
        "Teehaus Morgenrot, [Impressum](https://www.teehaus-morgenrot.example/impressum)",
    ),
}
PITCHES = {
    "seo": (
        "Nikhil <nikhil.digital.rank@gmail.com>",
        "Improve your Google ranking",
        "Hello Team,\nI looked at your website and it is not ranking on the first page of Google "
        "for your keywords. We offer affordable SEO packages with monthly reports. Shall I send "
        "you our price list and a free audit? Share your phone number.\nNikhil",
    ),
    "guest post": (
        "Emma Watts <emma.outreach7@gmail.com>",
        "Sponsored post inquiry",
        "Hi, I want to publish a guest post with a dofollow backlink on your blog. What is your "
        "price for a permanent link? We have casino and finance clients and pay by PayPal.",
    ),
    "parcel": (
        "UPS Notice <help@parcel-hold-44.example>",
        "Your package is on hold",
        "![](http://parcel-hold-44.example/a.png)\nWe could not deliver your package because of an "
        "unpaid fee of $1.95. Pay within 24 hours or it will be returned.\n"
        "[Pay and schedule](http://parcel-hold-44.example/p)",
    ),
    "prize": (
        "Target Reward <you@lucky-shopper-99.example>",
        "You have been chosen",
        "![](http://lucky-shopper-99.example/a.png)\n"
        "[Claim your $500 gift card now](http://lucky-shopper-99.example/c)\nOnly 2 left today.",
    ),
    "premio": (
        "Sorteo <premio@sorteo-hoy.example>",
        "Felicidades, usted ganó",
        "Ha sido elegido ganador de un teléfono. [Reclame su premio](http://sorteo-hoy.example/r) "
        "hoy mismo, quedan 2 unidades. Solo pague 1 € de envío.",
    ),
}


def told(raw: bytes) -> str:
    score = load_shared({"spam": "spam"}).score(message_of(raw)).sigmoid("spam")
    return spam_word(score, Thresholds())


@pytest.mark.parametrize("name", HONEST)
def test_honest_mailings_are_not_called_spam(name: str) -> None:
    assert told(mailing(*HONEST[name])) != "spam"


@pytest.mark.parametrize("name", PITCHES)
def test_pitches_and_prizes_do_not_pass_as_ham(name: str) -> None:
    assert told(mailing(*PITCHES[name])) != "ham"


def test_no_irate_letter_is_called_spam() -> None:
    irate = [sample for sample in read([LETTERS]) if sample.label == "irate"]
    assert len(irate) > 500
    assert [s.name for s in irate if told(dress(s.subject, s.text)) == "spam"] == []
