"""The configuration as frozen values: every key, its type, its default and what it means.

Only what is built has a key here; anything else in the YAML is an error. `configuration.py` reads
the files and tells mistakes with file and line; `docs/configuration.md` is checked against this.
"""

from __future__ import annotations

import ipaddress
import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

import re2
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    Strict,
    field_validator,
    model_validator,
)

from gateway.verdict import Action, Policy, Thresholds

# --- values with a spelling of their own -------------------------------------------------------

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_PERIODS = {
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
}
_SIZES = {"": 1, "KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30}


class Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class WorkingTime(Value):
    """So many hours or days in which the site is open (its `calendar`)."""

    amount: int
    unit: Literal["hours", "days"]


class Rate(Value):
    """At most `count` in each `period`."""

    count: int
    period: timedelta


def parse_duration(value: object) -> timedelta:
    """`90s`, `15m`, `4h`, `5d`. Raises ValueError for everything else."""
    match = re.fullmatch(r"(\d{1,6})([smhd])", value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("a duration is a whole number and s, m, h or d, such as 30m")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def parse_span(value: object) -> timedelta | WorkingTime:
    """A duration, or `4 working hours`, `1 working day` in the site's calendar."""
    match = (
        re.fullmatch(r"(\d{1,4}) working (hour|day)s?", value) if isinstance(value, str) else None
    )
    if match:
        return WorkingTime(amount=int(match[1]), unit="days" if match[2] == "day" else "hours")
    try:
        return parse_duration(value)
    except ValueError as error:
        raise ValueError(f"{error}, or '4 working hours', '1 working day'") from None


def parse_rate(value: object) -> Rate:
    """`20 per day`. Raises ValueError for everything else."""
    match = (
        re.fullmatch(r"(\d{1,9}) per (minute|hour|day)", value) if isinstance(value, str) else None
    )
    if match is None:
        raise ValueError("a rate is a whole number per minute, hour or day, such as 20 per day")
    return Rate(count=int(match[1]), period=_PERIODS[match[2]])


def parse_size(value: object) -> int:
    """`50MB`, `64KB`, or a number of octets. Raises ValueError for everything else."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    match = re.fullmatch(r"(\d{1,9})(KB|MB|GB|)", value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("a size is a whole number of octets, or with KB, MB or GB, such as 25MB")
    return int(match[1]) * _SIZES[match[2]]


def _given(kind: type, parse: Any) -> Any:
    """Parse the YAML's spelling, but let values of the final type (defaults, tests) through."""
    return BeforeValidator(lambda value: value if isinstance(value, kind) else parse(value))


Duration = Annotated[timedelta, _given(timedelta, parse_duration)]
Span = Annotated[timedelta | WorkingTime, _given((timedelta, WorkingTime), parse_span)]
Quota = Annotated[Rate, _given(Rate, parse_rate)]
Size = Annotated[int, BeforeValidator(parse_size)]


Flag = Annotated[bool, Strict()]
"""`true` or `false`; `yes` and `on` are text in our YAML, and a mistake here."""
Count = Annotated[int, Strict()]


def _probability(value: float) -> float:
    if not 0.0 <= value <= 1.0:
        raise ValueError("a probability lies between 0 and 1")
    return value


Probability = Annotated[float, Strict(), AfterValidator(_probability)]


def _action(value: object) -> Action:
    if isinstance(value, Action):
        return value
    try:
        return Action[str(value).upper()]
    except KeyError:
        words = ", ".join(action.word for action in Action)
        raise ValueError(f"an action is one of {words}") from None


ActionWord = Annotated[Action, BeforeValidator(_action)]


def _pattern(value: object) -> Any:
    """Compile a pattern with RE2, whose matching time is linear in the text."""
    if not isinstance(value, str):
        return value
    options = re2.Options()
    options.log_errors = False
    options.case_sensitive = False
    try:
        return re2.compile(value, options)
    except re2.error as error:
        detail = error.args[0].decode() if isinstance(error.args[0], bytes) else error.args[0]
        raise ValueError(f"not an RE2 pattern: {detail}") from None


Pattern = Annotated[Any, BeforeValidator(_pattern)]
"""A compiled RE2 pattern, matched without regard to case."""


def _address(value: str) -> str:
    local, at, domain = value.rpartition("@")
    if not at or not local or "." not in domain or re.search(r"[\s<>,;\x00-\x1f]", value):
        raise ValueError("an e-mail address is wanted, such as support@shop.example")
    return f"{local}@{domain.lower()}"


def _domain(value: str) -> str:
    value = value.lower().rstrip(".")
    if not re.fullmatch(r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9-]{2,63}", value):
        raise ValueError("a domain name is wanted, such as shop.example")
    return value


def _host_port(value: str) -> str:
    host, colon, port = value.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535:
        raise ValueError("an address and port are wanted, such as 0.0.0.0:25 or [::1]:2525")
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        raise ValueError("the part before the port must be an IP address") from None
    return value


EmailAddress = Annotated[str, AfterValidator(_address)]
Domain = Annotated[str, AfterValidator(_domain)]
HostPort = Annotated[str, AfterValidator(_host_port)]


def split_host_port(value: str) -> tuple[str, int]:
    host, _, port = value.rpartition(":")
    return host.strip("[]"), int(port)


# --- the gateway as a whole --------------------------------------------------------------------


class Tls(Value):
    """A certificate and its key, PEM files; read again on reload."""

    cert: Path
    """The certificate, own one first, then its chain."""
    key: Path
    """The certificate's key, without a password."""


class Listener(Value):
    protocol: Literal["smtp"] = "smtp"
    """What is spoken there."""
    address: HostPort
    """IP address and port; port 0 takes a free one."""
    tls: Tls | None = None
    """With it STARTTLS is offered."""
    require_tls: Flag = False
    """Answer 530 to MAIL before STARTTLS."""


class Dns(Value):
    nameservers: tuple[HostPort, ...] = ()
    """Default: the system's resolvers."""
    timeout: Duration = timedelta(seconds=5)
    """All time that one look-up may take, repeats included."""


class Limits(Value):
    message_size: Size = 50 << 20
    """The largest message; announced by SIZE (RFC 1870)."""
    recipients: Count = Field(100, ge=1)
    """Of one message; the client sends the rest in another transaction."""
    connections: Count = Field(500, ge=1)
    """At a time, in all."""
    connections_per_client: Count = Field(20, ge=1)
    """At a time, from one client address."""
    messages_per_session: Count = Field(1000, ge=1)
    """Messages in one session before 421."""
    errors: Count = Field(20, ge=1)
    """Wrong commands and refused recipients in a session before 421."""
    commands: Count = Field(1000, ge=20)
    """Commands in a row that bring no mail, such as endless NOOP."""
    received: Count = Field(50, ge=5)
    """Received fields in a message before it is taken to go in circles."""
    idle: Duration = timedelta(minutes=5)
    """Silence before we hang up (RFC 5321, 4.5.3.2)."""
    data_total: Duration = timedelta(minutes=30)
    """Time for the content of one message."""
    session: Duration = timedelta(hours=1)
    """Time for a session."""
    memory: Size = 512 << 20
    """One budget for the content of all messages being received or examined."""
    loopback: Flag = False
    """Apply connection limits to loopback clients too."""
    text: Size = 64 << 10
    """Text that is read of a message; the rest is delivered unread."""
    fields: Count = Field(1000, ge=10)
    """Header fields that are read."""
    parts: Count = Field(500, ge=1)
    """MIME parts that are read."""
    depth: Count = Field(50, ge=1)
    """How deep MIME parts are followed."""
    links: Count = Field(200, ge=0)
    """Links that are looked at."""
    signatures: Count = Field(5, ge=1)
    """DKIM signatures that are verified."""
    recall: Duration = timedelta(seconds=2)
    """How long the store may take to say who this is."""


class FilterUse(Value):
    """One filter that runs. Further keys are the filter's own options."""

    model_config = ConfigDict(frozen=True, extra="allow")

    use: str
    """The filter's name."""
    then: dict[str, ActionWord] = Field(default_factory=dict)
    """What each of its words leads to; a site may say otherwise."""
    time_limit: Duration = timedelta(seconds=5)
    """Without an answer by then its verdict is temperror."""
    observe: Flag = False
    """Record the verdict and change nothing."""

    @property
    def options(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


_HOP = re.compile(r"(smtp|smtps|lmtp)://(\[[0-9a-fA-F:]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?/?")


class NextHop(Value):
    """Where mail goes: `smtp://host:port`, `smtps://`, `lmtp://`, or `maildir:PATH`."""

    address: str
    """`smtp://host:port`, `smtps://host`, `lmtp://host:port` or `maildir:PATH`."""
    user: str = ""
    """For SMTP AUTH."""
    password: SecretStr = SecretStr("")
    """For SMTP AUTH."""
    tls: Literal["opportunistic", "required", "none"] = "opportunistic"
    """`required` also verifies the certificate."""
    connections: Count = Field(10, ge=1)
    """At most so many connections at a time from each worker."""
    timeout: Duration = timedelta(minutes=5)
    """For each step of the dialogue."""

    @field_validator("address")
    @classmethod
    def _known_scheme(cls, value: str) -> str:
        if value.startswith("maildir:") and len(value) > len("maildir:"):
            return value
        match = _HOP.fullmatch(value)
        if not match or int(match[3] or 25) > 65535:
            raise ValueError(
                "a next hop is smtp://host:port, smtps://host, lmtp://host:port or maildir:PATH"
            )
        return value

    @property
    def maildir(self) -> Path | None:
        scheme, _, path = self.address.partition(":")
        return Path(path) if scheme == "maildir" else None

    @property
    def scheme(self) -> str:
        return self.address.partition(":")[0]

    @property
    def host(self) -> str:
        match = _HOP.fullmatch(self.address)
        return match[2].strip("[]") if match else ""

    @property
    def port(self) -> int:
        match = _HOP.fullmatch(self.address)
        default = {"smtp": 25, "smtps": 465, "lmtp": 24}.get(self.scheme, 0)
        return int(match[3]) if match and match[3] else default


class Retry(Value):
    """When a next hop is asked again: each wait twice the last, with jitter."""

    first: Duration = timedelta(minutes=1)
    """The first wait."""
    max: Duration = timedelta(hours=4)
    """The longest wait."""
    give_up: Duration = timedelta(days=5)
    """After this long the letter has failed."""


class Quarantine(Value):
    expire: Duration = timedelta(days=30)
    """How long a letter taken for spam is held."""


class Acknowledgements(Value):
    """Bounds on what we send by ourselves, whatever the routes say."""

    per_author: Duration = timedelta(hours=24)
    """One acknowledgement per author and site in this time."""
    per_domain: Quota = Rate(count=3, period=timedelta(minutes=1))
    """For each domain of recipients."""
    large_providers: tuple[Domain, ...] = (
        "gmail.com", "googlemail.com", "outlook.com", "hotmail.com", "live.com", "yahoo.com",
        "icloud.com", "me.com", "aol.com", "gmx.de", "gmx.net", "web.de", "t-online.de",
        "orange.fr", "free.fr", "libero.it", "proton.me", "protonmail.com",
    )  # fmt: skip
    """Domains of so many people that `per_domain` does not apply."""
    per_site: Quota = Rate(count=200, period=timedelta(hours=1))
    """For each site."""
    in_all: Quota = Rate(count=1000, period=timedelta(hours=1))
    """For all sites together."""
    pause: Duration = timedelta(minutes=30)
    """How long we stay silent once `per_site` or `in_all` is passed."""
    dead_address: Duration = timedelta(days=60)
    """An address that failed for good gets none for so long."""
    delay: Duration = timedelta(minutes=15)
    """An acknowledgement waits so long at most for its letter to be delivered."""


class Log(Value):
    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least important lines to write."""
    format: Literal["json", "text"] = "json"
    """For programs or for people."""
    addresses: Flag = False
    """Write full addresses; by default only domains are logged."""


# --- a site ------------------------------------------------------------------------------------


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
    """Other names of a mailbox: `{help@shop.example: support@shop.example}`."""
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
    """Customers who matter."""
    form_senders: tuple[FormSender, ...] = ()
    """Web forms that write in their own name."""
    on_refusal: Literal["hold", "dsn"] = "hold"
    """What follows when the site's own mailbox refuses a letter for good."""


# --- the whole ---------------------------------------------------------------------------------


class Settings(Value):
    hostname: Domain
    """Our EHLO name and authserv-id (RFC 8601)."""
    listen: tuple[Listener, ...] = Field(min_length=1)
    """Where mail comes in."""
    workers: Annotated[int, Strict(), Field(ge=1)] | Literal["auto"] = 1
    """Processes that share each port; `auto` is one for each core."""
    store: SecretStr
    """Where accepted mail is kept: `sqlite:///ABSOLUTE/PATH.db`, or `sqlite:PATH.db`."""
    dns: Dns = Dns()
    """Whom we ask."""
    limits: Limits = Limits()
    """Bounds on what comes in and on what is read of it."""
    filters: tuple[FilterUse, ...] = ()
    """What is asked about each message."""
    next_hops: dict[str, NextHop] = Field(min_length=1)
    """Where mail goes, by name."""
    sites: tuple[Site, ...] = Field(min_length=1)
    """Each inline, or the name of its file."""
    outbound: str = ""
    """The next hop for mail of our own; default: the one called `outbound`, else a site's own."""
    administrator: EmailAddress | None = None
    """Who is told of trouble, and gets postmaster@ and abuse@ of every site."""
    secret: SecretStr | tuple[SecretStr, ...] | None = None
    """Signs our Message-IDs: the first signs, all verify. Absent: made and kept in the store."""
    templates: Path = Path("templates")
    """The folder of the sites' own acknowledgements; by default beside the main file."""
    acknowledgements: Acknowledgements = Acknowledgements()
    """Bounds on what we send by ourselves."""
    retry: Retry = Retry()
    """When a next hop is asked again."""
    quarantine: Quarantine = Quarantine()
    """What becomes of letters taken for spam."""
    trusted_sealers: tuple[Domain, ...] = ()
    """Domains whose ARC seal we believe (RFC 8617)."""
    organisational_domain: Literal["tree", "psl"] = "tree"
    """`tree` walks the DNS (RFC 9989), `psl` uses the public suffix list."""
    log: Log = Log()
    """What we write down."""

    @model_validator(mode="after")
    def _names_are_known(self) -> Settings:
        for where, hop in self._named_hops():
            if hop not in self.next_hops:
                raise ValueError(
                    f"{where}: no next hop is called '{hop}'; known are "
                    + ", ".join(sorted(self.next_hops))
                )
        return self

    @model_validator(mode="after")
    def _no_doubles(self) -> Settings:
        for what, names in (
            ("site", [site.site for site in self.sites]),
            ("domain", [domain for site in self.sites for domain in site.domains]),
            ("filter", [use.use for use in self.filters]),
        ):
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f"the {what} '{twice[0]}' stands twice; each may stand once")
        return self

    def _named_hops(self) -> list[tuple[str, str]]:
        named = [("outbound", self.outbound)] if self.outbound else []
        for site in self.sites:
            named.append((f"site {site.site}", site.next_hop))
            named += [(f"site {site.site}", r.next_hop) for r in site.routes if r.next_hop]
        return named

    def outbound_hop(self, site: Site | None = None) -> str:
        """The name of the next hop for mail of our own."""
        if self.outbound or "outbound" in self.next_hops:
            return self.outbound or "outbound"
        return (site or self.sites[0]).next_hop

    def policy(self, site: Site) -> Policy:
        """One site's answers to what the filters say: its own words over the gateway's."""
        then = {use.use: dict(use.then) for use in self.filters}
        for name, words in site.then.items():
            then.setdefault(name, {}).update(words)
        lines = site.thresholds
        return Policy(
            thresholds=Thresholds(
                unsure=lines.unsure,
                spam=lines.spam,
                refuse_at=lines.refuse_at,
                irate=site.calls.when.at_least if lines.irate is None else lines.irate,
            ),
            then=then,
            observed=frozenset(use.use for use in self.filters if use.observe),
        )
