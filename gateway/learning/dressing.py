"""Bare texts as whole mail: from somebody, to us, as a mail program would send them.

Customers' texts come without a header, and spam never does: a model would learn that whoever has
a name, an HTML part or a picture in the signature is no customer. So each text is given a sender
and a form, chosen by its checksum: always the same for the same text, and telling nothing.
"""

from __future__ import annotations

import html
import re
import zlib
from email.header import Header
from email.utils import formataddr, parseaddr

FIRST = (
    "Ada", "Ben", "Carla", "Dirk", "Elena", "Farid", "Greta", "Hugo", "Ines", "Jonas", "Karin",
    "Luca", "Maria", "Nadia", "Oskar", "Paula", "Ravi", "Sofia", "Tom", "Ulla", "Vera", "Walt",
    "Xenia", "Yusuf", "Zoe", "José", "Renée", "Björn", "Chloé", "João",
)  # fmt: skip
LAST = (
    "Albrecht", "Bakker", "Castillo", "Dupont", "Eriksen", "Ferreira", "Garcia", "Hoffmann",
    "Ibrahim", "Jansen", "Keller", "Lombardi", "Moreau", "Novak", "Okafor", "Petersen", "Quinn",
    "Romano", "Santos", "Turner", "Ullman", "Vermeer", "Whitfield", "Young", "Zimmer", "Patel",
)  # fmt: skip
COMPANIES = (
    "harbour-dental",
    "oakfield",
    "nordlicht-cafe",
    "lunapark",
    "delta-studio",
    "brightside",
    "mueller-soehne",
    "atelier17",
    "greenrow",
    "kasparov-tools",
    "seaview",
    "primacasa",
)
FREE = (
    "gmail.com", "gmail.com", "gmail.com", "hotmail.com", "outlook.com", "yahoo.com", "icloud.com",
    "gmx.de", "web.de", "orange.fr", "libero.it", "hotmail.es", "ziggo.nl", "aol.com",
)  # fmt: skip
OURS = ("support@site.example", "info@site.example", "orders@site.example", "help@shop.example")
PHONE = (
    "",
    "",
    "",
    "\n\nSent from my iPhone",
    "\n\nSent from my Galaxy",
    "\n\nGet Outlook for iOS",
)


