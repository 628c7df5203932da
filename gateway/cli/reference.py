"""`python -m gateway.cli.reference FILE` writes the configuration reference (`make reference`)."""

from __future__ import annotations

import sys
from pathlib import Path

from gateway.configuration.reference import reference

if __name__ == "__main__":
    Path(sys.argv[1]).write_text(reference(), "utf-8")
