"""`python -m tools.bench.letters MAKER FOLDER COUNT`: the corpus, all of it written to one site.

The corpus maker of BENCH writes to forty sites; the load goes to one. A letter that does not name
its recipient is not acknowledged, and what should be measured would not happen.
"""

from __future__ import annotations

import importlib.util
import sys

from tools.bench.kit import DOMAIN


def main(maker: str, folder: str, count: str) -> None:
    spec = importlib.util.spec_from_file_location("make_corpus", maker)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{maker}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.SITES = [DOMAIN]  # type: ignore[attr-defined]
    sys.argv = [maker, folder, "--count", count]
    module.main()


if __name__ == "__main__":
    main(*sys.argv[1:4])
