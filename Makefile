# Every target that needs the project's .venv calls `setup` first; `make demo` works as the first command.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.complete

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint check bench chaos soak format docs lock

help:  ## what can be made here
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMP)  ## a .venv with everything, from the hashed lock file

$(STAMP): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed; name one with PYTHON=") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	# Puts the checkout's root on the path, and the `cmqueue` command where a user has it.
	$(BIN)/python deploy/link_checkout.py
	touch $@

demo: setup  ## 10,000 messages through a misbehaving endpoint, everything included (ARGS=--stay keeps it running)
	$(BIN)/python -m demo $(ARGS)

test: setup  ## the whole suite
	$(BIN)/python -m pytest -n 4 $(ARGS)

lint: setup  ## ruff, its format, mypy and the import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint  ## lint, and the fast part of the suite
	$(BIN)/python -m pytest -q -n 4 -m 'not slow'

bench: setup  ## measure every target of speed and memory, in 10 minutes (RUNS=1, ARGS="GROUP … --keep")
	$(BIN)/python -m benchmarks --runs $(or $(RUNS),1) $(ARGS)

chaos: setup  ## every fault there is, and the books after each, in 20 minutes (SEED=1, ARGS="NAME … --rounds 2")
	$(BIN)/python -m chaos --seed $(or $(SEED),1) $(ARGS)

soak: setup  ## an hour of mixed lanes and a fault every 30 s, then each crash 20 times (SECONDS=3600, SEED=1)
	$(BIN)/python -m chaos.soak --seconds $(or $(SECONDS),3600) --seed $(or $(SEED),1)
	$(BIN)/python -m chaos 'crash-*' --rounds 20 --seed $(or $(SEED),1)

format: setup  ## let ruff format the tree
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: setup  ## write the generated page, docs/settings.md
	$(BIN)/python -m config.reference

# The address of the package index is the machine's business, so no lock file names one.
LOCK := uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
  --no-header

lock:  ## resolve pyproject.toml again into both lock files (needs uv)
	$(LOCK) --all-extras --output-file requirements.lock
	$(LOCK) --extra campaign --extra intake --extra numbers --extra receivers --extra worker --constraint requirements.lock \
	  --output-file requirements-runtime.lock
