# Every target that needs the project's .venv calls `setup` first; `make demo` works as the first command.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.complete

.DEFAULT_GOAL := help
.PHONY: help setup demo test check format lock

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
	$(BIN)/python -m pytest $(ARGS)

check: setup  ## lint, format, types, import contracts and the fast part of the suite
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q -m 'not slow'

format: setup  ## let ruff format the tree
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock:  ## resolve pyproject.toml again into requirements.lock (needs uv)
	uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-header --output-file requirements.lock
