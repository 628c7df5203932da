"""What the gateway costs: beside its peers, by stage, and as its load grows.

`python -m tools.bench compare|profile|growth|workers|scoring|all`; the figures go to
docs/bench.json, the pages and plots beside it are made of that. Load generator, sink, name server
and corpus maker come from a folder of their own, BENCH (see `kit.py`): one set for all servers.
"""
