"""What a letter says that the person who answers needs at hand. A pure reading of the Message.

Each is looked for when it is first asked for: most letters are never phoned about.

Nothing here is trusted: a phone number is digits in E.164 form, a reference and a question are the
customer's own words and shown only through `gateway.show`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from itertools import islice
from typing import Any

from gateway.acknowledgement.names import plain_name
from gateway.facts import dialling, phones, questions, references
from gateway.message import Message
from gateway.text import Reading, phrases, plain_letters, read

NEW_MAX = 16_384
"""Letters of the customer's own words that are searched."""
OTHER_MAX = 8_192
"""Letters of signature, and of history."""
BEST_TIME_MAX = 80


class Facts:
    """The facts in one letter for one site."""

    def __init__(
        self,
        message: Message,
        region: str,
        order_patterns: Sequence[Any],
        own_numbers: Sequence[str] = (),
    ) -> None:
        self._message = message
        self._region = region
        self._patterns = order_patterns
        self._own = own_numbers

    @property
    def phone(self) -> str | None:
        """The number at which the writer can be reached, E.164."""
        return self._numbers[0].number if self._numbers else None

    @property
    def extension(self) -> str:
        return self._numbers[0].extension if self._numbers else ""

    @property
    def all_phones(self) -> tuple[str, ...]:
        """All of the writer's numbers, E.164, the best first; `;ext=123` behind one that has it."""
        return tuple(map(_with_extension, self._numbers))

    @cached_property
    def orders(self) -> tuple[str, ...]:
        """Order, ticket, case, booking, contract and invoice numbers, as written."""
        return references.find(
            self._subject, f"{self._new}\n{self._signature}", self._quoted, self._patterns
        )

    @cached_property
    def questions(self) -> tuple[str, ...]:
        """Sentences that want an answer: at most ten, of at most 300 letters."""
        return questions.find(self._reading.new_text)

    @cached_property
    def name(self) -> str:
        """For address; plain letters only, empty if there is no plain name."""
        authors = self._message.authors
        return _name(authors[0].name if authors else "", self._reading)

    @cached_property
    def name_behind_form(self) -> str:
        """The same where a form wrote: its own name is nobody's."""
        reply_to = self._message.reply_to
        return _name(reply_to[0].name if len(reply_to) == 1 else "", self._reading)

    @cached_property
    def best_time(self) -> str:
        """When to call, in the customer's words."""
        return _best_time(self._new)

    @cached_property
    def _numbers(self) -> tuple[phones.Phone, ...]:
        authors = self._message.authors
        found = phones.find(
            (
                phones.Passage(self._new, 100),
                phones.Passage(self._subject, 90, heading=True),
                phones.Passage(self._signature, 60),
                phones.Passage(self._quoted, 0),
            ),
            dialling.regions(
                self._region, self._reading.language, authors[0].domain if authors else ""
            ),
        )
        if not (found and self._own):
            return found
        own = dialling.spelled(tuple(self._own), self._region)
        return tuple(phone for phone in found if phone.number not in own)

    @cached_property
    def _reading(self) -> Reading:
        return read(self._message)

    @cached_property
    def _subject(self) -> str:
        return plain_letters(self._message.subject)

    @cached_property
    def _new(self) -> str:
        return plain_letters(self._reading.new_text[:NEW_MAX])

    @cached_property
    def _signature(self) -> str:
        return plain_letters(self._reading.signature[:OTHER_MAX])

    @cached_property
    def _quoted(self) -> str:
        return plain_letters(self._reading.quoted[:OTHER_MAX])


def find(
    message: Message,
    *,
    region: str = "US",
    order_patterns: Sequence[Any] = (),
    own_numbers: Sequence[str] = (),
) -> Facts:
    """The facts in a letter for one site: its region, its RE2 patterns for orders, and the numbers
    that are its own, as somebody wrote them: never the customer's."""
    return Facts(message, region, order_patterns, own_numbers)


def _with_extension(phone: phones.Phone) -> str:
    """RFC 3966, 5.3."""
    return f"{phone.number};ext={phone.extension}" if phone.extension else phone.number


_FORM_NAME = re.compile(
    r"^[ *]{0,4}(?:full |your |vollständiger )?(?:name|nom(?: complet)?|nombre|nome|naam)[ *]{0,4}"
    r"[:=][ *]{0,4}([^\n]{2,60})$",
    re.IGNORECASE | re.MULTILINE,
)


def _name(sender: str, reading: Reading) -> str:
    """The name in a form, else the sender's, else in the first lines of the signature."""
    form = _FORM_NAME.search(reading.new_text[:2000])
    signed = (
        line.strip(" ,.-–—")
        for line in reading.signature.split("\n")[:4]
        if not phrases.CLOSING.match(line)
    )
    for written in (form[1] if form else "", sender, *signed):
        name = plain_name(written)
        if name and " " in name:
            return name
    return plain_name(sender)


_HOUR = (
    r"\d{1,2}(?:[:.h]\d{2}| ?h)?"
    r"(?: ?(?:am|pm|a\.m\.|p\.m\.|uhr|o['’]clock|horas?|uur|hrs?))?"
)


def _span(before: str, between: str) -> str:
    """`between 9 and 11`: a word, an hour, and perhaps another word and hour."""
    return rf"(?:{before}) {_HOUR}(?: ?(?:{between}) ?{_HOUR})?"


_DAY = r"(?: (?:on )?(?:weekdays|today|tomorrow|(?:mon|tues|wednes|thurs|fri|satur|sun)days?))?"
_TIME = re.compile(
    r"\b(?:"
    + "|".join(
        (
            _span("(?:any ?time )?(?:between|from|after|before|until|around)", "and|to|-|–|till")
            + _DAY,
            _span("zwischen|ab|nach|vor|bis|gegen|von", "und|bis|-|–"),
            _span("entre|après|avant|à partir de|vers", "et|à|-|–"),
            _span("(?:entre|después de|antes de|a partir de|de) las?", "(?:y|a)(?: las?)?"),
            _span("tra le|fra le|dalle|dopo le|prima delle|verso le", "e le|alle|e"),
            _span("entre as|depois das|antes das|a partir das|das", "e as|às|e"),
            _span("tussen|na|voor|vanaf|tot", "en|tot"),
            "(?:in the|this|tomorrow) (?:mornings?|afternoons?|evenings?)|weekdays?|lunch ?time",
            "(?:vor|nach)mittags?|abends|morgens|werktags",
            "(?:le |en )?(?:matin(?:ée)?|après-midi|soirée)",
            "por las? (?:mañanas?|tardes?|noches?)",
            "(?:di|la) (?:mattina|sera)|(?:nel|di) pomeriggio",
            "(?:de|da|à) (?:manhã|tarde|noite)|'s (?:ochtends|middags|avonds)",
        )
    )
    + ")",
    re.IGNORECASE,
)
_CALLING = re.compile(
    r"\b(?:call|ring|phone|reach|anruf|ruf|erreich|r(?:ü|ue)ckruf|appel|rappel|joindre|joignable"
    r"|ll[aá]m|chiam"
    r"|richiam|raggiung|lig(?:ar|ue|uem)|telefon|bel(?:len|t)?\b|bereik)",
    re.IGNORECASE,
)


def _best_time(new: str) -> str:
    """A time named in the sentence that speaks of calling, or in the next one."""
    for match in islice(_CALLING.finditer(new[:8000]), 12):
        stretch = new[max(0, match.start() - 60) : match.end() + 140]
        time = _TIME.search(stretch)
        if time:
            return " ".join(time[0].split())[:BEST_TIME_MAX]
    return ""
