"""Values of this host that cannot be meant together: limits, listeners, next hops, waits."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise

from gateway.check.filters import names_are_certain
from gateway.configuration.reference import spelled
from gateway.configuration.yaml_values import Sources
from gateway.edge.share import worker_count
from gateway.problems import Problem, Steps
from gateway.reporting import signing_site
from gateway.settings import NextHop, Settings, split_host_port
from gateway.store.opening import is_shared

MANY_WORKERS = 4
"""Above this, several processes writing one SQLite file hold each other up."""
SMALLEST = 64 << 10
"""Octets of content that every server must take (RFC 5321, 4.5.3.1.7)."""


def _contradiction(
    steps: Steps, other: Steps, what: str, mend: str, sources: Sources, *, warning: bool = False
) -> Iterator[Problem]:
    """Told at `steps`, unless one of the two values is wrong by itself."""
    if sources.sound(steps, other):
        yield sources.problem(steps, what, mend, warning=warning)


# --- waits and limits ----------------------------------------------------------------------------


def waits(settings: Settings, sources: Sources, now: datetime) -> Iterator[Problem]:
    """The spans of `retry` in their order: first, max, give_up; and the warning before the end."""
    retry = settings.retry
    order = [("first", retry.first), ("max", retry.max), ("give_up", retry.give_up)]
    warn = getattr(retry, "warn", None)
    pairs = [*pairwise(order)]
    if warn is not None:
        pairs.append((("warn", warn), ("give_up", retry.give_up)))
    for (less, short), (more, long) in pairs:
        if short > long:
            # Where only one of the two is written, that one is the mistake.
            key = less if sources.has(("retry", less)) else more
            what = f"'{less}' ({spelled(short)}) is longer than '{more}' ({spelled(long)})"
            mend = f"let '{less}' be at most '{more}'"
            other = more if key == less else less
            yield from _contradiction(("retry", key), ("retry", other), what, mend, sources)


def zeros(settings: Settings, sources: Sources, now: datetime) -> Iterator[Problem]:
    """Spans without which nothing can be waited for."""
    limits, retry = settings.limits, settings.retry
    spans: list[tuple[Steps, timedelta]] = [
        (("dns", "timeout"), settings.dns.timeout),
        *((("limits", key), getattr(limits, key)) for key in _LIMIT_SPANS),
        *((("retry", key), getattr(retry, key)) for key in ("first", "max", "give_up")),
        (("quarantine", "expire"), settings.quarantine.expire),
    ]
    for index, use in enumerate(settings.filters):
        spans.append((("filters", index, "time_limit"), use.time_limit))
    for name, hop in settings.next_hops.items():
        spans.append((("next_hops", name, "timeout"), hop.timeout))
    for steps, span in spans:
        if not span and sources.sound(steps):
            yield sources.problem(steps, "no time at all", "write a duration above 0, such as 5m")


_LIMIT_SPANS = ("idle", "data_total", "session", "recall")


def limits(settings: Settings, sources: Sources, now: datetime) -> Iterator[Problem]:
    own = settings.limits
    size: Steps = ("limits", "message_size")
    if own.message_size < SMALLEST and sources.sound(size):
        what = f"{spelled(own.message_size)} is less than every server must take (RFC 5321)"
        yield sources.problem(size, what, "write at least 64KB, such as 50MB")
    elif own.memory // (count := _workers(settings, sources)) < own.message_size:
        key = "memory" if sources.has(("limits", "memory")) else "message_size"
        part = f"'memory' ({spelled(own.memory)})"
        if count > 1:
            part = f"each of {count} workers' part of 'memory' ({spelled(own.memory // count)})"
        what = (
            f"{part} is less than 'message_size' ({spelled(own.message_size)}), "
            "so a large message is put off for ever"
        )
        mend = "let 'memory' be at least 'message_size', better ten times as much"
        other = "message_size" if key == "memory" else "memory"
        yield from _contradiction(("limits", key), ("limits", other), what, mend, sources)
    for less, more, why in (
        ("connections_per_client", "connections", "one client could take them all"),
        ("idle", "session", "the session ends before"),
        ("data_total", "session", "the session ends before"),
    ):
        low, high = getattr(own, less), getattr(own, more)
        if low > high:
            key = less if sources.has(("limits", less)) else more
            what = f"'{less}' ({spelled(low)}) is above '{more}' ({spelled(high)}): {why}"
            at, other_at = ("limits", key), ("limits", more if key == less else less)
            yield from _contradiction(
                at, other_at, what, f"let '{less}' be at most '{more}'", sources, warning=True
            )


def _workers(settings: Settings, sources: Sources) -> int:
    """One where the number cannot be read: there is one at least."""
    return worker_count(settings.workers) if sources.sound(("workers",)) else 1


def budgets(settings: Settings, sources: Sources, now: datetime) -> Iterator[Problem]:
    own = settings.acknowledgements
    per_site = own.per_site.count / own.per_site.period.total_seconds()
    in_all = own.in_all.count / own.in_all.period.total_seconds()
    if per_site > in_all:
        key = "per_site" if sources.has(("acknowledgements", "per_site")) else "in_all"
        what = "'per_site' allows more than 'in_all' does for all sites together"
        at, other = (("acknowledgements", each) for each in (key, "in_all"))
        yield from _contradiction(at, other, what, "raise in_all", sources, warning=True)


def workers(settings: Settings, sources: Sources, now: datetime) -> Iterator[Problem]:
    count = worker_count(settings.workers)
    if is_shared(settings):
        return
    if count > MANY_WORKERS and sources.sound(("workers",), ("store",)):
        what = f"{count} workers share one SQLite file, which lets one of them write at a time"
        mend = f"up to {MANY_WORKERS} are well served; more want PostgreSQL (docs/scale.md)"
        yield sources.problem(("workers",), what, mend, warning=True)


# --- where mail comes in, where it goes ----------------------------------------------------------


def listeners(settings: Settings, sources: Sources, now: datetime) -> Iterator[Problem]:
    for index, listener in enumerate(settings.listen):
        steps: Steps = ("listen", index)
        if listener.require_tls and listener.tls is None:
            what = "TLS is required and not offered: nobody could send anything"
            mend = "add 'tls: {cert: …, key: …}', or remove it"
            at = (*steps, "require_tls")
            yield from _contradiction(at, (*steps, "tls"), what, mend, sources)
    yield from _overlaps(settings, sources)


def _overlaps(settings: Settings, sources: Sources) -> Iterator[Problem]:
    """A port that 0.0.0.0 has taken already."""
    places = [split_host_port(listener.address) for listener in settings.listen]
    for index, (host, port) in enumerate(places):
        for other, (any_host, any_port) in enumerate(places):
            if host == any_host or not port or port != any_port:
                continue
            if any_host == ("::" if ":" in host else "0.0.0.0"):  # noqa: S104
                what = f"{any_host} takes this port on every address already"
                at: Steps = ("listen", index, "address")
                taken: Steps = ("listen", other, "address")
                yield from _contradiction(at, taken, what, "keep one of the two", sources)


def hops(settings: Settings, sources: Sources, now: datetime) -> Iterator[Problem]:
    for name, hop in settings.next_hops.items():
        steps: Steps = ("next_hops", name)
        if not sources.sound(steps):
            continue
        yield from _login(hop, steps, sources)
        if hop.scheme == "smtps" and hop.tls == "none":
            what = "smtps:// is TLS from the first octet"
            yield sources.problem((*steps, "tls"), what, "write smtp://, or remove 'tls: none'")
        if hop.scheme == "lmtp" and hop.port == 25:
            what = "LMTP must not be spoken on port 25 (RFC 2033)"
            mend = "write smtp://, or the port of the LMTP service, often 24"
            yield sources.problem((*steps, "address"), what, mend)
        if _is_ourselves(hop, settings):
            what = "this is our own listener, so mail would go round in circles"
            yield sources.problem(
                (*steps, "address"), what, "name the server that has the mailboxes"
            )


LOGIN = ("user", "password")
ENCRYPTION = ("tls_name", "authorities", "certificate")


def straight(settings: Settings, sources: Sources, now: datetime) -> Iterator[Problem]:
    """A site's own domain names us as its mail server: going straight there would be a circle."""
    for index, site in enumerate(settings.sites):
        hop = settings.next_hops.get(site.next_hop)
        at: Steps = ("sites", index, "next_hop")
        if hop is not None and hop.is_direct and sources.sound(at):
            what = f"'{site.next_hop}' asks the MX of the site's own domain, which is the gateway"
            mend = "name the server that has the mailboxes; mx: is for 'outbound'"
            yield sources.problem(at, what, mend)


