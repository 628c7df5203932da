"""Which process holds a lease, and whether it still lives: for a store one machine shares.

A pid alone may be given to another process; with the boot and the start time it names one only.
"""

from __future__ import annotations

import os
from pathlib import Path

_PROC = Path("/proc")


def this_process() -> str:
    """`BOOT-PID-START`; without /proc a name that is taken to be alive until its leases end."""
    pid = os.getpid()
    return f"{_boot()}-{pid}-{_start(pid)}"


def is_alive(owner: str) -> bool:
    """Whether the process that was named so still runs."""
    boot, _, rest = owner.partition("-")
    pid, _, start = rest.partition("-")
    if not (boot and pid.isdigit() and start):
        return True
    return boot == _boot() and start == _start(int(pid))


def _boot() -> str:
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text("ascii").partition("-")[0]
    except OSError:
        return ""


def _start(pid: int) -> str:
    """Its start time in clock ticks since boot (proc(5), field 22); `gone` without a process."""
    try:
        stat = (_PROC / str(pid) / "stat").read_text("utf-8", "replace")
    except OSError:
        return "gone"
    fields = stat.rpartition(")")[2].split()
    return "gone" if fields[0] in "ZX" else fields[19]
