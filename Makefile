# `make run` starts blockd on the sample signed list; `make test` is the whole gate. Both work from a fresh clone.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install -qq --disable-pip-version-check # errors only

.PHONY: run test lint format readme numbers bench fuzz clean

run: $(VENV)/installed
	@$(BIN)/blockd run --config config/blockd.yaml

# Of the daemon's tests, those whose outcome an engine can change: what it answers, and how it is swapped.
TWIN_TESTS := tests/resolver tests/transports tests/ruleset tests/feeds \
	$(patsubst %,tests/daemon/test_%.py,answers first_start hot_swap hostile_packets privacy rpz_peers selftest start)

# A file's tests stay together, since they share servers. They are as nice as can be, so that what blockd does behind its
# workers is not behind the tests as well.
SIDE_BY_SIDE := nice -n 19 $(BIN)/pytest -n 3 --dist loadfile

# Every test with the engine that was built, then what an engine can change with its twin in Python.
test: lint
	$(SIDE_BY_SIDE)
	@! $(BIN)/python -c 'import blockd.resolver._engine' 2>/dev/null || { echo "Again, with the Python engine:"; \
		BLOCKD_ENGINE=python $(SIDE_BY_SIDE) $(TWIN_TESTS); }

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

# The numbers that the parts in Cython have from the modules in Python.
numbers: $(VENV)/tested
	$(BIN)/python -m tests.shared_numbers

# blockd and the servers that it would replace, compared on this machine; more in tests/bench. With other arguments:
# make bench BENCH="--names 10000000 --json figures.json"
bench: $(VENV)/tested
	@$(BIN)/python -m tests.bench $(BENCH)

# Millions of mutated packets against the native engine, with sanitizers; FUZZ has arguments, such as --seed 2.
fuzz: $(VENV)/tested
	@$(BIN)/python -m tests.fuzz $(FUZZ)

# An environment is complete when its mark is there; a change of pyproject.toml makes it anew, one of the engine's
# sources builds the engine again.
$(VENV)/made: pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "blockd needs Python 3.11 or later, and there is no $(PYTHON). Say which to use: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("blockd needs Python 3.11 or later; this is " + sys.version.split()[0] + ". Say which to use: make PYTHON=python3.12")'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "blockd needs Python's venv module (Debian: apt-get install python3-venv)." >&2; exit 1; }
	@$(PYTHON) -m venv --clear $(VENV)
	@touch $@

$(VENV)/installed: $(VENV)/made $(wildcard blockd/*/*.pyx blockd/*/*.pxd)
	@echo "Installing blockd, its engine and what it needs into $(VENV); this takes a minute or two ..."
	@$(INSTALL) --editable .
	@touch $@

$(VENV)/tested: $(VENV)/made $(wildcard blockd/*/*.pyx blockd/*/*.pxd)
	@echo "Installing blockd, its engine and what its tests need into $(VENV); this takes a minute or two ..."
	@$(INSTALL) --editable '.[test]'
	@touch $(VENV)/installed $@

clean:
	rm -rf $(VENV) var build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis blockd/*/*.so blockd/*/*.c
