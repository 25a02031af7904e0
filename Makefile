# `make run` starts blockd on the sample signed list; `make test` is the whole gate. Both work from a fresh clone.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install -qq --disable-pip-version-check # errors only

.PHONY: run test lint format readme fuzz clean

run: $(VENV)/installed
	@$(BIN)/blockd run --config config/blockd.yaml

test: lint
	$(BIN)/pytest

lint: $(VENV)/tested
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/tested
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The tables of README.md that are made from the code.
readme: $(VENV)/tested
	$(BIN)/python -m tests.readme_tables

# An environment is complete when its mark is there; a change of pyproject.toml or of the engine makes it anew.
$(VENV)/installed: pyproject.toml $(wildcard blockd/*/*.pyx blockd/*/*.pxd)
	@command -v $(PYTHON) >/dev/null || { echo "blockd needs Python 3.11 or later, and there is no $(PYTHON). Say which to use: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("blockd needs Python 3.11 or later; this is " + sys.version.split()[0] + ". Say which to use: make PYTHON=python3.12")'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "blockd needs Python's venv module (Debian: apt-get install python3-venv)." >&2; exit 1; }
	@echo "Installing blockd and what it needs into $(VENV) ..."
	@$(PYTHON) -m venv --clear $(VENV)
	@$(INSTALL) --editable .
	@touch $@

$(VENV)/tested: $(VENV)/installed
	@echo "Installing what the tests need into $(VENV) ..."
	@$(INSTALL) --editable '.[test]'
	@touch $@

# Millions of mutated packets against the native engine, with sanitizers; FUZZ has arguments, such as --seed 2.
fuzz: $(VENV)/tested
	$(BIN)/python -m tests.fuzz $(FUZZ)

clean:
	rm -rf $(VENV) var build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
