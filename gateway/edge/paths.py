"""The arguments of MAIL and RCPT (RFC 5321, 4.1.2), parsed strictly and without backtracking.

Two liberties: a space after the colon is common and taken, and local parts may have dots anywhere
(some Japanese carriers gave such addresses out).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from gateway.edge import dsn_parameters
from gateway.reply import BAD_PARAMETER, RELAYING_DENIED, Reply

BAD_SENDER = Reply(501, "5.1.7", "Syntax: MAIL FROM:<address>")
BAD_RECIPIENT = Reply(501, "5.1.3", "Syntax: RCPT TO:<address>")
NOT_ASCII = Reply(553, "5.6.7", "Addresses beyond ASCII need SMTPUTF8")
UNKNOWN_PARAMETER = Reply(555, "5.5.4", "Parameter not implemented")
TOO_LARGE_DECLARED = Reply(552, "5.3.4", "Message too large")

MAX_PATH = 512
"""Octets. RFC 5321, 4.5.3.1.3 asks for 256 at least; bounce addresses of our day are longer."""
MAX_DOMAIN = 255

_HOST = r"(?:[A-Za-z0-9_-]{1,63}\.){0,126}[A-Za-z0-9_-]{1,63}"
_PLAIN = rf"<([A-Za-z0-9._=+-]{{1,200}}@{_HOST})>"
_LETTERS = re.IGNORECASE | re.ASCII
"""Of ASCII only: else `[a-z]` in any case holds the Kelvin sign and the long s."""
_PLAIN_MAIL = re.compile(
    rf"FROM:{_PLAIN}(?: SIZE=([0-9]{{1,12}}))?(?: BODY=(7BIT|8BITMIME))?", _LETTERS
)
_PLAIN_RCPT = re.compile(
    rf"TO:{_PLAIN}(?: ORCPT=(rfc822;[\x21-\x2a\x2c-\x3c\x3e-\x7e]{{1,400}}))?", _LETTERS
)
"""The common case in one look: an ASCII dot-string at a host name, and what most clients add."""
_ATOM = r'[^\x00-\x20\x7f<>()\[\]\\,;:@"]+'
_QUOTED = r'"(?:[^\x00-\x1f\x7f"\\]|\\[\x20-\x7e])*"'
_LITERAL = r"\[[A-Za-z0-9.:-]+\]"
_PATH = re.compile(rf"<(?:({_ATOM}|{_QUOTED})@([^\x00-\x20\x7f<>@\[\]]+|{_LITERAL}))?>")
_NEEDLESS_QUOTES = re.compile(rf'"({_ATOM})"')
_LABEL = re.compile(r"[A-Za-z0-9_\x80-\U0010ffff-]{1,63}")
_XTEXT = re.compile(r"<>|[\x21-\x2a\x2c-\x3c\x3e-\x7e+]{1,512}")


@dataclass(frozen=True, slots=True)
class MailCommand:
    reverse_path: str
    smtputf8: bool = False
    body: str = "7BIT"
    size: int = 0
    """As declared, 0 if not."""
    ret: str = ""
    envid: str = ""


@dataclass(frozen=True, slots=True)
class RcptCommand:
    address: str
    notify: str = ""
    orcpt: str = ""


@dataclass(frozen=True, slots=True)
class _Argument:
    """A path, split at its last @, and the words that follow it. `<>` has neither part."""

    local: str
    domain: str
    parameters: tuple[str, ...]

    @property
    def address(self) -> str:
        return f"{self.local}@{self.domain}" if self.domain else ""


def _split(argument: str, keyword: str) -> tuple[str, tuple[str, ...]] | None:
    """`FROM:<path> words` into path and words. A quoted local part may hold spaces and `>`."""
    if argument[: len(keyword)].upper() != keyword:
        return None
    rest = argument[len(keyword) :].strip(" ")
    match = _PATH.match(rest)
    end = match.end() if match else rest.find(">") + 1
    path, words = rest[:end], rest[end:]
    if not path or (words and not words.startswith(" ")):
        return None
    return path, tuple(word for word in words.split(" ") if word)


def _is_domain(domain: str) -> bool:
    if domain.startswith("["):
        return len(domain) <= MAX_DOMAIN
    return len(domain) <= MAX_DOMAIN and all(map(_LABEL.fullmatch, domain.split(".")))


def _parse(argument: str, keyword: str, syntax: Reply) -> _Argument | Reply:
    split = _split(argument, keyword)
    if split is None or len(split[0]) > MAX_PATH:
        return syntax
    path, words = split
    match = _PATH.fullmatch(path)
    if match is None:
        return syntax
    local, domain = match[1] or "", match[2] or ""
    if domain and not _is_domain(domain):
        return syntax
    needless = _NEEDLESS_QUOTES.fullmatch(local)
    return _Argument(needless[1] if needless else local, domain, words)


def _is_utf8(text: str) -> bool:
    """False if octets that were no UTF-8 were smuggled through decoding as lone surrogates."""
    return not any("\ud800" <= sign <= "\udfff" for sign in text)


def _is_foreign(text: str, *, smtputf8: bool) -> bool:
    """Whether the address has signs that this transaction may not carry."""
    return not text.isascii() and not (smtputf8 and _is_utf8(text))


def parse_mail(argument: str, *, extended: bool, smtputf8: bool, limit: int) -> MailCommand | Reply:
    """What follows MAIL. `smtputf8`: whether we announced it; `limit`: octets of a message."""
    plain = _PLAIN_MAIL.fullmatch(argument)
    if plain and len(plain[1]) <= MAX_DOMAIN and (extended or not (plain[2] or plain[3])):
        declared = int(plain[2] or 0)
        if declared > limit:  # RFC 1870, 6.1
            return TOO_LARGE_DECLARED
        return MailCommand(plain[1], body=(plain[3] or "7BIT").upper(), size=declared)
    parsed = _parse(argument, "FROM:", BAD_SENDER)
    if isinstance(parsed, Reply):
        return parsed
    options = _options(parsed.parameters)
    if isinstance(options, Reply):
        return options
    wrong = _check_options(options, extended=extended, smtputf8=smtputf8)
    if wrong:
        return wrong
    ret, envid = options.get("RET", ""), options.get("ENVID", "")
    utf8 = "SMTPUTF8" in options
    if _is_foreign(parsed.address, smtputf8=utf8):
        return NOT_ASCII
    size = int(options.get("SIZE", 0))
    if size > limit:  # RFC 1870, 6.1
        return TOO_LARGE_DECLARED
    body = options.get("BODY", "7BIT").upper()
    return MailCommand(parsed.address, utf8, body, size, ret.upper(), envid)


def _options(parameters: tuple[str, ...]) -> dict[str, str] | Reply:
    """Parameters by keyword; none may stand twice."""
    options: dict[str, str] = {}
    for word in parameters:
        name, _, value = word.partition("=")
        if name.upper() in options:
            return BAD_PARAMETER
        options[name.upper()] = value
    return options


def _check_options(options: dict[str, str], *, extended: bool, smtputf8: bool) -> Reply | None:
    """RFC 1870 SIZE, RFC 6152 BODY, RFC 6531 SMTPUTF8, RFC 4954 AUTH (taken and ignored), RFC 3461
    RET and ENVID."""
    for name, value in options.items():
        if not extended or name not in ("SIZE", "BODY", "SMTPUTF8", "AUTH", "RET", "ENVID"):
            return UNKNOWN_PARAMETER
        if name == "SMTPUTF8" and not smtputf8:
            return UNKNOWN_PARAMETER
        if not {
            "SIZE": value.isascii() and value.isdigit() and len(value) <= 20,
            "BODY": value.upper() in ("7BIT", "8BITMIME"),
            "SMTPUTF8": not value,
            "AUTH": _XTEXT.fullmatch(value) is not None,
            "RET": isinstance(dsn_parameters.ret(value), str),
            "ENVID": isinstance(dsn_parameters.envid(value), str),
        }[name]:
            return BAD_PARAMETER
    return None


def parse_rcpt(argument: str, *, extended: bool, smtputf8: bool) -> RcptCommand | Reply:
    """What follows RCPT: an address, or `postmaster` for `<postmaster>` (RFC 5321, 4.5.1)."""
    plain = _PLAIN_RCPT.fullmatch(argument)
    if plain and len(plain[1]) <= MAX_DOMAIN and (extended or not plain[2]):
        return RcptCommand(plain[1], "", plain[2] or "")
    split = _split(argument, "TO:")
    if split and split[0].lower() == "<postmaster>":
        return _rcpt("postmaster", split[1], extended=extended, smtputf8=smtputf8)
    if split and split[0].startswith("<@"):  # RFC 5321, appendix C: source routes
        return RELAYING_DENIED
    if split and split[0].count("@") > 1:
        return RELAYING_DENIED
    parsed = _parse(argument, "TO:", BAD_RECIPIENT)
    if isinstance(parsed, Reply):
        return parsed
    if not parsed.domain:
        return BAD_RECIPIENT
    if any(sign in parsed.local for sign in "%!@"):  # the source routes of the eighties
        return RELAYING_DENIED
    if _is_foreign(parsed.address, smtputf8=smtputf8):
        return NOT_ASCII
    return _rcpt(parsed.address, parsed.parameters, extended=extended, smtputf8=smtputf8)


def _rcpt(
    address: str, parameters: tuple[str, ...], *, extended: bool, smtputf8: bool
) -> RcptCommand | Reply:
    """RFC 3461 NOTIFY and ORCPT."""
    options = _options(parameters)
    if isinstance(options, Reply):
        return options
    if options and not (extended and options.keys() <= {"NOTIFY", "ORCPT"}):
        return UNKNOWN_PARAMETER
    notify: str | Reply = ""
    orcpt: str | Reply = ""
    if "NOTIFY" in options:
        notify = dsn_parameters.notify(options["NOTIFY"])
    if "ORCPT" in options:
        orcpt = dsn_parameters.orcpt(options["ORCPT"], smtputf8=smtputf8)
    if isinstance(notify, Reply) or isinstance(orcpt, Reply):
        return BAD_PARAMETER
    return RcptCommand(address, notify, orcpt)
