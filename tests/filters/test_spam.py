"""The spam filter over the shipped model: our own letters, our own spam, and the sender."""

from __future__ import annotations

from types import MappingProxyType

import pytest

from gateway.filters import Services
from gateway.filters.spam import SpamFilter, build, sender_evidence
from gateway.learning.input import message_of, message_of_text
from gateway.learning.scorer import load_shared
from gateway.resolver import Zone
from gateway.verdict import Verdict

SERVICES = Services(resolver=Zone({}), load_scorer=load_shared)


@pytest.fixture(scope="module")
def spam() -> SpamFilter:
    return build({}, SERVICES)


PRIZE = b"""From: Prize Office <claims@lucky-draw.example>
To: info@shop.example
Reply-To: agent77@mail.example
Subject: Your email has won 2,500,000 USD
Content-Type: text/plain

Dear lucky winner,

your email address was selected in our online lottery and you have won 2,500,000 USD. To claim your
prize click the link below and confirm your bank details within 24 hours, or it will be lost.

http://192.0.2.7/claim?id=77
"""
PHISH = b"""From: "PayPal Security" <service@account-check.example>
To: info@shop.example
Subject: Your account has been suspended
Content-Type: text/html

<p>Dear customer,</p><p>We noticed unusual activity. Your account has been suspended. Please verify
your account within 24 hours or it will be closed.</p>
<p><a href="http://paypa1.account-check.example/login">https://www.paypal.com/verify</a></p>
"""


@pytest.mark.parametrize("raw", [PRIZE, PHISH])
async def test_plain_spam_is_spam_with_reasons(spam: SpamFilter, raw: bytes) -> None:
    verdict = await spam.examine(message_of(raw), {})
    assert verdict.result == "spam"
    assert verdict.reasons()


@pytest.mark.parametrize(
    ("subject", "text"),
    [
        ("Refund not received", "I cancelled order 55120 and the refund of $80 is still missing."),
        ("Urgent: payment", "My payment failed twice and my account is locked. Please help today."),
        ("Rechnung", "Bitte senden Sie mir die Rechnung zu Bestellung 4471 noch einmal zu."),
        ("Reembolso", "Sigo esperando el reembolso de mi pedido, nadie me contesta."),
        ("Remboursement", "Je n'ai toujours pas reçu le remboursement de ma commande."),
        ("Conta bloqueada", "A minha conta está bloqueada e não consigo pagar a fatura."),
        ("", "where is my parcel"),
        ("You thieves", "You took my money and now nobody answers. I want it back, you crooks!"),
    ],
)
async def test_customers_are_not_spam(spam: SpamFilter, subject: str, text: str) -> None:
    verdict = await spam.examine(message_of_text(subject, text), {})
    assert verdict.result == "ham"
    assert verdict.reason == ""


def verdicts(**words: str) -> dict[str, Verdict]:
    return {name: Verdict(word) for name, word in words.items()}


async def test_the_sender_counts_a_little(spam: SpamFilter) -> None:
    message = message_of(PHISH)
    plain = (await spam.examine(message, {})).score
    forged = (await spam.examine(message, verdicts(spf="fail", dmarc="fail"))).score
    proven = await spam.examine(
        message,
        {"dmarc": Verdict("pass", details=MappingProxyType({"aligned": True}))},
    )
    assert plain is not None
    assert forged is not None
    assert proven.score is not None
    assert proven.score < plain < forged


async def test_trouble_with_the_sender_counts_nothing(spam: SpamFilter) -> None:
    assert sender_evidence(verdicts(spf="temperror", dkim="temperror", dmarc="temperror")) == (
        0.0,
        [],
    )


def test_it_needs_the_checks_of_the_sender_unless_told_otherwise() -> None:
    assert build({}, SERVICES).needs == ("spf", "dkim", "dmarc")
    assert build({"authentication": False}, SERVICES).needs == ()
    with pytest.raises(ValueError, match="modle"):
        build({"modle": "spam"}, SERVICES)


async def test_header_noise_and_dates_move_nothing(spam: SpamFilter) -> None:
    noise = b"X-MS-Exchange-Organization: x\nDate: Mon, 1 Jan 2001 00:00:00 +0000\nX-Mailer: y\n"
    first = await spam.examine(message_of(PRIZE), {})
    second = await spam.examine(message_of(noise + PRIZE), {})
    assert first.score == second.score
