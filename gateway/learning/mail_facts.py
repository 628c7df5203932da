"""What a message is like beside its words: where links point, what it carries, who it says it is.

Only facts that travel from one mail system to another. Names of header fields, dates, character
sets and whether mail is HTML tell a training corpus apart, not spam, and are left out on purpose.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

import numpy as np

from gateway.learning.features import Columns
from gateway.learning.input import Input
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
)  # fmt: skip
"""Number n stands in column n of the MAIL_ROOM of a row (see features.py)."""
_NUMBERS = {name: number for number, name in enumerate(MAIL)}
_SHORTENERS = frozenset((
    "bit.ly", "t.co", "goo.gl", "tinyurl.com", "ow.ly", "is.gd", "buff.ly", "cutt.ly", "t.ly",
    "rebrand.ly", "rb.gy", "shorturl.at", "tiny.cc", "lnkd.in", "s.id", "bl.ink", "v.gd",
    "urlz.fr", "l.ead.me", "qrco.de", "me2.kr",
))  # fmt: skip
_FREE_HOSTING = (
    "blogspot.com", "weebly.com", "wixsite.com", "web.app", "firebaseapp.com", "github.io",
    "pages.dev", "workers.dev", "netlify.app", "vercel.app", "herokuapp.com", "glitch.me",
    "appspot.com", "storage.googleapis.com", "amazonaws.com", "windows.net", "azurewebsites.net",
    "r2.dev", "myshopify.com", "sites.google.com", "docs.google.com", "forms.gle",
    "000webhostapp.com",
)  # fmt: skip
_BRANDS = (
    "paypal", "amazon", "apple", "microsoft", "netflix", "google", "facebook", "instagram", "dhl",
    "ups", "fedex", "usps", "dpd", "docusign", "dropbox", "linkedin", "whatsapp", "coinbase",
    "binance", "metamask", "sparkasse", "volksbank", "commerzbank", "ing", "rabobank", "santander",
    "bradesco", "itau", "caixa", "nubank", "hsbc", "barclays", "chase", "wellsfargo", "walmart",
    "costco", "mcafee", "norton", "telekom", "vodafone", "ebay", "spotify", "disney",
)  # fmt: skip
_WORD = re.compile(r"[a-z]{2,20}")
_SECOND_LEVEL = frozenset(
    ("co", "com", "org", "net", "gov", "edu", "ac", "or", "ne", "go", "gob", "gouv")
)
_BROKEN = re.compile("[a-z][\u200b-\u200f\u2060-\u2064\ufeff\u034f]+[a-z]")
_MIXED = re.compile(r"[A-Za-z][\u0370-\u03ff\u0400-\u04ff]|[\u0370-\u03ff\u0400-\u04ff][A-Za-z]")
_PROGRAMS = (".zip", ".rar", ".7z", ".iso", ".img", ".exe", ".js", ".vbs", ".scr", ".lnk", ".bat",
             ".cab", ".gz", ".ace", ".jar", ".one", ".xlsm", ".docm")  # fmt: skip
LINKS_READ = 60


def columns(message: Message, read: Input) -> Columns:
    """Numbers of the MAIL facts that hold for a message, in order."""
    names = {*_links(message, read), *_letters(read), *_carried(message),
             *_sender(message, read)}  # fmt: skip
    return np.array(sorted(_NUMBERS[name] for name in names), np.int32)


def _links(message: Message, read: Input) -> Iterable[str]:
    links = [link for link in read.reading.links[:LINKS_READ] if link.href[:7] != "mailto:"]
    if not links:
        yield "no link"
        return
    count = len(links)
    yield (
        "one link" if count == 1 else "2-3 links" if count < 4 else
        "4-10 links" if count <= 10 else "over 10 links"
    )  # fmt: skip
    hosts: list[str] = []
    for link in links:
        host, odd = _host(link.href)
        hosts.append(host)
        yield from odd
        shown = _shown_host(link.text)
        if shown and host and _owner(shown) != _owner(host):
            yield "link text names another host"
    author = _owner(message.authors[0].domain) if message.authors else ""
    owners = {_owner(host) for host in hosts if host}
    if author and author in owners:
        yield "links to the author's domain"
    elif len(owners) == 1:
        yield "all links on one foreign host"
    if owners & _SHORTENERS:
        yield "link shortener"
    if any(_rare(host) for host in hosts):
        yield "rare ending of a link's host"
    if any(host.endswith(_FREE_HOSTING) for host in hosts):
        yield "link on a free hosting domain"


def _host(url: str) -> tuple[str, list[str]]:
    """The host of a link and what is odd about the link."""
    odd: list[str] = []
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        host, port, user = parts.hostname or "", parts.port, parts.username
    except ValueError:
        return "", odd
    if user is not None:
        odd.append("link with a user part")
    if port not in (None, 80, 443):
        odd.append("link to an odd port")
    if host.startswith("xn--") or ".xn--" in host:
        odd.append("punycode link")
    if host.replace(".", "").isdigit() or ":" in host:
        odd.append("link to a bare address")
    return host, odd


def _shown_host(text: str) -> str:
    """The host that a link's text claims, when it looks like one."""
    text = text.strip().lower()
    if " " in text or "." not in text or len(text) > 200 or "@" in text:
        return ""
    host = _host(text)[0]
    labels = host.split(".")
    return host if len(labels) > 1 and labels[-1].isalpha() and len(labels[-1]) > 1 else ""


