# `make run` starts blockd on the sample signed list; `make test` is the whole gate. Both work from a fresh clone.
# `make help` lists the rest.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Errors only. Python compiles a module when it first imports it; to do so for all that is installed would take longer.
# uv does in a second what takes pip many; where it cannot (for an index that only pip's configuration knows), pip does.
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check --no-compile --no-deps
UV := $(BIN)/uv pip install --quiet --no-deps --python $(BIN)/python
INSTALL = $(UV) $(1) 2>/dev/null || $(PIP) $(1)
# What is imported is compiled to bytecode once and kept, also where PYTHONDONTWRITEBYTECODE is set: otherwise each process
# would compile it anew, and a daemon is several.
unexport PYTHONDONTWRITEBYTECODE
BUILD := PYTHONPATH=packaging $(BIN)/python -m blockd_build

# What the extensions are compiled from; packaging/blockd_build/sources.py knows which of them needs which.
SOURCES := $(shell find blockd -name '*.pyx' -o -name '*.pxd' 2>/dev/null) \
	$(shell grep -rlE --include='*.py' '^\# cython:' blockd 2>/dev/null)

.DEFAULT_GOAL := run
.PHONY: run help ext check test twin lint format reference docs numbers bench bench-streams bench-hostile bench-mirrors soak reloads fuzz api-fuzz wheel deb rehearse release lock clean

run: $(VENV)/installed ## start blockd on the sample signed list, installed into .venv if it is not yet
	@$(BIN)/blockd run --config config/blockd.yaml

help: ## list these targets
	@sed -n 's/^\([a-z-]*\):.* ## /\1\t/p' $(MAKEFILE_LIST) | while IFS="$$(printf '\t')" read -r target does; do \
		printf '  make %-13s %s\n' "$$target" "$$does"; done

ext: $(VENV)/builders ## compile those of the engine's modules that have changed
	@$(BUILD) extensions
	@touch $(VENV)/engine

# What is to be known while one works: tests that start no process, serve nothing and try no random values, but for those
# few that take long all the same.
QUICK := $(filter-out tests/feeds/tuf/% %/test_real_lists.py %/test_replay.py %/test_sizes.py %/test_table.py, \
	$(shell grep -rLE --include='test_*.py' 'hypothesis|subprocess|asyncio|Daemon|webserver' tests/test_style.py \
	tests/test_rooms.py $(addprefix tests/,names orders metrics settings ruleset feeds publish packaging_) 2>/dev/null))

check: lint ## lint, types and the tests that start no process: within a minute
	$(BIN)/pytest -q -n 2 --dist loadfile $(QUICK)

# Those whose outcome an engine can change: what is compiled and amended, what is answered, and how it is swapped; but for
# those that ask both engines in any case, and those that ask none.
TWIN_TESTS := tests/resolver $(patsubst %,tests/transports/test_%.py,tcp tcp_limits udp) \
	$(addprefix tests/ruleset/,building versions test_explain.py test_real_lists.py) \
	$(addprefix tests/feeds/,overrides signed/test_amend.py test_zone_orders.py) \
	$(patsubst %,tests/feeds/transfer/test_%.py,amend emptied histories) \
	$(patsubst %,tests/daemon/test_%.py,answers first_start hot_swap hostile_packets privacy rpz_peers selftest start) \
	tests/daemon/reload/test_reloads_under_load.py \
	tests/daemon/upgrade/test_upgrade.py::test_no_question_is_lost_while_one_version_takes_the_place_of_another \
	$(addprefix --ignore-glob=,*/test_*twin*.py */test_unknown_actions.py */test_keeping.py */test_diff.py \
		*/test_response.py */test_fitting.py */test_reading_work.py \
		*/streams/* */composing/* */test_floods.py */test_rate_limit.py */test_server_cookies.py)

# A file's tests stay together, since they share servers, and the longest files come first (tests/longest.py). More workers
# than processors, since tests wait more than they work. They are as nice as can be, so that what blockd does behind its
# workers is not behind the tests as well.
SIDE_BY_SIDE := nice -n 19 $(BIN)/pytest --dist loadfile

# Every test with the engine that was built; beside it, so that no processor waits for another at the end of each, lint, and
# what an engine can change with its twin in Python. What these two say comes as a whole when they have ended.
test: $(VENV)/tested ## the whole gate: lint, types, every test, with both engines
	@$(MAKE) --no-print-directory -j 2 -O lint twin & beside=$$!; \
		$(SIDE_BY_SIDE) -n 5; native=$$?; wait $$beside && exit $$native

twin: $(VENV)/tested ## the tests whose outcome an engine can change, with the Python engine
	@! $(BIN)/python -c 'import blockd.resolver.engine._engine' 2>/dev/null || { echo "With the Python engine:"; \
		BLOCKD_ENGINE=python $(SIDE_BY_SIDE) -n 2 $(TWIN_TESTS); }

lint: $(VENV)/tested ## lint, format and types alone
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/cython-lint blockd tests/fuzz # it runs pycodestyle, which it looks for there
	$(BIN)/mypy

format: $(VENV)/tested ## put the code into the form that lint asks for
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

reference: $(VENV)/tested ## make the pages of docs/reference anew from the code
	$(BIN)/python -m tests.docs.reference

docs: $(VENV)/documented ## the manual as a site in build/site; a page outside of the navigation or a dead link is an error
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo "The manual is in build/site/index.html."

numbers: $(VENV)/tested ## make the numbers that Cython shares with Python anew from the modules in Python
	$(BIN)/python -m tests.shared_numbers