def dress(subject: str, text: str) -> bytes:
    """The text as octets of a message with LF line ends."""
    choice = zlib.crc32(text.encode("utf-8", "replace"))
    first, last = FIRST[choice % len(FIRST)], LAST[choice // 31 % len(LAST)]
    company = COMPANIES[choice // 97 % len(COMPANIES)] if choice % 5 == 0 else ""
    author = formataddr((_name(first, last, choice), _address(first, last, company, choice)))
    head = [
        f"From: {author}",
        f"To: {OURS[choice // 7 % len(OURS)]}",
        f"Subject: {_folded(subject or _opening(text))}",
        "MIME-Version: 1.0",
    ]
    body = text + PHONE[choice // 11 % len(PHONE)]
    if company:
        body += f"\n\n{first} {last}\n{company}\nwww.{company}.example"
    form = choice // 13 % 20
    parts = _plain(body) if form < 11 else _rich(body, company, choice, plain=form < 17)
    return ("\n".join(head) + "\n" + parts).encode("utf-8", "replace")


def mailing(author: str, subject: str, text: str) -> bytes:
    """One of our own mailings, honest or not, as octets: `[text](url)` is a link, `![alt](url)` a
    picture. Whether it is HTML, plain or both hangs on its checksum, never on what it is."""
    choice = zlib.crc32(text.encode("utf-8", "replace"))
    head = [
        f"From: {_sender(author)}",
        f"To: {OURS[choice // 7 % len(OURS)]}",
        f"Subject: {_folded(subject)}",
        "MIME-Version: 1.0",
    ]
    plain = _plain(_LINK.sub(r"\1: \2", _PICTURE.sub(r"\1", text)))
    pictured = choice // 41 % 2 == 0
    lines = [_marked(line, pictured=pictured) for line in text.split("\n")]
    pictures = "![" in text
    form = choice // 13 % 20 if pictures or "](" in text else choice // 13 % 24
    if form < 8:
        parts = _both(plain, _page("\n".join(f"<p>{line}</p>" for line in lines)), choice)
    elif form < 17 or (pictures and form < 20):
        rows = "\n".join(f"<tr><td>{line}</td></tr>" for line in lines)
        parts = _page(f"<table>{rows}</table>")
    else:
        parts = plain
    return ("\n".join(head) + "\n" + parts).encode("utf-8", "replace")


_PICTURE = re.compile(r"!\[([^\]]{0,200})\]\([^)\s]{1,300}\)")
_LINK = re.compile(r"(?<!!)\[([^\]]{1,200})\]\(([^)\s]{1,300})\)")


def _sender(author: str) -> str:
    """The author as a header field has it; what no honest mail program writes stays as it is."""
    name, address = parseaddr(author)
    return formataddr((name, address)) if address and f"<{address}>" in author else author


def _marked(line: str, *, pictured: bool) -> str:
    """A line as HTML; in half of all mailings a picture stands before each link, as builders do."""
    line = html.escape(line, quote=False)
    line = _PICTURE.sub(lambda m: f'<img src="{_address_of(m[0])}" alt="{m[1]}">', line)
    link = r'<a href="\2"><img src="\2.png" alt=""> \1</a>' if pictured else r'<a href="\2">\1</a>'
    return _LINK.sub(link, line) or "<br>"


def _address_of(picture: str) -> str:
    return picture.rpartition("(")[2].rstrip(")")


def _name(first: str, last: str, choice: int) -> str:
    style = choice // 17 % 10
    return first.lower() if style == 0 else "" if style == 1 else f"{first} {last}"


def _address(first: str, last: str, company: str, choice: int) -> str:
    one, two = _ascii(first), _ascii(last)
    number = choice // 19 % 100
    local = (f"{one}.{two}", f"{one}{two}{number}", f"{one[0]}{two}", f"{two}{number}",
             f"sunny{number}", one)[choice // 23 % 6]  # fmt: skip
    return f"{local}@{company}.example" if company else f"{local}@{FREE[choice // 29 % len(FREE)]}"


def _ascii(name: str) -> str:
    return "".join(c for c in name.lower() if c.isascii() and c.isalpha())


def _opening(text: str) -> str:
    """What people who name no subject might have written: some leave it empty."""
    return " ".join(text.split()[:5]) if zlib.crc32(text.encode("utf-8", "replace")) % 3 else ""


def _folded(subject: str) -> str:
    line = " ".join(subject.split())[:300]
    return line if line.isascii() else Header(line, "utf-8", maxlinelen=70).encode()


def _plain(body: str) -> str:
    return f"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n{body}\n"


def _rich(body: str, company: str, choice: int, *, plain: bool) -> str:
    """HTML, mostly with the same as plain text beside it; firms show a picture in the signature."""
    lines = "".join(f"<div>{html.escape(line) or '<br>'}</div>\n" for line in body.split("\n"))
    if company:
        site = f"https://www.{company}.example"
        lines += f'<p><a href="{site}/">{site}</a></p><img src="cid:logo" width="120" alt="logo">'
        if choice // 37 % 2:
            lines += f'<a href="{site}/contact">Contact</a> <a href="{site}/jobs">Jobs</a>'
    page = _page(lines)
    return _both(_plain(body), page, choice) if plain else page


def _page(inner: str) -> str:
    return (
        "Content-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n"
        f"<html><body>{inner}</body></html>\n"
    )


def _both(plain: str, page: str, choice: int) -> str:
    mark = f"=_{choice:08x}"
    return (
        f'Content-Type: multipart/alternative; boundary="{mark}"\n\n'
        f"--{mark}\n{plain}--{mark}\n{page}--{mark}--\n"
    )
