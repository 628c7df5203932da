"""Domain names as text: one spelling for comparing and asking (lower case, A-labels, no final dot).

U-labels are turned into A-labels by IDNA 2008 with the mapping of UTS 46, as browsers do it.
"""

from __future__ import annotations

from functools import lru_cache

import idna

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
    try:
        return idna.encode(name, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        return name


def is_domain(name: str) -> bool:
    """Whether DNS can hold this name at all: label and name lengths, nothing empty."""
    if not 0 < len(name) <= MAX_NAME or not name.isascii():
        return False
    return all(0 < len(label) <= MAX_LABEL for label in name.split("."))


def is_same_or_below(name: str, parent: str) -> bool:
    """Whether `name` is `parent` or one of its subdomains; both canonical."""
    return bool(parent) and (name == parent or name.endswith("." + parent))
