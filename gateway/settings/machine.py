"""What concerns the machine: listeners, DNS, limits, filters, next hops, retries, logs."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

from pydantic import (
    ConfigDict,
    Field,
    SecretStr,
    field_validator,
    model_validator,
)

from gateway.settings.values import (
    ActionWord,
    Count,
    Domain,
    Duration,
    EmailAddress,
    Flag,
    HostPort,
    Network,
    Quota,
    Rate,
    Size,
    Value,
)


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
    implicit_tls: Flag = False
    """TLS from the first octet, as on port 465, instead of STARTTLS."""
    require_tls: Flag = False
    """Answer 530 to MAIL before STARTTLS."""
    proxy_from: tuple[Network, ...] = ()
    """Balancers: from these networks each connection begins with a PROXY header (version 1 or 2),
    and the client is whom it names."""

    @model_validator(mode="after")
    def _implicit_tls_has_a_certificate(self) -> Listener:
        if self.implicit_tls and self.tls is None:
            raise ValueError("implicit_tls wants a certificate: tls: {cert: FILE, key: FILE}")
        return self


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
    """At a time, in all; each of several workers takes an equal part."""
    connections_per_client: Count = Field(20, ge=1)
    """At a time, from one client address, to each worker."""
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
    """One budget for the content of all messages being received or examined, shared out equally
    among the workers: each part must hold `message_size`."""
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


_MX = re.compile(r"mx:(\d{1,5})?")
_HOP = re.compile(r"(smtp|smtps|lmtp)://(\[[0-9a-fA-F:]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?/?")


class NextHop(Value):
    """Where mail goes: `smtp://host:port`, `smtps://`, `lmtp://`, `maildir:PATH`, or `mx:`."""

    address: str
    """`smtp://host:port`, `smtps://host`, `lmtp://host:port` or `maildir:PATH`; `mx:` is straight
    to the mail server of each recipient's domain, for mail of our own without a smart host."""
    user: str = ""
    """For SMTP AUTH."""
    password: SecretStr = SecretStr("")
    """For SMTP AUTH."""
    tls: Literal["opportunistic", "encrypted", "required", "none"] = "opportunistic"
    """`encrypted`: never in clear, whoever answers; `required` also verifies the certificate."""
    tls_name: str = ""
    """The name in the certificate, where it is not the one in the address."""
    authorities: Path | None = None
    """Whose certificates are believed, a PEM file; default: the system's."""
    certificate: Tls | None = None
    """Ours, for a next hop that asks for one."""
    mta_sts: Flag = True
    """With `mx:` obey the domains that ask for verified TLS (RFC 8461)."""
    private: tuple[Network, ...] = ()
    """With `mx:` the only loopback and private networks that a domain's DNS may lead us to."""
    connections: Count = Field(10, ge=1)
    """At most so many at a time from each worker; with `mx:` to one domain, and three at most."""
    timeout: Duration = timedelta(minutes=5)
    """For each step of the dialogue."""

    @field_validator("address")
    @classmethod
    def _known_scheme(cls, value: str) -> str:
        if value.startswith("maildir:") and len(value) > len("maildir:"):
            return value
        match = _HOP.fullmatch(value)
        direct = _MX.fullmatch(value)
        port = match[3] if match else direct[1] if direct else "65536"
        if int(port or 25) > 65535:
            raise ValueError(
                "a next hop is smtp://host:port, smtps://host, lmtp://host:port, maildir:PATH, mx:"
            )
        return value

    @property
    def maildir(self) -> Path | None:
        scheme, _, path = self.address.partition(":")
        return Path(path) if scheme == "maildir" else None

    @property
    def is_direct(self) -> bool:
        """Straight to each domain's own mail servers."""
        return self.scheme == "mx"

    @property
    def scheme(self) -> str:
        return self.address.partition(":")[0]

    @property
    def host(self) -> str:
        match = _HOP.fullmatch(self.address)
        return match[2].strip("[]") if match else ""

    @property
    def port(self) -> int:
        written = self.address.rpartition(":")[2].rstrip("/")
        default = {"smtp": 25, "smtps": 465, "lmtp": 24, "mx": 25}.get(self.scheme, 0)
        return int(written) if default and written.isdigit() else default


class Retry(Value):
    """When a next hop is asked again: each wait twice the last, with jitter."""

    first: Duration = timedelta(minutes=1)
    """The first wait."""
    max: Duration = timedelta(hours=4)
    """The longest wait."""
    give_up: Duration = timedelta(days=5)
    """After this long the letter has failed."""
    warn: Duration | None = timedelta(hours=4)
    """A letter that waits for so long is told of once: its sender if proven, and in the log."""


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
    per_form: Quota = Rate(count=60, period=timedelta(hours=1))
    """For each of a site's `form_senders`, in place of `per_domain`."""
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


class DmarcReports(Value):
    """What DMARC found, told once a day to the domains that ask for it (RFC 9990).

    Without this key nothing is counted and nobody is told.
    """

    sender: EmailAddress = Field(alias="from")
    """The reports' author; a site must sign for its domain."""
    organisation: str = ""
    """Our name as the reports give it; default: `hostname`."""


class Log(Value):
    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least important lines to write."""
    format: Literal["json", "text"] = "json"
    """For programs or for people."""
    addresses: Flag = False
    """Write full addresses; by default only domains are logged."""