def _login(hop: NextHop, steps: Steps, sources: Sources) -> Iterator[Problem]:
    password = bool(hop.password.get_secret_value())
    if hop.maildir is not None:
        what = "has no effect: a folder asks for no login and no TLS"
        yield from _idle((*LOGIN, "tls", *ENCRYPTION), what, steps, sources)
    elif hop.is_direct:
        what = "has no effect: other domains' servers ask for no login"
        yield from _idle(LOGIN, what, steps, sources)
    elif bool(hop.user) != password:
        key, lacking = ("password", "user") if password else ("user", "password")
        what = f"'{key}' without '{lacking}'"
        yield sources.problem((*steps, key), what, f"add '{lacking}', or remove both")
    elif hop.user and hop.tls == "none" and hop.scheme != "smtps":
        what = "a password is never sent in clear, so nothing would go out"
        yield sources.problem((*steps, "tls"), what, "write tls: required, or remove the password")
    elif hop.user and hop.tls != "required" and not _is_loopback(hop.host):
        what = "the password goes to whoever answers, since no certificate is verified"
        yield sources.problem((*steps, "tls"), what, "write tls: required", warning=True)
    if hop.tls == "none" and hop.maildir is None:
        yield from _idle(ENCRYPTION, "has no effect with 'tls: none'", steps, sources)
    if not hop.is_direct:
        yield from _idle(("mta_sts", "private"), "has no effect without 'mx:'", steps, sources)


