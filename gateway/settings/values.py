"""Values of the YAML with a spelling of their own: durations, rates, sizes, patterns, addresses."""

from __future__ import annotations

import ipaddress
import re
from datetime import timedelta
from typing import Annotated, Any, Literal

import re2
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Strict,
)

from gateway.domains import canonical_domain
from gateway.verdict import Action

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


MEANT = {
    **dict.fromkeys(("accept", "pass", "allow", "none", "keep"), "deliver"),
    **dict.fromkeys(("mark", "flag", "label"), "tag"),
    **dict.fromkeys(("hold", "junk", "spam", "discard", "drop", "quarantin"), "quarantine"),
    **dict.fromkeys(("greylist", "tempfail", "delay"), "defer"),
    **dict.fromkeys(("reject", "deny", "block", "bounce"), "refuse"),
}
"""What other programs call our actions."""


def _action(value: object) -> Action:
    if isinstance(value, Action):
        return value
    try:
        return Action[str(value).upper()]
    except KeyError:
        words = ", ".join(action.word for action in Action)
        meant = MEANT.get(str(value).lower())
        hint = f"did you mean {meant}? " if meant else ""
        raise ValueError(f"{hint}an action is one of {words}") from None


ActionWord = Annotated[Action, BeforeValidator(_action)]


def _pattern(value: object) -> Any:
    """Compile a pattern with RE2, whose matching time is linear in the text."""
    if hasattr(value, "finditer"):
        return value  # compiled before
    if not isinstance(value, str):
        raise ValueError("a pattern is text, best in single quotes: '…'")
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
    return f"{local}@{canonical_domain(domain)}"


def _domain(value: str) -> str:
    """In A-labels, as it travels: `münchen.example` may be written as people read it."""
    value = canonical_domain(value)
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


def _network(value: str) -> str:
    try:
        return str(ipaddress.ip_network(value))
    except ValueError:
        raise ValueError("a network is wanted, such as 192.0.2.0/24 or 2001:db8::/32") from None


EmailAddress = Annotated[str, AfterValidator(_address)]
Domain = Annotated[str, AfterValidator(_domain)]
HostPort = Annotated[str, AfterValidator(_host_port)]
Network = Annotated[str, AfterValidator(_network)]
"""Addresses in the form of RFC 4632: `192.0.2.0/24`, or one alone."""


def split_host_port(value: str) -> tuple[str, int]:
    host, _, port = value.rpartition(":")
    return host.strip("[]"), int(port)