# More in tests/bench. With other arguments: make bench BENCH="--names 10000000 --json figures.json", and
# BENCH_STREAMS for what is measured over connections
bench: $(VENV)/tested ## compare blockd and the servers that it would replace, on this machine
	@$(BIN)/python -m tests.bench $(BENCH)
	@$(BIN)/python -m tests.bench.streams $(BENCH_STREAMS)

bench-streams: $(VENV)/tested ## compare blockd and its peers over TCP, TLS and HTTPS alone
	@$(BIN)/python -m tests.bench.streams $(BENCH_STREAMS)

bench-hostile: $(VENV)/tested ## compare how blockd, Unbound and BIND bear upstreams that fail
	@$(BIN)/python -m tests.bench.hostile $(BENCH)

bench-mirrors: $(VENV)/tested ## measure how soon an order is enforced with one of two mirrors at fault
	@$(BIN)/python -m tests.bench.mirrors $(BENCH)

# SOAK has arguments, such as --seconds 600.
soak: $(VENV)/tested ## two hours of mixed load and faults: what is lost, how soon all is whole, what memory it takes
	@$(BIN)/python -m tests.soak $(SOAK)

# RELOADS has arguments, such as --count 100 --seed 2.
reloads: $(VENV)/tested ## a thousand random configs reloaded one after the other while clients go on asking
	@$(BIN)/python -m tests.daemon.reload.random_configs $(RELOADS)

# FUZZ has arguments, such as --seed 2.
fuzz: $(VENV)/tested ## millions of mutated packets against the native engine, with sanitizers
	@PYTHONPATH=packaging $(BIN)/python -m tests.fuzz $(FUZZ)

api-fuzz: $(VENV)/tested ## hundreds of requests of each kind to a daemon's admin port, valid and not, by Schemathesis
	@BLOCKD_LONG=1 $(BIN)/pytest -q tests/daemon/test_schemathesis.py

wheel: $(VENV)/builders ## a wheel for this Python on any Linux with a C library as old as its tag says, and an sdist, in dist/
	@$(BUILD) wheel

deb: $(VENV)/builders ## a Debian package for this system's Python, in dist/, with all that blockd needs of Python
	@$(BUILD) deb

# Both need root and Debian's mmdebstrap, and take minutes: the second compiles the engine anew.
rehearse: $(VENV)/tested ## install, start, upgrade and purge the Debian package, do what the Dockerfile says, and run the unit by systemd, each in a root of its own
	@BLOCKD_LONG=1 $(BIN)/pytest -q tests/packaging_/roots tests/packaging_/test_debian.py

release: $(VENV)/builders ## what a release consists of, in dist/: wheel, sdist, bill of materials, digests; nothing is uploaded
	@rm -rf dist
	@$(BUILD) release

lock: $(VENV)/builders ## the newest versions that pyproject.toml allows, into requirements.lock
	@$(BUILD) lock

# The environment, in steps that each leave a mark. A change of what is locked makes it anew.
$(VENV)/made: requirements.lock
	@command -v $(PYTHON) >/dev/null || { echo "blockd needs Python 3.11 or later, and there is no $(PYTHON). Say which to use: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("blockd needs Python 3.11 or later; this is " + sys.version.split()[0] + ". Say which to use: make PYTHON=python3.12")'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "blockd needs Python's venv module (Debian: apt-get install python3-venv)." >&2; exit 1; }
	@echo "Making an environment for $$($(PYTHON) --version) in $(VENV)"
	@$(PYTHON) packaging/blockd_build/environment.py $(VENV)
	@touch $@

$(VENV)/builders: $(VENV)/made
	@echo "Installing Cython and setuptools, which build the engine"
	@$(BUILD) requirements build >$@.txt
	@$(call INSTALL,--require-hashes -r $@.txt)
	@touch $@

$(VENV)/dependencies: $(VENV)/builders
	@echo "Installing what blockd needs ($$(grep -c '^[a-z].*==' requirements.lock) packages with those of its tests)"
	@$(call INSTALL,--require-hashes -r requirements.lock)
	@touch $@

$(VENV)/engine: $(VENV)/builders $(SOURCES)
	@$(BUILD) extensions
	@touch $@

$(VENV)/linked: $(VENV)/dependencies pyproject.toml
	@$(call INSTALL,--no-build-isolation --editable .)
	@cp -R build/share $(VENV)/ # completion and manual pages, which an editable installation leaves out
	@touch $@

# Packages come over the network while the engine is compiled.
$(VENV)/installed: $(VENV)/made $(SOURCES) pyproject.toml
	@$(MAKE) --no-print-directory -j 2 $(VENV)/dependencies $(VENV)/engine
	@$(MAKE) --no-print-directory $(VENV)/linked
	@$(BIN)/python -c 'import blockd.cli, blockd.daemon.control, blockd.daemon.supervisor, blockd.daemon.update.compile_child, \
		blockd.feeds.signed.source, blockd.feeds.text_source, blockd.feeds.transfer.source, blockd.publish'
	@touch $@

$(VENV)/tested: $(VENV)/installed
	@test -e $@ || echo "Installing what the tests need"
	@test -e $@ || $(BUILD) requirements test >$@.txt
	@test -e $@ || $(call INSTALL,--require-hashes -r $@.txt)
	@$(BIN)/python -c 'import pytest, hypothesis, xdist.plugin, xdist.remote'
	@touch $@

$(VENV)/documented: $(VENV)/installed
	@test -e $@ || echo "Installing what makes the manual"
	@test -e $@ || $(BIN)/python -m pip install -qq --disable-pip-version-check --no-build-isolation --editable '.[docs]'
	@touch $@

clean: ## remove all that was made
	rm -rf $(VENV) var build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find blockd -name '*.so' -delete -o -name '*.c' -delete
