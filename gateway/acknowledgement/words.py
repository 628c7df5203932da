"""What a template may say: few values, each of them ours or proven harmless. Pure.

Never the subject, the body or a link of the letter: whoever forges a sender would have us carry
his words to his victim.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import ClassVar, Literal

from gateway.acknowledgement.octets import clean
from gateway.acknowledgement.wording import deadline, moment, opening_hours
from gateway.calendar import WorkingHours
from gateway.settings import Site

VALUE_MAX = 200


@dataclass(frozen=True, slots=True)
class Words:
    """The facts of one acknowledgement. What is not known is empty, which templates can ask."""

    NAMES: ClassVar[tuple[str, ...]] = (
        "site_name", "site_phone", "recipient", "customer_name", "topic", "promise", "opens",
        "hours", "reference", "call",
    )  # fmt: skip

    site: Site | None = None
    calendar: WorkingHours | None = None
    recipient: str = ""
    """Our address that was written to, without a plus-tag."""
    customer_name: str = ""
    """Only of a proven author, only plain letters (`names.py`)."""
    topic: str = ""
    """In words of our own."""
    promise: datetime | None = None
    opens: datetime | None = None
    """The next opening, None while open."""
    reference: str = ""
    """The queue id."""
    call: Literal["", "refused", "number"] = ""
    """Whether calls are forbidden, or a number was given: nobody is asked for what she wrote."""
    language: str = "en"

    def speaking(self, language: str) -> Words:
        return replace(self, language=language)

    def at(self, site: Site, calendar: WorkingHours | None) -> Words:
        return replace(self, site=site, calendar=calendar)

    def variables(self) -> Mapping[str, str]:
        """The values by name, each one clean line of text."""
        site, calendar = self.site, self.calendar
        language, region = self.language, site.region if site else ""
        values = {
            "site_name": name_of(site) if site else "",
            "site_phone": site.phone if site else "",
            "recipient": self.recipient,
            "customer_name": self.customer_name,
            "topic": self.topic,
            "promise": "",
            "opens": "",
            "hours": "",
            "reference": self.reference,
            "call": self.call,
        }
        if calendar:
            values["hours"] = opening_hours(calendar.week, language, region)
            if self.promise:
                values["promise"] = deadline(self.promise, calendar.zone, language, region)
            if self.opens:
                values["opens"] = moment(self.opens, calendar.zone, language, region)
        return {name: clean(value)[:VALUE_MAX] for name, value in values.items()}


def name_of(site: Site) -> str:
    """What customers call the site."""
    return site.name or site.domains[0]


NOTHING = Words(recipient="support@shop.example", reference="X")
"""A letter of which nothing more is known."""

_NASTY = (
    '{{ 7 * 7 }}{% raw %}<b onclick="x">\'\r\nBcc: victim@host.example\r\n\r\n\x1b[31m\u202e%s\0'
)
HOSTILE = Words(
    recipient=_NASTY,
    customer_name=_NASTY * 20,
    topic=_NASTY * 20,
    promise=datetime(2027, 12, 31, 23, 59, tzinfo=UTC),
    opens=datetime(2028, 2, 29, tzinfo=UTC),
    reference=_NASTY,
    call="number",
)
"""A letter that tries everything."""
