"""One site: its people, hours, routes, calls and tags."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    Field,
    SecretStr,
    field_validator,
)

from gateway.settings.values import (
    ActionWord,
    Count,
    Domain,
    Duration,
    EmailAddress,
    Flag,
    Pattern,
    Probability,
    Quota,
    Rate,
    Size,
    Span,
    Value,
)


class Calendar(Value):
    """When people answer."""

    timezone: str = "UTC"
    """A name such as `Europe/Berlin`."""
    hours: dict[str, str] = Field(default_factory=lambda: {"mon-fri": "9:00-17:00"})
    """`mon-fri: "9:00-12:00, 13:00-17:30"`; `mon-sun: "0:00-24:00"` is always."""
    holidays: str | tuple[str, ...] = ()
    """A country such as `US` or `DE-BY`, or dates such as `2026-12-24`."""


class Signing(Value):
    """The DKIM key for mail we send in this site's name (RFC 6376)."""

    domain: Domain
    """The signing domain (d=)."""
    selector: str = Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$")
    """The key record is `SELECTOR._domainkey.DOMAIN` (s=)."""
    key: SecretStr
    """The private key, PEM, RSA or Ed25519: `!file keys/shop.pem`."""


class Recipients(Value):
    """Whom we know at this site; with none of it the routes' exact addresses count."""

    addresses: tuple[EmailAddress, ...] = Field((), alias="list")
    """Addresses that exist; aliases and plus-tags need not be named."""
    file: Path | None = None
    """One address a line, `#` begins a comment."""
    any: Flag = False
    """Every local part of the site's domains is taken."""


class CallWhen(Value):
    tone: Literal["irate"] = "irate"
    """The tone that calls for a call."""
    at_least: Probability = 0.8
    """From this probability on."""


class Calls(Value):
    """Whom we phone, and who is told."""

    when: CallWhen = CallWhen()
    """Which letters."""
    notify: tuple[EmailAddress, ...] = ()
    """Who gets the call cards."""
    within: Duration = timedelta(minutes=30)
    """How soon, in the site's hours; outside them it counts from the next opening."""
    budget: Quota = Rate(count=20, period=timedelta(days=1))
    """Cards in this time; further calls are recorded without one."""
    phone: str = ""
    """The site's own number, never taken for the customer's."""


class Tags(Value):
    """How agents see what we found."""

    headers: Flag = True
    """Write the `X-Gateway-*` and `X-Spam-*` fields."""
    plus_address: Flag = False
    """Deliver to `support+irate@…`."""
    subject: Flag = False
    """Put one rare word such as GW_CALL before the subject. Breaks signatures over it."""


