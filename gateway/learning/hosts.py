"""Names of hosts in links and addresses: whose they are, and what is odd about them.

Rough on purpose and fast: a newsletter has a hundred links. The exact organisational domain is
`identity`'s business; here two labels (three below co.uk and the like) are enough to compare.
"""

from __future__ import annotations

import re
from functools import lru_cache

SHORTENERS = frozenset((
    "bit.ly", "t.co", "goo.gl", "tinyurl.com", "ow.ly", "is.gd", "buff.ly", "cutt.ly", "t.ly",
    "rebrand.ly", "rb.gy", "shorturl.at", "tiny.cc", "lnkd.in", "s.id", "bl.ink", "v.gd",
    "urlz.fr", "l.ead.me", "qrco.de", "me2.kr",
))  # fmt: skip
FREE_HOSTING = (
    "blogspot.com", "weebly.com", "wixsite.com", "web.app", "firebaseapp.com", "github.io",
    "pages.dev", "workers.dev", "netlify.app", "vercel.app", "herokuapp.com", "glitch.me",
    "appspot.com", "storage.googleapis.com", "amazonaws.com", "windows.net", "azurewebsites.net",
    "r2.dev", "myshopify.com", "sites.google.com", "docs.google.com", "forms.gle",
    "000webhostapp.com",
)  # fmt: skip
FREE_MAIL = frozenset((
    "gmail.com", "googlemail.com", "yahoo.com", "yahoo.co.uk", "yahoo.fr", "yahoo.de", "yahoo.es",
    "yahoo.it", "yahoo.com.br", "ymail.com", "hotmail.com", "hotmail.co.uk", "hotmail.fr",
    "hotmail.de", "hotmail.es", "hotmail.it", "outlook.com", "outlook.fr", "outlook.de",
    "outlook.es", "live.com", "live.nl", "live.fr", "msn.com", "aol.com", "icloud.com", "me.com",
    "mac.com", "gmx.de", "gmx.net", "gmx.at", "gmx.ch", "gmx.com", "web.de", "t-online.de",
    "freenet.de", "mail.com", "proton.me", "protonmail.com", "yandex.com", "yandex.ru", "mail.ru",
    "orange.fr", "wanadoo.fr", "free.fr", "laposte.net", "sfr.fr", "libero.it", "virgilio.it",
    "tiscali.it", "alice.it", "ziggo.nl", "kpnmail.nl", "planet.nl", "telefonica.net", "uol.com.br",
    "bol.com.br", "terra.com.br", "sapo.pt", "comcast.net", "verizon.net", "att.net",
    "sbcglobal.net", "btinternet.com", "qq.com", "163.com", "126.com", "juno.com", "zoho.com",
))  # fmt: skip
_SECOND_LEVEL = frozenset(
    ("co", "com", "org", "net", "gov", "edu", "ac", "or", "ne", "go", "gob", "gouv")
)
_COMMON = frozenset((
    "com", "org", "net", "edu", "gov", "mil", "int", "eu", "info", "io", "co", "biz", "example",
))  # fmt: skip
_AUTHORITY = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]{0,30}:)?(?://)?([^/?#\\\s]{0,300})")


def authority(url: str) -> str:
    """What stands between the scheme and the path: user, host and port; cut at 300 characters."""
    found = _AUTHORITY.match(url)
    return found[1] if found else ""


@lru_cache(maxsize=4096)
def host_of(part: str) -> tuple[str, tuple[str, ...]]:
    """The host of an authority in lower case, and the facts that hold for such a link."""
    odd: list[str] = []
    user, at, host = part.rpartition("@")
    if at and user:
        odd.append("link with a user part")
    host, colon, port = host.partition(":")
    if colon and port.isdigit() and port not in ("80", "443"):
        odd.append("link to an odd port")
    host = host.lower().rstrip(".")
    if host.startswith("xn--") or ".xn--" in host:
        odd.append("punycode link")
    if host.replace(".", "").isdigit() or host.startswith("["):
        odd.append("link to a bare address")
    if owner(host) in SHORTENERS:
        odd.append("link shortener")
    if host.endswith(FREE_HOSTING):
        odd.append("link on a free hosting domain")
    if is_rare(host):
        odd.append("rare ending of a link's host")
    return host, tuple(odd)


@lru_cache(maxsize=4096)
def owner(host: str) -> str:
    """The registered domain, roughly: two labels, three below co.uk and the like."""
    labels = host.lower().rstrip(".").split(".")
    keep = 3 if len(labels) > 2 and labels[-2] in _SECOND_LEVEL and len(labels[-1]) == 2 else 2
    return ".".join(labels[-keep:])


def is_rare(host: str) -> bool:
    """Whether a host ends in none of the old endings and no country's."""
    ending = host.rpartition(".")[2]
    return bool(ending) and ending.isalpha() and len(ending) > 2 and ending not in _COMMON
