"""Which process holds a lease, and whether it still lives: for a store one machine shares.

A pid alone may be given to another process; with the boot and the start time it names one only.
"""

from __future__ import annotations

import os
from pathlib import Path

_PROC = Path("/proc")
UNSEEN = "unseen"


def this_process() -> str:
    """`BOOT-PID-START`; without /proc a name that is taken to be alive until its leases end."""
    pid = os.getpid()
    return f"{_boot()}-{pid}-{_start(pid)}"


def is_here(owner: str) -> bool:
    """Whether it is a process of this machine (and container), so that `is_alive` can tell."""
    boot = owner.partition("-")[0]
    return bool(boot) and boot == _boot()


def is_alive(owner: str) -> bool:
    """Whether the process that was named so still runs; where that cannot be seen now it does."""
    boot, _, rest = owner.partition("-")
    pid, _, start = rest.partition("-")
    if not (boot and pid.isdigit() and start):
        return True
    here = _boot()
    return not here or (boot == here and _start(int(pid)) in (start, UNSEEN))


def _boot() -> str:
    """The boot and the pid namespace: a pid of another container is another process."""
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text("ascii").partition("-")[0]
        return f"{boot}.{(_PROC / 'self/ns/pid').stat().st_ino:x}"
    except OSError:
        return ""


def _start(pid: int) -> str:
    """Its start time in clock ticks since boot (proc(5), field 22); `gone` without a process.

    UNSEEN when we cannot look, as without a free descriptor: that must never bury the living.
    """
    try:
        stat = (_PROC / str(pid) / "stat").read_text("utf-8", "replace")
    except (FileNotFoundError, ProcessLookupError):
        return "gone"
    except OSError:
        return UNSEEN
    fields = stat.rpartition(")")[2].split()
    return "gone" if fields[0] in "ZX" else fields[19]