class Route(Value):
    """One rule: all conditions that are given must hold; the first rule that matches wins."""

    name: str = ""
    """For `X-Gateway-Rule` and the journal; default `rule N` or the `to` pattern."""
    to: str = "*"
    """Recipient, `*` for any run of letters: `*@shop.example`. Plus-tags are ignored."""
    author: str = ""
    """The author's address."""
    author_domain: str = ""
    """The author's domain."""
    vip: Flag | None = None
    """Whether the author is proven and one of the site's `vip`."""
    subject: Pattern = None
    """Found anywhere in the subject."""
    header: dict[str, Pattern] = Field(default_factory=dict)
    """For each named header field a pattern found in one of its values."""
    spam: tuple[Literal["ham", "unsure", "spam"], ...] = ()
    """One of these words for this site."""
    tone: tuple[Literal["irate", "upset", "neutral", "pleased", "unknown"], ...] = ()
    """One of these words."""
    urgent: Flag | None = None
    """Whether hours matter."""
    language: tuple[str, ...] = ()
    """One of these languages."""
    attachment: Flag | None = None
    """With or without one."""
    larger_than: Size | None = None
    """The whole message."""
    contacts_7_days: Count | None = None
    """At least so many letters from this author in seven days, this one included."""
    open: Flag | None = None
    """Inside or outside the site's hours."""

    next_hop: str = ""
    """Default: the site's."""
    deliver_to: tuple[EmailAddress, ...] = ()
    """Instead of the recipient."""
    copy_to: tuple[EmailAddress, ...] = ()
    """Besides the recipient."""
    tags: tuple[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_=-]{0,39}$")], ...] = ()
    """Further tags of your own."""
    hold: Flag = False
    """Wait for a person: `gateway queue release`."""
    acknowledge: str = ""
    """The name of a template, or nothing for silence."""
    not_addressed: Flag = False
    """Acknowledge even if our address is in neither To nor Cc."""
    answer_within: Span | None = None
    """What an acknowledgement may promise; without it no time is named."""
    call: Literal["policy", "always", "never"] = "policy"
    """`policy` is the site's `calls`."""

    @field_validator("spam", "tone", "language", "deliver_to", "copy_to", "tags", mode="before")
    @classmethod
    def _one_or_many(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value


class SiteThresholds(Value):
    unsure: Probability = 0.5
    """From here on spam is `unsure`."""
    spam: Probability = 0.9
    """From here on it is `spam`."""
    refuse_at: Annotated[float, Field(ge=0.99, le=1.0)] | None = None
    """From here on it is refused while it is being sent; without it never."""
    irate: Probability | None = None
    """Default: `calls.when.at_least`."""


class FormSender(Value):
    """A web form that writes in its own name; the customer stands in Reply-To."""

    address: EmailAddress
    """The form's own From."""
    ip: tuple[str, ...] = ()
    """Believed from these client addresses."""
    dkim: Domain | None = None
    """Believed with a DKIM signature of this domain."""


class Site(Value):
    site: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")
    """Its short name: in tags, logs, commands, and as the folder of its templates."""
    domains: tuple[Domain, ...] = Field(min_length=1)
    """Every domain whose mail comes to us for this site."""
    name: str = ""
    """As customers know it."""
    address: EmailAddress | None = None
    """The canonical address acknowledgements come from; default: the one written to."""
    phone: str = ""
    """The number at which customers reach a person; shown in acknowledgements."""
    languages: tuple[str, ...] = ("en",)
    """Of its templates; the first is used when the customer's is not among them."""
    region: str = Field("US", pattern=r"^[A-Z]{2}$")
    """The country of telephone numbers without a country code."""
    calendar: Calendar = Calendar()
    """When people answer."""
    next_hop: str
    """Where its mail goes: a name under `next_hops`."""
    signing: Signing | None = None
    """The DKIM key for what we send in its name."""
    orders: tuple[Pattern, ...] = ()
    """How its order numbers look; the group called `order` is the number."""
    routes: tuple[Route, ...] = Field(min_length=1)
    """Its rules: the first whose conditions all hold decides."""
    recipients: Recipients = Recipients()
    """Whom we know there."""
    aliases: dict[EmailAddress, EmailAddress] = Field(default_factory=dict)
    """Other names of a mailbox, which gets it: `{help@shop.example: support@shop.example}`."""
    calls: Calls = Calls()
    """Whom we phone."""
    tags: Tags = Tags()
    """How agents see what we found."""
    thresholds: SiteThresholds = SiteThresholds()
    """Where it draws its lines."""
    then: dict[str, dict[str, ActionWord]] = Field(default_factory=dict)
    """Its own answers to what filters say: `{spf: {fail: tag}}`."""
    acknowledge: Flag = True
    """`false`: never, whatever the routes say."""
    staff: tuple[EmailAddress, ...] = ()
    """Our own people: only their commands count, proven by DKIM."""
    vip: tuple[EmailAddress, ...] = ()
    """Customers who matter: for the condition `vip` of the routes."""
    form_senders: tuple[FormSender, ...] = ()
    """Web forms that write in their own name."""
    on_refusal: Literal["hold", "dsn"] = "hold"
    """What follows when the site's own mailbox refuses a letter for good."""