def _owner(host: str) -> str:
    """The registered domain, roughly: two labels, three below co.uk and the like."""
    labels = host.lower().rstrip(".").split(".")
    keep = 3 if len(labels) > 2 and labels[-2] in _SECOND_LEVEL and len(labels[-1]) == 2 else 2
    return ".".join(labels[-keep:])


def _letters(read: Input) -> Iterable[str]:
    if read.reading.hidden:
        yield "hidden text"
    raw = read.reading.text
    if not raw.isascii():
        if _BROKEN.search(raw):
            yield "invisible letters"
        if _MIXED.search(raw):
            yield "letters of mixed alphabets in a word"


def _carried(message: Message) -> Iterable[str]:
    html = message.html
    if "<form" in html or "<FORM" in html:
        yield "form in HTML"
    if html.count("<img") > 2 and len(html) > 400 and len(message.plain) < 40:
        yield "several images in HTML"
    for attachment in message.attachments[:20]:
        name = attachment.filename.lower()
        if name.endswith((".htm", ".html", ".shtml", ".svg")):
            yield "attached HTML"
        elif name.endswith(_PROGRAMS):
            yield "attached archive or program"


def _sender(message: Message, read: Input) -> Iterable[str]:
    if len(message.authors) != 1:
        if message.authors:
            yield "several authors"
        return
    author = message.authors[0]
    name, owner = author.name.lower(), _owner(author.domain)
    if "@" in name and author.address.lower() not in name:
        yield "author name is another address"
    brands = {word for word in _WORD.findall(name) if word in _BRANDS}
    if brands and not any(brand in owner for brand in brands):
        yield "author name names a brand of another domain"
    if message.reply_to and all(_owner(reply.domain) != owner for reply in message.reply_to):
        yield "reply-to at another domain"
    yield from _names(author.name, author.address)
    ours = {to.address.lower() for to in message.to[:10]} - {""}
    subject, text = message.subject.lower(), read.reading.text[:4000].lower()
    if any(address in subject for address in ours):
        yield "recipient address in subject"
    if any(address in text for address in ours):
        yield "recipient address in text"


_COMMON = frozenset(
    (
        "com",
        "org",
        "net",
        "edu",
        "gov",
        "mil",
        "int",
        "eu",
        "info",
        "io",
        "co",
        "biz",
        "example",
    )
)


def _rare(host: str) -> bool:
    """Whether a host ends in none of the old endings and no country's."""
    ending = host.rpartition(".")[2]
    return bool(ending) and ending.isalpha() and len(ending) > 2 and ending not in _COMMON


def _names(name: str, address: str) -> Iterable[str]:
    """Whether name, local part and domain of an author look as if they belonged together."""
    domain = address.lower().rpartition("@")[2]
    label = _owner(domain).partition(".")[0]
    if (len(label) > 2 and _squeezed(label) in _squeezed(name)) or any(
        len(word) > 3 and word in label for word in _WORD.findall(name.lower())
    ):
        yield "author name is in the author's domain"
    if sum(c.isdigit() for c in label) > 1 or label.count("-") > 1 or len(label) > 22:
        yield "author domain looks made up"
    if _rare(domain):
        yield "rare ending of the author's domain"


def _squeezed(text: str) -> str:
    return "".join(c for c in text.lower() if c.isalnum())
