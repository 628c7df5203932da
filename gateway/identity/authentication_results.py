"""Authentication-Results (RFC 8601): writing ours, reading others', knowing who claims to be us."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from gateway.domains import canonical_domain
from gateway.header import words
from gateway.verdict import AuthResult

FIELD = "authentication-results"
MAX_VALUE, MAX_REASON, LINE = 254, 160, 76
MAX_READ = 65_536
"""Octets of a foreign field that are read."""
MAX_CLAIM = 4096
"""Octets in which an honest field has named who wrote it."""
MAX_RESULTS = 200

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`{|}~-]+\Z")
_ADDRESS = re.compile(r"(?:[A-Za-z0-9!#$%&'*+=?^_`{|}~/.-]+)?@[A-Za-z0-9._-]+\Z")
_UNSAFE = re.compile(r"[^\x20-\x7e]")
_SPACES = re.compile(" {2,}")
_NOT_KEYWORD = re.compile(r"[^A-Za-z0-9._-]")
_NOT_NAME = re.compile(r"[^a-z0-9._-]")
_IN_COMMENT = re.compile(r"[^()\\]*+")
_ONE_NAME = re.compile(rb"[ \t\r\n]*+([A-Za-z0-9._-]++)[ \t\r\n]*+;")
_WHITE = " \t\r\n"
_WORD_END = frozenset(_WHITE + ';=()"')


def render(authserv_id: str, statements: Iterable[AuthResult]) -> bytes:
    """The complete field with its CRLF. No value, whoever chose it, can end its own quotes."""
    lines = [f"Authentication-Results: {_word(authserv_id)}"]
    for statement in statements:
        lines[-1] += ";"
        lines.append(f"\t{_keyword(statement.method)}={_keyword(statement.result)}")
        for piece in _pieces(statement):
            if len(lines[-1]) + len(piece) >= LINE:
                lines.append("\t")
            else:
                lines[-1] += " "
            lines[-1] += piece
    if len(lines) == 1:
        lines[0] += "; none"
    return "\r\n".join(lines).encode("ascii") + b"\r\n"


def unfolded(authserv_id: str, statements: Iterable[AuthResult]) -> str:
    """The value of the same field on one line, for whoever folds it himself."""
    said = [
        " ".join(
            (f"{_keyword(statement.method)}={_keyword(statement.result)}", *_pieces(statement))
        )
        for statement in statements
    ]
    return "; ".join([_word(authserv_id), *(said or ["none"])])


def _pieces(statement: AuthResult) -> Iterable[str]:
    if statement.reason and statement.result not in ("pass", "none"):
        yield f"reason={_quoted(statement.reason[:MAX_REASON])}"
    for name, value in statement.properties:
        yield f"{_keyword(name)}={_pvalue(value)}"


@lru_cache(maxsize=256)
def _keyword(text: str) -> str:
    """Method, result and property names are ours; what they may not hold is left out."""
    return _NOT_KEYWORD.sub("", text) or "none"


def _pvalue(text: str) -> str:
    text = text[:MAX_VALUE]
    if not text.isascii():
        local, at, domain = text.rpartition("@")
        text = f"{local}{at}{canonical_domain(domain)}"
    return text if _ADDRESS.match(text) else _word(text)


def _word(text: str) -> str:
    return text if _TOKEN.match(text) else _quoted(text)


def _quoted(text: str) -> str:
    # Runs of spaces are one: a line of ours that were white space only would be taken for the end
    # of the header section by whoever trims lines (RFC 5322, 3.2.2).
    text = _SPACES.sub(" ", _UNSAFE.sub("?", text))
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


@dataclass(frozen=True, slots=True)
class Results:
    """A foreign field as far as it could be read."""

    authserv_id: str
    """Lower case."""
    results: tuple[AuthResult, ...]


def claims(value: bytes, authserv_id: str) -> bool:
    """Whether a field's value claims to be ours (RFC 8601, 5), however that is spelt: case,
    comments, quotes, folding, white space within, full-width letters, encoded-words.

    What cannot be read but mentions our name is taken as a claim: some other reader may see it.
    """
    ours = authserv_id.lower().rstrip(".")
    simple = _ONE_NAME.match(value)
    if simple:  # as nearly all are
        return simple[1].lower().rstrip(b".") == ours.encode()
    text = value[:MAX_CLAIM].decode("utf-8", "replace")
    readings = {text, unicodedata.normalize("NFKC", words(text))}
    return any(_names(one.lower(), ours, value) for one in readings)


def _names(text: str, ours: str, value: bytes) -> bool:
    """Whether the lower-cased beginning of a value names us; `value` is all of it."""
    reading = _Words(text)
    try:
        first = reading.take_word()
    except ValueError:
        return ours.encode() in value.lower() or ours in text
    name = first.partition("/")[0]  # RFC 5451 wrote the version so
    if _NOT_NAME.sub("", name).rstrip(".") == ours:
        return True
    # With all that can stand between its letters left out; a version may follow.
    rest = _NOT_NAME.sub("", first + reading.up_to_semicolon()).rstrip(".")
    return rest.startswith(ours) and rest[len(ours) :].strip("0123456789") == ""


def parse(value: bytes | str) -> Results:
    """Read a field's value; raises ValueError when not even its authserv-id can be read."""
    text = value[:MAX_READ]
    words = _Words(text.decode("utf-8", "replace") if isinstance(text, bytes) else text)
    authserv_id = words.take_word().lower()
    words.skip_to_semicolon()  # the version
    results: list[AuthResult] = []
    while not words.at_end and len(results) < MAX_RESULTS:
        try:
            result = _result(words)
        except ValueError:
            result = None
        if result:
            results.append(result)
        words.skip_to_semicolon()
    return Results(authserv_id, tuple(results))


