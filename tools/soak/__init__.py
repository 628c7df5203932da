"""The crash harness: kills a gateway under load, again and again, and counts what became of it.

`python -m tools.soak --kills 2000` from the top of the checkout, or `make soak`. The gateway is
the real one, run by its own command; nothing in `gateway/` knows of this. See docs/soak.md.
"""
