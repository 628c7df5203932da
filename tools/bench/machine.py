"""Which class of machine, which Python and which commit a figure is of."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import sysconfig
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


def machine() -> dict[str, Any]:
    """The class of machine, without its name."""
    model = ""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "commit": commit(),
        "processor": model,
        "cores": os.cpu_count(),
        "memory_gb": round(memory),
        "system": f"{_system()}, Linux {platform.release().partition('-')[0]}",
        "python": f"CPython {platform.python_version()}, {_build()}",
        "load_before": round(os.getloadavg()[2], 2),
    }


def _build() -> str:
    """Whether it was built with profile-guided optimisation; Debian's is and does not tell."""
    path = Path(sys.executable).resolve()
    if "--enable-optimizations" in (sysconfig.get_config_var("CONFIG_ARGS") or ""):
        return f"{path}, profile-guided optimisation"
    if path.is_relative_to("/usr/bin") and Path("/etc/debian_version").exists():
        return f"{path}, Debian's build with profile-guided optimisation"
    return f"{path}, NOT an optimised build: 1.5-1.8 times slower"


def _system() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return platform.system()


def commit() -> str:
    command = ["git", "describe", "--always", "--dirty", "--exclude", "*"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    return done.stdout.strip()
