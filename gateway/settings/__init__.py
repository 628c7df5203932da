"""The configuration as frozen values: every key, its type, its default and what it means.

Only what is built has a key here; anything else in the YAML is an error. `configuration/` reads
the files and tells mistakes with file and line; `docs/configuration.md` is checked against this.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, Strict, ValidationInfo, model_validator

from gateway.settings.machine import (
    Acknowledgements,
    DmarcReports,
    Dns,
    FilterUse,
    Limits,
    Listener,
    Log,
    NextHop,
    Quarantine,
    Retry,
    Tls,
)
from gateway.settings.site import (
    Calendar,
    Calls,
    CallWhen,
    FormSender,
    Recipients,
    Route,
    Signing,
    Site,
    SiteThresholds,
    Tags,
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
    Pattern,
    Probability,
    Quota,
    Rate,
    Size,
    Span,
    Value,
    WorkingTime,
    parse_duration,
    parse_rate,
    parse_size,
    parse_span,
    split_host_port,
)
from gateway.verdict import Policy, Thresholds

__all__ = [
    "NAMES_ARE_TOLD",
    "Acknowledgements",
    "ActionWord",
    "Calendar",
    "CallWhen",
    "Calls",
    "Count",
    "DmarcReports",
    "Dns",
    "Domain",
    "Duration",
    "EmailAddress",
    "FilterUse",
    "Flag",
    "FormSender",
    "HostPort",
    "Limits",
    "Listener",
    "Log",
    "Network",
    "NextHop",
    "Pattern",
    "Probability",
    "Quarantine",
    "Quota",
    "Rate",
    "Recipients",
    "Retry",
    "Route",
    "Settings",
    "Signing",
    "Site",
    "SiteThresholds",
    "Size",
    "Span",
    "Tags",
    "Tls",
    "Value",
    "WorkingTime",
    "parse_duration",
    "parse_rate",
    "parse_size",
    "parse_span",
    "split_host_port",
]

NAMES_ARE_TOLD: dict[str, Any] = {"names": "told elsewhere"}
"""The context to validate with where the names are checked apart: see `configuration/names.py`."""


class Settings(Value):
    hostname: Domain
    """Our EHLO name and authserv-id (RFC 8601)."""
    listen: tuple[Listener, ...] = Field(min_length=1)
    """Where mail comes in."""
    workers: Annotated[int, Strict(), Field(ge=1)] | Literal["auto"] = 1
    """Processes that share each port; `auto` is one for each core."""
    store: SecretStr
    """Where accepted mail is kept: `sqlite:PATH.db`, or `postgresql://USER@HOST/NAME`."""
    state: Path | None = None
    """Folder for what only this machine keeps; default: the store file's, or `/var/lib/gateway`."""
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
    """Who is told of trouble, and gets postmaster@ and abuse@ where no route names them."""
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
    dmarc_reports: DmarcReports | None = None
    """Aggregate reports to the owners of author domains; absent: none."""
    log: Log = Log()
    """What we write down."""

    @model_validator(mode="after")
    def _names_are_known(self, info: ValidationInfo) -> Settings:
        if info.context is NAMES_ARE_TOLD:
            return self
        for where, hop in self._named_hops():
            if hop not in self.next_hops:
                raise ValueError(
                    f"{where}: no next hop is called '{hop}'; known are "
                    + ", ".join(sorted(self.next_hops))
                )
        return self

    @model_validator(mode="after")
    def _no_doubles(self, info: ValidationInfo) -> Settings:
        if info.context is NAMES_ARE_TOLD:
            return self
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
