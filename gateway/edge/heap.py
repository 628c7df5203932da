"""The C library's heap: large blocks go back to the system as soon as they are free.

glibc keeps what it thinks will be wanted again, up to 32 MB a block once such a block was freed.
With a hundred clients sending large mail that is memory nobody uses and the budget does not know.
"""

from __future__ import annotations

import ctypes
from contextlib import suppress

LARGE = 320 << 10
"""Octets from which a block is one of its own: more than a piece of a message, so that receiving
does not pay for it."""
_M_MMAP_THRESHOLD = -3


def return_large_blocks() -> None:
    """For this process and those forked from it. Another C library than glibc goes its own way."""
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, LARGE)
