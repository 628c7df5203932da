# make run     see it work: a real gateway on loopback, with real letters
# make test    everything that is checked before a change goes in
# Both set themselves up: Python 3.11 or later, make and git are all they need.

BIN := .venv/bin
JOBS ?= 2

.PHONY: help setup run test fuzz lint format reference bench bench-nodes bench-profile bench-growth soak data-test compare lock wheel clean

help:
	@sed -n '1,3s/^# //p' Makefile
	@echo 'also: setup fuzz lint format reference bench bench-profile bench-growth soak data-test compare lock wheel clean'

setup: .venv/dev

.venv/run: requirements.lock pyproject.toml tools/setup
	@tools/setup requirements.lock
	@touch $@

.venv/dev: requirements-dev.lock pyproject.toml tools/setup
	@tools/setup requirements-dev.lock
	@touch .venv/run $@

run: .venv/run
	$(BIN)/gateway demo

test: lint
	$(BIN)/pytest -n $(JOBS) --hypothesis-seed=0

# The same properties with new examples each time: finds what the fixed ones did not.
fuzz: .venv/dev
	$(BIN)/pytest -n $(JOBS) -m 'not data' -k 'fuzz or any_ or hostile or same'

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: .venv/dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# docs/configuration.md, from the settings themselves
reference: .venv/dev
	$(BIN)/python -m gateway.cli.reference docs/configuration.md

# What it costs beside its peers, by stage, and beside scikit-learn: docs/bench.md.
# BENCH is the folder of the load tools (docs/bench.md); without it: our own letters only.
bench: .venv/dev
ifdef BENCH
	$(BIN)/python -m tools.bench all --bench "$(BENCH)" $(OPTIONS)
else
	$(BIN)/python -m tools.bench scoring
	$(BIN)/python tools/bench_identity.py
	$(BIN)/python -m tools.bench.alone
	@echo 'make bench BENCH=FOLDER compares with the peers; see docs/bench.md'
endif

# Where the time of a letter goes, stage by stage.
bench-profile: .venv/dev
	$(BIN)/python -m tools.bench profile --bench "$(BENCH)" $(OPTIONS)

# What it costs as letters, connections, sites, rules, queue and memory grow: docs/bench-growth.md.
bench-growth: .venv/dev
	$(BIN)/python -m tools.bench growth --bench "$(BENCH)" $(OPTIONS)

# Letters through nodes that share one PostgreSQL, and what each part costs (docs/scale.md).
bench-nodes: .venv/dev
	$(BIN)/python -m tools.bench_nodes

# Kill it again and again under load; what became of it stands in docs/soak.md. make soak KILLS=40
# STORE=postgresql: in a PostgreSQL, with one node and two, and that is killed too.
KILLS ?= 2000
STORE ?= sqlite

soak: .venv/dev
	$(BIN)/python -m tools.soak --kills $(KILLS) --jobs $(JOBS) --store $(STORE)

# What needs the data folder: make data-test DATA=FOLDER
data-test: .venv/dev
	@test -d "$(DATA)" || { echo 'make data-test DATA=FOLDER'; exit 2; }
	DATA="$(abspath $(DATA))" $(BIN)/pytest tests -m data -rA

# The spam model beside SpamAssassin and rspamd (Debian's spamassassin, rspamd, redis-server):
# make compare DATA=FOLDER
compare: .venv/dev
	@test -d "$(DATA)" || { echo 'make compare DATA=FOLDER'; exit 2; }
	$(BIN)/python tools/compare_spam.py "$(abspath $(DATA))"

# Pin every dependency with its hashes, for all systems and Pythons that pyproject.toml names.
PIN := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock'

lock:
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet uv
	echo 'hatchling editables' | xargs -n 1 | $(PIN) pyproject.toml - -o requirements.lock
	echo editables | $(PIN) --all-extras -c requirements.lock pyproject.toml - -o requirements-dev.lock

wheel: .venv/dev
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check \
		--no-deps --no-build-isolation --wheel-dir dist .

clean:
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