def _result(words: _Words) -> AuthResult | None:
    method = words.take_word().lower()
    if method == "none" or not words.take("="):
        return None
    result = words.take_word().lower()
    properties: list[tuple[str, str]] = []
    reason = ""
    while not words.at_end and not words.at(";"):
        name = words.take_word().lower()
        if not words.take("="):
            break
        value = words.take_word(through="=")
        if name == "reason":
            reason = value
        else:
            properties.append((name, value))
    return AuthResult(method.partition("/")[0], result, tuple(properties), reason)


class _Words:
    """A cursor over the words of a structured field: one pass, comments skipped."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._skip()

    @property
    def at_end(self) -> bool:
        return self._at >= len(self._text)

    def at(self, sign: str) -> bool:
        return self._text.startswith(sign, self._at)

    def take(self, sign: str) -> bool:
        if not self.at(sign):
            return False
        self._at += len(sign)
        self._skip()
        return True

    def take_word(self, through: str = "") -> str:
        """A quoted string, or what stands up to white space or a special; `through` may occur."""
        if self.at_end:
            raise ValueError("nothing left")
        start = self._at
        if self._text[start] == '"':
            return self._take_quoted() + (self._rest(through) if self.at("@") else "")
        word = self._rest(through)
        if not word:
            raise ValueError("not a word")
        return word

    def _rest(self, through: str) -> str:
        start = self._at
        while not self.at_end and (
            self._text[self._at] not in _WORD_END or self._text[self._at] in through
        ):
            self._at += 1
        word = self._text[start : self._at]
        self._skip()
        return word

    def _take_quoted(self) -> str:
        letters: list[str] = []
        self._at += 1
        while not self.at_end:
            letter = self._text[self._at]
            self._at += 1
            if letter == '"':
                self._skip()
                return "".join(letters)
            if letter == "\\" and not self.at_end:
                letter = self._text[self._at]
                self._at += 1
            letters.append(letter)
        raise ValueError("quotes without an end")

    def up_to_semicolon(self) -> str:
        """What stands up to the next semicolon, comments and white space left out."""
        letters: list[str] = []
        while not self.at_end and not self.at(";"):
            letters.append(self._text[self._at])
            self._at += 1
            self._skip()
        return "".join(letters)

    def skip_to_semicolon(self) -> None:
        """Past the next semicolon that stands outside quotes and comments."""
        while not self.at_end and not self.at(";"):
            if self.at('"'):
                try:
                    self._take_quoted()
                except ValueError:
                    return
            else:
                self._at += 1
                self._skip()
        self.take(";")

    def _skip(self) -> None:
        """White space and comments, nested ones too (RFC 5322, 3.2.2); one without end ends all."""
        depth = 0
        while not self.at_end:
            letter = self._text[self._at]
            if depth and letter not in "()\\":
                self._at = _IN_COMMENT.match(self._text, self._at).end()  # type: ignore[union-attr]
                continue
            if letter == "(":
                depth += 1
            elif depth and letter == ")":
                depth -= 1
            elif depth and letter == "\\":
                self._at += 1
            elif not depth and letter not in _WHITE:
                return
            self._at += 1