def _idle(keys: tuple[str, ...], what: str, steps: Steps, sources: Sources) -> Iterator[Problem]:
    for key in keys:
        if sources.has((*steps, key)):
            yield sources.problem((*steps, key), what, "remove it", warning=True)


def _is_ourselves(hop: NextHop, settings: Settings) -> bool:
    """A literal address that we listen on, or our own name."""
    for listener in settings.listen:
        host, port = split_host_port(listener.address)
        if hop.maildir is not None or hop.port != port:
            continue
        if hop.host in (host, settings.hostname):
            return True
        if host in ("0.0.0.0", "::", "127.0.0.1", "::1") and _is_loopback(hop.host):  # noqa: S104
            return True
    return False


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def hostname(settings: Settings, sources: Sources, now: datetime) -> Iterator[Problem]:
    name = settings.hostname
    if not sources.sound(("hostname",)):
        return
    if name.replace(".", "").isdigit() or name == "localhost" or "." not in name:
        what = "not a full host name, so others will not believe it"
        mend = "give the name that your MX record points to, such as mx1.shop.example"
        yield sources.problem(("hostname",), what, mend)


# --- reports -------------------------------------------------------------------------------------


def reports(settings: Settings, sources: Sources, now: datetime) -> Iterator[Problem]:
    wish = settings.dmarc_reports
    if wish is None:
        return
    at: Steps = ("dmarc_reports", "from")
    signing = [("sites", index, "signing", "domain") for index in range(len(settings.sites))]
    certain = sources.sound(at, *signing) and sources.complete(("sites",))
    domain = wish.sender.rpartition("@")[2]
    # Where that site signs with a foreign domain, this is told there.
    own = any(site.signing and domain in site.domains for site in settings.sites)
    if certain and not own and signing_site(settings, wish.sender) is None:
        what = "no site signs for this domain, and nobody believes an unproven report"
        mend = "name an address of a domain under a site's 'signing'"
        yield sources.problem(at, what, mend)
    used = {use.use for use in settings.filters}
    if "dmarc" not in used and names_are_certain(settings, sources):
        mend = "add spf, dkim, arc and dmarc under 'filters'"
        yield sources.problem(("dmarc_reports",), "dmarc does not run", mend)


CHECKS = (hostname, listeners, workers, limits, waits, zeros, hops, straight, budgets, reports)
