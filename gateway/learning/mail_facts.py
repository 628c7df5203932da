"""What a message is like beside its words: where links point, what it carries, who it says it is.

Only facts that travel from one mail system to another. Names of header fields, dates, character
sets and whether mail is HTML tell a training corpus apart, not spam, and are left out on purpose.
What tells an honest mailing from spam is asked of mailings only: a customer's letter is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

import numpy as np

from gateway.learning.author_facts import BRANDS, Author, is_malformed, read_author, squeezed
from gateway.learning.features import Columns
from gateway.learning.input import Input
from gateway.learning.link_facts import Links, of_mailing, read_links
from gateway.message import Message

MAIL = (
    "no link", "one link", "2-3 links", "4-10 links", "over 10 links",
    "link text names another host", "link to a bare address", "link with a user part",
    "link to an odd port", "punycode link", "all links on one foreign host",
    "links to the author's domain", "link shortener", "link on a free hosting domain",
    "rare ending of a link's host", "hidden text", "invisible letters",
    "letters of mixed alphabets in a word", "form in HTML", "several images in HTML",
    "attached HTML", "attached archive or program",
    "author name is another address", "author name names a brand of another domain",
    "author name is in the author's domain", "author domain looks made up",
    "rare ending of the author's domain", "reply-to at another domain", "several authors",
    "recipient address in subject", "recipient address in text",
    "few links, all on one foreign host", "links to many domains", "links without TLS only",
    "end of mailing at the author's", "end of mailing elsewhere",
    "author at a free mail domain", "author name is in the local part", "author without a name",
    "odd signs in the author name", "reply-to at a free mail domain", "author at a mailing host",
    "long local part", "odd letters in the subject", "pictograph in the subject",
    "hardly any text", "recipient's name in text", "recipient's local part in text",
    "mailing", "mailing: name fits the domain", "mailing: name does not fit the domain",
    "mailing: author at a free mail domain", "mailing: names its author",
    "mailing: does not name its author", "mailing: links to its author",
    "mailing: no link to its author", "mailing: nothing fits", "mailing: everything fits",
    "mailing: author's domain in text", "mailing: pictures instead of text",
    "mailing: one picture", "mailing: many pictures", "mailing: notices below",
    "mailing: no notices below", "mailing: number and amount",
    "mailing: another's brand in subject", "mailing: another's brand in text",
    "author address is malformed", "mailing: few link targets",
    "mailing: many links, few targets", "mailing: links are one long token",
    "mailing: links without TLS only", "mailing: postal address below",
    "mailing: telephone number below", "mailing: company form below", "mailing: © of its author",
    "mailing: long",
)  # fmt: skip
"""Number n stands in column n of the MAIL_ROOM of a row (see features.py)."""
MAILING = tuple(name for name in MAIL if name.startswith("mailing"))
_NUMBERS = {name: number for number, name in enumerate(MAIL)}
TEXT_READ, LONG = 4000, 3000
NOTICES = (
    "©", "(c) 20", "copyright", "all rights reserved", "privacy", "unsubscribe", "terms",
    "you are receiving", "you're receiving", "you received this", "was sent to", "view in browser",
    "view online", "do not reply", "not monitored", "customer service", "contact us",
    "datenschutz", "impressum", "agb", "abmelden", "handelsregister", "geschäftsführer",
    "confidentialité", "mentions légales", "désinscri", "désabonn", "ne pas répondre",
    "privacidad", "aviso legal", "darse de baja", "no responda", "privacidade", "não responda",
    "cancelar", "informativa", "partita iva", "p.iva", "disiscri", "non rispondere",
    "privacybeleid", "voorwaarden", "uitschrijven", "afmelden", "kvk", "btw", "vat no", "po box",
    "registered in",
)  # fmt: skip
_SIGNS = ("$", "€", "£", "eur", "usd", "gbp", "chf", "kr")
_AMOUNT = re.compile(r"[$€£]\s?\d|\d[.,]\d\d\s?(?:€|eur|usd|gbp|chf|kr\b)")
NUMBERED = (
    "order", "invoice", "receipt", "booking", "confirmation", "reference", "account", "ticket",
    "bestell", "rechnung", "auftrag", "commande", "facture", "pedido", "factura", "fatura",
    "encomenda", "ordine", "fattura", "factuur",
)  # fmt: skip
_NUMBER = re.compile(r"[^\n\d]{0,36}\d{4}")
_POSTAL = re.compile(
    r"\b[A-Z][A-Za-z.]{1,30},? [A-Z]{2}\.?,? \d{5}\b|\b\d{4,5} [A-ZÄÖÜ][a-zäöüß]{2}|"
    r"\b[A-Z]{1,2}\d{1,2}[A-Z]? \d[A-Z]{2}\b|P\.?O\.? Box"
)
_TELEPHONE = re.compile(r"\d[\d ()-]{8,20}\d")
_COMPANY = re.compile(
    r"[A-Z][a-z]{1,30},? "
    r"(?:Inc|LLC|Ltd|GmbH|AG|Corp|Limited|SAS|SARL|S\.?A|S\.?L|B\.?V|S\.?r\.?l)\b"
)
_BROKEN = re.compile("[a-z][\u200b-\u200f\u2060-\u2064\ufeff\u034f]+[a-z]")
_MIXED = re.compile(r"[A-Za-z][\u0370-\u03ff\u0400-\u04ff]|[\u0370-\u03ff\u0400-\u04ff][A-Za-z]")
_STRANGE = re.compile("[\u200b-\u200f\u2060-\u2064\ufeff\u034f\u0370-\u03ff\u0400-\u04ff]")
_ASCII = bytes(range(128))
_ODD_LETTERS = re.compile(
    "[\u0370-\u03ff\u0400-\u04ff\u1d00-\u1dbf\u2100-\u214f\u2460-\u24ff\ua700-\ua7ff\uff01-\uff5e"
    "\U0001d400-\U0001d7ff\U0001f100-\U0001f1e5\u200b-\u200f\u2060-\u2064\u00ad]"
)
_PICTOGRAPH = re.compile("[\u2600-\u27bf\u2b00-\u2bff\U0001f300-\U0001faff]")
_PROGRAMS = (".zip", ".rar", ".7z", ".iso", ".img", ".exe", ".js", ".vbs", ".scr", ".lnk", ".bat",
             ".cab", ".gz", ".ace", ".jar", ".one", ".xlsm", ".docm")  # fmt: skip
_LETTERS = re.compile(r"[^\W\d_]{3,30}")


def columns(message: Message, read: Input) -> Columns:
    """Numbers of the MAIL facts that hold for a message, in order."""
    return np.array(sorted(_NUMBERS[name] for name in set(_all(message, read))), np.int32)


def _all(message: Message, read: Input) -> Iterator[str]:
    author = read_author(message)
    links = read_links(read.reading.links, author.domain if author else "")
    text = read.reading.text[:TEXT_READ].lower()
    pictures = _pictures(message.html)
    yield from links.facts
    if author:
        yield from author.facts
    elif message.authors:
        yield "several authors"
    if is_malformed(message):
        yield "author address is malformed"
    yield from _written(message, text, links)
    yield from _recipient(message, text)
    yield from _carried(message, pictures)
    if author and _is_mailing(message, links, pictures):
        end = read.reading.text[-1500:]
        yield from _mailing(message, author, links, text)
        yield from _page(pictures, end.lower(), text)
        yield from _sender(author, end)
        yield from of_mailing(links.links)
        if len(text) > LONG:
            yield "mailing: long"
    elif read.reading.hidden:  # every newsletter hides its first line
        yield "hidden text"


def _written(message: Message, text: str, links: Links) -> Iterator[str]:
    if _strange(text):
        if _BROKEN.search(text):
            yield "invisible letters"
        if _MIXED.search(text):
            yield "letters of mixed alphabets in a word"
    if not message.subject.isascii():
        if _ODD_LETTERS.search(message.subject):
            yield "odd letters in the subject"
        if _PICTOGRAPH.search(message.subject):
            yield "pictograph in the subject"
    if links.count and len(text) < 150:
        yield "hardly any text"


def _strange(text: str) -> bool:
    """Whether there are letters at all that could hide or imitate others: cheap to ask first."""
    if text.isascii():
        return False
    foreign = text.encode("utf-8", "replace").translate(None, _ASCII).decode("utf-8", "replace")
    return bool(_STRANGE.search(foreign))


def _recipient(message: Message, text: str) -> Iterator[str]:
    for recipient in message.to[:4]:
        address = recipient.address.lower()
        if not address:
            continue
        local = address.rpartition("@")[0]
        if address in message.subject.lower():
            yield "recipient address in subject"
        if address in text:
            yield "recipient address in text"
        elif len(local) > 3 and local in text[:600]:
            yield "recipient's local part in text"
        if "@" not in recipient.name and any(
            word in text[:400] for word in _LETTERS.findall(recipient.name.lower())[:4]
        ):
            yield "recipient's name in text"


def _carried(message: Message, pictures: int) -> Iterator[str]:
    html = message.html
    if "<form" in html or "<FORM" in html:
        yield "form in HTML"
    if pictures > 2 and len(html) > 400 and len(message.plain) < 40:
        yield "several images in HTML"
    for attachment in message.attachments[:20]:
        name = attachment.filename.lower()
        if name.endswith((".htm", ".html", ".shtml", ".svg")):
            yield "attached HTML"
        elif name.endswith(_PROGRAMS):
            yield "attached archive or program"


def _pictures(html: str) -> int:
    return html.count("<img") or html.count("<IMG")


def _is_mailing(message: Message, links: Links, pictures: int) -> bool:
    """Whether it looks like a mailing: pictures, several links, or a way to end it."""
    if links.leave:
        return True
    return bool(message.html and links.count and (pictures or links.count > 2))


def _mailing(message: Message, author: Author, links: Links, text: str) -> Iterator[str]:
    yield "mailing"
    named = author.label in text or any(len(word) > 3 and word in text for word in author.words)
    linked = author.domain in links.owners
    if author.free:
        yield "mailing: author at a free mail domain"
    else:
        fits = "fits" if author.fits else "does not fit"
        yield f"mailing: name {fits} the domain"
        if linked and named and author.fits:
            yield "mailing: everything fits"
        elif not (linked or named or author.fits):
            yield "mailing: nothing fits"
        yield "mailing: links to its author" if linked else "mailing: no link to its author"
        yield from _brands(message, author, text)
    yield "mailing: names its author" if named else "mailing: does not name its author"
    if author.domain in text:
        yield "mailing: author's domain in text"


def _brands(message: Message, author: Author, text: str) -> Iterator[str]:
    """A brand in subject or opening whose domain this is not."""
    for place, shown in (("subject", message.subject.lower()), ("text", text[:500])):
        brands = BRANDS.intersection(_LETTERS.findall(shown))
        if brands and not any(brand in author.domain for brand in brands):
            yield f"mailing: another's brand in {place}"


def _page(pictures: int, end: str, text: str) -> Iterator[str]:
    """What a mailing looks like; `end` is the last of its text."""
    if pictures == 1:
        yield "mailing: one picture"
    elif pictures > 10:
        yield "mailing: many pictures"
    if pictures and len(text) < 200:
        yield "mailing: pictures instead of text"
    notices = islice((notice for notice in NOTICES if notice in end), 2)
    yield "mailing: notices below" if len([*notices]) > 1 else "mailing: no notices below"
    if any(sign in text for sign in _SIGNS) and _numbered(text) and _AMOUNT.search(text):
        yield "mailing: number and amount"


def _sender(author: Author, end: str) -> Iterator[str]:
    """Who it is from, as the law of many countries wants it told below a mailing."""
    if _POSTAL.search(end):
        yield "mailing: postal address below"
    if _TELEPHONE.search(end):
        yield "mailing: telephone number below"
    if _COMPANY.search(end):
        yield "mailing: company form below"
    at = max(end.rfind("©"), end.lower().rfind("copyright"))
    if at >= 0 and author.label in squeezed(end[at : at + 80]):
        yield "mailing: © of its author"


def _numbered(text: str) -> bool:
    """Whether an order, invoice or the like is named with its number."""
    for word in NUMBERED:
        at = text.find(word)
        if at >= 0 and _NUMBER.match(text, at + len(word)):
            return True
    return False
