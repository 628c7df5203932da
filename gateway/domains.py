"""Domain names as text: one spelling for comparing and asking (lower case, A-labels, no final dot).

U-labels become A-labels as UTS 46 does it without its transitional mapping: `ß` stays `ß`, since
`straße.example` and `strasse.example` may belong to different people. Code points that no registry
accepts are not refused: such a name just does not exist.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_IGNORED = re.compile(
    "[\u00ad\u034f\u180b-\u180d\u180f\u200b\u2060\u2064\ufe00-\ufe0f\ufeff"
    "\U0001bca0-\U0001bca3\U000e0100-\U000e01ef]+"
)
"""What UTS 46 leaves out: a reader does not see it, so it makes no other domain."""
_DOTS = re.compile("[\u3002\uff0e\uff61]")
MAX_NAME = 253
"""Characters of a name as text: 255 octets on the wire (RFC 1035, 2.3.4)."""
MAX_LABEL = 63
LONGEST = 4 * MAX_NAME
"""Letters beyond which nothing can be a domain, whatever the spelling."""


def canonical_domain(name: str) -> str:
    """One spelling of a domain for comparing; what is no domain comes back in lower case only."""
    return _canonical(name) if len(name) <= LONGEST else name.lower()


@lru_cache(maxsize=4096)
def _canonical(name: str) -> str:
    name = name.strip().rstrip(".").lower()
    if name.isascii():
        return name
    name = _IGNORED.sub("", name)
    name = unicodedata.normalize("NFC", unicodedata.normalize("NFKC", name).lower())
    try:
        return ".".join(_a_label(label) for label in _DOTS.sub(".", name).rstrip(".").split("."))
    except UnicodeError:
        return name


def _a_label(label: str) -> str:
    """RFC 3492; an ASCII label stays as it is."""
    return label if label.isascii() else f"xn--{label.encode('punycode').decode('ascii')}"


def is_domain(name: str) -> bool:
    """Whether DNS can hold this name at all: label and name lengths, nothing empty."""
    return 0 < len(name) <= MAX_NAME and _is_domain(name)


@lru_cache(maxsize=4096)
def _is_domain(name: str) -> bool:
    return name.isascii() and all(0 < len(label) <= MAX_LABEL for label in name.split("."))


def is_same_or_below(name: str, parent: str) -> bool:
    """Whether `name` is `parent` or one of its subdomains; both canonical."""
    return bool(parent) and (name == parent or name.endswith("." + parent))
