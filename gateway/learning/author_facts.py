"""Whom a message says it is from: does the name fit the address, and do both fit the text?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from gateway.learning.hosts import FREE_MAIL, is_rare, owner
from gateway.message import Address, Message

BRANDS = frozenset((
    "paypal", "amazon", "apple", "microsoft", "netflix", "google", "facebook", "instagram", "dhl",
    "ups", "fedex", "usps", "dpd", "docusign", "dropbox", "linkedin", "whatsapp", "coinbase",
    "binance", "metamask", "sparkasse", "volksbank", "commerzbank", "ing", "rabobank", "santander",
    "bradesco", "itau", "caixa", "nubank", "hsbc", "barclays", "chase", "wellsfargo", "walmart",
    "costco", "mcafee", "norton", "telekom", "vodafone", "ebay", "spotify", "disney", "ikea",
    "lowes", "postbank", "correos", "evri", "hermes", "temu", "shein", "icloud", "outlook",
    "office365", "ledger", "trezor", "trustwallet", "docusign", "adobe", "wetransfer", "geico",
))  # fmt: skip
_WORD = re.compile(r"[^\W\d_]{2,30}")
_ROLE = frozenset((
    "team", "support", "service", "services", "customer", "kundenservice", "info", "news",
    "newsletter", "the", "from", "and", "der", "die", "das", "und", "les", "des", "los", "com",
    "online", "shop", "store", "group", "inc", "gmbh", "ltd", "llc", "your", "mail", "email",
    "alert", "alerts", "notification", "notifications", "update", "updates", "account", "order",
    "orders", "delivery", "rewards", "reward", "department", "center", "security", "offer",
))  # fmt: skip
_MAILING = re.compile(
    r"(?:e|em|en?|m|mg|mail|mailer|mailing|email|emails|news|newsletter|info|notify|send|reply|"
    r"notifications?|updates?|marketing|service|accounts?|alerts?|orders?|shop|em\d{1,6}|t)\d?"
)
_HOST = re.compile(r"(?=[^.]{1,63}\.)[^\W_](?:[\w.-]{0,250}[^\W_])?")
_ODD_NAME = re.compile(r"[^\w\s.,&'’`()|@/+:!-]")


@dataclass(frozen=True, slots=True)
class Author:
    """The one author as facts need it."""

    domain: str
    """Registered domain."""
    label: str
    """The first label of it: what the domain is called."""
    words: tuple[str, ...]
    """Words of the display name that name somebody, lower case."""
    free: bool
    fits: bool
    """Whether the name and the domain name the same."""
    facts: frozenset[str]


def read_author(message: Message) -> Author | None:
    """None when there is no author, or several."""
    if len(message.authors) != 1:
        return None
    address = message.authors[0]
    domain = owner(address.domain)
    label, name = domain.partition(".")[0], address.name.lower()
    words = tuple(word for word in _WORD.findall(name)[:12] if word not in _ROLE)
    local = address.address.rpartition("@")[0].lower()
    fits = _fits(name, words, label)
    person = any(len(word) > 2 and word in local for word in words)
    free = domain in FREE_MAIL
    facts = {
        *_name(address, fits=fits, person=person, free=free),
        *_domain(address.domain, domain, label),
        *_replies(message, domain, free=free),
    }
    brands = BRANDS.intersection(words)
    if brands and not any(brand in domain for brand in brands):
        facts.add("author name names a brand of another domain")
    if len(local) > 20:
        facts.add("long local part")
    return Author(domain, label, words, free, fits, frozenset(facts))


def is_malformed(message: Message) -> bool:
    """Whether there is a From as no honest mail program writes it (RFC 5322, 3.4.1): without any
    address, or at what can be no host on the Internet. One word alone (`MAILER-DAEMON`) may be."""
    if not message.authors:
        return any(field.name == "from" for field in message.fields)
    return any("@" in a.address and not _HOST.fullmatch(a.domain) for a in message.authors)


def _fits(name: str, words: tuple[str, ...], label: str) -> bool:
    return (len(label) > 2 and squeezed(label) in squeezed(name)) or any(
        len(word) > 3 and word in label for word in words
    )


def _name(address: Address, *, fits: bool, person: bool, free: bool) -> Iterator[str]:
    if free:
        yield "author at a free mail domain"
    elif fits:
        yield "author name is in the author's domain"
    if person:
        yield "author name is in the local part"
    if not address.name:
        yield "author without a name"
    elif "@" in address.name and address.address.lower() not in address.name.lower():
        yield "author name is another address"
    elif _ODD_NAME.search(address.name):
        yield "odd signs in the author name"


def _domain(host: str, domain: str, label: str) -> Iterator[str]:
    if sum(c.isdigit() for c in label) > 1 or label.count("-") > 1 or len(label) > 22:
        yield "author domain looks made up"
    if is_rare(domain):
        yield "rare ending of the author's domain"
    if _MAILING.fullmatch(host[: -len(domain) - 1].rpartition(".")[2]):
        yield "author at a mailing host"


def _replies(message: Message, domain: str, *, free: bool) -> Iterator[str]:
    owners = [owner(reply.domain) for reply in message.reply_to]
    if owners and domain not in owners:
        yield "reply-to at another domain"
        if not free and not FREE_MAIL.isdisjoint(owners):
            yield "reply-to at a free mail domain"


def squeezed(text: str) -> str:
    return "".join(c for c in text.lower() if c.isalnum())
