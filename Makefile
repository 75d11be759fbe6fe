# `make run` and `make test` need nothing but Python 3.11+ and a package index; each sets up its own environment.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PEERS := .venv-peers

.DEFAULT_GOAL := help
.PHONY: soak help setup run test check lint fix bench bench-peers clean

help: ## list what there is to make
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## make the virtual environment in .venv

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; name one with: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[demo]' --group dev
	@touch $(READY)

run: $(READY) ## send a campaign of 200 mails while it is killed at random, and count duplicates
	$(BIN)/python definitions/campaign/demo.py

test: $(READY) ## run the tests
	$(BIN)/python -m pytest -n auto

check: lint test ## everything that CI checks

lint: $(READY) ## format, lint, types, layers, and the definitions
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/fsm check definitions --actions --strict

fix: $(READY) ## format, and mend what a tool can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(READY) ## measure the engine against a raw loop of the same statements
	$(BIN)/python -m benchmarks $(ARGS)

bench-peers: $(PEERS)/.ready ## measure the same ten steps on DBOS, LangGraph, Burr and ours (ARGS=--quick for less)
	$(PEERS)/bin/python -m benchmarks.peers $(ARGS)

# Without one of them the others are measured; the next call tries to install it again.
$(PEERS)/.ready: pyproject.toml benchmarks/peers/engines.py
	$(PYTHON) -m venv --clear $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check --editable .
	if $(PEERS)/bin/python -m benchmarks.peers.install; then touch $@; fi

soak: $(READY) ## drive 10,000 runs in four workers that are killed at random, and count what went wrong
	$(BIN)/python -m tests.crash.soak

clean: ## remove what was made
	rm -rf $(VENV) $(PEERS) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
